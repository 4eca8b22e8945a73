/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page tables and address spaces that nobody needs any more, up to the moment
 * when the kernel has destroyed them. What it refuses is kept here and tried
 * again, after the next that it destroyed and by a timer; the memory in it is
 * pinned until then, and counts as its owner's. What is still here when pasidd
 * ends is in no table, and for the next one to find and destroy (restore.c).
 */
#include "service/mediated.h"

#include <stdlib.h>

#include "log.h"

static int destroy(struct service *s, uint32_t *id, struct refusal *refusal) {
        int r = *id != 0 ? s->kernel->ops->destroy(s->kernel, *id, refusal) : 0;

        if (r >= 0)
                *id = 0; /* the kernel gives it again */
        return r;
}

/* Page tables first: they hold their address space. */
static int destroy_objects(struct service *s, struct attachment *a, struct refusal *refusal) {
        int result = 0;

        for (size_t i = a->n_devices; i-- > 0;) {
                int r = a->devices[i].is_shared ? 0 : destroy(s, &a->devices[i].hwpt, refusal);

                result = r < 0 ? r : result;
        }
        return result < 0 ? result : destroy(s, &a->ioas, refusal);
}

static void arm(struct service *s) {
        if (sd_event_source_set_time_relative(s->leftover_source, s->retry_usec) >= 0)
                (void) sd_event_source_set_enabled(s->leftover_source, SD_EVENT_ONESHOT);
}

void leftovers_retry(struct service *s) {
        struct attachment *a, *next;

        for (a = TAILQ_FIRST(&s->leftovers); a; a = next) {
                next = TAILQ_NEXT(a, leftover);
                if (destroy_objects(s, a, NULL) < 0)
                        continue;
                log_info("What was left of PASID %u in the kernel is destroyed", a->pasid);
                TAILQ_REMOVE(&s->leftovers, a, leftover);
                free(a);
        }
        if (!TAILQ_EMPTY(&s->leftovers))
                arm(s);
}

static int on_retry(_unused_ sd_event_source *source, uint64_t usec, void *userdata) {
        leftovers_retry(userdata);
        return 0;
}

/* Of its devices and mappings nothing is known any more but how much it pins. */
static void enter(struct service *s, struct attachment *a) {
        uint64_t pinned = a->pinned;

        a->consumer_id = a->mediation->consumer_id;
        a->uid = a->mediation->uid;
        attachment_take_out(a);
        a->mediation = NULL;
        a->pinned = pinned;
        TAILQ_INSERT_TAIL(&s->leftovers, a, leftover);
        arm(s);
}

void leftovers_add(struct attachment *a) {
        struct service *s = a->mediation->service;
        struct refusal refusal = {};

        if (destroy_objects(s, a, &refusal) < 0) {
                log_warning("What is left of PASID %u stays in the kernel for now: %s", a->pasid, refusal.text);
                enter(s, a);
                return;
        }
        attachment_forget(a);
        leftovers_retry(s);
}

void leftovers_add_attached(struct attachment *a) {
        enter(a->mediation->service, a);
}

bool leftovers_have(const struct service *s, uint32_t id) {
        const struct attachment *a;

        TAILQ_FOREACH(a, &s->leftovers, leftover) {
                if (a->ioas == id)
                        return true;
                for (size_t i = 0; i < a->n_devices; i++)
                        if (!a->devices[i].is_shared && a->devices[i].hwpt == id)
                                return true;
        }
        return false;
}

uint64_t leftovers_pinned_by(const struct service *s, uid_t uid) {
        const struct attachment *a;
        uint64_t pinned = 0;

        TAILQ_FOREACH(a, &s->leftovers, leftover)
                if (a->uid == uid)
                        pinned += a->pinned;
        return pinned;
}

uint64_t leftovers_pinned_of(const struct service *s, const struct consumer *c) {
        const struct attachment *a;
        uint64_t pinned = 0;

        TAILQ_FOREACH(a, &s->leftovers, leftover)
                if (a->consumer_id == c->id)
                        pinned += a->pinned;
        return pinned;
}

void leftovers_change_owner(struct service *s, const struct consumer *c) {
        struct attachment *a;

        TAILQ_FOREACH(a, &s->leftovers, leftover)
                if (a->consumer_id == c->id)
                        a->uid = c->uid;
}

int leftovers_init(struct service *s) {
        int r;

        r = sd_event_add_time(s->event, &s->leftover_source, CLOCK_MONOTONIC, 0, 0, on_retry, s);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(s->leftover_source, "leftovers");
        return sd_event_source_set_enabled(s->leftover_source, SD_EVENT_OFF);
}

void leftovers_settle(struct service *s) {
        if (TAILQ_EMPTY(&s->leftovers))
                return;
        (void) held_devices_settle(s);
        leftovers_retry(s);
}

void leftovers_done(struct service *s) {
        struct attachment *a;

        while ((a = TAILQ_FIRST(&s->leftovers))) {
                TAILQ_REMOVE(&s->leftovers, a, leftover);
                free(a);
        }
        s->leftover_source = sd_event_source_disable_unref(s->leftover_source);
}
