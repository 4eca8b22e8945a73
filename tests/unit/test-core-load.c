/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loading: what a sound table becomes, and how one that contradicts itself is
 * refused.
 */
#include "test-core-common.h"

static int load_consumer(struct core *core, uint64_t id, const char *name, bool ended, int32_t space, struct consumer **ret,
                         struct refusal *refusal) {
        struct consumer_device device = test_device(space, 255);

        return core_consumer_add(core, &(struct consumer_spec) {
                .id = id, .uid = 1, .name = name, .min = 1, .max = 200, .quota = 3, .ended = ended,
                .devices = &device, .n_devices = space == SPACE_HOST ? 0 : 1 }, ret, refusal);
}

static int load(struct core *core, struct consumer *c, uint32_t pasid, enum row_state state, uint64_t since,
                uint64_t freed, const char *token, struct refusal *refusal) {
        return core_load_row(core, c, pasid, state, since, freed, 7, token, refusal);
}

START_TEST(test_sound) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *a, *b, *gone;
        struct core_stats stats;
        struct alloc_request q = { .count = 3, .token = "t", .now = AT(0) };
        uint32_t pasids[8];
        bool repeated;

        /* No limit holds while loading. */
        core_set_limits(core, &(struct core_limits) { .reuse_delay_usec = DELAY });
        core_load_begin(core);
        ck_assert_int_eq(load_consumer(core, 12, "b", false, 1, &b, NULL), 0);
        ck_assert_int_eq(load_consumer(core, 5, "a", false, 1, &a, NULL), 0);
        ck_assert_int_eq(load_consumer(core, 8, "a", true, 2, &gone, NULL), 0);
        ck_assert_int_eq(load(core, a, 9, ROW_ALLOCATED, 500, 0, "t", NULL), 0);
        ck_assert_int_eq(load(core, a, 4, ROW_ATTACHED, 600, 0, "t", NULL), 0);
        ck_assert_int_eq(load(core, a, 6, ROW_LOST, 100, 0, "t", NULL), 0);
        ck_assert_int_eq(load(core, a, 7, ROW_RESERVED, 100, 0, "u", NULL), 0);
        ck_assert_int_eq(load(core, b, 30, ROW_ALLOCATED, 550, 0, NULL, NULL), 0);
        ck_assert_int_eq(load(core, b, 31, ROW_COOLING, 10, 8 * SECOND, "was", NULL), 0);
        ck_assert_int_eq(load(core, gone, 30, ROW_COOLING, 10, 3 * SECOND, NULL, NULL), 0);
        ck_assert_int_eq(load(core, b, 1, ROW_COOLING, 10, 5 * SECOND, NULL, NULL), 0);
        core_load_end(core);

        ck_assert_uint_eq(core_mark(core), 0);
        core_get_stats(core, &stats);
        ck_assert_uint_eq(stats.n_consumers, 2);
        ck_assert_uint_eq(stats.n_live, 5);
        ck_assert_uint_eq(stats.n_cooling, 3);
        ck_assert_uint_eq(core_space_count(core, 1, ROW_ALLOCATED), 2);
        ck_assert_uint_eq(core_space_count(core, 1, ROW_COOLING), 2);
        ck_assert_uint_eq(core_row_get(a, 9)->private_bytes, 7);
        ck_assert_uint_eq(core_row_get(a, 9)->since_usec, 500);
        ck_assert_str_eq(row_token(core_row_get(a, 4)), "t");
        ck_assert_ptr_null(row_token(core_row_get(b, 31)));
        ck_assert_ptr_eq(core_consumer_get(core, 1, "a"), a);
        ck_assert_ptr_eq(core_consumer_next(core, NULL), a);
        ck_assert_ptr_eq(core_consumer_next(core, a), gone);
        ck_assert_ptr_eq(core_consumer_next(core, gone), b);

        /* In the order of freeing, whatever order the table had. */
        ck_assert_uint_eq(core_next_expiry(core, false), 33 * SECOND);
        ck_assert_int_eq(core_expire(core, false, &AT(33), 9), 1);
        ck_assert_ptr_null(core_consumer_by_id(core, 8));
        core_commit(core);
        ck_assert_uint_eq(core_next_expiry(core, false), 35 * SECOND);

        /* Tokens still get what they got. */
        core_set_limits(core, &(struct core_limits) { 10, 10, 10, DELAY });
        ck_assert_int_eq(core_alloc(core, a, &q, pasids, &repeated, NULL), 0);
        ck_assert(repeated);
        ck_assert_uint_eq(pasids[0] + pasids[1] + pasids[2], 9 + 4 + 6);

        /* The cursors stand after the youngest number: b's own, and the pool's. */
        ck_assert_uint_eq(test_alloc(core, b, 0, 0), 32);
        ck_assert_uint_eq(test_consumer(core, 0, "next", ON(1), 255)->id, 13);
        ck_assert_uint_eq(test_alloc(core, core_consumer_get(core, 0, "next"), 0, 0), 5);
}
END_TEST

