/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the device of a consumer is there: told by address and PCI ids, at
 * start and while pasidd runs. Numbers of one that is not are lost, and whose
 * they are and what was found is said once.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "service-fixture.h"
#include "suite.h"

#define DEVICE "0000:01:00.0"
#define OTHER "0000:02:00.0"

static struct fixture f;
static char said[4096]; /* by the last start() */

static void setup(void) {
        fixture_init(&f);
        ck_assert_int_eq(fixture_start(&f), 0);
}

static void teardown(void) {
        fixture_done(&f);
}

/* With what it writes to standard error. */
static void start(void) {
        char path[128];
        int old, r;
        FILE *file;
        size_t n;

        (void) snprintf(path, sizeof(path), "%s/log", f.dir);
        file = fopen(path, "w+e");
        old = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
        ck_assert(file && old >= 0);
        ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
        r = fixture_start(&f);
        ck_assert_int_ge(dup2(old, STDERR_FILENO), 0);
        ck_assert_msg(r == 0, "%s", f.refusal.text);
        ck_assert_int_eq(fseek(file, 0, SEEK_SET), 0);
        n = fread(said, 1, sizeof(said) - 1, file);
        said[n] = '\0';
        ck_assert_int_eq(fclose(file), 0);
        ck_assert_int_eq(close(old), 0);
}

static void stop_and_reboot(bool is_reboot) {
        fixture_stop(&f);
        if (is_reboot)
                f.boot_id[0]++;
}

