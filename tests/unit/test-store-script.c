/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See the header. Any transaction may be refused, so each step works with what
 * is there.
 */
#include "test-store-script.h"

#include <stdlib.h>

#include "test-store-vfs.h"

void script_commit(struct fixture *f, const struct witness *witness) {
        _cleanup_free_ char *state = describe_core(f->core);
        int r;

        witness->pending(state, witness->userdata);
        fault_vfs_step();
        r = commit_changes(f);
        if (r == 0) {
                witness->kept(witness->userdata);
        } else {
                ck_assert_msg(r == -EFBIG || r == -EIO, "%d: %s", r, f->refusal.text);
                witness->refused(witness->userdata);
        }
        fault_vfs_step();
}

static struct consumer *get(struct fixture *f, const char *name) {
        return core_consumer_get(f->core, 1000, name);
}

static void change_all(struct fixture *f, struct consumer *c) {
        unsigned n = 0;

        for (struct row *row = core_row_next(c, 0), *next; row; row = next, n++) {
                next = core_row_next(c, row->pasid);
                if (row->state == ROW_COOLING)
                        continue;
                if (n % 4 == 0)
                        free_pasid(f, c, row->pasid);
                else if (n % 4 == 1)
                        ck_assert_int_eq(core_row_set_private_bytes(f->core, row, (uint16_t) (n * 100 % PRIVATE_MAX)), 0);
                else if (n % 4 == 2)
                        ck_assert_int_eq(core_row_set_state(f->core, row, ROW_LOST, &f->now), 0);
        }
}

/* One request inside the open transaction. Whether the transaction is still there. */
static bool request(struct fixture *f, struct consumer *c, uint16_t bytes, bool keep) {
        const struct store_ops *ops = f->store->ops;
        size_t mark = core_mark(f->core);
        int r;

        (void) alloc(f, c, 5, 0, bytes, NULL);
        r = ops->savepoint(f->store, &f->refusal);
        if (r < 0)
                return false;
        r = write_changes(f, mark);
        if (r >= 0 && keep)
                return ops->release(f->store, &f->refusal) == 0;
        core_rollback(f->core, mark);
        return ops->rollback_to(f->store) == 0;
}

/* A transaction of three requests, of which the second takes itself back. */
static void three_requests(struct fixture *f, const struct witness *witness, struct consumer *c) {
        const struct store_ops *ops = f->store->ops;
        _cleanup_free_ char *state = NULL;

        if (ops->begin(f->store, &f->refusal) < 0)
                return;
        if (request(f, c, 700, true) && request(f, c, 3000, false) && request(f, c, 2000, true)) {
                state = describe_core(f->core);
                witness->pending(state, witness->userdata);
                if (ops->commit(f->store, &f->refusal) == 0) {
                        core_commit(f->core);
                        witness->kept(witness->userdata);
                } else {
                        core_rollback(f->core, 0);
                        witness->refused(witness->userdata);
                }
                return;
        }
        ops->rollback(f->store);
        core_rollback(f->core, 0);
}

void script_run(struct fixture *f, const struct witness *witness) {
        struct moment later;

        (void) add_consumer(f, 1000, "a", ON(1, 2));
        (void) alloc(f, get(f, "a"), 3, 0, 10, "t");
        script_commit(f, witness);
        (void) add_consumer(f, 1000, "b", ON(4));
        script_commit(f, witness);
        for (unsigned i = 0; i < 6; i++) {
                if (get(f, "a"))
                        (void) alloc(f, get(f, "a"), i % 2 ? 1 : 4, 0, i % 2 ? 64 : PRIVATE_MAX, NULL);
                if (get(f, "b"))
                        (void) alloc(f, get(f, "b"), 1, 0, 0, i == 3 ? "t" : NULL);
                script_commit(f, witness);
        }
        fault_vfs_step();
        (void) f->store->ops->checkpoint(f->store, &f->refusal);
        fault_vfs_step();
        if (get(f, "a"))
                change_all(f, get(f, "a"));
        script_commit(f, witness);
        if (get(f, "b")) {
                (void) alloc(f, get(f, "b"), 12, 0, 2500, NULL);
                ck_assert_int_eq(core_consumer_set_holder(f->core, get(f, "b"), "peer:4:5:6"), 0);
        }
        script_commit(f, witness);
        if (get(f, "a"))
                three_requests(f, witness, get(f, "a"));
        if (get(f, "b"))
                end_consumer(f, get(f, "b"));
        script_commit(f, witness);
        (void) f->store->ops->checkpoint(f->store, &f->refusal);
        later = f->now;
        later.boottime_usec += UINT64_C(3600000000);
        (void) core_expire(f->core, &later, NUMBER_MAX);
        script_commit(f, witness);
}
