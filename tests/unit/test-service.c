/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests as transactions: what the table refuses has not happened, what it
 * took survives a restart and a reboot, and replies wait for the commit.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service-fixture.h"
#include "suite.h"

static struct fixture f;

static void setup(void) {
        fixture_init(&f);
        ck_assert_int_eq(fixture_start(&f), 0);
}

static void teardown(void) {
        fixture_done(&f);
}

static void restart(void) {
        fixture_restart(&f);
}

static struct consumer *get(const char *name) {
        return fixture_get(&f, name);
}

static int alloc(const char *name, uint32_t count, uint32_t min, uint32_t max, uint32_t *pasids, struct refusal *refusal) {
        struct alloc_request request = { .count = count, .min = min, .max = max, .private_bytes = 3 };

        return service_alloc(f.service, get(name), &request, "abc", pasids, refusal);
}

static uint32_t alloc_one(const char *name) {
        struct refusal refusal = {};
        uint32_t pasid = 0;

        ck_assert_msg(alloc(name, 1, 0, 0, &pasid, &refusal) == 0, "%s", refusal.text);
        return pasid;
}

struct answer {
        int n, r;
};

static void note_answer(void *userdata, int r, const struct refusal *refusal) {
        struct answer *a = userdata;

        a->n++;
        a->r = r;
}

START_TEST(test_reply_waits_for_commit) {
        struct answer answer = {};

        fixture_consumer(&f, "vm", NULL, HOLD_BOOT);
        (void) alloc_one("vm");
        ck_assert(service_is_pending(f.service));
        ck_assert_int_eq(service_when_committed(f.service, note_answer, &answer), 0);
        ck_assert_int_eq(answer.n, 0);
        while (service_is_pending(f.service)) /* the event loop commits by itself */
                ck_assert_int_gt(sd_event_run(f.event, 1000000), 0);
        ck_assert_int_eq(answer.n, 1);
        ck_assert_int_eq(answer.r, 0);
        ck_assert_int_eq(service_when_committed(f.service, note_answer, &answer), 0);
        ck_assert_int_eq(answer.n, 2); /* nothing pending: at once */
}
END_TEST

/* Where the kernel gives PASIDs out itself, from 1 upward, its own come last; a restart goes on behind the youngest. */
START_TEST(test_upper_half_first) {
        f.kernel.gives_pasids = true;
        fixture_restart(&f);
        fixture_consumer(&f, "vm", "0000:01:00.0", HOLD_BOOT);
        ck_assert_uint_eq(alloc_one("vm"), 0x80000);
        ck_assert_int_eq(service_flush(f.service), 0);
        fixture_restart(&f);
        ck_assert_uint_eq(alloc_one("vm"), 0x80001);
        fixture_consumer(&f, "narrow", "0000:02:00.0", HOLD_BOOT);
        ck_assert_uint_eq(alloc_one("narrow"), 128);
}
END_TEST

START_TEST(test_failed_commit_undoes_all_of_the_batch) {
        struct answer answers[2] = {};
        uint32_t first, second;

        fixture_consumer(&f, "vm", NULL, HOLD_BOOT);
        first = alloc_one("vm");
        ck_assert_int_eq(service_when_committed(f.service, note_answer, &answers[0]), 0);
        second = alloc_one("vm");
        ck_assert_uint_ne(first, second);
        ck_assert_int_eq(service_when_committed(f.service, note_answer, &answers[1]), 0);
        fault_store_fail(f.runtime, 1, EFBIG);
        ck_assert_int_eq(service_flush(f.service), -EFBIG);
        for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(answers[i].n, 1);
                ck_assert_int_eq(answers[i].r, -EFBIG);
        }
        ck_assert_ptr_null(core_row_get(get("vm"), first));
        ck_assert_ptr_null(core_row_get(get("vm"), second));
        ck_assert_uint_eq(alloc_one("vm"), first);
        restart();
        ck_assert_ptr_nonnull(core_row_get(get("vm"), first));
        ck_assert_ptr_null(core_row_get(get("vm"), second));
}
END_TEST

