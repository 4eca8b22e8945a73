/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Allocation: order, ranges, many at once, runs, tokens, quotas, and the
 * refusal for each way to fail.
 */
#include "test-core-common.h"

static int many(struct core *core, struct consumer *c, struct alloc_request q, uint32_t *pasids, struct refusal *refusal) {
        return core_alloc(core, c, &q, pasids, NULL, refusal);
}

#define CHECK_MANY_REFUSED(code, words, ...)                                                              \
        do {                                                                                              \
                struct refusal _refusal = {};                                                             \
                size_t _mark = core_mark(core);                                                           \
                check_refusal(many(core, c, (struct alloc_request) { __VA_ARGS__ }, pasids, &_refusal),   \
                              &_refusal, code, words);                                                    \
                ck_assert_uint_eq(core_mark(core), _mark);                                                \
        } while (0)

#define CHECK_MANY(...)                                                                                   \
        do {                                                                                              \
                struct refusal _refusal = {};                                                             \
                int _r = many(core, c, (struct alloc_request) { __VA_ARGS__ }, pasids, &_refusal);        \
                ck_assert_msg(_r == 0, "%s", _refusal.text);                                              \
        } while (0)

static void check_numbers(const uint32_t *pasids, size_t n, const uint32_t *expected) {
        for (size_t i = 0; i < n; i++)
                ck_assert_uint_eq(pasids[i], expected[i]);
}
#define NUMBERS(...) sizeof((uint32_t[]) { __VA_ARGS__ }) / sizeof(uint32_t), (const uint32_t[]) { __VA_ARGS__ }

START_TEST(test_next_fit) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 7);

        for (uint32_t n = 1; n <= 5; n++)
                ck_assert_uint_eq(test_alloc(core, c, 0, 0), n);
        /* A freed number is not taken again before the end was reached. */
        test_free(core, c, 2, 0);
        ck_assert_uint_eq(test_alloc(core, c, 0, 0), 6);
        ck_assert_uint_eq(test_alloc(core, c, 0, 0), 7);
        ck_assert_uint_eq(test_alloc(core, c, 0, 0), 2);
        test_refused_alloc(core, c, 0, 0, ENOSPC, "1..7");
        test_free(core, c, 1, 0);
        ck_assert_uint_eq(test_alloc(core, c, 1, 7), 1);
}
END_TEST

/* The cursor of the whole range is the pool's; that of a part is the consumer's own. */
START_TEST(test_cursors) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *a = test_consumer(core, 1, "a", ON(1), 255), *b = test_consumer(core, 1, "b", ON(1), 255);

        ck_assert_uint_eq(test_alloc(core, a, 0, 0), 1);
        ck_assert_uint_eq(test_alloc(core, b, 0, 0), 2);
        ck_assert_uint_eq(test_alloc(core, a, 100, 110), 100);
        ck_assert_uint_eq(test_alloc(core, a, 100, 110), 101);
        test_free(core, a, 100, 0);
        ck_assert_uint_eq(test_alloc(core, a, 100, 110), 102);
        ck_assert_uint_eq(test_alloc(core, b, 100, 110), 100);
        ck_assert_uint_eq(test_alloc(core, b, 1, 255), 3);
        /* Out of the range it begins at its start. */
        ck_assert_uint_eq(test_alloc(core, a, 50, 60), 50);
        ck_assert_uint_eq(test_alloc(core, a, 105, 106), 105);
        ck_assert_uint_eq(test_alloc(core, a, 105, 106), 106);
        test_refused_alloc(core, a, 105, 106, ENOSPC, "105..106");
}
END_TEST

