/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See the header.
 */
#include "short-memory.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct short_memory *plan;
static sqlite3_mem_methods usual;

static bool is_refused(enum short_of of) {
        if (!plan || plan->at[of] == 0)
                return false;
        if (plan->at[of] > 1) {
                plan->at[of]--;
                return false;
        }
        if (!plan->is_forever)
                plan->at[of] = 0;
        plan->n_refused++;
        errno = ENOMEM;
        return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));

void *__wrap_malloc(size_t size) {
        return is_refused(SHORT_OF_OURS) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
        return is_refused(SHORT_OF_OURS) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size) {
        return is_refused(SHORT_OF_OURS) ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
        return is_refused(SHORT_OF_OURS) ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s) {
        return is_refused(SHORT_OF_OURS) ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n) {
        return is_refused(SHORT_OF_OURS) ? NULL : __real_strndup(s, n);
}

/* As the C library's does it, which leaves the pointer alone. */
int __wrap_asprintf(char **ret, const char *format, ...) {
        va_list ap;
        int r;

        if (is_refused(SHORT_OF_OURS))
                return -1;
        va_start(ap, format);
        r = vasprintf(ret, format, ap);
        va_end(ap);
        return r;
}

static void *sqlite_malloc(int size) {
        return is_refused(SHORT_OF_SQLITE) ? NULL : usual.xMalloc(size);
}

static void *sqlite_realloc(void *p, int size) {
        return is_refused(SHORT_OF_SQLITE) ? NULL : usual.xRealloc(p, size);
}

void short_memory_follow(struct short_memory *p) {
        sqlite3_mem_methods methods;

        if (!usual.xMalloc && sqlite3_config(SQLITE_CONFIG_GETMALLOC, &usual) == SQLITE_OK) {
                methods = usual;
                methods.xMalloc = sqlite_malloc;
                methods.xRealloc = sqlite_realloc;
                if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK)
                        abort();
        }
        plan = p;
}
