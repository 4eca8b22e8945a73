/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that are opened for somebody who attaches by himself: for one at a
 * time, whoever asks, for as long as he or a consumer lasts, and over a restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "holders.h"
#include "suite.h"

static struct fixture f;

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

static void leave(const char *name) {
        struct refusal refusal = {};

        ck_assert_msg(service_exit_consumer(f.service, fixture_get(&f, name), "exit", &refusal) == 0, "%s",
                      refusal.text);
        ck_assert_int_eq(service_flush(f.service), 0);
}

static int open_device(const char *address, const char *holder, int *ret_device, int *ret_iommufd) {
        struct refusal refusal = {};
        int r = service_open_device(f.service, address, holder, NULL, ret_device, ret_iommufd, &refusal);

        ck_assert_int_eq(refusal.code, -r);
        return r;
}

START_TEST(test_open) {
        _cleanup_close_ int device = -EBADF, iommufd = -EBADF;
        int other = -EBADF, another = -EBADF;
        unsigned n_calls;
        uint32_t pasid;

        ck_assert_int_eq(open_device("0000:7f:00.0", "peer:a", &other, &another), -ENODEV);
        ck_assert_int_eq(open_device("0000:03:00.0", "peer:a", &other, &another), -EMEDIUMTYPE);
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_NOT);
        fake_kernel_fail(&f.kernel, 1, ENOBUFS);
        ck_assert_int_eq(open_device("0000:01:00.0", "peer:a", &other, &another), -ENOBUFS);
        fake_kernel_fail(&f.kernel, 0, 0);
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_NOT);
        ck_assert_int_eq(open_device("0000:01:00.0", "peer:a", &device, &iommufd), 0);
        ck_assert(device >= 0 && iommufd >= 0);
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_TENANT);
        ck_assert_int_eq(open_device("0000:01:00.0", "peer:b", &other, &another), -EBUSY);
        ck_assert_int_eq(open_device("0000:01:00.0", "peer:a", &other, &another), -EBUSY);

        /* The other way in is closed as well, and nothing of the try stays. */
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:04:00.0", "0000:01:00.0"));
        ck_assert_int_eq(service_alloc_mapped(f.service, vm(), &(struct alloc_request) { .count = 1 }, NULL, NULL, &pasid,
                                              &(struct refusal) {}), -EBUSY);
        ck_assert_uint_eq(f.kernel.n_objects, 0);
        ck_assert_int_eq(service_holder_gone(f.service, "peer:b", "holder-gone"), 0);
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_TENANT);
        ck_assert_int_eq(service_holder_gone(f.service, "peer:a", "holder-gone"), 0);
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_NOT);

        /* Its fds live on elsewhere: the kernel says so. */
        f.kernel.devices[0].is_taken = true;
        ck_assert_int_eq(open_device("0000:01:00.0", "peer:b", &other, &another), -EBUSY);
        ck_assert_int_eq(service_alloc_mapped(f.service, vm(), &(struct alloc_request) { .count = 1 }, NULL, NULL, &pasid,
                                              &(struct refusal) {}), -EBUSY);
        f.kernel.devices[0].is_taken = false;
        (void) fixture_alloc_attached(&f, "vm");
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_MEDIATED);
        n_calls = f.kernel.n_calls;
        ck_assert_int_eq(open_device("0000:01:00.0", "peer:b", &other, &another), -EBUSY);
        ck_assert_int_eq(open_device("0000:04:00.0", "peer:b", &other, &another), -EBUSY);
        ck_assert_uint_eq(f.kernel.n_calls, n_calls); /* whom pasidd has it for need not be told by the kernel */
        ck_assert_int_eq(other, -EBADF);
        ck_assert_int_eq(another, -EBADF);
        fixture_expect_consistent(&f);
        leave("vm");
        ck_assert_int_eq(open_device("0000:01:00.0", "peer:b", &other, &another), 0);
        (void) close_fd(other);
        (void) close_fd(another);
        ck_assert_uint_eq(f.kernel.n_opened_for_tenants, 2);
}
END_TEST

