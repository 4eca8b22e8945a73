/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each call of the kernel and each step of the table is refused in turn, in
 * each request of the mediated mode: whoever asked is told why, and memory,
 * tables and kernel are as they were; what had been made or undone in the
 * kernel was taken back in the reverse order. Asked again, it is done.
 */
#include <string.h>
#include <unistd.h>

#include "service-fixture.h"
#include "suite.h"

static struct fixture f;
static enum hold_kind hold;
static uint32_t pasids[3];
static uint64_t iova;

static void setup(void) {
        fixture_init(&f);
        ck_assert_int_eq(fixture_start(&f), 0);
}

static void teardown(void) {
        fixture_done(&f);
}

static struct consumer *vm(void) {
        return fixture_get(&f, "vm");
}

static struct fault_store *table(void) {
        return hold == HOLD_PERSISTENT ? f.persistent : f.runtime;
}

/* Two devices behind one IOMMU, one behind another. */
static void prepare_number(void) {
        struct refusal refusal = {};

        fixture_mediated(&f, 1000, "vm", hold, DEVICES("0000:01:00.0", "0000:02:00.0", "0000:04:00.0"));
        ck_assert_int_eq(service_alloc(f.service, vm(), &(struct alloc_request) { .count = 1, .token = "t" }, NULL,
                                       pasids, &refusal), 0);
        ck_assert_int_eq(service_flush(f.service), 0);
}

static void prepare_open(void) {
        struct refusal refusal = {};

        prepare_number();
        ck_assert_int_eq(service_attach(f.service, vm(), pasids[0], &refusal), 0);
        ck_assert_int_eq(service_detach(f.service, vm(), pasids[0], &refusal), 0);
}

static void prepare_attached(void) {
        struct refusal refusal = {};

        prepare_number();
        ck_assert_int_eq(service_attach(f.service, vm(), pasids[0], &refusal), 0);
        for (int i = 1; i < 3; i++)
                pasids[i] = fixture_alloc_attached(&f, "vm");
        ck_assert_int_eq(service_map(f.service, vm(), pasids[0],
                                     &(struct kernel_mapping) { .length = 0x3000, .flags = MAP_READ }, &iova, &refusal), 0);
}

static int ask_attach(struct refusal *refusal) {
        return service_attach(f.service, vm(), pasids[0], refusal);
}

static int ask_alloc(struct refusal *refusal) {
        return service_alloc_mapped(f.service, vm(), &(struct alloc_request) { .count = 1, .private_bytes = 3 },
                                    "abc", NULL, &pasids[1], refusal);
}

static int ask_alloc_mapped(struct refusal *refusal) {
        const struct kernel_mapping map = { .length = 0x2000, .iova = 0x100000, .flags = MAP_READ | MAP_FIXED_IOVA };

        return service_alloc_mapped(f.service, vm(), &(struct alloc_request) { .count = 1, .private_bytes = 3 }, "abc", &map,
                                    &pasids[1], refusal);
}

static int ask_detach(struct refusal *refusal) {
        return service_detach(f.service, vm(), pasids[0], refusal);
}

static int ask_free(struct refusal *refusal) {
        return service_free_pasids(f.service, vm(), pasids, 1, refusal);
}

static int ask_free_many(struct refusal *refusal) {
        return service_free_pasids(f.service, vm(), pasids, 3, refusal);
}

static int ask_free_token(struct refusal *refusal) {
        size_t n;

        return service_free_token(f.service, vm(), "t", &n, refusal);
}

static int ask_exit(struct refusal *refusal) {
        return service_exit_consumer(f.service, vm(), "exit", refusal);
}

static int ask_map(struct refusal *refusal) {
        return service_map(f.service, vm(), pasids[0],
                           &(struct kernel_mapping) { .length = 0x2000, .iova = 0x100000, .flags = MAP_READ | MAP_WRITE | MAP_FIXED_IOVA },
                           &iova, refusal);
}

static int ask_unmap(struct refusal *refusal) {
        uint64_t unmapped;

        return service_unmap(f.service, vm(), pasids[0], iova, 0x3000, &unmapped, refusal);
}

