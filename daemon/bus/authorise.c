/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may what (SPEC rule 8). A refusal says no more than everybody may see.
 */
#include "bus/authorise.h"

#include <errno.h>

#include "bus/polkit.h"

bool is_privileged(const struct bus *bus, const struct caller *caller) {
        return caller->uid == 0 || caller->uid == bus->own_uid;
}

bool is_owner(const struct bus *bus, const struct caller *caller, const struct consumer *c) {
        return caller->uid == c->uid || is_privileged(bus, caller);
}

int authorise_owner(struct call *call) {
        if (is_owner(call->link->bus, call->caller, call->consumer))
                return 0;
        return refuse(&call->refusal, EACCES, "%s was asked of consumer '%s', which belongs to uid %u, by uid %u; "
                                              "only its owner and root may", sd_bus_message_get_member(call->message),
                      call->consumer->name, (unsigned) call->consumer->uid, (unsigned) call->caller->uid);
}

int authorise_init(struct call *call, const char *name) {
        struct bus *bus = call->link->bus;

        if (is_privileged(bus, call->caller) || caller_in_group(call->caller, bus->group))
                return 1;
        return polkit_ask(bus->polkit, call, "org.pasidd1.init", name);
}
