/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A consumer changes hands: its owner offers it, and whom it was offered to
 * takes it. A guess at what is offered to others learns nothing.
 */
#include "bus/transfer.h"

#include <errno.h>

#include "bus/authorise.h"
#include "bus/reply.h"

int consumer_method_transfer(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint32_t uid;
        int r;

        r = call_read(call, "u", &uid);
        if (r >= 0)
                r = reply_new(call, &reply);
        if (r >= 0)
                r = service_offer_consumer(call_service(call), call->consumer, (uid_t) uid, &call->refusal);
        return r < 0 ? r : reply_when_committed(call, reply);
}

static int check_offer(struct call *call, const struct accept_request *request) {
        if (service_is_offered(call_service(call), request->owner, request->name, request->uid))
                return 0;
        return refuse(&call->refusal, EACCES, "Accept was asked by uid %u, to whom uid %u has offered no consumer \"%s\"; its owner "
                      "offers it by Transfer.", (unsigned) request->uid, (unsigned) request->owner, request->name);
}

int manager_accept(struct call *call) {
        struct accept_request request = { .uid = call->caller->uid, .holder = call->caller->holder };
        struct service *service = call_service(call);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct consumer *c;
        uint32_t owner;
        int r;

        r = call_read(call, "us", &owner, &request.name);
        if (r >= 0)
                r = consumer_name_check(request.name, &call->refusal);
        if (r < 0)
                return r;
        request.owner = (uid_t) owner;
        r = check_offer(call, &request);
        if (r < 0)
                return r;
        r = authorise_accept(call, core_consumer_get(service_core(service), request.owner, request.name));
        if (r <= 0)
                return r;
        r = reply_new_path(call, request.uid, request.name, &reply);
        if (r < 0)
                return r;
        r = service_accept_consumer(service, &request, &c, &call->refusal);
        if (r < 0)
                return r;
        if (c->hold == HOLD_CONNECTION)
                link_note_holder(call->link);
        return reply_when_committed(call, reply);
}
