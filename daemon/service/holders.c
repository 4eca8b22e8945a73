/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The holders of connection holds: when one is gone its consumers end, even if
 * the table can't take that yet; when one comes back it is known by another name.
 */
#include "service/mediated.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Until the commit that ended its consumers. */
struct gone {
        struct service *service;
        TAILQ_ENTRY(gone) entry;
        bool is_waiting; /* for the commit */
        const char *reason;
        char holder[];
};

static bool is_held_by(const struct consumer *c, const char *holder) {
        return !c->ended && c->hold == HOLD_CONNECTION && strcmp(c->holder, holder) == 0;
}

/* How many ended; on a failure the rest is left, for a rollback may have taken the next one away. */
static int end_consumers(struct service *s, const char *holder, const char *reason) {
        struct consumer *c, *next;
        int n = 0, r;

        service_prepare(s, s->runtime_store);
        for (c = core_consumer_next(s->core, NULL); c; c = next) {
                next = core_consumer_next(s->core, c);
                if (!is_held_by(c, holder))
                        continue;
                r = service_exit_consumer(s, c, reason, NULL);
                if (r < 0)
                        return r;
                n++;
        }
        return n;
}

/* For want of memory to note the holder by: they are known by themselves. */
static void note_orphans(struct service *s, const char *holder) {
        for (struct consumer *c = core_consumer_next(s->core, NULL); c; c = core_consumer_next(s->core, c))
                if (is_held_by(c, holder))
                        s->has_orphans = c->is_orphan = true;
}

/* A commit that fails brings them back, as orphans still. */
static int end_orphans(struct service *s) {
        struct consumer *c, *next;
        int n = 0, r;

        if (!s->has_orphans)
                return 0;
        service_prepare(s, s->runtime_store);
        for (c = core_consumer_next(s->core, NULL); c; c = next) {
                next = core_consumer_next(s->core, c);
                if (!c->is_orphan || c->ended)
                        continue;
                r = service_exit_consumer(s, c, "holder-gone", NULL);
                if (r < 0)
                        return r;
                n++;
        }
        r = service_flush(s);
        if (r < 0)
                return r;
        s->has_orphans = false;
        return n;
}

static void forget(struct gone *gone) {
        TAILQ_REMOVE(&gone->service->gone, gone, entry);
        free(gone);
}

static void retry_later(struct service *s) {
        if (sd_event_source_set_time_relative(s->gone_source, s->retry_usec) >= 0)
                (void) sd_event_source_set_enabled(s->gone_source, SD_EVENT_ONESHOT);
}

static void on_committed(void *userdata, int r, const struct refusal *refusal) {
        struct gone *gone = userdata;

        gone->is_waiting = false;
        if (r < 0)
                retry_later(gone->service);
        else
                forget(gone);
}

static int try_to_end(struct gone *gone) {
        struct service *s = gone->service;
        int n, r;

        n = end_consumers(s, gone->holder, gone->reason);
        if (n < 0) {
                retry_later(s);
                return n;
        }
        gone->is_waiting = true;
        r = service_when_committed(s, on_committed, gone);
        if (r < 0)
                on_committed(gone, service_flush(s), NULL);
        return n;
}

int service_holder_gone(struct service *s, const char *holder, const char *reason) {
        struct gone *gone;

        tenants_holder_gone(s, holder);
        gone = malloc(sizeof(*gone) + strlen(holder) + 1);
        if (!gone) {
                int r;

                note_orphans(s, holder);
                r = end_orphans(s);
                if (r < 0)
                        retry_later(s);
                return r;
        }
        *gone = (struct gone) { .service = s, .reason = reason };
        memcpy(gone->holder, holder, strlen(holder) + 1);
        TAILQ_INSERT_TAIL(&s->gone, gone, entry);
        return try_to_end(gone);
}

static int on_retry(_unused_ sd_event_source *source, uint64_t usec, void *userdata) {
        struct service *s = userdata;
        struct gone *gone;

        if (end_orphans(s) < 0) {
                retry_later(s);
                return 0;
        }
        do { /* from the start each time: a commit on the way takes others off the list */
                TAILQ_FOREACH(gone, &s->gone, entry)
                        if (!gone->is_waiting)
                                break;
        } while (gone && try_to_end(gone) >= 0); /* after a refusal the others have no better chance now */
        return 0;
}

static int rename_consumers(struct service *s, const char *from, const char *to) {
        int n = 0, r;

        for (struct consumer *c = core_consumer_next(s->core, NULL); c; c = core_consumer_next(s->core, c)) {
                size_t mark = core_mark(s->core);

                if (!is_held_by(c, from))
                        continue;
                r = core_consumer_set_holder(s->core, c, to);
                if (r >= 0)
                        r = service_persist(s, s->runtime_store, mark, NULL, "held", NULL);
                if (r < 0)
                        return r;
                n++;
        }
        return n;
}

int service_holder_rename(struct service *s, const char *from, const char *to) {
        int n, r;

        r = tenants_rename_begin(s, from, to);
        if (r < 0)
                return r;
        (void) service_flush(s); /* what others wait for is not undone with this */
        n = rename_consumers(s, from, to);
        if (n >= 0) {
                r = service_commit(s, NULL);
                n = r < 0 ? r : n;
        } else
                service_abandon(s);
        tenants_rename_end(s, n >= 0);
        return n;
}

int service_holders_init(struct service *s) {
        int r;

        r = sd_event_add_time(s->event, &s->gone_source, CLOCK_MONOTONIC, 0, 0, on_retry, s);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(s->gone_source, "holders");
        return sd_event_source_set_enabled(s->gone_source, SD_EVENT_OFF);
}

void service_holders_done(struct service *s) {
        struct gone *gone;

        sd_event_source_disable_unref(s->gone_source);
        while ((gone = TAILQ_FIRST(&s->gone)))
                forget(gone);
}
