/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who held which numbers before, as the store keeps it: what is found by a
 * number, how many of a number and in all, and that it goes with its
 * transaction.
 */
#include <errno.h>
#include <stdlib.h>

#include "suite.h"
#include "test-store-fixture.h"

#define PLENTY 1000

static struct fixture f;

static void setup(void) {
        fixture_init_kind(&f, 0);
}

static void teardown(void) {
        fixture_done(&f);
}

/* Of times by which its place in line is told. */
static struct store_history entry(uint32_t first, uint32_t last, const char *consumer, uint64_t when) {
        return (struct store_history) { .first = first, .last = last, .uid = 4294967294, .consumer = consumer, .devices = "",
                                        .since_usec = when, .until_usec = when + 1, .reason = "freed" };
}

static void add(const struct store_history *h, uint32_t per_pasid) {
        int r = f.store->ops->history_add(f.store, h, per_pasid, &f.refusal);

        ck_assert_msg(r == 0, "%s", f.refusal.text);
}

static void add_one(uint32_t first, uint32_t last, const char *consumer, uint64_t when, uint32_t per_pasid) {
        const struct store_history h = entry(first, last, consumer, when);

        add(&h, per_pasid);
}

static int trim(uint32_t entries) {
        return f.store->ops->history_trim(f.store, entries, &f.refusal);
}

struct told {
        char text[512];
        unsigned until_error; /* 0: none */
};

static int tell(const struct store_history *h, void *userdata) {
        struct told *told = userdata;
        size_t n = strlen(told->text);

        (void) snprintf(told->text + n, sizeof(told->text) - n, "%s%s@%llu", n > 0 ? " " : "", h->consumer,
                        (unsigned long long) h->since_usec);
        return told->until_error > 0 && --told->until_error == 0 ? -ECANCELED : 0;
}

static void expect_history(uint32_t pasid, uint32_t max, const char *text) {
        struct told told = {};

        ck_assert_int_eq(f.store->ops->history_read(f.store, pasid, max, tell, &told, &f.refusal), 0);
        ck_assert_str_eq(told.text, text);
}

static void expect_count(const char *n) {
        _cleanup_free_ char *count = sql(&f, "SELECT count(*) FROM history");

        ck_assert_str_eq(count, n);
}

static int compare_entry(const struct store_history *h, void *userdata) {
        const struct store_history *wanted = userdata;

        ck_assert_uint_eq(h->first, wanted->first);
        ck_assert_uint_eq(h->last, wanted->last);
        ck_assert_uint_eq(h->uid, wanted->uid);
        ck_assert_str_eq(h->consumer, wanted->consumer);
        ck_assert_str_eq(h->devices, wanted->devices);
        ck_assert_uint_eq(h->since_usec, wanted->since_usec);
        ck_assert_uint_eq(h->until_usec, wanted->until_usec);
        ck_assert_str_eq(h->reason, wanted->reason);
        return 0;
}

START_TEST(all_of_an_entry) {
        struct store_history h = { .first = 1, .last = NUMBER_MAX, .uid = 4294967294, .consumer = "v'm \"\xc3\xa5",
                                   .devices = "0000:01:00.0 0000:02:00.0", .since_usec = 1700000000000000,
                                   .until_usec = INT64_MAX, .reason = "holder-gone" };

        fixture_open(&f);
        begin(&f);
        add(&h, PLENTY);
        commit(&f);
        fixture_close(&f);
        fixture_open(&f);
        ck_assert_int_eq(f.store->ops->history_read(f.store, NUMBER_MAX, 1, compare_entry, &h, &f.refusal), 0);
        expect_count("1");
}
END_TEST

START_TEST(found_by_number) {
        struct told told = { .until_error = 2 };

        fixture_open(&f);
        begin(&f);
        add_one(5, 5, "one", 1, PLENTY);
        add_one(1, 10, "wide", 2, PLENTY);
        add_one(6, 9, "other", 3, PLENTY);
        add_one(5, 5, "again", 4, PLENTY);
        add_one(10, 20, "end", 5, PLENTY);
        commit(&f);

        expect_history(5, PLENTY, "again@4 wide@2 one@1");
        expect_history(5, 2, "again@4 wide@2");
        expect_history(6, PLENTY, "other@3 wide@2");
        expect_history(10, PLENTY, "end@5 wide@2");
        expect_history(20, PLENTY, "end@5");
        expect_history(21, PLENTY, "");
        /* Whoever is told ends it. */
        ck_assert_int_eq(f.store->ops->history_read(f.store, 5, PLENTY, tell, &told, &f.refusal), -ECANCELED);
        ck_assert_str_eq(told.text, "again@4 wide@2");
        expect_history(5, 1, "again@4");
}
END_TEST

