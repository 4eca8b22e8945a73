/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holds "fd" and "process" while the service runs: what can hold and what
 * can't, each way to end, and an end that meets a table or a batch in trouble.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "holders.h"
#include "service/process.h"
#include "suite.h"

#define REQUEST(call) (&(struct init_request[]) { call }[0])

static struct fixture f;
static struct fake_fd_store fds;

static void setup(void) {
        fixture_init(&f);
        fake_fd_store_init(&f, &fds);
        f.limits.reuse_delay_usec = 0; /* by the test's clock, which would have the timers run at once */
        ck_assert_int_eq(fixture_start(&f), 0);
}

static void teardown(void) {
        fixture_done(&f);
        fake_fd_store_done(&fds);
}

static struct init_request fd_request(const char *name, int fd) {
        struct init_request request = holder_request(name, HOLD_FD);

        request.hold_fd = fd;
        return request;
}

static struct init_request process_request(const char *name, pid_t pid) {
        struct init_request request = holder_request(name, HOLD_PROCESS);

        request.hold_pid = (uint32_t) pid;
        return request;
}

static void expect_refused(const struct init_request *request, int code, const char *words) {
        struct refusal refusal;
        int n = count_own_fds(), r = holder_try(&f, request, &refusal);

        ck_assert_msg(r == -code, "%d: %s", r, refusal.text);
        ck_assert_msg(strstr(refusal.text, words), "\"%s\" lacks \"%s\"", refusal.text, words);
        ck_assert_int_eq(count_own_fds(), n);
        ck_assert_uint_eq(fds.n_kept, 0);
}

/* Its numbers are freed for that reason, and it is told once. */
static void expect_end(const char *name, uint32_t n) {
        char freed[64], ended[64];

        fixture_run_until(&f, !holder_get(&f, name) && !service_is_pending(f.service));
        (void) snprintf(freed, sizeof(freed), "freed %s %u holder-gone\n", name, n);
        (void) snprintf(ended, sizeof(ended), "ended %s 0 \n", name);
        ck_assert_msg(strstr(f.news, freed), "%s", f.news);
        ck_assert_msg(strstr(f.news, ended), "%s", f.news);
}

enum end {
        PIPE_CLOSED,
        PIPE_WRITTEN,
        PIPE_UNREAD,
        FIFO_CLOSED,
        SOCKET_CLOSED,
        SOCKET_WRITTEN,
        EVENTFD,
        PIDFD,
        END_MAX_,
};

static pid_t child;

/* ret[0] is for the service, and ret[1] is what ends it. */
static void open_holder(enum end end, int ret[static 2]) {
        char path[128];
        int pair[2];

        switch (end) {
        case PIPE_CLOSED:
        case PIPE_WRITTEN:
                ck_assert_int_eq(pipe2(ret, O_CLOEXEC), 0);
                return;
        case PIPE_UNREAD:
                ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
                ret[0] = pair[1];
                ret[1] = pair[0];
                return;
        case FIFO_CLOSED:
                (void) snprintf(path, sizeof(path), "%s/fifo", f.dir);
                ck_assert_int_eq(mkfifo(path, 0600), 0);
                ret[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
                ret[1] = open(path, O_WRONLY | O_CLOEXEC);
                return;
        case SOCKET_CLOSED:
        case SOCKET_WRITTEN:
                ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret), 0);
                return;
        case EVENTFD:
                ret[0] = eventfd(0, EFD_CLOEXEC);
                ret[1] = dup(ret[0]);
                return;
        case PIDFD:
        default:
                child = holder_child();
                ret[0] = pidfd_open_process(child);
                ret[1] = -EBADF;
        }
}

static void end_holder(enum end end, int fd) {
        uint64_t one = 1;

        if (end == PIDFD)
                holder_kill(child, SIGKILL, false);
        else if (end == PIPE_WRITTEN || end == SOCKET_WRITTEN || end == EVENTFD)
                ck_assert_int_gt(write(fd, &one, sizeof(one)), 0);
        else
                ck_assert_int_eq(close(fd), 0);
}

START_TEST(test_fd_ends) {
        int before = count_own_fds(), pair[2];

        open_holder((enum end) _i, pair);
        ck_assert_int_ge(pair[0], 0);
        fixture_listen(&f);
        holder_init(&f, REQUEST(fd_request("vm", pair[0])), 5);
        ck_assert_str_eq(holder_get(&f, "vm")->holder, "fd:1");
        ck_assert(fake_fd_store_has(&fds, "hold-1"));
        ck_assert_int_eq(close(pair[0]), 0); /* the service has its own */
        holder_run(&f);
        ck_assert_ptr_nonnull(holder_get(&f, "vm"));
        end_holder((enum end) _i, pair[1]);
        expect_end("vm", 5);
        ck_assert_uint_eq(fds.n, 0);
        ck_assert_int_le(count_own_fds(), before + 1);
}
END_TEST

