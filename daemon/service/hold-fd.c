/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hold "fd": what the client passed hangs up or becomes readable. Only kinds
 * whose poll is the kernel's own work are taken: a file of FUSE asks its
 * server, and would have the daemon wait for a stranger; so may an epoll with
 * such a file in it.
 */
#include "service/hold-watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_pipe(int fd) {
        return fcntl(fd, F_GETPIPE_SZ) >= 0;
}

static bool is_socket(int fd) {
        socklen_t size = sizeof(int);
        int type;

        return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) >= 0;
}

/* By the kernel's name for it; fstat(2) would ask a server too. A path, as that of any file with a name, begins with a slash. */
static bool is_anonymous(int fd) {
        static const char *const names[] = { "anon_inode:[pidfd]", "anon_inode:[eventfd]", "pidfd:[" };
        char path[64], name[64];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = readlink(path, name, sizeof(name) - 1);
        if (n < 0)
                return false;
        name[n] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strncmp(name, names[i], strlen(names[i])) == 0)
                        return true;
        return false;
}

static bool is_fit(int fd) {
        return is_pipe(fd) || is_socket(fd) || is_anonymous(fd);
}

static int open_fd(_unused_ struct service *s, const struct init_request *request, int *ret_fd, char **ret_holder,
                   struct refusal *refusal) {
        _cleanup_close_ int fd = -EBADF;
        char *holder;

        if (request->hold_fd < 0)
                return refuse(refusal, EINVAL, "Hold \"fd\" was asked for consumer \"%s\" without one; pass it as option \"fd\".",
                              request->name);
        if (!is_fit(request->hold_fd))
                return refuse(refusal, EINVAL, "The file descriptor given for consumer \"%s\" cannot hold it; pass a pipe's end, a "
                              "socket, a pidfd or an eventfd.", request->name);
        fd = fcntl(request->hold_fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
                return refuse(refusal, ENOBUFS, "pasidd has no file descriptor left to hold consumer \"%s\" by: %s.", request->name,
                              strerror(errno));
        holder = strdup(""); /* it is named after the consumer, once that has an id */
        if (!holder)
                return refuse(refusal, ENOMEM, "Out of memory.");
        *ret_fd = TAKE_FD(fd);
        *ret_holder = holder;
        return 0;
}

static enum hold_verdict find_fd(_unused_ struct service *s, _unused_ const struct consumer *c, int *fd) {
        return *fd >= 0 && is_fit(*fd) ? hold_look_at_poll(*fd) : HOLD_CANNOT_TELL;
}

const struct hold_ops hold_fd_ops = {
        .open = open_fd,
        .find = find_fd,
        .watch = hold_watch_poll,
        .look = hold_look_at_poll,
        .over = "the file descriptor that was given is readable already, or hung up",
        .is_storable = true,
};
