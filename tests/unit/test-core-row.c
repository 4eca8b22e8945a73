/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows: finding and listing them, freeing them all or none, their states and
 * what they keep.
 */
#include "test-core-common.h"

START_TEST(test_find_and_list) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), NUMBER_MAX);
        static const uint32_t numbers[] = { 1, 31, 32, 33, 1024, 40000, NUMBER_MAX - 1, NUMBER_MAX };
        const struct row *row = NULL;

        for (size_t i = 8; i-- > 0;)
                ck_assert_uint_eq(test_alloc(core, c, numbers[i], numbers[i]), numbers[i]);
        for (size_t i = 0; i < 8; i++) {
                row = core_row_next(c, row ? row->pasid : 0);
                ck_assert_uint_eq(row->pasid, numbers[i]);
                ck_assert_ptr_eq(core_row_get(c, numbers[i]), row);
                ck_assert_ptr_eq(row->consumer, c);
        }
        ck_assert_ptr_null(core_row_next(c, NUMBER_MAX));
        ck_assert_ptr_null(core_row_next(c, UINT32_MAX));
        ck_assert_ptr_null(core_row_get(c, 2));
        ck_assert_ptr_null(core_row_get(c, 0));
        ck_assert_ptr_null(core_row_get(c, NUMBER_MAX + 1));
        ck_assert_ptr_null(core_row_get(c, UINT32_MAX));
        /* Cooling ones alike. */
        test_free(core, c, 33, 4);
        ck_assert_int_eq(core_row_get(c, 33)->state, ROW_COOLING);
        ck_assert_uint_eq(core_row_next(c, 32)->pasid, 33);
}
END_TEST

START_TEST(test_free_all_or_none) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255), *other = test_consumer(core, 2, "o", ON(1), 255);
        struct moment now = AT(1);
        static const struct {
                uint32_t pasids[4];
                size_t n;
                int code;
                const char *words;
        } cases[] = {
                { { 1, 2, 1 }, 3, EINVAL, "PASID 1 is named twice" },
                { { 1, 2, 9 }, 3, ENOENT, "PASID 9 is not held by consumer \"c\" of uid 1" },
                { { 1, 5 }, 2, ENOENT, "PASID 5 is not held by consumer \"c\"" },
                { { 9, 9 }, 2, ENOENT, "PASID 9 is not held" },
                { { 1, 0 }, 2, ENOENT, "0 is no PASID" },
                { { NUMBER_MAX + 1 }, 1, ENOENT, "1048576 is no PASID" },
                { { 2, 4 }, 2, ENOENT, "PASID 4 of consumer \"c\" was freed before" },
        };

        for (int i = 0; i < 4; i++)
                (void) test_alloc(core, c, 0, 0);
        (void) test_alloc(core, other, 5, 5);
        test_free(core, c, 4, 0);
        core_commit(core);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct refusal refusal = {};

                check_refusal(core_free_pasids(core, c, cases[i].pasids, cases[i].n, &now, &refusal), &refusal,
                              cases[i].code, cases[i].words);
                ck_assert_uint_eq(core_mark(core), 0);
                ck_assert_uint_eq(c->n_live, 3);
                ck_assert_int_eq(core_row_get(c, 1)->state, ROW_ALLOCATED);
        }
        ck_assert_int_eq(core_free_pasids(core, c, NULL, 0, &now, NULL), 0);
        ck_assert_int_eq(core_free_pasids(core, c, (const uint32_t[]) { 3, 1, 2 }, 3, &now, NULL), 0);
        ck_assert_uint_eq(c->n_live, 0);
        ck_assert_uint_eq(c->n_cooling, 4);
}
END_TEST

static const struct {
        enum consumer_mode mode;
        enum row_state state;
        bool cools;
} ways[] = {
        { MODE_ADVISORY, ROW_ALLOCATED, true }, { MODE_ADVISORY, ROW_RESERVED, true }, { MODE_ADVISORY, ROW_LOST, true },
        { MODE_ADVISORY, ROW_ATTACHED, true },  { MODE_MEDIATED, ROW_ALLOCATED, false }, { MODE_MEDIATED, ROW_ATTACHED, true },
        { MODE_MEDIATED, ROW_LOST, true },      { MODE_MEDIATED, ROW_RESERVED, false },
};

