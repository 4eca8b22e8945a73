/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whoever may hold a consumer in a test.
 */
#include "holders.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../forked.h"
#include "service/process.h"
#include "service/service-internal.h"

#define LIMIT_MSEC 20000

bool has_pidfds(void) {
        int fd = pidfd_open_process(getpid());

        if (fd < 0)
                printf("# tests of processes are left out: there are no pidfds here: %s\n", strerror(-fd));
        (void) close_fd(fd);
        return fd >= 0;
}

static void wait_for_ever(void) {
        for (;;)
                (void) pause();
}

/* Returns when the child has let go of all that it inherited, and runs. */
static pid_t start(void (*run)(void)) {
        pid_t parent = getpid(), pid;
        int ready[2];
        char byte;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid > 0) {
                (void) close(ready[1]);
                ck_assert_int_eq(read(ready[0], &byte, 1), 1);
                (void) close(ready[0]);
                return pid;
        }
        forked_let_go(ready[1], -1);
        (void) signal(SIGTERM, SIG_DFL); /* Check's own would end the test */
        if (write(ready[1], "r", 1) != 1 || close(ready[1]) < 0)
                _exit(EXIT_FAILURE);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(EXIT_FAILURE);
        run();
        _exit(EXIT_FAILURE);
}

pid_t holder_child(void) {
        return start(wait_for_ever);
}

static void *second_thread(void *userdata) {
        wait_for_ever();
        return NULL;
}

static void end_main_thread(void) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, second_thread, NULL) == 0)
                pthread_exit(NULL);
}

/* Nothing tells when a main thread has ended. */
static bool has_no_main(pid_t pid) {
        _cleanup_free_ char *path = NULL;
        char text[512] = "";
        const char *state;
        FILE *file;

        ck_assert_int_gt(asprintf(&path, "/proc/%d/stat", (int) pid), 0);
        file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        (void) fread(text, 1, sizeof(text) - 1, file);
        (void) fclose(file);
        state = strrchr(text, ')');
        return state && state[2] == 'Z';
}

pid_t holder_child_without_main(void) {
        pid_t pid = start(end_main_thread);

        for (int i = 0; !has_no_main(pid); i++) {
                ck_assert_int_lt(i, LIMIT_MSEC);
                (void) poll(NULL, 0, 1);
        }
        return pid;
}

void holder_kill(pid_t pid, int signal, bool reap) {
        siginfo_t info;

        ck_assert_int_eq(kill(pid, signal), 0);
        ck_assert_int_eq(waitid(P_PID, (id_t) pid, &info, WEXITED | (reap ? 0 : WNOWAIT)), 0);
}

static void write_at(const char *path, const char *text) {
        FILE *file = fopen(path, "we");

        ck_assert_msg(file, "%s: %s", path, strerror(errno));
        ck_assert_int_ge(fputs(text, file), 0);
        ck_assert_int_eq(fclose(file), 0);
}

static void make_directories(const char *path) {
        char copy[1024];

        (void) snprintf(copy, sizeof(copy), "%s/", path);
        for (char *p = copy + 1; (p = strchr(p, '/')); p++) {
                *p = '\0';
                ck_assert(mkdir(copy, 0755) == 0 || errno == EEXIST);
                *p = '/';
        }
}

void fake_cgroup(struct fixture *f, const char *path, int populated) {
        static char root[128]; /* of one test at a time: Check runs each in a process of its own */
        char name[512];

        (void) snprintf(root, sizeof(root), "%s/cgroup", f->dir);
        f->cgroupfs = root;
        (void) snprintf(name, sizeof(name), "%s%s", root, path);
        make_directories(name);
        (void) snprintf(name, sizeof(name), "%s/cgroup.controllers", root);
        write_at(name, "\n");
        (void) snprintf(name, sizeof(name), "%s%s/cgroup.events", root, path);
        if (populated >= 0)
                write_at(name, populated ? "populated 1\nfrozen 0\n" : "populated 0\nfrozen 0\n");
}

void fake_cgroup_remove(struct fixture *f, const char *path) {
        char name[512];

        (void) snprintf(name, sizeof(name), "%s%s/cgroup.events", f->cgroupfs, path);
        (void) unlink(name);
        (void) snprintf(name, sizeof(name), "%s%s", f->cgroupfs, path);
        ck_assert_int_eq(rmdir(name), 0);
}

void fake_process(struct fixture *f, pid_t pid, const char *file, const char *text) {
        static char root[128];
        char name[256];

        (void) snprintf(root, sizeof(root), "%s/proc", f->dir);
        f->procfs = root;
        (void) snprintf(name, sizeof(name), "%s/%d", root, (int) pid);
        make_directories(name);
        (void) snprintf(name, sizeof(name), "%s/%d/%s", root, (int) pid, file);
        if (text)
                write_at(name, text);
        else
                (void) unlink(name);
}

