/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Callers over a message bus. The bus is asked for the credentials of each
 * unique name once, without waiting: calls that come meanwhile are kept, and
 * dispatched again when the answer is there.
 */
#include "bus/bus-callers.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus-hold.h"
#include "bus/call.h"
#include "log.h"
#include "service/process.h"

#define CALLERS_MAX 4096
#define WAITING_MAX 64 /* calls of one caller whose credentials are being asked for */

struct bus_caller {
        TAILQ_ENTRY(bus_caller) entry;
        struct bus_callers *callers;
        char *name;
        struct caller caller;
        sd_bus_slot *question; /* GetConnectionCredentials; NULL once it is answered */
        sd_bus_message *waiting[WAITING_MAX];
        size_t n_waiting;
        bool is_known;
        bool is_subscribed;
};

TAILQ_HEAD(bus_caller_list, bus_caller);

struct bus_callers {
        struct message_bus *mb;
        void *by_name; /* tsearch() tree */
        struct bus_caller_list by_use; /* the least recently used first */
        size_t n_callers;
};

static int compare_names(const void *a, const void *b) {
        return strcmp(((const struct bus_caller *) a)->name, ((const struct bus_caller *) b)->name);
}

static void count_subscribed(struct bus_callers *callers, int change) {
        struct message_bus *mb = callers->mb;

        mb->n_subscribed = (unsigned) ((int) mb->n_subscribed + change);
        news_wanted_changed(mb->link.bus->news);
}

static void bus_caller_remove(struct bus_caller *c) {
        struct bus_callers *callers = c->callers;

        (void) tdelete(c, &callers->by_name, compare_names);
        TAILQ_REMOVE(&callers->by_use, c, entry);
        callers->n_callers--;
        if (c->is_subscribed)
                count_subscribed(callers, -1);
        sd_bus_slot_unref(c->question);
        for (size_t i = 0; i < c->n_waiting; i++) {
                call_abandon(&callers->mb->link, c->waiting[i]); /* one dispatched again may have had a question open */
                sd_bus_message_unref(c->waiting[i]);
        }
        caller_done(&c->caller);
        free(c->name);
        free(c);
}

static struct bus_caller *find(struct bus_callers *callers, const char *name) {
        struct bus_caller key = { .name = (char *) name }, **found;

        found = tfind(&key, &callers->by_name, compare_names);
        return found ? *found : NULL;
}

/* Room for one more; whoever waits or is subscribed stays. */
static int make_room(struct bus_callers *callers) {
        struct bus_caller *c;

        if (callers->n_callers < CALLERS_MAX)
                return 0;
        TAILQ_FOREACH(c, &callers->by_use, entry)
                if (c->is_known && !c->is_subscribed) {
                        bus_caller_remove(c);
                        return 0;
                }
        return -ENOBUFS;
}

static int read_groups(sd_bus_message *m, struct caller *caller) {
        const void *groups;
        gid_t *copy;
        size_t size;
        int r;

        r = sd_bus_message_read_array(m, 'u', &groups, &size);
        if (r < 0)
                return r;
        copy = malloc(size > 0 ? size : 1);
        if (!copy)
                return -ENOMEM;
        memcpy(copy, groups, size);
        free(caller->groups);
        caller->groups = copy;
        caller->n_groups = size / sizeof(gid_t);
        return 0;
}

/*
 * A bus that passes its own handle on the process (dbus-daemon 1.15.8, dbus-broker 35) leaves no doubt. Of others there is
 * the pid, which may be another process's by now, if the connection was handed on: then it has to be one of the same user,
 * who is not kept apart from himself.
 */
static void identify(struct caller *caller, const char *procfs, int pidfd) {
        if (pidfd >= 0)
                caller_identify(caller, procfs, pidfd);
        else
                caller->start_time = process_start_time_of(procfs, caller->pid, caller->uid);
}

/* The a{sv} of GetConnectionCredentials; a bus that does not tell the uid tells nothing. *ret_pidfd is the message's. */
static int read_credentials(sd_bus_message *m, struct caller *caller, int *ret_pidfd) {
        bool has_uid = false;
        int r, pidfd = -EBADF;
        uint32_t u;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *key;

                r = sd_bus_message_read_basic(m, 's', &key);
                if (r < 0)
                        return r;
                if (strcmp(key, "UnixUserID") == 0) {
                        r = sd_bus_message_read(m, "v", "u", &u);
                        caller->uid = u;
                        has_uid = true;
                } else if (strcmp(key, "ProcessID") == 0) {
                        r = sd_bus_message_read(m, "v", "u", &u);
                        caller->pid = (pid_t) u;
                } else if (strcmp(key, "ProcessFD") == 0) {
                        r = sd_bus_message_read(m, "v", "h", &pidfd);
                } else if (strcmp(key, "UnixGroupIDs") == 0) {
                        r = sd_bus_message_enter_container(m, 'v', "au");
                        if (r >= 0)
                                r = read_groups(m, caller);
                        if (r >= 0)
                                r = sd_bus_message_exit_container(m);
                } else
                        r = sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        if (!has_uid)
                return -ENODATA;
        *ret_pidfd = pidfd;
        return 0;
}

