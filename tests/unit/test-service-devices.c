/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices are wanted back, go, come and change hands, and are given away:
 * whoever has numbers on one is warned, loses them, and nobody waits for it.
 */
#include <stdarg.h>
#include <string.h>

#include "service-fixture.h"
#include "suite.h"

#define LONG_USEC 100000000U /* no test waits for that */

static struct fixture f;

static void setup(void) {
        fixture_init(&f);
        ck_assert_int_eq(fixture_start(&f), 0);
        fixture_listen(&f);
}

static void teardown(void) {
        fixture_done(&f);
}

static struct consumer *vm(void) {
        return fixture_get(&f, "vm");
}

static void set_release(uint64_t usec) {
        f.service_limits.release_usec = usec;
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &f.service_limits), 0);
}

static bool is_open(const char *address) {
        return fake_kernel_has_open(&f.kernel, address);
}

static int detach(const char *name, uint32_t pasid) {
        struct refusal refusal = {};

        return service_detach(f.service, fixture_get(&f, name), pasid, &refusal);
}

static int attach(const char *name, uint32_t pasid) {
        struct refusal refusal = {};

        return service_attach(f.service, fixture_get(&f, name), pasid, &refusal);
}

static void leave(const char *name) {
        struct refusal refusal = {};

        ck_assert_msg(service_exit_consumer(f.service, fixture_get(&f, name), "exit", &refusal) == 0, "%s",
                      refusal.text);
        ck_assert_int_eq(service_flush(f.service), 0);
}

static void expect_news(const char *format, ...) _printf_(1, 2);
static void expect_news(const char *format, ...) {
        char expected[NEWS_MAX];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(expected, sizeof(expected), format, ap);
        va_end(ap);
        ck_assert_str_eq(f.news, expected);
        f.news[0] = '\0';
}

/* The owner does nothing: the time passes, the device is let go, and what was attached is lost. */
START_TEST(test_deadline_passes) {
        uint32_t one, two, idle;
        struct refusal refusal = {};

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0", "0000:02:00.0"));
        fixture_mediated(&f, 1000, "elsewhere", HOLD_BOOT, DEVICES("0000:02:00.0"));
        one = fixture_alloc_attached(&f, "vm");
        two = fixture_alloc_attached(&f, "elsewhere");
        idle = fixture_alloc_attached(&f, "vm");
        ck_assert_int_eq(detach("vm", idle), 0);
        f.news[0] = '\0';
        fake_kernel_request(&f.kernel, "0000:01:00.0");
        fixture_run_until(&f, f.news[0] != '\0');
        expect_news("requested 0000:01:00.0 20000 \n");
        ck_assert(is_open("0000:01:00.0"));
        ck_assert_int_eq(fixture_state(&f, "vm", one), ROW_ATTACHED);
        fake_kernel_request(&f.kernel, "0000:01:00.0"); /* again and again, while it waits */
        fixture_run_until(&f, !is_open("0000:01:00.0"));
        expect_news("lost vm %u device-gone\nlost vm %u device-gone\n", one, idle);
        ck_assert_int_eq(fixture_state(&f, "vm", one), ROW_LOST);
        ck_assert_int_eq(fixture_state(&f, "vm", idle), ROW_LOST);
        ck_assert_int_eq(fixture_state(&f, "elsewhere", two), ROW_ATTACHED);
        fixture_expect_consistent(&f);
        ck_assert_int_eq(service_device_held(f.service, "0000:01:00.0"), DEVICE_HELD_NOT);
        ck_assert_int_eq(service_device_held(f.service, "0000:02:00.0"), DEVICE_HELD_MEDIATED);

        ck_assert_int_eq(attach("vm", one), -ENXIO);
        ck_assert_int_eq(detach("vm", one), -ENOLINK);
        ck_assert_int_eq(service_alloc_mapped(f.service, vm(), &(struct alloc_request) { .count = 1 }, NULL, NULL, &two,
                                              &refusal), -ENXIO);
        ck_assert_int_eq(service_free_pasids(f.service, vm(), &one, 1, &refusal), 0);
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_int_eq(fixture_state(&f, "vm", one), ROW_COOLING); /* nobody saw it detached */
        fixture_expect_consistent(&f);
        leave("vm");
        leave("elsewhere");
        ck_assert_uint_eq(f.kernel.n_objects, 0);
}
END_TEST

