/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that runs out at a chosen allocation: of the program's own, which the
 * linker leads here (--wrap, see WRAP_ALLOCATIONS), or of SQLite's.
 */
#pragma once

#include <stdbool.h>

enum short_of { SHORT_OF_OURS, SHORT_OF_SQLITE, SHORT_OF_MAX_ };

/* May lie in memory that is shared with a test. */
struct short_memory {
        volatile long at[SHORT_OF_MAX_]; /* the allocation that is refused, counted down from now on, 1 is the next; 0: none */
        volatile bool is_forever;        /* and all after it */
        volatile long n_refused;
};

/* Before SQLite is used for the first time. The plan is read at each allocation. */
void short_memory_follow(struct short_memory *plan);
