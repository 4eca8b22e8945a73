/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls of the kernel layer that a test expects, in order: each with
 * the arguments that it must have and the answer that it gets. An unexpected
 * call, another argument, a close of what is not open and a second one fail
 * the test. Closing needs no expectation: at the end nothing may be open.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "kernel/kernel.h"
#include "kernel/system-calls.h"

enum mock_kind {
        MOCK_CALL_OPEN,
        MOCK_CALL_IOCTL,
        MOCK_CALL_EVENTFD,
        MOCK_CALL_FSTAT,
};

struct mock_call {
        enum mock_kind kind;
        const char *path;      /* open */
        int fd;                /* ioctl, fstat */
        unsigned long request; /* ioctl */
        const void *in;        /* ioctl: the struct it must have, byte for byte; it begins with its size */
        const void *out;       /* ioctl: the struct as the kernel gives it back; NULL: unchanged */
        mode_t mode;           /* fstat */
        dev_t rdev;            /* fstat */
        int result;            /* of open and eventfd the fd; or a negative errno */
};

#define MOCK_OPEN(path_, result_) { .kind = MOCK_CALL_OPEN, .path = (path_), .result = (result_) }
#define MOCK_EVENTFD(result_) { .kind = MOCK_CALL_EVENTFD, .result = (result_) }
#define MOCK_FSTAT(fd_, mode_, rdev_) { .kind = MOCK_CALL_FSTAT, .fd = (fd_), .mode = (mode_), .rdev = (rdev_) }
#define MOCK_IOCTL(fd_, request_, in_, out_) \
        { .kind = MOCK_CALL_IOCTL, .fd = (fd_), .request = (request_), .in = (in_), .out = (out_) }
#define MOCK_IOCTL_FAILS(fd_, request_, in_, error_) \
        { .kind = MOCK_CALL_IOCTL, .fd = (fd_), .request = (request_), .in = (in_), .result = -(error_) }

struct kernel_mock {
        struct system_calls calls; /* first, so that the calls can get back */
        const struct mock_call *expected;
        size_t n_expected, next;
        int open[64];
        size_t n_open;
};

/* A kernel over the mock; sysfs: NULL for none. Device nodes are in /mock-dev. */
struct kernel *kernel_mock_new(struct kernel_mock *mock, const char *sysfs);
/* Frees it; all that was expected must have come, and all that was opened be closed. */
void kernel_mock_free(struct kernel_mock *mock, struct kernel *k);
/* What comes next; all that was expected before must have come. calls must stay. */
void kernel_mock_expect(struct kernel_mock *mock, const struct mock_call *calls, size_t n);
/* An fd that the kernel layer got otherwise than by these calls, and is to close. */
void kernel_mock_add_open(struct kernel_mock *mock, int fd);

#define MOCK_EXPECT(mock, ...)                                                                     \
        kernel_mock_expect(mock, (const struct mock_call[]) { __VA_ARGS__ },                       \
                           sizeof((const struct mock_call[]) { __VA_ARGS__ }) / sizeof(struct mock_call))

/* r and the refusal must be of the condition, and the sentence a whole one with the words in it. */
void kernel_mock_check_refusal(int r, struct refusal *refusal, int code, const char *words);