static int on_credentials(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct bus_caller *c = userdata;
        struct link *link = &c->callers->mb->link;
        const sd_bus_error *failure = sd_bus_message_get_error(m);
        int r, pidfd = -EBADF;

        c->question = sd_bus_slot_unref(c->question);
        r = failure ? -sd_bus_message_get_errno(m) : read_credentials(m, &c->caller, &pidfd);
        if (r >= 0) {
                c->is_known = true;
                identify(&c->caller, link->bus->procfs, pidfd);
                for (size_t i = 0; i < c->n_waiting; i++) {
                        if (link_dispatch_again(link, c->waiting[i]) < 0) {
                                (void) sd_bus_reply_method_errorf(c->waiting[i], SD_BUS_ERROR_NO_MEMORY, "Out of memory.");
                                call_abandon(link, c->waiting[i]);
                        }
                        sd_bus_message_unref(c->waiting[i]);
                }
                c->n_waiting = 0;
                return 1;
        }

        log_debug("The bus does not tell who %s is: %s", c->name, failure ? failure->message : strerror(-r));
        for (size_t i = 0; i < c->n_waiting; i++)
                (void) sd_bus_reply_method_errorf(c->waiting[i], SD_BUS_ERROR_ACCESS_DENIED,
                                                  "The message bus does not tell who you are, so that nothing can be decided.");
        bus_caller_remove(c);
        return 1;
}

static int bus_caller_new(struct bus_callers *callers, const char *name, struct bus_caller **ret) {
        struct message_bus *mb = callers->mb;
        struct bus_caller *c;
        int r;

        r = make_room(callers);
        if (r < 0)
                return r;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->callers = callers;
        c->name = strdup(name);
        if (!c->name || bus_holder_format(mb, name, &c->caller.holder) < 0 || !tsearch(c, &callers->by_name, compare_names)) {
                caller_done(&c->caller);
                free(c->name);
                free(c);
                return -ENOMEM;
        }
        TAILQ_INSERT_TAIL(&callers->by_use, c, entry);
        callers->n_callers++;

        r = sd_bus_call_method_async(mb->link.sd, &c->question, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                     "org.freedesktop.DBus", "GetConnectionCredentials", on_credentials, c, "s", name);
        if (r < 0) {
                bus_caller_remove(c);
                return r;
        }
        *ret = c;
        return 0;
}

int bus_callers_get(struct bus_callers *callers, sd_bus_message *m, const struct caller **ret, struct refusal *refusal) {
        const char *sender = sd_bus_message_get_sender(m);
        struct bus_caller *c;
        int r;

        if (!sender)
                return refuse(refusal, EACCES, "The call came without a sender, so that nothing can be decided.");
        c = TAILQ_LAST(&callers->by_use, bus_caller_list);
        if (!c || strcmp(c->name, sender) != 0) {
                c = find(callers, sender);
                if (c) {
                        TAILQ_REMOVE(&callers->by_use, c, entry);
                        TAILQ_INSERT_TAIL(&callers->by_use, c, entry);
                } else {
                        r = bus_caller_new(callers, sender, &c);
                        if (r < 0)
                                return refuse(refusal, r == -ENOBUFS ? ENOBUFS : EACCES,
                                              "The message bus could not be asked who you are: %s.", strerror(-r));
                }
        }
        if (c->is_known) {
                *ret = &c->caller;
                return 1;
        }
        if (c->n_waiting >= WAITING_MAX)
                return refuse(refusal, ENOBUFS, "%u calls wait already for the message bus to tell who you are; wait for them.",
                              WAITING_MAX);
        c->waiting[c->n_waiting++] = sd_bus_message_ref(m);
        return 0;
}

int bus_callers_subscribe(struct bus_callers *callers, sd_bus_message *m, bool wanted, struct refusal *refusal) {
        const char *sender = sd_bus_message_get_sender(m);
        struct bus_caller *c = sender ? find(callers, sender) : NULL;

        if (!c)
                return refuse(refusal, EACCES, "The message bus does not know who subscribes.");
        if (c->is_subscribed != wanted) {
                c->is_subscribed = wanted;
                count_subscribed(callers, wanted ? 1 : -1);
        }
        return 0;
}

void bus_callers_vanished(struct bus_callers *callers, const char *name) {
        struct bus_caller *c = find(callers, name);

        if (c)
                bus_caller_remove(c);
}

int bus_callers_new(struct message_bus *mb, struct bus_callers **ret) {
        struct bus_callers *callers;

        callers = calloc(1, sizeof(*callers));
        if (!callers)
                return -ENOMEM;
        callers->mb = mb;
        TAILQ_INIT(&callers->by_use);
        *ret = callers;
        return 0;
}

struct bus_callers *bus_callers_free(struct bus_callers *callers) {
        struct bus_caller *c;

        if (!callers)
                return NULL;
        while ((c = TAILQ_FIRST(&callers->by_use)))
                bus_caller_remove(c);
        free(callers);
        return NULL;
}
