/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoding and escaping by Unicode's own rules, not the locale's: what is
 * printable must not depend on who looks.
 */
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal/cleanup.h"

size_t utf8_decode(const char *s, size_t n, uint32_t *ret) {
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        const unsigned char *p = (const unsigned char *) s;
        size_t length;
        uint32_t c;

        if (n == 0)
                return 0;
        if (p[0] < 0x80) {
                *ret = p[0];
                return 1;
        }
        if (p[0] >= 0xc2 && p[0] <= 0xdf)
                length = 2;
        else if ((p[0] & 0xf0) == 0xe0)
                length = 3;
        else if (p[0] >= 0xf0 && p[0] <= 0xf4)
                length = 4;
        else
                return 0;
        if (n < length)
                return 0;
        c = p[0] & (0xffU >> (length + 1));
        for (size_t i = 1; i < length; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (p[i] & 0x3f);
        }
        if (c < smallest[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0;
        *ret = c;
        return length;
}

bool text_is_hostile(uint32_t c) {
        static const struct {
                uint32_t first, last;
        } hostile[] = {
                { 0x00, 0x1f },
                { 0x7f, 0x9f },     /* DEL and C1, among them the one-character CSI */
                { 0xad, 0xad },     /* soft hyphen */
                { 0x61c, 0x61c },   /* marks and overrides of direction, here and below */
                { 0x200b, 0x200f }, /* no width */
                { 0x2028, 0x202e },
                { 0x2060, 0x206f },
                { 0xfeff, 0xfeff },
                { 0xfff9, 0xfffb },
                { 0xe0000, 0xe0fff }, /* tags: no glyph */
        };

        for (size_t i = 0; i < ELEMENTSOF(hostile); i++)
                if (c >= hostile[i].first && c <= hostile[i].last)
                        return true;
        return (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef); /* noncharacters */
}

bool text_is_printable(const void *data, size_t size) {
        const char *s = data;

        while (size > 0) {
                uint32_t c;
                size_t n = utf8_decode(s, size, &c);

                if (n == 0 || (text_is_hostile(c) && c != '\t' && c != '\n'))
                        return false;
                s += n;
                size -= n;
        }
        return true;
}

char *text_escape(const char *s, size_t n, bool utf8) {
        static const char hex[] = "0123456789abcdef";
        char *text = malloc(n * 4 + 1), *p = text;

        if (!text)
                return NULL;
        while (n > 0) {
                uint32_t c;
                size_t length = utf8_decode(s, n, &c);
                bool keep = length > 0 && !text_is_hostile(c) && (utf8 || c < 0x80) &&
                        !(c == '\\' && n > 1 && s[1] == 'x');

                if (length == 0)
                        length = 1;
                n -= length;
                for (; length > 0; length--, s++) {
                        unsigned char byte = (unsigned char) *s;

                        if (keep) {
                                *p++ = *s;
                                continue;
                        }
                        *p++ = '\\';
                        *p++ = 'x';
                        *p++ = hex[byte >> 4];
                        *p++ = hex[byte & 0xf];
                }
        }
        *p = '\0';
        return text;
}

int text_join(const char *const *texts, const char *separator, char **ret) {
        size_t size = 1;
        char *joined, *p;

        for (size_t i = 0; texts && texts[i]; i++)
                size += strlen(texts[i]) + strlen(separator);
        joined = p = malloc(size);
        if (!joined)
                return -ENOMEM;
        *p = '\0';
        for (size_t i = 0; texts && texts[i]; i++)
                p = stpcpy(stpcpy(p, i > 0 ? separator : ""), texts[i]);
        *ret = joined;
        return 0;
}

/* In characters, which is what they take on a terminal but for wide scripts. */
static size_t text_width(const char *s, size_t n) {
        size_t width = 0;

        for (size_t i = 0; i < n; i++)
                width += ((unsigned char) s[i] & 0xc0) != 0x80;
        return width;
}

void text_wrap(FILE *f, const char *text, size_t width, size_t indent) {
        size_t column = 0;

        while (*text) {
                size_t n = strcspn(text, " "), needed = text_width(text, n);

                if (column > 0 && width > 0 && column + 1 + needed > width) {
                        fprintf(f, "\n%*s", (int) indent, "");
                        column = indent;
                } else if (column > 0) {
                        fputc(' ', f);
                        column++;
                }
                fwrite(text, 1, n, f);
                column += needed;
                text += n;
                text += strspn(text, " ");
        }
        fputc('\n', f);
}
