/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of one moment share a transaction of the table and a stretch of the
 * core's journal: both become final together, or are undone together. Inside
 * it each request is walled off, so that one that the table refuses takes
 * nothing else with it.
 */
#include "service/reaper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log-ids.h"
#include "log.h"

/* A batch is cut here, so that no early bird waits for a crowd. */
#define BATCH_MAX 512

struct store *service_store_of(struct service *s, const struct consumer *c) {
        return c->hold == HOLD_PERSISTENT ? s->persistent_store : s->runtime_store;
}

/* Makes room for one more element, doubling; the arrays live as long as the service. */
static int reserve(void **array, size_t *allocated, size_t needed, size_t element) {
        size_t n = *allocated ? *allocated * 2 : 64;
        void *p;

        if (needed <= *allocated)
                return 0;
        p = reallocarray(*array, n, element);
        if (!p)
                return -ENOMEM;
        *array = p;
        *allocated = n;
        return 0;
}

/* What waited for the commit learns how it ended. The list is detached first: a callback may ask for more. */
static void answer_pending(struct service *s, int r, const struct refusal *refusal) {
        _cleanup_free_ struct pending *pending = TAKE_PTR(s->pending);
        size_t n = s->n_pending, allocated = s->n_pending_allocated;

        s->n_pending = s->n_pending_allocated = 0;
        for (size_t i = 0; i < n; i++)
                pending[i].callback(pending[i].userdata, r, refusal);

        if (!s->pending) { /* keep the array for the next batch */
                s->pending = TAKE_PTR(pending);
                s->n_pending_allocated = allocated;
        }
}

static void count_end(struct service_counters *counters, const char *reason) {
        size_t i = 0;

        while (i < ENDS_MAX - 1 && counters->ends[i].reason && strcmp(counters->ends[i].reason, reason) != 0)
                i++;
        if (!counters->ends[i].reason)
                counters->ends[i].reason = i < ENDS_MAX - 1 ? reason : "other";
        counters->ends[i].n++;
}

static void tell_news(struct service *s) {
        const struct service_listener *l = &s->listener;
        struct change change;
        bool any = false;
        size_t note = 0;

        for (size_t pos = 0;;) {
                size_t at = pos;
                const char *reason = "freed";

                if (!core_change_next(s->core, &pos, &change))
                        break;
                any = true;
                while (note < s->n_reasons && s->reasons[note].mark <= at)
                        note++;
                if (note > 0)
                        reason = s->reasons[note - 1].reason;

                if (change.kind != CHANGE_ROW_ADDED && change.kind != CHANGE_ROW_REMOVED)
                        audit_change(&s->budget, &change, reason);
                switch (change.kind) {
                case CHANGE_CONSUMER_ADDED:
                        if (l->consumer_added)
                                l->consumer_added(change.consumer, l->userdata);
                        break;
                case CHANGE_CONSUMER_ENDED:
                case CHANGE_CONSUMER_REMOVED:
                        if (change.had_ended)
                                break;
                        reaper_consumer_ended(change.consumer);
                        if (l->consumer_ended)
                                l->consumer_ended(change.consumer, l->userdata);
                        break;
                case CHANGE_CONSUMER_OWNER:
                        if (l->consumer_moved)
                                l->consumer_moved(change.consumer, change.old_uid, l->userdata);
                        break;
                case CHANGE_ROW_ADDED:
                        s->counters.n_allocated++;
                        if (s->want_news && l->pasid_allocated)
                                l->pasid_allocated(change.consumer, change.row->pasid, l->userdata);
                        break;
                case CHANGE_ROW_STATE:
                        if (s->want_news && l->pasid_lost && change.old_state != ROW_LOST && change.new_state == ROW_LOST)
                                l->pasid_lost(change.consumer, change.row->pasid, reason, l->userdata);
                        /* fall through */
                case CHANGE_ROW_REMOVED:
                        if (!change_is_end(&change))
                                break;
                        count_end(&s->counters, reason);
                        if (s->want_news && l->pasid_freed)
                                l->pasid_freed(change.consumer, change.row->pasid, reason, l->userdata);
                        break;
                case CHANGE_CONSUMER_HOLDER:
                case CHANGE_ROW_PRIVATE:
                        break;
                }
        }
        if (any && l->counts_changed)
                l->counts_changed(l->userdata);
}

static void tell_storage(struct service *s, int r, const struct refusal *refusal) {
        const struct log_subject subject = { .message_id = MESSAGE_STORAGE_REFUSED, .error = -r };

        if (audit_may_write(&s->storage_budget, AUDIT_NOBODY))
                log_about(LOG_ERR, &subject, "Refused by the table: %s", refusal->text);
}

/* The whole batch is undone: in the table (unless it did that itself), in memory, and for those who wait. */
static void abandon(struct service *s, int r, const struct refusal *refusal) {
        struct store *store = TAKE_PTR(s->open_store);

        store->ops->rollback(store);
        core_rollback(s->core, 0);
        reaper_abandoned(s);
        s->n_reasons = 0;
        answer_pending(s, r, refusal);
        service_retry_cooling(s, store);
}

int service_commit(struct service *s, struct refusal *refusal) {
        struct refusal local = {};
        int r;

        if (!s->open_store)
                return 0;

        /* Else the loop would turn once more for a commit that is made. */
        (void) sd_event_source_set_enabled(s->commit_source, SD_EVENT_OFF);
        if (!refusal)
                refusal = &local; /* those who wait are told in any case */
        r = s->open_store->ops->commit(s->open_store, refusal);
        if (r < 0) {
                s->counters.n_failed_commits++;
                tell_storage(s, r, refusal);
                abandon(s, r, refusal);
                return r;
        }
        s->counters.n_commits++;
        s->open_store = NULL;
        tell_news(s);
        reaper_committed(s);
        core_commit(s->core);
        s->n_reasons = 0;
        answer_pending(s, 0, NULL);
        /* What is committed is so with or without timers; the next commit sets them again. */
        (void) service_arm_cooling(s);
        (void) service_arm_checkpoint(s);
        return 0;
}

