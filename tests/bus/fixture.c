/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each test of the bus stands on.
 */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../forked.h"

#define PAUSE_NSEC 2000000L
#define TAP_PATH_MAX 32

/* Limits of a uid are not for root: who is not root has them lifted. */
#define LIFTED "\n[Limits]\nPasidsPerUid=4294967295\nConsumersPerUid=4294967295\n"

struct fixture *fixture_new(const char *config) {
        struct fixture *f = calloc(1, sizeof(*f));
        _cleanup_free_ char *text = NULL;
        int r;

        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(asprintf(&f->dir, "%s/XXXXXX", getenv("PASIDD_TEST_DIR") ?: "/tmp"), 0);
        ck_assert_ptr_nonnull(mkdtemp(f->dir));
        ck_assert_int_eq(chmod(f->dir, 0755), 0); /* other users are to reach the sockets */
        ck_assert_int_ge(asprintf(&text, "%s%s", config ?: "", geteuid() == 0 ? "" : LIFTED), 0);
        r = daemon_new(f->dir, text, &f->daemon);
        ck_assert_msg(r >= 0, "no directories for the daemon: %s", strerror(-r));
        return f;
}

void fixture_start(struct fixture *f) {
        int r = daemon_start(f->daemon);

        ck_assert_msg(r >= 0, "the daemon did not start: %s", strerror(-r));
}

struct fixture *fixture_new_started(const char *config) {
        struct fixture *f = fixture_new(config);

        fixture_start(f);
        return f;
}

struct fixture *fixture_new_on_bus(enum bus_kind kind, const char *config) {
        struct fixture *f = fixture_new(config);
        int r;

        if (kind != BUS_NONE) {
                r = message_bus_new(kind, f->dir, &f->bus);
                ck_assert_msg(r >= 0, "no %s: %s", bus_kind_to_string(kind), strerror(-r));
                ck_assert_int_ge(daemon_set_bus(f->daemon, f->bus->address), 0);
        }
        fixture_start(f);
        return f;
}

void fixture_stop(struct fixture *f) {
        int r = daemon_stop(f->daemon);

        ck_assert_msg(r >= 0, "the daemon did not stop well: %s, wait status 0x%x", strerror(-r), f->daemon->status);
}

void fixture_kill(struct fixture *f) {
        daemon_kill(f->daemon);
}

void fixture_start_refused(struct fixture *f, const char *text) {
        int r = daemon_start(f->daemon);

        ck_assert_msg(r == -ECHILD, "the daemon should have refused to start: %s", r < 0 ? strerror(-r) : "it runs");
        ck_assert_msg(WIFEXITED(f->daemon->status) && WEXITSTATUS(f->daemon->status) == 1, "wait status 0x%x", f->daemon->status);
        ck_assert_msg(daemon_log_has(f->daemon, text), "no line has '%s'", text);
}

void fixture_free(struct fixture *f) {
        if (f->daemon->pid > 0)
                fixture_stop(f);
        daemon_free(f->daemon);
        message_bus_free(f->bus);
        (void) remove_tree(f->dir);
        free(f->dir);
        free(f);
}

void fixture_add_devices(struct fixture *f) {
        _cleanup_free_ char *command = NULL;

        ck_assert_int_ge(asprintf(&command, "sh '%s/tests/data/mk-sysfs.sh' '%s/tree' >&2", getenv("top_srcdir") ?: ".",
                                  f->dir), 0);
        ck_assert_int_eq(system(command), 0);
        ck_assert_int_eq(daemon_add_option(f->daemon, "--sysfs=%s/tree/sys", f->dir), 0);
        ck_assert_int_eq(daemon_add_option(f->daemon, "--procfs=%s/tree/proc", f->dir), 0);
}

static char *kernel_path(const struct fixture *f, const char *name) {
        char *path;

        ck_assert_int_ge(asprintf(&path, "%s/kernel/%s", f->dir, name), 0);
        return path;
}

void fixture_tell_kernel(struct fixture *f, const char *name, const char *text) {
        _cleanup_free_ char *path = kernel_path(f, name), *new = kernel_path(f, "new");

        ck_assert_int_eq(write_file(new, text), 0);
        ck_assert_int_eq(rename(new, path), 0);
}

unsigned fixture_kernel_did(const struct fixture *f, const char *line) {
        _cleanup_free_ char *path = kernel_path(f, "log");
        char text[256];
        unsigned n = 0;
        FILE *log = fopen(path, "re");

        while (log && fgets(text, sizeof(text), log)) {
                text[strcspn(text, "\n")] = '\0';
                n += strcmp(text, line) == 0;
        }
        if (log)
                (void) fclose(log);
        return n;
}

