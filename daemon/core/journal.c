/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: every change since the last commit, in order, with what it
 * takes to undo it. What a change removed is kept until it is final.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/core-internal.h"

#define KEEP_ENTRIES 1024U /* more than that goes back to the heap after a commit */

int journal_reserve(struct core *core, size_t n) {
        struct journal *j = &core->journal;
        struct journal_entry *p;
        size_t size;

        if (j->n + n <= j->size)
                return 0;
        size = j->size * 2 > j->n + n ? j->size * 2 : j->n + n + 64;
        p = reallocarray(j->entries, size, sizeof(*p));
        if (!p)
                return -ENOMEM;
        j->entries = p;
        j->size = size;
        return 0;
}

void journal_push(struct core *core, const struct journal_entry *entry) {
        if (!core->loading)
                core->journal.entries[core->journal.n++] = *entry;
}

size_t core_mark(const struct core *core) {
        return core->journal.n;
}

bool core_change_next(const struct core *core, size_t *pos, struct change *ret) {
        while (*pos < core->journal.n) {
                const struct journal_entry *e = &core->journal.entries[(*pos)++];

                switch (e->kind) {
                case JOURNAL_CURSOR:
                        continue;
                case CHANGE_CONSUMER_ADDED:
                case CHANGE_CONSUMER_ENDED:
                case CHANGE_CONSUMER_REMOVED:
                case CHANGE_CONSUMER_HOLDER:
                        *ret = (struct change) { .kind = e->kind, .consumer = e->consumer, .had_ended = e->had_ended };
                        return true;
                case CHANGE_CONSUMER_OWNER:
                        *ret = (struct change) { .kind = e->kind, .consumer = e->consumer, .old_uid = e->old_owner->uid };
                        return true;
                case CHANGE_ROW_STATE:
                        *ret = (struct change) { .kind = e->kind, .old_state = e->old_state, .new_state = e->new_state,
                                                 .consumer = e->row->consumer, .row = e->row,
                                                 .held_usec = e->old_held_usec ?: e->old_since_usec };
                        return true;
                default:
                        *ret = (struct change) { .kind = e->kind, .old_state = e->old_state, .consumer = e->row->consumer,
                                                 .row = e->row,
                                                 .held_usec = row_is_live(e->row) ? row_held_usec(e->row) : 0 };
                        return true;
                }
        }
        return false;
}

bool change_is_end(const struct change *change) {
        return change->old_state != ROW_COOLING &&
                (change->kind == CHANGE_ROW_REMOVED ||
                 (change->kind == CHANGE_ROW_STATE && change->new_state == ROW_COOLING));
}

static void undo_row_state(struct core *core, const struct journal_entry *e) {
        struct row *row = e->row;

        if (row->state == ROW_COOLING) {
                TAILQ_REMOVE(cooling_list(core, row->consumer), row, cooling);
                row->private_bytes = e->old_private_bytes;
                row->token = e->old_token;
                if (row->token)
                        token_rejoin(row->consumer, row->token);
        }
        row_change_state(core, row, e->old_state);
        row->since_usec = e->old_since_usec;
        row->held_usec = e->old_held_usec;
}

static void undo(struct core *core, const struct journal_entry *e) {
        switch (e->kind) {
        case CHANGE_CONSUMER_ADDED:
                consumer_undo_add(core, e->consumer, e->old_next_id);
                break;
        case CHANGE_CONSUMER_ENDED:
        case CHANGE_CONSUMER_REMOVED:
                consumer_undo_retire(core, e->consumer, e->kind == CHANGE_CONSUMER_REMOVED, e->had_ended);
                break;
        case CHANGE_CONSUMER_HOLDER:
                free(e->consumer->holder);
                e->consumer->holder = e->old_holder;
                break;
        case CHANGE_CONSUMER_OWNER:
                consumer_undo_set_owner(core, e->consumer, e->old_owner);
                break;
        case CHANGE_ROW_ADDED:
                row_undo_add(core, e->row);
                break;
        case CHANGE_ROW_STATE:
                undo_row_state(core, e);
                break;
        case CHANGE_ROW_PRIVATE:
                e->row->private_bytes = e->old_private_bytes;
                break;
        case CHANGE_ROW_REMOVED:
                row_undo_remove(core, e->row);
                /* It was taken from the list's head: those before it are back already. */
                if (!row_is_live(e->row))
                        TAILQ_INSERT_HEAD(cooling_list(core, e->row->consumer), e->row, cooling);
                break;
        case JOURNAL_CURSOR:
                *e->cursor = e->old_cursor;
                break;
        default:
                break;
        }
}

static void make_final(struct core *core, const struct journal_entry *e) {
        switch (e->kind) {
        case CHANGE_CONSUMER_REMOVED:
                consumer_dispose(core, e->consumer);
                break;
        case CHANGE_CONSUMER_HOLDER:
                free(e->old_holder);
                break;
        case CHANGE_CONSUMER_OWNER:
                owner_put(core, e->old_owner);
                break;
        case CHANGE_ROW_STATE:
                token_unref(e->old_token);
                break;
        case CHANGE_ROW_REMOVED:
                row_dispose(core, e->row);
                break;
        default:
                break;
        }
}

static void shrink(struct journal *j) {
        if (j->n == 0 && j->size > KEEP_ENTRIES) {
                free(j->entries);
                *j = (struct journal) {};
        }
}

void core_rollback(struct core *core, size_t mark) {
        struct journal *j = &core->journal;

        while (j->n > mark)
                undo(core, &j->entries[--j->n]);
        shrink(j);
}

void core_commit(struct core *core) {
        struct journal *j = &core->journal;

        for (size_t i = 0; i < j->n; i++)
                make_final(core, &j->entries[i]);
        j->n = 0;
        shrink(j);
}