/* Every step of every request is refused in turn; each refusal leaves what was there before, and others in the batch alone. */
START_TEST(test_each_step_refused) {
        struct answer answer;
        struct refusal refusal;
        uint32_t kept, many[8];
        unsigned n;

        fixture_consumer(&f, "vm", "0000:01:00.0", HOLD_BOOT);
        for (n = 1; n < 40; n++) {
                struct core_stats before, after;
                int r;

                answer = (struct answer) {};
                kept = alloc_one("vm");
                ck_assert_int_eq(service_when_committed(f.service, note_answer, &answer), 0);
                core_get_stats(service_core(f.service), &before);

                fault_store_fail(f.runtime, n, EFBIG);
                refusal = (struct refusal) {};
                r = alloc("vm", 8, 0, 0, many, &refusal);
                fault_store_fail(f.runtime, 0, 0);
                if (r < 0) {
                        ck_assert_int_eq(r, -EFBIG);
                        core_get_stats(service_core(f.service), &after);
                        ck_assert_uint_eq(before.n_live, after.n_live);
                }
                ck_assert_int_eq(service_flush(f.service), 0);
                ck_assert_int_eq(answer.n, 1);
                ck_assert_int_eq(answer.r, 0);
                ck_assert_ptr_nonnull(core_row_get(get("vm"), kept));
                if (r >= 0)
                        break;
        }
        ck_assert_uint_eq(n, 11); /* savepoint, eight rows, release, and then the one that did not fail */
        restart();
        ck_assert_uint_eq(get("vm")->n_live, n + 8);
}
END_TEST

START_TEST(test_init_and_exit_refused) {
        struct init_request request = { .uid = 1000, .name = "vm", .hold = HOLD_BOOT };
        struct refusal refusal = {};
        struct consumer *c;
        uint32_t pasid;

        fault_store_fail(f.runtime, 2, EIO);
        ck_assert_int_eq(service_init_consumer(f.service, &request, &c, &refusal), -EIO);
        ck_assert_ptr_null(get("vm"));
        c = fixture_consumer(&f, "vm", NULL, HOLD_BOOT);
        pasid = alloc_one("vm");
        ck_assert_int_eq(service_flush(f.service), 0);
        fault_store_fail(f.runtime, 3, EFBIG);
        ck_assert_int_eq(service_exit_consumer(f.service, c, "exit", &refusal), -EFBIG);
        ck_assert_ptr_nonnull(get("vm"));
        ck_assert_int_eq(core_row_get(get("vm"), pasid)->state, ROW_ALLOCATED);
        ck_assert_int_eq(service_exit_consumer(f.service, c, "exit", &refusal), 0);
        ck_assert_ptr_null(get("vm"));
}
END_TEST

START_TEST(test_refusals) {
        const char *device = "0000:03:00.0", *twice[] = { "0000:01:00.0", "01:00.0" }, *unknown = "0000:7f:00.0", *odd = "x";
        struct init_request request = { .uid = 1000, .name = "vm", .hold = HOLD_BOOT, .devices = &device, .n_devices = 1 };
        struct refusal refusal = {};
        struct consumer *c;

        ck_assert_int_eq(service_init_consumer(f.service, &request, &c, &refusal), -EMEDIUMTYPE);
        ck_assert_ptr_nonnull(strstr(refusal.text, "no PASID capability"));
        request.devices = &unknown;
        ck_assert_int_eq(service_init_consumer(f.service, &request, &c, &refusal), -ENODEV);
        request.devices = &odd;
        ck_assert_int_eq(service_init_consumer(f.service, &request, &c, &refusal), -EINVAL);
        request.devices = twice;
        request.n_devices = 2;
        ck_assert_int_eq(service_init_consumer(f.service, &request, &c, &refusal), -EINVAL);
        request.n_devices = 1;
        request.hold = HOLD_PERSISTENT;
        ck_assert_int_eq(service_init_consumer(f.service, &request, &c, &refusal), -EACCES);
        request.hold = HOLD_BOOT;
        request.mode = MODE_MEDIATED;
        request.n_devices = 0;
        ck_assert_int_eq(service_init_consumer(f.service, &request, &c, &refusal), -EINVAL);
        ck_assert_ptr_nonnull(strstr(refusal.text, "no device to attach to"));
}
END_TEST