START_TEST(test_fd_refused) {
        int pair[2], r;
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/fifo", f.dir);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
        expect_refused(REQUEST(fd_request("vm", -EBADF)), EINVAL, "without one");
        const char *const files[] = { "/dev/null", "/proc/self/stat", f.dir };
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                r = open(files[i], O_RDONLY | O_CLOEXEC);
                expect_refused(REQUEST(fd_request("vm", r)), EINVAL, "cannot hold it");
                (void) close(r);
        }
        r = open(path, O_PATH | O_CLOEXEC);
        expect_refused(REQUEST(fd_request("vm", r)), EINVAL, "cannot hold it");
        (void) close(r);
        r = epoll_create1(EPOLL_CLOEXEC); /* what it would poll is anybody's guess */
        expect_refused(REQUEST(fd_request("vm", r)), EINVAL, "cannot hold it");
        (void) close(r);

        ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
        ck_assert_int_eq(write(pair[1], "x", 1), 1);
        expect_refused(REQUEST(fd_request("vm", pair[0])), EINVAL, "readable already");
        (void) close(pair[1]);
        expect_refused(REQUEST(fd_request("vm", pair[0])), EINVAL, "hung up");
        (void) close(pair[0]);
}
END_TEST

START_TEST(test_process_ends) {
        static const int signals[] = { SIGKILL, SIGTERM, SIGKILL, SIGABRT };
        pid_t pid = holder_child();

        fixture_listen(&f);
        holder_init(&f, REQUEST(process_request("vm", pid)), 5);
        ck_assert(fake_fd_store_has(&fds, "hold-1"));
        holder_kill(pid, signals[_i], _i < 2); /* else it stays a zombie */
        expect_end("vm", 5);
        ck_assert_uint_eq(fds.n, 0);
}
END_TEST

/* A process is there for as long as one of its threads is, if /proc has it for a zombie. */
START_TEST(test_process_without_main) {
        pid_t pid = holder_child_without_main();

        fixture_listen(&f);
        holder_init(&f, REQUEST(process_request("vm", pid)), 5);
        ck_assert_int_eq(service_flush(f.service), 0);
        fixture_restart(&f);
        holder_run(&f);
        ck_assert_ptr_nonnull(holder_get(&f, "vm"));
        fixture_listen(&f);
        holder_kill(pid, SIGKILL, false);
        expect_end("vm", 5);
}
END_TEST

START_TEST(test_process_refused) {
        struct init_request request = process_request("vm", 0);
        char text[64];
        pid_t pid;

        expect_refused(&request, EINVAL, "no pid");
        request.hold_pid = 1U << 31;
        expect_refused(&request, EINVAL, "no pid");
        pid = holder_child();
        request.hold_pid = (uint32_t) pid;
        request.uid = geteuid() + 1;
        expect_refused(&request, EACCES, "only root");
        request.caller_pid = 0;
        expect_refused(&request, EINVAL, "pid namespace");
        request = process_request("vm", pid);
        holder_kill(pid, SIGKILL, false);
        expect_refused(&request, EINVAL, "ended already"); /* a zombie */
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        expect_refused(&request, EINVAL, "There is no process");

        /* asked from inside of a container, where the number means somebody else */
        (void) snprintf(text, sizeof(text), "Name:\tx\nNSpid:\t%d\t7\n", (int) getpid());
        fake_process(&f, getpid(), "status", text);
        fixture_restart(&f);
        request = process_request("vm", holder_child());
        expect_refused(&request, EINVAL, "pid namespace");
        (void) snprintf(text, sizeof(text), "Name:\tx\nNSpid:\t%d\n", (int) getpid());
        fake_process(&f, getpid(), "status", text);
        expect_refused(&request, EACCES, "only root"); /* nobody knows whose it is */
}
END_TEST

START_TEST(test_thread_is_no_process) {
        struct init_request request = process_request("vm", 0);
        _cleanup_free_ char *path = NULL;
        pid_t pid = holder_child_without_main();
        char line[256];
        FILE *file;
        int tid = 0;

        /* the other thread, in /proc's list the one that is not the process */
        for (int i = pid + 1; tid == 0 && i < pid + 1000; i++) {
                ck_assert_int_gt(asprintf(&path, "/proc/%d/task/%d/comm", (int) pid, i), 0);
                file = fopen(path, "re");
                free(TAKE_PTR(path));
                if (!file)
                        continue;
                ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
                (void) fclose(file);
                tid = i;
        }
        ck_assert_int_gt(tid, 0);
        request.hold_pid = (uint32_t) tid;
        request.privileged = true;
        expect_refused(&request, EINVAL, "is a thread");
        holder_kill(pid, SIGKILL, true);
}
END_TEST