void fixture_use_fake_kernel(struct fixture *f, const char *more) {
        _cleanup_free_ char *dir = kernel_path(f, ""), *text = NULL;

        ck_assert_int_eq(mkdir(dir, 0755), 0);
        ck_assert_int_ge(asprintf(&text, "0000:01:00.0 1 vfio-pci\n0000:02:00.0 2 vfio-pci\n%s", more), 0);
        fixture_tell_kernel(f, "devices", text);
        free(f->daemon->program);
        ck_assert_int_ge(asprintf(&f->daemon->program, "%s/tests/bus/pasidd-fake", getenv("top_builddir") ?: "."), 0);
        ck_assert_int_eq(daemon_add_option(f->daemon, "--sysfs=%s/kernel", f->dir), 0);
}

static void become(uid_t uid, gid_t gid) {
        if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                _exit(EXIT_FAILURE);
}

void run_as(uid_t uid, gid_t gid, void (*function)(void *userdata), void *userdata) {
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                become(uid, gid);
                function(userdata);
                _exit(EXIT_SUCCESS); /* no search for leaks: it may not look at a process that changed its user */
        }
        ck_assert_int_eq(process_wait(pid, TEST_LIMIT_SEC * 1000U, &status), 0);
        ck_assert_msg(status == 0, "failed as uid %u, wait status 0x%x", uid, status);
}

bool find_group(gid_t *ret_gid, const char **ret_name) {
        const struct group *group;

        setgrent();
        while ((group = getgrent()))
                if (group->gr_gid != 0) {
                        *ret_gid = group->gr_gid;
                        *ret_name = group->gr_name;
                        return true;
                }
        return false;
}

char *config_with_group(const char *more, gid_t *ret_gid) {
        const char *name;
        char *text;

        ck_assert_msg(find_group(ret_gid, &name), "this machine has no group");
        ck_assert_int_ge(asprintf(&text, "[Daemon]\nGroup=%s\n%s", name, more), 0);
        return text;
}

bool find_user(uid_t *ret_uid) {
        const struct passwd *user;

        setpwent();
        while ((user = getpwent()))
                if (user->pw_uid != 0 && user->pw_uid != *ret_uid) {
                        *ret_uid = user->pw_uid;
                        return true;
                }
        return false;
}

struct child child_start(void (*function)(struct child *self, void *userdata), void *userdata) {
        int to[2], from[2];
        pid_t pid;

