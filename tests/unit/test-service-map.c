/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of a number's address space: mapped, counted, limited, unmapped, and
 * what becomes of it where kernel or table refuse half of that.
 */
#include <string.h>

#include "service-fixture.h"
#include "suite.h"

#define PAGE UINT64_C(0x1000)
#define RW (MAP_READ | MAP_WRITE)

static struct fixture f;
static uint32_t pasid;

static void setup(void) {
        fixture_init(&f);
        ck_assert_int_eq(fixture_start(&f), 0);
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0", "0000:02:00.0"));
        pasid = fixture_alloc_attached(&f, "vm");
}

static void teardown(void) {
        fixture_done(&f);
}

static struct consumer *vm(void) {
        return fixture_get(&f, "vm");
}

static int map_of(struct consumer *c, uint32_t number, uint64_t iova, uint64_t length, uint32_t flags, uint64_t *ret) {
        const struct kernel_mapping m = { .fd = 0, .length = length, .iova = iova, .flags = flags };
        struct refusal refusal = {};
        int r = service_map(f.service, c, number, &m, ret, &refusal);

        ck_assert_int_eq(refusal.code, -r);
        return r;
}

static int map_at(uint64_t iova, uint64_t length) {
        uint64_t at = 0;
        int r = map_of(vm(), pasid, iova, length, RW | MAP_FIXED_IOVA, &at);

        if (r >= 0)
                ck_assert_uint_eq(at, iova);
        return r;
}

/* What was unmapped, or the refusal. */
static int64_t unmap(uint64_t iova, uint64_t length) {
        struct refusal refusal = {};
        uint64_t unmapped = 0;
        int r = service_unmap(f.service, vm(), pasid, iova, length, &unmapped, &refusal);

        ck_assert_int_eq(refusal.code, -r);
        return r < 0 ? r : (int64_t) unmapped;
}

static void expect_mapped(size_t n, uint64_t bytes) {
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_MAPPING), n);
        ck_assert_uint_eq(service_pinned_bytes(f.service, vm()), bytes);
        fixture_expect_consistent(&f);
}

START_TEST(test_map_and_unmap) {
        uint64_t a, b;

        expect_mapped(0, 0);
        ck_assert_int_eq(map_of(vm(), pasid, 0, 3 * PAGE, MAP_READ, &a), 0); /* where the kernel likes */
        ck_assert_int_eq(map_of(vm(), pasid, 0, PAGE, RW, &b), 0);
        ck_assert_uint_ne(a, b);
        expect_mapped(2, 4 * PAGE);
        ck_assert_int_eq(map_at(0, PAGE), 0); /* 0 is an address like another */
        expect_mapped(3, 5 * PAGE);
        ck_assert_int_eq(unmap(a, 3 * PAGE), 3 * PAGE);
        expect_mapped(2, 2 * PAGE);
        ck_assert_int_eq(unmap(a, 3 * PAGE), -EINVAL);
        ck_assert_int_eq(unmap(0, UINT64_MAX), 2 * PAGE); /* whatever there is */
        expect_mapped(0, 0);
        ck_assert_int_eq(unmap(0, UINT64_MAX), -EINVAL);
}
END_TEST

/* Each number has an address space of its own, and it goes with the attachment. */
START_TEST(test_address_spaces) {
        uint32_t other = fixture_alloc_attached(&f, "vm");
        struct refusal refusal = {};
        uint64_t at;

        ck_assert_int_eq(map_at(0x100000, PAGE), 0);
        ck_assert_int_eq(map_of(vm(), other, 0x100000, 2 * PAGE, RW | MAP_FIXED_IOVA, &at), 0);
        expect_mapped(2, 3 * PAGE);
        ck_assert_int_eq(service_detach(f.service, vm(), pasid, &refusal), 0);
        expect_mapped(1, 2 * PAGE);
        ck_assert_int_eq(unmap(0x100000, PAGE), -ENOLINK);
        ck_assert_int_eq(map_at(0x100000, PAGE), -ENOLINK);
        ck_assert_int_eq(service_attach(f.service, vm(), pasid, &refusal), 0);
        ck_assert_int_eq(unmap(0x100000, PAGE), -EINVAL); /* a new one is empty */
        ck_assert_int_eq(map_at(0x100000, PAGE), 0);
        ck_assert_int_eq(service_free_pasids(f.service, vm(), &other, 1, &refusal), 0);
        expect_mapped(1, PAGE);
        ck_assert_int_eq(service_exit_consumer(f.service, vm(), "exit", &refusal), 0);
        ck_assert_uint_eq(f.kernel.n_objects, 0);
        fixture_expect_consistent(&f);
}
END_TEST

