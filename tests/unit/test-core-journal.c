/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: every kind of change told in order, undone to any mark, and
 * final after a commit.
 */
#include "test-core-common.h"

static void check_change(const struct core *core, size_t *pos, enum change_kind kind, const struct consumer *consumer, uint32_t pasid) {
        struct change change = {};

        ck_assert(core_change_next(core, pos, &change));
        ck_assert_int_eq(change.kind, kind);
        ck_assert_ptr_eq(change.consumer, consumer);
        ck_assert_uint_eq(change.row ? change.row->pasid : 0, pasid);
}

START_TEST(test_kinds) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255);
        struct moment now = AT(1);
        struct change change;
        size_t pos = 0;

        (void) test_alloc(core, c, 0, 0);
        (void) test_alloc(core, c, 0, 0);
        ck_assert_int_eq(core_row_set_private_bytes(core, core_row_get(c, 1), 5), 0);
        ck_assert_int_eq(core_row_set_state(core, core_row_get(c, 2), ROW_RESERVED, &now), 0);
        test_free(core, c, 2, 0);
        ck_assert_int_eq(core_expire(core, false, &AT(1000), 1), 1);
        ck_assert_int_eq(core_consumer_set_holder(core, c, "x"), 0);
        ck_assert_int_eq(core_consumer_end(core, c, &now), 0);
        check_change(core, &pos, CHANGE_CONSUMER_ADDED, c, 0);
        check_change(core, &pos, CHANGE_ROW_ADDED, c, 1);
        check_change(core, &pos, CHANGE_ROW_ADDED, c, 2);
        check_change(core, &pos, CHANGE_ROW_PRIVATE, c, 1);
        check_change(core, &pos, CHANGE_ROW_STATE, c, 2);
        check_change(core, &pos, CHANGE_ROW_STATE, c, 2);
        check_change(core, &pos, CHANGE_ROW_REMOVED, c, 2);
        check_change(core, &pos, CHANGE_CONSUMER_HOLDER, c, 0);
        check_change(core, &pos, CHANGE_ROW_STATE, c, 1);
        check_change(core, &pos, CHANGE_CONSUMER_ENDED, c, 0);
        ck_assert(!core_change_next(core, &pos, &change));
        core_commit(core);
        ck_assert_uint_eq(core_mark(core), 0);
        pos = 0;
        ck_assert(!core_change_next(core, &pos, &change));
}
END_TEST

START_TEST(test_undo_all) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c, *again;
        struct core_stats stats;
        struct moment now = AT(1);

        c = test_consumer(core, 1, "c", ON(1, 2), 255);
        (void) test_alloc(core, c, 0, 0);
        ck_assert_int_eq(core_consumer_end(core, c, &now), 0);
        again = test_consumer(core, 1, "c", ON(1, 2), 255);
        (void) test_alloc(core, again, 0, 0);
        core_rollback(core, 0);
        core_get_stats(core, &stats);
        ck_assert_uint_eq(stats.n_consumers + stats.n_live + stats.n_cooling, 0);
        ck_assert_ptr_null(core_consumer_next(core, NULL));
        ck_assert_ptr_null(core_consumer_get(core, 1, "c"));
        ck_assert_ptr_null(core->owners);
        ck_assert_ptr_null(core->holders.root);
        ck_assert_uint_eq(core_next_expiry(core, false), UINT64_MAX);
        /* Ids and cursors as well. */
        c = test_consumer(core, 1, "c", ON(1, 2), 255);
        ck_assert_uint_eq(c->id, 1);
        ck_assert_uint_eq(test_alloc(core, c, 0, 0), 1);
}
END_TEST

START_TEST(test_marks) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255);
        size_t mark;

        ck_assert_uint_eq(test_alloc(core, c, 0, 0), 1);
        mark = core_mark(core);
        ck_assert_uint_eq(test_alloc(core, c, 0, 0), 2);
        ck_assert_uint_eq(test_alloc(core, c, 50, 60), 50);
        core_rollback(core, mark);
        ck_assert_uint_eq(c->n_live, 1);
        ck_assert_uint_eq(test_alloc(core, c, 0, 0), 2);
        ck_assert_uint_eq(test_alloc(core, c, 50, 60), 50);
        core_rollback(core, core_mark(core));
        ck_assert_uint_eq(c->n_live, 3);
        core_commit(core);
        core_rollback(core, 0);
        ck_assert_uint_eq(c->n_live, 3);
}
END_TEST