        ck_assert_int_eq(pipe2(to, O_CLOEXEC), 0);
        ck_assert_int_eq(pipe2(from, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                struct child self = { .to = from[1], .from = to[0] };

                forked_let_go(self.to, self.from);
                function(&self, userdata);
                _exit(EXIT_SUCCESS);
        }
        (void) close_fd(to[0]);
        (void) close_fd(from[1]);
        return (struct child) { .pid = pid, .to = to[1], .from = from[0] };
}

static void say(int fd) {
        ck_assert_int_eq(write(fd, "", 1), 1);
}

/* False: the other side is gone. */
static bool hear(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int r;
        char c;

        do
                r = poll(&p, 1, TEST_LIMIT_SEC * 1000);
        while (r < 0 && errno == EINTR);
        ck_assert_msg(r > 0, "no word from the other process");
        return read(fd, &c, 1) == 1;
}

void child_ready(struct child *self) {
        say(self->to);
}

void child_wait(struct child *self) {
        (void) hear(self->from);
}

void child_await_ready(struct child *child) {
        ck_assert_msg(hear(child->from), "the child ended early");
}

void child_release(struct child *child) {
        say(child->to);
}

static void child_close(struct child *child) {
        child->to = close_fd(child->to);
        child->from = close_fd(child->from);
}

void child_finish(struct child *child) {
        int status;

        (void) !write(child->to, "", 1); /* its siblings have copies of the pipe: closing alone does not tell */
        child_close(child);
        ck_assert_int_eq(process_wait(child->pid, WAIT_LIMIT_MSEC, &status), 0);
        ck_assert_msg(status == 0, "the child failed, wait status 0x%x", status);
}

void child_kill(struct child *child) {
        process_kill(child->pid);
        child_close(child);
}

void await_pause(void) {
        const struct timespec pause = { .tv_nsec = PAUSE_NSEC };

        (void) nanosleep(&pause, NULL);
}

/* The name of a test's function is that of the test and "_fn" [START_TEST of check.h]. */
void fixture_note_skip(const char *function, int i, const char *reason) {
        char path[512];

        (void) snprintf(path, sizeof(path), "%s/skip-%s-%d", getenv("PASIDD_TEST_DIR"), function, i);
        ck_assert_int_eq(write_file(path, reason), 0);
}

static void print_reason(const char *dir, const char *test, unsigned int i) {
        char path[512], reason[256];
        FILE *f;

        (void) snprintf(path, sizeof(path), "%s/skip-%s_fn-%u", dir, test, i);
        f = fopen(path, "re");
        if (!f)
                return;
        if (fgets(reason, sizeof(reason), f))
                printf(" # SKIP %s", reason);
        (void) fclose(f);
}

/* "ok 3 - file:case:test: Passed": the runs of a loop follow each other, and their number is not in the line. */
static void filter_tap(FILE *tap, const char *dir) {
        char last[128] = "", test[128], line[4096];
        unsigned int i = 0;

        while (fgets(line, sizeof(line), tap)) {
                line[strcspn(line, "\n")] = '\0';
                if (sscanf(line, "%*[^:]:%*[^:]:%127[^:]", test) == 1) {
                        i = strcmp(test, last) == 0 ? i + 1 : 0;
                        strcpy(last, test);
                        fputs(line, stdout);
                        if (strncmp(line, "ok", 2) == 0)
                                print_reason(dir, test, i);
                        putchar('\n');
                } else
                        puts(line);
                (void) fflush(stdout);
        }
}

static void print_log(const char *dir, const char *name) {
        char path[512], line[1024];
        FILE *f;

        (void) snprintf(path, sizeof(path), "%s/%s", dir, name);
        f = fopen(path, "re");
        if (!f)
                return;
        while (fgets(line, sizeof(line), f))
                (void) fprintf(stderr, "# %s: %s", path, line);
        (void) fclose(f);
}

/* What tests that failed have left. */
static void print_logs(const char *dir) {
        DIR *d = opendir(dir);

        for (struct dirent *entry = d ? readdir(d) : NULL; entry; entry = readdir(d)) {
                char path[512];

                if (entry->d_name[0] == '.' || entry->d_type != DT_DIR)
                        continue;
                (void) snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
                print_log(path, "log");
                print_log(path, "bus.log");
        }
        if (d)
                (void) closedir(d);
}

/* What is written to the file descriptor, which has that path, is TAP for the filter; it lives until that is closed. */
static pid_t start_filter(const char *dir, int *ret_fd, char ret_path[static TAP_PATH_MAX]) {
        int fds[2];
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        pid = fork();
        if (pid == 0) {
                FILE *tap = fdopen(fds[0], "r");

                (void) close_fd(fds[1]);
                if (tap) {
                        filter_tap(tap, dir);
                        (void) fclose(tap);
                }
                _exit(EXIT_SUCCESS);
        }
        (void) close_fd(fds[0]);
        (void) snprintf(ret_path, TAP_PATH_MAX, "/dev/fd/%d", fds[1]);
        *ret_fd = fds[1];
        return pid;
}

TCase *fixture_add_case(Suite *suite, const char *name) {
        TCase *tcase = tcase_create(name);

        tcase_set_timeout(tcase, TEST_LIMIT_SEC);
        suite_add_tcase(suite, tcase);
        return tcase;
}

int fixture_main(Suite *suite) {
        const char *tmp = getenv("TMPDIR");
        char dir[64], path[TAP_PATH_MAX];
        SRunner *runner;
        pid_t filter;
        int failed, fd = -EBADF;

        /* addresses of sockets have 107 bytes */
        (void) snprintf(dir, sizeof(dir), "%s/pasidd-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
        if (!mkdtemp(dir) || chmod(dir, 0755) < 0 || setenv("PASIDD_TEST_DIR", dir, 1) < 0) {
                printf("Bail out! No directory: %s\n", strerror(errno));
                return EXIT_FAILURE;
        }
        (void) signal(SIGPIPE, SIG_IGN);

        runner = srunner_create(suite);
        filter = start_filter(dir, &fd, path);
        if (filter > 0)
                srunner_set_tap(runner, path); /* it keeps the pointer */
        srunner_run_all(runner, CK_SILENT);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        (void) close_fd(fd);
        if (filter > 0)
                (void) waitpid(filter, NULL, 0);
        print_logs(dir);
        (void) remove_tree(dir);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
