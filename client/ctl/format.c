/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moments as RFC 3339, private data as base64 for programs and as a dump for
 * people.
 */
#include "format.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define USEC_PER_SEC 1000000U

const char *format_time(uint64_t usec, enum time_style style, char buf[static TIME_TEXT_MAX]) {
        time_t seconds = (time_t) (usec / USEC_PER_SEC);
        struct tm tm;
        size_t n;
        long offset;

        if (!(style == TIME_PROGRAMS ? gmtime_r(&seconds, &tm) : localtime_r(&seconds, &tm))) {
                (void) snprintf(buf, TIME_TEXT_MAX, "-");
                return buf;
        }
        n = strftime(buf, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
        if (style == TIME_PROGRAMS) {
                (void) snprintf(buf + n, TIME_TEXT_MAX - n, ".%06uZ", (unsigned) (usec % USEC_PER_SEC));
                return buf;
        }
        offset = tm.tm_gmtoff / 60;
        (void) snprintf(buf + n, TIME_TEXT_MAX - n, "%c%02ld:%02ld", offset < 0 ? '-' : '+',
                        labs(offset) / 60, labs(offset) % 60);
        return buf;
}

char *format_base64(const void *data, size_t size) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const uint8_t *in = data;
        char *text = malloc((size + 2) / 3 * 4 + 1), *out = text;

        if (!text)
                return NULL;
        for (; size > 0; in += 3) {
                size_t n = size < 3 ? size : 3;
                uint32_t bits = (uint32_t) in[0] << 16 | (n > 1 ? (uint32_t) in[1] << 8 : 0) | (n > 2 ? in[2] : 0U);

                *out++ = digits[bits >> 18];
                *out++ = digits[bits >> 12 & 63];
                *out++ = n > 1 ? digits[bits >> 6 & 63] : '=';
                *out++ = n > 2 ? digits[bits & 63] : '=';
                size -= n;
        }
        *out = '\0';
        return text;
}

const char *format_hex_line(const void *data, size_t size, size_t offset, char buf[static HEX_LINE_MAX]) {
        const uint8_t *bytes = data;
        size_t n;

        n = (size_t) snprintf(buf, HEX_LINE_MAX, "%04zx ", offset & 0xffff);
        for (size_t i = 0; i < HEX_LINE_BYTES; i++)
                n += (size_t) (i < size ? snprintf(buf + n, HEX_LINE_MAX - n, " %02x", bytes[i])
                                        : snprintf(buf + n, HEX_LINE_MAX - n, "   "));
        n += (size_t) snprintf(buf + n, HEX_LINE_MAX - n, "  ");
        for (size_t i = 0; i < size && i < HEX_LINE_BYTES; i++)
                buf[n++] = bytes[i] >= 0x20 && bytes[i] < 0x7f ? (char) bytes[i] : '.';
        buf[n] = '\0';
        return buf;
}
