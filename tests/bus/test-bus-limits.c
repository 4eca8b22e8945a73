/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits of a uid and of connections: what the journal and the metrics say
 * when one is reached, and that a reload changes each of them. Needs root, for
 * the other users.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../journal.h"
#include "fake-devices.h"
#include "log-ids.h"
#include "raw.h"

#define ANN 60001
#define BOB 60065 /* the same modulo 64 */

struct test {
        struct fixture *f;
        gid_t group;
        int journal;
        struct client root;
};

/* False: there can be no journal of the test's own. */
static bool begin(struct test *t, const char *limits) {
        _cleanup_free_ char *config = NULL, *text = NULL;

        t->journal = journal_open();
        if (t->journal < 0)
                return false;
        ck_assert_int_ge(asprintf(&text, "[Limits]\n%s", limits), 0);
        config = config_with_group(text, &t->group);
        t->f = fixture_new(config);
        t->f->daemon->to_journal = true;
        fixture_start(t->f);
        t->root = client_direct(t->f);
        ping_ok(&t->root);
        return true;
}

static void end(struct test *t) {
        client_close(&t->root);
        fixture_free(t->f);
        (void) close_fd(t->journal);
}

/* The next line about a limit; whatever else is written is read, too. */
static bool hear(const struct test *t, char *buffer, size_t size) {
        const char *line;

        while ((line = journal_next_line(t->journal)))
                if (journal_line_has(line, "MESSAGE_ID=" MESSAGE_LIMIT_HIT)) {
                        (void) snprintf(buffer, size, "%s", line);
                        return true;
                }
        return false;
}

/* The lines about limits, so many and no more: each with that text, about these uids in turn. */
static void expect_lines(const struct test *t, const char *text, const char *reason, int error, const uid_t *uids, size_t n) {
        char line[8192], field[64];

        for (size_t i = 0; i < n; i++) {
                await(hear(t, line, sizeof(line)));
                ck_assert_msg(strstr(line, text) != NULL, "no %s in %s", text, line);
                (void) snprintf(field, sizeof(field), "PASIDD_UID=%u", (unsigned) uids[i]);
                ck_assert_msg(journal_line_has(line, field), "no %s in %s", field, line);
                (void) snprintf(field, sizeof(field), "PASIDD_REASON=%s", reason);
                ck_assert_msg(journal_line_has(line, field), "no %s in %s", field, line);
                (void) snprintf(field, sizeof(field), "ERRNO=%d", error);
                ck_assert_msg(journal_line_has(line, field), "no %s in %s", field, line);
                ck_assert_msg(journal_line_has(line, "PRIORITY=5"), "%s", line);
        }
        ping_ok((struct client *) &t->root);
        ck_assert_msg(!hear(t, line, sizeof(line)), "one more line: %s", line);
}

/* The value of the sample that has this label, of the family. */
static double metric(struct client *c, const char *family, const char *label) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name, *suffix, *key, *value;
        double number, found = -1;

        manager_ok(c, &reply, "GetMetrics", NULL);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "(sssa(sa{ss}d))"), 0);
        while (sd_bus_message_enter_container(reply, 'r', "sssa(sa{ss}d)") > 0) {
                ck_assert_int_gt(sd_bus_message_read(reply, "sss", &name, NULL, NULL), 0);
                ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "(sa{ss}d)"), 0);
                while (sd_bus_message_enter_container(reply, 'r', "sa{ss}d") > 0) {
                        bool is_it = false;

                        ck_assert_int_gt(sd_bus_message_read(reply, "s", &suffix), 0);
                        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "{ss}"), 0);
                        while (sd_bus_message_read(reply, "{ss}", &key, &value) > 0)
                                is_it = is_it || strcmp(value, label) == 0;
                        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                        ck_assert_int_gt(sd_bus_message_read(reply, "d", &number), 0);
                        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                        if (is_it && strcmp(name, family) == 0)
                                found = number;
                }
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }
        return found;
}

static void expect_counts(struct test *t, double connections, double per_uid, double queued) {
        ck_assert_double_eq(metric(&t->root, "pasidd_connections_limited", "Connections"), connections);
        ck_assert_double_eq(metric(&t->root, "pasidd_connections_limited", "ConnectionsPerUid"), per_uid);
        ck_assert_double_eq(metric(&t->root, "pasidd_connections_limited", "QueuedBytesPerConnection"), queued);
}

/* It is let in and closed at once, or refused. */
static void connect_in_vain(const struct test *t, uid_t uid) {
        struct client c;

        if (client_try_direct_as(t->f, uid, t->group, &c) < 0)
                return;
        ck_assert_int_lt(client_ping(&c), 0);
        client_close(&c);
}

