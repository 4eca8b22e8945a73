/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real system calls.
 */
#include "kernel/system-calls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "internal/cleanup.h"

static int real_open(const struct system_calls *calls, const char *path, int flags) {
        int fd;

        do
                fd = open(path, flags | O_CLOEXEC);
        while (fd < 0 && errno == EINTR);
        return fd < 0 ? -errno : fd;
}

static void real_close(const struct system_calls *calls, int fd) {
        /* Not repeated: Linux has let go of the fd even where it says EINTR. */
        (void) close_fd(fd);
}

static int real_ioctl(const struct system_calls *calls, int fd, unsigned long request, void *arg) {
        int r;

        do
                r = ioctl(fd, request, arg);
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : r;
}

static int real_eventfd(const struct system_calls *calls) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        return fd < 0 ? -errno : fd;
}

static int real_fstat(const struct system_calls *calls, int fd, struct stat *ret) {
        return fstat(fd, ret) < 0 ? -errno : 0;
}

const struct system_calls system_calls_real = {
        .open = real_open,
        .close = real_close,
        .ioctl = real_ioctl,
        .eventfd = real_eventfd,
        .fstat = real_fstat,
};

void call_fd_close(struct call_fd *f) {
        if (f->fd >= 0)
                f->calls->close(f->calls, f->fd);
        f->fd = -EBADF;
}
