/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A run through all operations, transaction by transaction, with a witness who
 * is told what would be in the table after each, before and after it is so.
 */
#pragma once

#include "test-store-fixture.h"

struct witness {
        void (*pending)(const char *state, void *userdata); /* this transaction is about to be written */
        void (*kept)(void *userdata);                       /* it was acknowledged */
        void (*refused)(void *userdata);                    /* it was refused; f->refusal says why */
        void *userdata;
};

void script_run(struct fixture *f, const struct witness *witness);
/* One transaction with whatever the core has journalled. */
void script_commit(struct fixture *f, const struct witness *witness);