static const struct request {
        const char *what;
        void (*prepare)(void);
        int (*ask)(struct refusal *refusal);
        unsigned n_calls;    /* of the kernel that can refuse it */
        unsigned n_destroys; /* after its commit: nothing can be refused then */
        unsigned n_steps;    /* of the table, from begin to commit */
        bool is_one_way;     /* what the kernel has done can't be taken back */
} requests[] = {
        { "first attach", prepare_number, ask_attach, 9, 0, 4, false },
        { "attach", prepare_open, ask_attach, 6, 0, 4, false },
        { "first alloc", prepare_number, ask_alloc, 9, 0, 4, false },
        { "alloc", prepare_open, ask_alloc, 6, 0, 4, false },
        { "first alloc mapped", prepare_number, ask_alloc_mapped, 10, 0, 5, false },
        { "alloc mapped", prepare_open, ask_alloc_mapped, 7, 0, 5, false },
        { "detach", prepare_attached, ask_detach, 3, 3, 4, false },
        { "free", prepare_attached, ask_free, 3, 3, 7, false },
        { "free many", prepare_attached, ask_free_many, 9, 9, 13, false },
        { "free token", prepare_attached, ask_free_token, 3, 3, 7, false },
        { "exit", prepare_attached, ask_exit, 9, 9, 14, false },
        { "map", prepare_attached, ask_map, 1, 0, 3, false },
        { "unmap", prepare_attached, ask_unmap, 1, 0, 3, true },
};

static const enum hold_kind holds[] = { HOLD_BOOT, HOLD_PERSISTENT };

#define N_TESTS (int) (ELEMENTSOF(requests) * ELEMENTSOF(holds))

static const struct request *begin(int i) {
        const struct request *request = &requests[i / (int) ELEMENTSOF(holds)];

        hold = holds[i % (int) ELEMENTSOF(holds)];
        request->prepare();
        fixture_expect_consistent(&f);
        return request;
}

static void expect_refused(const struct request *request, int code, char *picture) {
        struct refusal refusal = {};

        ck_assert_msg(request->ask(&refusal) == -code, "%s was not refused: %s", request->what, refusal.text);
        ck_assert_int_eq(refusal.code, code);
        fake_kernel_expect_undone(&f.kernel);
        fixture_expect_same(&f, picture);
        fixture_expect_consistent(&f);
}

static void expect_done(const struct request *request) {
        struct refusal refusal = {};

        ck_assert_msg(request->ask(&refusal) == 0, "%s was refused: %s", request->what, refusal.text);
        fixture_expect_consistent(&f);
}

START_TEST(test_kernel_refuses) {
        static const int codes[] = { EBUSY, ENXIO, EMEDIUMTYPE, ENOMEM };
        const struct request *request = begin(_i);

        for (unsigned n = 1; n <= request->n_calls; n++) {
                int code = codes[n % ELEMENTSOF(codes)];
                char *picture = fixture_picture(&f);

                f.now.realtime_usec++;
                fake_kernel_forget_steps(&f.kernel);
                fake_kernel_fail(&f.kernel, n, code);
                expect_refused(request, code, picture);
        }
        fake_kernel_fail(&f.kernel, 0, 0);
        expect_done(request);
        ck_assert_uint_eq(f.kernel.n_calls, request->n_calls + request->n_destroys);
}
END_TEST

START_TEST(test_table_refuses) {
        const struct request *request = begin(_i);

        for (unsigned n = 1; n <= request->n_steps && !request->is_one_way; n++) {
                char *picture = fixture_picture(&f);

                f.now.realtime_usec++;
                fake_kernel_forget_steps(&f.kernel);
                fault_store_fail(table(), n, EFBIG);
                expect_refused(request, EFBIG, picture);
        }
        fault_store_fail(table(), request->n_steps + 1, EFBIG);
        expect_done(request);
        ck_assert_uint_eq(table()->fail_at, 1);
        fault_store_fail(table(), 0, 0);
        fixture_restart(&f); /* and the tables contradict themselves in nothing */
        fixture_expect_consistent(&f);
}
END_TEST

/* A number that was not attached comes along: its end is one in one with that of the others. */
START_TEST(test_table_refuses_in_a_batch) {
        const struct request *request = begin(_i);

        for (unsigned n = 1; n <= request->n_steps && !request->is_one_way; n++) {
                struct alloc_request other = { .count = 1 };
                struct refusal refusal = {};
                uint32_t pasid;
                char *picture;

                if (n == 1)
                        fixture_consumer(&f, "other", NULL, hold);
                ck_assert_int_eq(service_alloc(f.service, fixture_get(&f, "other"), &other, NULL, &pasid, &refusal), 0);
                picture = fixture_picture(&f);
                fake_kernel_forget_steps(&f.kernel);
                fault_store_fail(table(), n + 1, EIO); /* the first is the other's commit */
                expect_refused(request, EIO, picture);
                ck_assert_int_eq(fixture_state(&f, "other", pasid), ROW_ALLOCATED);
        }
        expect_done(request);
}
END_TEST

