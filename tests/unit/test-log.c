/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What reaches the journal, as the datagrams that it gets: a socket of the
 * test's own is the journal's, in a mount namespace of its own.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log-ids.h"
#include "log.h"
#include "service/audit.h"
#include "suite.h"

static int journal = -1;

static void write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t) strlen(text));
        (void) close(fd);
}

/* As root at once; else in a user namespace, where the host allows that. */
static bool enter_namespace(void) {
        unsigned uid = geteuid(), gid = getegid();
        char map[32];

        if (unshare(CLONE_NEWNS) == 0)
                return true;
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                return false;
        write_file("/proc/self/setgroups", "deny");
        (void) snprintf(map, sizeof(map), "0 %u 1", uid);
        write_file("/proc/self/uid_map", map);
        (void) snprintf(map, sizeof(map), "0 %u 1", gid);
        write_file("/proc/self/gid_map", map);
        return true;
}

/* False: this host has no namespaces for us. Each test runs in a process of its own. */
static bool begin(int level) {
        static const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket" };
        struct stat st;
        char stream[64];

        if (!enter_namespace())
                return false;
        ck_assert_int_eq(mount(NULL, "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
        ck_assert_int_eq(mount("tmpfs", "/run", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(mkdir("/run/systemd", 0755), 0);
        ck_assert_int_eq(mkdir("/run/systemd/journal", 0755), 0);
        journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(journal, 0);
        ck_assert_int_eq(bind(journal, (const struct sockaddr *) &address, sizeof(address)), 0);
        ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
        (void) snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long) st.st_dev, (unsigned long long) st.st_ino);
        ck_assert_int_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
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

/* The next line: its fields, one a line; NULL if there is none. */
static const char *next_line(void) {
        static char text[8192];
        ssize_t n = recv(journal, text, sizeof(text) - 1, 0);

        if (n < 0)
                return NULL;
        text[n] = '\0';
        ck_assert_uint_eq(strlen(text), (size_t) n); /* no field in the form for binary data */
        return text;
}

/* The line has exactly these fields, but for those that libsystemd adds. */
static void expect(const char *line, const char *const *fields, size_t n_fields) {
        size_t n = 0;

        ck_assert_ptr_nonnull(line);
        for (size_t i = 0; i < n_fields; i++) {
                size_t length = strlen(fields[i]);
                const char *at = strstr(line, fields[i]);

                ck_assert_msg(at && (at == line || at[-1] == '\n') && at[length] == '\n', "no %s in\n%s", fields[i], line);
        }
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
