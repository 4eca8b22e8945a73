/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which consumers stand in each other's way: spaces, unions of spaces, the
 * host; pools that come late or stay behind; the accounts of a space.
 */
#include "test-core-common.h"

START_TEST(test_apart) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *a = test_consumer(core, 1, "a", ON(1), 255), *b = test_consumer(core, 1, "b", ON(2), 255);

        ck_assert_uint_eq(test_alloc(core, a, 7, 7), 7);
        ck_assert_uint_eq(test_alloc(core, b, 7, 7), 7);
        test_refused_alloc(core, a, 7, 7, EADDRINUSE, "holds it already");
        ck_assert_uint_eq(core_space_count(core, 1, ROW_ALLOCATED), 1);
        ck_assert_uint_eq(core_space_count(core, 2, ROW_ALLOCATED), 1);
        ck_assert_uint_eq(core_space_count(core, 3, ROW_ALLOCATED), 0);
}
END_TEST

START_TEST(test_shared_space) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *a = test_consumer(core, 1, "a", ON(1), 255), *b = test_consumer(core, 2, "b", ON(1), 1023);

        ck_assert_uint_eq(test_alloc(core, a, 9, 9), 9);
        test_refused_alloc(core, b, 9, 9, EADDRINUSE, "consumer \"a\" of uid 1 holds it");
        test_free(core, a, 9, 0);
        ck_assert_uint_eq(test_alloc(core, b, 9, 9), 9);
        test_refused_alloc(core, a, 9, 9, EADDRINUSE, "consumer \"b\" of uid 2");
}
END_TEST

START_TEST(test_union) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *a = test_consumer(core, 1, "a", ON(1), 255), *b = test_consumer(core, 1, "b", ON(2), 255);
        struct consumer *both = test_consumer(core, 1, "both", ON(2, 1, 2), 255);
        const int32_t *spaces;

        ck_assert_uint_eq(consumer_spaces(both, &spaces), 2);
        ck_assert_int_eq(spaces[0], 1);
        ck_assert_int_eq(spaces[1], 2);
        ck_assert_int_eq(consumer_home_space(both), 1);

        ck_assert_uint_eq(test_alloc(core, a, 5, 5), 5);
        ck_assert_uint_eq(test_alloc(core, b, 5, 5), 5);
        test_refused_alloc(core, both, 5, 5, EADDRINUSE, "holds it");
        /* Free in one of its spaces is not enough. */
        test_free(core, a, 5, 0);
        test_refused_alloc(core, both, 5, 5, EADDRINUSE, "\"b\"");
        test_free(core, b, 5, 0);
        ck_assert_uint_eq(test_alloc(core, both, 5, 5), 5);
        test_refused_alloc(core, a, 5, 5, EADDRINUSE, "\"both\"");
        test_refused_alloc(core, b, 5, 5, EADDRINUSE, "\"both\"");
        ck_assert_uint_eq(core_space_count(core, 1, ROW_ALLOCATED), 1);
        ck_assert_uint_eq(core_space_count(core, 2, ROW_ALLOCATED), 1);
        test_free(core, both, 5, 0);
        ck_assert_uint_eq(test_alloc(core, a, 5, 5), 5);
        ck_assert_uint_eq(test_alloc(core, b, 5, 5), 5);
}
END_TEST

START_TEST(test_host) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *a = test_consumer(core, 1, "a", ON(1), 255), *host = test_consumer(core, 1, "host", NULL, 0, 0), *b;
        const int32_t *spaces;

        ck_assert_uint_eq(consumer_spaces(host, &spaces), 1);
        ck_assert_int_eq(spaces[0], SPACE_HOST);
        ck_assert_uint_eq(test_alloc(core, a, 3, 3), 3);
        test_refused_alloc(core, host, 3, 3, EADDRINUSE, "\"a\"");
        ck_assert_uint_eq(test_alloc(core, host, 4, 4), 4);
        test_refused_alloc(core, a, 4, 4, EADDRINUSE, "\"host\"");
        /* A space that comes into being later knows of it too. */
        b = test_consumer(core, 1, "b", ON(9), 255);
        test_refused_alloc(core, b, 4, 4, EADDRINUSE, "\"host\"");
        ck_assert_uint_eq(test_alloc(core, b, 3, 3), 3);
        test_free(core, a, 3, 0);
        test_refused_alloc(core, host, 3, 3, EADDRINUSE, "\"b\"");
        test_free(core, b, 3, 0);
        ck_assert_uint_eq(test_alloc(core, host, 3, 3), 3);
        ck_assert_uint_eq(core_space_count(core, SPACE_HOST, ROW_ALLOCATED), 2);
        ck_assert_uint_eq(core_space_taken(core, 1, 255), 2);
        ck_assert_uint_eq(core_host_taken(core), 2);
        ck_assert_uint_eq(test_alloc(core, a, 5, 5), 5);
        ck_assert_uint_eq(test_alloc(core, b, 5, 5), 5);
        ck_assert_uint_eq(test_alloc(core, b, 200, 200), 200);
        /* A number of two groups is one number. */
        ck_assert_uint_eq(core_host_taken(core), 4);
        ck_assert_uint_eq(core_space_taken(core, 1, 255), 3);
        ck_assert_uint_eq(core_space_taken(core, 9, 199), 3);
        test_free(core, host, 4, 0);
        ck_assert_uint_eq(test_alloc(core, b, 4, 4), 4);
        ck_assert_uint_eq(test_alloc(core, a, 4, 4), 4);
}
END_TEST

