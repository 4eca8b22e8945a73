/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system calls by which the kernel layer changes something, as a table:
 * the real ones, or a test's, which fail in any order it likes. Each returns
 * a negative errno on failure, saved at once, and none ends with EINTR.
 */
#pragma once

#include <sys/stat.h>

struct system_calls {
        int (*open)(const struct system_calls *calls, const char *path, int flags); /* always with O_CLOEXEC */
        void (*close)(const struct system_calls *calls, int fd);
        int (*ioctl)(const struct system_calls *calls, int fd, unsigned long request, void *arg);
        int (*eventfd)(const struct system_calls *calls); /* non-blocking, with O_CLOEXEC */
        int (*fstat)(const struct system_calls *calls, int fd, struct stat *ret);
};

extern const struct system_calls system_calls_real;

/* An fd that is closed by the table's close at the end of its scope; .fd is -EBADF while there is none. */
struct call_fd {
        const struct system_calls *calls;
        int fd;
};

void call_fd_close(struct call_fd *f);
