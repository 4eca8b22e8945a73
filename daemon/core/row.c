/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows: one number held by one consumer. A row is found by its consumer and by
 * its number, marks the number in the consumer's spaces and in every pool that
 * looks at one of them, and is counted in all accounts.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/core-internal.h"

/* step: 1, or -1 modulo 2^32 */
static void count(struct core *core, const struct row *row, uint32_t step) {
        struct consumer *c = row->consumer;
        bool live = row_is_live(row);

        *(live ? &c->n_live : &c->n_cooling) += step;
        *(live ? &c->owner->n_live : &c->owner->n_cooling) += step;
        *(live ? &core->stats.n_live : &core->stats.n_cooling) += (uint64_t) (int32_t) step;
        for (size_t i = 0; i < c->pool->n_spaces; i++)
                c->pool->spaces[i]->counts[row->state] += step;
}

static void mark_cooling(const struct row *row, bool cooling) {
        const struct pool *pool = row->consumer->pool;

        for (size_t i = 0; i < pool->n_spaces; i++)
                (cooling ? idset_set : idset_clear)(&pool->spaces[i]->cooling, row->pasid);
}

static void link_row(struct core *core, struct row *row) {
        struct consumer *c = row->consumer;
        const struct pool *pool = c->pool;
        struct row *head = radix_get(&core->holders, row->pasid), **link = &head;

        radix_set(&c->rows, row->pasid, row);
        while (*link && (*link)->consumer->id < c->id)
                link = &(*link)->next_holder;
        row->next_holder = *link;
        *link = row;
        if (head == row)
                radix_set(&core->holders, row->pasid, row);

        for (size_t i = 0; i < pool->n_spaces; i++)
                idset_set(&pool->spaces[i]->taken, row->pasid);
        for (size_t i = 0; i < pool->n_overlaps; i++)
                idset_set(&pool->overlaps[i]->taken, row->pasid);
        if (!row_is_live(row))
                mark_cooling(row, true);
        count(core, row, 1);
}

static bool is_taken(const struct pool *pool, uint32_t pasid) {
        for (size_t i = 0; i < pool->n_spaces; i++)
                if (idset_has(&pool->spaces[i]->taken, pasid))
                        return true;
        return false;
}

static void unlink_row(struct core *core, struct row *row) {
        const struct pool *pool = row->consumer->pool;
        struct row *head = radix_get(&core->holders, row->pasid), *old = head, **link = &head;

        radix_set(&row->consumer->rows, row->pasid, NULL);
        while (*link != row)
                link = &(*link)->next_holder;
        *link = row->next_holder;
        if (head != old)
                radix_set(&core->holders, row->pasid, head);

        for (size_t i = 0; i < pool->n_spaces; i++)
                idset_clear(&pool->spaces[i]->taken, row->pasid);
        for (size_t i = 0; i < pool->n_overlaps; i++) {
                struct pool *p = pool->overlaps[i];

                /* Another pool may look at a space where somebody else holds it. */
                if (p == pool || (p->is_host ? !head : !is_taken(p, row->pasid)))
                        idset_clear(&p->taken, row->pasid);
        }
        if (!row_is_live(row))
                mark_cooling(row, false);
        count(core, row, -1U);
}

static int reserve(struct core *core, struct consumer *c, uint32_t pasid) {
        const struct pool *pool = c->pool;
        int r = 0;

        for (size_t i = 0; r == 0 && i < pool->n_spaces; i++)
                r = idset_reserve(&pool->spaces[i]->taken, pasid);
        for (size_t i = 0; r == 0 && i < pool->n_overlaps; i++)
                r = idset_reserve(&pool->overlaps[i]->taken, pasid);
        if (r == 0)
                r = journal_reserve(core, 1);
        if (r < 0)
                return r;
        r = radix_hold(&core->holders, pasid);
        if (r < 0)
                return r;
        r = radix_hold(&c->rows, pasid);
        if (r < 0)
                radix_drop(&core->holders, pasid);
        return r;
}

int row_reserve_cooling(struct core *core, const struct row *row) {
        const struct pool *pool = row->consumer->pool;
        int r = 0;

        for (size_t i = 0; r == 0 && i < pool->n_spaces; i++)
                r = idset_reserve(&pool->spaces[i]->cooling, row->pasid);
        return r;
}

