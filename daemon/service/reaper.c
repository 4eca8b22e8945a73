/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends what lost its holder. A watch stays on the list of those that are over
 * until the commit, so that no refusal, of the kernel or of the table, makes
 * anybody forget it.
 */
#include "service/reaper.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "log-ids.h"
#include "log.h"

#define SWEEP_SHARE 20 /* those that requests ask for get one part in so many of the time */

static uint64_t now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static void arm(struct service *s, uint64_t usec) {
        if (sd_event_source_set_time_relative(s->reaper_source, usec) >= 0)
                (void) sd_event_source_set_enabled(s->reaper_source, SD_EVENT_ONESHOT);
}

static void tell_holder_gone(struct service *s, const struct consumer *c) {
        const struct log_subject subject = { .message_id = MESSAGE_HOLDER_GONE, .consumer = c->name, .has_uid = true,
                                             .uid = c->uid };

        if (audit_may_write(&s->budget, c->uid))
                log_about(LOG_INFO, &subject, "Consumer \"%s\" of uid %u ends: \"%s\", which held it, is gone", c->name,
                          (unsigned) c->uid, c->holder);
}

/* Those that have ended already wait for the commit, behind those that have not. */
static int run(struct service *s) {
        struct refusal refusal = {};
        struct hold_watch *w;
        int n = 0, r;

        while ((w = TAILQ_FIRST(&s->over_watches)) && !w->consumer->ended) {
                struct consumer *c = w->consumer;

                hold_watch_move(w, NULL);
                hold_watch_move(w, &s->over_watches);
                tell_holder_gone(s, c);
                r = service_exit_consumer(s, c, "holder-gone", &refusal); /* w may be gone after this */
                if (r < 0) {
                        log_warning("That consumer could not be ended, and is tried again: %s", refusal.text);
                        arm(s, s->retry_usec);
                        return r;
                }
                n++;
        }
        return n;
}

void reaper_note(struct hold_watch *w) {
        struct service *s = w->service;

        if (w->list == &s->over_watches)
                return;
        hold_watch_stop(w);
        hold_watch_move(w, NULL);
        TAILQ_INSERT_HEAD(&s->over_watches, w, entry);
        w->list = &s->over_watches;
}

void reaper_take(struct hold_watch *w) {
        struct service *s = w->service;

        if (w->list == &s->new_watches) {
                uint64_t id = w->consumer->id;
                struct consumer *c;

                /* Its Init may yet be undone, and its id be given again: that is settled first. */
                (void) service_flush(s);
                c = core_consumer_by_id(s->core, id);
                w = c && !c->ended ? c->watch : NULL;
                if (!w)
                        return;
        }
        reaper_note(w);
        (void) run(s);
}

int reaper_sweep(struct service *s) {
        struct hold_watch *w, *next;

        for (w = TAILQ_FIRST(&s->watches); w; w = next) {
                next = TAILQ_NEXT(w, entry);
                if (w->consumer->ended)
                        continue;
                if ((w->fd >= 0 ? hold_watch_look(w) : hold_watch_find(w, -EBADF)) == HOLD_IS_OVER)
                        reaper_note(w);
        }
        return run(s);
}

int reaper_sweep_for_request(struct service *s) {
        uint64_t begin = now_usec(), end;
        int r;

        if (begin < s->next_sweep_usec)
                return 0;
        r = reaper_sweep(s);
        end = now_usec();
        s->next_sweep_usec = end + (end - begin) * SWEEP_SHARE;
        return r;
}

static int on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        struct service *s = userdata;

        arm(s, s->sweep_usec);
        if (!TAILQ_EMPTY(&s->over_watches))
                (void) service_flush(s); /* none of those that it ends is in the way of those to be tried again */
        (void) reaper_sweep(s); /* a refusal arms it again, for an earlier time */
        return 0;
}

void reaper_consumer_ended(struct consumer *c) {
        struct hold_watch *w = c->watch;

        c->watch = NULL;
        (void) hold_watch_free(w);
}

void reaper_committed(struct service *s) {
        struct hold_watch *w;

        while ((w = TAILQ_FIRST(&s->new_watches)))
                hold_watch_move(w, &s->watches);
}

/* Consumers that were new are no more; those that had ended have not. */
void reaper_abandoned(struct service *s) {
        while (TAILQ_FIRST(&s->new_watches))
                (void) hold_watch_free(TAILQ_FIRST(&s->new_watches));
        if (!TAILQ_EMPTY(&s->over_watches))
                arm(s, s->retry_usec);
}

int reaper_init(struct service *s) {
        int r;

        r = sd_event_add_time_relative(s->event, &s->reaper_source, CLOCK_MONOTONIC, s->sweep_usec, 0, on_time, s);
        if (r >= 0)
                (void) sd_event_source_set_description(s->reaper_source, "reaper");
        return r;
}

void reaper_start(struct service *s) {
        (void) run(s);
        (void) service_flush(s); /* what is refused now is tried again */
}

/* The fd store keeps what it has: for the next pasidd. */
void reaper_done(struct service *s) {
        struct hold_watch_list *lists[] = { &s->new_watches, &s->watches, &s->over_watches };

        s->reaper_source = sd_event_source_disable_unref(s->reaper_source);
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                while (TAILQ_FIRST(lists[i])) {
                        TAILQ_FIRST(lists[i])->is_kept = false;
                        (void) hold_watch_free(TAILQ_FIRST(lists[i]));
                }
}