START_TEST(test_owner_detaches_early) {
        uint32_t one, two;

        set_release(LONG_USEC);
        fixture_mediated(&f, 1000, "a", HOLD_BOOT, DEVICES("0000:01:00.0"));
        fixture_mediated(&f, 1000, "b", HOLD_BOOT, DEVICES("0000:01:00.0"));
        one = fixture_alloc_attached(&f, "a");
        two = fixture_alloc_attached(&f, "b");
        fixture_mediated(&f, 1000, "late", HOLD_BOOT, DEVICES("0000:01:00.0"));
        fake_kernel_request(&f.kernel, "0000:01:00.0");
        f.news[0] = '\0';
        fixture_run_until(&f, f.news[0] != '\0');
        expect_news("requested 0000:01:00.0 %u \n", LONG_USEC);
        ck_assert_int_eq(service_alloc_mapped(f.service, fixture_get(&f, "late"),
                                              &(struct alloc_request) { .count = 1 }, NULL, NULL, &one,
                                              &(struct refusal) {}), -ENXIO); /* it would be for a moment only */
        f.news[0] = '\0';
        ck_assert_int_eq(detach("a", one), 0);
        ck_assert_int_ge(sd_event_run(f.event, 0), 0);
        ck_assert(is_open("0000:01:00.0"));
        leave("b");
        expect_news("freed b %u exit\nended b 0 \n", two);
        fixture_run_until(&f, !is_open("0000:01:00.0"));
        expect_news("lost a %u device-gone\n", one);
        fixture_expect_consistent(&f);
        ck_assert_uint_eq(f.kernel.n_objects, 0);
}
END_TEST

/* What the table refuses has not happened: the owner has the rest of its time. */
START_TEST(test_early_detach_is_refused) {
        uint32_t pasid;

        set_release(LONG_USEC);
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        pasid = fixture_alloc_attached(&f, "vm");
        fake_kernel_request(&f.kernel, "0000:01:00.0");
        fixture_run_until(&f, strstr(f.news, "requested"));
        fault_store_fail(f.runtime, 1, EFBIG);
        ck_assert_int_eq(detach("vm", pasid), -EFBIG);
        fault_store_fail(f.runtime, 0, 0);
        while (sd_event_run(f.event, 0) > 0)
                ;
        ck_assert(is_open("0000:01:00.0"));
        ck_assert_int_eq(fixture_state(&f, "vm", pasid), ROW_ATTACHED);
        ck_assert_int_eq(detach("vm", pasid), 0);
        fixture_run_until(&f, !is_open("0000:01:00.0"));
        fixture_expect_consistent(&f);
}
END_TEST

/* The last one that uses it ends, and with it the holding and the waiting. */
START_TEST(test_owner_ends_early) {
        set_release(LONG_USEC);
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        (void) fixture_alloc_attached(&f, "vm");
        fake_kernel_request(&f.kernel, "0000:01:00.0");
        fixture_run_until(&f, strstr(f.news, "requested"));
        leave("vm");
        ck_assert_uint_eq(f.kernel.n_objects, 0);
        fixture_expect_consistent(&f);
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0")); /* it was not taken away after all */
        (void) fixture_alloc_attached(&f, "vm");
        fixture_expect_consistent(&f);
}
END_TEST

