/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of holders over a restart of the daemon, and of those whose end
 * nobody has told yet when somebody asks for what they have.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "holders.h"
#include "service/process.h"
#include "service/service-internal.h"
#include "suite.h"

#define REQUEST(call) (&(struct init_request[]) { call }[0])

static struct fixture f;
static struct fake_fd_store fds;

static void setup(void) {
        fixture_init(&f);
        f.limits.reuse_delay_usec = 0; /* by the test's clock, which would have the timers run at once */
        ck_assert_int_eq(fixture_start(&f), 0);
}

static void teardown(void) {
        fixture_done(&f);
        fake_fd_store_done(&fds);
}

static void use_store(void) {
        fake_fd_store_init(&f, &fds);
        fixture_restart(&f);
}

static pid_t init_by_process(const char *name, uint32_t n) {
        struct init_request request = holder_request(name, HOLD_PROCESS);
        pid_t pid = holder_child();

        request.hold_pid = (uint32_t) pid;
        holder_init(&f, &request, n);
        return pid;
}

/* Returns what ends it. */
static int init_by_pipe(const char *name, uint32_t n) {
        struct init_request request = holder_request(name, HOLD_FD);
        int pair[2];

        ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
        request.hold_fd = pair[0];
        holder_init(&f, &request, n);
        (void) close(pair[0]);
        return pair[1];
}

static void expect_end(const char *name) {
        fixture_run_until(&f, !holder_get(&f, name) && !service_is_pending(f.service));
}