/* After the commit the objects behind it are destroyed; what stays is in nobody's way, and goes with the next, or in time. */
START_TEST(test_kernel_keeps_objects) {
        const struct request *request = begin(_i);

        for (unsigned n = 1; n <= request->n_destroys; n++) {
                struct refusal refusal = {};

                if (n > 1) {
                        if (vm()) {
                                ck_assert_int_eq(service_exit_consumer(f.service, vm(), "exit", &refusal), 0);
                                ck_assert_int_eq(service_flush(f.service), 0);
                        }
                        request->prepare();
                }
                fake_kernel_fail(&f.kernel, request->n_calls + n, EBUSY);
                ck_assert_msg(request->ask(&refusal) == 0, "%s", refusal.text);
                ck_assert_uint_ge(f.kernel.n_calls, request->n_calls + n); /* it was refused */
                fake_kernel_fail(&f.kernel, 0, 0);
                ck_assert_int_eq(service_flush(f.service), 0);
                if (vm() && core_row_get(vm(), pasids[0]))
                        ck_assert_int_eq(ask_attach(&refusal), 0); /* the number itself is free of it */
        }
        if (vm())
                ck_assert_int_eq(ask_exit(&(struct refusal) {}), 0);
        ck_assert_int_eq(service_flush(f.service), 0);
        fixture_run_until(&f, f.kernel.n_objects == 0);
        ck_assert_uint_eq(service_pinned_by(f.service, 1000), 0);
}
END_TEST

/* pasids[0] is detached, and the kernel keeps one of its two page tables or its address space, with the memory in it. */
static void leave_over(unsigned n) {
        struct refusal refusal = {};

        hold = HOLD_BOOT;
        prepare_attached();
        fake_kernel_fail(&f.kernel, 3 + n, EBUSY);
        ck_assert_int_eq(ask_detach(&refusal), 0);
        fake_kernel_fail(&f.kernel, 0, 0);
        ck_assert_int_eq(fixture_state(&f, "vm", pasids[0]), ROW_ALLOCATED);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_IOAS), 3);
        ck_assert_uint_eq(service_pinned_bytes(f.service, vm()), 0x3000);
        ck_assert_uint_eq(service_pinned_by(f.service, 1000), 0x3000);
}

static int map_elsewhere(uint64_t length, struct refusal *refusal) {
        return service_map(f.service, vm(), pasids[1], &(struct kernel_mapping) { .length = length, .flags = MAP_READ }, &iova,
                           refusal);
}

/* Its bytes leave no room for others, until the next that is destroyed takes it along. */
START_TEST(test_left_over_until_the_next) {
        struct refusal refusal = {};

        leave_over((unsigned) _i + 1);
        f.service_limits.pinned_per_consumer = 0x4000;
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &f.service_limits), 0);
        ck_assert_int_eq(map_elsewhere(0x2000, &refusal), -EDQUOT);
        ck_assert_int_eq(service_detach(f.service, vm(), pasids[2], &refusal), 0);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_IOAS), 1);
        ck_assert_int_eq(map_elsewhere(0x2000, &refusal), 0);
        fixture_expect_consistent(&f);
}
END_TEST

/* Nothing else is destroyed: then by the timer, however often the kernel goes on to refuse. */
START_TEST(test_left_over_for_a_while) {
        leave_over((unsigned) _i + 1);
        fake_kernel_fail_from(&f.kernel, 1, EBUSY);
        fixture_run_until(&f, f.kernel.n_calls >= 3);
        ck_assert_uint_eq(service_pinned_by(f.service, 1000), 0x3000);
        fake_kernel_fail(&f.kernel, 0, 0);
        fixture_run_until(&f, fake_kernel_count(&f.kernel, FAKE_IOAS) == 2);
        ck_assert_uint_eq(service_pinned_by(f.service, 1000), 0);
        fixture_expect_consistent(&f);
}
END_TEST