#define CANNOT_LISTEN "no namespace for a journal of the test's own"

START_TEST(connections_per_uid) {
        static const uid_t uids[] = { ANN, BOB };
        struct client first[ELEMENTSOF(uids)];
        struct test t;

        SKIP_UNLESS_ROOT();
        if (!begin(&t, "ConnectionsPerUid=1\n"))
                SKIP(CANNOT_LISTEN);
        for (size_t i = 0; i < ELEMENTSOF(uids); i++) {
                first[i] = client_direct_as(t.f, uids[i], t.group);
                ping_ok(&first[i]);
        }
        for (int k = 0; k < 5; k++)
                for (size_t i = 0; i < ELEMENTSOF(uids); i++)
                        connect_in_vain(&t, uids[i]);
        expect_lines(&t, "ConnectionsPerUid=1 allows", "LimitsExceeded", ENOBUFS, uids, ELEMENTSOF(uids));
        expect_counts(&t, 0, 10, 0);
        for (size_t i = 0; i < ELEMENTSOF(uids); i++)
                client_close(&first[i]);
        end(&t);
}
END_TEST

START_TEST(connections) {
        static const uid_t uids[] = { BOB, ANN };
        struct test t;

        SKIP_UNLESS_ROOT();
        if (!begin(&t, "Connections=1\n"))
                SKIP(CANNOT_LISTEN);
        for (int k = 0; k < 5; k++)
                for (size_t i = 0; i < ELEMENTSOF(uids); i++)
                        connect_in_vain(&t, uids[i]);
        expect_lines(&t, "Connections=1 allows", "LimitsExceeded", ENOBUFS, uids, ELEMENTSOF(uids));
        expect_counts(&t, 10, 0, 0);
        end(&t);
}
END_TEST