static uint32_t alloc_one(const char *name) {
        struct refusal refusal = {};
        uint32_t pasid = 0;

        ck_assert_msg(service_alloc(f.service, fixture_get(&f, name), &(struct alloc_request) { .count = 1 }, NULL, &pasid,
                                    &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(service_flush(f.service), 0);
        return pasid;
}

static const struct {
        bool is_reboot;
        enum hold_kind hold;
        enum row_state state; /* of a number whose device is there */
} cases[] = {
        { true, HOLD_PERSISTENT, ROW_RESERVED },
        { false, HOLD_PERSISTENT, ROW_ALLOCATED },
        { false, HOLD_BOOT, ROW_ALLOCATED },
};

START_TEST(test_another_model) {
        uint32_t lost, kept;

        fixture_consumer(&f, "lost", DEVICE, cases[_i].hold);
        fixture_consumer(&f, "kept", OTHER, cases[_i].hold);
        fixture_consumer(&f, "idle", DEVICE, cases[_i].hold); /* has nothing to lose */
        lost = alloc_one("lost");
        kept = alloc_one("kept");
        stop_and_reboot(cases[_i].is_reboot);
        f.kernel.devices[0].id = 0x77;
        start();
        ck_assert_int_eq(fixture_state(&f, "lost", lost), ROW_LOST);
        ck_assert_int_eq(fixture_state(&f, "kept", kept), cases[_i].state);
        ck_assert_ptr_nonnull(strstr(said, "Device 0000:01:00.0 (0bad:0001) is not there, but another model in its place (0bad:0077); "
                                           "the 1 PASIDs of consumer \"lost\" of uid 1000 are lost"));
        ck_assert_ptr_null(strstr(said, "\"kept\""));
        ck_assert_ptr_null(strstr(said, "\"idle\""));
        ck_assert_int_eq(service_alloc(f.service, fixture_get(&f, "idle"), &(struct alloc_request) { .count = 1 }, NULL, &lost,
                                       &f.refusal), -ENXIO);
        fixture_expect_consistent(&f);

        /* The first one's return revives nothing, and that it was lost is no news any more. */
        stop_and_reboot(false);
        f.kernel.devices[0].id = 1;
        start();
        ck_assert_int_eq(fixture_state(&f, "lost", lost), ROW_LOST);
        ck_assert_ptr_null(strstr(said, "are lost"));
        if (!cases[_i].is_reboot) /* which moved the numbers to a group that no device has */
                (void) alloc_one("idle");
}
END_TEST

START_TEST(test_gone) {
        uint32_t lost;

        fixture_consumer(&f, "lost", DEVICE, cases[_i].hold);
        lost = alloc_one("lost");
        stop_and_reboot(cases[_i].is_reboot);
        f.kernel.devices[0].address = "0000:09:00.0";
        start();
        ck_assert_int_eq(fixture_state(&f, "lost", lost), ROW_LOST);
        ck_assert_ptr_nonnull(strstr(said, "Device 0000:01:00.0 (0bad:0001) is not there; the 1 PASIDs of consumer \"lost\""));
        fixture_expect_consistent(&f);
}
END_TEST

/* A table of before ids were kept: whatever is there is taken for the device, and known from then on. */
START_TEST(test_ids_are_learnt) {
        uint32_t pasid;

        f.kernel.devices[0].id = 0;
        fixture_restart(&f);
        fixture_consumer(&f, "vm", DEVICE, cases[_i].hold);
        pasid = alloc_one("vm");
        ck_assert_uint_eq(fixture_get(&f, "vm")->devices[0].vendor, 0);
        stop_and_reboot(cases[_i].is_reboot);
        f.kernel.devices[0].id = 5;
        start();
        ck_assert_int_eq(fixture_state(&f, "vm", pasid), cases[_i].state);

        stop_and_reboot(false);
        f.kernel.devices[0].id = 0; /* which it can't tell now */
        start();
        ck_assert_int_eq(fixture_state(&f, "vm", pasid), cases[_i].state);
        ck_assert_uint_eq(fixture_get(&f, "vm")->devices[0].vendor, FAKE_VENDOR);
        ck_assert_uint_eq(fixture_get(&f, "vm")->devices[0].device, 5);

        stop_and_reboot(false);
        f.kernel.devices[0].id = 6;
        start();
        ck_assert_int_eq(fixture_state(&f, "vm", pasid), ROW_LOST);
        ck_assert_ptr_nonnull(strstr(said, "(0bad:0005) is not there, but another model in its place (0bad:0006)"));
}
END_TEST

/* A start that can't write down the ids is none, and the next one does. */
START_TEST(test_ids_cannot_be_written) {
        int r = -EIO;

        f.kernel.devices[0].id = 0;
        fixture_restart(&f);
        fixture_consumer(&f, "vm", DEVICE, HOLD_PERSISTENT);
        fixture_stop(&f);
        f.kernel.devices[0].id = 5;
        for (unsigned n = 1; r < 0; n++) {
                f.fail_start_at = n;
                r = fixture_start(&f);
                ck_assert(r == 0 || r == -EIO);
                ck_assert_uint_lt(n, 10);
                ck_assert(r < 0 || n > 3); /* begin, ids, commit */
        }
        fixture_stop(&f);
        f.kernel.devices[0].id = 0;
        start();
        ck_assert_uint_eq(fixture_get(&f, "vm")->devices[0].device, 5);
}
END_TEST

/* The group that the impostor is in is not the one that the numbers were drawn for, whatever its address says. */
START_TEST(test_an_impostor_moves_no_group) {
        uint32_t lost, kept;

        fixture_consumer(&f, "lost", DEVICE, HOLD_PERSISTENT);
        fixture_consumer(&f, "kept", OTHER, HOLD_PERSISTENT);
        lost = alloc_one("lost");
        kept = alloc_one("kept");
        ck_assert_uint_eq(lost, kept);
        stop_and_reboot(true);
        f.kernel.devices[0].id = 0x77;
        f.kernel.devices[0].group = 12; /* where the other one was, */
        f.kernel.devices[1].group = 11; /* which is where the lost one was */
        start();
        ck_assert_int_eq(fixture_state(&f, "lost", lost), ROW_LOST);
        ck_assert_int_eq(fixture_state(&f, "kept", kept), ROW_RESERVED);
        ck_assert_int_eq(consumer_home_space(fixture_get(&f, "kept")), 11);
        ck_assert_int_ne(consumer_home_space(fixture_get(&f, "lost")), 12);
}
END_TEST

/* Exchanged so fast that pasidd sees neither the one go nor the other come. */
START_TEST(test_exchanged_while_running) {
        struct refusal refusal = {};
        uint32_t lost;

        fixture_consumer(&f, "vm", DEVICE, HOLD_BOOT);
        lost = alloc_one("vm");
        f.kernel.devices[0].id = 0x77;
        ck_assert_int_eq(service_rediscover(f.service, &refusal), 0);
        ck_assert_int_eq(fixture_state(&f, "vm", lost), ROW_LOST);
        fixture_expect_consistent(&f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-match");
        TCase *tc = tcase_create("match");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_loop_test(tc, test_another_model, 0, (int) ELEMENTSOF(cases));
        tcase_add_loop_test(tc, test_gone, 0, (int) ELEMENTSOF(cases));
        tcase_add_loop_test(tc, test_ids_are_learnt, 0, (int) ELEMENTSOF(cases));
        tcase_add_test(tc, test_ids_cannot_be_written);
        tcase_add_test(tc, test_an_impostor_moves_no_group);
        tcase_add_test(tc, test_exchanged_while_running);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
