/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connection holds over a message bus. A unique name names a connection for as
 * long as its bus lives; which life of the bus it was is told by the bus's GUID.
 */
#include "bus/bus-hold.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/hold-again.h"
#include "log.h"

int bus_holder_format(const struct message_bus *mb, const char *name, char **ret) {
        if (asprintf(ret, BUS_HOLDER_PREFIX "%s:%s", mb->guid, name) < 0) {
                *ret = NULL;
                return -ENOMEM;
        }
        return 0;
}

static void end(struct message_bus *mb, const char *holder, const char *why) {
        int r = service_holder_gone(mb->link.bus->service, holder, "holder-gone");

        if (r < 0)
                log_error("Consumers of %s could not be ended: %s", holder, strerror(-r));
        else if (r > 0)
                log_info("%s %s: %d consumer%s ended", holder, why, r, plural(r));
}

/* The unique name of a holder on the bus as it is now; NULL: it was on the bus in an earlier life of it. */
static const char *name_of(const struct message_bus *mb, const char *holder) {
        size_t prefix = strlen(BUS_HOLDER_PREFIX), guid = strlen(mb->guid);

        return strncmp(holder + prefix, mb->guid, guid) == 0 && holder[prefix + guid] == ':' ? holder + prefix + guid + 1 : NULL;
}

/* Open until the bus has told; what it does not tell is asked again. */
struct question {
        TAILQ_ENTRY(question) entry;
        struct message_bus *mb;
        sd_bus_slot *slot; /* NULL: it was not answered */
        bool is_logged;
        char holder[];
};

static struct question *find_question(const struct message_bus *mb, const char *holder) {
        struct question *q;

        TAILQ_FOREACH(q, &mb->questions, entry)
                if (strcmp(q->holder, holder) == 0)
                        return q;
        return NULL;
}

static void drop_question(struct question *q) {
        if (!q)
                return;
        TAILQ_REMOVE(&q->mb->questions, q, entry);
        sd_bus_slot_unref(q->slot);
        free(q);
}

void bus_hold_vanished(struct message_bus *mb, const char *name) {
        _cleanup_free_ char *holder = NULL;

        if (bus_holder_format(mb, name, &holder) < 0) {
                log_warning("Out of memory: whether %s has left the bus is asked for again", name);
                mb->has_missed = true;
                hold_again_arm(mb->link.bus->hold_again);
                return;
        }
        drop_question(find_question(mb, holder));
        end(mb, holder, "left the bus");
}

/* Cannot tell frees nothing. */
static void leave_open(struct question *q, const char *why) {
        if (!q->is_logged)
                log_warning("Whether %s is on the bus cannot be told: %s; its consumers stay, and it is asked for again", q->holder, why);
        q->is_logged = true;
        hold_again_arm(q->mb->link.bus->hold_again);
}

static int on_has_owner(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *failure = sd_bus_message_get_error(m);
        struct question *q = userdata;
        int has_owner, r = 0;

        q->slot = sd_bus_slot_unref(q->slot);
        if (!failure)
                r = sd_bus_message_read_basic(m, 'b', &has_owner);
        if (failure || r < 0) {
                leave_open(q, failure ? failure->message : strerror(-r));
                return 1;
        }
        if (!has_owner)
                end(q->mb, q->holder, "left the bus");
        drop_question(q);
        return 1;
}

static int ask(struct question *q) {
        const char *name = name_of(q->mb, q->holder);

        return sd_bus_call_method_async(q->mb->link.sd, &q->slot, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "NameHasOwner", on_has_owner, q, "s", name);
}

/* One question a holder, however many consumers it has. */
static int ask_for(struct message_bus *mb, const char *holder) {
        struct question *q;
        int r;

        if (find_question(mb, holder))
                return 0;
        q = calloc(1, sizeof(*q) + strlen(holder) + 1);
        if (!q)
                return -ENOMEM;
        q->mb = mb;
        memcpy(q->holder, holder, strlen(holder) + 1);
        TAILQ_INSERT_TAIL(&mb->questions, q, entry);
        r = ask(q);
        if (r < 0)
                drop_question(q);
        return r;
}

