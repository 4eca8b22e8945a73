/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzzers share. It stands in for Check, too, by whose assertions
 * the unit tests' fixtures find what is wrong.
 */
#include "fuzz.h"

#include <check.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[64];

uint8_t input_byte(struct input *in) {
        if (in->size == 0)
                return 0;
        in->size--;
        return *in->data++;
}

uint32_t input_number(struct input *in) {
        uint32_t n = 0;

        for (unsigned i = 0; i < sizeof(n); i++)
                n = n << 8 | input_byte(in);
        return n;
}

char *input_text(struct input *in, size_t n) {
        char *text;

        if (n > in->size)
                n = in->size;
        text = malloc(n + 1);
        fuzz_check(text, "out of memory");
        if (n > 0)
                memcpy(text, in->data, n);
        text[n] = '\0';
        in->data += n;
        in->size -= n;
        return text;
}

void fuzz_fail(const char *file, int line, const char *format, ...) {
        va_list ap;

        (void) fprintf(stderr, "%s:%d: ", file, line);
        va_start(ap, format);
        (void) vfprintf(stderr, format, ap);
        va_end(ap);
        (void) fputc('\n', stderr);
        abort();
}

/* The last argument of ck_assert() and its kin is a NULL, before it comes their message. */
void _ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...) {
        char text[4096] = "";
        va_list ap;

        if (msg) {
                va_start(ap, msg);
                (void) vsnprintf(text, sizeof(text), msg, ap);
                va_end(ap);
        }
        fuzz_fail(file, line, "%s %s", expr, text);
}

void _mark_point(const char *file, int line) {
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        return remove(path);
}

static void remove_directory(void) {
        (void) nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_directory(void) {
        if (directory[0] == '\0') {
                (void) snprintf(directory, sizeof(directory), "%s/pasidd-fuzz-XXXXXX",
                                access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
                fuzz_check(mkdtemp(directory), "%s could not be made", directory);
                (void) atexit(remove_directory);
        }
        return directory;
}
