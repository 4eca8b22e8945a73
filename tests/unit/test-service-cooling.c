/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is due in both tables while one of them can't be written: nobody waits
 * for that one, and the other's numbers are given out.
 */
#include <errno.h>

#include "service-fixture.h"
#include "suite.h"

#define DEVICE "0000:02:00.0"
#define DELAY 30000000U

static struct fixture f;
/* The table that refuses is the persistent one, or the other; its number was freed first, or last. */
static const struct {
        bool is_persistent, is_first;
} cases[] = { { true, true }, { true, false }, { false, true }, { false, false } };

static void setup(void) {
        fixture_init(&f);
        ck_assert_int_eq(fixture_start(&f), 0);
}

static void teardown(void) {
        fixture_done(&f);
}

static int alloc(const char *name, uint32_t pasid, struct refusal *refusal) {
        struct alloc_request request = { .count = 1, .min = pasid, .max = pasid };

        return service_alloc(f.service, fixture_get(&f, name), &request, NULL, &pasid, refusal);
}

static void let_cool(const char *name, uint32_t pasid) {
        struct refusal refusal = {};

        ck_assert_int_eq(alloc(name, pasid, &refusal), 0);
        ck_assert_int_eq(service_free_pasids(f.service, fixture_get(&f, name), &pasid, 1, &refusal), 0);
        ck_assert_int_eq(service_flush(f.service), 0);
        f.now.boottime_usec++;
}

/* 10 is due in the table that refuses from now on, 20 in the other, which "asks" is in too. */
static struct fault_store *prepare(int i) {
        enum hold_kind bad = cases[i].is_persistent ? HOLD_PERSISTENT : HOLD_BOOT;
        enum hold_kind good = cases[i].is_persistent ? HOLD_BOOT : HOLD_PERSISTENT;
        struct fault_store *refusing = cases[i].is_persistent ? f.persistent : f.runtime;

        fixture_consumer(&f, "bad", DEVICE, bad);
        fixture_consumer(&f, "good", DEVICE, good);
        fixture_consumer(&f, "asks", DEVICE, good);
        if (cases[i].is_first)
                let_cool("bad", 10);
        let_cool("good", 20);
        if (!cases[i].is_first)
                let_cool("bad", 10);
        f.now.boottime_usec += DELAY;
        refusing->commit_code = EFBIG;
        return refusing;
}

static uint64_t count_cooling(void) {
        struct core_stats stats;

        core_get_stats(service_core(f.service), &stats);
        return stats.n_cooling;
}

static void note_answer(void *userdata, int r, const struct refusal *refusal) {
        *(int *) userdata = r;
}

START_TEST(test_one_table_refuses) {
        struct fault_store *refusing = prepare(_i);
        struct refusal refusal = {};

        ck_assert_msg(alloc("asks", 20, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_int_eq(alloc("asks", 10, &refusal), -EAGAIN);
        ck_assert_int_eq(fixture_state(&f, "bad", 10), ROW_COOLING);
        ck_assert_int_eq(fixture_state(&f, "asks", 20), ROW_ALLOCATED);
        fixture_expect_consistent(&f);

        refusing->commit_code = 0;
        ck_assert_msg(alloc("asks", 10, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_uint_eq(count_cooling(), 0);
        fixture_expect_consistent(&f);
        fixture_restart(&f);
        ck_assert_int_eq(fixture_state(&f, "asks", 10), ROW_ALLOCATED);
}
END_TEST

/* Whoever waits for the refusing table's batch is told so; the request that ends it is not held to account. */
START_TEST(test_a_batch_is_open) {
        struct refusal refusal = {};
        int answer = 1;

        (void) prepare(_i);
        ck_assert_int_eq(alloc("bad", 30, &refusal), 0);
        ck_assert_int_eq(service_when_committed(f.service, note_answer, &answer), 0);
        ck_assert_msg(alloc("asks", 20, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(answer, -EFBIG);
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_ptr_null(core_row_get(fixture_get(&f, "bad"), 30));
        fixture_expect_consistent(&f);
}
END_TEST

/* By the timer: the other table's numbers return on time, the refusing one's when it can be written. */
START_TEST(test_timer) {
        struct fault_store *refusing = prepare(_i);
        const struct service_counters *counters = service_get_counters(f.service);

        fixture_run_until(&f, count_cooling() == 1 && counters->n_failed_commits == 1 && !service_is_pending(f.service));
        ck_assert_int_eq(fixture_state(&f, "bad", 10), ROW_COOLING);
        fixture_expect_consistent(&f);

        /* It is not asked again before its pause is over, whatever else is due. */
        let_cool("good", 21);
        f.limits.reuse_delay_usec = 0;
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &f.service_limits), 0);
        fixture_run_until(&f, count_cooling() == 1 && !service_is_pending(f.service));
        ck_assert_uint_eq(counters->n_failed_commits, 1);

        refusing->commit_code = 0;
        f.now.boottime_usec += FIXTURE_RETRY_USEC;
        fixture_run_until(&f, count_cooling() == 0 && !service_is_pending(f.service));
        fixture_expect_consistent(&f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-cooling");
        TCase *tc = tcase_create("cooling");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_loop_test(tc, test_one_table_refuses, 0, (int) ELEMENTSOF(cases));
        tcase_add_loop_test(tc, test_a_batch_is_open, 0, (int) ELEMENTSOF(cases));
        tcase_add_loop_test(tc, test_timer, 0, (int) ELEMENTSOF(cases));
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
