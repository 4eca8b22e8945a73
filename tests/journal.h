/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A journal of a test's own: a socket where libsystemd sends to, in a mount
 * namespace of this process and of those that it starts from then on.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A socket that the lines come to; -1: this host has no namespaces for us. Fails the test where else something is wrong. */
int journal_open(void);
/* To be said of the present standard error, as a service manager does. */
static inline void journal_set_stream(void) {
        struct stat st;
        char stream[64];

        if (fstat(STDERR_FILENO, &st) < 0)
                return;
        (void) snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long) st.st_dev, (unsigned long long) st.st_ino);
        (void) setenv("JOURNAL_STREAM", stream, 1);
}

/* The next line: its fields, one a line, good until the next call; NULL: there is none now. */
const char *journal_next_line(int journal);
/* The line has that field. */
bool journal_line_has(const char *line, const char *field);
