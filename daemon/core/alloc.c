/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Allocation: check, expire what is due, search from the cursor on, make the
 * rows. The search is cyclic, so that a number comes back as late as it can.
 */
#include <errno.h>

#include "core/core-internal.h"
#include "core/range.h"

/* So many due rows are expired before a search; all of them only if it finds nothing: one call must not pay for a crowd. */
#define EXPIRE_BATCH 64

static int check_request(const struct alloc_request *q, struct refusal *refusal) {
        if (q->count < 1 || q->count > NUMBER_MAX)
                return refuse(refusal, EINVAL, "%u PASIDs can't be asked for at once; ask for 1 to %u.", q->count, NUMBER_MAX);
        if (q->align & (q->align - 1))
                return refuse(refusal, EINVAL, "The alignment %u is no power of two; 1, 2, 4 and so on are.", q->align);
        if (q->align > 1 && !q->contiguous)
                return refuse(refusal, EINVAL, "An alignment of %u goes with contiguous PASIDs only; "
                              "ask for contiguous ones, or leave it out.", q->align);
        if (q->private_bytes > PRIVATE_MAX)
                return refuse(refusal, EMSGSIZE, "%u bytes of private data were given; a PASID keeps at most %u. Keep what is "
                              "more elsewhere, and its place here.", q->private_bytes, PRIVATE_MAX);
        return q->token ? token_check(q->token, refusal) : 0;
}

static int check_limits(const struct core *core, const struct consumer *c, uint32_t count, struct refusal *refusal) {
        const struct owner *owner = c->owner;

        if ((uint64_t) c->n_live + count > c->quota)
                return refuse(refusal, EDQUOT, "%u more PASID%s asked, and consumer \"%s\" holds %u of its quota of %u; "
                              "free some, or make a consumer with a larger quota, which is PasidsPerConsumer= where none is "
                              "asked for.", count, were(count), c->name, c->n_live, c->quota);
        if (c->uid != 0 && (uint64_t) owner->n_live + owner->n_cooling + count > core->limits.pasids_per_uid)
                return refuse(refusal, EDQUOT, "%u more PASID%s asked, and uid %u holds %u with %u more cooling, of the %u "
                              "that it may have (PasidsPerUid=); free some, wait for the cooling ones, or have the limit raised.",
                              count, were(count), c->uid, owner->n_live, owner->n_cooling, core->limits.pasids_per_uid);
        return 0;
}

/* Whether min..max is large enough at all. */
static bool has_room(const struct alloc_request *q, uint32_t min, uint32_t max) {
        uint64_t first = min, align = q->align > 1 ? q->align : 1;

        if (q->contiguous)
                first = (first + align - 1) & ~(align - 1);
        return first + q->count - 1 <= max;
}

static int check_room(const struct alloc_request *q, uint32_t lo, uint32_t hi, struct refusal *refusal) {
        bool asked = q->min != 0 || q->max != 0;
        /* No room even in what was asked for is the asker's mistake; else it is what the range was cut to. */
        int code = asked && !has_room(q, q->min, q->max) ? EDOM : ENOSPC;

        if (has_room(q, lo, hi))
                return 0;
        if (q->contiguous && q->align > 1)
                return refuse(refusal, code, "%u PASIDs in a row from a multiple of %u on have no room in %u..%u; "
                              "ask for fewer, in a wider range, or with a smaller alignment.", q->count, q->align, lo, hi);
        return refuse(refusal, code, "%u PASID%s asked for in %u..%u, which has only %u; "
                      "ask for fewer, or in a wider range.", q->count, were(q->count), lo, hi, hi - lo + 1);
}

static uint32_t *cursor_of(struct consumer *c, uint32_t lo, uint32_t hi) {
        return lo == NUMBER_MIN && hi == c->pool->max ? &c->pool->cursor : &c->cursor;
}

static bool search(struct consumer *c, const struct alloc_request *q, uint32_t lo, uint32_t hi, uint32_t *pasids) {
        const struct idset *taken = &c->pool->taken;
        uint32_t start = *cursor_of(c, lo, hi), n, end;

        if (start < lo || start > hi)
                start = lo;
        if (q->contiguous && (q->count > 1 || q->align > 1)) {
                uint32_t align = q->align > 1 ? q->align : 1;

                n = idset_find_run(taken, start, hi, q->count, align);
                if (n == IDSET_NONE && start > lo) {
                        /* Runs that begin before the start may reach beyond it. */
                        end = start - 1 + (q->count - 1);
                        n = idset_find_run(taken, lo, end < hi ? end : hi, q->count, align);
                }
                if (n == IDSET_NONE)
                        return false;
                for (uint32_t i = 0; i < q->count; i++)
                        pasids[i] = n + i;
                return true;
        }

        if (q->count > 1 && hi - lo + 1 - idset_count(taken, lo, hi) < q->count)
                return false;
        n = start;
        end = hi;
        for (uint32_t i = 0; i < q->count; n++) {
                n = idset_next_clear(taken, n, end);
                if (n != IDSET_NONE) {
                        pasids[i++] = n;
                        continue;
                }
                if (end < start || start == lo)
                        return false;
                n = lo - 1;
                end = start - 1;
        }
        return true;
}

