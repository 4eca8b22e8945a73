/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IOMMU groups are numbered anew: rows and devices follow, also where groups
 * change places, and where a consumer's lowest one becomes another.
 */
#include "suite.h"
#include "test-store-fixture.h"

static struct fixture f;

static void setup_runtime(void) {
        fixture_init(&f, false, true);
        fixture_open(&f);
}

static void setup_durable(void) {
        fixture_init(&f, true, false);
        fixture_open(&f);
}

static void teardown(void) {
        fixture_done(&f);
}

static void populate(int32_t one, int32_t two, int32_t three) {
        struct consumer *a = add_consumer(&f, 1000, "a", ON(one)), *b = add_consumer(&f, 1000, "b", ON(two, three)),
                        *d = add_consumer(&f, 1000, "d", ON(two, one)), *host = add_consumer(&f, 1000, "host", ON_HOST);

        (void) alloc(&f, a, 20, 100, 64, "t");
        (void) alloc(&f, b, 20, 100, PRIVATE_MAX, NULL);
        (void) alloc(&f, d, 20, 200, 1, NULL);
        (void) alloc(&f, host, 5, 300, 10, NULL);
        free_pasid(&f, b, 105);
}

/* The core has them as they are to be after the move; devices keep their addresses. */
static void expect_moved(int32_t one, int32_t two, int32_t three) {
        for (struct consumer *c = core_consumer_next(f.core, NULL); c; c = core_consumer_next(f.core, c))
                for (size_t i = 0; i < c->n_devices; i++)
                        c->devices[i].space = c->devices[i].space == 1 ? one : c->devices[i].space == 2 ? two : three;
        expect_same(&f);
        expect_same_reopened(&f);
}

static int32_t moves[][3] = {
        { 11, 12, 13 }, /* all anew */
        { 1, 2, 3 },    /* none */
        { 2, 1, 3 },    /* two change places, and homes with them */
        { 2, 3, 1 },    /* all in a circle */
        { 3, 2, 1 },
        { 1, 2, 0 },    /* the home of one consumer only */
        { 1, 0x7fffffff, 3 },
        { 0x7ffffffe, 0x7fffffff, 0 },
};

START_TEST(rows_follow_their_spaces) {
        const int32_t *to = moves[_i];
        const struct space_map maps[] = { { 1, to[0] }, { 2, to[1] }, { 3, to[2] }, { 44, 45 } };
        struct consumer *a, *d;
        int r;

        populate(1, 2, 3);
        ck_assert_int_eq(commit_changes(&f), 0);
        r = f.store->ops->remap_spaces(f.store, maps, ELEMENTSOF(maps), &f.refusal);
        ck_assert_msg(r == 0, "%s", f.refusal.text);
        expect_moved(to[0], to[1], to[2]);

        /* As if it had been written there: the core's consumers with the new spaces find their rows. */
        core_free(f.core);
        fixture_close(&f);
        ck_assert_int_eq(core_new(&(struct core_limits) { NUMBER_MAX, NUMBER_MAX, 64, 1 }, &f.core), 0);
        fixture_open(&f);
        populate(to[0], to[1], to[2]);
        core_commit(f.core);
        a = core_consumer_get(f.core, 1000, "a");
        d = core_consumer_get(f.core, 1000, "d");
        begin(&f);
        ck_assert_int_eq(f.store->ops->row_remove(f.store, core_row_get(d, 210), &f.refusal), 0);
        ck_assert_int_eq(f.store->ops->row_remove(f.store, core_row_get(a, 110), &f.refusal), 0);
        ck_assert_int_eq(f.store->ops->row_add(f.store, core_row_get(d, 210), "x", &f.refusal), 0);
        ck_assert_int_eq(f.store->ops->row_update(f.store, core_row_get(core_consumer_get(f.core, 1000, "b"), 101),
                                                  &f.refusal), 0);
        commit(&f);
}
END_TEST

START_TEST(a_space_that_is_taken) {
        const struct space_map maps[] = { { 1, 2 } }; /* which others hold the same numbers in */
        _cleanup_free_ char *before = NULL, *after = NULL;
        int r;

        populate(1, 2, 3);
        ck_assert_int_eq(commit_changes(&f), 0);
        before = describe_store(&f);
        r = f.store->ops->remap_spaces(f.store, maps, 1, &f.refusal);
        expect_refusal(&f, r, EIO, "pasidd.db", "IOMMU group", NULL);
        after = describe_store(&f);
        ck_assert_str_eq(before, after);
        expect_same_reopened(&f);
}
END_TEST

static void add_cases(Suite *suite, const char *name, SFun setup) {
        TCase *tc = tcase_create(name);

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_add_loop_test(tc, rows_follow_their_spaces, 0, ELEMENTSOF(moves));
        tcase_add_test(tc, a_space_that_is_taken);
        suite_add_tcase(suite, tc);
}

int main(void) {
        Suite *suite = suite_create("store-remap");

        add_cases(suite, "runtime", setup_runtime);
        add_cases(suite, "durable", setup_durable);
        return suite_run(suite);
}
