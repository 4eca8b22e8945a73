/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists of PASIDs, read in pages, so that neither daemon nor caller ever holds
 * a million rows.
 */
#include "libpasid-internal.h"

/* A consumer's page: the answer, standing before its first row. */
static int page_get(struct pasid_consumer *consumer, uint32_t after, uint32_t limit, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = lp_consumer_call_new(consumer, "List", &call);
        if (r < 0)
                return r;
        if ((r = sd_bus_message_append_basic(call, 'u', &after)) < 0 ||
            (r = sd_bus_message_append_basic(call, 'u', &limit)) < 0)
                return lp_fail_append(consumer->client, r);
        r = lp_call(consumer->client, call, "a(ustu)b", &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(ustu)");
        if (r < 0)
                return lp_fail_read(consumer->client, r);
        *ret = TAKE_PTR(reply);
        return 0;
}

/* 1: a row, above *after, which moves on; 0: there was none, and *ret_more is set. */
static int page_next(struct pasid_consumer *consumer, sd_bus_message *m, uint32_t *after, struct pasid_info *ret, bool *ret_more) {
        struct pasid_info info = { .size = sizeof(info), .uid = consumer->uid, .consumer = consumer->name };
        const char *state;
        int r, more;

        r = sd_bus_message_read(m, "(ustu)", &info.pasid, &state, &info.since_usec, &info.private_bytes);
        if (r < 0)
                return lp_fail_read(consumer->client, r);
        if (r > 0) {
                if (info.pasid <= *after)
                        return lp_fail(consumer->client, EBADMSG, "pasidd's list is not in order: %u came after %u.", info.pasid, *after);
                *after = info.pasid;
                info.state = lp_state_from_string(state);
                *ret = info;
                return 1;
        }
        r = sd_bus_message_exit_container(m);
        if (r >= 0)
                r = sd_bus_message_read_basic(m, 'b', &more);
        if (r < 0)
                return lp_fail_read(consumer->client, r);
        *ret_more = more;
        return 0;
}

_public_ int pasid_for_each(struct pasid_consumer *consumer, pasid_cb callback, void *userdata) {
        uint32_t after = 0;
        bool more = true;
        int r;

        if (!consumer || !callback)
                return lp_fail(consumer ? consumer->client : NULL, EINVAL, "A consumer and a callback are needed.");
        while (more) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
                uint32_t start = after;
                struct pasid_info info;

                r = page_get(consumer, after, LIST_PAGE_MAX, &m);
                if (r < 0)
                        return r;
                while ((r = page_next(consumer, m, &after, &info, &more)) > 0) {
                        r = callback(&info, userdata);
                        if (r != 0)
                                return r;
                }
                if (r < 0)
                        return r;
                if (more && after == start)
                        return lp_fail(consumer->client, EBADMSG, "pasidd's list goes on without end after %u.", after);
        }
        return 0;
}

_public_ int pasid_list(struct pasid_consumer *consumer, uint32_t after, uint32_t limit, struct pasid_info *ret_infos,
                        size_t *ret_n, bool *ret_more) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        struct pasid_info info;
        size_t n = 0, stride;
        bool more = false;
        int r;

        if (!consumer || !ret_infos || !ret_n || limit < 1)
                return lp_fail(consumer ? consumer->client : NULL, EINVAL, "A consumer, and a place for the page, are needed.");
        if (lp_struct_check(ret_infos) < 0)
                return lp_fail(consumer->client, EINVAL, "The size of the first struct pasid_info is not set.");
        stride = ret_infos->size;
        r = page_get(consumer, after, limit, &m);
        if (r < 0)
                return r;
        while ((r = page_next(consumer, m, &after, &info, &more)) > 0) {
                if (n >= limit)
                        return lp_fail(consumer->client, EBADMSG, "pasidd's page is longer than the limit of %u.", limit);
                lp_struct_write((char *) ret_infos + n * stride, stride, &info);
                n++;
        }
        if (r < 0)
                return r;
        *ret_n = n;
        if (ret_more)
                *ret_more = more;
        return 0;
}

static int host_page_get(struct pasid_client *client, uint64_t after, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = lp_call_new(client, PASIDD_PATH, PASIDD_IFACE_MANAGER, "List", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "tu", after, (uint32_t) LIST_PAGE_MAX);
        if (r < 0)
                return lp_fail_append(client, r);
        r = lp_call(client, call, "a(uusstu)tb", &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(uusstu)");
        if (r < 0)
                return lp_fail_read(client, r);
        *ret = TAKE_PTR(reply);
        return 0;
}

static int host_page_walk(struct pasid_client *client, sd_bus_message *m, pasid_cb callback, void *userdata,
                          uint64_t *ret_next, bool *ret_more) {
        struct pasid_info info = { .size = sizeof(info) };
        const char *state;
        uint32_t uid;
        int r, more;

        for (;;) {
                r = sd_bus_message_read(m, "(uusstu)", &info.pasid, &uid, &info.consumer, &state, &info.since_usec, &info.private_bytes);
                if (r < 0)
                        return lp_fail_read(client, r);
                if (r == 0)
                        break;
                info.uid = (uid_t) uid;
                info.state = lp_state_from_string(state);
                r = callback(&info, userdata);
                if (r != 0)
                        return r;
        }
        r = sd_bus_message_exit_container(m);
        if (r >= 0)
                r = sd_bus_message_read(m, "tb", ret_next, &more);
        if (r < 0)
                return lp_fail_read(client, r);
        *ret_more = more;
        return 0;
}

_public_ int pasid_client_for_each(struct pasid_client *client, pasid_cb callback, void *userdata) {
        uint64_t after = 0, next = 0;
        bool more = true;
        int r;

        if (!client || !callback)
                return lp_fail(client, EINVAL, "A callback is needed.");
        while (more) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

                r = host_page_get(client, after, &m);
                if (r < 0)
                        return r;
                r = host_page_walk(client, m, callback, userdata, &next, &more);
                if (r != 0)
                        return r;
                if (more && next <= after)
                        return lp_fail(client, EBADMSG, "pasidd's list goes on without end.");
                after = next;
        }
        return 0;
}
