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

void bus_hold_vanished(struct message_bus *mb, const char *name) {
        _cleanup_free_ char *holder = NULL;

        if (bus_holder_format(mb, name, &holder) >= 0)
                end(mb, holder, "left the bus");
}

struct question {
        struct message_bus *mb;
        char holder[];
};

/* Cannot tell frees nothing. */
static int on_has_owner(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct question *q = userdata;
        int has_owner = true;

        if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read_basic(m, 'b', &has_owner) < 0)
                log_warning("The bus does not tell whether %s is there; its consumers stay", q->holder);
        else if (!has_owner)
                end(q->mb, q->holder, "left the bus");
        return 1;
}

static int ask(struct message_bus *mb, const char *holder, const char *name) {
        sd_bus_slot *slot;
        struct question *q;
        int r;

        q = malloc(sizeof(*q) + strlen(holder) + 1);
        if (!q)
                return -ENOMEM;
        q->mb = mb;
        memcpy(q->holder, holder, strlen(holder) + 1);
        r = sd_bus_call_method_async(mb->link.sd, &slot, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                     "org.freedesktop.DBus", "NameHasOwner", on_has_owner, q, "s", name);
        if (r < 0) {
                free(q);
                return r;
        }
        (void) sd_bus_slot_set_destroy_callback(slot, free);
        (void) sd_bus_slot_set_floating(slot, true);
        sd_bus_slot_unref(slot);
        return 0;
}

/* One question a holder, however many consumers it has: an earlier one in the list has asked. */
static bool was_asked(struct core *core, const struct consumer *c) {
        for (struct consumer *o = core_consumer_next(core, NULL); o && o != c; o = core_consumer_next(core, o))
                if (!o->ended && o->hold == HOLD_CONNECTION && strcmp(o->holder, c->holder) == 0)
                        return true;
        return false;
}

/* The unique name of a holder on the bus as it is now; NULL: it was on the bus in an earlier life of it. */
static const char *name_of(const struct message_bus *mb, const char *holder) {
        size_t prefix = strlen(BUS_HOLDER_PREFIX), guid = strlen(mb->guid);

        return strncmp(holder + prefix, mb->guid, guid) == 0 && holder[prefix + guid] == ':' ? holder + prefix + guid + 1 : NULL;
}

bool bus_hold_is_watched(const struct bus *bus, const struct consumer *c) {
        const struct message_bus *mb = bus->message_bus;

        if (c->hold != HOLD_CONNECTION || strncmp(c->holder, BUS_HOLDER_PREFIX, strlen(BUS_HOLDER_PREFIX)) != 0)
                return true;
        return mb && mb->is_ready && name_of(mb, c->holder);
}

/* Those of now are asked for; the others are the caller's to end, and to free. */
static int sort_holders(struct message_bus *mb, char **earlier, size_t *n_earlier) {
        struct core *core = service_core(mb->link.bus->service);

        for (struct consumer *c = core_consumer_next(core, NULL); c; c = core_consumer_next(core, c)) {
                const char *name;
                int r;

                if (c->ended || c->hold != HOLD_CONNECTION ||
                    strncmp(c->holder, BUS_HOLDER_PREFIX, strlen(BUS_HOLDER_PREFIX)) != 0 || was_asked(core, c))
                        continue;
                name = name_of(mb, c->holder);
                if (!name) {
                        earlier[*n_earlier] = strdup(c->holder);
                        if (!earlier[(*n_earlier)++])
                                return -ENOMEM;
                        continue;
                }
                r = ask(mb, c->holder, name);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The end of one may commit, which frees consumers: nobody walks their list meanwhile. */
int bus_hold_settle(struct message_bus *mb) {
        _cleanup_free_ char **earlier = NULL;
        struct core_stats stats;
        size_t n = 0;
        int r;

        core_get_stats(service_core(mb->link.bus->service), &stats);
        earlier = calloc(stats.n_consumers + 1, sizeof(*earlier));
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
