/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits of a uid and of connections that are reached: what the journal and
 * the metrics say of it. Needs root, for the other users.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../journal.h"
#include "client.h"
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

/* Messages that are larger than that, and never end. */
static void send_giant(const struct test *t, uid_t uid) {
        static const uint8_t zeros[65536];
        static const uint32_t giant = 100U << 20;
        uint8_t call[RAW_CALL_MAX];
        size_t n = raw_call(call, 1, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Subscribe", false);
        uint64_t limit = monotonic_msec() + WAIT_LIMIT_MSEC;
        int fd, r = 0;

        memcpy(call + 4, &giant, sizeof(giant));
        ck_assert_int_eq(setegid(t->group), 0);
        ck_assert_int_eq(seteuid(uid), 0);
        fd = raw_connect_authenticated(t->f);
        ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(setegid(0), 0);
        ck_assert_int_eq(raw_send(fd, call, n), 0);
        while (r != -EPIPE) {
                r = raw_send(fd, zeros, sizeof(zeros));
                ck_assert_msg(monotonic_msec() < limit, "it is listened to without end");
        }
        (void) close_fd(fd);
}

START_TEST(queued_bytes) {
        static const uid_t uids[] = { ANN, BOB };
        struct test t;

        SKIP_UNLESS_ROOT();
        if (!begin(&t, "QueuedBytesPerConnection=1M\n"))
                SKIP(CANNOT_LISTEN);
        for (int k = 0; k < 2; k++)
                for (size_t i = 0; i < ELEMENTSOF(uids); i++)
                        send_giant(&t, uids[i]);
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

int main(void) {
        Suite *suite = suite_create("bus-limits");
        TCase *told = fixture_add_case(suite, "told");

        tcase_add_test(told, connections_per_uid);
        tcase_add_test(told, connections);
        tcase_add_test(told, queued_bytes);
        tcase_add_test(told, quotas);
        return fixture_main(suite);
}