static int open_for(const char *address, const char *consumer) {
        int device = -EBADF, iommufd = -EBADF;
        struct refusal refusal = {};
        int r = service_open_device(f.service, address, "peer:a", fixture_get(&f, consumer), &device, &iommufd, &refusal);

        ck_assert_int_eq(refusal.code, -r);
        (void) close_fd(device);
        (void) close_fd(iommufd);
        return r;
}

/* Given for a consumer's life: the connection is of no matter. */
START_TEST(test_open_for_consumer) {
        int other = -EBADF, another = -EBADF;

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:04:00.0"));
        fixture_mediated(&f, 1000, "vm-2", HOLD_BOOT, DEVICES("0000:04:00.0"));
        ck_assert_int_eq(open_for("0000:01:00.0", "vm"), 0);
        ck_assert_int_eq(open_for("0000:01:00.0", "vm-2"), -EBUSY);
        ck_assert_int_eq(service_holder_gone(f.service, "peer:a", "holder-gone"), 0);
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_TENANT);
        ck_assert_int_eq(open_for("0000:01:00.0", "vm-2"), -EBUSY);
        leave("vm");
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_NOT);
        ck_assert_int_eq(open_for("0000:01:00.0", "vm-2"), 0);
        leave("vm-2");

        /* Still in the table for its cooling number: ended all the same. */
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:04:00.0"));
        ck_assert_int_eq(open_for("0000:01:00.0", "vm"), 0);
        ck_assert_int_eq(service_alloc(f.service, vm(), &(struct alloc_request) { .count = 1 }, NULL, &(uint32_t) { 0 },
                                       &(struct refusal) {}), 0);
        leave("vm");
        ck_assert_int_eq(open_device("0000:01:00.0", "peer:b", &other, &another), 0);
        (void) close_fd(other);
        (void) close_fd(another);
        ck_assert_uint_eq(f.kernel.n_opened_for_tenants, 4);
}
END_TEST

static void gone(const char *holder) {
        ck_assert_int_eq(service_holder_gone(f.service, holder, "holder-gone"), 0);
}

static void expect_open_to(const char *address, const char *holder, int expected) {
        int device = -EBADF, iommufd = -EBADF;

        ck_assert_int_eq(open_device(address, holder, &device, &iommufd), expected);
        ck_assert_int_eq(device >= 0 && iommufd >= 0, expected == 0);
        (void) close_fd(device);
        (void) close_fd(iommufd);
}

/* The kernel tells only of those that are bound, and nobody has bound these yet. */
START_TEST(test_opened_over_a_restart) {
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:04:00.0"));
        fixture_mediated(&f, 1000, "stays", HOLD_PERSISTENT, DEVICES("0000:04:00.0"));
        expect_open_to("0000:01:00.0", "peer:a", 0);
        ck_assert_int_eq(open_for("0000:02:00.0", "vm"), 0);
        ck_assert_int_eq(open_for("0000:05:00.0", "stays"), 0);
        fixture_restart(&f);
        ck_assert_str_eq(service_tenant_holder(f.service, 0), "peer:a");
        ck_assert_ptr_null(service_tenant_holder(f.service, 1)); /* the others are their consumers' */
        expect_open_to("0000:01:00.0", "peer:b", -EBUSY);
        expect_open_to("0000:02:00.0", "peer:b", -EBUSY);
        expect_open_to("0000:05:00.0", "peer:b", -EBUSY);

        /* The same client by a new name, in memory at least. */
        ck_assert_int_eq(service_holder_rename(f.service, "peer:a", "peer:a2"), 0);
        ck_assert_str_eq(service_tenant_holder(f.service, 0), "peer:a2");
        gone("peer:a");
        expect_open_to("0000:01:00.0", "peer:b", -EBUSY);
        gone("peer:a2");
        expect_open_to("0000:01:00.0", "peer:b", 0);
        leave("vm");
        leave("stays");
        fixture_restart(&f);
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_TENANT);
        expect_open_to("0000:02:00.0", "peer:b", 0);
        expect_open_to("0000:05:00.0", "peer:b", 0);

        /* With the boot all of it is gone. */
        fixture_stop(&f);
        memset(f.boot_id, 'b', 32);
        ck_assert_int_eq(fixture_start(&f), 0);
        ck_assert_ptr_null(service_tenant_holder(f.service, 0));
        expect_open_to("0000:01:00.0", "peer:c", 0);
}
END_TEST

