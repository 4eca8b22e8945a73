/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who held a number before.
 */
#include "libpasid-internal.h"

/* 1: *ret_result is the callback's; 0: the last one was read. */
static int past_holder_next(sd_bus_message *m, pasid_past_holder_cb callback, void *userdata, int *ret_result) {
        struct pasid_past_holder holder = { .size = sizeof(holder) };
        _cleanup_free_ char **devices = NULL;
        uint32_t uid;
        int r;

        r = sd_bus_message_enter_container(m, 'r', "usttsas");
        if (r <= 0)
                return r;
        r = sd_bus_message_read(m, "ustts", &uid, &holder.consumer, &holder.since_usec, &holder.until_usec, &holder.reason);
        if (r < 0)
                return r;
        r = lp_read_strings(m, "s", &devices);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        holder.uid = (uid_t) uid;
        holder.devices = (const char *const *) devices;
        *ret_result = callback(&holder, userdata);
        return 1;
}

_public_ int pasid_history(struct pasid_client *client, uint32_t pasid, pasid_past_holder_cb callback, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r, result = 0;

        if (!client || !callback)
                return lp_fail(client, EINVAL, "A callback is needed.");
        r = lp_call_new(client, PASIDD_PATH, PASIDD_IFACE_MANAGER, "History", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(call, 'u', &pasid);
        if (r < 0)
                return lp_fail_append(client, r);
        r = lp_call(client, call, "a(usttsas)", &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(usttsas)");
        if (r < 0)
                return lp_fail_read(client, r);
        do
                r = past_holder_next(reply, callback, userdata, &result);
        while (r > 0 && result == 0);
        if (r < 0)
                return lp_fail_read(client, r);
        return result;
}
