/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Check names each way in which table and kernel can differ, and nothing else.
 */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "service-fixture.h"
#include "suite.h"

static struct fixture f;
static uint32_t one, two;

static void setup(void) {
        fixture_init(&f);
        ck_assert_int_eq(fixture_start(&f), 0);
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0", "0000:02:00.0"));
        fixture_mediated(&f, 1000, "other", HOLD_BOOT, DEVICES("0000:01:00.0"));
        fixture_consumer(&f, "advisory", "0000:04:00.0", HOLD_BOOT);
        one = fixture_alloc_attached(&f, "vm");
        two = fixture_alloc_attached(&f, "other");
}

static void teardown(void) {
        fixture_done(&f);
}

struct report {
        char text[2048];
        int r; /* what the callbacks return */
};

static void append(struct report *report, const char *a, const char *b, const char *c, uint32_t pasid) {
        size_t n = strlen(report->text);

        ck_assert_int_lt(snprintf(report->text + n, sizeof(report->text) - n, "%s %s %s %u\n", a, b, c, pasid),
                         (int) (sizeof(report->text) - n));
}

static int note_found(const struct finding *finding, void *userdata) {
        struct report *report = userdata;

        append(report, finding_kind_to_string(finding->kind), finding->device ?: finding->text,
               finding->consumer ? finding->consumer->name : "-", finding->pasid);
        return report->r;
}

static int note_skipped(const char *device, const char *why, void *userdata) {
        struct report *report = userdata;

        append(report, "skipped", device, why, 0);
        return report->r;
}

static void expect(const char *format, ...) _printf_(1, 2);
static void expect(const char *format, ...) {
        struct report report = {};
        char expected[2048];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(expected, sizeof(expected), format, ap);
        va_end(ap);
        ck_assert_int_eq(service_check(f.service, &(struct check_listener) { note_found, note_skipped, &report }), 0);
        ck_assert_str_eq(report.text, expected);
}

START_TEST(test_agreement) {
        struct refusal refusal = {};

        expect("%s", "");
        ck_assert_int_eq(service_detach(f.service, fixture_get(&f, "other"), two, &refusal), 0);
        ck_assert_int_eq(service_free_pasids(f.service, fixture_get(&f, "vm"), &one, 1, &refusal), 0);
        expect("%s", "");
        ck_assert_int_eq(service_exit_consumer(f.service, fixture_get(&f, "other"), "exit", &refusal), 0);
        expect("%s", ""); /* and what is pending is committed first */
        ck_assert(!service_is_pending(f.service));
        ck_assert_int_eq(service_exit_consumer(f.service, fixture_get(&f, "vm"), "exit", &refusal), 0);
        expect("%s", "");
        fixture_restart(&f);
        expect("%s", "");
}
END_TEST

START_TEST(test_not_in_kernel) {
        f.kernel.hidden = one;
        expect("not-in-kernel 0000:01:00.0 vm %u\nnot-in-kernel 0000:02:00.0 vm %u\n", one, one);
        f.kernel.hidden = two;
        expect("not-in-kernel 0000:01:00.0 other %u\n", two);
}
END_TEST

START_TEST(test_not_in_table) {
        f.kernel.shown = 77;
        expect("not-in-table 0000:01:00.0 - 77\nnot-in-table 0000:02:00.0 - 77\n");
        f.kernel.shown = two; /* the other's, where that has no device */
        expect("not-in-table 0000:02:00.0 - %u\n", two);
}
END_TEST

START_TEST(test_cannot_be_looked_at) {
        f.kernel.is_secretive = true;
        f.kernel.hidden = one;
        expect("skipped 0000:01:00.0 The kernel does not show its tables. 0\n"
               "skipped 0000:02:00.0 The kernel does not show its tables. 0\n");
}
END_TEST

/* Memory has it attached where nothing is open: nobody's doing, so the test's own. */
START_TEST(test_attached_without_the_device) {
        struct core *core = service_core(f.service);
        uint32_t pasid;

        fixture_mediated(&f, 1000, "idle", HOLD_BOOT, DEVICES("0000:05:00.0"));
        ck_assert_int_eq(service_alloc(f.service, fixture_get(&f, "idle"), &(struct alloc_request) { .count = 1 }, NULL,
                                       &pasid, &(struct refusal) {}), 0);
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_int_eq(core_row_set_state(core, core_row_get(fixture_get(&f, "idle"), pasid), ROW_ATTACHED, &f.now),
                         0);
        core_commit(core);
        expect("device-not-held 0000:05:00.0 idle 0\n");
}
END_TEST

