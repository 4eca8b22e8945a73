/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drawing numbers, and giving them back.
 */
#include "libpasid-internal.h"

/* Whether the daemon certainly did nothing. All else may have been done, and answered too late or not at all. */
static bool is_refusal(int r) {
        switch (r) {
        case -ENOMEM:
        case -ENOBUFS:
                return false; /* ours or the bus's as well as the daemon's */
        case -ECONNREFUSED:
                return true;
        default:
                return error_by_code(r) != NULL;
        }
}

struct request {
        const char *member;
        uint32_t count; /* AllocMany only */
        uint32_t min, max;
        const void *private_data;
        size_t private_size;
        struct pasid_alloc_options options;
        struct pasid_mapping map; /* options.map points here, if there is one */
        char token[TOKEN_LEN_MAX + 1]; /* the library's own; "": the caller has one */
};

static int check_map(struct pasid_client *client, struct request *q) {
        int r;

        if (!q->options.map)
                return 0;
        r = lp_struct_read(q->options.map, &q->map);
        if (r < 0)
                return lp_fail(client, r, NULL);
        q->options.map = &q->map;
        if (!(q->map.flags & PASID_MAP_FIXED))
                return lp_fail(client, EINVAL, "The option map needs an address, and the flag PASID_MAP_FIXED; pasid_map() "
                               "tells one that the kernel chooses.");
        return 0;
}

static int request_check(struct pasid_consumer *consumer, struct request *q, const struct pasid_alloc_options *options) {
        struct pasid_client *client = consumer->client;
        int r;

        r = lp_struct_read(options, &q->options);
        if (r < 0)
                return lp_fail(client, r, NULL);
        if (!q->private_data && q->private_size > 0)
                return lp_fail(client, EINVAL, "Private data is NULL, and its size is not 0, but %zu.", q->private_size);
        if (q->private_size > PASID_PRIVATE_MAX)
                return lp_fail(client, EMSGSIZE, "Private data of %zu bytes is above the limit of %u bytes.", q->private_size, PASID_PRIVATE_MAX);
        r = check_map(client, q);
        if (r < 0 || q->options.token)
                return r;
        r = lp_token_make(client, q->token);
        q->options.token = q->token;
        return r;
}

static int request_append(sd_bus_message *m, const struct request *q) {
        int r;

        if ((r = sd_bus_message_append(m, "uu", q->min, q->max)) < 0 ||
            (r = sd_bus_message_append_array(m, 'y', q->private_data, q->private_size)) < 0 ||
            (r = sd_bus_message_open_container(m, 'a', "{sv}")) < 0)
                return r;
        if (q->options.map && (r = sd_bus_message_append(m, "{sv}", "map", "(htttu)", q->map.memory_fd, q->map.offset, q->map.length,
                                                         q->map.iova, q->map.flags)) < 0)
                return r;
        if ((r = sd_bus_message_append(m, "{sv}", "token", "s", q->options.token)) < 0)
                return r;
        if (q->options.attach && !q->options.map && (r = sd_bus_message_append(m, "{sv}", "attach", "b", 1)) < 0)
                return r;
        if (q->options.contiguous && (r = sd_bus_message_append(m, "{sv}", "contiguous", "b", 1)) < 0)
                return r;
        if (q->options.align > 0 && (r = sd_bus_message_append(m, "{sv}", "align", "u", q->options.align)) < 0)
                return r;
        return sd_bus_message_close_container(m);
}

/* Reads the answer to the end before anything is written to the caller's. */
static int request_read(struct pasid_client *client, sd_bus_message *reply, const struct request *q, uint32_t *ret) {
        const void *numbers;
        uint32_t pasid;
        size_t size;
        int r;

        if (q->count == 0) {
                r = sd_bus_message_read_basic(reply, 'u', &pasid);
                if (r < 0)
                        return lp_fail_read(client, r);
                *ret = pasid;
                return 0;
        }
        r = sd_bus_message_read_array(reply, 'u', &numbers, &size);
        if (r < 0)
                return lp_fail_read(client, r);
        if (size != q->count * sizeof(*ret))
                return lp_fail(client, EBADMSG, "pasidd was asked for a count of %u, and gave %zu.", q->count, size / sizeof(*ret));
        memcpy(ret, numbers, size);
        return 0;
}