START_TEST(test_refusals) {
        struct alloc_request request = { .count = 1 };
        struct refusal refusal = {};
        uint32_t idle;
        uint64_t at;
        char *picture;

        ck_assert_int_eq(service_alloc(f.service, vm(), &request, NULL, &idle, &refusal), 0);
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_int_eq(map_at(0x100000, 2 * PAGE), 0);
        ck_assert_int_eq(map_at(0x102000, PAGE), 0);
        ck_assert_int_eq(map_at(0x105000, PAGE), 0);
        ck_assert_int_eq(map_at((UINT64_C(1) << 48) - PAGE, PAGE), 0);
        picture = fixture_picture(&f);

        ck_assert_int_eq(map_of(vm(), idle, 0, PAGE, RW, &at), -ENOLINK);
        ck_assert_int_eq(map_of(vm(), idle + 1, 0, PAGE, RW, &at), -ENOENT);
        ck_assert_int_eq(map_of(vm(), 0, 0, PAGE, RW, &at), -ENOENT);
        ck_assert_int_eq(map_of(vm(), UINT32_MAX, 0, PAGE, RW, &at), -ENOENT);
        ck_assert_int_eq(map_at(0x101000, PAGE), -EADDRINUSE);
        ck_assert_int_eq(map_at(0xff000, 3 * PAGE), -EADDRINUSE);
        ck_assert_int_eq(map_at(0x200000, 0), -EINVAL);
        ck_assert_int_eq(map_at(0x200000, PAGE + 1), -EINVAL);
        ck_assert_int_eq(map_at(UINT64_C(1) << 48, PAGE), -EINVAL);
        ck_assert_int_eq(map_at((UINT64_C(1) << 48) - PAGE, 2 * PAGE), -EINVAL);
        ck_assert_int_eq(map_at(0, UINT64_MAX - PAGE + 1), -EINVAL);
        ck_assert_int_eq(map_of(vm(), pasid, 0, UINT64_MAX - PAGE + 1, RW, &at), -EINVAL);

        ck_assert_int_eq(service_unmap(f.service, vm(), idle, 0x100000, PAGE, &at, &refusal), -ENOLINK);
        ck_assert_int_eq(service_unmap(f.service, vm(), idle + 1, 0x100000, PAGE, &at, &refusal), -ENOENT);
        ck_assert_int_eq(service_unmap(f.service, vm(), UINT32_MAX, 0x100000, PAGE, &at, &refusal), -ENOENT);
        ck_assert_int_eq(unmap(0x100000, PAGE), -EINVAL);          /* its first half */
        ck_assert_int_eq(unmap(0x101000, PAGE), -EINVAL);          /* its second */
        ck_assert_int_eq(unmap(0x101000, 2 * PAGE), -EINVAL);      /* and the next whole */
        ck_assert_int_eq(unmap(0xff000, 2 * PAGE), -EINVAL);
        ck_assert_int_eq(unmap(0x101fff, 0x4000), -EINVAL);        /* from the last byte of one */
        ck_assert_int_eq(unmap(0x103000, 2 * PAGE), -EINVAL);      /* between two */
        ck_assert_int_eq(unmap(0x103000, 2 * PAGE + 1), -EINVAL);  /* and a byte of the next */
        ck_assert_int_eq(unmap(0x100000, 0), -EINVAL);
        ck_assert_int_eq(unmap(0x100000, UINT64_MAX), -EINVAL);    /* beyond the last address */
        ck_assert_int_eq(unmap(UINT64_MAX, 1), -EINVAL);
        fixture_expect_same(&f, picture);
        fixture_expect_consistent(&f);

        ck_assert_int_eq(unmap(0x100000, 3 * PAGE), 3 * PAGE); /* two at once */
        ck_assert_int_eq(unmap(0x105000, UINT64_MAX - 0x105000 + 1), 2 * PAGE);
        expect_mapped(0, 0);
}
END_TEST