void bus_hold_ask_again(struct message_bus *mb) {
        struct question *q;
        int r;

        if (!mb->is_ready)
                return; /* all are asked for once the bus is there */
        if (mb->has_missed) {
                mb->has_missed = bus_hold_settle(mb) < 0;
                if (mb->has_missed)
                        hold_again_arm(mb->link.bus->hold_again);
        }
        TAILQ_FOREACH(q, &mb->questions, entry) {
                r = q->slot ? 0 : ask(q);
                if (r < 0)
                        leave_open(q, strerror(-r));
        }
}

static bool is_waited_for(const struct message_bus *mb) {
        const struct question *q;

        TAILQ_FOREACH(q, &mb->questions, entry)
                if (q->slot)
                        return true;
        return false;
}

void bus_hold_await(struct message_bus *mb, uint64_t usec) {
        uint64_t limit = exact_usec() + usec, now;
        int r = 0;

        while (r >= 0 && is_waited_for(mb)) {
                r = sd_bus_process(mb->link.sd, NULL);
                if (r != 0)
                        continue;
                now = exact_usec();
                if (now >= limit) {
                        log_warning("The bus has not told in time who of those that hold consumers is there; the start goes on");
                        return;
                }
                r = sd_bus_wait(mb->link.sd, limit - now);
                if (r == -EINTR)
                        r = 0;
        }
}

void bus_hold_forget(struct message_bus *mb) {
        mb->has_missed = false;
        while (!TAILQ_EMPTY(&mb->questions))
                drop_question(TAILQ_FIRST(&mb->questions));
}

bool bus_hold_is_watched(const struct bus *bus, const struct consumer *c) {
        const struct message_bus *mb = bus->message_bus;

        if (c->hold != HOLD_CONNECTION || strncmp(c->holder, BUS_HOLDER_PREFIX, strlen(BUS_HOLDER_PREFIX)) != 0)
                return true;
        return mb && mb->is_ready && name_of(mb, c->holder) && !mb->has_missed && !find_question(mb, c->holder);
}

static int sort_holder(struct message_bus *mb, const char *holder, char **earlier, size_t *n_earlier) {
        if (strncmp(holder, BUS_HOLDER_PREFIX, strlen(BUS_HOLDER_PREFIX)) != 0)
                return 0;
        if (name_of(mb, holder))
                return ask_for(mb, holder);
        earlier[*n_earlier] = strdup(holder);
        return earlier[(*n_earlier)++] ? 0 : -ENOMEM;
}

/* Those of now are asked for; the others are the caller's to end, and to free. */
static int sort_holders(struct message_bus *mb, char **earlier, size_t *n_earlier) {
        struct service *service = mb->link.bus->service;
        struct core *core = service_core(service);
        const char *holder;

        for (struct consumer *c = core_consumer_next(core, NULL); c; c = core_consumer_next(core, c)) {
                int r = c->ended || c->hold != HOLD_CONNECTION ? 0 : sort_holder(mb, c->holder, earlier, n_earlier);

                if (r < 0)
                        return r;
        }
        for (size_t i = 0; (holder = service_tenant_holder(service, i)); i++) {
                int r = sort_holder(mb, holder, earlier, n_earlier);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* The end of one may commit, which frees consumers: nobody walks their list meanwhile. */
int bus_hold_settle(struct message_bus *mb) {
        _cleanup_free_ char **earlier = NULL;
        struct service *service = mb->link.bus->service;
        struct core_stats stats;
        size_t n = 0, n_tenants = 0;
        int r;

        core_get_stats(service_core(service), &stats);
        while (service_tenant_holder(service, n_tenants))
                n_tenants++;
        earlier = calloc(stats.n_consumers + n_tenants + 1, sizeof(*earlier));
        if (!earlier)
                return -ENOMEM;
        r = sort_holders(mb, earlier, &n);
        for (size_t i = 0; i < n; i++) {
                if (r >= 0)
                        end(mb, earlier[i], "was on the bus in an earlier life of it");
                free(earlier[i]);
        }
        return r;
}