/* The bytes are those of whoever owns the consumer, or owned it at its end. */
START_TEST(test_left_over_by_another_owner) {
        struct consumer *c;
        struct refusal refusal = {};

        leave_over(1);
        ck_assert_int_eq(service_offer_consumer(f.service, vm(), 2000, &refusal), 0);
        ck_assert_int_eq(service_accept_consumer(f.service, &(struct accept_request) { .owner = 1000, .name = "vm", .uid = 2000 },
                                                 &c, &refusal), 0);
        ck_assert_uint_eq(service_pinned_by(f.service, 1000), 0);
        ck_assert_uint_eq(service_pinned_by(f.service, 2000), 0x3000);
        ck_assert_int_eq(service_map(f.service, c, pasids[1], &(struct kernel_mapping) { .length = 0x1000, .flags = MAP_READ },
                                     &iova, &refusal), 0);
        fake_kernel_fail_from(&f.kernel, 7, EBUSY); /* two numbers on three devices are detached first */
        ck_assert_int_eq(service_exit_consumer(f.service, c, "exit", &refusal), 0);
        ck_assert_uint_eq(service_pinned_by(f.service, 1000), 0);
        ck_assert_uint_eq(service_pinned_by(f.service, 2000), 0x4000);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_DEVICE), 0);
        fake_kernel_fail(&f.kernel, 0, 0);
        fixture_run_until(&f, f.kernel.n_objects == 0);
        ck_assert_uint_eq(service_pinned_by(f.service, 2000), 0);
}
END_TEST

/* Not even the undo gets through: whoever asked is told the first cause, and in memory and table nothing has changed. */
START_TEST(test_kernel_refuses_from_then_on) {
        const struct request *request = begin(_i);
        struct refusal refusal = {};
        bool is_done = false;

        for (unsigned n = 1; n <= request->n_calls && !is_done; n++) {
                uint32_t n_attached = core_space_count(service_core(f.service), 11, ROW_ATTACHED);

                if (n > 1 && request->n_destroys == 0 && !strstr(request->what, "first"))
                        break; /* the next attach would not be the kernel's first: that is not tried */
                fake_kernel_fail_from(&f.kernel, n, EBUSY);
                is_done = request->ask(&refusal) == 0; /* by and by all is detached, if not attached again */
                if (is_done)
                        ck_assert_uint_gt(request->n_destroys, 0);
                else {
                        ck_assert_int_eq(refusal.code, EBUSY);
                        ck_assert_uint_eq(core_space_count(service_core(f.service), 11, ROW_ATTACHED), n_attached);
                }
                ck_assert(!service_is_pending(f.service));
        }
        fake_kernel_fail(&f.kernel, 0, 0);
        refusal = (struct refusal) {};
        if (!is_done)
                ck_assert_msg(request->ask(&refusal) == 0, "%s", refusal.text);
        if (vm())
                ck_assert_int_eq(ask_exit(&refusal), 0);
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_DEVICE), 0);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_ATTACHMENT), 0);
        fixture_run_until(&f, f.kernel.n_objects == 0);
}
END_TEST

/* Half attached, and not to be detached: the number stays with its consumer, for as long as another keeps the device open. */
START_TEST(test_kernel_keeps_an_attachment) {
        struct alloc_request request = { .count = 1, .token = "t" };
        struct refusal refusal = {};
        uint32_t pasid = 0;

        hold = HOLD_BOOT;
        fixture_mediated(&f, 1000, "other", hold, DEVICES("0000:01:00.0", "0000:02:00.0", "0000:04:00.0"));
        ck_assert_uint_gt(fixture_alloc_attached(&f, "other"), 0);
        prepare_number();
        /* address space, two page tables, first device; the second refuses, and from then on all do */
        fake_kernel_fail_from(&f.kernel, 5, EBUSY);
        if (_i == 0)
                ck_assert_int_eq(ask_attach(&refusal), -EBUSY);
        else {
                ck_assert_int_eq(ask_alloc(&refusal), -EBUSY);
                pasids[0] = core_row_next(vm(), pasids[0])->pasid; /* the one that could not be taken back */
        }
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_ATTACHMENT), 4);
        ck_assert_int_eq(fixture_state(&f, "vm", pasids[0]), ROW_ALLOCATED);
        ck_assert_int_eq(ask_attach(&refusal), -EBUSY);
        ck_assert_int_eq(ask_free(&refusal), -EBUSY);
        ck_assert_int_eq(ask_exit(&refusal), -EBUSY);
        ck_assert_int_eq(service_map(f.service, vm(), pasids[0], &(struct kernel_mapping) { .length = 0x1000, .flags = MAP_READ },
                                     &iova, &refusal), -ENOLINK);

        fake_kernel_fail(&f.kernel, 0, 0);
        if (_i == 0) {
                ck_assert_int_eq(service_alloc_mapped(f.service, vm(), &request, NULL, NULL, &pasid, &refusal), 0);
                ck_assert_uint_eq(pasid, pasids[0]);
                ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_ATTACHMENT), 6);
        } else {
                ck_assert_int_eq(ask_free(&refusal), 0);
                ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_ATTACHMENT), 3);
        }
        ck_assert_int_eq(service_flush(f.service), 0);
        fixture_expect_consistent(&f);
        ck_assert_int_eq(ask_exit(&refusal), 0);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_ATTACHMENT), 3);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_IOAS), 1);
}
END_TEST

