/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may what (SPEC rule 8). A refusal says no more than everybody may see.
 */
#include "bus/authorise.h"

#include <errno.h>
#include <string.h>

#include "bus/busy.h"
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
        return refuse(&call->refusal, EACCES, "%s was asked of consumer \"%s\", which belongs to uid %u, by uid %u; "
                                              "only its owner and root may.", sd_bus_message_get_member(call->message),
                      call->consumer->name, (unsigned) call->consumer->uid, (unsigned) call->caller->uid);
}

static int authorise_maker(struct call *call, const struct polkit_question *question) {
        struct bus *bus = call->link->bus;
        const char *why;
        int r;

        if (is_privileged(bus, call->caller) || caller_in_group(call->caller, bus->group))
                return 1;
        r = polkit_ask(bus->polkit, call, question, &why);
        if (r != -EACCES)
                return r;
        return refuse(&call->refusal, EACCES, "%s was asked by uid %u, which is neither root nor in group \"%s\"%s; "
                                              "become a member of the group, or have the administrator allow "
                                              "org.pasidd1.init in polkit.",
                      sd_bus_message_get_member(call->message), (unsigned) call->caller->uid, bus->group_name, why);
}

int authorise_init(struct call *call, const char *name) {
        const struct polkit_question question = { .action = "org.pasidd1.init", .consumer = name };
        int r = authorise_maker(call, &question);

        if (r > 0)
                polkit_done(call->link->bus->polkit, call->message);
        return r;
}

static bool is_allowed(const struct device_access *access, const struct caller *caller) {
        for (size_t i = 0; i < access->n_users; i++)
                if (access->users[i] == caller->uid)
                        return true;
        for (size_t i = 0; i < access->n_groups; i++)
                if (caller_in_group(caller, access->groups[i]))
                        return true;
        return false;
}

static bool is_listed(const struct device_access_list *list, const char *address, const struct caller *caller) {
        for (size_t i = 0; i < list->n_devices; i++)
                if (strcmp(list->devices[i].address, address) == 0)
                        return is_allowed(&list->devices[i], caller);
        return false;
}

static int authorise_device(struct call *call, const struct polkit_question *question) {
        struct bus *bus = call->link->bus;
        const char *why;
        int r;

        if (is_privileged(bus, call->caller) || is_listed(bus->access, question->device, call->caller))
                return 1;
        r = polkit_ask(bus->polkit, call, question, &why);
        if (r != -EACCES)
                return r;
        return refuse(&call->refusal, EACCES, "%s was asked by uid %u, which device %s is not for%s; have the "
                                              "administrator name you in AllowUsers= or AllowGroups= of the device in "
                                              "pasidd.conf, or allow org.pasidd1.attach in polkit.", sd_bus_message_get_member(call->message),
                      (unsigned) call->caller->uid, question->device, why);
}

int authorise_open(struct call *call, const char *address) {
        const struct polkit_question question = { .action = "org.pasidd1.attach", .device = address };
        int r;

        if (call->busy) /* it was allowed, and then found the device busy */
                return 1;
        r = authorise_device(call, &question);
        if (r > 0)
                polkit_done(call->link->bus->polkit, call->message);
        return r;
}

static int authorise_devices(struct call *call, const struct consumer *c, unsigned first_step) {
        for (size_t i = 0; i < c->n_devices; i++) {
                const struct polkit_question question = {
                        .action = "org.pasidd1.attach",
                        .consumer = c->name,
                        .device = c->devices[i].address,
                        .consumer_id = c->id,
                        .step = first_step + (unsigned) i,
                };
                int r = authorise_device(call, &question);

                if (r <= 0)
                        return r;
        }
        polkit_done(call->link->bus->polkit, call->message);
        return 1;
}

/* Nobody need be asked what the service refuses of an advisory consumer, or about what the call was allowed before. */
int authorise_attach(struct call *call) {
        if (call->consumer->mode != MODE_MEDIATED || busy_call_is_of(call->busy, call->consumer))
                return 1;
        return authorise_devices(call, call->consumer, 0);
}

int authorise_accept(struct call *call, const struct consumer *c) {
        const struct polkit_question question = { .action = "org.pasidd1.init", .consumer = c->name, .consumer_id = c->id };
        int r = authorise_maker(call, &question);

        if (r <= 0)
                return r;
        if (c->mode == MODE_MEDIATED)
                return authorise_devices(call, c, 1);
        polkit_done(call->link->bus->polkit, call->message);
        return 1;
}
