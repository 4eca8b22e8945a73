/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program's own malloc(3) family, which the libraries are led to as well:
 * it refuses by the plan, and else is the one that comes next, which may be a
 * checker of memory.
 */
#include "short-of.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "internal/cleanup.h"

static struct short_memory *plan;

static bool is_refused(void) {
        if (!plan || plan->at[SHORT_OF_OURS] == 0)
                return false;
        if (plan->at[SHORT_OF_OURS] > 1) {
                plan->at[SHORT_OF_OURS]--;
                return false;
        }
        if (!plan->is_forever)
                plan->at[SHORT_OF_OURS] = 0;
        plan->n_refused++;
        errno = ENOMEM;
        return true;
}

/* A checker of memory is one library further on, or a part of the program, with one underscore more from LLVM 17 on. */
#define CHECKER(type, function, ...)                                              \
        type __interceptor_##function(__VA_ARGS__) __attribute__((weak));         \
        type ___interceptor_##function(__VA_ARGS__) __attribute__((weak))
CHECKER(void *, malloc, size_t size);
CHECKER(void *, calloc, size_t n, size_t size);
CHECKER(void *, realloc, void *p, size_t size);

/* POSIX has dlsym(3) give functions as pointers to void. */
#define NEXT(function)                                                          \
        ({                                                                      \
                static __typeof__(&(function)) next;                            \
                if (!next)                                                      \
                        next = __interceptor_##function ?: ___interceptor_##function; \
                if (!next)                                                      \
                        *(void **) &next = dlsym(RTLD_NEXT, #function);         \
                next;                                                           \
        })

#define _shared_ __attribute__((visibility("default")))

_shared_ void *malloc(size_t size) {
        return is_refused() ? NULL : NEXT(malloc)(size);
}

_shared_ void *calloc(size_t n, size_t size) {
        return is_refused() ? NULL : NEXT(calloc)(n, size);
}

_shared_ void *realloc(void *p, size_t size) {
        return is_refused() ? NULL : NEXT(realloc)(p, size);
}

void short_of_follow(const char *directory) {
        _cleanup_close_ int fd = -EBADF;
        char path[512];
        void *p;

        (void) snprintf(path, sizeof(path), "%s/memory", directory);
        fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return;
        p = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p != MAP_FAILED)
                plan = p;
}
