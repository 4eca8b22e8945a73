/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bus layer's start, end and order.
 */
#include "bus/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/bus-hold.h"
#include "bus/busy.h"
#include "bus/hold-again.h"
#include "bus/listener.h"
#include "bus/message-bus.h"
#include "bus/metrics.h"
#include "bus/news.h"
#include "bus/peer-hold.h"
#include "bus/polkit.h"
#include "bus/poll-set.h"
#include "bus/signals.h"
#include "log.h"

#define ANSWERS_USEC (5 * 1000000ULL) /* a bus that is slow to answer does not keep the direct socket waiting */

DEFINE_CLEANUP(struct bus *, bus_free);

static int set_up(struct bus *bus) {
        int r;

        r = sd_id128_randomize(&bus->server_id);
        if (r >= 0)
                r = news_new(bus, &bus->news);
        if (r >= 0)
                r = signals_new(bus, &bus->signals);
        if (r >= 0)
                r = polkit_new(bus, &bus->polkit);
        if (r >= 0)
                r = busy_new(bus, &bus->busy);
        if (r >= 0)
                r = peer_holds_new(bus, &bus->peer_holds);
        if (r >= 0)
                r = hold_again_new(bus, &bus->hold_again);
        if (r >= 0)
                r = poll_set_new(bus->event, &bus->poll_set);
        return r;
}

static void close_fds(const struct bus_params *params) {
        for (size_t i = 0; i < params->n_listen_fds; i++)
                (void) close_fd(params->listen_fds[i]);
}

int bus_new(const struct bus_params *params, struct bus **ret, struct refusal *refusal) {
        _cleanup_(bus_freep) struct bus *bus = NULL;
        int r;

        bus = calloc(1, sizeof(*bus));
        if (!bus) {
                close_fds(params);
                return refuse(refusal, ENOMEM, "Out of memory.");
        }
        *bus = (struct bus) {
                .event = params->event,
                .service = params->service,
                .limits = params->limits,
                .group = params->group,
                .group_name = params->group_name,
                .access = params->access,
                .own_uid = geteuid(),
                .version = params->version,
                .boot_id = params->boot_id,
                .table_path = params->table_path,
                .procfs = params->procfs,
                .reconnect_usec = params->reconnect_usec,
                .start_usec = metrics_now(),
                .policy_budget = AUDIT_OF_REFUSALS,
                .limit_budget = AUDIT_OF_REFUSALS,
                .connection_budgets = { AUDIT_OF_REFUSALS, AUDIT_OF_REFUSALS, AUDIT_OF_REFUSALS },
                .closing_budget = AUDIT_OF_REFUSALS,
        };
        r = set_up(bus);
        if (r < 0) {
                close_fds(params);
                return refuse(refusal, -r, "Could not set up the bus: %s.", strerror(-r));
        }
        r = listener_new(bus, params, &bus->listener, refusal);
        if (r >= 0 && params->bus)
                r = message_bus_new(bus, params->bus, &bus->message_bus, refusal);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

int bus_settle_holders(struct bus *bus) {
        struct core *core = service_core(bus->service);
        int r;

        r = peer_hold_settle(bus->peer_holds);
        if (r < 0)
                return r;
        if (bus->message_bus) {
                r = bus_hold_settle(bus->message_bus);
                if (r < 0)
                        return r;
                bus_hold_await(bus->message_bus, ANSWERS_USEC);
                (void) service_flush(bus->service); /* what is refused now is tried again */
                return 0;
        }
        for (const struct consumer *c = core_consumer_next(core, NULL); c; c = core_consumer_next(core, c))
                if (!c->ended && c->hold == HOLD_CONNECTION &&
                    strncmp(c->holder, BUS_HOLDER_PREFIX, strlen(BUS_HOLDER_PREFIX)) == 0)
                        log_notice("Consumer \"%s\" of uid %u is held on a message bus, which is not asked now; it stays", c->name,
                                   (unsigned) c->uid);
        return 0;
}

int bus_take_name(struct bus *bus, struct refusal *refusal) {
        return bus->message_bus ? message_bus_take_name(bus->message_bus, refusal) : 0;
}

void bus_set_limits(struct bus *bus, const struct bus_limits *limits) {
        bus->limits = *limits;
}

/* The clients first: they use everything else. */
struct bus *bus_free(struct bus *bus) {
        if (!bus)
                return NULL;
        listener_free(bus->listener);
        poll_set_free(bus->poll_set);
        message_bus_free(bus->message_bus);
        hold_again_free(bus->hold_again);
        peer_holds_free(bus->peer_holds);
        polkit_free(bus->polkit);
        busy_free(bus->busy);
        signals_free(bus->signals);
        news_free(bus->news);
        free(bus);
        return NULL;
}
