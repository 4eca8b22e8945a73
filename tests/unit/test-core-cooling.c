/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cooling: when a freed number returns, what is told meanwhile, in which
 * order, and under a delay that changes.
 */
#include "test-core-common.h"

static int try_at(struct core *core, struct consumer *c, uint32_t count, uint32_t min, uint32_t max, uint64_t second,
                  uint32_t *pasids, struct refusal *refusal) {
        struct alloc_request q = { .count = count, .min = min, .max = max, .now = AT(second) };

        return core_alloc(core, c, &q, pasids, NULL, refusal);
}

START_TEST(test_delay) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255);
        struct refusal refusal = {};
        struct core_stats stats;
        uint32_t pasid;

        ck_assert_uint_eq(core_next_expiry(core, false), UINT64_MAX);
        (void) test_alloc(core, c, 6, 6);
        test_free(core, c, 6, 10);
        ck_assert_uint_eq(core_next_expiry(core, false), 40 * SECOND);
        ck_assert_int_eq(core_expire(core, false, &AT(39), 100), 0);
        check_refusal(try_at(core, c, 1, 6, 6, 12, &pasid, &refusal), &refusal, EAGAIN,
                      "PASID 6 was asked for; it was freed and cools for 28 s more");
        ck_assert_int_eq(core_expire(core, false, &AT(40), 100), 1);
        ck_assert_ptr_null(core_row_get(c, 6));
        core_get_stats(core, &stats);
        ck_assert_uint_eq(stats.n_cooling, 0);
        ck_assert_uint_eq(core_next_expiry(core, false), UINT64_MAX);
        ck_assert_uint_eq(test_alloc(core, c, 6, 6), 6);
}
END_TEST

/* An allocation sees what is due, though nobody has expired it. */
START_TEST(test_due_in_alloc) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255);
        struct refusal refusal = {};
        uint32_t pasids[255];

        ck_assert_int_eq(try_at(core, c, 255, 0, 0, 0, pasids, NULL), 0);
        ck_assert_int_eq(core_free_pasids(core, c, pasids, 255, &AT(1), NULL), 0);
        core_commit(core);
        check_refusal(try_at(core, c, 1, 0, 0, 30, pasids, &refusal), &refusal, EAGAIN, "the first for 1 s more");
        ck_assert_uint_eq(core_mark(core), 0);
        /* The last one freed, far behind what one call expires before it searches. */
        ck_assert_int_eq(try_at(core, c, 1, 255, 255, 31, pasids, NULL), 0);
        ck_assert_uint_eq(c->n_cooling, 0);
        core_rollback(core, 0);
        ck_assert_uint_eq(c->n_cooling, 255);
        /* For any number the first few are enough. */
        ck_assert_int_eq(try_at(core, c, 1, 0, 0, 31, pasids, NULL), 0);
        ck_assert_uint_eq(pasids[0], 1);
        ck_assert_uint_gt(c->n_cooling, 100);
}
END_TEST

START_TEST(test_words_of_refusal) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 7), *far = test_consumer(core, 1, "far", ON(2), 7);
        struct consumer *both = test_consumer(core, 1, "both", ON(1, 2), 7);
        struct refusal refusal = {};
        uint32_t pasids[8];

        ck_assert_int_eq(try_at(core, c, 7, 0, 0, 0, pasids, NULL), 0);
        check_refusal(try_at(core, c, 1, 0, 0, 0, pasids, &refusal), &refusal, ENOSPC, "where 0 are free");
        /* What cools elsewhere is nothing to wait for. */
        (void) test_alloc(core, far, 3, 3);
        test_free(core, far, 3, 0);
        check_refusal(try_at(core, c, 1, 0, 0, 0, pasids, &refusal), &refusal, ENOSPC, "where 0 are free");
        test_free(core, c, 5, 3);
        test_free(core, c, 4, 1);
        check_refusal(try_at(core, c, 1, 0, 0, 5, pasids, &refusal), &refusal, EAGAIN,
                      "1 PASID was asked for in 1..7, where 0 are free and 2 cool, the first for 26 s more");
        check_refusal(try_at(core, c, 2, 0, 0, 5, pasids, &refusal), &refusal, EAGAIN, "2 cool");
        check_refusal(try_at(core, c, 3, 0, 0, 5, pasids, &refusal), &refusal, ENOSPC, "3 PASIDs were asked for in 1..7");
        check_refusal(try_at(core, c, 1, 5, 6, 5, pasids, &refusal), &refusal, EAGAIN, "1 cool, the first for 28 s more");
        check_refusal(try_at(core, c, 1, 1, 3, 5, pasids, &refusal), &refusal, ENOSPC, "1..3");
        check_refusal(try_at(core, c, 1, 1, 1, 5, pasids, &refusal), &refusal, EADDRINUSE, "holds it already");
        /* 3 cools in one space and is held in the other: that is no waiting either. */
        check_refusal(try_at(core, both, 1, 3, 3, 5, pasids, &refusal), &refusal, EADDRINUSE, "\"c\"");
        check_refusal(try_at(core, both, 1, 1, 3, 5, pasids, &refusal), &refusal, ENOSPC, "1..3");
        /* Cooling in both: the later one counts. */
        test_free(core, c, 3, 8);
        check_refusal(try_at(core, both, 1, 1, 3, 9, pasids, &refusal), &refusal, EAGAIN, "the first for 29 s more");
        check_refusal(try_at(core, both, 1, 3, 3, 9, pasids, &refusal), &refusal, EAGAIN, "cools for 29 s more");
}
END_TEST