static void release(struct core *core, struct row *row) {
        radix_drop(&row->consumer->rows, row->pasid);
        radix_drop(&core->holders, row->pasid);
        free(row);
}

int row_add(struct core *core, struct consumer *consumer, uint32_t pasid, const struct row *values, struct row **ret) {
        struct row *row;
        int r;

        row = malloc(sizeof(*row));
        if (!row)
                return -ENOMEM;
        *row = *values;
        row->consumer = consumer;
        row->pasid = pasid;
        r = row_is_live(row) ? 0 : row_reserve_cooling(core, row);
        if (r == 0)
                r = reserve(core, consumer, pasid);
        if (r < 0) {
                free(row);
                return r;
        }
        link_row(core, row);
        if (row_is_live(row) && row->token)
                token_join(consumer, row->token);
        journal_push(core, &(struct journal_entry) { .kind = CHANGE_ROW_ADDED, .row = row });
        if (ret)
                *ret = row;
        return 0;
}

void row_undo_add(struct core *core, struct row *row) {
        if (row->token) {
                token_leave(row->consumer, row->token);
                token_unref(row->token);
        }
        unlink_row(core, row);
        release(core, row);
}

void row_change_state(struct core *core, struct row *row, enum row_state state) {
        bool was_live = row_is_live(row);

        count(core, row, -1U);
        row->state = (uint8_t) state;
        count(core, row, 1);
        if (was_live != row_is_live(row))
                mark_cooling(row, was_live);
}

void row_remove(struct core *core, struct row *row) {
        if (row_is_live(row) && row->token)
                token_leave(row->consumer, row->token);
        unlink_row(core, row);
        journal_push(core, &(struct journal_entry) { .kind = CHANGE_ROW_REMOVED, .old_state = row->state, .row = row });
}

void row_undo_remove(struct core *core, struct row *row) {
        link_row(core, row);
        if (row_is_live(row) && row->token)
                token_rejoin(row->consumer, row->token);
}

void row_dispose(struct core *core, struct row *row) {
        if (row_is_live(row))
                token_unref(row->token);
        release(core, row);
}

struct row *core_row_get(const struct consumer *consumer, uint32_t pasid) {
        return pasid <= NUMBER_MAX ? radix_get(&consumer->rows, pasid) : NULL;
}

struct row *core_row_next(const struct consumer *consumer, uint32_t after) {
        return after < NUMBER_MAX ? radix_next(&consumer->rows, after + 1) : NULL;
}

struct row *core_holder_next(const struct core *core, uint32_t pasid, const struct row *after) {
        if (after)
                return after->next_holder;
        return pasid <= NUMBER_MAX ? radix_get(&core->holders, pasid) : NULL;
}

uint64_t row_held_usec(const struct row *row) {
        return row->held_usec ?: row->since_usec;
}

int core_row_set_state(struct core *core, struct row *row, enum row_state state, const struct moment *now) {
        int r;

        /* Cooling begins by a free and ends by time. */
        if ((unsigned) state >= ROW_STATE_MAX_ || state == ROW_COOLING || !row_is_live(row))
                return -EINVAL;
        if (row->state == state)
                return 0;
        r = journal_reserve(core, 1);
        if (r < 0)
                return r;
        journal_push(core, &(struct journal_entry) {
                .kind = CHANGE_ROW_STATE, .old_state = row->state, .new_state = (uint8_t) state, .row = row, .old_since_usec = row->since_usec,
                .old_held_usec = row->held_usec });
        row_change_state(core, row, state);
        row->held_usec = row_held_usec(row);
        row->since_usec = now->realtime_usec;
        return 0;
}

int core_row_set_private_bytes(struct core *core, struct row *row, uint16_t bytes) {
        int r;

        if (bytes > PRIVATE_MAX)
                return -EMSGSIZE;
        r = journal_reserve(core, 1);
        if (r < 0)
                return r;
        journal_push(core, &(struct journal_entry) {
                .kind = CHANGE_ROW_PRIVATE, .row = row, .old_private_bytes = row->private_bytes });
        row->private_bytes = bytes;
        return 0;
}