START_TEST(test_private_data) {
        _cleanup_free_ void *data = NULL, *longer = calloc(1, PRIVATE_MAX);
        struct refusal refusal = {};
        uint32_t pasid;
        size_t size;

        fixture_consumer(&f, "vm", NULL, HOLD_BOOT);
        pasid = alloc_one("vm");
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_int_eq(service_get_private(f.service, get("vm"), pasid, &data, &size, &refusal), 0);
        ck_assert_uint_eq(size, 3);
        ck_assert_mem_eq(data, "abc", 3);
        ck_assert_int_eq(service_set_private(f.service, get("vm"), pasid, longer, PRIVATE_MAX + 1, &refusal), -EMSGSIZE);
        ck_assert_int_eq(service_set_private(f.service, get("vm"), pasid, longer, PRIVATE_MAX, &refusal), 0);
        restart();
        free(TAKE_PTR(data));
        ck_assert_int_eq(service_get_private(f.service, get("vm"), pasid, &data, &size, &refusal), 0);
        ck_assert_uint_eq(size, PRIVATE_MAX);
        ck_assert_int_eq(service_free_pasids(f.service, get("vm"), &pasid, 1, &refusal), 0);
        ck_assert_int_eq(service_get_private(f.service, get("vm"), pasid, &data, &size, &refusal), -ENOENT);
}
END_TEST

START_TEST(test_cooling_survives_restart_and_ends) {
        struct refusal refusal = {};
        uint32_t pasid;

        fixture_consumer(&f, "vm", "0000:01:00.0", HOLD_BOOT);
        pasid = alloc_one("vm");
        ck_assert_int_eq(service_exit_consumer(f.service, get("vm"), "exit", &refusal), 0);
        restart();
        ck_assert_ptr_null(get("vm"));
        fixture_consumer(&f, "vm", "0000:01:00.0", HOLD_BOOT);
        ck_assert_int_eq(alloc("vm", 1, pasid, pasid, &pasid, &refusal), -EAGAIN);
        f.now.boottime_usec += 30000000 - 1;
        ck_assert_int_eq(alloc("vm", 1, pasid, pasid, &pasid, &refusal), -EAGAIN);
        f.now.boottime_usec += 1;
        ck_assert_int_eq(alloc("vm", 1, pasid, pasid, &pasid, &refusal), 0);
        restart();
        ck_assert_int_eq(core_row_get(get("vm"), pasid)->state, ROW_ALLOCATED);
}
END_TEST

/* Cooling numbers of both tables end in one sweep. */
START_TEST(test_cooling_in_both_tables) {
        struct refusal refusal = {};
        struct core_stats stats;

        for (int i = 0; i < 3; i++) {
                fixture_consumer(&f, "a", "0000:01:00.0", HOLD_BOOT);
                fixture_consumer(&f, "b", "0000:02:00.0", HOLD_PERSISTENT);
                (void) alloc_one("a");
                (void) alloc_one("b");
                ck_assert_int_eq(service_exit_consumer(f.service, get("a"), "exit", &refusal), 0);
                ck_assert_int_eq(service_exit_consumer(f.service, get("b"), "exit", &refusal), 0);
        }
        ck_assert_int_eq(service_flush(f.service), 0);
        core_get_stats(service_core(f.service), &stats);
        ck_assert_uint_eq(stats.n_cooling, 6);
        f.now.boottime_usec += 30000000;
        fixture_run_until(&f, (core_get_stats(service_core(f.service), &stats), stats.n_cooling == 0));
        restart();
        core_get_stats(service_core(f.service), &stats);
        ck_assert_uint_eq(stats.n_cooling, 0);
}
END_TEST

