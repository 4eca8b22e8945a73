/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hold "unit": on a tree of plain files that looks like cgroups, and, where
 * the test may make cgroups, on the kernel's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "holders.h"
#include "service/cgroup.h"
#include "suite.h"

#define REQUEST(call) (&(struct init_request[]) { call }[0])

static struct fixture f;

static void setup(void) {
        fixture_init(&f);
        f.limits.reuse_delay_usec = 0; /* by the test's clock, which would have the timers run at once */
        fake_cgroup(&f, "/system.slice/a.service", 1);
        fake_cgroup(&f, "/system.slice/idle.service", 0);
        ck_assert_int_eq(fixture_start(&f), 0);
}

static void teardown(void) {
        fixture_done(&f);
}

static struct init_request unit_request(const char *unit) {
        struct init_request request = holder_request("vm", HOLD_UNIT);

        request.hold_unit = unit;
        request.privileged = true;
        return request;
}

static void expect_refused(const struct init_request *request, int code, const char *words) {
        struct refusal refusal;
        int n = count_own_fds(), r = holder_try(&f, request, &refusal);

        ck_assert_msg(r == -code, "%s: %d: %s", request->hold_unit, r, refusal.text);
        ck_assert_msg(strstr(refusal.text, words), "\"%s\" lacks \"%s\"", refusal.text, words);
        ck_assert_int_eq(count_own_fds(), n);
}

static void expect_end(void) {
        fixture_run_until(&f, !holder_get(&f, "vm") && !service_is_pending(f.service));
        ck_assert_msg(strstr(f.news, "freed vm 5 holder-gone\n"), "%s", f.news);
}

START_TEST(test_ends) {
        struct init_request request = unit_request(_i % 2 ? "a.service" : "/system.slice/a.service");

        fixture_listen(&f);
        holder_init(&f, &request, 5);
        ck_assert_ptr_nonnull(strstr(holder_get(&f, "vm")->holder, ":/system.slice/a.service"));
        fake_cgroup(&f, "/system.slice/a.service", 1); /* something else about it changes */
        holder_run(&f);
        ck_assert_ptr_nonnull(holder_get(&f, "vm"));
        if (_i < 2)
                fake_cgroup(&f, "/system.slice/a.service", 0);
        else
                fake_cgroup_remove(&f, "/system.slice/a.service");
        expect_end();
}
END_TEST

START_TEST(test_two_of_one_unit) {
        struct init_request request = unit_request("a.service"), other = request;

        other.name = "vm-2";
        holder_init(&f, &other, 6);
        fixture_listen(&f);
        holder_init(&f, &request, 5);
        fake_cgroup(&f, "/system.slice/a.service", 0);
        expect_end();
        fixture_run_until(&f, !holder_get(&f, "vm-2"));
}
END_TEST