/* Where the kernel gives out low numbers itself: they come last, and come if nothing else is left or asked for. */
START_TEST(test_upper_half_first) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *wide, *narrow, *host, *part;
        struct consumer_device device = test_device(4, 255);
        struct refusal refusal = {};

        core_start_in_upper_half(core);
        wide = test_consumer(core, 1, "wide", ON(1), NUMBER_MAX);
        narrow = test_consumer(core, 1, "narrow", ON(2), 7);
        ck_assert_uint_eq(test_alloc(core, wide, 0, 0), 0x80000);
        ck_assert_uint_eq(test_alloc(core, wide, 0, 0), 0x80001);
        for (uint32_t n = 4; n <= 7; n++)
                ck_assert_uint_eq(test_alloc(core, narrow, 0, 0), n);
        for (uint32_t n = 1; n <= 3; n++)
                ck_assert_uint_eq(test_alloc(core, narrow, 0, 0), n);
        test_refused_alloc(core, narrow, 0, 0, ENOSPC, "1..7");

        /* A part of the range that ends below is served from its start, one that reaches over it from the middle. */
        ck_assert_uint_eq(test_alloc(core, wide, 100, 110), 100);
        ck_assert_int_eq(core_consumer_add(core, &(struct consumer_spec) {
                .uid = 1, .name = "part", .hold = HOLD_BOOT, .devices = &device, .n_devices = 1, .min = 120, .max = 129 },
                &part, &refusal), 0);
        ck_assert_uint_eq(test_alloc(core, part, 0, 0), 128);
        ck_assert_uint_eq(test_alloc(core, part, 0, 0), 129);
        ck_assert_uint_eq(test_alloc(core, part, 0, 0), 120);
        ck_assert_uint_eq(test_alloc(core, part, 121, 125), 121);
        host = test_consumer(core, 1, "host", NULL, 0, 0);
        ck_assert_uint_eq(test_alloc(core, host, 0, 0), 0x80002); /* free on all devices */
}
END_TEST

START_TEST(test_exact) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *c = test_consumer(core, 0, "c", ON(1), NUMBER_MAX);
        uint32_t *pasids = calloc(NUMBER_MAX, sizeof(*pasids));
        static const uint32_t holes[] = { 1, 63, 64, 4095, 4096, 262143, 262144, 524288, NUMBER_MAX - 1, NUMBER_MAX };
        struct refusal refusal = {};

        ck_assert_ptr_nonnull(pasids);
        core_set_limits(core, &(struct core_limits) { .pasids_per_consumer = UINT32_MAX });
        c->quota = UINT32_MAX;
        CHECK_MANY(.count = NUMBER_MAX, .now = AT(0));
        ck_assert_uint_eq(pasids[0], 1);
        ck_assert_uint_eq(pasids[NUMBER_MAX - 1], NUMBER_MAX);
        core_commit(core);
        for (size_t i = 0; i < sizeof(holes) / sizeof(holes[0]); i++) {
                test_free(core, c, holes[i], 0);
                ck_assert_uint_eq(test_alloc(core, c, 0, 0), holes[i]);
                core_commit(core);
                ck_assert_int_eq(test_try(core, c, 0, 0, pasids, &refusal), -ENOSPC);
        }
        /* All of them taken back, as if the request had never been. */
        ck_assert_int_eq(core_free_pasids(core, c, &holes[3], 1, &AT(0), NULL), 0);
        core_rollback(core, 0);
        ck_assert_uint_eq(c->n_live, NUMBER_MAX);
        free(pasids);
}
END_TEST

START_TEST(test_range) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255), *narrow;

        test_refused_alloc(core, c, 5, 3, EDOM, "5..3 is empty");
        test_refused_alloc(core, c, 5, 0, EDOM, "5..0 is empty");
        test_refused_alloc(core, c, 0, 5, EDOM, "PASID 0");
        test_refused_alloc(core, c, 1, NUMBER_MAX + 1, EDOM, "1048576 does not fit");
        test_refused_alloc(core, c, UINT32_MAX, UINT32_MAX, EDOM, "does not fit");
        test_refused_alloc(core, c, 300, 300, ERANGE,
                           "PASID 300 is outside 1..255, what device 0000:01:00.0 (8 bits wide) can tag; ask for a number");
        test_refused_alloc(core, c, 256, NUMBER_MAX, ERANGE, "The range 256..1048575 is outside 1..255");
        /* Partly outside: cut. */
        ck_assert_uint_eq(test_alloc(core, c, 255, 300), 255);
        test_refused_alloc(core, c, 255, 300, ENOSPC, "255..255");

        ck_assert_int_eq(core_consumer_add(core, &(struct consumer_spec) {
                .uid = 1, .name = "narrow", .min = 10, .max = 20, .n_devices = 1, .devices = &(struct consumer_device) {
                        .address = "0000:02:00.0", .space = 2, .max_pasid = 255 } }, &narrow, NULL), 0);
        test_refused_alloc(core, narrow, 21, 30, ERANGE, "21..30 is outside 10..20, the range of consumer \"narrow\"");
        test_refused_alloc(core, narrow, 9, 9, ERANGE, "PASID 9 is outside 10..20");
        test_refused_alloc(core, narrow, 256, 256, ERANGE, "what device 0000:02:00.0");
        ck_assert_uint_eq(test_alloc(core, narrow, 0, 0), 10);
        ck_assert_uint_eq(test_alloc(core, narrow, 20, 25), 20);
        ck_assert_uint_eq(test_alloc(core, narrow, 1, 255), 11);
}
END_TEST

