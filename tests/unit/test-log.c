/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What reaches the journal, as the datagrams that it gets.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log-ids.h"
#include "log.h"
#include "service/audit.h"
#include "suite.h"
#include "../journal.h"

static int journal = -1;

/* False: this host has no namespaces for us. Each test runs in a process of its own. */
static bool begin(int level) {
        journal = journal_open();
        if (journal < 0)
                return false;
        journal_set_stream();
        log_setup(level);
        return true;
}

#define BEGIN(level)                                                             \
        do                                                                       \
                if (!begin(level)) {                                             \
                        (void) fprintf(stderr, "# no namespace: not tried\n");   \
                        return;                                                  \
                }                                                                \
        while (0)

static const char *next_line(void) {
        return journal_next_line(journal);
}

/* The line has exactly these fields, but for those that libsystemd adds. */
static void expect(const char *line, const char *const *fields, size_t n_fields) {
        size_t n = 0;

        ck_assert_ptr_nonnull(line);
        for (size_t i = 0; i < n_fields; i++)
                ck_assert_msg(journal_line_has(line, fields[i]), "no %s in\n%s", fields[i], line);
        for (const char *at = line; *at; at += strcspn(at, "\n") + 1)
                n += strncmp(at, "SYSLOG_IDENTIFIER=", 18) != 0;
        ck_assert_msg(n == n_fields, "%zu fields, not %zu, in\n%s", n, n_fields, line);
}
#define EXPECT(...) expect(next_line(), (const char *const[]) { __VA_ARGS__ }, sizeof((const char *const[]) { __VA_ARGS__ }) / sizeof(char *))

START_TEST(test_fields) {
        BEGIN(LOG_INFO);
        log_about(LOG_WARNING, &(struct log_subject) { .message_id = MESSAGE_PASIDS_LOST, .device = "0000:01:00.0", .consumer = "vm-1",
                  .pasid = 17, .has_uid = true, .uid = 0, .reason = "device-gone", .error = ENXIO }, "all of %s", "it");
        EXPECT("PRIORITY=4", "MESSAGE=all of it", "MESSAGE_ID=" MESSAGE_PASIDS_LOST, "PASIDD_DEVICE=0000:01:00.0",
               "PASIDD_CONSUMER=vm-1", "PASIDD_PASID=17", "PASIDD_UID=0", "PASIDD_REASON=device-gone", "ERRNO=6");
        log_about(LOG_INFO, &(struct log_subject) { .uid = 7 }, "nothing more");
        EXPECT("PRIORITY=6", "MESSAGE=nothing more");
        log_about(LOG_DEBUG, &(struct log_subject) { .pasid = 1 }, "too much");
        ck_assert_ptr_null(next_line());
}
END_TEST

static struct consumer consumer = { .uid = 1000, .name = (char *) "vm-1", .hold = HOLD_BOOT, .mode = MODE_MEDIATED };

