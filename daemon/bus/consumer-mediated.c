/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What org.pasidd1.Consumer's methods of the mediated mode do. File
 * descriptors stay the message's, with any that came along unasked, and are
 * closed with it.
 */
#include "bus/consumer-methods.h"

#include <errno.h>

#include "bus/authorise.h"
#include "bus/reply.h"
#include "bus/signals.h"

#define MAP_FLAGS (MAP_READ | MAP_WRITE | MAP_FIXED_IOVA)

static int read_pasid(struct call *call, uint32_t *ret) {
        int r = call_read(call, "u", ret);

        return r < 0 ? r : call_check_pasid(call, *ret);
}

int consumer_method_attach(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint32_t pasid;
        int r;

        r = read_pasid(call, &pasid);
        if (r >= 0)
                r = reply_new(call, &reply);
        if (r < 0)
                return r;
        r = authorise_attach(call);
        if (r <= 0)
                return r;
        r = service_attach(call_service(call), call->consumer, pasid, &call->refusal);
        if (r < 0)
                return r;
        signals_note_mediated(call->link->bus->signals, call->consumer);
        return reply_when_committed(call, reply);
}

int consumer_method_detach(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint32_t pasid;
        int r;

        r = read_pasid(call, &pasid);
        if (r >= 0)
                r = reply_new(call, &reply);
        if (r >= 0)
                r = service_detach(call_service(call), call->consumer, pasid, &call->refusal);
        if (r < 0)
                return r;
        signals_note_mediated(call->link->bus->signals, call->consumer);
        return reply_when_committed(call, reply);
}

int consumer_check_mapping(const struct kernel_mapping *m, struct refusal *refusal) {
        if (m->flags & ~MAP_FLAGS)
                return refuse(refusal, EINVAL, "The flags %#x have bits that mean nothing here; they are 1 for read, 2 for "
                                               "write and 4 for a fixed address.", m->flags);
        if (!(m->flags & (MAP_READ | MAP_WRITE)))
                return refuse(refusal, EINVAL, "Memory was to be mapped that the device may neither read nor write; give "
                                               "the flag 1 for read, 2 for write, or both.");
        if (m->iova != 0 && !(m->flags & MAP_FIXED_IOVA))
                return refuse(refusal, EINVAL, "The address %#llx was given without the flag 4 for a fixed address; give "
                                               "both, or neither to have one chosen.", (unsigned long long) m->iova);
        return 0;
}

int consumer_method_map(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct kernel_mapping m = { .fd = -EBADF };
        uint64_t iova;
        uint32_t pasid;
        int r;

        r = read_pasid(call, &pasid);
        if (r >= 0)
                r = call_read(call, "htttu", &m.fd, &m.offset, &m.length, &m.iova, &m.flags);
        if (r >= 0)
                call_claim_fd(call, m.fd);
        if (r >= 0)
                r = consumer_check_mapping(&m, &call->refusal);
        if (r >= 0)
                r = reply_new(call, &reply);
        if (r >= 0)
                r = service_map(call_service(call), call->consumer, pasid, &m, &iova, &call->refusal);
        if (r < 0)
                return r;
        signals_note_mediated(call->link->bus->signals, call->consumer);
        return reply_number_when_committed(call, reply, 't', &iova);
}

int consumer_method_unmap(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t iova, length, unmapped;
        uint32_t pasid;
        int r;

        r = read_pasid(call, &pasid);
        if (r >= 0)
                r = call_read(call, "tt", &iova, &length);
        if (r >= 0)
                r = reply_new(call, &reply);
        if (r >= 0)
                r = service_unmap(call_service(call), call->consumer, pasid, iova, length, &unmapped, &call->refusal);
        if (r < 0)
                return r;
        signals_note_mediated(call->link->bus->signals, call->consumer);
        return reply_number_when_committed(call, reply, 't', &unmapped);
}