/* Root may name any. */
START_TEST(test_privileged) {
        struct init_request request = process_request("vm", 1);

        request.privileged = true;
        holder_init(&f, &request, 5);
        holder_run(&f);
        ck_assert_ptr_nonnull(holder_get(&f, "vm"));
}
END_TEST

/* An Init that is undone leaves nothing that could end whoever gets its id next. */
START_TEST(test_undone_init) {
        int before = count_own_fds();
        pid_t pid = holder_child();
        struct init_request request = process_request("vm", pid), boot = holder_request("other", HOLD_BOOT);
        struct refusal refusal;

        ck_assert_int_eq(holder_try(&f, &request, &refusal), 0);
        ck_assert_uint_eq(fds.n, 1);
        fault_store_fail(f.runtime, 1, EFBIG);
        ck_assert_int_eq(service_flush(f.service), -EFBIG);
        ck_assert_ptr_null(holder_get(&f, "vm"));
        ck_assert_uint_eq(fds.n, 0);
        ck_assert_int_eq(count_own_fds(), before);
        for (unsigned n = 1; n < 4; n++) { /* begin, consumer, commit */
                fault_store_fail(f.runtime, n, EIO);
                if (holder_try(&f, &request, &refusal) == 0)
                        ck_assert_int_eq(service_flush(f.service), -EIO);
                ck_assert_ptr_null(holder_get(&f, "vm"));
                ck_assert_uint_eq(fds.n, 0);
                ck_assert_int_eq(count_own_fds(), before);
        }
        fault_store_fail(f.runtime, 0, 0);
        ck_assert_int_eq(holder_try(&f, &boot, &refusal), 0);
        ck_assert_uint_eq(holder_get(&f, "other")->id, 1);
        holder_kill(pid, SIGKILL, true);
        holder_run(&f);
        ck_assert_ptr_nonnull(holder_get(&f, "other"));
}
END_TEST

/* The holder's end comes before the commit of its Init: that one first, whatever becomes of it. */
START_TEST(test_gone_before_commit) {
        struct init_request request = process_request("vm", holder_child());
        struct refusal refusal;

        ck_assert_int_eq(holder_try(&f, &request, &refusal), 0);
        if (_i > 0)
                fault_store_fail(f.runtime, _i == 1 ? 1 : 4, EFBIG); /* the commit of the Init, and that of the end */
        holder_kill((pid_t) request.hold_pid, SIGKILL, true);
        fixture_run_until(&f, !holder_get(&f, "vm"));
        if (_i == 2)
                ck_assert_int_eq(service_flush(f.service), -EFBIG);
        fixture_run_until(&f, !holder_get(&f, "vm") && !service_is_pending(f.service));
        ck_assert_uint_eq(fds.n, 0);
        fixture_restart(&f);
        ck_assert_ptr_null(holder_get(&f, "vm"));
}
END_TEST

/* The table does not take the end at first: at the change, and at the commit. */
START_TEST(test_end_is_retried) {
        struct init_request request = process_request("vm", holder_child());

        holder_init(&f, &request, 5);
        fixture_listen(&f);
        fault_store_fail(f.runtime, _i == 0 ? 2 : 4, EFBIG);
        holder_kill((pid_t) request.hold_pid, SIGKILL, true);
        holder_run(&f);
        ck_assert_ptr_nonnull(holder_get(&f, "vm"));
        ck_assert_uint_eq(holder_get(&f, "vm")->n_live, 1);
        expect_end("vm", 5);
        fixture_restart(&f);
        ck_assert_ptr_null(holder_get(&f, "vm"));
}
END_TEST

/* It ends by Exit, and its holder while that waits for a commit that fails: it has a holder that is gone. */
START_TEST(test_exit_is_undone) {
        struct init_request request = process_request("vm", holder_child());
        struct refusal refusal;

        holder_init(&f, &request, 5);
        ck_assert_int_eq(service_exit_consumer(f.service, holder_get(&f, "vm"), "exit", &refusal), 0);
        holder_kill((pid_t) request.hold_pid, SIGKILL, true);
        if (_i == 0) {
                fault_store_fail(f.runtime, 1, EFBIG);
                ck_assert_int_eq(service_flush(f.service), -EFBIG);
                ck_assert_ptr_nonnull(holder_get(&f, "vm"));
        }
        fixture_listen(&f);
        fixture_run_until(&f, !holder_get(&f, "vm") && !service_is_pending(f.service));
        ck_assert_msg((strstr(f.news, "freed vm 5 holder-gone") != NULL) == (_i == 0), "%s", f.news);
        holder_run(&f);
        ck_assert_uint_eq(fds.n, 0);
}
END_TEST

