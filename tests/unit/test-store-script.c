/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See the header. Any transaction may be refused, so each step works with what
 * is there.
 */
#include "test-store-script.h"

#include <stdlib.h>

#include "test-store-vfs.h"

void script_commit(struct fixture *f, const struct witness *witness) {
        _cleanup_free_ char *state = describe_model(f);
        int r;

        witness->pending(state, witness->userdata);
        fault_vfs_step();
        r = commit_changes(f);
        if (r == 0) {
                witness->kept(witness->userdata);
        } else {
                ck_assert_msg(r == -EFBIG || r == -EIO || r == -ENOMEM, "%d: %s", r, f->refusal.text);
                witness->refused(witness->userdata);
        }
        fault_vfs_step();
}

static struct consumer *get(struct fixture *f, const char *name) {
        return core_consumer_get(f->core, 1000, name);
}

static void set_lost(struct fixture *f, struct consumer *c, struct row *row) {
        objects_detach(&f->objects, c->id, row->pasid);
        ck_assert_int_eq(core_row_set_state(f->core, row, ROW_LOST, &f->now), 0);
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
                        set_lost(f, c, row);
        }
}

/* The first n that can be, with 0 to 2 mappings each. */
static void attach_some(struct fixture *f, struct consumer *c, unsigned n) {
        for (struct row *row = core_row_next(c, 0); row && n > 0; row = core_row_next(c, row->pasid)) {
                if (row->state != ROW_ALLOCATED)
                        continue;
                attach(f, c, row->pasid);
                for (unsigned i = 0; i < n % 3; i++)
                        map(f, c, row->pasid, i << 20, 4096);
                n--;
        }
}

static void change_attached(struct fixture *f, struct consumer *c) {
        unsigned n = 0;

        for (struct row *row = core_row_next(c, 0); row; row = core_row_next(c, row->pasid)) {
                if (row->state != ROW_ATTACHED)
                        continue;
                if (n++ % 3 == 0)
                        detach(f, c, row->pasid);
                else if (objects_get_mapping(&f->objects, c->id, row->pasid, 0))
                        objects_unmap(&f->objects, c->id, row->pasid, 0);
                else
                        map(f, c, row->pasid, UINT64_C(0xfffffffffffff000), 4096);
        }
}

/* One request inside the open transaction. Whether the transaction is still there. */
static bool request(struct fixture *f, struct consumer *c, uint16_t bytes, bool keep) {
        const struct store_ops *ops = f->store->ops;
        const struct objects before = f->objects;
        size_t mark = core_mark(f->core);
        int r;

        attach(f, c, alloc(f, c, 5, 0, bytes, NULL));
        r = ops->savepoint(f->store, &f->refusal);
        if (r < 0)
                return false;
        r = write_changes(f, mark);
        if (r >= 0 && keep)
                return ops->release(f->store, &f->refusal) == 0;
        core_rollback(f->core, mark);
        f->objects = f->written = before;
        return ops->rollback_to(f->store) == 0;
}

/* A transaction of three requests, of which the second takes itself back. */
static void three_requests(struct fixture *f, const struct witness *witness, struct consumer *c) {
        const struct store_ops *ops = f->store->ops;
        _cleanup_free_ char *state = NULL;

        if (ops->begin(f->store, &f->refusal) < 0)
                return;
        if (request(f, c, 700, true) && request(f, c, 3000, false) && request(f, c, 2000, true)) {
                state = describe_model(f);
                witness->pending(state, witness->userdata);
                if (ops->commit(f->store, &f->refusal) == 0) {
                        core_commit(f->core);
                        f->kept = f->written;
                        witness->kept(witness->userdata);
                } else {
                        take_back(f);
                        witness->refused(witness->userdata);
                }
                return;
        }
        ops->rollback(f->store);
        take_back(f);
}

/* As after a start that found no kernel objects. */
static void forget_kernel(struct fixture *f, const struct witness *witness) {
        const struct store_ops *ops = f->store->ops;
        _cleanup_free_ char *state = NULL;
        int r;

        for (struct consumer *c = core_consumer_next(f->core, NULL); c; c = core_consumer_next(f->core, c))
                for (struct row *row = core_row_next(c, 0); row; row = core_row_next(c, row->pasid))
                        if (row->state == ROW_ATTACHED)
                                set_lost(f, c, row);
        state = describe_model(f);
        witness->pending(state, witness->userdata);
        fault_vfs_step();
        r = ops->begin(f->store, &f->refusal);
        if (r >= 0) {
                r = ops->forget_kernel(f->store, &f->refusal);
                if (r >= 0) {
                        f->written = f->objects;
                        r = write_changes(f, 0);
                }
                if (r >= 0)
                        r = ops->commit(f->store, &f->refusal);
                else
                        ops->rollback(f->store);
        }
        if (r >= 0) {
                core_commit(f->core);
                f->kept = f->written;
                witness->kept(witness->userdata);
        } else {
                take_back(f);
                witness->refused(witness->userdata);
        }
        fault_vfs_step();
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
        if (get(f, "a"))
                attach_some(f, get(f, "a"), 6);
        if (get(f, "b"))
                attach_some(f, get(f, "b"), 2);
        script_commit(f, witness);
        fault_vfs_step();
        (void) f->store->ops->checkpoint(f->store, &f->refusal);
        fault_vfs_step();
        if (get(f, "a"))
                change_attached(f, get(f, "a"));
        script_commit(f, witness);
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
        if (get(f, "a"))
                attach_some(f, get(f, "a"), 3);
        script_commit(f, witness);
        forget_kernel(f, witness);
        (void) f->store->ops->checkpoint(f->store, &f->refusal);
        later = f->now;
        later.boottime_usec += UINT64_C(3600000000);
        (void) core_expire(f->core, f->durable, &later, NUMBER_MAX);
        script_commit(f, witness);
}
