/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pools: what consumers search in. A pool of one space stays when nobody
 * uses it, so that the next user goes on where the last one stopped; those of
 * several, of which clients could make any number, go with their last user.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/core-internal.h"

bool pool_overlaps(const struct pool *pool, const struct pool *other) {
        if (pool->is_host || other->is_host)
                return true;
        for (size_t i = 0, k = 0; i < pool->n_spaces && k < other->n_spaces;)
                if (pool->ids[i] == other->ids[k])
                        return true;
                else if (pool->ids[i] < other->ids[k])
                        i++;
                else
                        k++;
        return false;
}

static int reserve_overlap(struct pool *pool) {
        if (pool->n_overlaps == pool->size_overlaps) {
                size_t size = pool->size_overlaps * 2 + 2;
                struct pool **p = reallocarray(pool->overlaps, size, sizeof(struct pool *));

                if (!p)
                        return -ENOMEM;
                pool->overlaps = p;
                pool->size_overlaps = size;
        }
        return 0;
}

static void remove_overlap(struct pool *pool, const struct pool *gone) {
        for (size_t i = 0; i < pool->n_overlaps; i++)
                if (pool->overlaps[i] == gone) {
                        pool->overlaps[i] = pool->overlaps[--pool->n_overlaps];
                        return;
                }
}

static struct pool *pool_free(struct pool *pool) {
        if (!pool)
                return NULL;
        idset_done(&pool->taken);
        free(pool->overlaps);
        free(pool->spaces);
        free(pool->ids);
        free(pool);
        return NULL;
}
DEFINE_CLEANUP(struct pool *, pool_free);

/* What was taken before the pool came. */
static int fill(struct core *core, struct pool *pool) {
        int r;

        if (pool->is_host) {
                for (struct space *s = space_after(core, NULL); s; s = space_after(core, s)) {
                        r = idset_add_set(&pool->taken, &s->taken);
                        if (r < 0)
                                return r;
                }
                return 0;
        }
        for (size_t i = 0; i < pool->n_spaces; i++) {
                r = idset_add_set(&pool->taken, &pool->spaces[i]->taken);
                if (r < 0)
                        return r;
        }
        return idset_add_set(&pool->taken, &core->host->taken);
}

static int pool_new(struct core *core, const int32_t *ids, size_t n_ids, uint32_t max, struct pool **ret) {
        _cleanup_(pool_freep) struct pool *pool = NULL;
        struct pool *other;
        int r;

        pool = calloc(1, sizeof(*pool));
        if (!pool)
                return -ENOMEM;
        pool->max = max;
        pool->cursor = core->starts_in_upper_half ? max / 2 + 1 : NUMBER_MIN;
        pool->is_host = ids[0] == SPACE_HOST;
        pool->ids = calloc(n_ids, sizeof(*pool->ids));
        pool->spaces = calloc(n_ids, sizeof(struct space *));
        if (!pool->ids || !pool->spaces)
                return -ENOMEM;
        memcpy(pool->ids, ids, n_ids * sizeof(*ids));
        pool->n_spaces = n_ids;
        for (size_t i = 0; i < n_ids; i++) {
                r = space_get(core, ids[i], &pool->spaces[i]);
                if (r < 0)
                        return r;
        }
        r = fill(core, pool);
        if (r < 0)
                return r;
        r = reserve_overlap(pool);
        if (r < 0)
                return r;
        pool->overlaps[pool->n_overlaps++] = pool;
        TAILQ_FOREACH(other, &core->pools, entry)
                if (pool_overlaps(pool, other)) {
                        r = reserve_overlap(other);
                        if (r < 0)
                                return r;
                        r = reserve_overlap(pool);
                        if (r < 0)
                                return r;
                        pool->overlaps[pool->n_overlaps++] = other;
                }

        /* From here on nothing fails. */
        for (size_t i = 1; i < pool->n_overlaps; i++) {
                other = pool->overlaps[i];
                other->overlaps[other->n_overlaps++] = pool;
        }
        TAILQ_INSERT_TAIL(&core->pools, pool, entry);
        *ret = TAKE_PTR(pool);
        return 0;
}

int pool_get(struct core *core, const int32_t *ids, size_t n_ids, uint32_t max, struct pool **ret) {
        struct pool *pool;
        int r;

        TAILQ_FOREACH(pool, &core->pools, entry)
                if (pool->max == max && pool->n_spaces == n_ids && memcmp(pool->ids, ids, n_ids * sizeof(*ids)) == 0)
                        break;
        if (!pool) {
                r = pool_new(core, ids, n_ids, max, &pool);
                if (r < 0)
                        return r;
        }
        pool->refs++;
        *ret = pool;
        return 0;
}

static void pool_remove(struct core *core, struct pool *pool) {
        for (size_t i = 0; i < pool->n_overlaps; i++)
                if (pool->overlaps[i] != pool)
                        remove_overlap(pool->overlaps[i], pool);
        TAILQ_REMOVE(&core->pools, pool, entry);
        (void) pool_free(pool);
}

void pool_put(struct core *core, struct pool *pool) {
        if (--pool->refs == 0 && pool->n_spaces > 1)
                pool_remove(core, pool);
}

void pool_free_all(struct core *core) {
        struct pool *pool;

        while ((pool = TAILQ_FIRST(&core->pools)))
                pool_remove(core, pool);
}