/* A device that is in no group may share DMA with any: its numbers are the host's. */
START_TEST(test_no_group) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *odd = test_consumer(core, 1, "odd", ON(-1, 4), 255), *a = test_consumer(core, 1, "a", ON(7), 255);

        ck_assert_int_eq(consumer_home_space(odd), SPACE_HOST);
        ck_assert_uint_eq(odd->max, 255);
        ck_assert_uint_eq(test_alloc(core, odd, 2, 2), 2);
        test_refused_alloc(core, a, 2, 2, EADDRINUSE, "\"odd\"");
}
END_TEST

/* A pool that is made when its spaces are in use already. */
START_TEST(test_late_pool) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *a = test_consumer(core, 1, "a", ON(1), 1023), *b = test_consumer(core, 1, "b", ON(2), 1023), *late;

        for (uint32_t n = 1; n <= 200; n++)
                (void) test_alloc(core, n % 2 ? a : b, n, n);
        test_free(core, a, 1, 0);
        core_commit(core);
        late = test_consumer(core, 1, "late", ON(1, 2), 1023);
        test_refused_alloc(core, late, 1, 1, EAGAIN, "cools");
        test_refused_alloc(core, late, 1, 200, EAGAIN, "1 cool");
        test_refused_alloc(core, late, 2, 200, ENOSPC, "0 are free");
        ck_assert_uint_eq(test_alloc(core, late, 0, 0), 201);
        late = test_consumer(core, 1, "late host", NULL, 0, 0);
        test_refused_alloc(core, late, 2, 201, ENOSPC, "0 are free");
        ck_assert_uint_eq(test_alloc(core, late, 150, 300), 202);
        ck_assert_uint_eq(test_alloc(core, a, 202, 210), 203);
}
END_TEST

/* Short-lived consumers: the next one does not get the last one's number again. */
START_TEST(test_pool_stays) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct moment now = AT(1);

        for (uint32_t i = 1; i <= 5; i++) {
                struct consumer *c = test_consumer(core, 1, "short", ON(1), 255);

                ck_assert_uint_eq(test_alloc(core, c, 0, 0), i);
                ck_assert_int_eq(core_consumer_end(core, c, &now), 0);
                core_commit(core);
        }
}
END_TEST

/* Sets of spaces that clients may choose at will leave nothing behind. */
START_TEST(test_pool_goes) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct moment now = AT(1);
        struct pool *pool;
        size_t n = 0;

        for (int32_t i = 0; i < 30; i++) {
                struct consumer *c = test_consumer(core, 1, "set", ON(i, i + 1, i + 2), 255);

                (void) test_alloc(core, c, 0, 0);
                ck_assert_int_eq(core_consumer_end(core, c, &now), 0);
                core_commit(core);
        }
        TAILQ_FOREACH(pool, &core->pools, entry)
                n++;
        ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(test_holders) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *c[5];
        struct row *row = NULL;

        for (int32_t i = 0; i < 5; i++)
                c[i] = test_consumer(core, (uid_t) i, "c", ON(i), 255);
        /* In any order they are told by the consumer's age. */
        for (int i = 0; i < 5; i++)
                (void) test_alloc(core, c[i * 3 % 5], 8, 8);
        for (int i = 0; i < 5; i++) {
                row = core_holder_next(core, 8, row);
                ck_assert_ptr_nonnull(row);
                ck_assert_ptr_eq(row->consumer, c[i]);
                ck_assert_uint_eq(row->pasid, 8);
        }
        ck_assert_ptr_null(core_holder_next(core, 8, row));
        ck_assert_ptr_null(core_holder_next(core, 9, NULL));
        ck_assert_ptr_null(core_holder_next(core, UINT32_MAX, NULL));
        test_free(core, c[2], 8, 0);
        test_free(core, c[0], 8, 0);
        row = core_holder_next(core, 8, NULL);
        ck_assert_ptr_eq(row->consumer, c[1]);
        ck_assert_ptr_eq(core_holder_next(core, 8, row)->consumer, c[3]);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("core-space");
        TCase *tc = tcase_create("space");

        tcase_add_test(tc, test_apart);
        tcase_add_test(tc, test_shared_space);
        tcase_add_test(tc, test_union);
        tcase_add_test(tc, test_host);
        tcase_add_test(tc, test_no_group);
        tcase_add_test(tc, test_late_pool);
        tcase_add_test(tc, test_pool_stays);
        tcase_add_test(tc, test_pool_goes);
        tcase_add_test(tc, test_holders);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