/* A number given, freed and given again within one transaction. */
START_TEST(test_same_number) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255), *other = test_consumer(core, 1, "o", ON(1), 255);
        struct row *first;

        (void) test_alloc(core, c, 9, 9);
        first = core_row_get(c, 9);
        core_commit(core);
        for (int i = 0; i < 100; i++) {
                test_free(core, c, 9, 0);
                ck_assert_uint_eq(test_alloc(core, other, 9, 9), 9);
                test_free(core, other, 9, 0);
                ck_assert_uint_eq(test_alloc(core, c, 9, 9), 9);
        }
        ck_assert_ptr_ne(core_row_get(c, 9), first);
        core_rollback(core, 0);
        ck_assert_ptr_eq(core_row_get(c, 9), first);
        ck_assert_ptr_null(core_row_get(other, 9));
        ck_assert_ptr_eq(core_holder_next(core, 9, NULL), first);
        for (int i = 0; i < 100; i++) {
                test_free(core, c, 9, 0);
                ck_assert_uint_eq(test_alloc(core, c, 9, 9), 9);
        }
        core_commit(core);
        test_free(core, c, 9, 0);
        core_commit(core);
        ck_assert_ptr_null(c->rows.root);
        ck_assert_ptr_null(core->holders.root);
}
END_TEST

/* The name of an ended consumer goes to a new one, and comes back. */
START_TEST(test_same_name) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255), *again;
        struct moment now = AT(1);

        (void) test_alloc(core, c, 0, 0);
        core_commit(core);
        ck_assert_int_eq(core_consumer_end(core, c, &now), 0);
        again = test_consumer(core, 1, "c", ON(1), 255);
        ck_assert_ptr_eq(core_consumer_get(core, 1, "c"), again);
        ck_assert_int_eq(core_consumer_end(core, again, &now), 0);
        ck_assert_ptr_null(core_consumer_get(core, 1, "c"));
        core_rollback(core, 0);
        ck_assert_ptr_eq(core_consumer_get(core, 1, "c"), c);
        ck_assert(!c->ended);
        ck_assert_uint_eq(c->n_live, 1);
        ck_assert_uint_eq(c->owner->n_consumers, 1);
        /* Ended, cooled and removed in one go, and all undone. */
        ck_assert_int_eq(core_consumer_end(core, c, &now), 0);
        ck_assert_int_eq(core_expire(core, false, &AT(100), 9), 1);
        ck_assert_ptr_null(core_consumer_by_id(core, c->id));
        core_rollback(core, 0);
        ck_assert_ptr_eq(core_consumer_by_id(core, c->id), c);
        ck_assert_ptr_eq(core_consumer_get(core, 1, "c"), c);
}
END_TEST

START_TEST(test_room) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *c = test_consumer(core, 0, "c", ON(1), NUMBER_MAX);
        uint32_t *pasids = calloc(60000, sizeof(*pasids));
        struct alloc_request q = { .count = 60000, .now = AT(0) };

        ck_assert_ptr_nonnull(pasids);
        ck_assert_int_eq(core_alloc(core, c, &q, pasids, NULL, NULL), 0);
        core_commit(core);
        /* A great transaction leaves no great journal behind. */
        ck_assert_uint_le(core->journal.size, 1024);
        ck_assert_int_eq(core_free_pasids(core, c, pasids, 60000, &q.now, NULL), 0);
        core_rollback(core, 0);
        ck_assert_uint_le(core->journal.size, 1024);
        ck_assert_uint_eq(c->n_live, 60000);
        free(pasids);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("core-journal");
        TCase *tc = tcase_create("journal");

        tcase_add_test(tc, test_kinds);
        tcase_add_test(tc, test_undo_all);
        tcase_add_test(tc, test_marks);
        tcase_add_test(tc, test_same_number);
        tcase_add_test(tc, test_same_name);
        tcase_add_test(tc, test_room);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
