/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Scope-bound cleanup for the resources that daemon and client share.
 * DEFINE_CLEANUP(type, func) makes a helper for _cleanup_(func); TAKE_PTR()
 * and TAKE_FD() hand a resource over and leave nothing behind to free.
 */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))

/* func takes the pointer itself and accepts NULL */
#define DEFINE_CLEANUP(type, func)                 \
        static inline void func##p(type *p) {      \
                if (*p)                            \
                        (void) func(*p);           \
        }                                          \
        struct __useless_struct_to_allow_trailing_semicolon__

static inline void freep(void *p) {
        free(*(void **) p);
}

/* Keeps errno, so that it may stand between a failed call and its report. */
static inline int close_fd(int fd) {
        if (fd >= 0) {
                int saved = errno;

                (void) close(fd);
                errno = saved;
        }
        return -EBADF;
}

static inline void closep(int *fd) {
        *fd = close_fd(*fd);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)

#define TAKE_PTR(p)                                \
        ({                                         \
                __typeof__(p) *_pp = &(p);         \
                __typeof__(p) _p = *_pp;           \
                *_pp = NULL;                       \
                _p;                                \
        })

#define TAKE_FD(fd)                                \
        ({                                         \
                int *_fdp = &(fd);                 \
                int _fd = *_fdp;                   \
                *_fdp = -EBADF;                    \
                _fd;                               \
        })

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