/*
 * The kernel refuses what the table has already, and then the table refuses to forget it (begin, two rows, commit), or that
 * the number is free (begin, row, commit): it is its consumer's, and the kernel has nothing that the table has not.
 */
START_TEST(test_table_keeps_an_attachment) {
        const unsigned n_written = 5, n_forgotten = 4;
        bool is_forgotten = _i >= (int) n_forgotten;
        struct refusal refusal = {};

        hold = HOLD_BOOT;
        prepare_open();
        fake_kernel_fail(&f.kernel, 5, EBUSY); /* address space, two page tables, memory, and then the first device */
        fault_store_fail(table(), n_written + 1 + (unsigned) _i, EFBIG);
        ck_assert_int_eq(ask_alloc_mapped(&refusal), -EBUSY);
        ck_assert_uint_eq(table()->fail_at, 0);
        fake_kernel_fail(&f.kernel, 0, 0);
        pasids[0] = core_row_next(vm(), pasids[0])->pasid;
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_ATTACHMENT), 0);
        ck_assert_int_eq(fixture_state(&f, "vm", pasids[0]), is_forgotten ? ROW_ALLOCATED : ROW_ATTACHED);
        ck_assert_uint_eq(service_pinned_bytes(f.service, vm()), is_forgotten ? 0 : 0x2000);
        ck_assert_int_eq(ask_detach(&refusal), is_forgotten ? -ENOLINK : 0);
        ck_assert_uint_eq(service_pinned_bytes(f.service, vm()), 0);
        fixture_expect_consistent(&f);
        ck_assert_int_eq(ask_attach(&refusal), 0);
        fixture_restart(&f);
        fixture_expect_consistent(&f);
}
END_TEST

static void expect_ill_without(int fd, const char *whose) {
        struct refusal refusal = {};
        int copy;

        ck_assert_int_ge(fd, 0);
        copy = dup(fd);
        ck_assert_int_ge(copy, 0);
        ck_assert_int_eq(close(fd), 0);
        ck_assert_int_eq(service_check_health(f.service, &refusal), -EIO);
        ck_assert_ptr_nonnull(strstr(refusal.text, whose));
        ck_assert_int_eq(dup2(copy, fd), fd);
        ck_assert_int_eq(close(copy), 0);
        ck_assert_int_eq(service_check_health(f.service, &refusal), 0);
}

/* Either table, and a device or an iommufd whose file descriptor somebody has closed. */
START_TEST(test_health) {
        struct refusal refusal = {};
        struct fault_store *stores[] = { f.runtime, f.persistent };
        int fd;

        hold = HOLD_BOOT;
        prepare_attached();
        ck_assert_int_eq(service_check_health(f.service, &refusal), 0);
        for (size_t i = 0; i < ELEMENTSOF(stores); i++) {
                fault_store_fail(stores[i], 1, EIO);
                ck_assert_int_eq(service_check_health(f.service, &refusal), -EIO);
                ck_assert_int_eq(service_check_health(f.service, &refusal), 0);
        }
        fd = f.kernel.objects[0].device ? f.kernel.objects[0].device->fd : -1;
        for (size_t i = 0; i < f.kernel.n_objects && fd < 0; i++)
                if (f.kernel.objects[i].kind == FAKE_DEVICE && f.kernel.objects[i].device)
                        fd = f.kernel.objects[i].device->fd;
        expect_ill_without(fd, "device 0000:0");
        expect_ill_without(f.kernel.iommufd, "the IOMMU");
        fixture_expect_consistent(&f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-refused");
        TCase *tc = tcase_create("refused");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_loop_test(tc, test_kernel_refuses, 0, N_TESTS);
        tcase_add_loop_test(tc, test_table_refuses, 0, N_TESTS);
        tcase_add_loop_test(tc, test_table_refuses_in_a_batch, 0, N_TESTS);
        tcase_add_loop_test(tc, test_kernel_keeps_objects, 0, N_TESTS);
        tcase_add_loop_test(tc, test_left_over_until_the_next, 0, 3);
        tcase_add_loop_test(tc, test_left_over_for_a_while, 0, 3);
        tcase_add_test(tc, test_left_over_by_another_owner);
        tcase_add_loop_test(tc, test_kernel_refuses_from_then_on, 0, N_TESTS);
        tcase_add_loop_test(tc, test_kernel_keeps_an_attachment, 0, 2);
        tcase_add_loop_test(tc, test_table_keeps_an_attachment, 0, 7);
        tcase_add_test(tc, test_health);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
