/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A real table that can be told to refuse a step.
 */
#pragma once

#include "store/store.h"

struct fault_store {
        struct store store; /* first, so that ops can get back */
        struct store *real;
        unsigned fail_at;
        int code;
        int commit_code; /* every commit is refused with it, as on a disk that is full; 0: none */
        bool is_dropping; /* with the refusal the transaction goes as a whole, as SQLite does it on a full disk */
};

/* Takes the real one over. */
struct fault_store *fault_store_new(struct store *real);
/* The n-th call from now on of a changing operation is refused with code (1: the next). 0: none. */
void fault_store_fail(struct fault_store *store, unsigned n, int code);