START_TEST(test_unsound) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *a, *b, *host, *ended, *c = NULL;
        struct refusal refusal = {};

        core_load_begin(core);
        ck_assert_int_eq(load_consumer(core, 1, "a", false, 1, &a, NULL), 0);
        ck_assert_int_eq(load_consumer(core, 2, "b", false, 1, &b, NULL), 0);
        ck_assert_int_eq(load_consumer(core, 3, "h", false, SPACE_HOST, &host, NULL), 0);
        ck_assert_int_eq(load_consumer(core, 4, "e", true, 3, &ended, NULL), 0);
        check_refusal(load_consumer(core, 2, "c", false, 1, &c, &refusal), &refusal, EBADMSG, "id 2");
        check_refusal(load_consumer(core, 9, "a", false, 1, &c, &refusal), &refusal, EBADMSG, "\"a\" of uid 1");
        check_refusal(load_consumer(core, 9, "\n", false, 1, &c, &refusal), &refusal, EBADMSG, "name");
        ck_assert_int_eq(load(core, a, 5, ROW_ALLOCATED, 1, 0, NULL, NULL), 0);
        ck_assert_int_eq(load(core, b, 6, ROW_COOLING, 1, 0, NULL, NULL), 0);
        check_refusal(load(core, a, 5, ROW_ALLOCATED, 1, 0, NULL, &refusal), &refusal, EBADMSG, "PASID 5");
        check_refusal(load(core, b, 5, ROW_ALLOCATED, 1, 0, NULL, &refusal), &refusal, EBADMSG,
                      "PASID 5 to consumer \"b\" of uid 1 and to consumer \"a\" of uid 1 in the same space");
        check_refusal(load(core, a, 6, ROW_COOLING, 1, 0, NULL, &refusal), &refusal, EBADMSG, "PASID 6");
        check_refusal(load(core, host, 6, ROW_ALLOCATED, 1, 0, NULL, &refusal), &refusal, EBADMSG, "PASID 6");
        check_refusal(load(core, a, 0, ROW_ALLOCATED, 1, 0, NULL, &refusal), &refusal, EBADMSG, "PASID 0");
        check_refusal(load(core, a, NUMBER_MAX + 1, ROW_ALLOCATED, 1, 0, NULL, &refusal), &refusal, EBADMSG, "1048576");
        check_refusal(load(core, a, 8, ROW_STATE_MAX_, 1, 0, NULL, &refusal), &refusal, EBADMSG, "state 5");
        check_refusal(load(core, a, 8, ROW_ALLOCATED, 1, 0, "\t", &refusal), &refusal, EBADMSG, "token");
        check_refusal(load(core, ended, 8, ROW_ALLOCATED, 1, 0, NULL, &refusal), &refusal, EBADMSG, "has ended");
        check_refusal(core_load_row(core, a, 8, ROW_ALLOCATED, 1, 0, PRIVATE_MAX + 1, NULL, &refusal), &refusal, EBADMSG, "4097");
        ck_assert_uint_eq(a->n_live, 1);
        core_load_end(core);
        /* Nothing was left to cool for it. */
        ck_assert_ptr_null(core_consumer_by_id(core, 4));
}
END_TEST

/* Rows outside of what the hardware can do now, and devices that are gone, are loaded as they are. */
START_TEST(test_other_hardware) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer_device device = test_device(1, 15);
        struct consumer *c;

        core_load_begin(core);
        ck_assert_int_eq(core_consumer_add(core, &(struct consumer_spec) {
                .id = 1, .uid = 1, .name = "c", .min = 100, .max = 200, .quota = 9, .devices = &device, .n_devices = 1 }, &c, NULL), 0);
        ck_assert_int_eq(load(core, c, 150, ROW_ALLOCATED, 1, 0, NULL, NULL), 0);
        core_load_end(core);
        ck_assert_uint_eq(core_row_get(c, 150)->pasid, 150);
        test_refused_alloc(core, c, 0, 0, ERANGE, "outside");
        test_free(core, c, 150, 1);
}
END_TEST

START_TEST(test_sort) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        uint64_t last = 0;
        struct consumer *c;
        uint32_t random = 12345, n = 0;
        struct row *row;

        core_load_begin(core);
        ck_assert_int_eq(load_consumer(core, 1, "a", false, SPACE_HOST, &c, NULL), 0);
        for (uint32_t i = 1; i <= 5000; i++) {
                random = random * 1103515245 + 12345;
                ck_assert_int_eq(load(core, c, i, ROW_COOLING, 1, random >> 16 & 1023, NULL, NULL), 0);
        }
        core_load_end(core);
        TAILQ_FOREACH(row, &core->cooling[0], cooling) {
                ck_assert_uint_ge(row->freed_usec, last);
                last = row->freed_usec;
                n++;
        }
        ck_assert_uint_eq(n, 5000);
        n = 0;
        TAILQ_FOREACH_REVERSE(row, &core->cooling[0], row_list, cooling)
                n++;
        ck_assert_uint_eq(n, 5000);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("core-load");
        TCase *tc = tcase_create("load");

        tcase_add_test(tc, test_sound);
        tcase_add_test(tc, test_unsound);
        tcase_add_test(tc, test_other_hardware);
        tcase_add_test(tc, test_sort);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