START_TEST(test_many) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 15);
        uint32_t pasids[32];

        CHECK_MANY(.count = 10, .now = AT(0));
        check_numbers(pasids, NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
        test_free(core, c, 3, 0);
        test_free(core, c, 7, 0);
        /* In the order of the search: to the end, then from the start. */
        CHECK_MANY(.count = 6, .now = AT(0));
        check_numbers(pasids, NUMBERS(11, 12, 13, 14, 15, 3));
        CHECK_MANY_REFUSED(ENOSPC, "2 PASIDs were asked for in 1..15, where 1 are free", .count = 2, .now = AT(0));
        CHECK_MANY_REFUSED(ENOSPC, "which has only 15", .count = 16, .now = AT(0));
        CHECK_MANY_REFUSED(EDOM, "which has only 3", .count = 4, .min = 4, .max = 6, .now = AT(0));
        CHECK_MANY_REFUSED(ENOSPC, "which has only 15", .count = 16, .min = 1, .max = 100, .now = AT(0));
        CHECK_MANY_REFUSED(EINVAL, "0 PASIDs", .count = 0, .now = AT(0));
        CHECK_MANY_REFUSED(EINVAL, "1048576 PASIDs", .count = NUMBER_MAX + 1, .now = AT(0));
        CHECK_MANY_REFUSED(EMSGSIZE, "4097 bytes", .count = 1, .private_bytes = 4097, .now = AT(0));
        CHECK_MANY(.count = 1, .private_bytes = 4096, .now = AT(5));
        ck_assert_uint_eq(core_row_get(c, 7)->private_bytes, 4096);
        ck_assert_uint_eq(core_row_get(c, 7)->since_usec, AT(5).realtime_usec);
}
END_TEST

START_TEST(test_contiguous) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 127);
        uint32_t pasids[128];

        CHECK_MANY(.count = 3, .contiguous = true, .align = 16, .now = AT(0));
        check_numbers(pasids, NUMBERS(16, 17, 18));
        CHECK_MANY(.count = 40, .contiguous = true, .now = AT(0));
        check_numbers(pasids, NUMBERS(19, 20, 21));
        ck_assert_uint_eq(pasids[39], 58);
        /* A run doesn't wrap, but a start before the cursor may reach over it. */
        (void) test_alloc(core, c, 100, 100);
        CHECK_MANY(.count = 38, .contiguous = true, .now = AT(0));
        ck_assert_uint_eq(pasids[0], 59);
        CHECK_MANY(.count = 15, .contiguous = true, .now = AT(0));
        ck_assert_uint_eq(pasids[0], 101);
        CHECK_MANY(.count = 13, .contiguous = true, .now = AT(0));
        ck_assert_uint_eq(pasids[0], 1);
        CHECK_MANY_REFUSED(ENOSPC, "13 PASIDs in a row (alignment 1) were asked for in 1..127, where 17 are free",
                           .count = 13, .contiguous = true, .now = AT(0));
        CHECK_MANY_REFUSED(ENOSPC, "20 PASIDs in a row", .count = 20, .contiguous = true, .align = 4, .now = AT(0));
        CHECK_MANY_REFUSED(EDOM, "4 PASIDs in a row from a multiple of 64 on have no room in 65..120",
                           .count = 4, .contiguous = true, .align = 64, .min = 65, .max = 120, .now = AT(0));
        CHECK_MANY_REFUSED(ENOSPC, "multiple of 128", .count = 4, .contiguous = true, .align = 128, .now = AT(0));
        CHECK_MANY_REFUSED(ENOSPC, "multiple of 2147483648", .count = 1, .contiguous = true, .align = 1U << 31, .now = AT(0));
        CHECK_MANY_REFUSED(EINVAL, "3 is no power of two", .count = 4, .contiguous = true, .align = 3, .now = AT(0));
        CHECK_MANY_REFUSED(EINVAL, "contiguous PASIDs only", .count = 4, .align = 4, .now = AT(0));
        CHECK_MANY(.count = 1, .contiguous = true, .align = 8, .now = AT(0));
        ck_assert_uint_eq(pasids[0], 120);
}
END_TEST

