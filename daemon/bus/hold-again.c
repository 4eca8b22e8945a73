/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When to look again at holders of whom nothing could be told.
 */
#include "bus/hold-again.h"

#include <errno.h>
#include <stdlib.h>

#include "bus/bus-hold.h"
#include "bus/peer-hold.h"

#define AGAIN_MIN_USEC (1000000ULL / 2)
#define AGAIN_MAX_USEC (60 * 1000000ULL)

struct hold_again {
        struct bus *bus;
        sd_event_source *timer;
        uint64_t usec; /* from now to the next time */
};

void hold_again_begin(struct hold_again *h) {
        h->usec = AGAIN_MIN_USEC;
}

void hold_again_arm(struct hold_again *h) {
        int enabled = SD_EVENT_OFF;

        if (sd_event_source_get_enabled(h->timer, &enabled) < 0 || enabled != SD_EVENT_OFF)
                return;
        if (sd_event_source_set_time_relative(h->timer, h->usec) >= 0)
                (void) sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
        h->usec = h->usec * 2 < AGAIN_MAX_USEC ? h->usec * 2 : AGAIN_MAX_USEC;
}

/* Whoever is still not told of arms it again. */
static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        struct hold_again *h = userdata;

        peer_hold_look_again(h->bus->peer_holds);
        if (h->bus->message_bus)
                bus_hold_ask_again(h->bus->message_bus);
        return 0;
}

int hold_again_new(struct bus *bus, struct hold_again **ret) {
        struct hold_again *h;
        int r;

        h = calloc(1, sizeof(*h));
        if (!h)
                return -ENOMEM;
        h->bus = bus;
        hold_again_begin(h);
        r = sd_event_add_time(bus->event, &h->timer, CLOCK_MONOTONIC, 0, 0, on_time, h);
        if (r >= 0)
                r = sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
        if (r < 0) {
                (void) hold_again_free(h);
                return r;
        }
        *ret = h;
        return 0;
}

struct hold_again *hold_again_free(struct hold_again *h) {
        if (!h)
                return NULL;
        sd_event_source_disable_unref(h->timer);
        free(h);
        return NULL;
}
