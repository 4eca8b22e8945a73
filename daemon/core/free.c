/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Freeing: at once where nothing can still tag DMA with the number, by way of
 * cooling otherwise.
 */
#include <errno.h>

#include "core/core-internal.h"

/* Proof that no device uses it: pasidd itself detached it, or never attached it where nobody else could. */
static bool returns_at_once(const struct core *core, const struct row *row) {
        return core->limits.reuse_delay_usec == 0 ||
                (row->consumer->mode == MODE_MEDIATED && (row->state == ROW_ALLOCATED || row->state == ROW_RESERVED));
}

int row_free(struct core *core, struct row *row, const struct moment *now) {
        struct journal_entry entry = {
                .kind = CHANGE_ROW_STATE, .old_state = row->state, .new_state = ROW_COOLING, .row = row,
                .old_since_usec = row->since_usec, .old_token = row->token, .old_private_bytes = row->private_bytes,
                .old_held_usec = row->held_usec,
        };
        int r;

        r = journal_reserve(core, 1);
        if (r < 0)
                return r;
        if (returns_at_once(core, row)) {
                row_remove(core, row);
                return 0;
        }
        r = row_reserve_cooling(core, row);
        if (r < 0)
                return r;
        if (row->token)
                token_leave(row->consumer, row->token);
        row_change_state(core, row, ROW_COOLING);
        row->private_bytes = 0; /* the table forgets the bytes with it */
        row->since_usec = now->realtime_usec;
        row->freed_usec = now->boottime_usec;
        cooling_insert(core, row);
        journal_push(core, &entry);
        return 0;
}

static int refuse_free(const struct consumer *consumer, const uint32_t *pasids, size_t i, struct refusal *refusal) {
        uint32_t pasid = pasids[i];

        for (size_t k = 0; k < i; k++)
                if (pasids[k] == pasid)
                        return refuse(refusal, EINVAL, "PASID %u is named twice in one request to free; name it once.", pasid);
        if (pasid < NUMBER_MIN || pasid > NUMBER_MAX)
                return refuse(refusal, ENOENT, "%u is no PASID that anybody can hold; they are %u..%u.",
                              pasid, NUMBER_MIN, NUMBER_MAX);
        if (core_row_get(consumer, pasid))
                return refuse(refusal, ENOENT, "PASID %u of consumer \"%s\" was freed before and is cooling; "
                              "it returns by itself.", pasid, consumer->name);
        return refuse(refusal, ENOENT, "PASID %u is not held by consumer \"%s\" of uid %u; its list shows what is.",
                      pasid, consumer->name, consumer->uid);
}

int core_free_pasids(struct core *core, struct consumer *consumer, const uint32_t *pasids, size_t n,
                     const struct moment *now, struct refusal *refusal) {
        size_t mark = core_mark(core);
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++) {
                struct row *row;

                /* Both ways to the row are taken at once: with many rows each is a few cache misses. */
                __builtin_prefetch(core_holder_next(core, pasids[i], NULL));
                row = core_row_get(consumer, pasids[i]);
                if (!row || !row_is_live(row))
                        r = refuse_free(consumer, pasids, i, refusal);
                else {
                        r = row_free(core, row, now);
                        if (r < 0)
                                (void) refuse_memory(refusal);
                }
        }
        if (r < 0)
                core_rollback(core, mark);
        return r;
}
