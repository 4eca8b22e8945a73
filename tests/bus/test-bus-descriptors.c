/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File descriptors on the direct socket: whatever a client does with them, the
 * daemon has none of them left; and an honest client loses none of its own.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "beside.h"
#include "raw.h"

#define FDS_MAX 253 /* of one message: SCM_MAX_FD of the kernel */

/* With each message that sd-bus 252 drops it forgets the small array that the file descriptors were in: not ours to find. */
static struct beside begin_with_drops(void) {
        ck_assert_int_eq(setenv("LSAN_OPTIONS", "detect_leaks=0", 1), 0);
        return beside_begin(NULL);
}

/* Authentication is over: file descriptors that come along with its last line are another case. */
static int connect_ready(const struct fixture *f) {
        uint8_t call[RAW_CALL_MAX];
        int fd = raw_connect_for_fds(f);

        ck_assert_int_eq(raw_send(fd, call, raw_call(call, 1, PASIDD_PATH, "org.freedesktop.DBus.Peer", "Ping", false)), 0);
        (void) raw_answer_has(fd, "");
        return fd;
}

/* In the end of beside_end() the daemon has no more of them than before; here already, while the client is still there. */
static void expect_none_left(struct beside *t) {
        honest_ok(t);
        await(process_count_fds(t->f->daemon->pid) <= t->n_fds + 1);
}

/* Of a valid message that names none, or of one that announces another number, which sd-bus drops without a word. */
START_TEST(of_no_message) {
        static const struct {
                uint32_t announced;
                size_t sent;
        } cases[] = {
                { 0, 1 }, { 0, FDS_MAX }, { 1, 2 }, { 1, FDS_MAX }, { 2, 1 }, { FDS_MAX, 1 }, { 2, 2 }, { FDS_MAX, FDS_MAX },
        };
        struct beside t = begin_with_drops();
        uint8_t call[RAW_CALL_MAX];

        for (size_t i = 0; i < 5 * ELEMENTSOF(cases); i++) {
                uint32_t announced = cases[i % ELEMENTSOF(cases)].announced;
                int fd = connect_ready(t.f);
                size_t n = raw_map(call, 1, t.path, announced, 0);

                raw_send_fds(fd, call, n, STDERR_FILENO, cases[i % ELEMENTSOF(cases)].sent);
                if (cases[i % ELEMENTSOF(cases)].sent == 1) { /* it waits for its message; the next one is not that */
                        n = raw_call(call, 2, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Subscribe", false);
                        (void) raw_send(fd, call, n);
                }
                ck_assert_msg(raw_await_close(fd) == 0, "case %zu: the connection was not closed", i % ELEMENTSOF(cases));
                expect_none_left(&t);
                (void) close_fd(fd);
        }
        beside_end(&t);
}
END_TEST

/* Many on one connection, as long as it is listened to. */
START_TEST(again_and_again) {
        struct beside t = begin_with_drops();
        uint8_t call[RAW_CALL_MAX];
        size_t n = raw_map(call, 1, t.path, 2, 0);

        for (int i = 0; i < 20; i++) {
                int fd = connect_ready(t.f);

                raw_send_fds(fd, call, n, STDERR_FILENO, 1); /* dropped */
                honest_ok(&t);
                raw_send_fds(fd, call, n, STDERR_FILENO, 1);
                ck_assert_int_eq(raw_await_close(fd), 0);
                (void) close_fd(fd);
        }
        beside_end(&t);
}
END_TEST

/* A dropped message's is not taken for that of the next. */
START_TEST(dropped_before_a_good_one) {
        struct beside t = begin_with_drops();
        uint8_t bad[RAW_CALL_MAX], good[RAW_CALL_MAX];
        size_t n_bad = raw_map(bad, 1, t.path, 2, 0), n_good = raw_map(good, 2, t.path, 1, 0);

        for (int i = 0; i < 20; i++) {
                int fd = connect_ready(t.f);

                raw_send_fds(fd, bad, n_bad, STDERR_FILENO, 1);
                raw_send_fds(fd, good, n_good, STDERR_FILENO, 1);
                ck_assert_int_eq(raw_await_close(fd), 0);
                (void) close_fd(fd);
        }
        beside_end(&t);
}
END_TEST

/* Sent with a later part of a message, where no look ahead finds them. */
START_TEST(with_a_later_part) {
        struct beside t;
        uint8_t call[RAW_CALL_MAX];
        size_t n;

        if (getenv("PASIDD_WRAPPER"))
                SKIP("valgrind has limits on file descriptors of its own, which the kernel does not know");
        t = begin_with_drops();
        n = raw_map(call, 1, t.path, 2, 0);
        for (size_t at = 1; at < n; at += 7) {
                int fd = connect_ready(t.f);

                ck_assert_int_eq(raw_send(fd, call, at), 0);
                if (at % 2)
                        honest_ok(&t); /* the part has been read */
                raw_send_fds(fd, call + at, n - at, STDERR_FILENO, FDS_MAX);
                expect_none_left(&t);
                (void) close_fd(fd);
        }
        beside_end(&t);
}
END_TEST

/* The connection ends before the message is whole. */
START_TEST(of_half_a_message) {
        struct beside t = begin_with_drops();
        uint8_t call[RAW_CALL_MAX];
        size_t n = raw_map(call, 1, t.path, 1, 0);

        for (size_t k = 1; k < n; k += 7) {
                int fd = connect_ready(t.f);

                raw_send_fds(fd, call, k, STDERR_FILENO, 1);
                if (k % 2)
                        honest_ok(&t);
                (void) close_fd(fd);
        }
        beside_end(&t);
}
END_TEST

/* The good message comes in two parts, its file descriptor with the first. */
START_TEST(good_in_parts) {
        struct beside t = beside_begin(NULL);
        uint8_t call[RAW_CALL_MAX];
        size_t n = raw_map(call, 1, t.path, 1, 0);
        int fd = connect_ready(t.f);

        for (size_t k = 1; k < n; k += 5) {
                raw_send_fds(fd, call, k, STDERR_FILENO, 1);
                if (k % 2)
                        honest_ok(&t);
                ck_assert_int_eq(raw_send(fd, call + k, n - k), 0);
                ck_assert_msg(raw_answer_has(fd, E("NotMediated")), "not answered when cut at %zu", k);
        }
        (void) close_fd(fd);
        beside_end(&t);
}
END_TEST

struct answers {
        unsigned n_open, n_wrong;
};

static int on_mapped(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct answers *a = userdata;

        a->n_open--;
        a->n_wrong += !sd_bus_message_is_method_error(m, E("NotMediated"));
        return 1;
}

static int on_listed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct answers *a = userdata;

        a->n_open--;
        a->n_wrong += sd_bus_message_is_method_error(m, NULL) != 0;
        return 1;
}