static int keep(const char *name, int fd, void *userdata) {
        struct fake_fd_store *store = userdata;

        ck_assert_uint_lt(store->n, FAKE_FDS_MAX);
        (void) snprintf(store->names[store->n], sizeof(store->names[store->n]), "%s", name);
        store->fds[store->n] = (struct stored_fd) { store->names[store->n], fcntl(fd, F_DUPFD_CLOEXEC, 0) };
        ck_assert_int_ge(store->fds[store->n++].fd, 0);
        store->n_kept++;
        return 0;
}

static void drop(const char *name, void *userdata) {
        struct fake_fd_store *store = userdata;

        for (size_t i = 0; i < store->n; i++) {
                if (strcmp(store->fds[i].name, name) != 0)
                        continue;
                (void) close_fd(store->fds[i].fd);
                store->n--;
                memcpy(store->names[i], store->names[store->n], sizeof(store->names[i]));
                store->fds[i] = (struct stored_fd) { store->names[i], store->fds[store->n].fd };
                store->n_dropped++;
                return;
        }
}

void fake_fd_store_init(struct fixture *f, struct fake_fd_store *store) {
        *store = (struct fake_fd_store) { .keeper = { .keep = keep, .drop = drop, .userdata = store } };
        f->keeper = &store->keeper;
}

void fake_fd_store_restart(struct fixture *f, struct fake_fd_store *store) {
        struct stored_fd given[FAKE_FDS_MAX];
        char names[FAKE_FDS_MAX][32];
        size_t n = store->n;

        fixture_stop(f);
        memcpy(names, store->names, sizeof(names));
        for (size_t i = 0; i < n; i++)
                given[i] = (struct stored_fd) { names[i], fcntl(store->fds[i].fd, F_DUPFD_CLOEXEC, 0) };
        f->stored = given;
        f->n_stored = n;
        ck_assert_msg(fixture_start(f) == 0, "%s", f->refusal.text);
        f->stored = NULL;
        f->n_stored = 0;
        for (size_t i = 0; i < n; i++)
                if (given[i].fd >= 0) {
                        (void) close_fd(given[i].fd);
                        drop(given[i].name, store);
                }
}

bool fake_fd_store_has(const struct fake_fd_store *store, const char *name) {
        for (size_t i = 0; i < store->n; i++)
                if (strcmp(store->fds[i].name, name) == 0)
                        return true;
        return false;
}

void fake_fd_store_done(struct fake_fd_store *store) {
        while (store->n > 0)
                (void) close_fd(store->fds[--store->n].fd);
}

struct init_request holder_request(const char *name, enum hold_kind hold) {
        return (struct init_request) {
                .uid = geteuid(),
                .name = name,
                .hold = hold,
                .holder = "peer:1:2:3",
                .hold_fd = -EBADF,
                .caller_pid = getpid(),
                .caller_start = process_start_time(NULL, getpid()),
        };
}

int holder_try(struct fixture *f, const struct init_request *request, struct refusal *refusal) {
        struct consumer *c = NULL;
        int r;

        *refusal = (struct refusal) {};
        f->service->next_sweep_usec = 0; /* on a slow machine the one before may have used up its share of the time */
        r = service_init_consumer(f->service, request, &c, refusal);
        ck_assert(r < 0 ? !c : c != NULL);
        return r;
}

void holder_init(struct fixture *f, const struct init_request *request, uint32_t n) {
        struct alloc_request one = { .count = 1, .min = n, .max = n };
        struct refusal refusal = {};
        uint32_t pasid;

        ck_assert_msg(holder_try(f, request, &refusal) == 0, "%s", refusal.text);
        ck_assert_msg(service_alloc(f->service, holder_get(f, request->name), &one, NULL, &pasid, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(service_flush(f->service), 0);
        holder_run(f);
        ck_assert_ptr_nonnull(holder_get(f, request->name));
        ck_assert(service_hold_is_watched(holder_get(f, request->name)));
}

struct consumer *holder_get(struct fixture *f, const char *name) {
        return core_consumer_get(service_core(f->service), geteuid(), name);
}

void holder_run(struct fixture *f) {
        int r;

        while ((r = sd_event_run(f->event, 0)) > 0)
                ;
        ck_assert_int_eq(r, 0);
}

int count_own_fds(void) {
        DIR *dir = opendir("/proc/self/fd");
        int n = 0;

        ck_assert_ptr_nonnull(dir);
        while (readdir(dir))
                n++;
        (void) closedir(dir);
        return n;
}
