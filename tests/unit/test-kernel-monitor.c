/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * News of devices in an event loop, from the real kernel: root can have it
 * repeat the news of a device that is there.
 */
#include "suite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal/cleanup.h"
#include "kernel/kernel.h"
#include "kernel/monitor.h"

#define LIMIT_USEC 5000000

static sd_event *event;
static struct monitor *monitor;
static struct refusal refusal;
static unsigned int n_news;

static void on_news(void *userdata) {
        ck_assert_ptr_eq(userdata, &n_news);
        n_news++;
}

static void set_up(void) {
        n_news = 0;
        ck_assert_int_ge(sd_event_new(&event), 0);
}

static void tear_down(void) {
        monitor = monitor_free(monitor);
        event = sd_event_unref(event);
}

/* Has the kernel say "change" of some device in the directory. false: it can't be had here. */
static bool provoke(const char *devices) {
        _cleanup_close_ int fd = -EBADF;
        char path[PATH_MAX];
        struct dirent *entry;
        bool done = false;
        DIR *dir;

        dir = opendir(devices);
        while (dir && !done && (entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                (void) snprintf(path, sizeof(path), "%s/%s/uevent", devices, entry->d_name);
                fd = open(path, O_WRONLY | O_CLOEXEC);
                done = fd >= 0 && write(fd, "change", 6) == 6;
                fd = close_fd(fd);
        }
        if (dir)
                (void) closedir(dir);
        if (!done)
                printf("# skipped: no uevent can be provoked in %s\n", devices);
        return done;
}

static void run_until_news(void) {
        uint64_t now, end;

        ck_assert_int_ge(sd_event_now(event, CLOCK_MONOTONIC, &now), 0);
        end = now + LIMIT_USEC;
        while (n_news == 0 && now < end) {
                ck_assert_int_ge(sd_event_run(event, end - now), 0);
                ck_assert_int_ge(sd_event_now(event, CLOCK_MONOTONIC, &now), 0);
        }
}

START_TEST(from_kernel) {
        ck_assert_msg(monitor_new(event, "/nonexistent", on_news, &n_news, &monitor, &refusal) == 0, "%s",
                      refusal.text);
        if (!provoke("/sys/bus/pci/devices"))
                return;
        run_until_news();
        ck_assert_uint_ge(n_news, 1);
}
END_TEST

/* News of other devices come before those of ours, so that they were seen once ours are there. */
START_TEST(only_ours) {
        ck_assert_int_eq(monitor_new(event, "/nonexistent", on_news, &n_news, &monitor, &refusal), 0);
        if (!provoke("/sys/class/mem"))
                return;
        while (sd_event_run(event, 0) > 0)
                ;
        ck_assert_uint_eq(n_news, 0);
        if (!provoke("/sys/bus/pci/devices"))
                return;
        run_until_news();
        ck_assert_uint_eq(n_news, 1);
}
END_TEST

START_TEST(after_free) {
        ck_assert_int_eq(monitor_new(event, "/nonexistent", on_news, &n_news, &monitor, &refusal), 0);
        if (!provoke("/sys/bus/pci/devices"))
                return;
        monitor = monitor_free(monitor);
        while (sd_event_run(event, 0) > 0)
                ;
        ck_assert_uint_eq(n_news, 0);
}
END_TEST

/* "/" stands for the control socket of an udevd, which is what libsystemd's monitor needs to hear anything. */
START_TEST(from_udev) {
        ck_assert_msg(monitor_new(event, "/", on_news, &n_news, &monitor, &refusal) == 0, "%s", refusal.text);
        if (access(MONITOR_UDEV_CONTROL, F_OK) < 0) {
                printf("# skipped: no udevd runs here\n");
                return;
        }
        if (!provoke("/sys/bus/pci/devices"))
                return;
        run_until_news();
        ck_assert_uint_ge(n_news, 1);
}
END_TEST

START_TEST(kernel_watches_once) {
        const struct kernel_params params = {};
        struct kernel *k = NULL;

        ck_assert_int_eq(kernel_new(&params, &k, &refusal), 0);
        ck_assert_msg(k->ops->watch(k, event, on_news, &n_news, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(k->ops->watch(k, event, on_news, &n_news, &refusal), -EINVAL);
        ck_assert_ptr_null(k->ops->free(k));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("kernel-monitor");
        TCase *tc = tcase_create("monitor");

        tcase_add_checked_fixture(tc, set_up, tear_down);
        tcase_add_test(tc, from_kernel);
        tcase_add_test(tc, only_ours);
        tcase_add_test(tc, after_free);
        tcase_add_test(tc, from_udev);
        tcase_add_test(tc, kernel_watches_once);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