int service_flush(struct service *s) {
        return service_commit(s, NULL);
}

void service_abandon(struct service *s) {
        struct refusal refusal = {};

        if (s->open_store)
                abandon(s, refuse(&refusal, ENOMEM, "Out of memory."), &refusal);
}

bool service_is_pending(const struct service *s) {
        return s->open_store;
}

void service_prepare(struct service *s, const struct store *store) {
        if (s->open_store && s->open_store != store)
                (void) service_flush(s); /* those who waited for it are told how it went */
}

static int begin(struct service *s, struct store *store, struct refusal *refusal) {
        int r;

        if (s->open_store)
                return 0;
        r = store->ops->begin(store, refusal);
        if (r < 0)
                return r;
        s->open_store = store;
        r = sd_event_source_set_enabled(s->commit_source, SD_EVENT_ONESHOT);
        if (r < 0) {
                store->ops->rollback(store);
                s->open_store = NULL;
                return refuse(refusal, ENOMEM, "Could not schedule the commit: %s", strerror(-r));
        }
        return 0;
}

static int write_change(struct store *store, const struct change *change, const void *private_data, struct refusal *refusal) {
        switch (change->kind) {
        case CHANGE_CONSUMER_ADDED:
                return store->ops->consumer_add(store, change->consumer, refusal);
        case CHANGE_CONSUMER_ENDED:
        case CHANGE_CONSUMER_HOLDER:
        case CHANGE_CONSUMER_OWNER:
                return store->ops->consumer_update(store, change->consumer, refusal);
        case CHANGE_CONSUMER_REMOVED:
                return store->ops->consumer_remove(store, change->consumer->id, refusal);
        case CHANGE_ROW_ADDED:
                return store->ops->row_add(store, change->row, private_data, refusal);
        case CHANGE_ROW_STATE:
                return store->ops->row_update(store, change->row, refusal);
        case CHANGE_ROW_PRIVATE:
                return store->ops->row_set_private(store, change->row, private_data, refusal);
        case CHANGE_ROW_REMOVED:
                return store->ops->row_remove(store, change->row, refusal);
        }
        return refuse(refusal, EIO, "The journal holds a change of unknown kind %d", change->kind);
}

static int write_changes(struct service *s, size_t mark, const void *private_data, const char *reason,
                         struct refusal *refusal) {
        bool is_history = false;
        struct change change;
        int r;

        for (size_t pos = mark; core_change_next(s->core, &pos, &change);) {
                r = write_change(s->open_store, &change, private_data, refusal);
                if (r < 0)
                        return r;
                is_history |= change_is_end(&change) || change.kind == CHANGE_CONSUMER_OWNER;
        }
        return is_history ? history_write(s, s->open_store, mark, reason, refusal) : 0;
}

int service_persist(struct service *s, struct store *store, size_t mark, const void *private_data,
                    const char *reason, struct refusal *refusal) {
        return service_persist_with(s, store, mark, private_data, reason, NULL, refusal);
}

int service_persist_with(struct service *s, struct store *store, size_t mark, const void *private_data,
                         const char *reason, const struct extra *extra, struct refusal *refusal) {
        struct refusal local = {};
        bool shared = s->open_store;
        int r;

        if (core_mark(s->core) == mark && !extra)
                return 0; /* nothing changed: a known token, for example */

        if (!refusal)
                refusal = &local;
        r = reserve((void **) &s->reasons, &s->n_reasons_allocated, s->n_reasons + 1, sizeof(*s->reasons));
        if (r < 0) {
                core_rollback(s->core, mark);
                return refuse(refusal, ENOMEM, "Out of memory");
        }

        r = begin(s, store, refusal);
        if (r >= 0 && shared)
                r = store->ops->savepoint(store, refusal);
        if (r < 0) {
                tell_storage(s, r, refusal);
                core_rollback(s->core, mark);
                return r;
        }

        r = extra && extra->goes_first ? extra->write(store, extra->userdata, refusal) : 0;
        if (r >= 0)
                r = write_changes(s, mark, private_data, reason, refusal);
        if (r >= 0 && extra && !extra->goes_first)
                r = extra->write(store, extra->userdata, refusal);
        if (r >= 0 && shared)
                r = store->ops->release(store, refusal);
        if (r < 0) {
                tell_storage(s, r, refusal);
                core_rollback(s->core, mark);
                if (!shared || store->ops->rollback_to(store) < 0)
                        abandon(s, r, refusal);
                return r;
        }

        s->reasons[s->n_reasons++] = (struct reason_note) { mark, reason };
        return 0;
}

int service_when_committed(struct service *s, service_committed_t callback, void *userdata) {
        int r;

        if (!s->open_store) {
                callback(userdata, 0, NULL);
                return 0;
        }
        r = reserve((void **) &s->pending, &s->n_pending_allocated, s->n_pending + 1, sizeof(*s->pending));
        if (r < 0)
                return r;
        s->pending[s->n_pending++] = (struct pending) { callback, userdata };
        if (s->n_pending >= BATCH_MAX)
                (void) service_flush(s); /* the callbacks carry the news of a failure */
        return 0;
}

void service_transaction_done(struct service *s) {
        (void) service_flush(s);
        free(s->pending);
        free(s->reasons);
}
