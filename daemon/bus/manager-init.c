/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Manager.Init: options, right, and the consumer's first reply.
 */
#include "bus/manager-init.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/authorise.h"
#include "bus/options.h"
#include "bus/reply.h"

struct init_options {
        struct option_list devices;
        uint32_t min, max, quota;
        const char *hold, *mode;
        int fd; /* the message's */
        uint32_t pid;
        const char *unit;
};

static const struct option_spec init_specs[] = {
        { "devices", "as", offsetof(struct init_options, devices) },
        { "min", "u", offsetof(struct init_options, min), true },
        { "max", "u", offsetof(struct init_options, max), true },
        { "quota", "u", offsetof(struct init_options, quota), true },
        { "hold", "s", offsetof(struct init_options, hold) },
        { "fd", "h", offsetof(struct init_options, fd) },
        { "pid", "u", offsetof(struct init_options, pid) },
        { "unit", "s", offsetof(struct init_options, unit) },
        { "mode", "s", offsetof(struct init_options, mode) },
};

/* fd, pid and unit say who holds; they mean nothing with another hold. */
static int check_holder(const struct init_options *o, enum hold_kind hold, struct refusal *refusal) {
        const struct {
                const char *name;
                bool is_given;
                enum hold_kind hold;
        } holders[] = {
                { "fd", o->fd >= 0, HOLD_FD },
                { "pid", o->pid != 0, HOLD_PROCESS },
                { "unit", o->unit != NULL, HOLD_UNIT },
        };

        for (size_t i = 0; i < ELEMENTSOF(holders); i++)
                if (holders[i].is_given && holders[i].hold != hold)
                        return refuse(refusal, EINVAL, "Option \"%s\" goes with hold \"%s\", not with hold \"%s\".", holders[i].name,
                                      hold_kind_to_string(holders[i].hold), hold_kind_to_string(hold));
        return 0;
}

static int fill_request(struct init_request *request, const struct init_options *o, struct refusal *refusal) {
        int hold = hold_kind_from_string(o->hold), mode = consumer_mode_from_string(o->mode);

        if (hold < 0)
                return refuse(refusal, EINVAL, "Option \"hold\" does not know \"%.40s\"; "
                                               "it is connection, fd, process, unit, boot or persistent.", o->hold);
        if (mode < 0)
                return refuse(refusal, EINVAL, "Option \"mode\" does not know \"%.40s\"; it is advisory or mediated.", o->mode);
        request->hold = (enum hold_kind) hold;
        request->mode = (enum consumer_mode) mode;
        request->devices = o->devices.items;
        request->n_devices = o->devices.n_items;
        request->min = o->min;
        request->max = o->max;
        request->quota = o->quota;
        request->hold_fd = o->fd;
        request->hold_pid = o->pid;
        request->hold_unit = o->unit;
        return check_holder(o, request->hold, refusal);
}

static int init(struct call *call, struct init_options *o) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct init_request request = {
                .uid = call->caller->uid,
                .privileged = is_privileged(call->link->bus, call->caller),
                .holder = call->caller->holder,
                .caller_pid = call->caller->pid,
                .caller_start = call->caller->start_time,
        };
        struct consumer *c;
        int r;

        r = call_read(call, "s", &request.name);
        if (r >= 0)
                r = consumer_name_check(request.name, &call->refusal);
        if (r >= 0)
                r = options_read(call->message, init_specs, ELEMENTSOF(init_specs), o, &call->refusal);
        if (r >= 0)
                call_claim_fd(call, o->fd);
        if (r >= 0)
                r = fill_request(&request, o, &call->refusal);
        if (r < 0)
                return r;
        r = authorise_init(call, request.name);
        if (r <= 0)
                return r;
        r = reply_new_path(call, request.uid, request.name, &reply);
        if (r < 0)
                return r;
        r = service_init_consumer(call_service(call), &request, &c, &call->refusal);
        if (r < 0)
                return r;
        if (request.hold == HOLD_CONNECTION)
                link_note_holder(call->link);
        return reply_when_committed(call, reply);
}

int manager_init(struct call *call) {
        struct init_options o = { .hold = "connection", .mode = "advisory", .fd = -EBADF };
        int r = init(call, &o);

        free(o.devices.items);
        return r;
}
