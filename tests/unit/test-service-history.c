/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who held a number before: told with the time of the allocation, bounded for
 * each number and in total, in the table where its consumer was, and never
 * ahead of what is committed.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service-fixture.h"
#include "suite.h"

#define DEVICE "0000:01:00.0"

static struct fixture f;
static char text[4096];

static void setup(void) {
        fixture_init(&f);
        ck_assert_int_eq(fixture_start(&f), 0);
}

static void teardown(void) {
        fixture_done(&f);
}

static int tell(const struct store_history *h, void *userdata) {
        size_t n = strlen(text);

        (void) snprintf(text + n, sizeof(text) - n, "%u:%s %s %llu-%llu [%s];", (unsigned) h->uid, h->consumer, h->reason,
                        (unsigned long long) (h->since_usec % 1000), (unsigned long long) (h->until_usec % 1000), h->devices);
        return 0;
}

/* Times by their last three digits. */
static const char *history(uint32_t pasid) {
        struct refusal refusal = {};

        text[0] = '\0';
        ck_assert_msg(service_read_history(f.service, pasid, tell, NULL, &refusal) == 0, "%s", refusal.text);
        return text;
}

static void alloc(const char *name, uint32_t first, uint32_t count) {
        struct alloc_request request = { .count = count, .min = first, .max = first + count - 1 };
        uint32_t pasids[256];
        struct refusal refusal = {};

        ck_assert_msg(service_alloc(f.service, fixture_get(&f, name), &request, NULL, pasids, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(service_flush(f.service), 0);
}

static void free_number(const char *name, uint32_t pasid) {
        struct refusal refusal = {};

        ck_assert_msg(service_free_pasids(f.service, fixture_get(&f, name), &pasid, 1, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(service_flush(f.service), 0);
}

static void end(const char *name, const char *reason) {
        struct refusal refusal = {};

        ck_assert_msg(service_exit_consumer(f.service, fixture_get(&f, name), reason, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(service_flush(f.service), 0);
}

/* To what the clock's last digits are to be. */
static void at(uint64_t usec) {
        f.now.realtime_usec = 1800000000000000 + usec;
}

START_TEST(test_a_holding_is_told_whole) {
        uint32_t pasid;

        fixture_mediated(&f, 1000, "vm", _i ? HOLD_PERSISTENT : HOLD_BOOT, DEVICES(DEVICE));
        at(1);
        pasid = fixture_alloc_attached(&f, "vm");
        ck_assert_str_eq(history(pasid), "");
        at(5);
        fixture_restart(&f); /* which doesn't have the descriptors: it is detached, and held as before */
        ck_assert_str_eq(history(pasid), "");
        at(7);
        free_number("vm", pasid);
        ck_assert_str_eq(history(pasid), "1000:vm freed 1-7 [" DEVICE "];");
        ck_assert_str_eq(history(pasid + 1), "");
        fixture_restart(&f);
        ck_assert_str_eq(history(pasid), "1000:vm freed 1-7 [" DEVICE "];");
}
END_TEST

START_TEST(test_the_last_ones_first) {
        f.limits.reuse_delay_usec = 0;
        fixture_restart(&f);
        for (unsigned i = 0; i < 5; i++) {
                char name[8];

                (void) snprintf(name, sizeof(name), "c%u", i);
                fixture_consumer(&f, name, NULL, i % 2 ? HOLD_PERSISTENT : HOLD_BOOT);
                at(i * 10);
                alloc(name, 17, 1);
                at(i * 10 + 5);
                end(name, "exit");
        }
        /* Three of each table are kept, and three are told. */
        ck_assert_str_eq(history(17), "1000:c4 exit 40-45 [];1000:c3 exit 30-35 [];1000:c2 exit 20-25 [];");
}
END_TEST

/* The number's own limit holds for it, whatever else there is room for. */
START_TEST(test_churn_on_one_number) {
        f.limits.reuse_delay_usec = 0;
        fixture_restart(&f);
        fixture_consumer(&f, "vm", NULL, HOLD_BOOT);
        fixture_consumer(&f, "churn", NULL, HOLD_BOOT);
        at(1);
        alloc("vm", 9, 1);
        end("vm", "holder-gone");
        for (unsigned i = 0; i < 50; i++) {
                at(100 + i);
                alloc("churn", 17, 1);
                free_number("churn", 17);
        }
        ck_assert_str_eq(history(17), "1000:churn freed 149-149 [];1000:churn freed 148-148 [];1000:churn freed 147-147 [];");
        ck_assert_str_eq(history(9), "1000:vm holder-gone 1-1 [];");
}
END_TEST

START_TEST(test_neighbours_are_one_entry) {
        fixture_consumer(&f, "many", NULL, HOLD_BOOT);
        at(1);
        alloc("many", 100, 200);
        at(2);
        alloc("many", 300, 1); /* next to them, and later */
        at(9);
        end("many", "exit");
        for (uint32_t pasid = 100; pasid < 300; pasid++)
                ck_assert_str_eq(history(pasid), "1000:many exit 1-9 [];");
        ck_assert_str_eq(history(300), "1000:many exit 2-9 [];");
        ck_assert_str_eq(history(99), "");
        ck_assert_str_eq(history(301), "");
        /* Both of the twenty entries are still there after eighteen more. */
        fixture_consumer(&f, "more", NULL, HOLD_BOOT);
        for (uint32_t i = 0; i < 18; i++) {
                alloc("more", 1000 + 2 * i, 1);
                free_number("more", 1000 + 2 * i);
        }
        ck_assert_str_eq(history(299), "1000:many exit 1-9 [];");
        alloc("more", 2000, 1);
        free_number("more", 2000);
        ck_assert_str_eq(history(299), "");
        ck_assert_str_eq(history(300), "1000:many exit 2-9 [];");
}
END_TEST

/* Of more entries than there is room for, those that would stay are written, and no others. */
START_TEST(test_a_request_of_many_entries) {
        struct refusal refusal = {};

        fixture_consumer(&f, "many", NULL, HOLD_BOOT);
        for (uint32_t i = 0; i < 100; i++)
                alloc("many", 100 + 2 * i, 1);
        /* Beginning, a change for each number and one for the consumer, 20 entries, the trimming, the commit. */
        fault_store_fail(f.runtime, 1 + 100 + 1 + 20 + 1 + 1 + 1, EIO);
        ck_assert_int_eq(service_exit_consumer(f.service, fixture_get(&f, "many"), "exit", &refusal), 0);
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_uint_eq(f.runtime->fail_at, 1);
        fault_store_fail(f.runtime, 0, 0);
        ck_assert_str_eq(history(100 + 2 * 79), "");
        ck_assert_str_ne(history(100 + 2 * 80), "");
        ck_assert_str_ne(history(100 + 2 * 99), "");
}
END_TEST

START_TEST(test_reboot) {
        fixture_consumer(&f, "boot", NULL, HOLD_BOOT);
        fixture_consumer(&f, "kept", NULL, HOLD_PERSISTENT);
        at(1);
        alloc("boot", 5, 1);
        alloc("kept", 6, 2);
        at(2);
        end("boot", "exit");
        free_number("kept", 6);
        fixture_stop(&f);
        f.boot_id[0] = 'f';
        ck_assert_int_eq(fixture_start(&f), 0);
        ck_assert_str_eq(history(5), "");
        ck_assert_str_eq(history(6), "1000:kept freed 1-2 [];");
        /* A number that came back reserved was held all the time. */
        at(3);
        end("kept", "exit");
        ck_assert_str_eq(history(7), "1000:kept exit 1-3 [];");
}
END_TEST

START_TEST(test_transfer) {
        struct accept_request request = { .owner = 1000, .name = "vm", .uid = 2000, .holder = "peer:4:5:6" };
        struct refusal refusal = {};
        struct consumer *c = fixture_consumer(&f, "vm", NULL, HOLD_BOOT);

        at(1);
        alloc("vm", 5, 3);
        free_number("vm", 6);
        at(4);
        ck_assert_int_eq(service_offer_consumer(f.service, c, 2000, &refusal), 0);
        ck_assert_msg(service_accept_consumer(f.service, &request, &c, &refusal) == 0, "%s", refusal.text);
        ck_assert_str_eq(history(5), "1000:vm transferred 1-4 [];");
        ck_assert_str_eq(history(6), "1000:vm freed 1-1 [];"); /* it cooled: that is not held by anybody */
        at(6);
        ck_assert_int_eq(service_exit_consumer(f.service, c, "exit", &refusal), 0);
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_str_eq(history(7), "2000:vm exit 1-6 [];1000:vm transferred 1-4 [];");
}
END_TEST

START_TEST(test_refused_leaves_none) {
        struct refusal refusal = {};
        uint32_t pasid = 5;

        fixture_consumer(&f, "vm", NULL, HOLD_BOOT);
        alloc("vm", 5, 1);
        ck_assert_int_eq(service_free_pasids(f.service, fixture_get(&f, "vm"), &pasid, 1, &refusal), 0);
        fault_store_fail(f.runtime, 1, EFBIG);
        ck_assert_int_eq(service_flush(f.service), -EFBIG);
        fault_store_fail(f.runtime, 0, 0);
        ck_assert_str_eq(history(5), "");
        ck_assert_int_eq(fixture_state(&f, "vm", 5), ROW_ALLOCATED);
        fault_store_fail(f.runtime, 1, EIO);
        ck_assert_int_eq(service_read_history(f.service, 5, tell, NULL, &refusal), -EIO);
}
END_TEST

START_TEST(test_settings) {
        struct service_limits limits = f.service_limits;

        fixture_consumer(&f, "vm", NULL, HOLD_BOOT);
        for (uint32_t pasid = 1; pasid < 20; pasid += 2) {
                alloc("vm", pasid, 1);
                free_number("vm", pasid);
        }
        limits.history_entries = 2;
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &limits), 0);
        ck_assert_str_eq(history(15), "");
        ck_assert_str_ne(history(17), "");
        ck_assert_str_ne(history(19), "");
        /* Off: what there was is gone, and nothing comes. */
        limits.history_entries = 0;
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &limits), 0);
        ck_assert_str_eq(history(19), "");
        alloc("vm", 30, 1);
        free_number("vm", 30);
        ck_assert_str_eq(history(30), "");
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &f.service_limits), 0);
        ck_assert_str_eq(history(19), "");
        ck_assert_str_eq(history(30), "");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-history");
        TCase *tc = tcase_create("history");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_add_loop_test(tc, test_a_holding_is_told_whole, 0, 2);
        tcase_add_test(tc, test_the_last_ones_first);
        tcase_add_test(tc, test_churn_on_one_number);
        tcase_add_test(tc, test_neighbours_are_one_entry);
        tcase_add_test(tc, test_a_request_of_many_entries);
        tcase_add_test(tc, test_reboot);
        tcase_add_test(tc, test_transfer);
        tcase_add_test(tc, test_refused_leaves_none);
        tcase_add_test(tc, test_settings);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