/* The start of a run goes on from the cursor, cyclically. */
START_TEST(test_contiguous_cyclic) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 20);
        uint32_t pasids[32];

        (void) test_alloc(core, c, 15, 15);
        CHECK_MANY(.count = 12, .contiguous = true, .now = AT(0));
        check_numbers(pasids, NUMBERS(1, 2, 3));
        for (uint32_t n = 1; n <= 12; n++)
                test_free(core, c, n, 0);
        /* The cursor is 13: no three up to 15, so 16; then from the start; 12 is before the cursor and reaches over it. */
        CHECK_MANY(.count = 3, .contiguous = true, .now = AT(0));
        check_numbers(pasids, NUMBERS(16, 17, 18));
        (void) test_alloc(core, c, 1, 10);
        (void) test_alloc(core, c, 4, 4);
        (void) test_alloc(core, c, 7, 7);
        (void) test_alloc(core, c, 10, 10);
        CHECK_MANY(.count = 4, .contiguous = true, .now = AT(0));
        check_numbers(pasids, NUMBERS(11, 12, 13, 14));
}
END_TEST

START_TEST(test_quota) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct core_limits limits = { .pasids_per_uid = 6, .pasids_per_consumer = 5, .consumers_per_uid = 9,
                                      .reuse_delay_usec = DELAY };
        struct consumer *c, *other, *root;
        uint32_t pasids[32];

        core_set_limits(core, &limits);
        ck_assert_uint_eq(core_get_limits(core)->pasids_per_uid, 6);
        c = test_consumer(core, 1, "c", ON(1), 255);
        other = test_consumer(core, 1, "other", ON(1), 255);
        root = test_consumer(core, 0, "root", ON(1), 255);
        ck_assert_uint_eq(c->quota, 5);
        CHECK_MANY(.count = 4, .now = AT(0));
        CHECK_MANY_REFUSED(EDQUOT, "holds 4 of its quota of 5; free some, or make a consumer with a larger "
                           "quota, which is PasidsPerConsumer= where none is asked for.", .count = 2, .now = AT(0));
        ck_assert_uint_eq(c->n_live, 4);
        (void) test_alloc(core, other, 0, 0);
        (void) test_alloc(core, c, 0, 0);
        test_refused_alloc(core, other, 0, 0, EDQUOT, "uid 1 holds 6 with 0 more cooling, of the 6");
        /* Cooling counts for the uid, not for the consumer; so a loop of alloc and free ends here. */
        test_free(core, c, 1, 0);
        test_refused_alloc(core, c, 0, 0, EDQUOT, "uid 1 holds 5 with 1 more cooling");
        /* What has cooled does not count any more, even though nobody took it away yet. */
        for (struct row *row = core_row_next(c, 0); row; row = core_row_next(c, row->pasid))
                if (row->state != ROW_COOLING)
                        test_free(core, c, row->pasid, 0);
        CHECK_MANY(.count = 5, .now = AT(30));
        /* Root has its consumers' quota only; a lower limit revokes nothing. */
        ck_assert_uint_eq(root->quota, 5);
        for (int i = 0; i < 5; i++)
                (void) test_alloc(core, root, 0, 0);
        test_refused_alloc(core, root, 0, 0, EDQUOT, "1 more PASID was asked, and consumer \"root\" holds 5 of its quota of 5");
        limits.pasids_per_uid = 2;
        core_set_limits(core, &limits);
        ck_assert_uint_eq(c->n_live, 5);
        test_refused_alloc(core, other, 0, 0, EDQUOT, "of the 2");
}
END_TEST