/* As if another hand, or an older kernel, had written the table. */
static void set_holder(const char *name, const char *holder) {
        char path[128], *sql = sqlite3_mprintf("UPDATE consumer SET holder = %Q WHERE name = %Q", holder, name);
        sqlite3 *db;

        (void) snprintf(path, sizeof(path), "%s/run/pasidd.db", f.dir);
        ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
        ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_free(sql);
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

START_TEST(test_process_lives) {
        pid_t pid;

        if (_i == 1)
                use_store();
        pid = init_by_process("vm", 5);
        if (_i == 1)
                fake_fd_store_restart(&f, &fds);
        else
                fixture_restart(&f);
        ck_assert(service_hold_is_watched(holder_get(&f, "vm")));
        holder_run(&f);
        ck_assert_ptr_nonnull(holder_get(&f, "vm"));
        ck_assert_uint_eq(fds.n, _i);
        holder_kill(pid, SIGKILL, false);
        expect_end("vm");
        ck_assert_uint_eq(fds.n, 0);
}
END_TEST

/* With and without the store; a zombie, and one that is no more. */
START_TEST(test_process_died_meanwhile) {
        bool is_stored = _i % 2;
        pid_t pid;

        if (is_stored)
                use_store();
        pid = init_by_process("vm", 5);
        if (is_stored) {
                holder_kill(pid, SIGKILL, _i < 2);
                fake_fd_store_restart(&f, &fds);
        } else {
                fixture_stop(&f);
                holder_kill(pid, SIGKILL, _i < 2);
                ck_assert_int_eq(fixture_start(&f), 0);
        }
        ck_assert_ptr_null(holder_get(&f, "vm"));
        ck_assert_ptr_null(core_holder_next(service_core(f.service), 5, NULL));
        ck_assert(!service_is_pending(f.service));
        ck_assert_uint_eq(fds.n, 0);
        fixture_restart(&f);
        ck_assert_ptr_null(holder_get(&f, "vm"));
}
END_TEST

/* The pid is another process's: by the inode, or, as before Linux 6.9, by the time that it began. */
START_TEST(test_pid_was_reused) {
        pid_t pid = init_by_process("vm", 5);
        unsigned long long inode, start;
        char holder[96], text[128];
        int seen;

        ck_assert_int_eq(sscanf(holder_get(&f, "vm")->holder, "process:%d:%llu:%llu", &seen, &inode, &start), 3);
        ck_assert_int_eq(seen, pid);
        ck_assert_uint_eq(start, process_start_time(NULL, pid));
        if (_i == 0 && inode == 0) {
                printf("# pidfds have no inodes of their own here\n");
                return;
        }
        fixture_stop(&f);
        (void) snprintf(holder, sizeof(holder), "process:%d:%llu:%llu", (int) pid, _i == 0 ? inode + 1 : 0, start);
        set_holder("vm", holder);
        if (_i > 0) {
                (void) snprintf(text, sizeof(text), "%d (a ) S) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 %llu 0\n", (int) pid,
                                _i == 1 ? start + 1 : start);
                fake_process(&f, pid, "stat", text);
        }
        ck_assert_int_eq(fixture_start(&f), 0);
        if (_i < 2) {
                ck_assert_ptr_null(holder_get(&f, "vm"));
                return;
        }
        ck_assert(service_hold_is_watched(holder_get(&f, "vm")));
        holder_kill(pid, SIGKILL, false);
        expect_end("vm");
}
END_TEST

/* Neither inode nor /proc: nothing is freed, that is seen, and the next look at it does better. */
START_TEST(test_process_cannot_be_told) {
        static const char *const junk[] = { "process:", "process:0:0:0", "" };
        pid_t pid = init_by_process("vm", 5);
        uint64_t start = process_start_time(NULL, pid);
        char holder[96], text[128];

        fixture_stop(&f);
        (void) snprintf(holder, sizeof(holder), "process:%d:0:%llu", (int) pid, _i == 0 ? (unsigned long long) start : 0ULL);
        set_holder("vm", _i < 2 ? holder : junk[_i - 2]);
        fake_process(&f, pid, "stat", NULL);
        ck_assert_int_eq(fixture_start(&f), 0);
        holder_run(&f);
        ck_assert_ptr_nonnull(holder_get(&f, "vm"));
        ck_assert(!service_hold_is_watched(holder_get(&f, "vm")));
        if (_i == 0) {
                (void) snprintf(text, sizeof(text), "%d (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 %llu 0\n", (int) pid,
                                (unsigned long long) start);
                fake_process(&f, pid, "stat", text);
        }
        ck_assert_int_eq(holder_try(&f, REQUEST(holder_request("vm", HOLD_BOOT)), &(struct refusal) {}), -EEXIST);
        ck_assert(service_hold_is_watched(holder_get(&f, "vm")) == (_i == 0));
        holder_kill(pid, SIGKILL, true);
        if (_i < 2) { /* no such process is an answer without either */
                if (_i == 1)
                        ck_assert_int_eq(holder_try(&f, REQUEST(holder_request("vm", HOLD_BOOT)),
                                                    &(struct refusal) {}), 0);
                else
                        expect_end("vm");
        } else
                ck_assert_int_eq(service_exit_consumer(f.service, holder_get(&f, "vm"), "exit", NULL), 0);
}
END_TEST

START_TEST(test_fd_is_kept) {
        int fd;

        use_store();
        fd = init_by_pipe("vm", 5);
        fake_fd_store_restart(&f, &fds);
        fake_fd_store_restart(&f, &fds);
        ck_assert(service_hold_is_watched(holder_get(&f, "vm")));
        ck_assert_uint_eq(fds.n, 1);
        ck_assert_uint_eq(fds.n_kept, 1);
        if (_i == 0) {
                (void) close(fd);
                expect_end("vm");
        } else {
                fixture_stop(&f);
                (void) close(fd);
                fake_fd_store_restart(&f, &fds);
                ck_assert_ptr_null(holder_get(&f, "vm"));
        }
        ck_assert_uint_eq(fds.n, 0);
}
END_TEST

/* The store lost it, or has something else under that name: whoever holds it, nobody can tell. */
START_TEST(test_fd_is_lost) {
        static struct stored_fd other = { "hold-1", -EBADF };
        int fd = init_by_pipe("vm", 5);

        if (_i == 1) {
                other.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
                f.stored = &other;
                f.n_stored = 1;
        }
        fixture_restart(&f);
        f.n_stored = 0;
        ck_assert(!service_hold_is_watched(holder_get(&f, "vm")));
        (void) close(fd);
        holder_run(&f);
        ck_assert_int_eq(holder_try(&f, REQUEST(holder_request("vm", HOLD_BOOT)), &(struct refusal) {}), -EEXIST);
        ck_assert_ptr_nonnull(holder_get(&f, "vm"));
        ck_assert_int_eq(service_exit_consumer(f.service, holder_get(&f, "vm"), "exit", NULL), 0);
        ck_assert_int_eq(service_flush(f.service), 0);
}
END_TEST

/* What is stored of consumers that are no more is left for its giver. */
START_TEST(test_stored_of_nobody) {
        struct stored_fd stored[] = {
                { "hold-1", -EBADF }, { "hold-77", -EBADF }, { "hold-", -EBADF }, { "hold-18446744073709551617", -EBADF },
        };

        (void) init_by_process("vm", 5);
        fixture_consumer(&f, "boot", NULL, HOLD_BOOT);
        fixture_stop(&f);
        stored[0].name = "hold-2";
        for (size_t i = 0; i < ELEMENTSOF(stored); i++)
                stored[i].fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        f.stored = stored;
        f.n_stored = ELEMENTSOF(stored);
        ck_assert_int_eq(fixture_start(&f), 0);
        for (size_t i = 0; i < ELEMENTSOF(stored); i++) {
                ck_assert_int_ge(fcntl(stored[i].fd, F_GETFD), 0);
                (void) close(stored[i].fd);
        }
        f.n_stored = 0;
        ck_assert(service_hold_is_watched(holder_get(&f, "vm")));
        ck_assert(service_hold_is_watched(fixture_get(&f, "boot")));
}
END_TEST

/* The table does not take, at start, that a holder has gone: the start goes on, and the end is tried again. */
START_TEST(test_end_at_start_is_refused) {
        pid_t pid = init_by_process("vm", 5);

        fixture_stop(&f);
        holder_kill(pid, SIGKILL, true);
        f.fail_runtime_start_at = (unsigned) _i;
        ck_assert_int_eq(fixture_start(&f), 0);
        expect_end("vm");
        fixture_restart(&f);
        ck_assert_ptr_null(holder_get(&f, "vm"));
}
END_TEST

static int alloc(const char *name, uint32_t min, uint32_t max, uint32_t *ret, struct refusal *refusal) {
        struct alloc_request request = { .count = 1, .min = min, .max = max };

        f.service->next_sweep_usec = 0; /* on a slow machine the look before may have used up its share of the time */
        return service_alloc(f.service, holder_get(&f, name), &request, NULL, ret, refusal);
}

/* The one number, or the last of a quota, is a dead process's; the loop has not run since. */
START_TEST(test_look_before_refusing) {
        pid_t pid = init_by_process("dead", 5);
        struct init_request request = holder_request("vm", HOLD_BOOT);
        struct refusal refusal = {};
        uint32_t pasid = 0;

        holder_init(&f, &request, 6);
        (void) init_by_process("alive", 7);
        if (_i == 1) {
                f.limits.pasids_per_uid = 3;
                request.uid = 0; /* root has no such limit */
                ck_assert_int_eq(service_set_limits(f.service, &f.limits, &f.service_limits), 0);
                if (geteuid() == 0)
                        return;
        }
        holder_kill(pid, SIGKILL, false);
        ck_assert_msg(alloc("vm", 5, _i == 0 ? 5 : 100, &pasid, &refusal) == 0, "%s", refusal.text);
        ck_assert(pasid == 5 || _i == 1);
        ck_assert_ptr_null(holder_get(&f, "dead"));
        ck_assert_int_eq(alloc("vm", 7, 7, &pasid, &refusal), _i == 0 ? -EADDRINUSE : -EDQUOT);
        ck_assert_ptr_nonnull(holder_get(&f, "alive"));
        ck_assert_int_eq(service_flush(f.service), 0);
        fixture_restart(&f);
        ck_assert_ptr_null(holder_get(&f, "dead"));
        ck_assert_uint_eq(holder_get(&f, "vm")->n_live, 2);
}
END_TEST

/* What it had has to cool, and that is the refusal's reason now. */
START_TEST(test_look_finds_cooling) {
        pid_t pid;
        struct refusal refusal = {};
        uint32_t pasid;

        f.limits.reuse_delay_usec = 30000000;
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &f.service_limits), 0);
        pid = init_by_process("dead", 5);
        holder_init(&f, REQUEST(holder_request("vm", HOLD_BOOT)), 6);
        ck_assert_int_eq(alloc("vm", 5, 5, &pasid, &refusal), -EADDRINUSE);
        holder_kill(pid, SIGKILL, false);
        ck_assert_int_eq(alloc("vm", 5, 5, &pasid, &refusal), -EAGAIN);
}
END_TEST