START_TEST(test_refused) {
        static const char *const invalid[] = {
                "", "/", "x", "a/b.service", ".service", "//a.service", "/system.slice/", "/system.slice/../system.slice/a.service",
                "/system.slice/./a.service", "/..", "a.service/", "../a.service", "a.mount",
        };
        char *endless = malloc(2 * CGROUP_PATH_MAX), path[256];

        ck_assert_ptr_nonnull(endless);
        for (size_t i = 0; i < ELEMENTSOF(invalid); i++)
                expect_refused(REQUEST(unit_request(invalid[i])), EINVAL, "names no unit");
        memset(endless, 'a', 2 * CGROUP_PATH_MAX);
        strcpy(endless + 2 * CGROUP_PATH_MAX - 9, ".service");
        expect_refused(REQUEST(unit_request(endless)), EINVAL, "names no unit");
        free(endless);
        expect_refused(REQUEST(unit_request(NULL)), EINVAL, "without one");
        expect_refused(REQUEST(unit_request("b.service")), EINVAL, "There is no unit");
        expect_refused(REQUEST(unit_request("/system.slice/b.service")), EINVAL, "There is no unit");
        expect_refused(REQUEST(unit_request("/system.slice/a.service/cgroup.events")), EINVAL, "no unit");
        expect_refused(REQUEST(unit_request("idle.service")), EINVAL, "has no process");
        fake_cgroup(&f, "/strange.slice", -1);
        expect_refused(REQUEST(unit_request("strange.slice")), EINVAL, "no unit");

        /* a way out of the tree, and a way about in it */
        (void) snprintf(path, sizeof(path), "%s/link.slice", f.cgroupfs);
        ck_assert_int_eq(symlink("system.slice", path), 0);
        expect_refused(REQUEST(unit_request("/link.slice/a.service")), EINVAL, "no unit");

        fake_cgroup(&f, "/machine.slice/vm.slice/a.service", 1);
        expect_refused(REQUEST(unit_request("a.service")), EINVAL,
                       "/machine.slice/vm.slice/a.service");
        expect_refused(REQUEST(unit_request("a.service")), EINVAL, "/system.slice/a.service");

        (void) snprintf(path, sizeof(path), "%s/cgroup.controllers", f.cgroupfs);
        ck_assert_int_eq(unlink(path), 0);
        expect_refused(REQUEST(unit_request("/system.slice/a.service")), EOPNOTSUPP, "no unified cgroup tree");
}
END_TEST

/* What a unit makes inside of its own cgroup is no unit of the system's manager, whatever its name. */
START_TEST(test_name_of_anothers_making) {
        fake_cgroup(&f, "/user.slice/user-1000.slice/user@1000.service/victim.service", 1);
        expect_refused(REQUEST(unit_request("victim.service")), EINVAL, "There is no unit");
        fake_cgroup(&f, "/user.slice/user-1000.slice/user@1000.service/a.service", 1);
        holder_init(&f, REQUEST(unit_request("a.service")), 5);
}
END_TEST

START_TEST(test_rights) {
        struct init_request request = unit_request("a.service");
        struct refusal refusal;
        char text[256];

        /* of uid 4711, who is not even the test's */
        request.privileged = false;
        request.uid = 4711;
        (void) snprintf(text, sizeof(text), "%d (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 %llu 0\n", (int) getpid(), 77ULL);
        fake_process(&f, getpid(), "stat", text);
        fake_process(&f, getpid(), "cgroup", "1:cpu:/system.slice/a.service\n0::/system.slice/b.service\n");
        fixture_restart(&f);
        request.caller_start = 77;
        expect_refused(&request, EACCES, "only root");
        fake_process(&f, getpid(), "cgroup", "0::/system.slice/a.service-not\n");
        expect_refused(&request, EACCES, "only root");
        fake_process(&f, getpid(), "cgroup", "0::/system.slice\n"); /* above it */
        expect_refused(&request, EACCES, "only root");
        fake_process(&f, getpid(), "cgroup", "0::/system.slice/a.service/payload\n");
        request.caller_start = 78; /* the pid is another process's by now */
        expect_refused(&request, EACCES, "only root");
        request.caller_start = 0;
        expect_refused(&request, EACCES, "only root");
        fake_process(&f, getpid(), "stat", NULL); /* nobody knows when either began */
        expect_refused(&request, EACCES, "only root");
        fake_process(&f, getpid(), "stat", text);
        request.caller_start = 77;
        request.caller_pid = 0;
        expect_refused(&request, EACCES, "only root");
        request.caller_pid = getpid();
        ck_assert_msg(holder_try(&f, &request, &refusal) == 0, "%s", refusal.text);

        /* it was given to its uid: delegated, as systemd calls it */
        fake_process(&f, getpid(), "cgroup", NULL);
        request.uid = geteuid();
        ck_assert_msg(holder_try(&f, &request, &refusal) == 0, "%s", refusal.text);
}
END_TEST