START_TEST(test_changed_delay) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct core_limits limits = *core_get_limits(core);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255);

        for (uint32_t n = 1; n <= 3; n++) {
                (void) test_alloc(core, c, n, n);
                test_free(core, c, n, n);
        }
        limits.reuse_delay_usec = 100 * SECOND;
        core_set_limits(core, &limits);
        ck_assert_uint_eq(core_next_expiry(core, false), 101 * SECOND);
        ck_assert_int_eq(core_expire(core, false, &AT(50), 100), 0);
        limits.reuse_delay_usec = 5 * SECOND;
        core_set_limits(core, &limits);
        ck_assert_int_eq(core_expire(core, false, &AT(7), 100), 2);
        limits.reuse_delay_usec = 0;
        core_set_limits(core, &limits);
        ck_assert_uint_eq(core_next_expiry(core, false), 3 * SECOND);
        ck_assert_int_eq(core_expire(core, false, &AT(7), 100), 1);
        limits.reuse_delay_usec = UINT64_MAX;
        core_set_limits(core, &limits);
        (void) test_alloc(core, c, 9, 9);
        test_free(core, c, 9, 9);
        ck_assert_uint_eq(core_next_expiry(core, false), UINT64_MAX);
        ck_assert_int_eq(core_expire(core, false, &AT(1000000), 100), 0);
}
END_TEST

START_TEST(test_order_and_max) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255);
        static const uint32_t seconds[] = { 5, 9, 7, 7, 1 }; /* a clock that is not in order harms nothing */

        for (uint32_t n = 1; n <= 5; n++) {
                (void) test_alloc(core, c, n, n);
                test_free(core, c, n, seconds[n - 1]);
        }
        ck_assert_int_eq(core_expire(core, false, &AT(35), 0), 0);
        ck_assert_int_eq(core_expire(core, false, &AT(35), 1), 1);
        ck_assert_ptr_null(core_row_get(c, 5));
        ck_assert_int_eq(core_expire(core, false, &AT(35), 5), 1);
        ck_assert_ptr_null(core_row_get(c, 1));
        ck_assert_int_eq(core_expire(core, false, &AT(37), 5), 2);
        ck_assert_ptr_nonnull(core_row_get(c, 2));
        ck_assert_uint_eq(core_next_expiry(core, false), 39 * SECOND);
}
END_TEST

START_TEST(test_undo) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255);
        size_t mark;

        for (uint32_t n = 1; n <= 4; n++)
                (void) test_alloc(core, c, n, n);
        test_free(core, c, 1, 1);
        test_free(core, c, 2, 2);
        core_commit(core);
        mark = core_mark(core);
        test_free(core, c, 3, 3);
        ck_assert_int_eq(core_expire(core, false, &AT(32), 9), 2);
        ck_assert_uint_eq(core_next_expiry(core, false), 33 * SECOND);
        ck_assert_int_eq(core_expire(core, false, &AT(33), 9), 1);
        core_rollback(core, mark);
        ck_assert_uint_eq(core_next_expiry(core, false), 31 * SECOND);
        ck_assert_int_eq(core_row_get(c, 3)->state, ROW_ALLOCATED);
        ck_assert_uint_eq(core_row_get(c, 3)->freed_usec, 0);
        ck_assert_int_eq(core_expire(core, false, &AT(31), 9), 1);
        ck_assert_ptr_null(core_row_get(c, 1));
        ck_assert_ptr_nonnull(core_row_get(c, 2));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("core-cooling");
        TCase *tc = tcase_create("cooling");

        tcase_add_test(tc, test_delay);
        tcase_add_test(tc, test_due_in_alloc);
        tcase_add_test(tc, test_words_of_refusal);
        tcase_add_test(tc, test_changed_delay);
        tcase_add_test(tc, test_order_and_max);
        tcase_add_test(tc, test_undo);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