/* So many entries of the same numbers, and the oldest of them go; those of others stay. */
START_TEST(few_of_a_number) {
        fixture_open(&f);
        begin(&f);
        add_one(7, 7, "other", 1, 3);
        add_one(5, 9, "wide", 2, 3);
        for (uint64_t when = 3; when <= 12; when++)
                add_one(5, 5, "vm", when, 3);
        commit(&f);
        expect_history(5, PLENTY, "vm@12 vm@11 vm@10 wide@2");
        expect_history(7, PLENTY, "wide@2 other@1");
        expect_count("5");

        /* The limit was lowered. */
        begin(&f);
        add_one(5, 5, "vm", 13, 1);
        commit(&f);
        expect_history(5, PLENTY, "vm@13 wide@2");
}
END_TEST

START_TEST(few_in_all) {
        fixture_open(&f);
        begin(&f);
        for (uint32_t n = 1; n <= 10; n++)
                add_one(n, n, "vm", n, PLENTY);
        ck_assert_int_eq(trim(10), 0);
        expect_history(1, PLENTY, "vm@1");
        ck_assert_int_eq(trim(4), 0);
        commit(&f);
        expect_count("4");
        expect_history(6, PLENTY, "");
        expect_history(7, PLENTY, "vm@7");

        /* It knows how many there are while it adds, thins out and trims in one transaction... */
        begin(&f);
        ck_assert_int_eq(trim(4), 0);
        add_one(7, 7, "new", 11, 1);
        ck_assert_int_eq(trim(4), 0);
        expect_history(8, PLENTY, "vm@8");
        add_one(12, 12, "new", 12, PLENTY);
        ck_assert_int_eq(trim(4), 0);
        expect_history(8, PLENTY, "");
        expect_history(9, PLENTY, "vm@9");
        /* ... and after one that was taken back with one more. */
        add_one(13, 13, "new", 13, PLENTY);
        f.store->ops->rollback(f.store);
        begin(&f);
        ck_assert_int_eq(trim(4), 0);
        expect_history(7, PLENTY, "vm@7");
        expect_history(8, PLENTY, "vm@8");
        ck_assert_int_eq(trim(0), 0);
        commit(&f);
        expect_count("0");
}
END_TEST

START_TEST(goes_with_its_transaction) {
        fixture_open(&f);
        begin(&f);
        add_one(5, 5, "kept", 1, 1);
        commit(&f);

        begin(&f);
        add_one(5, 5, "lost", 2, 1);
        add_one(6, 6, "lost", 3, 1);
        expect_history(5, PLENTY, "lost@2");
        f.store->ops->rollback(f.store);
        expect_history(5, PLENTY, "kept@1");
        expect_history(6, PLENTY, "");

        /* A part of one likewise. */
        begin(&f);
        add_one(6, 6, "kept", 4, PLENTY);
        ck_assert_int_eq(trim(2), 0);
        ck_assert_int_eq(f.store->ops->savepoint(f.store, &f.refusal), 0);
        add_one(6, 6, "lost", 5, PLENTY);
        ck_assert_int_eq(f.store->ops->rollback_to(f.store), 0);
        ck_assert_int_eq(trim(2), 0);
        commit(&f);
        expect_history(5, PLENTY, "kept@1");
        expect_history(6, PLENTY, "kept@4");
}
END_TEST

static const struct {
        const char *name, *change;
} nonsense[] = {
        { "a number below 0", "UPDATE history SET first = -1" },
        { "a number that is none", "UPDATE history SET last = 4294967296" },
        { "a uid that is none", "UPDATE history SET uid = 4294967296" },
};

START_TEST(nonsense_is_refused) {
        struct told told = {};
        int r;

        fixture_open(&f);
        begin(&f);
        add_one(5, 5, "vm", 1, PLENTY);
        commit(&f);
        fixture_close(&f);
        free(sql(&f, nonsense[_i].change));
        fixture_open(&f);
        r = f.store->ops->history_read(f.store, 5, PLENTY, tell, &told, &f.refusal);
        expect_refusal(&f, r, EIO, f.dir, "changed by hand", NULL);
        ck_assert_str_eq(told.text, "");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("store-history");
        TCase *tc = tcase_create("history");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_add_test(tc, all_of_an_entry);
        tcase_add_test(tc, found_by_number);
        tcase_add_test(tc, few_of_a_number);
        tcase_add_test(tc, few_in_all);
        tcase_add_test(tc, goes_with_its_transaction);
        tcase_add_loop_test(tc, nonsense_is_refused, 0, (int) ELEMENTSOF(nonsense));
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