/* An honest client that has many calls under way, every second one with a file descriptor: each gets its answer. */
START_TEST(honest_pipeline) {
        struct beside t = beside_begin(NULL);
        struct answers answers = {};

        for (int round = 0; round < 20; round++) {
                for (int i = 0; i < 50; i++) {
                        consumer_async(&t.honest, on_mapped, &answers, t.path, "Map", "uhtttu", 1U, STDERR_FILENO, (uint64_t) 0,
                                       (uint64_t) 4096, (uint64_t) 0, 3U);
                        consumer_async(&t.honest, on_listed, &answers, t.path, "List", "uu", 0U, 1U);
                        answers.n_open += 2;
                }
                while (answers.n_open > (round < 19 ? 30 : 0))
                        client_wait(&t.honest);
        }
        ck_assert_uint_eq(answers.n_wrong, 0);
        beside_end(&t);
}
END_TEST

/* One at a time, so that each comes when nothing lies in the socket yet. */
START_TEST(honest_one_by_one) {
        struct beside t = beside_begin(NULL);

        for (int i = 0; i < 500; i++)
                consumer_error(&t.honest, E("NotMediated"), NULL, t.path, "Map", "uhtttu", 1U, STDERR_FILENO, (uint64_t) 0,
                               (uint64_t) 4096, (uint64_t) 0, 3U);
        beside_end(&t);
}
END_TEST

/* The process's own limit is what it was, so that others can still come. */
START_TEST(limit_is_set_back) {
        struct beside t = begin_with_drops();
        struct rlimit before, after;
        uint8_t call[RAW_CALL_MAX];
        size_t n = raw_map(call, 1, t.path, 2, 0);

        ck_assert_int_eq(prlimit(t.f->daemon->pid, RLIMIT_NOFILE, NULL, &before), 0);
        for (int i = 0; i < 5; i++) {
                int fd = connect_ready(t.f);

                raw_send_fds(fd, call, n, STDERR_FILENO, i % 2 ? 1 : FDS_MAX);
                honest_ok(&t);
                (void) close_fd(fd);
        }
        honest_ok(&t);
        ck_assert_int_eq(prlimit(t.f->daemon->pid, RLIMIT_NOFILE, NULL, &after), 0);
        ck_assert_uint_eq(after.rlim_cur, before.rlim_cur);
        ck_assert_uint_eq(after.rlim_max, before.rlim_max);
        beside_end(&t);
}
END_TEST

/*
 * The last line of the authentication and a message: read in one go, as the daemon is stopped until both lie there, which
 * sd-bus takes for an attack; or as it comes.
 */
START_TEST(with_the_last_line) {
        struct beside t = begin_with_drops();

        for (size_t i = 0; i < 30; i++) {
                uint8_t call[RAW_CALL_MAX];
                size_t n = raw_map(call, 1, t.path, 2, 0), n_fds = i % 5 == 0 ? FDS_MAX : i % 5;
                int fd = raw_connect_to_begin(t.f);

                if (i % 2)
                        ck_assert_int_eq(kill(t.f->daemon->pid, SIGSTOP), 0);
                raw_begin(fd);
                raw_send_fds(fd, call, n, STDERR_FILENO, n_fds);
                ck_assert_int_eq(kill(t.f->daemon->pid, SIGCONT), 0);
                if (n_fds == 1) { /* it waits for its message; the next one is not that */
                        n = raw_call(call, 2, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Subscribe", false);
                        (void) raw_send(fd, call, n);
                }
                ck_assert_msg(raw_await_close(fd) == 0, "with %zu: the connection was not closed", n_fds);
                expect_none_left(&t);
                (void) close_fd(fd);
        }
        beside_end(&t);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-descriptors");
        TCase *hostile = fixture_add_case(suite, "hostile"), *honest = fixture_add_case(suite, "honest");

        tcase_add_test(hostile, of_no_message);
        tcase_add_test(hostile, again_and_again);
        tcase_add_test(hostile, dropped_before_a_good_one);
        tcase_add_test(hostile, with_a_later_part);
        tcase_add_test(hostile, of_half_a_message);
        tcase_add_test(hostile, with_the_last_line);
        tcase_add_test(hostile, limit_is_set_back);
        tcase_add_test(honest, good_in_parts);
        tcase_add_test(honest, honest_pipeline);
        tcase_add_test(honest, honest_one_by_one);
        return fixture_main(suite);
}