/* With nothing attached there is nothing to wait for; but its consumer loses it, and is told so. */
START_TEST(test_idle_device_is_let_go) {
        uint32_t pasid;

        set_release(LONG_USEC);
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        pasid = fixture_alloc_attached(&f, "vm");
        ck_assert_int_eq(detach("vm", pasid), 0);
        f.news[0] = '\0';
        fake_kernel_request(&f.kernel, "0000:01:00.0");
        fixture_run_until(&f, !is_open("0000:01:00.0"));
        expect_news("requested 0000:01:00.0 0 \nlost vm %u device-gone\n", pasid);
        fixture_expect_consistent(&f);

        /* One that was made before, and had nothing in the kernel, has lost it as well; one that is made now has not. */
        ck_assert_int_eq(attach("vm", pasid), -ENXIO);
        fixture_mediated(&f, 1000, "new", HOLD_BOOT, DEVICES("0000:01:00.0"));
        (void) fixture_alloc_attached(&f, "new");
        fixture_expect_consistent(&f);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_ATTACHMENT), 1);
        leave("new");
        ck_assert_uint_eq(f.kernel.n_objects, 0);
}
END_TEST

/* An unbind must not wait for a disk; and what is made in the meantime is none of the loss. */
START_TEST(test_table_refuses_the_loss) {
        uint32_t pasid, new;

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0", "0000:02:00.0"));
        pasid = fixture_alloc_attached(&f, "vm");
        fixture_consumer(&f, "idle", NULL, HOLD_BOOT);
        fake_kernel_request(&f.kernel, "0000:01:00.0");
        fixture_run_until(&f, (fault_store_fail(f.runtime, 1, EFBIG), !is_open("0000:01:00.0")));
        fault_store_fail(f.runtime, 0, 0);
        ck_assert_int_eq(fixture_state(&f, "vm", pasid), ROW_ATTACHED); /* as the table says */
        ck_assert_ptr_nonnull(fake_kernel_attachment(&f.kernel, "0000:02:00.0", pasid));
        ck_assert_int_eq(attach("vm", pasid), -EADDRINUSE);
        ck_assert_ptr_null(strstr(f.news, "lost"));

        fixture_mediated(&f, 1000, "new", HOLD_BOOT, DEVICES("0000:01:00.0"));
        new = fixture_alloc_attached(&f, "new");
        fixture_run_until(&f, fixture_state(&f, "vm", pasid) == ROW_LOST && !service_is_pending(f.service));
        ck_assert_int_eq(fixture_state(&f, "new", new), ROW_ATTACHED);
        ck_assert_ptr_nonnull(strstr(f.news, "lost vm"));
        ck_assert_ptr_null(strstr(f.news, "lost new"));
        fixture_expect_consistent(&f);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_ATTACHMENT), 1);
        leave("vm");
        leave("new");
        ck_assert_uint_eq(f.kernel.n_objects, 0);
}
END_TEST

/* In the meantime the owner itself detaches, or ends. */
START_TEST(test_owner_is_quicker_than_the_table) {
        struct refusal refusal = {};
        uint32_t pasid;

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0", "0000:02:00.0"));
        pasid = fixture_alloc_attached(&f, "vm");
        fake_kernel_request(&f.kernel, "0000:01:00.0");
        fixture_run_until(&f, (fault_store_fail(f.runtime, 1, EFBIG), !is_open("0000:01:00.0")));
        fault_store_fail(f.runtime, 2, EFBIG);
        ck_assert_int_eq(service_detach(f.service, vm(), pasid, &refusal), -EFBIG);
        ck_assert_ptr_nonnull(fake_kernel_attachment(&f.kernel, "0000:02:00.0", pasid));
        ck_assert_int_eq(detach("vm", pasid), 0);
        fixture_expect_consistent(&f);
        leave("vm");
        fixture_expect_consistent(&f);
        ck_assert_uint_eq(f.kernel.n_objects, 0);
}
END_TEST

/* Without the means to tell it, a device that is wanted is held: that is for the kernel layer to say; nothing breaks. */
START_TEST(test_device_without_news) {
        f.kernel.devices[0].has_no_news = true;
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        (void) fixture_alloc_attached(&f, "vm");
        fixture_expect_consistent(&f);
        leave("vm");
        ck_assert_uint_eq(f.kernel.n_objects, 0);
}
END_TEST

static void tell(void) {
        f.news[0] = '\0';
        fake_kernel_tell(&f.kernel);
        fixture_run_until(&f, strstr(f.news, "devices"));
}