START_TEST(test_quotas) {
        struct service_limits limits = { .pinned_per_consumer = 4 * PAGE, .pinned_per_uid = 6 * PAGE, .release_usec = 20000 };
        struct consumer *other, *root;
        struct refusal refusal = {};
        uint32_t others, roots;
        uint64_t at;
        char *picture;

        other = fixture_mediated(&f, 1000, "other", HOLD_BOOT, DEVICES("0000:01:00.0"));
        others = fixture_alloc_attached(&f, "other");
        root = fixture_mediated(&f, 0, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        ck_assert_int_eq(service_alloc_mapped(f.service, root, &(struct alloc_request) { .count = 1 }, NULL, NULL, &roots,
                                              &refusal), 0);
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &limits), 0);

        ck_assert_int_eq(map_at(0x100000, 3 * PAGE), 0);
        picture = fixture_picture(&f);
        ck_assert_int_eq(map_at(0x200000, 2 * PAGE), -EDQUOT); /* the consumer's */
        ck_assert_int_eq(map_at(0x200000, UINT64_MAX - 2 * PAGE + 1), -EDQUOT);
        fixture_expect_same(&f, picture);
        ck_assert_int_eq(map_at(0x200000, PAGE), 0);
        ck_assert_int_eq(map_of(other, others, 0, 3 * PAGE, RW, &at), -EDQUOT); /* the uid's: there are two pages left */
        ck_assert_int_eq(map_of(other, others, 0, 2 * PAGE, RW, &at), 0);
        ck_assert_int_eq(map_of(root, roots, 0, 4 * PAGE, RW, &at), 0);
        ck_assert_int_eq(map_of(root, roots, 0, PAGE, RW, &at), -EDQUOT); /* of its own it has enough, of uid 0 there is no limit */
        root = fixture_mediated(&f, 0, "other", HOLD_BOOT, DEVICES("0000:01:00.0"));
        ck_assert_int_eq(service_alloc_mapped(f.service, root, &(struct alloc_request) { .count = 1 }, NULL, NULL, &roots,
                                              &refusal), 0);
        ck_assert_int_eq(map_of(root, roots, 0, 4 * PAGE, RW, &at), 0);

        /* Lowering revokes nothing, and what is given back is there again. */
        limits.pinned_per_consumer = 2 * PAGE;
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &limits), 0);
        ck_assert_uint_eq(service_pinned_bytes(f.service, vm()), 4 * PAGE);
        ck_assert_int_eq(map_at(0x300000, PAGE), -EDQUOT);
        ck_assert_int_eq(unmap(0x100000, 3 * PAGE), 3 * PAGE);
        ck_assert_int_eq(map_at(0x300000, PAGE), 0);
        ck_assert_int_eq(map_at(0x400000, PAGE), -EDQUOT);
        ck_assert_int_eq(service_detach(f.service, vm(), pasid, &refusal), 0);
        ck_assert_int_eq(service_attach(f.service, vm(), pasid, &refusal), 0);
        ck_assert_int_eq(map_at(0x400000, 2 * PAGE), 0);
        limits = (struct service_limits) { .release_usec = 20000 };
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &limits), 0);
        ck_assert_int_eq(map_at(0x500000, 200 * PAGE), 0);
        fixture_expect_consistent(&f);
}
END_TEST

/* The device reaches it no more, but the table says that it does: asked again it is done, and a restart knows of nothing. */
START_TEST(test_unmap_refused_by_the_table) {
        ck_assert_int_eq(map_at(0x100000, PAGE), 0);
        ck_assert_int_eq(map_at(0x101000, PAGE), 0);
        for (unsigned n = 1; n <= 4; n++) { /* begin, one for each, commit */
                fault_store_fail(f.runtime, n, EFBIG);
                ck_assert_int_eq(unmap(0x100000, 2 * PAGE), -EFBIG);
                ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_MAPPING), 0);
                ck_assert_uint_eq(service_pinned_bytes(f.service, vm()), 2 * PAGE);
        }
        ck_assert_int_eq(unmap(0x100000, 2 * PAGE), 2 * PAGE);
        expect_mapped(0, 0);
}
END_TEST

