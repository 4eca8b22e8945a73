/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a range had nothing to give: held by others, cooling, or free but apart.
 * Only refused requests come here; the work is bounded by the words of the
 * range, not by what is in use.
 */
#include <errno.h>

#include "core/core-internal.h"
#include "core/range.h"

#define WALK_MAX 4096 /* cooling rows that are looked through for the first to return */

static void add_word(const struct space *space, uint32_t n, uint64_t *live, uint64_t *cooling) {
        uint64_t cool = idset_word(&space->cooling, n);

        *live |= idset_word(&space->taken, n) & ~cool;
        *cooling |= cool;
}

/* Of the 64 numbers of n's word those that nothing but cooling keeps from the pool. */
static uint64_t cooling_word(const struct core *core, const struct pool *pool, uint32_t n) {
        uint64_t live = 0, cooling = 0;

        if (pool->is_host)
                for (const struct space *s = space_after(core, NULL); s; s = space_after(core, s))
                        add_word(s, n, &live, &cooling);
        else {
                add_word(core->host, n, &live, &cooling);
                for (size_t i = 0; i < pool->n_spaces; i++)
                        add_word(pool->spaces[i], n, &live, &cooling);
        }
        return cooling & ~live;
}

static uint32_t count_cooling(const struct core *core, const struct pool *pool, uint32_t lo, uint32_t hi) {
        uint32_t count = 0;

        for (uint32_t base = lo & ~63U; core->stats.n_cooling > 0 && base <= hi; base += 64) {
                uint64_t word;

                /* Nothing is taken there, so nothing cools. */
                if (idset_word(&pool->taken, base) == 0)
                        continue;
                word = cooling_word(core, pool, base);
                if (base < lo)
                        word &= ~UINT64_C(0) << (lo - base);
                if (hi - base < 63)
                        word &= ~(~UINT64_C(0) << (hi - base + 1));
                count += (uint32_t) __builtin_popcountll(word);
        }
        return count;
}

/* The last of the rows that keep the row's number from the pool. */
static bool is_last_to_cool(const struct core *core, const struct row *row, const struct pool *pool) {
        for (const struct row *h = core_holder_next(core, row->pasid, NULL); h; h = h->next_holder)
                if (h->freed_usec > row->freed_usec && pool_overlaps(h->consumer->pool, pool))
                        return false;
        return pool_overlaps(row->consumer->pool, pool);
}

static uint64_t first_of_list(const struct core *core, const struct row_list *list, const struct pool *pool, uint32_t lo,
                              uint32_t hi, const struct moment *now) {
        const struct row *row;
        size_t n = 0;

        TAILQ_FOREACH(row, list, cooling) {
                if (++n > WALK_MAX)
                        break;
                if (row->pasid >= lo && row->pasid <= hi && is_last_to_cool(core, row, pool) &&
                    cooling_word(core, pool, row->pasid) >> (row->pasid & 63) & 1)
                        return cooling_deadline(core, row);
        }
        return now->boottime_usec + core->limits.reuse_delay_usec;
}

/* When the first of the range returns, or the latest that it can be if that is far down the lists. */
static uint64_t first_return(const struct core *core, const struct pool *pool, uint32_t lo, uint32_t hi,
                             const struct moment *now) {
        uint64_t boot = first_of_list(core, &core->cooling[0], pool, lo, hi, now);
        uint64_t persistent = first_of_list(core, &core->cooling[1], pool, lo, hi, now);

        return boot < persistent ? boot : persistent;
}

static unsigned long long seconds_until(uint64_t deadline, const struct moment *now) {
        uint64_t usec = deadline > now->boottime_usec ? deadline - now->boottime_usec : 0;

        return usec < 1000000 ? 1 : (usec + 999999) / 1000000;
}

static int refuse_one(const struct core *core, const struct consumer *c, uint32_t n, struct refusal *refusal) {
        for (const struct row *row = core_holder_next(core, n, NULL); row; row = row->next_holder) {
                const struct consumer *holder = row->consumer;

                if (!row_is_live(row) || !pool_overlaps(holder->pool, c->pool))
                        continue;
                if (holder == c)
                        return refuse(refusal, EADDRINUSE, "PASID %u was asked for, and consumer \"%s\" holds it already; "
                                      "ask for another number, or for a range.", n, c->name);
                return refuse(refusal, EADDRINUSE, "PASID %u was asked for, and consumer \"%s\" of uid %u holds it; "
                              "ask for another number, or for a range.", n, holder->name, holder->uid);
        }
        return refuse(refusal, EADDRINUSE, "PASID %u is held already; ask for another number, or for a range.", n);
}

int refuse_shortage(struct core *core, const struct consumer *c, const struct alloc_request *q,
                    uint32_t lo, uint32_t hi, struct refusal *refusal) {
        uint32_t cooling = count_cooling(core, c->pool, lo, hi);
        uint32_t n_free = hi - lo + 1 - idset_count(&c->pool->taken, lo, hi);
        bool is_one = q->min != 0 && q->min == q->max, can_wait = cooling > 0 && n_free + cooling >= q->count;
        const char *asked = q->count == 1 ? " was" : q->contiguous ? "s in a row were" : "s were";
        unsigned long long wait = 0;

        if (can_wait)
                wait = seconds_until(first_return(core, c->pool, lo, hi, &q->now), &q->now);
        if (is_one && can_wait)
                return refuse(refusal, EAGAIN, "PASID %u was asked for; it was freed and cools for %llu s more; "
                              "ask again then, or for another number.", lo, wait);
        if (is_one)
                return refuse_one(core, c, lo, refusal);
        if (can_wait)
                return refuse(refusal, EAGAIN, "%u PASID%s asked for in %u..%u, where %u are free and %u cool, the first "
                              "for %llu s more; ask again then, for fewer, or in another range.",
                              q->count, asked, lo, hi, n_free, cooling, wait);
        if (q->contiguous && n_free >= q->count)
                return refuse(refusal, ENOSPC, "%u PASIDs in a row (alignment %u) were asked for in %u..%u, where %u are free, "
                              "but not so many together; ask for fewer, or for any that are free.",
                              q->count, q->align > 1 ? q->align : 1, lo, hi, n_free);
        return refuse(refusal, ENOSPC, "%u PASID%s asked for in %u..%u, where %u are free; "
                      "free some, ask for fewer, or in another range.",
                      q->count, asked, lo, hi, n_free);
}
