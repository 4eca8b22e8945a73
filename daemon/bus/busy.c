/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls that found a device busy. The kernel tells nobody when a reset is over:
 * there is nothing to wait for but time.
 */
#include "bus/busy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/connection.h"

#define PAUSE_USEC (20 * 1000ULL)
#define PATIENCE_USEC (2 * 1000000ULL)
#define CALLS_MAX 256
#define CALLS_PER_CLIENT_MAX 32 /* fewer than a connection may have waiting, which is not listened to then */

struct busy_call {
        TAILQ_ENTRY(busy_call) entry;
        struct link *link;
        sd_bus_message *message;
        uint64_t consumer;   /* its id */
        uint64_t since_usec; /* the first try, by CLOCK_MONOTONIC */
        const char *token;   /* the message's */
        bool is_cancelled;
        bool is_waiting;     /* else it is on its way to its handler */
};

struct busy {
        struct bus *bus;
        TAILQ_HEAD(, busy_call) calls;
        unsigned n_calls;
        sd_event_source *timer;
};

struct busy_call *busy_call_free(struct busy_call *c) {
        if (!c)
                return NULL;
        sd_bus_message_unref(c->message);
        free(c);
        return NULL;
}

static void take_out(struct busy *b, struct busy_call *c) {
        TAILQ_REMOVE(&b->calls, c, entry);
        b->n_calls--;
}

struct busy_call *busy_take(struct busy *b, sd_bus_message *m) {
        struct busy_call *c;

        TAILQ_FOREACH(c, &b->calls, entry)
                if (c->message == m) {
                        take_out(b, c);
                        return c;
                }
        return NULL;
}

bool busy_call_is_of(const struct busy_call *c, const struct consumer *consumer) {
        return c && c->consumer == consumer->id;
}

void busy_cancel(struct busy *b, const struct consumer *consumer, const char *token) {
        struct busy_call *c;

        TAILQ_FOREACH(c, &b->calls, entry)
                if (busy_call_is_of(c, consumer) && c->token && strcmp(c->token, token) == 0)
                        c->is_cancelled = true;
}

bool busy_call_is_cancelled(const struct busy_call *c) {
        return c && c->is_cancelled;
}

static uint64_t now_usec(const struct busy *b) {
        uint64_t usec = 0;

        (void) sd_event_now(b->bus->event, CLOCK_MONOTONIC, &usec);
        return usec;
}

/* On a message bus clients share a link, and are told apart by their unique names. */
static bool is_same_client(const struct busy_call *c, const struct call *call) {
        const char *a = sd_bus_message_get_sender(c->message), *b = sd_bus_message_get_sender(call->message);

        return c->link == call->link && (c->link->is_direct || (a && b && strcmp(a, b) == 0));
}

static bool has_room(const struct busy *b, const struct call *call) {
        const struct busy_call *c;
        unsigned n = 0;

        TAILQ_FOREACH(c, &b->calls, entry)
                n += is_same_client(c, call);
        return n < CALLS_PER_CLIENT_MAX && b->n_calls < CALLS_MAX && call_may_wait();
}

static struct busy_call *busy_call_new(const struct busy *b, const struct call *call) {
        struct busy_call *c = calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        c->link = call->link;
        c->message = sd_bus_message_ref(call->message);
        c->consumer = call->consumer ? call->consumer->id : 0;
        c->token = call->token;
        c->since_usec = now_usec(b);
        return c;
}

bool busy_wait(struct busy *b, struct call *call) {
        struct busy_call *c = call->busy;

        if (c && c->is_cancelled)
                return false;
        if (c && now_usec(b) - c->since_usec >= PATIENCE_USEC)
                return false;
        if (!has_room(b, call))
                return false;
        if (!c)
                c = busy_call_new(b, call);
        if (!c)
                return false;
        call->busy = NULL;
        c->is_waiting = true;
        TAILQ_INSERT_TAIL(&b->calls, c, entry);
        b->n_calls++;
        if (c->link->is_direct)
                connection_wait_begin(connection_of(c->link));
        if (sd_event_source_get_enabled(b->timer, NULL) == 0) {
                (void) sd_event_source_set_time_relative(b->timer, PAUSE_USEC);
                (void) sd_event_source_set_enabled(b->timer, SD_EVENT_ONESHOT);
        }
        return true;
}

static void dispatch_again(struct busy *b, struct busy_call *c) {
        c->is_waiting = false;
        if (link_dispatch_again(c->link, c->message) < 0) { /* the link is closing */
                take_out(b, c);
                (void) busy_call_free(c);
        } else if (c->link->is_direct)
                connection_wait_end(connection_of(c->link));
}

static int on_pause_over(sd_event_source *source, uint64_t usec, void *userdata) {
        struct busy *b = userdata;
        struct busy_call *c, *next;

        for (c = TAILQ_FIRST(&b->calls); c; c = next) {
                next = TAILQ_NEXT(c, entry);
                if (c->is_waiting)
                        dispatch_again(b, c);
        }
        return 0;
}

void busy_forget(struct busy *b, const struct link *link) {
        struct busy_call *c, *next;

        for (c = TAILQ_FIRST(&b->calls); c; c = next) {
                next = TAILQ_NEXT(c, entry);
                if (c->link != link)
                        continue;
                take_out(b, c);
                (void) busy_call_free(c);
        }
}

int busy_new(struct bus *bus, struct busy **ret) {
        struct busy *b;
        int r;

        b = calloc(1, sizeof(*b));
        if (!b)
                return -ENOMEM;
        b->bus = bus;
        TAILQ_INIT(&b->calls);
        r = sd_event_add_time(bus->event, &b->timer, CLOCK_MONOTONIC, 0, 1000, on_pause_over, b);
        if (r >= 0)
                r = sd_event_source_set_enabled(b->timer, SD_EVENT_OFF);
        if (r < 0) {
                (void) busy_free(b);
                return r;
        }
        *ret = b;
        return 0;
}

struct busy *busy_free(struct busy *b) {
        struct busy_call *c;

        if (!b)
                return NULL;
        while ((c = TAILQ_FIRST(&b->calls))) {
                take_out(b, c);
                (void) busy_call_free(c);
        }
        sd_event_source_disable_unref(b->timer);
        free(b);
        return NULL;
}