/* Nobody asks again, and the addresses are given to something else: the table has them once. */
START_TEST(test_addresses_are_given_again) {
        uint64_t at;

        ck_assert_int_eq(map_at(0x100000, 3 * PAGE), 0);
        ck_assert_int_eq(map_at(0x200000, PAGE), 0);
        fault_store_fail(f.runtime, 1, EFBIG);
        ck_assert_int_eq(unmap(0x100000, 3 * PAGE), -EFBIG);
        for (unsigned n = 1; n <= 6; n++) { /* twice begin, change, commit */
                fault_store_fail(f.runtime, n, EFBIG);
                ck_assert_int_eq(map_at(0x101000, PAGE), -EFBIG);
                ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_MAPPING), 1);
                if (n >= 4) { /* the first half is done by now: once more from the start */
                        expect_mapped(1, PAGE);
                        ck_assert_int_eq(map_at(0x100000, 3 * PAGE), 0);
                        fault_store_fail(f.runtime, 1, EFBIG);
                        ck_assert_int_eq(unmap(0x100000, 3 * PAGE), -EFBIG);
                }
        }
        ck_assert_int_eq(map_at(0x101000, PAGE), 0);
        expect_mapped(2, 2 * PAGE);
        fault_store_fail(f.runtime, 1, EFBIG);
        ck_assert_int_eq(unmap(0x101000, PAGE), -EFBIG);
        ck_assert_int_eq(map_of(vm(), pasid, 0, PAGE, RW, &at), 0);
        expect_mapped(2, 2 * PAGE);
        fixture_restart(&f); /* a table that had an address twice would be refused */
        expect_mapped(0, 0);
        ck_assert_int_eq(fixture_state(&f, "vm", pasid), ROW_ALLOCATED);
}
END_TEST

/* Of two mappings the kernel lets one go: that one is gone, the other stays, and asked again both are. */
START_TEST(test_unmap_refused_by_the_kernel) {
        ck_assert_int_eq(map_at(0x100000, PAGE), 0);
        ck_assert_int_eq(map_at(0x101000, PAGE), 0);
        fake_kernel_fail(&f.kernel, 2, EBUSY);
        ck_assert_int_eq(unmap(0x100000, 2 * PAGE), -EBUSY);
        fake_kernel_fail(&f.kernel, 0, 0);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_MAPPING), 1);
        ck_assert_int_eq(unmap(0x100000, 2 * PAGE), 2 * PAGE);
        expect_mapped(0, 0);
}
END_TEST

/* The table refuses a Map, and then the kernel to take it back: it is there, is counted, and can be unmapped or detached. */
START_TEST(test_map_cannot_be_undone) {
        struct refusal refusal = {};

        for (int i = 0; i < 2; i++) {
                fake_kernel_fail(&f.kernel, 2, EBUSY);
                fault_store_fail(f.runtime, 3, EFBIG);
                ck_assert_int_eq(map_at(0x100000, PAGE), -EFBIG);
                fake_kernel_fail(&f.kernel, 0, 0);
                ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_MAPPING), 1);
                ck_assert_uint_eq(service_pinned_bytes(f.service, vm()), PAGE);
                ck_assert_int_eq(map_at(0x100000, PAGE), -EADDRINUSE);
                if (i == 0) {
                        fault_store_fail(f.runtime, 1, EFBIG);
                        ck_assert_int_eq(unmap(0x100000, PAGE), -EFBIG);
                        ck_assert_int_eq(unmap(0x100000, PAGE), PAGE);
                } else
                        ck_assert_int_eq(service_detach(f.service, vm(), pasid, &refusal), 0);
                expect_mapped(0, 0);
        }
}
END_TEST

