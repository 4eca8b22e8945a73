/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text from elsewhere on its way to a terminal: names, device strings and
 * private data can hold bytes that the terminal would obey or hide.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The first character of a string of n bytes: its length, or 0 if it is not valid UTF-8 (RFC 3629). */
size_t utf8_decode(const char *s, size_t n, uint32_t *ret);
/* Control characters, those that reorder or hide other text, and what is no character at all. */
bool text_is_hostile(uint32_t c);
/* Valid UTF-8 that people can read: no hostile character but tab and newline. Empty text is. */
bool text_is_printable(const void *data, size_t size);
/*
 * A copy in which hostile and undecodable bytes, and without utf8 all but
 * ASCII, are written \xNN; a backslash in front of an x too, so that nothing
 * can pass for an escape. NULL without memory.
 */
char *text_escape(const char *s, size_t n, bool utf8);
/* NULL-terminated texts as one; NULL for none, which gives "". *ret is the caller's to free(). 0 or -ENOMEM. */
int text_join(const char *const *texts, const char *separator, char **ret);
/* A paragraph of lines that fit into width, broken at blanks; all but the first are indented. 0: one line. */
void text_wrap(FILE *f, const char *text, size_t width, size_t indent);