static int make_rows(struct core *core, struct consumer *c, const struct alloc_request *q, const uint32_t *pasids) {
        struct row values = {
                .state = q->is_attached ? ROW_ATTACHED : ROW_ALLOCATED, .since_usec = q->now.realtime_usec,
                .private_bytes = q->private_bytes };
        int r = 0;

        if (q->token) {
                r = token_new(q->token, pasids, q->count, &values.token);
                if (r < 0)
                        return r;
        }
        for (uint32_t i = 0; r == 0 && i < q->count; i++)
                r = row_add(core, c, pasids[i], &values, NULL);
        token_unref(values.token);
        return r;
}

static int repeat(const struct consumer *c, const struct token *token, const struct alloc_request *q,
                  uint32_t *pasids, struct refusal *refusal) {
        if (token->n_live != q->count)
                return refuse(refusal, EINVAL, "%u PASID%s asked for with the token \"%s\", which %u have that were "
                              "got before; repeat that request as it was, or use a new token.",
                              q->count, were(q->count), token->text, token->n_live);
        token_copy(c, token, pasids);
        for (uint32_t i = 0; (q->min || q->max) && i < q->count; i++)
                if (pasids[i] < q->min || pasids[i] > q->max)
                        return refuse(refusal, EINVAL, "PASIDs in %u..%u were asked for with the token \"%s\", which %u has "
                                      "that was got before; repeat that request as it was, or use a new token.",
                                      q->min, q->max, token->text, pasids[i]);
        return 0;
}

static int move_cursor(struct core *core, uint32_t *cursor, uint32_t to) {
        int r;

        r = journal_reserve(core, 1);
        if (r < 0)
                return r;
        journal_push(core, &(struct journal_entry) { .kind = JOURNAL_CURSOR, .cursor = cursor, .old_cursor = *cursor });
        *cursor = to;
        return 0;
}

static int alloc(struct core *core, struct consumer *c, const struct alloc_request *q, uint32_t *pasids,
                 struct refusal *refusal) {
        uint32_t lo, hi;
        int r;

        r = range_cut(c, q->min, q->max, &lo, &hi, refusal);
        if (r < 0)
                return r;
        r = check_room(q, lo, hi, refusal);
        if (r < 0)
                return r;
        r = core_expire(core, c->hold == HOLD_PERSISTENT, &q->now, EXPIRE_BATCH);
        if (r < 0)
                return refuse_memory(refusal);
        r = check_limits(core, c, q->count, refusal);
        if (r < 0 && core_expire(core, c->hold == HOLD_PERSISTENT, &q->now, SIZE_MAX) > 0)
                r = check_limits(core, c, q->count, refusal);
        if (r < 0)
                return r;
        if (!search(c, q, lo, hi, pasids)) {
                r = core_expire(core, c->hold == HOLD_PERSISTENT, &q->now, SIZE_MAX);
                if (r < 0)
                        return refuse_memory(refusal);
                if (r == 0 || !search(c, q, lo, hi, pasids))
                        return refuse_shortage(core, c, q, lo, hi, refusal);
        }
        r = move_cursor(core, cursor_of(c, lo, hi), pasids[q->count - 1] + 1);
        if (r >= 0)
                r = make_rows(core, c, q, pasids);
        return r < 0 ? refuse_memory(refusal) : 0;
}

int core_alloc(struct core *core, struct consumer *consumer, const struct alloc_request *request,
               uint32_t *pasids, bool *ret_repeated, struct refusal *refusal) {
        const struct token *token = NULL;
        size_t mark = core_mark(core);
        int r;

        if (consumer->ended)
                return refuse(refusal, ESRCH, "Consumer \"%s\" of uid %u has ended; make it again.", consumer->name, consumer->uid);
        r = check_request(request, refusal);
        if (r < 0)
                return r;
        if (request->token)
                token = token_find(consumer, request->token);
        if (token)
                r = repeat(consumer, token, request, pasids, refusal);
        else
                r = alloc(core, consumer, request, pasids, refusal);
        if (r < 0) {
                core_rollback(core, mark);
                return r;
        }
        if (ret_repeated)
                *ret_repeated = token != NULL;
        return 0;
}