/* A client that dies between Alloc and Map, or between two of its Maps. */
START_TEST(test_holder_gone) {
        uint64_t at;

        for (unsigned n = 0; n < 3; n++) {
                struct consumer *c = fixture_mediated(&f, 1000, "client", HOLD_CONNECTION, DEVICES("0000:01:00.0"));
                uint32_t number = fixture_alloc_attached(&f, "client");

                for (unsigned i = 0; i < n; i++)
                        ck_assert_int_eq(map_of(c, number, 0, PAGE, RW, &at), 0);
                ck_assert_int_eq(service_holder_gone(f.service, "peer:1:2:3", "holder-gone"), 1);
                ck_assert_int_eq(service_flush(f.service), 0);
                ck_assert_ptr_null(fixture_get(&f, "client"));
                ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_IOAS), 1);
                expect_mapped(0, 0);
        }
}
END_TEST

/* A change of somebody's waits for the same commit, and is none of the Map's business. */
START_TEST(test_pending_requests) {
        struct alloc_request request = { .count = 1 };
        struct refusal refusal = {};
        uint32_t kept;

        ck_assert_int_eq(service_alloc(f.service, vm(), &request, NULL, &kept, &refusal), 0);
        fault_store_fail(f.runtime, 3, EFBIG); /* after the commit, begin */
        ck_assert_int_eq(map_at(0x100000, PAGE), -EFBIG);
        ck_assert_uint_eq(f.runtime->fail_at, 0);
        ck_assert_int_eq(fixture_state(&f, "vm", kept), ROW_ALLOCATED);
        expect_mapped(0, 0);
        ck_assert_int_eq(service_free_pasids(f.service, vm(), &kept, 1, &refusal), 0);
        fault_store_fail(f.runtime, 1, EFBIG);
        ck_assert_int_eq(map_at(0x100000, PAGE), -EFBIG);
        ck_assert_int_eq(fixture_state(&f, "vm", kept), ROW_ALLOCATED); /* that was refused, and the Map with it */
        expect_mapped(0, 0);
}
END_TEST

static int alloc_mapped(const char *token, uint64_t at, uint64_t length, uint32_t *ret) {
        const struct kernel_mapping m = { .length = length, .iova = at, .flags = RW | MAP_FIXED_IOVA };
        struct alloc_request request = { .count = 1, .token = token };
        struct refusal refusal = {};
        int r = service_alloc_mapped(f.service, vm(), &request, NULL, &m, ret, &refusal);

        ck_assert_int_eq(refusal.code, -r);
        return r;
}

/* Number, attachment and memory come in one step, and go in one. */
START_TEST(test_alloc_mapped) {
        struct service_counters before = *service_get_counters(f.service);
        struct refusal refusal = {};
        uint32_t number = 0;

        ck_assert_int_eq(alloc_mapped(NULL, 0x100000, 2 * PAGE, &number), 0);
        ck_assert_uint_eq(service_get_counters(f.service)->n_commits, before.n_commits + 1);
        ck_assert_int_eq(fixture_state(&f, "vm", number), ROW_ATTACHED);
        expect_mapped(1, 2 * PAGE);
        ck_assert_int_eq(map_of(vm(), number, 0x101000, PAGE, RW | MAP_FIXED_IOVA, &(uint64_t) { 0 }), -EADDRINUSE);
        fixture_restart(&f);
        ck_assert_int_eq(fixture_state(&f, "vm", number), ROW_ALLOCATED); /* no fd was kept: the table of it all is one that loads */
        ck_assert_int_eq(alloc_mapped(NULL, 0x100000, PAGE, &number), 0);
        expect_mapped(1, PAGE);
        ck_assert_int_eq(service_free_pasids(f.service, vm(), &number, 1, &refusal), 0);
        expect_mapped(0, 0);
}
END_TEST

