/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pasidd of a test's own.
 */
#include "daemon.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../forked.h"
#include "../journal.h"

#define LISTEN_FD 3 /* sd_listen_fds(3) */
#define ARGV_MAX 32

struct notice {
        pid_t pid; /* who sent it */
        char text[1024];
};

static int make_directory(const char *dir, const char *name) {
        char path[512];

        (void) snprintf(path, sizeof(path), "%s/%s", dir, name);
        return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int bind_unix(const char *path, int type) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;

        if (strlen(path) >= sizeof(sa.sun_path))
                return -ENAMETOOLONG;
        strcpy(sa.sun_path, path);
        (void) unlink(path);
        fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int make_paths(struct daemon *d, const char *dir) {
        const char *program = getenv("PASIDD"), *builddir = getenv("top_builddir");

        d->dir = strdup(dir);
        if (!d->dir || asprintf(&d->socket_path, "%s/pasidd.sock", dir) < 0 ||
            asprintf(&d->address, "unix:path=%s/pasidd.sock", dir) < 0 ||
            asprintf(&d->log_path, "%s/log", dir) < 0 ||
            (program ? asprintf(&d->program, "%s", program)
                     : asprintf(&d->program, "%s/pasidd", builddir ?: ".")) < 0)
                return -ENOMEM;
        return 0;
}

static void close_passed(const struct cmsghdr *c) {
        int fds[64];
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        memcpy(fds, CMSG_DATA(c), (n < ELEMENTSOF(fds) ? n : ELEMENTSOF(fds)) * sizeof(int));
        for (size_t i = 0; i < n && i < ELEMENTSOF(fds); i++)
                (void) close(fds[i]);
}

/* Its size, 0: the other side is closed. */
static size_t take_notice(int fd, struct notice *ret) {
        union {
                struct cmsghdr header;
                char buffer[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(64 * sizeof(int))];
        } control;
        struct iovec iov = { .iov_base = ret->text, .iov_len = sizeof(ret->text) - 1 };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
        struct ucred ucred;

        if (n < 0)
                return 0;
        ret->text[n] = '\0';
        ret->pid = 0;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
                        memcpy(&ucred, CMSG_DATA(c), sizeof(ucred));
                        ret->pid = ucred.pid;
                } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
                        close_passed(c);
        return offsetof(struct notice, text) + (size_t) n;
}

/*
 * A socket of datagrams has room for a dozen, and the daemon waits when it is full: a service manager reads all the
 * time, so somebody does it here. What is for the fd store is dropped.
 */