START_TEST(test_restart) {
        struct init_request request = unit_request("a.service");
        char path[128], moved[128];

        holder_init(&f, &request, 5);
        fixture_restart(&f);
        ck_assert(service_hold_is_watched(holder_get(&f, "vm")));
        holder_run(&f);
        fixture_stop(&f);
        switch (_i) {
        case 0: /* it goes on */
                ck_assert_int_eq(fixture_start(&f), 0);
                fixture_listen(&f);
                fake_cgroup(&f, "/system.slice/a.service", 0);
                expect_end();
                break;
        case 1: /* over meanwhile */
                fake_cgroup(&f, "/system.slice/a.service", 0);
                ck_assert_int_eq(fixture_start(&f), 0);
                ck_assert_ptr_null(holder_get(&f, "vm"));
                break;
        case 2: /* gone meanwhile */
                fake_cgroup_remove(&f, "/system.slice/a.service");
                ck_assert_int_eq(fixture_start(&f), 0);
                ck_assert_ptr_null(holder_get(&f, "vm"));
                break;
        case 3: /* another one has its path; made first, so that a file system which gives numbers again does not */
                fake_cgroup(&f, "/system.slice/new.service", 1);
                fake_cgroup_remove(&f, "/system.slice/a.service");
                (void) snprintf(path, sizeof(path), "%s/system.slice/new.service", f.cgroupfs);
                (void) snprintf(moved, sizeof(moved), "%s/system.slice/a.service", f.cgroupfs);
                ck_assert_int_eq(rename(path, moved), 0);
                ck_assert_int_eq(fixture_start(&f), 0);
                ck_assert_ptr_null(holder_get(&f, "vm"));
                break;
        }
        fixture_restart(&f);
        ck_assert_ptr_null(holder_get(&f, "vm"));
}
END_TEST

/* Without the tree, and with a file that says nothing, nobody can tell: nothing ends, and that is seen. */
START_TEST(test_cannot_tell) {
        struct init_request request = unit_request("a.service");
        char path[128], away[128];

        holder_init(&f, &request, 5);
        fixture_stop(&f);
        (void) snprintf(path, sizeof(path), _i == 0 ? "%s" : _i == 1 ? "%s/cgroup.controllers" : "%s/system.slice/a.service/cgroup.events",
                        f.cgroupfs);
        (void) snprintf(away, sizeof(away), "%s/away", f.dir);
        ck_assert_int_eq(rename(path, away), 0);
        ck_assert_int_eq(fixture_start(&f), 0);
        holder_run(&f);
        ck_assert_ptr_nonnull(holder_get(&f, "vm"));
        ck_assert(!service_hold_is_watched(holder_get(&f, "vm")));

        /* it is back, and so is the watch, with the next look */
        ck_assert_int_eq(rename(away, path), 0);
        ck_assert_int_eq(holder_try(&f, REQUEST(holder_request("vm", HOLD_BOOT)), &(struct refusal) {}), -EEXIST);
        ck_assert(service_hold_is_watched(holder_get(&f, "vm")));
        fixture_listen(&f);
        fake_cgroup(&f, "/system.slice/a.service", 0);
        expect_end();
}
END_TEST

/* And nobody asks for anything: the sweep finds that it is there again (0), or gone (1). */
START_TEST(test_sweep) {
        struct init_request request = unit_request("a.service");
        char path[128], away[128];

        holder_init(&f, &request, 5);
        fixture_stop(&f);
        (void) snprintf(path, sizeof(path), "%s/cgroup.controllers", f.cgroupfs);
        (void) snprintf(away, sizeof(away), "%s/away", f.dir);
        ck_assert_int_eq(rename(path, away), 0);
        f.sweep_usec = 1000;
        ck_assert_int_eq(fixture_start(&f), 0);
        ck_assert(!service_hold_is_watched(holder_get(&f, "vm")));
        if (_i == 1)
                fake_cgroup(&f, "/system.slice/a.service", 0);
        ck_assert_int_eq(rename(away, path), 0);
        if (_i == 0)
                fixture_run_until(&f, service_hold_is_watched(holder_get(&f, "vm")));
        else
                fixture_run_until(&f, !holder_get(&f, "vm"));
}
END_TEST