/* The table refuses to know that a device was let go. */
START_TEST(test_let_go_unwritten) {
        fake_kernel_request(&f.kernel, "0000:02:00.0");
        fixture_run_until(&f, (fault_store_fail(f.runtime, 1, EFBIG),
                               !fake_kernel_has_open(&f.kernel, "0000:02:00.0")));
        fault_store_fail(f.runtime, 0, 0); /* it is well again, and has not been told yet */
        ck_assert_int_eq(fixture_state(&f, "vm", one), ROW_ATTACHED);
        expect("device-gone 0000:02:00.0 vm 0\n");
        fixture_run_until(&f, fixture_state(&f, "vm", one) == ROW_LOST);
        expect("device-gone 0000:02:00.0 vm 0\n"); /* until they are freed */
        ck_assert_int_eq(service_free_pasids(f.service, fixture_get(&f, "vm"), &one, 1, &(struct refusal) {}), 0);
        expect("%s", "");
}
END_TEST

START_TEST(test_device_gone) {
        uint32_t pasid;

        ck_assert_int_eq(service_alloc(f.service, fixture_get(&f, "advisory"), &(struct alloc_request) { .count = 1 },
                                       NULL, &pasid, &(struct refusal) {}), 0);
        f.kernel.devices[3].address = "0000:09:00.0";
        ck_assert_int_eq(service_rediscover(f.service, NULL), 0);
        expect("device-gone 0000:04:00.0 advisory 0\n");
}
END_TEST

/* What is wrong with a table or a descriptor is told, and the rest compared all the same. */
START_TEST(test_not_healthy) {
        struct fault_store *stores[] = { f.runtime, f.persistent };
        int fd, copy;

        f.kernel.shown = 77;
        for (size_t i = 0; i < ELEMENTSOF(stores); i++) {
                fault_store_fail(stores[i], 1, EIO);
                expect("not-healthy The test refused this step. - 0\n"
                       "not-in-table 0000:01:00.0 - 77\nnot-in-table 0000:02:00.0 - 77\n");
                fault_store_fail(stores[i], 0, 0);
        }
        f.kernel.shown = 0;
        expect("%s", "");
        fd = f.kernel.iommufd;
        copy = dup(fd);
        ck_assert_int_ge(copy, 0);
        ck_assert_int_eq(close(fd), 0);
        expect("not-healthy The file descriptor of the IOMMU is not open any more: Bad file descriptor. - 0\n");
        ck_assert_int_eq(dup2(copy, fd), fd);
        ck_assert_int_eq(close(copy), 0);
        expect("%s", "");
}
END_TEST

/* Whoever listens can have enough. */
START_TEST(test_listener_stops) {
        struct report report = { .r = -ENOBUFS };

        f.kernel.shown = 77;
        ck_assert_int_eq(service_check(f.service, &(struct check_listener) { note_found, note_skipped, &report }),
                         -ENOBUFS);
        ck_assert_str_eq(report.text, "not-in-table 0000:01:00.0 - 77\n");
        report.text[0] = '\0';
        f.kernel.is_secretive = true;
        ck_assert_int_eq(service_check(f.service, &(struct check_listener) { note_found, note_skipped, &report }),
                         -ENOBUFS);
        ck_assert_ptr_nonnull(strstr(report.text, "skipped"));
        ck_assert_ptr_null(strstr(report.text, "02:00.0"));
        ck_assert_str_eq(finding_kind_to_string(FINDING_KIND_MAX_), "?");
        ck_assert_str_eq(finding_kind_to_string(FINDING_DEVICE_NOT_HELD), "device-not-held");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-check");
        TCase *tc = tcase_create("check");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, test_agreement);
        tcase_add_test(tc, test_not_in_kernel);
        tcase_add_test(tc, test_not_in_table);
        tcase_add_test(tc, test_cannot_be_looked_at);
        tcase_add_test(tc, test_attached_without_the_device);
        tcase_add_test(tc, test_let_go_unwritten);
        tcase_add_test(tc, test_device_gone);
        tcase_add_test(tc, test_not_healthy);
        tcase_add_test(tc, test_listener_stops);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