/* Most of a message of 6 MB, in pieces that are looked at one by one. False: the daemon did not want to hear all that. */
static bool is_heard(const struct fixture *f, struct client *c, uid_t uid, gid_t group) {
        static const uint32_t large = 6U << 20;
        static const uint8_t zeros[65536];
        uint8_t call[RAW_CALL_MAX];
        size_t n = raw_call(call, 1, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Subscribe", false);
        uint64_t limit = monotonic_msec() + WAIT_LIMIT_MSEC;
        int fd, r;

        ck_assert_int_eq(setegid(group), 0);
        ck_assert_int_eq(seteuid(uid), 0);
        fd = raw_connect_authenticated(f);
        ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(setegid(0), 0);
        memcpy(call + 4, &large, sizeof(large));
        r = raw_send(fd, call, n);
        for (size_t sent = 0; r != -EPIPE && sent < large - sizeof(zeros);) {
                r = raw_send(fd, zeros, sizeof(zeros));
                sent += r == 0 ? sizeof(zeros) : 0; /* on a slow machine it may take some time until it takes more */
                ping_ok(c);
                ck_assert_msg(monotonic_msec() < limit, "it takes nothing any more");
        }
        (void) close_fd(fd);
        return r == 0;
}

START_TEST(queued_bytes) {
        static const uid_t uids[] = { ANN, BOB };
        struct test t;

        SKIP_UNLESS_ROOT();
        if (!begin(&t, "QueuedBytesPerConnection=1M\n"))
                SKIP(CANNOT_LISTEN);
        for (int k = 0; k < 2; k++)
                for (size_t i = 0; i < ELEMENTSOF(uids); i++)
                        ck_assert(!is_heard(t.f, &t.root, uids[i], t.group));
        expect_lines(&t, "larger than QueuedBytesPerConnection=1048576 allows", "LimitsExceeded", ENOBUFS, uids, ELEMENTSOF(uids));
        expect_counts(&t, 0, 0, 4);
        end(&t);
}
END_TEST

START_TEST(quotas) {
        static const uid_t uids[] = { ANN, BOB };
        struct client c[ELEMENTSOF(uids)];
        struct test t;

        SKIP_UNLESS_ROOT();
        if (!begin(&t, "ConsumersPerUid=1\n"))
                SKIP(CANNOT_LISTEN);
        for (size_t i = 0; i < ELEMENTSOF(uids); i++) {
                c[i] = client_direct_as(t.f, uids[i], t.group);
                free(init_ok(&c[i], "first", 0));
                for (int k = 0; k < 3; k++)
                        init_error(&c[i], E("QuotaExceeded"), "ConsumersPerUid", "second", 0);
        }
        expect_lines(&t, "ConsumersPerUid=1", "QuotaExceeded", EDQUOT, uids, ELEMENTSOF(uids));
        ck_assert_double_eq(metric(&t.root, "pasidd_refusals", "QuotaExceeded"), 6);
        for (size_t i = 0; i < ELEMENTSOF(uids); i++)
                client_close(&c[i]);
        end(&t);
}
END_TEST

/* What is not there refuses as well as a method does, each call once; signals about what is gone are no refusals. */
START_TEST(refusals_of_objects) {
        struct fixture *f = fixture_new_started("");
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm", 0);

        exit_ok(&c, path);
        ck_assert_double_eq(metric(&c, "pasidd_refusals", "NoSuchConsumer"), 0);
        for (int i = 0; i < 3; i++)
                alloc_error(&c, E("NoSuchConsumer"), NULL, path, 0, 0);
        ck_assert_double_eq(metric(&c, "pasidd_refusals", "NoSuchConsumer"), 3);
        client_error(__FILE__, __LINE__, &c, E("NoSuchDevice"), NULL, PASIDD_DEVICE_PREFIX "/_30000_3a7f_3a00_2e0", PASIDD_IFACE_DEVICE,
                     "Open", "a{sv}", 0);
        ck_assert_double_eq(metric(&c, "pasidd_refusals", "NoSuchDevice"), 1);
        client_close(&c);
        fixture_free(f);
}
END_TEST

static void reload(const struct fixture *f, const char *limits) {
        _cleanup_free_ char *text = NULL, *config = NULL;
        gid_t group;

        ck_assert_int_ge(asprintf(&text, "[Limits]\n%s", limits), 0);
        config = config_with_group(text, &group);
        ck_assert_int_ge(daemon_set_config(f->daemon, config), 0);
        ck_assert_int_eq(kill(f->daemon->pid, SIGHUP), 0);
        ck_assert_int_eq(daemon_wait_notice(f->daemon, "RELOADING=1"), 0);
        ck_assert_int_eq(daemon_wait_notice(f->daemon, "READY=1"), 0);
}

static struct fixture *begin_reloading(const char *limits, gid_t *ret_group) {
        _cleanup_free_ char *text = NULL, *config = NULL;

        ck_assert_int_ge(asprintf(&text, "[Limits]\n%s", limits), 0);
        config = config_with_group(text, ret_group);
        return fixture_new_started(config);
}

START_TEST(reload_per_uid) {
        _cleanup_free_ char *path = NULL;
        struct fixture *f;
        struct client c;
        gid_t group;

        SKIP_UNLESS_ROOT();
        f = begin_reloading("PasidsPerUid=2\nConsumersPerUid=1\n", &group);
        c = client_direct_as(f, ANN, group);
        path = init_ok(&c, "vm-1", 0);
        (void) alloc_ok(&c, path, 1, 1);
        (void) alloc_ok(&c, path, 2, 2);
        alloc_error(&c, E("QuotaExceeded"), "PasidsPerUid=", path, 3, 3);
        init_error(&c, E("QuotaExceeded"), "ConsumersPerUid=", "vm-2", 0);
        reload(f, "PasidsPerUid=3\nConsumersPerUid=2\n");
        (void) alloc_ok(&c, path, 3, 3);
        alloc_error(&c, E("QuotaExceeded"), "PasidsPerUid=", path, 4, 4);
        free(init_ok(&c, "vm-2", 0));
        init_error(&c, E("QuotaExceeded"), "ConsumersPerUid=", "vm-3", 0);
        reload(f, "PasidsPerUid=1\nConsumersPerUid=1\n"); /* which takes nothing away */
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Allocated"), 3);
        ck_assert(consumer_exists(&c, ANN, "vm-2", NULL));
        alloc_error(&c, E("QuotaExceeded"), "PasidsPerUid=", path, 4, 4);
        init_error(&c, E("QuotaExceeded"), "ConsumersPerUid=", "vm-3", 0);
        client_close(&c);
        fixture_free(f);
}
END_TEST

static bool is_let_in(const struct fixture *f, gid_t group, struct client *ret) {
        struct client c;

        if (client_try_direct_as(f, ANN, group, &c) < 0)
                return false;
        if (client_ping(&c) >= 0) {
                *ret = c;
                return true;
        }
        client_close(&c);
        return false;
}

START_TEST(reload_connections_per_uid) {
        struct client c[3] = {};
        struct fixture *f;
        gid_t group;

        SKIP_UNLESS_ROOT();
        f = begin_reloading("ConnectionsPerUid=1\n", &group);
        ck_assert(is_let_in(f, group, &c[0]));
        ck_assert(!is_let_in(f, group, &c[1]));
        reload(f, "ConnectionsPerUid=2\n");
        ck_assert(is_let_in(f, group, &c[1]));
        ck_assert(!is_let_in(f, group, &c[2]));
        reload(f, "ConnectionsPerUid=1\n");
        ping_ok(&c[0]); /* which closes nothing */
        ping_ok(&c[1]);
        client_close(&c[0]);
        ck_assert(!is_let_in(f, group, &c[2]));
        client_close(&c[1]);
        fixture_free(f);
}
END_TEST

START_TEST(reload_queued_bytes) {
        struct fixture *f;
        struct client c;
        gid_t group;

        SKIP_UNLESS_ROOT();
        f = begin_reloading("QueuedBytesPerConnection=1M\n", &group);
        c = client_direct(f);
        ping_ok(&c);
        ck_assert(!is_heard(f, &c, ANN, group));
        reload(f, "QueuedBytesPerConnection=64M\n");
        ck_assert(is_heard(f, &c, ANN, group));
        reload(f, "QueuedBytesPerConnection=1M\n");
        ck_assert(!is_heard(f, &c, ANN, group));
        client_close(&c);
        fixture_free(f);
}
END_TEST

#define PAGE 4096ULL
#define ALLOWED "[Device " FIRST "]\nAllowUsers=60001\n"

static void map_ok(struct client *c, const char *path, uint32_t pasid, int memory, uint64_t iova) {
        consumer_ok(c, NULL, path, "Map", "uhtttu", pasid, memory, 0ULL, PAGE, iova, 7U);
}

/* Of all consumers of a user; not root's. */
START_TEST(pinned_bytes_per_uid) {
        _cleanup_free_ char *config = NULL, *a = NULL, *b = NULL, *of_root = NULL;
        _cleanup_close_ int memory = -EBADF;
        struct client ann, root;
        uint32_t in_a, in_b, in_root;
        struct fixture *f;
        gid_t group;

        SKIP_UNLESS_ROOT();
        config = config_with_group("[Limits]\nPinnedBytesPerUid=8K\n" ALLOWED, &group);
        f = fake_begin(BUS_NONE, config);
        memory = memfd_create("memory", MFD_CLOEXEC);
        ck_assert_int_eq(ftruncate(memory, 4 * PAGE), 0);
        ann = client_direct_as(f, ANN, group);
        root = client_direct(f);
        a = init_mediated(&ann, "a");
        b = init_mediated(&ann, "b");
        of_root = init_mediated(&root, "r");
        in_a = alloc_ok(&ann, a, 0, 0);
        in_b = alloc_ok(&ann, b, 0, 0);
        in_root = alloc_ok(&root, of_root, 0, 0);
        consumer_ok(&ann, NULL, a, "Attach", "u", in_a);
        consumer_ok(&ann, NULL, b, "Attach", "u", in_b);
        consumer_ok(&root, NULL, of_root, "Attach", "u", in_root);
        map_ok(&ann, a, in_a, memory, 0x1000);
        map_ok(&ann, b, in_b, memory, 0x1000);
        for (int i = 0; i < 2; i++)
                consumer_error(&ann, E("QuotaExceeded"), "PinnedBytesPerUid", i ? a : b, "Map", "uhtttu", i ? in_a : in_b, memory,
                               0ULL, PAGE, 0x2000ULL, 7U);
        for (unsigned i = 1; i <= 5; i++)
                map_ok(&root, of_root, in_root, memory, i * 0x1000);
        reload(f, "PinnedBytesPerUid=12K\n" ALLOWED);
        map_ok(&ann, a, in_a, memory, 0x2000);
        consumer_error(&ann, E("QuotaExceeded"), "PinnedBytesPerUid", b, "Map", "uhtttu", in_b, memory, 0ULL, PAGE, 0x2000ULL, 7U);
        exit_ok(&ann, a);
        map_ok(&ann, b, in_b, memory, 0x2000); /* what was given back may be used again */
        client_close(&ann);
        client_close(&root);
        fixture_free(f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-limits");
        TCase *told = fixture_add_case(suite, "told"), *reloaded = fixture_add_case(suite, "reloaded");

        tcase_add_test(told, connections_per_uid);
        tcase_add_test(told, connections);
        tcase_add_test(told, queued_bytes);
        tcase_add_test(told, quotas);
        tcase_add_test(told, refusals_of_objects);
        tcase_add_test(reloaded, reload_per_uid);
        tcase_add_test(reloaded, reload_connections_per_uid);
        tcase_add_test(reloaded, reload_queued_bytes);
        tcase_add_test(reloaded, pinned_bytes_per_uid);
        return fixture_main(suite);
}