/* Begin, write, commit: nobody gets a device that the table doesn't know of, and who asks again gets it. */
START_TEST(test_table_refuses_an_open) {
        for (unsigned n = 1; n <= 3; n++) {
                fault_store_fail(f.runtime, n, EFBIG);
                expect_open_to("0000:01:00.0", "peer:a", -EFBIG);
                ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_NOT);
                fixture_expect_consistent(&f);
        }
        fixture_restart(&f);
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_NOT);
        expect_open_to("0000:01:00.0", "peer:b", 0);
}
END_TEST

/* Its end is true whatever the table says; the row goes with the next that is asked for, or at the next start. */
START_TEST(test_table_refuses_an_end) {
        expect_open_to("0000:01:00.0", "peer:a", 0);
        f.runtime->commit_code = EFBIG;
        gone("peer:a");
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_NOT);
        ck_assert_ptr_null(service_tenant_holder(f.service, 0));
        expect_open_to("0000:01:00.0", "peer:b", -EFBIG);
        if (_i == 0) {
                f.runtime->commit_code = 0;
                expect_open_to("0000:02:00.0", "peer:b", 0);
        }
        fixture_restart(&f);
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), _i == 0 ? DEVICE_HELD_NOT : DEVICE_HELD_TENANT);
        gone("peer:a"); /* as whoever looks for the holder finds */
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_NOT);
        fixture_restart(&f);
        expect_open_to("0000:01:00.0", "peer:c", 0);
}
END_TEST

/* What a consumer had that the Open itself finds without a holder: the row of the address is the next one's from then on. */
START_TEST(test_given_on_by_a_sweep) {
        struct init_request request = holder_request("piped", HOLD_FD);
        int ends[2];

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        request.hold_fd = ends[0];
        holder_init(&f, &request, 0);
        ck_assert_int_eq(service_open_device(f.service, "0000:01:00.0", "peer:a", holder_get(&f, "piped"), &(int) { -EBADF },
                                             &(int) { -EBADF }, &(struct refusal) {}), 0);
        (void) close_fd(ends[1]);
        expect_open_to("0000:01:00.0", "peer:b", 0);
        ck_assert_ptr_null(holder_get(&f, "piped"));
        expect_open_to("0000:02:00.0", "peer:c", 0); /* those that are over are looked for */
        fixture_restart(&f);
        expect_open_to("0000:01:00.0", "peer:d", -EBUSY);
        gone("peer:b");
        expect_open_to("0000:01:00.0", "peer:d", 0);
        gone("peer:c");
        fixture_restart(&f);
        ck_assert_str_eq(service_tenant_holder(f.service, 0), "peer:d");
        ck_assert_ptr_null(service_tenant_holder(f.service, 1));
        (void) close_fd(ends[0]);
}
END_TEST

/* An Exit that its table refuses, in the same batch as an Open of the consumer's device. */
START_TEST(test_end_that_is_undone) {
        struct fault_store *store = _i == 0 ? f.persistent : f.runtime;

        fixture_mediated(&f, 1000, "stays", _i == 0 ? HOLD_PERSISTENT : HOLD_BOOT, DEVICES("0000:04:00.0"));
        ck_assert_int_eq(open_for("0000:01:00.0", "stays"), 0);
        store->commit_code = EFBIG;
        ck_assert_int_eq(service_exit_consumer(f.service, fixture_get(&f, "stays"), "exit", &(struct refusal) {}), 0);
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_TENANT);
        expect_open_to("0000:01:00.0", "peer:b", -EFBIG);
        ck_assert(!fixture_get(&f, "stays")->ended);
        gone("peer:a"); /* of a holder that has nothing, with that end under way or not */
        store->commit_code = 0;
        expect_open_to("0000:01:00.0", "peer:b", -EBUSY);
        fixture_restart(&f);
        expect_open_to("0000:01:00.0", "peer:b", -EBUSY);
        leave("stays");
        expect_open_to("0000:01:00.0", "peer:b", 0);
}
END_TEST