START_TEST(test_holder_gone_and_renamed) {
        fixture_consumer(&f, "a", NULL, HOLD_CONNECTION);
        fixture_consumer(&f, "b", NULL, HOLD_CONNECTION);
        fixture_consumer(&f, "c", NULL, HOLD_BOOT);
        (void) alloc_one("a");
        restart();
        ck_assert_str_eq(get("a")->holder, "peer:1:2:3");
        ck_assert_int_eq(service_holder_rename(f.service, "peer:1:2:3", "peer:1:2:4"), 2);
        restart();
        ck_assert_int_eq(service_holder_gone(f.service, "peer:1:2:3", "holder-gone"), 0);
        ck_assert_int_eq(service_holder_gone(f.service, "peer:1:2:4", "holder-gone"), 2);
        ck_assert_ptr_null(get("a"));
        ck_assert_ptr_null(get("b"));
        ck_assert_ptr_nonnull(get("c"));
}
END_TEST

START_TEST(test_reboot) {
        struct refusal refusal = {};
        uint32_t pasid, narrow;

        fixture_consumer(&f, "boot", NULL, HOLD_BOOT);
        fixture_consumer(&f, "wide", "0000:01:00.0", HOLD_PERSISTENT);
        fixture_consumer(&f, "narrow", "0000:02:00.0", HOLD_PERSISTENT);
        pasid = alloc_one("wide");
        narrow = alloc_one("narrow");
        fixture_stop(&f);
        memset(f.boot_id, 'b', 32);
        f.kernel.devices[0].group = 12; /* the two groups have changed places */
        f.kernel.devices[1].group = 11;
        ck_assert_int_eq(fixture_start(&f), 0);
        ck_assert_ptr_null(get("boot"));
        ck_assert_int_eq(core_row_get(get("wide"), pasid)->state, ROW_RESERVED);
        ck_assert_int_eq(core_row_get(get("narrow"), narrow)->state, ROW_RESERVED);
        ck_assert_int_eq(consumer_home_space(get("wide")), 12);

        restart(); /* in the same boot: as it was left */
        ck_assert_int_eq(core_row_get(get("wide"), pasid)->state, ROW_RESERVED);

        fixture_stop(&f);
        memset(f.boot_id, 'c', 32);
        f.kernel.devices[0].group = 11; /* the first is gone, and its group's number is another's now */
        f.kernel.devices[0].address = "0000:09:00.0";
        f.kernel.devices[1].group = 12;
        ck_assert_int_eq(fixture_start(&f), 0);
        ck_assert_int_eq(core_row_get(get("wide"), pasid)->state, ROW_LOST);
        ck_assert_int_eq(core_row_get(get("narrow"), narrow)->state, ROW_RESERVED);
        f.kernel.devices[0].address = "0000:01:00.0"; /* a replug revives nothing */
        restart();
        ck_assert_int_eq(core_row_get(get("wide"), pasid)->state, ROW_LOST);
        ck_assert_int_eq(service_free_pasids(f.service, get("wide"), &pasid, 1, &refusal), 0);
}
END_TEST