/* What is refused leaves no number, and nothing of it in the kernel; above a limit the kernel is not even asked. */
START_TEST(test_alloc_mapped_refused) {
        struct service_limits limits = { .pinned_per_consumer = 4 * PAGE, .pinned_per_uid = 5 * PAGE, .release_usec = 20000,
                                         .history_per_pasid = 4, .history_entries = 100 };
        struct consumer *other;
        uint32_t number = 77;
        uint64_t at;
        char *picture;

        other = fixture_mediated(&f, 1000, "other", HOLD_BOOT, DEVICES("0000:01:00.0"));
        ck_assert_int_eq(map_of(other, fixture_alloc_attached(&f, "other"), 0, 2 * PAGE, RW, &at), 0);
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &limits), 0);
        picture = fixture_picture(&f);
        fake_kernel_fail(&f.kernel, 0, 0);
        ck_assert_int_eq(alloc_mapped(NULL, 0x100000, 5 * PAGE, &number), -EDQUOT); /* the consumer's */
        ck_assert_int_eq(alloc_mapped("t", 0x100000, 4 * PAGE, &number), -EDQUOT);  /* the uid's */
        ck_assert_uint_eq(f.kernel.n_calls, 0);
        ck_assert(!service_is_pending(f.service));
        fake_kernel_forget_steps(&f.kernel);
        ck_assert_int_eq(alloc_mapped(NULL, 0x100000, PAGE + 1, &number), -EINVAL);
        fake_kernel_expect_undone(&f.kernel);
        ck_assert_int_eq(alloc_mapped(NULL, (UINT64_C(1) << 48) - PAGE, 2 * PAGE, &number), -EINVAL);
        ck_assert_uint_eq(number, 77);
        fixture_expect_same(&f, picture);
        fixture_expect_consistent(&f);
        ck_assert_int_eq(alloc_mapped(NULL, 0x100000, PAGE, &number), 0);
}
END_TEST

/* Asked again with its token it is done as far as it was not; what is there already is taken for what was asked for. */
START_TEST(test_alloc_mapped_again) {
        struct alloc_request plain = { .count = 1, .token = "plain" };
        struct service_limits limits = { .pinned_per_consumer = PAGE, .release_usec = 20000 };
        struct refusal refusal = {};
        uint32_t number, again = 0;
        char *picture;

        ck_assert_int_eq(alloc_mapped("t", 0x100000, PAGE, &number), 0);
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &limits), 0); /* there is no room for it twice */
        picture = fixture_picture(&f);
        ck_assert_int_eq(alloc_mapped("t", 0x100000, PAGE, &again), 0);
        ck_assert_uint_eq(again, number);
        ck_assert_int_eq(alloc_mapped("t", 0x200000, PAGE, &again), -EDQUOT);
        limits.pinned_per_consumer = 0;
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &limits), 0);
        ck_assert_int_eq(alloc_mapped("t", 0x100000, 2 * PAGE, &again), -EADDRINUSE); /* not what is there */
        fixture_expect_same(&f, picture);
        ck_assert_int_eq(alloc_mapped("t", 0x200000, PAGE, &again), 0);
        ck_assert_uint_eq(again, number);
        expect_mapped(2, 2 * PAGE);

        ck_assert_int_eq(service_detach(f.service, vm(), number, &refusal), 0);
        ck_assert_int_eq(alloc_mapped("t", 0x100000, PAGE, &again), 0); /* attached anew */
        ck_assert_uint_eq(again, number);
        expect_mapped(1, PAGE);

        ck_assert_int_eq(service_alloc(f.service, vm(), &plain, NULL, &number, &refusal), 0);
        ck_assert_int_eq(service_flush(f.service), 0);
        picture = fixture_picture(&f);
        ck_assert_int_eq(alloc_mapped("plain", 0x100000, PAGE + 1, &again), -EINVAL); /* it stays as it was: allocated */
        fixture_expect_same(&f, picture);
        ck_assert_int_eq(alloc_mapped("plain", 0x100000, PAGE, &again), 0);
        ck_assert_uint_eq(again, number);
        expect_mapped(2, 2 * PAGE);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-map");
        TCase *tc = tcase_create("map");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, test_map_and_unmap);
        tcase_add_test(tc, test_address_spaces);
        tcase_add_test(tc, test_refusals);
        tcase_add_test(tc, test_quotas);
        tcase_add_test(tc, test_unmap_refused_by_the_table);
        tcase_add_test(tc, test_addresses_are_given_again);
        tcase_add_test(tc, test_unmap_refused_by_the_kernel);
        tcase_add_test(tc, test_map_cannot_be_undone);
        tcase_add_test(tc, test_holder_gone);
        tcase_add_test(tc, test_pending_requests);
        tcase_add_test(tc, test_alloc_mapped);
        tcase_add_test(tc, test_alloc_mapped_refused);
        tcase_add_test(tc, test_alloc_mapped_again);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