/* Only proof of its detachment spares a number the delay. */
START_TEST(test_ways_to_free) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct moment now = AT(1);
        struct consumer *c;

        ck_assert_int_eq(core_consumer_add(core, &(struct consumer_spec) { .name = "c", .mode = ways[_i].mode }, &c, NULL), 0);
        (void) test_alloc(core, c, 6, 6);
        ck_assert_int_eq(core_row_set_state(core, core_row_get(c, 6), ways[_i].state, &now), 0);
        test_free(core, c, 6, 2);
        ck_assert_int_eq(core_row_get(c, 6) != NULL, ways[_i].cools);
        if (!ways[_i].cools)
                ck_assert_uint_eq(test_alloc(core, c, 6, 6), 6);
        else
                test_refused_alloc(core, c, 6, 6, EAGAIN, "PASID 6");
}
END_TEST

START_TEST(test_states) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1, 2), 255);
        struct moment now = AT(3);
        struct row *row;
        size_t mark;

        (void) test_alloc(core, c, 6, 6);
        row = core_row_get(c, 6);
        core_commit(core);
        ck_assert_int_eq(core_row_set_state(core, row, ROW_ATTACHED, &now), 0);
        ck_assert_int_eq(row->state, ROW_ATTACHED);
        ck_assert_uint_eq(row->since_usec, now.realtime_usec);
        ck_assert_uint_eq(core_space_count(core, 1, ROW_ATTACHED), 1);
        ck_assert_uint_eq(core_space_count(core, 2, ROW_ATTACHED), 1);
        ck_assert_uint_eq(core_space_count(core, 2, ROW_ALLOCATED), 0);
        mark = core_mark(core);
        ck_assert_int_eq(core_row_set_state(core, row, ROW_ATTACHED, &AT(9)), 0);
        ck_assert_uint_eq(core_mark(core), mark);
        ck_assert_int_eq(core_row_set_state(core, row, ROW_LOST, &AT(9)), 0);
        core_rollback(core, mark);
        ck_assert_int_eq(row->state, ROW_ATTACHED);
        ck_assert_uint_eq(row->since_usec, now.realtime_usec);
        /* Cooling comes by freeing and goes by time. */
        ck_assert_int_eq(core_row_set_state(core, row, ROW_COOLING, &now), -EINVAL);
        ck_assert_int_eq(core_row_set_state(core, row, ROW_STATE_MAX_, &now), -EINVAL);
        test_free(core, c, 6, 4);
        ck_assert_int_eq(core_row_set_state(core, row, ROW_ALLOCATED, &now), -EINVAL);
        ck_assert_uint_eq(core_space_count(core, 1, ROW_COOLING), 1);
        ck_assert_uint_eq(row->since_usec, AT(4).realtime_usec);
        ck_assert_uint_eq(row->freed_usec, AT(4).boottime_usec);
}
END_TEST

START_TEST(test_private) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255);
        struct change change;
        struct row *row;
        size_t pos;

        (void) test_alloc(core, c, 6, 6);
        row = core_row_get(c, 6);
        ck_assert_uint_eq(row->private_bytes, 0);
        core_commit(core);
        ck_assert_int_eq(core_row_set_private_bytes(core, row, PRIVATE_MAX), 0);
        ck_assert_uint_eq(row->private_bytes, PRIVATE_MAX);
        pos = 0;
        ck_assert(core_change_next(core, &pos, &change));
        ck_assert_int_eq(change.kind, CHANGE_ROW_PRIVATE);
        ck_assert_ptr_eq(change.row, row);
        core_rollback(core, 0);
        ck_assert_uint_eq(row->private_bytes, 0);
        ck_assert_int_eq(core_row_set_private_bytes(core, row, PRIVATE_MAX + 1), -EMSGSIZE);
}
END_TEST

START_TEST(test_size) {
        /* With both trees' share of 17 bytes and a token that is what a row costs. */
        ck_assert_uint_le(sizeof(struct row), 56);
        ck_assert_uint_le(offsetof(struct token, text), 32);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("core-row");
        TCase *tc = tcase_create("row");

        tcase_add_test(tc, test_find_and_list);
        tcase_add_test(tc, test_free_all_or_none);
        tcase_add_loop_test(tc, test_ways_to_free, 0, sizeof(ways) / sizeof(ways[0]));
        tcase_add_test(tc, test_states);
        tcase_add_test(tc, test_private);
        tcase_add_test(tc, test_size);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
