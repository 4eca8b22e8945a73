/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See the header. A check that fails is told once, in the log and as the
 * status, and the watchdog is not: it ends a daemon that stays so, and the next
 * one starts from the tables, or says why it cannot.
 */
#include "health.h"

#include <errno.h>
#include <stdlib.h>

#include <systemd/sd-daemon.h>

#include "log.h"

#define CHECKS_PER_PERIOD 3

struct health {
        struct service *service;
        sd_event_source *timer;
        uint64_t period_usec;
        bool is_ill;
};

static int on_time(sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        struct health *h = userdata;
        struct refusal refusal = {};
        int r = service_check_health(h->service, &refusal);

        if (r < 0) {
                if (!h->is_ill) {
                        log_error("Not healthy, and the watchdog is not told otherwise: %s", refusal.text);
                        (void) sd_notifyf(0, "STATUS=Not healthy: %s", refusal.text);
                }
        } else {
                if (h->is_ill) {
                        log_notice("Healthy again");
                        (void) sd_notify(0, "STATUS=Healthy again");
                }
                (void) sd_notify(0, "WATCHDOG=1");
        }
        h->is_ill = r < 0;
        r = sd_event_source_set_time_relative(source, h->period_usec / CHECKS_PER_PERIOD);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int health_new(sd_event *event, struct service *service, struct health **ret) {
        _cleanup_(health_freep) struct health *h = NULL;
        uint64_t usec;
        int r;

        r = sd_watchdog_enabled(0, &usec);
        if (r <= 0) {
                *ret = NULL;
                return r;
        }
        h = calloc(1, sizeof(*h));
        if (!h)
                return -ENOMEM;
        h->service = service;
        h->period_usec = usec;
        r = sd_event_add_time_relative(event, &h->timer, CLOCK_MONOTONIC, 0, 0, on_time, h);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(h);
        return 0;
}

struct health *health_free(struct health *h) {
        if (!h)
                return NULL;
        sd_event_source_disable_unref(h->timer);
        free(h);
        return NULL;
}
