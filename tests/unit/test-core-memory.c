/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every operation with each of its allocations refused in turn: it answers
 * -ENOMEM, changes nothing that anybody can see, and works once there is
 * memory again. Rollbacks run with no memory at all.
 */
#include "test-core-common.h"

static long fail_after = -1; /* so many more succeed; -1: all */

static bool refuse_allocation(void) {
        return fail_after >= 0 && fail_after-- == 0 && (fail_after = 0, true);
}

/* The linker puts these in place of the allocator (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t size) {
        return refuse_allocation() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
        return refuse_allocation() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size) {
        return refuse_allocation() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
        return refuse_allocation() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s) {
        return refuse_allocation() ? NULL : __real_strdup(s);
}

/* What can be seen of the core, as one number. */
static uint64_t fingerprint(const struct core *core) {
        uint64_t h = core_mark(core) * 31 + core_next_expiry(core, false);
        const struct consumer *c = NULL;
        struct core_stats stats;

        core_get_stats(core, &stats);
        h = h * 31 + stats.n_consumers * 7 + stats.n_live * 5 + stats.n_cooling;
        while ((c = core_consumer_next(core, c))) {
                const struct row *row = NULL;

                h = h * 31 + c->id * 3 + c->n_live * 11 + c->n_cooling * 13 + c->ended + c->cursor + c->pool->cursor;
                for (const char *p = c->holder; *p; p++)
                        h = h * 31 + (uint64_t) *p;
                while ((row = core_row_next(c, row ? row->pasid : 0)))
                        h = h * 31 + row->pasid * 5 + row->state + row->since_usec + row->freed_usec + row->private_bytes +
                                (row_token(row) ? 1U : 0U);
        }
        return h;
}

static struct core *core;
static struct consumer *c, *other;
static uint32_t pasids[600];

static int op_add(void) {
        struct consumer_device devices[] = { test_device(1, 1023), test_device(2, 1023), test_device(5, 1023) };
        struct consumer *added;

        return core_consumer_add(core, &(struct consumer_spec) {
                .uid = 77, .name = "new", .devices = devices, .n_devices = 3 }, &added, NULL);
}

static int op_alloc(void) {
        struct alloc_request q = { .count = 1, .min = 9000, .max = 9000, .token = "one", .now = AT(1) };

        return core_alloc(core, other, &q, pasids, NULL, NULL);
}

static int op_alloc_many(void) {
        struct alloc_request q = { .count = 600, .token = "many", .now = AT(1) };

        return core_alloc(core, other, &q, pasids, NULL, NULL);
}

static int op_alloc_expiring(void) {
        struct alloc_request q = { .count = 1, .now = AT(500) };

        return core_alloc(core, c, &q, pasids, NULL, NULL);
}

static int op_free(void) {
        return core_free_pasids(core, c, (const uint32_t[]) { 2, 3, 700 }, 3, &AT(2), NULL);
}

static int op_end(void) {
        return core_consumer_end(core, c, &AT(2));
}

static int op_holder(void) {
        return core_consumer_set_holder(core, c, "somebody");
}

static int op_state(void) {
        return core_row_set_state(core, core_row_get(c, 2), ROW_ATTACHED, &AT(2));
}

static int op_private(void) {
        return core_row_set_private_bytes(core, core_row_get(c, 2), 9);
}

static int op_expire(void) {
        int r = core_expire(core, false, &AT(500), 9);

        return r < 0 ? r : 0;
}

static int op_token(void) {
        uint32_t *found = NULL;
        size_t n;
        int r = core_token_pasids(core, c, "three", &found, &n);

        free(found);
        return r;
}

static int (*const operations[])(void) = {
        op_add, op_alloc, op_alloc_many, op_alloc_expiring, op_free, op_end, op_holder, op_state, op_private, op_expire, op_token,
};

static void set_up(void) {
        struct alloc_request q = { .count = 3, .token = "three", .now = AT(0) };

        core = test_core(DELAY);
        c = test_consumer(core, 1, "c", ON(1), 1023);
        other = test_consumer(core, 0, "other", NULL, 0, 0);
        ck_assert_int_eq(core_alloc(core, c, &q, pasids, NULL, NULL), 0);
        (void) test_alloc(core, c, 700, 700);
        (void) test_alloc(core, c, 701, 701);
        test_free(core, c, 701, 0);
        core_commit(core);
        /* The journal's room counts too. */
        free(core->journal.entries);
        core->journal = (struct journal) {};
}

START_TEST(test_refused_memory) {
        int (*operation)(void) = operations[_i];
        uint64_t before, after;
        long n = 0;
        int r;

        set_up();
        before = fingerprint(core);
        for (;; n++) {
                fail_after = n;
                r = operation();
                fail_after = -1;
                if (r == 0)
                        break;
                ck_assert_int_eq(r, -ENOMEM);
                after = fingerprint(core);
                ck_assert_uint_eq(before, after);
                ck_assert_int_lt(n, 30000);
        }
        /* And an undo needs none. */
        fail_after = 0;
        core_rollback(core, 0);
        after = fingerprint(core);
        fail_after = -1;
        ck_assert_uint_eq(before, after);
        ck_assert_int_eq(operation(), 0);
        core_commit(core);
        core = core_free(core);
        ck_assert(n > 0);
}
END_TEST

START_TEST(test_new) {
        struct core_limits limits = {};
        int r;

        for (long n = 0;; n++) {
                core = NULL;
                fail_after = n;
                r = core_new(&limits, &core);
                fail_after = -1;
                if (r == 0)
                        break;
                ck_assert_int_eq(r, -ENOMEM);
                ck_assert_ptr_null(core);
        }
        core = core_free(core);
        ck_assert_ptr_null(core_free(NULL));
}
END_TEST

START_TEST(test_load) {
        struct refusal refusal = {};
        int r;

        set_up();
        core_load_begin(core);
        for (uint32_t pasid = 20; pasid < 24; pasid++)
                for (long n = 0;; n++) {
                        fail_after = n;
                        r = core_load_row(core, c, pasid, pasid == 22 ? ROW_COOLING : ROW_ALLOCATED, 1, 2, 3,
                                          pasid < 23 ? "token" : NULL, &refusal);
                        fail_after = -1;
                        if (r == 0)
                                break;
                        ck_assert_int_eq(r, -ENOMEM);
                        ck_assert_int_eq(refusal.code, ENOMEM);
                        ck_assert_ptr_null(core_row_get(c, pasid));
                }
        core_load_end(core);
        ck_assert_uint_eq(c->n_live, 7);
        ck_assert_uint_eq(c->n_cooling, 2);
        core = core_free(core);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("core-memory");
        TCase *tc = tcase_create("memory");

        tcase_set_timeout(tc, 300);
        tcase_add_loop_test(tc, test_refused_memory, 0, sizeof(operations) / sizeof(operations[0]));
        tcase_add_test(tc, test_new);
        tcase_add_test(tc, test_load);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