/* A start that fails half-way after a reboot is no start: the next one does all of it again. */
START_TEST(test_failed_start_after_reboot) {
        uint32_t pasid;
        int r;

        fixture_consumer(&f, "wide", "0000:01:00.0", HOLD_PERSISTENT);
        pasid = alloc_one("wide");
        fixture_stop(&f);
        memset(f.boot_id, 'b', 32);
        f.kernel.devices[0].group = 12;
        f.kernel.devices[1].group = 11;
        for (unsigned n = 1;; n++) {
                f.fail_start_at = n;
                r = fixture_start(&f);
                if (r == 0)
                        break;
                ck_assert_int_eq(r, -EIO);
                ck_assert_uint_lt(n, 20);
        }
        ck_assert_uint_eq(consumer_home_space(get("wide")), 12);
        ck_assert_int_eq(core_row_get(get("wide"), pasid)->state, ROW_RESERVED);
}
END_TEST

/* What cools in one table is no business of a request to the other, even when it can't be written. */
START_TEST(test_expiry_stays_in_its_table) {
        uint32_t many[200], pasid;
        struct refusal refusal = {};

        fixture_consumer(&f, "stays", "0000:02:00.0", HOLD_PERSISTENT);
        fixture_consumer(&f, "boot", "0000:02:00.0", HOLD_BOOT);
        ck_assert_int_eq(alloc("stays", 200, 0, 0, many, &refusal), 0);
        ck_assert_int_eq(service_free_pasids(f.service, get("stays"), many, 200, &refusal), 0);
        ck_assert_int_eq(service_flush(f.service), 0);
        f.now.boottime_usec += 30000000;
        fault_store_fail(f.persistent, 1, EFBIG);
        ck_assert_msg(alloc("boot", 1, 0, 0, &pasid, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_uint_eq(get("stays")->n_cooling, 200);
        fault_store_fail(f.persistent, 0, 0);
        ck_assert_msg(alloc("boot", 254, 0, 0, (uint32_t[254]) {}, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_uint_eq(get("stays")->n_cooling, 0);
        ck_assert_uint_eq(get("boot")->n_live, 255);
}
END_TEST

/* Else each change would be asked of the table that the consumer is not in. */
START_TEST(test_a_table_in_the_others_place) {
        char run[128], lib[128];

        fixture_consumer(&f, "boot", "0000:02:00.0", HOLD_BOOT);
        fixture_stop(&f);
        (void) snprintf(run, sizeof(run), "%s/run/pasidd.db", f.dir);
        (void) snprintf(lib, sizeof(lib), "%s/lib/pasidd.db", f.dir);
        ck_assert_int_eq(rename(run, lib), 0);
        ck_assert_int_eq(fixture_start(&f), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(f.refusal.text, "\"boot\" of uid 1000 with hold \"boot\""));
        ck_assert_int_eq(rename(lib, run), 0);
        ck_assert_msg(fixture_start(&f) == 0, "%s", f.refusal.text);
        ck_assert_ptr_nonnull(get("boot"));
}
END_TEST

/* The end of a holder that the table refuses is made good later. */
START_TEST(test_holder_gone_is_retried) {
        fixture_consumer(&f, "a", NULL, HOLD_CONNECTION);
        ck_assert_int_eq(service_holder_gone(f.service, "peer:1:2:3", "holder-gone"), 1);
        fault_store_fail(f.runtime, 1, EFBIG);
        ck_assert_int_eq(service_flush(f.service), -EFBIG);
        ck_assert_ptr_nonnull(get("a"));
        while (get("a") || service_is_pending(f.service))
                ck_assert_int_gt(sd_event_run(f.event, 20000000), 0);
        restart();
        ck_assert_ptr_null(get("a"));
}
END_TEST

/* Freed numbers were perhaps attached by their holder: even those that came back reserved cool. */
START_TEST(test_reserved_cools) {
        struct refusal refusal = {};
        uint32_t pasid;

        fixture_consumer(&f, "wide", "0000:01:00.0", HOLD_PERSISTENT);
        pasid = alloc_one("wide");
        fixture_stop(&f);
        memset(f.boot_id, 'b', 32);
        ck_assert_int_eq(fixture_start(&f), 0);
        ck_assert_int_eq(service_free_pasids(f.service, get("wide"), &pasid, 1, &refusal), 0);
        ck_assert_int_eq(core_row_get(get("wide"), pasid)->state, ROW_COOLING);
}
END_TEST

/* The clock by which it was freed ended with its boot, and so did what could have been attached. */
START_TEST(test_cooling_does_not_outlive_the_boot) {
        struct refusal refusal = {};
        uint32_t pasid;

        f.now.boottime_usec = UINT64_C(40) * 86400 * 1000000;
        fixture_consumer(&f, "wide", "0000:01:00.0", HOLD_PERSISTENT);
        pasid = alloc_one("wide");
        ck_assert_int_eq(service_free_pasids(f.service, get("wide"), &pasid, 1, &refusal), 0);
        fixture_stop(&f);
        memset(f.boot_id, 'b', 32);
        f.now.boottime_usec = 60000000;
        ck_assert_int_eq(fixture_start(&f), 0);
        for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(alloc("wide", 1, pasid, pasid, &pasid, &refusal), 0);
                ck_assert_int_eq(service_free_pasids(f.service, get("wide"), &pasid, 1, &refusal), 0);
                f.now.boottime_usec += 30000000;
                restart();
        }
}
END_TEST

START_TEST(test_device_gone) {
        struct refusal refusal = {};
        uint32_t pasid;

        fixture_consumer(&f, "wide", "0000:01:00.0", HOLD_BOOT);
        fixture_stop(&f);
        f.kernel.devices[0].address = "0000:09:00.0";
        ck_assert_int_eq(fixture_start(&f), 0);
        ck_assert_int_eq(alloc("wide", 1, 0, 0, &pasid, &refusal), -ENXIO);
}
END_TEST

static void count_news(const struct consumer *c, uint32_t pasid, const char *reason, void *userdata) {
        ck_assert_str_eq(reason, pasid == 1 ? "freed" : "exit");
        ++*(int *) userdata;
}

START_TEST(test_news_have_reasons) {
        int n = 0;
        struct service_listener listener = { .pasid_freed = count_news, .userdata = &n };
        struct refusal refusal = {};
        uint32_t one = 1;

        service_set_listener(f.service, &listener);
        service_want_pasid_news(f.service, true);
        fixture_consumer(&f, "vm", NULL, HOLD_BOOT);
        ck_assert_uint_eq(alloc_one("vm"), 1);
        ck_assert_uint_eq(alloc_one("vm"), 2);
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_int_eq(service_free_pasids(f.service, get("vm"), &one, 1, &refusal), 0);
        ck_assert_int_eq(service_exit_consumer(f.service, get("vm"), "exit", &refusal), 0);
        ck_assert_int_eq(n, 0); /* not before the commit */
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_int_eq(n, 2);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service");
        TCase *tc = tcase_create("service");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, test_reply_waits_for_commit);
        tcase_add_test(tc, test_upper_half_first);
        tcase_add_test(tc, test_failed_commit_undoes_all_of_the_batch);
        tcase_add_test(tc, test_each_step_refused);
        tcase_add_test(tc, test_init_and_exit_refused);
        tcase_add_test(tc, test_refusals);
        tcase_add_test(tc, test_private_data);
        tcase_add_test(tc, test_cooling_survives_restart_and_ends);
        tcase_add_test(tc, test_cooling_in_both_tables);
        tcase_add_test(tc, test_holder_gone_and_renamed);
        tcase_add_test(tc, test_reboot);
        tcase_add_test(tc, test_failed_start_after_reboot);
        tcase_add_test(tc, test_expiry_stays_in_its_table);
        tcase_add_test(tc, test_a_table_in_the_others_place);
        tcase_add_test(tc, test_holder_gone_is_retried);
        tcase_add_test(tc, test_reserved_cools);
        tcase_add_test(tc, test_cooling_does_not_outlive_the_boot);
        tcase_add_test(tc, test_device_gone);
        tcase_add_test(tc, test_news_have_reasons);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