START_TEST(test_device_vanishes_and_comes_back) {
        uint32_t pasid, advisory, both;
        struct refusal refusal = {};

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0", "0000:02:00.0"));
        fixture_mediated(&f, 1000, "stays", HOLD_PERSISTENT, DEVICES("0000:01:00.0"));
        fixture_consumer(&f, "advisory", "0000:01:00.0", HOLD_BOOT);
        fixture_consumer(&f, "elsewhere", "0000:02:00.0", HOLD_BOOT);
        pasid = fixture_alloc_attached(&f, "vm");
        both = fixture_alloc_attached(&f, "stays");
        ck_assert_int_eq(service_alloc(f.service, fixture_get(&f, "advisory"), &(struct alloc_request) { .count = 1 },
                                       NULL, &advisory, &refusal), 0);
        ck_assert_int_eq(service_flush(f.service), 0);
        f.kernel.devices[0].address = "0000:09:00.0";
        tell();
        ck_assert_int_eq(fixture_state(&f, "vm", pasid), ROW_LOST);
        ck_assert_int_eq(fixture_state(&f, "stays", both), ROW_LOST);
        ck_assert_int_eq(fixture_state(&f, "advisory", advisory), ROW_LOST);
        expect_news("lost vm %u device-gone\nlost stays %u device-gone\nlost advisory %u device-gone\ndevices  0 \n",
                    pasid, both, advisory);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_ATTACHMENT), 0);
        ck_assert(!is_open("0000:01:00.0"));
        fixture_expect_consistent(&f);

        f.kernel.devices[0].address = "0000:01:00.0"; /* a replug revives nothing */
        tell();
        expect_news("devices  0 \n");
        ck_assert_int_eq(attach("vm", pasid), -ENXIO);
        ck_assert_int_eq(service_alloc(f.service, fixture_get(&f, "advisory"), &(struct alloc_request) { .count = 1 },
                                       NULL, &advisory, &refusal), -ENXIO);
        fixture_mediated(&f, 1000, "new", HOLD_BOOT, DEVICES("0000:01:00.0"));
        ck_assert_uint_ne(fixture_alloc_attached(&f, "new"), pasid);
        fixture_expect_consistent(&f);
        fixture_restart(&f);
        ck_assert_int_eq(fixture_state(&f, "vm", pasid), ROW_LOST);
        ck_assert_int_eq(fixture_state(&f, "stays", both), ROW_LOST);
        fixture_expect_consistent(&f);
}
END_TEST

/* The same address in another group is another device, as far as its numbers go. */
START_TEST(test_group_changes) {
        uint32_t pasid, advisory;
        struct refusal refusal = {};

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        fixture_consumer(&f, "advisory", "0000:01:00.0", HOLD_BOOT);
        pasid = fixture_alloc_attached(&f, "vm");
        ck_assert_int_eq(service_alloc(f.service, fixture_get(&f, "advisory"), &(struct alloc_request) { .count = 1 },
                                       NULL, &advisory, &refusal), 0);
        f.kernel.devices[0].group = 21;
        tell();
        ck_assert_int_eq(fixture_state(&f, "vm", pasid), ROW_LOST);
        ck_assert_int_eq(fixture_state(&f, "advisory", advisory), ROW_LOST);
        fixture_expect_consistent(&f);
        fixture_mediated(&f, 1000, "new", HOLD_BOOT, DEVICES("0000:01:00.0"));
        ck_assert_int_eq(consumer_home_space(fixture_get(&f, "new")), 21);
        (void) fixture_alloc_attached(&f, "new");
        fixture_expect_consistent(&f);
}
END_TEST

/* An advisory consumer of a device that is only wanted back attaches by itself, and lets go by itself. */
START_TEST(test_advisory_keeps_a_wanted_device) {
        uint32_t advisory;

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        fixture_consumer(&f, "advisory", "0000:01:00.0", HOLD_BOOT);
        (void) fixture_alloc_attached(&f, "vm");
        ck_assert_int_eq(service_alloc(f.service, fixture_get(&f, "advisory"), &(struct alloc_request) { .count = 1 },
                                       NULL, &advisory, &(struct refusal) {}), 0);
        fake_kernel_request(&f.kernel, "0000:01:00.0");
        fixture_run_until(&f, !is_open("0000:01:00.0"));
        ck_assert_int_eq(fixture_state(&f, "advisory", advisory), ROW_ALLOCATED);
        fixture_expect_consistent(&f);
}
END_TEST