START_TEST(test_changes) {
        struct consumer_device device = { .address = "0000:01:00.0" };
        struct audit_budget budget = AUDIT_OF_CHANGES;
        struct row row = { .consumer = &consumer, .pasid = 17 };

        BEGIN(LOG_INFO);
        consumer.devices = &device;
        consumer.n_devices = 1;
        audit_change(&budget, &(struct change) { .kind = CHANGE_CONSUMER_ADDED, .consumer = &consumer }, "init");
        EXPECT("PRIORITY=6", "MESSAGE=Consumer \"vm-1\" of uid 1000 was made, with hold boot, mode mediated and 1 device",
               "MESSAGE_ID=" MESSAGE_CONSUMER_MADE, "PASIDD_CONSUMER=vm-1", "PASIDD_UID=1000", "PASIDD_DEVICE=0000:01:00.0");
        audit_change(&budget, &(struct change) { .kind = CHANGE_ROW_STATE, .old_state = ROW_ALLOCATED, .new_state = ROW_ATTACHED,
                     .consumer = &consumer, .row = &row }, "attached");
        EXPECT("PRIORITY=6", "MESSAGE=PASID 17 of consumer \"vm-1\" of uid 1000 was attached",
               "MESSAGE_ID=" MESSAGE_PASID_ATTACHED, "PASIDD_CONSUMER=vm-1", "PASIDD_UID=1000", "PASIDD_PASID=17",
               "PASIDD_DEVICE=0000:01:00.0");
        audit_change(&budget, &(struct change) { .kind = CHANGE_ROW_STATE, .old_state = ROW_ATTACHED, .new_state = ROW_ALLOCATED,
                     .consumer = &consumer, .row = &row }, "exit");
        EXPECT("PRIORITY=6", "MESSAGE=PASID 17 of consumer \"vm-1\" of uid 1000 was detached",
               "MESSAGE_ID=" MESSAGE_PASID_DETACHED, "PASIDD_CONSUMER=vm-1", "PASIDD_UID=1000", "PASIDD_PASID=17",
               "PASIDD_DEVICE=0000:01:00.0", "PASIDD_REASON=exit");
        audit_change(&budget, &(struct change) { .kind = CHANGE_CONSUMER_OWNER, .old_uid = 999, .consumer = &consumer }, "transferred");
        EXPECT("PRIORITY=5", "MESSAGE=Consumer \"vm-1\" of uid 999 belongs to uid 1000 from now on",
               "MESSAGE_ID=" MESSAGE_CONSUMER_MOVED, "PASIDD_CONSUMER=vm-1", "PASIDD_UID=1000", "PASIDD_DEVICE=0000:01:00.0",
               "PASIDD_REASON=transferred");
        audit_change(&budget, &(struct change) { .kind = CHANGE_CONSUMER_ENDED, .consumer = &consumer }, "holder-gone");
        EXPECT("PRIORITY=6", "MESSAGE=Consumer \"vm-1\" of uid 1000 ended: holder-gone", "MESSAGE_ID=" MESSAGE_CONSUMER_ENDED,
               "PASIDD_CONSUMER=vm-1", "PASIDD_UID=1000", "PASIDD_DEVICE=0000:01:00.0", "PASIDD_REASON=holder-gone");
        /* Its end was told; and what only cools, or is drawn and freed, is told nowhere. */
        audit_change(&budget, &(struct change) { .kind = CHANGE_CONSUMER_REMOVED, .had_ended = true, .consumer = &consumer }, "cooled");
        audit_change(&budget, &(struct change) { .kind = CHANGE_ROW_ADDED, .consumer = &consumer, .row = &row }, "allocated");
        audit_change(&budget, &(struct change) { .kind = CHANGE_ROW_REMOVED, .consumer = &consumer, .row = &row }, "freed");
        audit_change(&budget, &(struct change) { .kind = CHANGE_ROW_STATE, .old_state = ROW_ALLOCATED, .new_state = ROW_COOLING,
                     .consumer = &consumer, .row = &row }, "freed");
        ck_assert_ptr_null(next_line());
        audit_device(&budget, MESSAGE_DEVICE_GONE, "0000:01:00.0", "is gone");
        EXPECT("PRIORITY=6", "MESSAGE=Device 0000:01:00.0 is gone", "MESSAGE_ID=" MESSAGE_DEVICE_GONE, "PASIDD_DEVICE=0000:01:00.0");
}
END_TEST

START_TEST(test_rations) {
        struct audit_budget budget = { .max = 3, .usec = UINT64_MAX / 2 };

        BEGIN(LOG_INFO);
        for (unsigned i = 0; i < 10; i++)
                ck_assert_int_eq(audit_may_write(&budget, 1000), i < 3);
        ck_assert(audit_may_write(&budget, 1001)); /* not at another's cost */
        ck_assert(audit_may_write(&budget, AUDIT_NOBODY));
        ck_assert_ptr_null(next_line());
        budget.slots[0].until_usec = 1; /* long ago */
        ck_assert(audit_may_write(&budget, 1000));
        EXPECT("PRIORITY=5", "MESSAGE=7 more lines, the last one about uid 1000, were not written", "PASIDD_UID=1000");
        ck_assert_ptr_null(next_line());
}
END_TEST

/* No uid writes, or is silenced, at another's cost, until there are more of them than slots: those share one. */
START_TEST(test_many_uids) {
        struct audit_budget budget = { .max = 1, .usec = UINT64_MAX / 2 };

        BEGIN(LOG_INFO);
        for (int round = 0; round < 3; round++)
                for (uid_t uid = 0; uid < AUDIT_SLOTS; uid++)
                        ck_assert_int_eq(audit_may_write(&budget, 1000 + uid * AUDIT_SLOTS), round == 0);
        ck_assert(audit_may_write(&budget, 1));
        ck_assert(!audit_may_write(&budget, 2));
        ck_assert_ptr_null(next_line());
        budget.rest.until_usec = budget.slots[7].until_usec = 1; /* long ago */
        ck_assert(audit_may_write(&budget, 3));
        EXPECT("PRIORITY=5", "MESSAGE=2 more lines, the last one about uid 1448, were not written", "PASIDD_UID=1448");
        ck_assert(!audit_may_write(&budget, 3));
        ck_assert(audit_may_write(&budget, 4));
        EXPECT("PRIORITY=5", "MESSAGE=1 more lines, the last one about uid 2, were not written", "PASIDD_UID=2");
        ck_assert_ptr_null(next_line());
}
END_TEST

int main(void) {
        Suite *suite = suite_create("log");
        TCase *tc = tcase_create("log");

        tcase_add_test(tc, test_fields);
        tcase_add_test(tc, test_changes);
        tcase_add_test(tc, test_rations);
        tcase_add_test(tc, test_many_uids);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