static void forward_notices(int from, int to) {
        struct pollfd p[2] = { { .fd = from, .events = POLLIN }, { .fd = to } };

        forked_let_go(from, to);
        process_child_setup();
        for (;;) {
                struct notice notice;
                size_t n;

                if (poll(p, 2, -1) < 0 && errno != EINTR)
                        _exit(EXIT_FAILURE);
                if (p[1].revents & (POLLHUP | POLLERR))
                        _exit(EXIT_SUCCESS);
                if (!(p[0].revents & POLLIN))
                        continue;
                n = take_notice(from, &notice);
                if (n > 0 && strncmp(notice.text, "FDSTORE", strlen("FDSTORE")) != 0)
                        (void) send(to, &notice, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
}

static int start_notify(struct daemon *d) {
        static const int on = 1;
        _cleanup_close_ int fd = -EBADF;
        char path[512];
        int pair[2];

        (void) snprintf(path, sizeof(path), "%s/notify", d->dir);
        fd = bind_unix(path, SOCK_DGRAM);
        if (fd < 0)
                return fd;
        if (chmod(path, 0666) < 0) /* the daemon may be another user's */
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
            socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        d->notify_pid = fork();
        if (d->notify_pid == 0)
                forward_notices(fd, pair[1]);
        d->notify_fd = pair[0];
        (void) close_fd(pair[1]);
        return d->notify_pid < 0 ? -errno : 0;
}

int daemon_new(const char *dir, const char *config, struct daemon **ret) {
        _cleanup_(daemon_freep) struct daemon *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return -ENOMEM;
        d->listen_fd = d->notify_fd = -EBADF;
        r = make_paths(d, dir);
        if (r >= 0)
                r = make_directory(dir, "run");
        if (r >= 0)
                r = make_directory(dir, "lib");
        if (r >= 0)
                r = daemon_set_config(d, config ?: "");
        if (r >= 0)
                r = start_notify(d);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

struct daemon *daemon_free(struct daemon *d) {
        if (!d)
                return NULL;
        daemon_kill(d);
        (void) close_fd(d->notify_fd);
        if (d->notify_pid > 0)
                process_kill(d->notify_pid);
        (void) close_fd(d->listen_fd);
        free(d->dir);
        free(d->program);
        free(d->socket_path);
        free(d->address);
        free(d->log_path);
        free(d->bus);
        for (size_t i = 0; d->extra[i]; i++)
                free(d->extra[i]);
        free(d);
        return NULL;
}

int daemon_set_config(struct daemon *d, const char *config) {
        char path[512];

        (void) snprintf(path, sizeof(path), "%s/pasidd.conf", d->dir);
        return write_file(path, config);
}

int daemon_set_bus(struct daemon *d, const char *address) {
        char *copy = strdup(address);

        if (!copy)
                return -ENOMEM;
        free(d->bus);
        d->bus = copy;
        return 0;
}

int daemon_add_option(struct daemon *d, const char *format, ...) {
        size_t n = 0;
        va_list ap;
        int r;

        while (d->extra[n])
                n++;
        if (n >= DAEMON_EXTRA_MAX)
                return -E2BIG;
        va_start(ap, format);
        r = vasprintf(&d->extra[n], format, ap);
        va_end(ap);
        if (r < 0)
                d->extra[n] = NULL;
        return r < 0 ? -ENOMEM : 0;
}

int daemon_listen(struct daemon *d, mode_t mode) {
        d->listen_fd = close_fd(d->listen_fd);
        d->listen_fd = bind_unix(d->socket_path, SOCK_STREAM);
        if (d->listen_fd < 0)
                return d->listen_fd;
        return chmod(d->socket_path, mode) < 0 || listen(d->listen_fd, SOMAXCONN) < 0 ? -errno : 0;
}

/* In the child: sd_listen_fds(3) wants the descriptor as number 3 and the pid of who is to have it. */
static void pass_listen_fd(int fd) {
        char pid[16];

        if (fd == LISTEN_FD)
                fd = dup(fd);
        (void) dup2(fd, LISTEN_FD);
        (void) snprintf(pid, sizeof(pid), "%d", getpid());
        (void) setenv("LISTEN_PID", pid, 1);
        (void) setenv("LISTEN_FDS", "1", 1);
}

/* $PASIDD_WRAPPER: words to put before the program, such as "valgrind -q --error-exitcode=99". */
static size_t add_wrapper(char *words, const char **argv) {
        size_t n = 0;

        for (char *state = NULL, *word = strtok_r(words, " ", &state); word && n < ARGV_MAX / 2;
             word = strtok_r(NULL, " ", &state))
                argv[n++] = word;
        return n;
}

static void run_child(struct daemon *d) {
        char bus[300], listen[300], run[300], lib[300], config[300], notify[300], words[300];
        const char *argv[ARGV_MAX] = {};
        size_t n;

        process_child_setup();
        if (process_child_log(d->log_path, true) < 0)
                _exit(1);
        if (d->to_journal)
                journal_set_stream();
        (void) snprintf(bus, sizeof(bus), "--bus=%s", d->bus ?: "none");
        (void) snprintf(listen, sizeof(listen), "--listen=%s", d->address);
        (void) snprintf(run, sizeof(run), "--runtime-dir=%s/run", d->dir);
        (void) snprintf(lib, sizeof(lib), "--state-dir=%s/lib", d->dir);
        (void) snprintf(config, sizeof(config), "--config=%s/pasidd.conf", d->dir);
        (void) snprintf(notify, sizeof(notify), "%s/notify", d->dir);
        if (d->watchdog_usec > 0) {
                (void) snprintf(words, sizeof(words), "%u", d->watchdog_usec);
                (void) setenv("WATCHDOG_USEC", words, 1);
        }
        (void) snprintf(words, sizeof(words), "%s", getenv("PASIDD_WRAPPER") ?: "");
        (void) setenv("NOTIFY_SOCKET", notify, 1);

        n = add_wrapper(words, argv);
        argv[n++] = d->program;
        argv[n++] = bus;
        argv[n++] = run;
        argv[n++] = lib;
        argv[n++] = config;
        if (d->listen_fd < 0)
                argv[n++] = listen;
        else
                pass_listen_fd(d->listen_fd);
        for (size_t i = 0; d->extra[i]; i++)
                argv[n++] = d->extra[i];
        /* the build may lie where that uid can't look */
        if (d->uid != 0)
                process_child_find(argv);
        if (d->uid != 0 &&
            (setgroups(0, NULL) < 0 || setresgid(d->uid, d->uid, d->uid) < 0 || setresuid(d->uid, d->uid, d->uid) < 0))
                _exit(1);
        process_child_exec(argv);
}

int daemon_spawn(struct daemon *d) {
        struct stat st;
        pid_t pid;

        d->log_start = stat(d->log_path, &st) < 0 ? 0 : (long) st.st_size;
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                run_child(d);
        d->pid = pid;
        return 0;
}

static bool has_line(const char *notice, const char *start) {
        for (const char *line = notice; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, start, strlen(start)) == 0)
                        return true;
        }
        return false;
}

int daemon_wait_notice(struct daemon *d, const char *start) {
        uint64_t end = monotonic_msec() + WAIT_LIMIT_MSEC, now;
        _cleanup_close_ int pidfd = process_pidfd(d->pid);
        struct pollfd p[2] = { { .fd = d->notify_fd, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
        struct notice notice;

        if (pidfd < 0)
                return pidfd;
        while ((now = monotonic_msec()) < end) {
                ssize_t n;

                if (poll(p, 2, (int) (end - now)) < 0 && errno != EINTR)
                        return -errno;
                n = recv(d->notify_fd, &notice, sizeof(notice) - 1, MSG_DONTWAIT);
                if (n >= (ssize_t) offsetof(struct notice, text)) {
                        ((char *) &notice)[n] = '\0';
                        if (notice.pid == d->pid && has_line(notice.text, start)) /* not the last words of one before */
                                return 0;
                } else if (p[1].revents) {
                        int r = daemon_wait_end(d);

                        return r < 0 ? r : -ECHILD;
                }
        }
        return -ETIMEDOUT;
}

int daemon_wait_ready(struct daemon *d) {
        return daemon_wait_notice(d, "READY=1");
}

int daemon_start(struct daemon *d) {
        int r = daemon_spawn(d);

        return r < 0 ? r : daemon_wait_ready(d);
}

int daemon_wait_end(struct daemon *d) {
        int r = process_wait(d->pid, WAIT_LIMIT_MSEC, &d->status);

        if (r >= 0)
                d->pid = 0;
        return r;
}

int daemon_stop(struct daemon *d) {
        int r;

        if (d->pid == 0)
                return -ESRCH;
        if (kill(d->pid, SIGTERM) < 0)
                return -errno;
        r = daemon_wait_end(d);
        if (r < 0)
                return r;
        return WIFEXITED(d->status) && WEXITSTATUS(d->status) == 0 ? 0 : -ECHILD;
}

void daemon_kill(struct daemon *d) {
        if (d->pid == 0)
                return;
        process_kill(d->pid);
        d->pid = 0;
}

bool daemon_log_has(const struct daemon *d, const char *text) {
        char line[4096];
        bool found = false;
        FILE *f = fopen(d->log_path, "re");

        if (!f)
                return false;
        (void) fseek(f, d->log_start, SEEK_SET);
        while (!found && fgets(line, sizeof(line), f))
                found = strstr(line, text) != NULL;
        (void) fclose(f);
        return found;
}