/* News come in showers, and are looked at once; a look that fails is no end of looking. */
START_TEST(test_news_are_gathered) {
        f.kernel.is_discover_failing = true;
        fake_kernel_tell(&f.kernel);
        fixture_consumer(&f, "a", NULL, HOLD_BOOT);
        ck_assert_int_gt(sd_event_run(f.event, 20000000), 0);
        ck_assert_int_lt(service_rediscover(f.service, &(struct refusal) {}), 0);
        f.kernel.is_discover_failing = false;
        f.news[0] = '\0';
        f.kernel.devices[0].width = 0;
        for (int i = 0; i < 10; i++)
                fake_kernel_tell(&f.kernel);
        expect_news("%s", "");
        fixture_run_until(&f, f.news[0] != '\0');
        expect_news("devices  0 \n");
        ck_assert_int_eq(service_rediscover(f.service, &(struct refusal) {}), 0); /* nothing new */
        expect_news("%s", "");
        ck_assert(!device_list_find(service_devices(f.service), "0000:01:00.0")->usable);
}
END_TEST

/* The driver was changed under a consumer that has nothing open: it is told so when it wants to attach. */
START_TEST(test_device_becomes_unusable) {
        uint32_t pasid;

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        ck_assert_int_eq(service_alloc(f.service, vm(), &(struct alloc_request) { .count = 1 }, NULL, &pasid,
                                       &(struct refusal) {}), 0);
        f.kernel.devices[0].width = 0;
        tell();
        ck_assert_int_eq(fixture_state(&f, "vm", pasid), ROW_ALLOCATED);
        ck_assert_int_eq(attach("vm", pasid), -EMEDIUMTYPE);
        ck_assert_uint_eq(f.kernel.n_objects, 0);
        f.kernel.devices[0].width = 20;
        tell();
        ck_assert_int_eq(attach("vm", pasid), 0);
        fixture_expect_consistent(&f);
}
END_TEST

/* A consumer that waits for its commit when its device goes, and is refused. */
START_TEST(test_device_goes_before_the_commit) {
        const char *device = "0000:01:00.0";
        struct init_request request = { .uid = 1000, .name = "vm", .devices = &device, .n_devices = 1, .hold = HOLD_BOOT };
        struct consumer *c;
        uint32_t pasid;

        ck_assert_int_eq(service_init_consumer(f.service, &request, &c, &(struct refusal) {}), 0);
        ck_assert_int_eq(service_alloc(f.service, c, &(struct alloc_request) { .count = 1 }, NULL, &pasid,
                                       &(struct refusal) {}), 0);
        f.kernel.devices[0].address = "0000:09:00.0";
        fault_store_fail(f.runtime, 1, EFBIG);
        ck_assert_int_eq(service_rediscover(f.service, &(struct refusal) {}), 0);
        ck_assert_ptr_null(vm());
        fixture_expect_consistent(&f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-devices");
        TCase *tc = tcase_create("devices");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, test_deadline_passes);
        tcase_add_test(tc, test_owner_detaches_early);
        tcase_add_test(tc, test_early_detach_is_refused);
        tcase_add_test(tc, test_owner_ends_early);
        tcase_add_test(tc, test_idle_device_is_let_go);
        tcase_add_test(tc, test_table_refuses_the_loss);
        tcase_add_test(tc, test_owner_is_quicker_than_the_table);
        tcase_add_test(tc, test_device_without_news);
        tcase_add_test(tc, test_device_vanishes_and_comes_back);
        tcase_add_test(tc, test_group_changes);
        tcase_add_test(tc, test_advisory_keeps_a_wanted_device);
        tcase_add_test(tc, test_news_are_gathered);
        tcase_add_test(tc, test_device_becomes_unusable);
        tcase_add_test(tc, test_device_goes_before_the_commit);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
