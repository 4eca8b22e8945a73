/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One number: its private data, and who on the host holds it.
 */
#include "libpasid-internal.h"

static int find_read(struct pasid_consumer *consumer, sd_bus_message *reply, struct pasid_info *info, const void **ret, size_t *ret_size) {
        const char *state = "";
        const struct lp_property properties[] = {
                { "state", "s", &state },
                { "since", "t", &info->since_usec },
                { "private_bytes", "u", &info->private_bytes },
        };
        int r;

        r = sd_bus_message_read_array(reply, 'y', ret, ret_size);
        if (r < 0)
                return lp_fail_read(consumer->client, r);
        r = lp_read_properties(reply, properties, ELEMENTSOF(properties));
        if (r < 0)
                return lp_fail_read(consumer->client, r);
        info->state = lp_state_from_string(state);
        info->uid = consumer->uid;
        info->consumer = consumer->name;
        return 0;
}

_public_ int pasid_find(struct pasid_consumer *consumer, uint32_t pasid, void **ret_private, size_t *ret_private_size,
                        struct pasid_info *ret_info) {
        struct pasid_info info = { .size = sizeof(info), .pasid = pasid };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        const void *data = NULL;
        void *copy = NULL;
        size_t size = 0;
        int r;

        r = lp_consumer_check(consumer);
        if (r < 0)
                return r;
        if (!ret_private != !ret_private_size)
                return lp_fail(consumer->client, EINVAL, "Private data and its size come only together.");
        if (ret_info && lp_struct_check(ret_info) < 0)
                return lp_fail(consumer->client, EINVAL, "The size of struct pasid_info is not set.");
        r = lp_consumer_call_new(consumer, "Find", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(call, 'u', &pasid);
        if (r < 0)
                return lp_fail_append(consumer->client, r);
        r = lp_call(consumer->client, call, "aya{sv}", &reply);
        if (r < 0)
                return r;
        r = find_read(consumer, reply, &info, &data, &size);
        if (r < 0)
                return r;
        if (ret_private) {
                if (size > 0) {
                        copy = malloc(size);
                        if (!copy)
                                return lp_fail(consumer->client, ENOMEM, NULL);
                        memcpy(copy, data, size);
                }
                *ret_private = copy;
                *ret_private_size = size;
        }
        if (ret_info)
                lp_struct_write(ret_info, ret_info->size, &info);
        return 0;
}

_public_ int pasid_set_private(struct pasid_consumer *consumer, uint32_t pasid, const void *private_data, size_t private_size) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = lp_consumer_check(consumer);
        if (r < 0)
                return r;
        if (!private_data && private_size > 0)
                return lp_fail(consumer->client, EINVAL, "Private data is NULL, and its size is not 0, but %zu.", private_size);
        if (private_size > PASID_PRIVATE_MAX)
                return lp_fail(consumer->client, EMSGSIZE, "Private data of %zu bytes is above the limit of %u bytes.",
                               private_size, PASID_PRIVATE_MAX);
        r = lp_consumer_call_new(consumer, "SetPrivate", &call);
        if (r < 0)
                return r;
        if ((r = sd_bus_message_append_basic(call, 'u', &pasid)) < 0 ||
            (r = sd_bus_message_append_array(call, 'y', private_data, private_size)) < 0)
                return lp_fail_append(consumer->client, r);
        return lp_call(consumer->client, call, "", NULL);
}

/* 1: *ret_result is the callback's; 0: the last one was read. */
static int holder_next(sd_bus_message *m, pasid_holder_cb callback, void *userdata, int *ret_result) {
        struct pasid_holder holder = { .size = sizeof(holder) };
        _cleanup_free_ char **devices = NULL;
        _cleanup_free_ char *name = NULL;
        const char *path, *state;
        uint32_t uid;
        int r;

        r = sd_bus_message_enter_container(m, 'r', "uostas");
        if (r <= 0)
                return r;
        r = sd_bus_message_read(m, "uost", &uid, &path, &state, &holder.since_usec);
        if (r < 0)
                return r;
        r = lp_read_strings(m, "s", &devices);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        r = lp_consumer_path_decode(path, &holder.uid, &name);
        if (r < 0)
                return r;
        holder.uid = (uid_t) uid;
        holder.consumer = name;
        holder.state = lp_state_from_string(state);
        holder.devices = (const char *const *) devices;
        *ret_result = callback(&holder, userdata);
        return 1;
}

_public_ int pasid_who_has(struct pasid_client *client, uint32_t pasid, pasid_holder_cb callback, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r, result = 0;

        if (!client || !callback)
                return lp_fail(client, EINVAL, "A callback is needed.");
        r = lp_call_new(client, PASIDD_PATH, PASIDD_IFACE_MANAGER, "WhoHas", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(call, 'u', &pasid);
        if (r < 0)
                return lp_fail_append(client, r);
        r = lp_call(client, call, "a(uostas)", &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(uostas)");
        if (r < 0)
                return lp_fail_read(client, r);
        do
                r = holder_next(reply, callback, userdata, &result);
        while (r > 0 && result == 0);
        if (r < 0)
                return lp_fail_read(client, r);
        return result;
}
