/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cooling rows, in the order they were freed. The deadline is reckoned from
 * the present delay, so a changed delay holds for those that cool already.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "core/core-internal.h"

uint64_t cooling_deadline(const struct core *core, const struct row *row) {
        uint64_t deadline;

        return __builtin_add_overflow(row->freed_usec, core->limits.reuse_delay_usec, &deadline) ? UINT64_MAX : deadline;
}

void cooling_insert(struct core *core, struct row *row) {
        struct row_list *list = cooling_list(core, row->consumer);
        struct row *before = TAILQ_LAST(list, row_list);

        while (before && before->freed_usec > row->freed_usec)
                before = TAILQ_PREV(before, row_list, cooling);
        if (before)
                TAILQ_INSERT_AFTER(list, before, row, cooling);
        else
                TAILQ_INSERT_HEAD(list, row, cooling);
}

static struct row *merge(struct row *a, struct row *b) {
        struct row *head = NULL, **link = &head;

        while (a && b) {
                struct row **first = a->freed_usec <= b->freed_usec ? &a : &b;

                *link = *first;
                link = &(*link)->cooling.tqe_next;
                *first = *link;
        }
        *link = a ? a : b;
        return head;
}

/* A merge sort of the list itself: loading has no order that is known, and sorting must not fail. */
static void sort(struct row_list *list) {
        struct row *bins[32] = {}, *row = TAILQ_FIRST(list), *next;
        size_t i;

        TAILQ_INIT(list);
        for (; row; row = next) {
                next = row->cooling.tqe_next;
                row->cooling.tqe_next = NULL;
                for (i = 0; bins[i]; i++) {
                        row = merge(bins[i], row);
                        bins[i] = NULL;
                }
                bins[i] = row;
        }
        for (i = 0; i < sizeof(bins) / sizeof(bins[0]); i++)
                row = merge(bins[i], row);
        for (; row; row = next) {
                next = row->cooling.tqe_next;
                TAILQ_INSERT_TAIL(list, row, cooling);
        }
}

void cooling_sort(struct core *core) {
        sort(&core->cooling[0]);
        sort(&core->cooling[1]);
}

int core_expire(struct core *core, bool persistent, const struct moment *now, size_t max) {
        struct row_list *list = &core->cooling[persistent];
        struct row *row;
        int r, n = 0;

        while ((row = TAILQ_FIRST(list)) && (size_t) n < max && n < INT_MAX) {
                struct consumer *c = row->consumer;

                if (cooling_deadline(core, row) > now->boottime_usec)
                        break;
                r = journal_reserve(core, 2);
                if (r < 0)
                        return n > 0 ? n : r;
                TAILQ_REMOVE(list, row, cooling);
                row_remove(core, row);
                if (c->ended && c->n_live + c->n_cooling == 0)
                        consumer_retire(core, c);
                n++;
        }
        return n;
}

uint64_t core_next_expiry(const struct core *core, bool persistent) {
        const struct row *first = TAILQ_FIRST(&core->cooling[persistent]);

        return first ? cooling_deadline(core, first) : UINT64_MAX;
}