static int request_run(struct pasid_consumer *consumer, const struct request *q, uint32_t *ret) {
        struct pasid_client *client = consumer->client;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = lp_consumer_call_new(consumer, q->member, &call);
        if (r < 0)
                return r;
        if (q->count > 0) {
                r = sd_bus_message_append_basic(call, 'u', &q->count);
                if (r < 0)
                        return lp_fail_append(client, r);
        }
        r = request_append(call, q);
        if (q->options.map && lp_is_bad_fd(r, q->map.memory_fd))
                return lp_fail(client, EINVAL, "memory_fd %d is no open file descriptor.", q->map.memory_fd);
        if (r < 0)
                return lp_fail_append(client, r);
        r = lp_call(client, call, q->count > 0 ? "au" : "u", &reply);
        if (r == 0)
                r = request_read(client, reply, q, ret);
        if (r < 0 && q->token[0] != '\0' && !is_refusal(r))
                lp_token_give_back(consumer, q->token);
        return r;
}

_public_ int pasid_alloc(struct pasid_consumer *consumer, uint32_t min, uint32_t max, const void *private_data, size_t private_size,
                         const struct pasid_alloc_options *options, uint32_t *ret_pasid) {
        struct request q = { "Alloc", 0, min, max, private_data, private_size, PASID_ALLOC_OPTIONS_INIT, PASID_MAPPING_INIT, "" };
        int r;

        if (!consumer || !ret_pasid)
                return lp_fail(consumer ? consumer->client : NULL, EINVAL, "A consumer, and a place for the number, are needed.");
        r = request_check(consumer, &q, options);
        if (r < 0)
                return r;
        if (q.options.contiguous || q.options.align > 0)
                return lp_fail(consumer->client, EINVAL, "The options contiguous and align are for pasid_alloc_many() only.");
        return request_run(consumer, &q, ret_pasid);
}

_public_ int pasid_alloc_many(struct pasid_consumer *consumer, uint32_t count, uint32_t min, uint32_t max, const void *private_data,
                              size_t private_size, const struct pasid_alloc_options *options, uint32_t *ret_pasids) {
        struct request q = { "AllocMany", count, min, max, private_data, private_size, PASID_ALLOC_OPTIONS_INIT, PASID_MAPPING_INIT, "" };
        int r;

        if (!consumer || !ret_pasids)
                return lp_fail(consumer ? consumer->client : NULL, EINVAL, "A consumer, and a place for the numbers, are needed.");
        if (count < 1 || count > PASID_MAX)
                return lp_fail(consumer->client, EINVAL, "A count of %u is outside 1..%u.", count, PASID_MAX);
        r = request_check(consumer, &q, options);
        if (r < 0)
                return r;
        if (q.options.attach || q.options.map)
                return lp_fail(consumer->client, EINVAL, "The options attach and map are for pasid_alloc() only; "
                               "pasid_attach() attaches each of several.");
        return request_run(consumer, &q, ret_pasids);
}

_public_ int pasid_free(struct pasid_consumer *consumer, uint32_t pasid) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = lp_consumer_check(consumer);
        if (r < 0)
                return r;
        r = lp_consumer_call_new(consumer, "Free", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(call, 'u', &pasid);
        if (r < 0)
                return lp_fail_append(consumer->client, r);
        return lp_call(consumer->client, call, "", NULL);
}

_public_ int pasid_free_many(struct pasid_consumer *consumer, const uint32_t *pasids, size_t n_pasids) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = lp_consumer_check(consumer);
        if (r < 0)
                return r;
        if (n_pasids == 0)
                return 0;
        if (!pasids)
                return lp_fail(consumer->client, EINVAL, "The PASIDs to free are NULL, and their count is not 0, but %zu.", n_pasids);
        if (n_pasids > PASID_MAX)
                return lp_fail(consumer->client, EINVAL, "A count of %zu is above %u.", n_pasids, PASID_MAX);
        r = lp_consumer_call_new(consumer, "FreeMany", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(call, 'u', pasids, n_pasids * sizeof(*pasids));
        if (r < 0)
                return lp_fail_append(consumer->client, r);
        return lp_call(consumer->client, call, "", NULL);
}
