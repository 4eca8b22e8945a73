/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many file descriptors a client can put into this process.
 *
 * RLIMIT_NOFILE bounds the numbers that the kernel gives out, and it gives out
 * the lowest that is free; those of SCM_RIGHTS beyond it are dropped by the
 * kernel. There is one thread, so nobody else opens a file in between.
 */
#include "bus/fd-gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "internal/cleanup.h"
#include "log.h"

int fd_gate_start(struct fd_gate *gate) {
        return getrlimit(RLIMIT_NOFILE, &gate->usual) < 0 ? -errno : 0;
}

/*
 * How many come with what lies next in the socket, 2 for more than one; -EAGAIN: nothing lies there yet. A read goes
 * no further than one message, and a message brings its own with its first byte; the kernel does not join what has some
 * with what was sent before in one peek either. *ret_slot: the number that the last of them had, which is free again.
 */
static int count_next(int socket, int *ret_slot) {
        union {
                struct cmsghdr header;
                char buffer[CMSG_SPACE(2 * sizeof(int))];
        } control;
        char byte;
        struct iovec iov = { .iov_base = &byte, .iov_len = sizeof(byte) };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                            .msg_controllen = sizeof(control) };
        int n = 0;

        if (recvmsg(socket, &m, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
                return -errno;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
                        for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int), n++) {
                                int copy; /* a peek makes new ones of them */

                                memcpy(&copy, (const char *) c + at, sizeof(copy));
                                *ret_slot = copy;
                                (void) close_fd(copy);
                        }
        if (m.msg_flags & MSG_CTRUNC)
                return n == 0 ? -EMFILE : 2;
        return n;
}

static int lowest_free(int any_fd) {
        int fd = fcntl(any_fd, F_DUPFD_CLOEXEC, 0), r = fd < 0 ? -errno : fd;

        (void) close_fd(fd);
        return r;
}

int fd_gate_narrow(struct fd_gate *gate, int socket) {
        struct rlimit narrow = { .rlim_cur = 0, .rlim_max = gate->usual.rlim_max };
        int slot = -EBADF, n = count_next(socket, &slot);

        if (n > 1 || (n == 1 && gate->held >= 0))
                return -EPROTO;
        if (n == -EMFILE)
                return n;
        if (n == -EAGAIN && gate->held < 0) /* what comes in the meantime may have one, too */
                slot = lowest_free(socket);
        if (slot >= 0)
                narrow.rlim_cur = (rlim_t) slot + 1;
        if (prlimit(0, RLIMIT_NOFILE, &narrow, &gate->usual) < 0)
                return -errno;
        gate->slot = slot;
        gate->is_narrow = true;
        return 0;
}

bool fd_gate_widen(struct fd_gate *gate) {
        if (!gate->is_narrow)
                return false;
        gate->is_narrow = false;
        if (setrlimit(RLIMIT_NOFILE, &gate->usual) < 0)
                log_error("The limit on file descriptors could not be set back: %s", strerror(errno));
        if (gate->slot >= 0 && fcntl(gate->slot, F_GETFD) >= 0)
                gate->held = gate->slot;
        gate->slot = -EBADF;
        return true;
}

/* Data that can have no file descriptor in it may be long: it is not walked through. */
static bool can_have_fd(const char *contents) {
        return strpbrk(contents, "hv");
}

static int skip_array(sd_bus_message *m, const char *contents) {
        char signature[260]; /* the longest is one of 255 */

        (void) snprintf(signature, sizeof(signature), "a%s", contents);
        return sd_bus_message_skip(m, signature);
}

/* > 0: one of the arguments that follow is that file descriptor, wherever it is in them. */
static int has_argument(sd_bus_message *m, int fd) {
        const char *contents;
        char type;
        int r, argument;

        while ((r = sd_bus_message_peek_type(m, &type, &contents)) > 0) {
                switch (type) {
                case SD_BUS_TYPE_UNIX_FD:
                        r = sd_bus_message_read_basic(m, type, &argument);
                        if (r > 0 && argument == fd)
                                return 1;
                        break;
                case SD_BUS_TYPE_ARRAY:
                        if (!can_have_fd(contents)) {
                                r = skip_array(m, contents);
                                break;
                        }
                        /* fall through */
                case SD_BUS_TYPE_VARIANT:
                case SD_BUS_TYPE_STRUCT:
                case SD_BUS_TYPE_DICT_ENTRY:
                        r = sd_bus_message_enter_container(m, type, contents);
                        if (r > 0)
                                r = has_argument(m, fd);
                        if (r == 0)
                                r = sd_bus_message_exit_container(m);
                        else if (r > 0)
                                return r;
                        break;
                default:
                        r = sd_bus_message_read_basic(m, type, NULL);
                }
                if (r < 0)
                        return r;
        }
        return r;
}

void fd_gate_note(struct fd_gate *gate, sd_bus_message *m) {
        if (gate->held < 0)
                return;
        sd_bus_message_unref(gate->message);
        gate->message = sd_bus_message_ref(m);
}

void fd_gate_claim(struct fd_gate *gate, int fd) {
        if (gate->held >= 0 && gate->held == fd)
                gate->held = -EBADF;
}

bool fd_gate_settle(struct fd_gate *gate) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = TAKE_PTR(gate->message);

        if (!m || gate->held < 0)
                return true;
        if (sd_bus_message_rewind(m, true) >= 0 && has_argument(m, gate->held) > 0 && sd_bus_message_rewind(m, true) >= 0) {
                gate->held = -EBADF; /* the message's */
                return true;
        }
        return false;
}

void fd_gate_sweep(struct fd_gate *gate) {
        gate->message = sd_bus_message_unref(gate->message);
        if (gate->held >= 0 && fcntl(gate->held, F_GETFD) >= 0)
                (void) close_fd(gate->held);
        gate->held = -EBADF;
}
