/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fd-keeper: the part of a service manager that pasidd needs to outlive
 * itself. It starts the command that it is given, keeps the file descriptors
 * that the command sends to $NOTIFY_SOCKET (sd_notify(3)), and passes them to
 * the next start (sd_listen_fds(3)). It is told what to do by a line each, and
 * answers "ok" or "error" with what came of it:
 *
 *   start [PROGRAM]  in place of the command's, from then on; its process, once it is ready
 *   end SIGNAL       its wait status
 *   fds              the names of those that are kept
 *   lose [NAME]      closes that one, or them all
 *   detach NAME PASID  behind the command's back, on the device of that name
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal/cleanup.h"
#include "internal/uapi-vfio.h"

#define LISTEN_FD 3 /* the first, in sd_listen_fds(3) */
#define FDS_MAX 64
#define NAME_MAX_ 256 /* of a name in the fd store */
#define NOTICE_MAX 4096
#define WORDS_MAX 3
#define PATIENCE_MSEC 30000

struct stored {
        char name[NAME_MAX_];
        int fd;
};

struct keeper {
        char **argv;
        char *program; /* NULL: argv's */
        int notify_fd;
        char socket_name[32]; /* as in $NOTIFY_SOCKET: '@' for an abstract one */
        struct stored stored[FDS_MAX];
        size_t n_stored;
        pid_t pid; /* 0: not running */
        bool is_ready;
};

static void fail(int r) {
        (void) printf("error %s\n", strerrorname_np(-r));
}

static int listen_for_notices(struct keeper *k) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        socklen_t size;
        int n;

        n = snprintf(k->socket_name, sizeof(k->socket_name), "@fd-keeper.%d", (int) getpid());
        memcpy(sa.sun_path + 1, k->socket_name + 1, (size_t) n - 1);
        size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + (size_t) n);
        k->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        return k->notify_fd < 0 || bind(k->notify_fd, (const struct sockaddr *) &sa, size) < 0 ? -errno : 0;
}

static void lose(struct keeper *k, const char *name) {
        for (size_t i = k->n_stored; i-- > 0;)
                if (!name || strcmp(k->stored[i].name, name) == 0) {
                        (void) close(k->stored[i].fd);
                        k->stored[i] = k->stored[--k->n_stored];
                }
}

/* What is not to be stored, such as a barrier's (sd_notify_barrier(3)), is closed, which is what that one waits for. */
static void obey_notice(struct keeper *k, char *text, int fd) {
        bool is_store = false, is_removal = false;
        const char *name = "stored";
        char *rest = NULL;

        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                is_store = is_store || strcmp(line, "FDSTORE=1") == 0;
                is_removal = is_removal || strcmp(line, "FDSTOREREMOVE=1") == 0;
                k->is_ready = k->is_ready || strcmp(line, "READY=1") == 0;
                if (strncmp(line, "FDNAME=", 7) == 0)
                        name = line + 7;
        }
        if (is_removal)
                lose(k, name);
        if (is_store && fd >= 0 && k->n_stored < FDS_MAX) {
                struct stored *stored = &k->stored[k->n_stored++];

                (void) snprintf(stored->name, sizeof(stored->name), "%s", name);
                stored->fd = fd;
        } else if (fd >= 0)
                (void) close(fd);
}

/* False: there is none at the moment. */
static bool take_notice(struct keeper *k) {
        union {
                struct cmsghdr header;
                char buffer[CMSG_SPACE(sizeof(int))];
        } control;
        char text[NOTICE_MAX + 1];
        struct iovec iov = { .iov_base = text, .iov_len = NOTICE_MAX };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(k->notify_fd, &m, MSG_CMSG_CLOEXEC);
        const struct cmsghdr *c;
        int fd = -EBADF;

        if (n < 0)
                return false;
        text[n] = '\0';
        c = CMSG_FIRSTHDR(&m);
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
                memcpy(&fd, CMSG_DATA(c), sizeof(fd));
        obey_notice(k, text, fd);
        return true;
}

static int set_number(const char *name, long value) {
        char text[24];

        (void) snprintf(text, sizeof(text), "%ld", value);
        return setenv(name, text, 1);
}

/* In the child: the descriptors take the numbers from 3 on, by way of numbers beyond those. */
static void pass_fds(const struct keeper *k) {
        char names[FDS_MAX * NAME_MAX_] = "";
        int fds[FDS_MAX];

        for (size_t i = 0; i < k->n_stored; i++)
                fds[i] = fcntl(k->stored[i].fd, F_DUPFD_CLOEXEC, LISTEN_FD + FDS_MAX);
        for (size_t i = 0; i < k->n_stored; i++) {
                (void) dup2(fds[i], LISTEN_FD + (int) i);
                (void) strcat(names, i > 0 ? ":" : "");
                (void) strcat(names, k->stored[i].name);
        }
        (void) set_number("LISTEN_PID", getpid());
        (void) set_number("LISTEN_FDS", (long) k->n_stored);
        (void) setenv("LISTEN_FDNAMES", names, 1);
}

static void run_child(const struct keeper *k) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) dup2(STDERR_FILENO, STDOUT_FILENO); /* what goes there are answers */
        (void) setenv("NOTIFY_SOCKET", k->socket_name, 1);
        if (k->n_stored > 0)
                pass_fds(k);
        (void) execvp(k->program ? k->program : k->argv[0], k->argv);
        (void) fprintf(stderr, "fd-keeper: %s: %s\n", k->argv[0], strerror(errno));
        _exit(EXIT_FAILURE);
}