/* It is the one that asks who has ended. */
START_TEST(test_asker_has_ended) {
        pid_t pid = init_by_process("dead", 5);
        struct refusal refusal = {};
        uint32_t pasid;

        holder_kill(pid, SIGKILL, false);
        ck_assert_int_eq(alloc("dead", 5, 5, &pasid, &refusal), -ESRCH);
        ck_assert_msg(strstr(refusal.text, "make it again, with a holder that lives"), "%s", refusal.text);
        ck_assert_ptr_null(holder_get(&f, "dead"));
        ck_assert_int_eq(service_flush(f.service), 0);
}
END_TEST

/* A new one of the same name, as when a VM is started again; and one more than there may be. */
START_TEST(test_init_in_place_of_a_dead_one) {
        pid_t pid = init_by_process("vm", 5);
        struct refusal refusal;
        struct init_request request = holder_request(_i == 0 ? "vm" : "other", HOLD_BOOT);

        if (_i == 1) {
                f.limits.consumers_per_uid = 1;
                ck_assert_int_eq(service_set_limits(f.service, &f.limits, &f.service_limits), 0);
        }
        if (_i == 0 || geteuid() != 0)
                ck_assert_int_eq(holder_try(&f, &request, &refusal), _i == 0 ? -EEXIST : -EDQUOT);
        holder_kill(pid, SIGKILL, true);
        ck_assert_msg(holder_try(&f, &request, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(holder_get(&f, request.name)->hold, HOLD_BOOT);
        ck_assert_int_eq(service_flush(f.service), 0);
        holder_run(&f);
        ck_assert_ptr_nonnull(holder_get(&f, request.name));
}
END_TEST

static void add_processes(Suite *suite) {
        TCase *tc = tcase_create("processes");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_loop_test(tc, test_process_lives, 0, 2);
        tcase_add_loop_test(tc, test_process_died_meanwhile, 0, 4);
        tcase_add_loop_test(tc, test_pid_was_reused, 0, 3);
        tcase_add_loop_test(tc, test_process_cannot_be_told, 0, 5);
        tcase_add_test(tc, test_stored_of_nobody);
        tcase_add_loop_test(tc, test_end_at_start_is_refused, 1, 4);
        tcase_add_loop_test(tc, test_look_before_refusing, 0, 2);
        tcase_add_test(tc, test_look_finds_cooling);
        tcase_add_test(tc, test_asker_has_ended);
        tcase_add_loop_test(tc, test_init_in_place_of_a_dead_one, 0, 2);
        suite_add_tcase(suite, tc);
}

int main(void) {
        Suite *suite = suite_create("service-reaper");
        TCase *tc = tcase_create("fds");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_loop_test(tc, test_fd_is_kept, 0, 2);
        tcase_add_loop_test(tc, test_fd_is_lost, 0, 2);
        suite_add_tcase(suite, tc);
        if (has_pidfds())
                add_processes(suite);
        return suite_run(suite);
}