/* A pasidd may have died between the table and the reply: who asks again gets it, unless the kernel says that he has. */
START_TEST(test_asked_again_after_a_restart) {
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:04:00.0"));
        expect_open_to("0000:01:00.0", "peer:a", 0);
        ck_assert_int_eq(open_for("0000:02:00.0", "vm"), 0);
        expect_open_to("0000:01:00.0", "peer:a", -EBUSY); /* it is known that he has it */
        ck_assert_int_eq(open_for("0000:02:00.0", "vm"), -EBUSY);
        fixture_restart(&f);
        f.kernel.devices[0].is_taken = true;
        expect_open_to("0000:01:00.0", "peer:a", -EBUSY);
        f.kernel.devices[0].is_taken = false;
        expect_open_to("0000:01:00.0", "peer:b", -EBUSY);
        expect_open_to("0000:01:00.0", "peer:a", 0);
        expect_open_to("0000:01:00.0", "peer:a", -EBUSY);
        expect_open_to("0000:02:00.0", "peer:a", -EBUSY); /* the consumer's */
        ck_assert_int_eq(open_for("0000:02:00.0", "vm"), 0);
        ck_assert_int_eq(open_for("0000:02:00.0", "vm"), -EBUSY);
        gone("peer:a");
        leave("vm");
        fixture_restart(&f);
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_NOT);
        ck_assert_int_eq(service_device_held(f.service, "0000:02:00.0"), DEVICE_HELD_NOT);
}
END_TEST

/* All of a holder is another's, or nothing is: begin, two changes, commit. */
START_TEST(test_rename_is_refused) {
        struct refusal refusal = {};

        for (unsigned i = 0; i < 2; i++) {
                struct init_request request = { .uid = 1000, .name = i == 0 ? "one" : "two", .hold = HOLD_CONNECTION,
                                                .holder = "peer:a", .hold_fd = -EBADF };

                ck_assert_msg(service_init_consumer(f.service, &request, &(struct consumer *) { NULL }, &refusal) == 0, "%s",
                              refusal.text);
        }
        ck_assert_int_eq(service_flush(f.service), 0);
        expect_open_to("0000:01:00.0", "peer:a", 0);
        for (unsigned n = 1; n <= 4; n++) {
                fault_store_fail(f.runtime, n, EFBIG);
                ck_assert_int_eq(service_holder_rename(f.service, "peer:a", "peer:b"), -EFBIG);
                ck_assert_str_eq(fixture_get(&f, "one")->holder, "peer:a");
                ck_assert_str_eq(fixture_get(&f, "two")->holder, "peer:a");
                ck_assert_str_eq(service_tenant_holder(f.service, 0), "peer:a");
                fixture_expect_consistent(&f);
        }
        ck_assert_int_eq(service_holder_rename(f.service, "peer:a", "peer:b"), 2);
        ck_assert(!service_is_pending(f.service));
        ck_assert_str_eq(fixture_get(&f, "two")->holder, "peer:b");
        ck_assert_str_eq(service_tenant_holder(f.service, 0), "peer:b");
        fixture_expect_consistent(&f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-tenants");
        TCase *tc = tcase_create("tenants");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, test_open);
        tcase_add_test(tc, test_open_for_consumer);
        tcase_add_test(tc, test_opened_over_a_restart);
        tcase_add_test(tc, test_table_refuses_an_open);
        tcase_add_loop_test(tc, test_table_refuses_an_end, 0, 2);
        tcase_add_test(tc, test_given_on_by_a_sweep);
        tcase_add_loop_test(tc, test_end_that_is_undone, 0, 2);
        tcase_add_test(tc, test_asked_again_after_a_restart);
        tcase_add_test(tc, test_rename_is_refused);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