/* Until it is ready, or has ended, which is no error if it is what is waited for. */
static int wait_for(struct keeper *k, bool for_end, int *ret_status) {
        _cleanup_close_ int pidfd = pidfd_open(k->pid, 0);
        struct pollfd p[2] = { { .fd = k->notify_fd, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };

        while (pidfd >= 0) {
                int r = poll(p, 2, PATIENCE_MSEC);

                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r == 0)
                        return -ETIMEDOUT;
                while (take_notice(k))
                        ;
                if (!for_end && k->is_ready)
                        return 0;
                if (p[1].revents == 0)
                        continue;
                if (waitpid(k->pid, ret_status, 0) < 0)
                        return -errno;
                while (take_notice(k)) /* its last words */
                        ;
                k->pid = 0;
                return for_end ? 0 : -ECHILD;
        }
        return -ESRCH;
}

static void do_start(struct keeper *k, char **words) {
        int r, status;

        if (k->pid > 0) {
                fail(-EALREADY);
                return;
        }
        if (words[1]) {
                free(k->program);
                k->program = strdup(words[1]);
        }
        k->is_ready = false;
        k->pid = fork();
        if (k->pid == 0)
                run_child(k);
        r = k->pid < 0 ? -errno : wait_for(k, false, &status);
        if (r < 0)
                fail(r);
        else
                (void) printf("ok %d\n", (int) k->pid);
}

static void do_end(struct keeper *k, char **words) {
        int signal_number = strcmp(words[1] ? words[1] : "TERM", "KILL") == 0 ? SIGKILL : SIGTERM, status = 0, r;

        r = k->pid > 0 && kill(k->pid, signal_number) >= 0 ? wait_for(k, true, &status) : -ESRCH;
        if (r < 0)
                fail(r);
        else
                (void) printf("ok %d\n", status);
}

static int compare(const void *a, const void *b) {
        return strcmp(((const struct stored *) a)->name, ((const struct stored *) b)->name);
}

static void do_fds(struct keeper *k, _unused_ char **words) {
        while (take_notice(k))
                ;
        qsort(k->stored, k->n_stored, sizeof(k->stored[0]), compare);
        (void) fputs("ok", stdout);
        for (size_t i = 0; i < k->n_stored; i++)
                (void) printf(" %s", k->stored[i].name);
        (void) putchar('\n');
}

static void do_lose(struct keeper *k, char **words) {
        lose(k, words[1]);
        (void) puts("ok");
}

static void do_detach(struct keeper *k, char **words) {
        struct uapi_vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach), .flags = UAPI_VFIO_DEVICE_DETACH_PASID };
        int r = -ENOENT;

        detach.pasid = words[2] ? (uint32_t) strtoul(words[2], NULL, 10) : 0;
        for (size_t i = 0; words[1] && i < k->n_stored; i++)
                if (strcmp(k->stored[i].name, words[1]) == 0)
                        r = ioctl(k->stored[i].fd, UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach) < 0 ? -errno : 0;
        if (r < 0)
                fail(r);
        else
                (void) puts("ok");
}

static void obey(struct keeper *k, char *line) {
        static const struct command {
                const char *name;
                void (*run)(struct keeper *k, char **words);
        } commands[] = { { "start", do_start }, { "end", do_end }, { "fds", do_fds }, { "lose", do_lose },
                         { "detach", do_detach } };
        char *words[WORDS_MAX + 1] = {}, *rest = NULL;
        size_t n = 0;

        for (char *word = strtok_r(line, " \n", &rest); word && n < WORDS_MAX; word = strtok_r(NULL, " \n", &rest))
                words[n++] = word;
        for (size_t i = 0; n > 0 && i < ELEMENTSOF(commands); i++)
                if (strcmp(words[0], commands[i].name) == 0) {
                        commands[i].run(k, words);
                        return;
                }
        fail(-EINVAL);
}

/* Notices are taken all the time: a socket of datagrams has room for few, and the sender waits. */
int main(int argc, char **argv) {
        struct keeper k = { .argv = argv + 1 };
        struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN } };
        char line[NOTICE_MAX];
        int r;

        if (argc < 2)
                return EXIT_FAILURE;
        (void) setvbuf(stdout, NULL, _IOLBF, 0);
        (void) setvbuf(stdin, NULL, _IONBF, 0); /* poll() must see what is there */
        r = listen_for_notices(&k);
        if (r < 0) {
                (void) fprintf(stderr, "fd-keeper: %s: %s\n", k.socket_name, strerror(-r));
                return EXIT_FAILURE;
        }
        p[1] = (struct pollfd) { .fd = k.notify_fd, .events = POLLIN };
        while (poll(p, 2, -1) >= 0 || errno == EINTR) {
                while (take_notice(&k))
                        ;
                if (p[0].revents == 0)
                        continue;
                if (!fgets(line, sizeof(line), stdin))
                        break;
                obey(&k, line);
        }
        if (k.pid > 0)
                (void) kill(k.pid, SIGTERM);
        while (waitpid(-1, NULL, 0) > 0)
                ;
        free(k.program);
        return EXIT_SUCCESS;
}
