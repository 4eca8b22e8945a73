/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values as text: moments, bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum time_style {
        TIME_PEOPLE,   /* local time with its offset, to the second */
        TIME_PROGRAMS, /* UTC, to the microsecond */
};

#define TIME_TEXT_MAX 64

/* RFC 3339; usec as CLOCK_REALTIME counts. Returns buf. */
const char *format_time(uint64_t usec, enum time_style style, char buf[static TIME_TEXT_MAX]);

/* RFC 4648, padded. NULL without memory. */
char *format_base64(const void *data, size_t size);

#define HEX_LINE_BYTES 16U
#define HEX_LINE_MAX 80

/* One line of a dump: offset, up to HEX_LINE_BYTES bytes, and their ASCII. Returns buf. */
const char *format_hex_line(const void *data, size_t size, size_t offset, char buf[static HEX_LINE_MAX]);
