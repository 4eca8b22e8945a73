/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watchdog is told that all is well as long as it is, and nothing while a
 * table cannot do its work. Check tells why.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define WATCHDOG_USEC 300000U

static struct fixture *begin(void) {
        struct fixture *f = fixture_new(NULL);

        f->daemon->watchdog_usec = WATCHDOG_USEC;
        fixture_start(f);
        return f;
}

START_TEST(all_is_well) {
        struct fixture *f = begin();

        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(daemon_wait_notice(f->daemon, "WATCHDOG=1"), 0);
        fixture_free(f);
}
END_TEST

START_TEST(nobody_watches) {
        struct fixture *f = fixture_new_started(NULL);
        struct pollfd p = { .fd = f->daemon->notify_fd, .events = POLLIN };

        ck_assert_int_eq(poll(&p, 1, 2 * WATCHDOG_USEC / 1000), 0);
        fixture_free(f);
}
END_TEST

/* The file of either table is taken away, and comes back. */
START_TEST(a_table_is_gone) {
        static const char *const directories[] = { "run", "lib" };
        struct fixture *f = begin();
        struct pollfd p = { .fd = f->daemon->notify_fd, .events = POLLIN };
        struct client c = client_direct(f);
        char here[256], away[256];

        (void) snprintf(here, sizeof(here), "%s/%s/pasidd.db", f->dir, directories[_i]);
        (void) snprintf(away, sizeof(away), "%s/%s/away", f->dir, directories[_i]);
        ck_assert_int_eq(rename(here, away), 0);
        ck_assert_int_eq(daemon_wait_notice(f->daemon, "STATUS=Not healthy: "), 0);
        ck_assert(daemon_log_has(f->daemon, "the table's file can't be found any more"));
        ck_assert_int_eq(poll(&p, 1, 2 * WATCHDOG_USEC / 1000), 0); /* not a word in a time that would have it killed */
        ck_assert_int_ge(client_ping(&c), 0);                       /* though its loop turns */
        ck_assert_int_eq(rename(away, here), 0);
        ck_assert_int_eq(daemon_wait_notice(f->daemon, "STATUS=Healthy again"), 0);
        ck_assert_int_eq(daemon_wait_notice(f->daemon, "WATCHDOG=1"), 0);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* Whether Check has a finding; it is of a table that is gone then. */
static bool check_finds(struct client *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *path, *owner, *kind, *text;
        uint32_t pasid;
        int r;

        manager_ok(c, &reply, "Check", "a{sv}", 0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "(osuss)"), 0);
        r = sd_bus_message_read(reply, "(osuss)", &path, &owner, &pasid, &kind, &text);
        ck_assert_int_ge(r, 0);
        if (r == 0)
                return false;
        ck_assert_str_eq(path, PASIDD_PATH);
        ck_assert_str_eq(owner, "");
        ck_assert_uint_eq(pasid, 0);
        ck_assert_str_eq(kind, "not-healthy");
        ck_assert_ptr_nonnull(strstr(text, "the table's file can't be found any more"));
        ck_assert_int_gt(sd_bus_message_at_end(reply, 0), 0);
        return true;
}

START_TEST(check_tells) {
        struct fixture *f = fixture_new_started(NULL);
        struct client c = client_direct(f);
        char here[256], away[256];

        (void) snprintf(here, sizeof(here), "%s/run/pasidd.db", f->dir);
        (void) snprintf(away, sizeof(away), "%s/run/away", f->dir);
        ck_assert(!check_finds(&c));
        ck_assert_int_eq(rename(here, away), 0);
        ck_assert(check_finds(&c));
        ck_assert(daemon_log_has(f->daemon, "Not healthy: "));
        ck_assert_int_eq(rename(away, here), 0);
        ck_assert(!check_finds(&c));
        client_close(&c);
        fixture_free(f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-watchdog");
        TCase *tcase = fixture_add_case(suite, "watchdog");

        tcase_add_test(tcase, all_is_well);
        tcase_add_test(tcase, nobody_watches);
        tcase_add_loop_test(tcase, a_table_is_gone, 0, 2);
        tcase_add_test(tcase, check_tells);
        return fixture_main(suite);
}
