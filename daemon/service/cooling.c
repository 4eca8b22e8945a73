/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers whose delay is over go back to the pool, in the table as in memory.
 * A table that can't be written keeps them cooling: they are tried again.
 */
#include "service/service-internal.h"

#include <errno.h>

#define EXPIRE_CHUNK 1024 /* rows of a table before others have their turn */

static bool is_persistent(const struct service *s, const struct store *store) {
        return store == s->persistent_store;
}

/* One table's. A batch of the other is over before that, and how it ended does not matter here. */
static int expire_from(struct service *s, struct store *store, const struct moment *now, size_t max) {
        bool persistent = is_persistent(s, store);
        int r = 0;

        if (core_next_expiry(s->core, persistent) > now->boottime_usec)
                return 0;
        service_prepare(s, store);
        for (size_t n = 0; n < max; n++) {
                size_t mark = core_mark(s->core);

                r = core_expire(s->core, persistent, now, 1);
                if (r > 0)
                        r = service_persist(s, store, mark, NULL, "cooled", NULL);
                else if (r == 0)
                        break;
                if (r < 0)
                        return r;
        }
        return r;
}

/* Each table has one turn: one that refuses must not be asked for ever, nor stand in the way of the other. */
void service_expire_all(struct service *s, const struct moment *now) {
        (void) expire_from(s, s->persistent_store, now, SIZE_MAX);
        (void) expire_from(s, s->runtime_store, now, SIZE_MAX);
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

static uint64_t next_turn(const struct service *s, bool persistent) {
        uint64_t next = core_next_expiry(s->core, persistent), pause = s->cooling_pause[persistent];

        return next < pause ? pause : next;
}

int service_arm_cooling(struct service *s) {
        uint64_t boot = next_turn(s, false), persistent = next_turn(s, true);

        return s->cooling_source ? arm(s, boot < persistent ? boot : persistent) : 0;
}

/* After the table refused: what is due stays so, and to ask again at once would be to spin. */
static void pause_table(struct service *s, const struct store *store) {
        struct moment now;

        service_get_moment(s, &now);
        s->cooling_pause[is_persistent(s, store)] = now.boottime_usec + s->retry_usec;
}

void service_retry_cooling(struct service *s, const struct store *store) {
        pause_table(s, store);
        (void) service_arm_cooling(s);
}

static void take_turn(struct service *s, struct store *store, const struct moment *now) {
        if (next_turn(s, is_persistent(s, store)) <= now->boottime_usec && expire_from(s, store, now, EXPIRE_CHUNK) < 0)
                pause_table(s, store);
}

static int on_cooling(sd_event_source *source, uint64_t usec, void *userdata) {
        struct service *s = userdata;
        struct moment now;

        s->cooling_armed = UINT64_MAX; /* a one-shot that has fired is off */
        service_get_moment(s, &now);
        take_turn(s, s->persistent_store, &now);
        take_turn(s, s->runtime_store, &now);
        return service_is_pending(s) ? 0 : service_arm_cooling(s); /* else the commit arms the timer again */
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
