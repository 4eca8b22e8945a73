/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mediated mode: the daemon attaches, maps and detaches. Memory goes to it as
 * a file descriptor, which sd-bus duplicates into the message.
 */
#include "libpasid-internal.h"

static int call_with_number(struct pasid_consumer *consumer, const char *member, uint32_t pasid) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = lp_consumer_check(consumer);
        if (r < 0)
                return r;
        r = lp_consumer_call_new(consumer, member, &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(call, 'u', &pasid);
        if (r < 0)
                return lp_fail_append(consumer->client, r);
        return lp_call(consumer->client, call, "", NULL);
}

_public_ int pasid_attach(struct pasid_consumer *consumer, uint32_t pasid) {
        return call_with_number(consumer, "Attach", pasid);
}

_public_ int pasid_detach(struct pasid_consumer *consumer, uint32_t pasid) {
        return call_with_number(consumer, "Detach", pasid);
}

bool lp_is_bad_fd(int r, int fd) {
        return r == -EBADF || (r == -EINVAL && fd < 0);
}

_public_ int pasid_map(struct pasid_consumer *consumer, uint32_t pasid, int memory_fd, uint64_t offset, uint64_t length,
                       uint64_t iova, uint32_t flags, uint64_t *ret_iova) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        uint64_t mapped;
        int r;

        r = lp_consumer_check(consumer);
        if (r < 0)
                return r;
        if (!ret_iova && !(flags & PASID_MAP_FIXED))
                return lp_fail(consumer->client, EINVAL, "An address that the kernel chooses needs a place to put it; "
                               "pass ret_iova, or the flag PASID_MAP_FIXED.");
        r = lp_consumer_call_new(consumer, "Map", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "uhtttu", pasid, memory_fd, offset, length, iova, flags);
        if (lp_is_bad_fd(r, memory_fd))
                return lp_fail(consumer->client, EINVAL, "memory_fd %d is no open file descriptor.", memory_fd);
        if (r < 0)
                return lp_fail_append(consumer->client, r);
        r = lp_call(consumer->client, call, "t", &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(reply, 't', &mapped);
        if (r < 0)
                return lp_fail_read(consumer->client, r);
        if (ret_iova)
                *ret_iova = mapped;
        return 0;
}

_public_ int pasid_unmap(struct pasid_consumer *consumer, uint32_t pasid, uint64_t iova, uint64_t length,
                         uint64_t *ret_unmapped) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        uint64_t unmapped;
        int r;

        r = lp_consumer_check(consumer);
        if (r < 0)
                return r;
        r = lp_consumer_call_new(consumer, "Unmap", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "utt", pasid, iova, length);
        if (r < 0)
                return lp_fail_append(consumer->client, r);
        r = lp_call(consumer->client, call, "t", &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(reply, 't', &unmapped);
        if (r < 0)
                return lp_fail_read(consumer->client, r);
        if (ret_unmapped)
                *ret_unmapped = unmapped;
        return 0;
}
