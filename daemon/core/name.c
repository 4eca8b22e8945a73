/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which names of consumers and which tokens are accepted. Names are shown to
 * people and written to logs, so they are whole UTF-8 without control
 * characters; a refusal tells where it went wrong and never repeats the bytes.
 */
#include <errno.h>
#include <string.h>

#include "core/core-internal.h"

/* Length of the UTF-8 sequence at s and its code point; 0 if it is none (RFC 3629). */
static size_t utf8_decode(const unsigned char *s, uint32_t *ret) {
        static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
        uint32_t c;

        if (n < 2) {
                *ret = s[0];
                return n;
        }
        c = s[0] & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (s[i] & 0x3fU);
        }
        if (c < lowest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0;
        *ret = c;
        return n;
}

int consumer_name_check(const char *name, struct refusal *refusal) {
        size_t n, length;
        uint32_t c = 0;

        if (!name || !*name)
                return refuse(refusal, EILSEQ, "A consumer's name can't be empty; give it 1 to %u bytes of UTF-8.", NAME_LEN_MAX);
        length = strnlen(name, NAME_LEN_MAX + 1);
        if (length > NAME_LEN_MAX)
                return refuse(refusal, EILSEQ, "The consumer's name is longer than %u bytes; give it a shorter one.", NAME_LEN_MAX);
        for (size_t i = 0; i < length; i += n) {
                n = utf8_decode((const unsigned char *) name + i, &c);
                if (n == 0)
                        return refuse(refusal, EILSEQ, "The consumer's name is no UTF-8 at byte %zu; "
                                      "give it 1 to %u bytes of UTF-8 without control characters.", i + 1, NAME_LEN_MAX);
                if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
                        return refuse(refusal, EILSEQ, "The consumer's name has the control character U+%04X at byte %zu; "
                                      "give it 1 to %u bytes of UTF-8 without any.", c, i + 1, NAME_LEN_MAX);
        }
        return 0;
}

int token_check(const char *token, struct refusal *refusal) {
        size_t length = strnlen(token, TOKEN_LEN_MAX + 1);

        if (length == 0 || length > TOKEN_LEN_MAX)
                return refuse(refusal, EINVAL, "A token has 1 to %u characters, and this one has %s; choose another.",
                              TOKEN_LEN_MAX, length == 0 ? "none" : "more");
        for (size_t i = 0; i < length; i++)
                if (token[i] < 0x20 || token[i] > 0x7e)
                        return refuse(refusal, EINVAL, "The token's byte %zu is not printable ASCII; "
                                      "a token is 1 to %u printable ASCII characters.", i + 1, TOKEN_LEN_MAX);
        return 0;
}
