/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Some time after a commit the table's write-ahead log is folded into it,
 * outside of any request: nobody waits for it.
 */
#include "service/service-internal.h"

#define CHECKPOINT_DELAY_USEC 1000000ULL

static int on_checkpoint(_unused_ sd_event_source *source, uint64_t usec, void *userdata) {
        struct service *s = userdata;

        s->checkpoint_armed = false;
        if (s->open_store) /* requests came meanwhile: they have precedence */
                return service_arm_checkpoint(s);
        /* a failure leaves the log as it is: it is tried again after the next commit */
        (void) s->runtime_store->ops->checkpoint(s->runtime_store, NULL);
        (void) s->persistent_store->ops->checkpoint(s->persistent_store, NULL);
        return 0;
}

int service_arm_checkpoint(struct service *s) {
        int r;

        if (s->checkpoint_armed || !s->checkpoint_source)
                return 0;
        r = sd_event_source_set_time_relative(s->checkpoint_source, CHECKPOINT_DELAY_USEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->checkpoint_source, SD_EVENT_ONESHOT);
        if (r >= 0)
                s->checkpoint_armed = true;
        return r;
}

int service_checkpoint_init(struct service *s) {
        int r;

        r = sd_event_add_time(s->event, &s->checkpoint_source, CLOCK_MONOTONIC, 0, 0, on_checkpoint, s);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(s->checkpoint_source, "checkpoint");
        return sd_event_source_set_enabled(s->checkpoint_source, SD_EVENT_OFF);
}
