/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each test of the bus stands on: a directory of its own with a pasidd
 * and, if asked for, a message bus; Check's assertions on their coming and
 * going. Tests share nothing and can run in any order, in parallel.
 *
 * A test that fails leaves its directory: fixture_main() prints the logs in it
 * and removes it. Check kills the processes of a test that ends early.
 */
#pragma once

#include <check.h>

#include "daemon.h"
#include "message-bus.h"

/* Of one test in seconds; Check's own 4 are short for a daemon under valgrind. */
#define TEST_LIMIT_SEC 120

struct fixture {
        char *dir;
        struct daemon *daemon;
        struct message_bus *bus; /* NULL: none */
};

/* Makes the directory and writes config (NULL: the defaults) as pasidd.conf; nothing runs. */
struct fixture *fixture_new(const char *config);
/* The same, with the daemon running on its direct socket, and on a bus of that kind. */
struct fixture *fixture_new_started(const char *config);
struct fixture *fixture_new_on_bus(enum bus_kind kind, const char *config);
void fixture_start(struct fixture *f);
/* By SIGTERM; what runs under a checker of memory tells its findings by the exit status. */
void fixture_stop(struct fixture *f);
/* By SIGKILL. */
void fixture_kill(struct fixture *f);
/* The daemon is expected not to start: exits with 1 and a line that has text. */
void fixture_start_refused(struct fixture *f, const char *text);
/* Stops what runs, and removes the directory. */
void fixture_free(struct fixture *f);

/* Two devices for PASIDs, 0000:01:00.0 and 0000:02:00.0 (8 bits only), and one without; before the start. */
#define DEVICE_WIDE "0000:01:00.0"
#define DEVICE_NARROW "0000:02:00.0"
#define DEVICE_UNUSABLE "0000:03:00.0"
void fixture_add_devices(struct fixture *f);

/* Some group of this machine but root's, for Group=. */
bool find_group(gid_t *ret_gid, const char **ret_name);
/* A configuration with such a group, and with more lines. The caller frees it. */
char *config_with_group(const char *more, gid_t *ret_gid);
/* Some user of this machine but root and *ret_uid: dbus-daemon turns away whom it does not find. */
bool find_user(uid_t *ret_uid);
/*
 * The daemon is to run on tests/bus/fake-kernel.c, with the devices 0000:01:00.0 and 0000:02:00.0 and those of more: lines of
 * its file "devices".
 */
void fixture_use_fake_kernel(struct fixture *f, const char *more);
/* Puts the text where the fake reads it, all at once. */
void fixture_tell_kernel(struct fixture *f, const char *name, const char *text);
/* How many times the fake did it, in the words of its log. */
unsigned fixture_kernel_did(const struct fixture *f, const char *line);
/* Runs function in a process of its own as another user; a failed assertion in it fails the test. */
void run_as(uid_t uid, gid_t gid, void (*function)(void *userdata), void *userdata);
/*
 * A process that stays until it is killed or finished, for instance to hold something. It has none of the test's file
 * descriptors, and of an assertion that fails in it there is its exit status only.
 */
struct child {
        pid_t pid;
        int to, from; /* pipes */
};
struct child child_start(void (*function)(struct child *self, void *userdata), void *userdata);
/* In the child: tells that all is prepared, and waits for the parent's word. */
void child_ready(struct child *self);
void child_wait(struct child *self);
/* In the parent. */
void child_await_ready(struct child *child);
void child_release(struct child *child);
void child_finish(struct child *child); /* releases it, and it must exit with 0 */
void child_kill(struct child *child);

/* ck_assert_msg() writes to a file when it holds, too: not for loops over a million numbers. */
#define assert_quick(condition, ...)               \
        do {                                       \
                if (!(condition))                  \
                        ck_abort_msg(__VA_ARGS__); \
        } while (0)

/* True in time, or the test fails: polls a condition that nothing announces. */
#define await(condition)                                                                              \
        do {                                                                                          \
                uint64_t await_end_ = monotonic_msec() + WAIT_LIMIT_MSEC;                             \
                while (!(condition)) {                                                                \
                        ck_assert_msg(monotonic_msec() < await_end_, "%s did not come true", #condition); \
                        await_pause();                                                                \
                }                                                                                     \
        } while (0)
void await_pause(void);

/* In a test of a loop, that must begin with 0. */
#define SKIP(reason)                                          \
        do {                                                  \
                fixture_note_skip(__func__, _i, reason);      \
                return;                                       \
        } while (0)
void fixture_note_skip(const char *function, int i, const char *reason);
#define SKIP_UNLESS_ROOT()                                    \
        do {                                                  \
                if (geteuid() != 0)                           \
                        SKIP("needs root");                   \
        } while (0)

/* A test case with the limit above, added to the suite. */
TCase *fixture_add_case(Suite *suite, const char *name);
/* main() of a test program: TAP, with SKIP where a test said so. */
int fixture_main(Suite *suite);