START_TEST(test_token) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255), *other = test_consumer(core, 1, "other", ON(2), 255);
        struct alloc_request q = { .count = 1, .token = "t", .now = AT(0) };
        uint32_t pasids[32], *found = NULL;
        bool repeated = true;
        size_t n = 0, mark;

        ck_assert_int_eq(core_alloc(core, c, &q, pasids, &repeated, NULL), 0);
        ck_assert(!repeated);
        ck_assert_uint_eq(pasids[0], 1);
        ck_assert_str_eq(row_token(core_row_get(c, 1)), "t");
        mark = core_mark(core);
        pasids[0] = 0;
        ck_assert_int_eq(core_alloc(core, c, &q, pasids, &repeated, NULL), 0);
        ck_assert(repeated);
        ck_assert_uint_eq(pasids[0], 1);
        ck_assert_uint_eq(core_mark(core), mark);
        ck_assert_uint_eq(c->n_live, 1);
        /* Another consumer's tokens are its own. */
        ck_assert_int_eq(core_alloc(core, other, &q, pasids, &repeated, NULL), 0);
        ck_assert(!repeated);

        test_free(core, c, 1, 0);
        ck_assert_int_eq(core_alloc(core, c, &q, pasids, &repeated, NULL), 0);
        ck_assert(!repeated);
        ck_assert_uint_eq(pasids[0], 2);

        q.token = "many";
        q.count = 4;
        ck_assert_int_eq(core_alloc(core, c, &q, pasids, &repeated, NULL), 0);
        memset(pasids, 0, sizeof(pasids));
        ck_assert_int_eq(core_alloc(core, c, &q, pasids, &repeated, NULL), 0);
        ck_assert(repeated);
        check_numbers(pasids, NUMBERS(3, 4, 5, 6));
        CHECK_MANY_REFUSED(EINVAL, "3 PASIDs were asked for with the token \"many\", which 4 have", .count = 3, .token = "many");
        test_free(core, c, 4, 0);
        CHECK_MANY_REFUSED(EINVAL, "which 3 have", .count = 4, .token = "many");
        ck_assert_int_eq(core_token_pasids(core, c, "many", &found, &n), 0);
        ck_assert_uint_eq(n, 3);
        check_numbers(found, NUMBERS(3, 5, 6));
        free(found);
        ck_assert_int_eq(core_token_pasids(core, c, "none", &found, &n), 0);
        ck_assert_uint_eq(n, 0);
        ck_assert_ptr_null(found);
        CHECK_MANY_REFUSED(EINVAL, "printable", .count = 1, .token = "\n");
        CHECK_MANY_REFUSED(EINVAL, "none", .count = 1, .token = "");
}
END_TEST

START_TEST(test_token_undo) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255);
        struct alloc_request q = { .count = 3, .token = "t", .now = AT(0) };
        uint32_t pasids[8];
        bool repeated;
        size_t mark;

        ck_assert_int_eq(core_alloc(core, c, &q, pasids, &repeated, NULL), 0);
        core_commit(core);
        mark = core_mark(core);
        ck_assert_int_eq(core_free_pasids(core, c, pasids, 3, &AT(1), NULL), 0);
        ck_assert_ptr_null(row_token(core_row_get(c, 1)));
        /* Known again under the same name, with other numbers. */
        q.count = 2;
        ck_assert_int_eq(core_alloc(core, c, &q, pasids, &repeated, NULL), 0);
        ck_assert(!repeated);
        check_numbers(pasids, NUMBERS(4, 5));
        core_rollback(core, mark);
        q.count = 3;
        ck_assert_int_eq(core_alloc(core, c, &q, pasids, &repeated, NULL), 0);
        ck_assert(repeated);
        check_numbers(pasids, NUMBERS(1, 2, 3));
}
END_TEST

START_TEST(test_ended) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255);
        struct moment now = AT(1);

        (void) test_alloc(core, c, 0, 0);
        ck_assert_int_eq(core_consumer_end(core, c, &now), 0);
        test_refused_alloc(core, c, 0, 0, ESRCH, "has ended");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("core-alloc");
        TCase *tc = tcase_create("alloc");

        tcase_set_timeout(tc, 120);
        tcase_add_test(tc, test_next_fit);
        tcase_add_test(tc, test_cursors);
        tcase_add_test(tc, test_upper_half_first);
        tcase_add_test(tc, test_exact);
        tcase_add_test(tc, test_range);
        tcase_add_test(tc, test_many);
        tcase_add_test(tc, test_contiguous);
        tcase_add_test(tc, test_contiguous_cyclic);
        tcase_add_test(tc, test_quota);
        tcase_add_test(tc, test_token);
        tcase_add_test(tc, test_token_undo);
        tcase_add_test(tc, test_ended);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
