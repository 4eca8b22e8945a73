/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who held which numbers before: written with the change that ends a holding,
 * at a cost that one request can't drive up. Neighbours that came and go
 * together are one entry, so that the end of a large consumer is one for most;
 * what more entries of one request would push out at once is not written.
 */
#include "service/service-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define READ_MAX 1024U /* of one number, whatever the settings are */

struct writer {
        struct store *store;
        const struct service_limits *limits;
        struct refusal *refusal;
        bool is_counting;
        size_t n, skip; /* entries so far; of those the first ones are not worth writing */
        const struct consumer *consumer; /* of the entry that is open; NULL: none is */
        char *devices;                   /* its */
        struct store_history entry;
};

static char *join_addresses(const struct consumer *c) {
        char *text = malloc(c->n_devices * sizeof(c->devices->address) + 1), *end = text;

        if (!text)
                return NULL;
        *end = '\0';
        for (size_t i = 0; i < c->n_devices; i++) {
                if (i > 0)
                        *end++ = ' ';
                end = stpcpy(end, c->devices[i].address);
        }
        return text;
}

static int write_entry(struct writer *w) {
        const struct consumer *c = w->consumer;

        w->consumer = NULL;
        if (!c || w->n++ < w->skip || w->is_counting)
                return 0;
        free(w->devices);
        w->devices = join_addresses(c);
        if (!w->devices)
                return refuse(w->refusal, ENOMEM, "Out of memory.");
        w->entry.devices = w->devices;
        return w->store->ops->history_add(w->store, &w->entry, w->limits->history_per_pasid, w->refusal);
}

static int add_number(struct writer *w, const struct consumer *c, uid_t uid, uint32_t pasid, uint64_t held_usec) {
        struct store_history *h = &w->entry;
        int r;

        if (w->consumer == c && pasid == h->last + 1 && held_usec == h->since_usec) {
                h->last = pasid;
                return 0;
        }
        r = write_entry(w);
        if (r < 0)
                return r;
        w->consumer = c;
        h->first = h->last = pasid;
        h->uid = uid;
        h->consumer = c->name;
        h->since_usec = held_usec;
        return 0;
}

static int add_transfer(struct writer *w, const struct change *change) {
        int r = 0;

        for (struct row *row = core_row_next(change->consumer, 0); r >= 0 && row; row = core_row_next(change->consumer, row->pasid))
                if (row->state != ROW_COOLING)
                        r = add_number(w, change->consumer, change->old_uid, row->pasid, row_held_usec(row));
        return r;
}

static int go_through(struct writer *w, const struct core *core, size_t mark) {
        struct change change;
        int r = 0;

        for (size_t pos = mark; r >= 0 && core_change_next(core, &pos, &change);) {
                if (change.kind == CHANGE_CONSUMER_OWNER)
                        r = add_transfer(w, &change);
                else if (change_is_end(&change))
                        r = add_number(w, change.consumer, change.consumer->uid, change.row->pasid, change.held_usec);
        }
        return r < 0 ? r : write_entry(w);
}

int history_write(struct service *s, struct store *store, size_t mark, const char *reason, struct refusal *refusal) {
        struct writer w = { .store = store, .limits = &s->limits, .refusal = refusal, .is_counting = true };
        struct moment now;
        int r;

        if (s->limits.history_entries == 0 || s->limits.history_per_pasid == 0 || strcmp(reason, REASON_ATTACH_FAILED) == 0)
                return 0;
        (void) go_through(&w, s->core, mark);
        if (w.n == 0)
                return 0;
        service_get_moment(s, &now);
        w.entry.until_usec = now.realtime_usec;
        w.entry.reason = reason;
        w.skip = w.n > s->limits.history_entries ? w.n - s->limits.history_entries : 0;
        w.is_counting = false;
        w.n = 0;
        r = go_through(&w, s->core, mark);
        free(w.devices);
        return r < 0 ? r : store->ops->history_trim(store, s->limits.history_entries, refusal);
}

/* What the settings have no room for any more; what can't be written now goes with the next entry. */
static void trim(struct store *store, uint32_t entries) {
        struct refusal refusal = {};
        int r;

        r = store->ops->begin(store, &refusal);
        if (r < 0)
                return;
        r = store->ops->history_trim(store, entries, &refusal);
        if (r >= 0)
                r = store->ops->commit(store, &refusal);
        if (r < 0) {
                store->ops->rollback(store);
                log_warning("The history could not be cut to %u entries: %s", entries, refusal.text);
        }
}

void history_apply_limits(struct service *s) {
        uint32_t entries = s->limits.history_per_pasid > 0 ? s->limits.history_entries : 0;

        (void) service_flush(s);
        trim(s->runtime_store, entries);
        trim(s->persistent_store, entries);
}

/* The entries of one table, each with its strings in one piece of memory that begins with the consumer's name. */
struct reading {
        struct store_history *entries;
        size_t n, n_allocated;
};

static void reading_done(struct reading *reading) {
        for (size_t i = 0; i < reading->n; i++)
                free((void *) (uintptr_t) reading->entries[i].consumer);
        free(reading->entries);
}

static int collect(const struct store_history *h, void *userdata) {
        struct reading *reading = userdata;
        size_t n_consumer = strlen(h->consumer) + 1, n_devices = strlen(h->devices) + 1, n_reason = strlen(h->reason) + 1;
        char *text;

        if (reading->n == reading->n_allocated) {
                size_t n = reading->n_allocated ? reading->n_allocated * 2 : 16;
                void *p = reallocarray(reading->entries, n, sizeof(*h));

                if (!p)
                        return -ENOMEM;
                reading->entries = p;
                reading->n_allocated = n;
        }
        text = malloc(n_consumer + n_devices + n_reason);
        if (!text)
                return -ENOMEM;
        reading->entries[reading->n] = *h;
        reading->entries[reading->n].consumer = memcpy(text, h->consumer, n_consumer);
        reading->entries[reading->n].devices = memcpy(text + n_consumer, h->devices, n_devices);
        reading->entries[reading->n++].reason = memcpy(text + n_consumer + n_devices, h->reason, n_reason);
        return 0;
}

int service_read_history(struct service *s, uint32_t pasid, store_history_cb callback, void *userdata, struct refusal *refusal) {
        _cleanup_(reading_done) struct reading a = {}, b = {};
        uint32_t max = s->limits.history_per_pasid < READ_MAX ? s->limits.history_per_pasid : READ_MAX;
        int r;

        r = s->runtime_store->ops->history_read(s->runtime_store, pasid, max, collect, &a, refusal);
        if (r >= 0)
                r = s->persistent_store->ops->history_read(s->persistent_store, pasid, max, collect, &b, refusal);
        if (r == -ENOMEM)
                return refuse(refusal, ENOMEM, "Out of memory.");
        for (size_t i = 0, k = 0; r >= 0 && i + k < max && (i < a.n || k < b.n);) {
                bool is_of_a = k == b.n || (i < a.n && a.entries[i].until_usec >= b.entries[k].until_usec);

                r = callback(is_of_a ? &a.entries[i++] : &b.entries[k++], userdata);
        }
        return r;
}