static void write_number(int cgroup, const char *file, int number) {
        int fd = openat(cgroup, file, O_WRONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_gt(dprintf(fd, "%d", number), 0);
        ck_assert_int_eq(close(fd), 0);
}

/* The kernel's own tree: one process of two ends, the other is killed, or all by cgroup.kill. */
START_TEST(test_real) {
        int root = cgroup_open_root(NULL), cgroup;
        struct init_request request = unit_request(NULL);
        char name[64];
        pid_t pids[2];

        (void) snprintf(name, sizeof(name), "/pasidd-test-%d.slice", (int) getpid());
        if (root < 0 || mkdirat(root, name + 1, 0755) < 0) {
                printf("# no cgroups can be made here\n");
                return;
        }
        cgroup = cgroup_open(root, name);
        ck_assert_int_ge(cgroup, 0);
        f.cgroupfs = NULL;
        fixture_restart(&f);
        request.hold_unit = _i == 0 ? name : name + 1;
        expect_refused(&request, EINVAL, "has no process");
        for (int i = 0; i < 2; i++)
                write_number(cgroup, "cgroup.procs", pids[i] = holder_child());
        holder_init(&f, &request, 5);
        holder_kill(pids[0], SIGKILL, true);
        holder_run(&f);
        ck_assert_ptr_nonnull(holder_get(&f, "vm"));
        fixture_restart(&f);
        ck_assert(service_hold_is_watched(holder_get(&f, "vm")));
        fixture_listen(&f);
        if (_i == 0 || faccessat(cgroup, "cgroup.kill", W_OK, 0) < 0) /* Linux 5.14 */
                holder_kill(pids[1], SIGKILL, false); /* a zombie does not count */
        else
                write_number(cgroup, "cgroup.kill", 1);
        expect_end();
        (void) waitpid(pids[1], NULL, 0);
        ck_assert_int_eq(unlinkat(root, name + 1, AT_REMOVEDIR), 0);
        (void) close(cgroup);
        (void) close(root);
}
END_TEST

/* Changed, left and removed within the 10 ms in which the kernel tells of a cgroup once only. */
START_TEST(test_real_in_a_moment) {
        int root = cgroup_open_root(NULL), cgroup;
        struct init_request request = unit_request(NULL);
        char name[64];
        pid_t pid;

        (void) snprintf(name, sizeof(name), "/pasidd-test-%d.slice", (int) getpid());
        if (root < 0 || mkdirat(root, name + 1, 0755) < 0) {
                printf("# no cgroups can be made here\n");
                return;
        }
        cgroup = cgroup_open(root, name);
        f.cgroupfs = NULL;
        fixture_restart(&f);
        request.hold_unit = name;
        pid = holder_child();
        write_number(cgroup, "cgroup.procs", pid);
        holder_init(&f, &request, 5);
        fixture_listen(&f);
        write_number(cgroup, "cgroup.freeze", 1); /* of which it tells at once */
        ck_assert_int_ge(sd_event_run(f.event, 5000), 0);
        holder_kill(pid, SIGKILL, true);
        (void) close(cgroup);
        ck_assert_int_eq(unlinkat(root, name + 1, AT_REMOVEDIR), 0);
        (void) close(root);
        expect_end();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-units");
        TCase *tc = tcase_create("units");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_loop_test(tc, test_ends, 0, 4);
        tcase_add_test(tc, test_two_of_one_unit);
        tcase_add_test(tc, test_refused);
        tcase_add_test(tc, test_name_of_anothers_making);
        tcase_add_test(tc, test_rights);
        tcase_add_loop_test(tc, test_restart, 0, 4);
        tcase_add_loop_test(tc, test_cannot_tell, 0, 3);
        tcase_add_loop_test(tc, test_sweep, 0, 2);
        tcase_add_loop_test(tc, test_real, 0, 2);
        tcase_add_loop_test(tc, test_real_in_a_moment, 0, 3);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
