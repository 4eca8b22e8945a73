/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzzers share: reading an input piece by piece, and how one ends
 * that has found something. A fuzzer never looks at its input twice, so that
 * a byte more or less changes little of what comes before it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "internal/cleanup.h"

/* libFuzzer calls these. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

struct input {
        const uint8_t *data;
        size_t size;
};

/* At the end of the input there are zeros. */
uint8_t input_byte(struct input *in);
uint32_t input_number(struct input *in);
/* n bytes and a NUL, fewer at the end of the input; to be freed. */
char *input_text(struct input *in, size_t n);

/* What must never be: tells it, and ends in a crash, which libFuzzer keeps the input of. */
void fuzz_fail(const char *file, int line, const char *format, ...) _printf_(3, 4) __attribute__((noreturn));
#define fuzz_check(condition, ...)                                      \
        do                                                              \
                if (!(condition))                                       \
                        fuzz_fail(__FILE__, __LINE__, __VA_ARGS__);     \
        while (0)

/* A directory of this process on tmpfs, which is removed at its end, with all in it. */
const char *fuzz_directory(void);
