/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers whose delay is over go back to the pool, in the table as in memory.
 * A table that can't be written keeps them cooling: they are tried again.
 */
#include "service/service-internal.h"

#include <errno.h>

#define EXPIRE_CHUNK 1024 /* rows before others have their turn */

int service_expire(struct service *s, const struct moment *now, size_t max) {
        size_t n = 0;

        if (core_next_expiry(s->core) > now->boottime_usec)
                return 0;
        while (n < max) {
                size_t mark, pos;
                struct change change;
                struct store *store;
                int r;

                mark = pos = core_mark(s->core);
                r = core_expire(s->core, now, 1);
                if (r <= 0)
                        return r < 0 ? r : (int) n;
                if (!core_change_next(s->core, &pos, &change))
                        return (int) n;
                store = service_store_of(s, change.consumer);
                if (s->open_store && store != s->open_store) {
                        /* the other table's batch must be over before this change is made: again, in that order */
                        core_rollback(s->core, mark);
                        service_prepare(s, store);
                        continue;
                }
                r = service_persist(s, store, mark, NULL, "cooled", NULL);
                if (r < 0)
                        return r;
                n++;
        }
        return (int) n;
}

static int arm(struct service *s, uint64_t usec) {
        int r;

        if (s->cooling_armed == usec) /* after most commits: nothing to ask of the event loop */
                return 0;
        s->cooling_armed = usec;
        if (usec == UINT64_MAX)
                return sd_event_source_set_enabled(s->cooling_source, SD_EVENT_OFF);
        r = sd_event_source_set_time(s->cooling_source, usec);
        return r < 0 ? r : sd_event_source_set_enabled(s->cooling_source, SD_EVENT_ONESHOT);
}

/* After the table refused: what is due stays so, and to ask again at once would be to spin. */
void service_retry_cooling(struct service *s) {
        uint64_t next = core_next_expiry(s->core), later;
        struct moment now;

        if (!s->cooling_source || next == UINT64_MAX)
                return;
        service_get_moment(s, &now);
        later = now.boottime_usec + s->retry_usec;
        (void) arm(s, next > later ? next : later);
}

int service_arm_cooling(struct service *s) {
        return s->cooling_source ? arm(s, core_next_expiry(s->core)) : 0;
}

static int on_cooling(sd_event_source *source, uint64_t usec, void *userdata) {
        struct service *s = userdata;
        struct moment now;
        int r;

        s->cooling_armed = UINT64_MAX; /* a one-shot that has fired is off */
        service_get_moment(s, &now);
        r = service_expire(s, &now, EXPIRE_CHUNK);
        if (service_is_pending(s))
                return 0; /* the commit arms the timer again */
        return r < 0 ? arm(s, now.boottime_usec + s->retry_usec) : service_arm_cooling(s);
}

int service_cooling_init(struct service *s) {
        int r;

        r = sd_event_add_time(s->event, &s->cooling_source, CLOCK_BOOTTIME, 0, 0, on_cooling, s);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(s->cooling_source, "cooling");
        r = sd_event_source_set_enabled(s->cooling_source, SD_EVENT_OFF);
        if (r < 0)
                return r;
        s->cooling_armed = UINT64_MAX;
        return service_arm_cooling(s);
}