START_TEST(test_exit_lets_go) {
        int before = count_own_fds();
        struct init_request request = process_request("vm", holder_child());
        struct refusal refusal;

        holder_init(&f, &request, 5);
        ck_assert_int_eq(service_exit_consumer(f.service, holder_get(&f, "vm"), "exit", &refusal), 0);
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_uint_eq(fds.n, 0);
        ck_assert_int_eq(count_own_fds(), before);
        holder_kill((pid_t) request.hold_pid, SIGKILL, true);
        holder_run(&f);
}
END_TEST

/* Detached first: whatever was attached is free at once, for the kernel has let go of it. */
START_TEST(test_attached_numbers) {
        static const char *const devices[] = { "0000:01:00.0" };
        struct init_request request = process_request("vm", holder_child());
        struct alloc_request one = { .count = 1 };
        struct refusal refusal;
        uint32_t pasid;

        f.keeper = NULL;
        fixture_restart(&f);
        request.devices = devices;
        request.n_devices = 1;
        request.mode = MODE_MEDIATED;
        ck_assert_msg(holder_try(&f, &request, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(service_alloc_mapped(f.service, holder_get(&f, "vm"), &one, NULL, NULL, &pasid, &refusal), 0);
        fixture_listen(&f);
        fake_kernel_fail(&f.kernel, 1, EBUSY); /* at first the device can't */
        holder_kill((pid_t) request.hold_pid, SIGKILL, true);
        holder_run(&f);
        ck_assert_int_eq(core_row_get(holder_get(&f, "vm"), pasid)->state, ROW_ATTACHED);
        ck_assert_ptr_nonnull(fake_kernel_attachment(&f.kernel, devices[0], pasid));
        expect_end("vm", pasid);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_ATTACHMENT) + fake_kernel_count(&f.kernel, FAKE_DEVICE), 0);
        ck_assert_ptr_null(core_holder_next(service_core(f.service), pasid, NULL)); /* it does not even cool */
}
END_TEST

/* Many at once, by all means, among some that stay. */
START_TEST(test_many) {
        enum { N = 60 };
        struct init_request request;
        char name[16];
        pid_t pids[N];
        int pairs[N][2];

        f.limits.consumers_per_uid = 2 * N;
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &f.service_limits), 0);
        f.keeper = NULL;
        fixture_restart(&f);
        for (int i = 0; i < N; i++) {
                struct refusal refusal;

                (void) snprintf(name, sizeof(name), "vm-%d", i);
                if (i % 2 == 0) {
                        pids[i] = holder_child();
                        request = process_request(name, pids[i]);
                } else {
                        ck_assert_int_eq(pipe2(pairs[i], O_CLOEXEC), 0);
                        request = fd_request(name, pairs[i][0]);
                }
                ck_assert_msg(holder_try(&f, &request, &refusal) == 0, "%s", refusal.text);
        }
        for (int i = 0; i < N; i++)
                if (i % 3 != 0) {
                        if (i % 2 == 0)
                                holder_kill(pids[i], SIGKILL, i % 4 == 0);
                        else
                                (void) close(pairs[i][1]);
                }
        for (int i = 0; i < N; i++) {
                (void) snprintf(name, sizeof(name), "vm-%d", i);
                if (i % 3 != 0)
                        fixture_run_until(&f, !holder_get(&f, name));
        }
        holder_run(&f);
        for (int i = 0; i < N; i += 3) {
                (void) snprintf(name, sizeof(name), "vm-%d", i);
                ck_assert_ptr_nonnull(holder_get(&f, name));
        }
}
END_TEST

static void add_processes(Suite *suite) {
        TCase *tc = tcase_create("processes");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_loop_test(tc, test_process_ends, 0, 4);
        tcase_add_test(tc, test_process_without_main);
        tcase_add_test(tc, test_process_refused);
        tcase_add_test(tc, test_thread_is_no_process);
        tcase_add_test(tc, test_privileged);
        tcase_add_test(tc, test_undone_init);
        tcase_add_loop_test(tc, test_gone_before_commit, 0, 3);
        tcase_add_loop_test(tc, test_end_is_retried, 0, 2);
        tcase_add_loop_test(tc, test_exit_is_undone, 0, 2);
        tcase_add_test(tc, test_exit_lets_go);
        tcase_add_test(tc, test_attached_numbers);
        tcase_add_test(tc, test_many);
        suite_add_tcase(suite, tc);
}

int main(void) {
        Suite *suite = suite_create("service-holds");
        TCase *tc = tcase_create("fds");
        bool has_processes = has_pidfds();

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_loop_test(tc, test_fd_ends, 0, has_processes ? END_MAX_ : PIDFD);
        tcase_add_test(tc, test_fd_refused);
        suite_add_tcase(suite, tc);
        if (has_processes)
                add_processes(suite);
        return suite_run(suite);
}
