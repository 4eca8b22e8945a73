/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Refusals as D-Bus errors, by the one table that the client shares.
 */
#include "bus/error.h"

#include <ctype.h>
#include <stdint.h>

#include "internal/errors.h"

/* Length of the valid UTF-8 sequence (RFC 3629) at s, 0 if there is none. */
static size_t utf8_length(const unsigned char *s) {
        uint32_t c;
        size_t n;

        if (s[0] < 0x80)
                return 1;
        if (s[0] >= 0xc2 && s[0] <= 0xdf)
                n = 2;
        else if ((s[0] & 0xf0) == 0xe0)
                n = 3;
        else if (s[0] >= 0xf0 && s[0] <= 0xf4)
                n = 4;
        else
                return 0;
        c = s[0] & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (s[i] & 0x3fU);
        }
        if ((n == 3 && c < 0x800) || (n == 4 && c < 0x10000) || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
                return 0;
        return n;
}

/* A name quoted in a sentence may be cut within a character, and D-Bus refuses to carry the rest of it. */
static void mend_utf8(char *s) {
        while (*s) {
                size_t n = utf8_length((const unsigned char *) s);

                if (n == 0)
                        *s = '?';
                s += n > 0 ? n : 1;
        }
}

int error_from_refusal(sd_bus_error *error, int r, const struct refusal *refusal) {
        const struct error_entry *entry;
        char text[REFUSAL_TEXT_MAX];
        int code = refusal && refusal->code ? refusal->code : -r;

        entry = error_by_code(code);
        if (!entry)
                return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED, "The request failed: %s.", strerror(code));
        if (!refusal || !refusal->code)
                return sd_bus_error_setf(error, entry->name, "%c%s.", toupper(entry->text[0]), entry->text + 1);
        memcpy(text, refusal->text, sizeof(text));
        text[sizeof(text) - 1] = '\0';
        mend_utf8(text);
        return sd_bus_error_set(error, entry->name, text);
}
