/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ids are whatever a runtime takes for one: 64 hexadecimal digits mostly, but
 * crun takes any file name.
 */
#include "name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal/cleanup.h"

#define NAME_BYTES 128U     /* pasid_consumer_init() */
#define HASH_BYTES 17U      /* "~" and 16 digits */

/* Length of the UTF-8 sequence at s that a name may hold (RFC 3629, no control character); 0: not this byte. */
static size_t sound_length(const unsigned char *s) {
        size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

        if (n == 1)
                return s[0] >= 0x20 && s[0] != 0x7f ? 1 : 0;
        for (size_t i = 1; i < n; i++)
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
        if ((s[0] == 0xc2 && s[1] < 0xa0) ||                              /* U+0080 to U+009F */
            (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90) || /* longer than need be */
            (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf4 && s[1] >= 0x90)) /* surrogates; above U+10FFFF */
                return 0;
        return n;
}

/* FNV-1a. Who makes two ids that share it gets a refusal: the consumer's mark says whose it is. */
static uint64_t hash_of(const char *id) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (; *id; id++)
                hash = (hash ^ (unsigned char) *id) * UINT64_C(0x100000001b3);
        return hash;
}

int container_consumer_name(const char *id, char **ret) {
        _cleanup_free_ char *name = malloc(3 * strlen(id) + HASH_BYTES + 1);
        size_t used = 0, fits = 0, n;

        if (*id == '\0')
                return -EINVAL;
        if (!name)
                return -ENOMEM;
        for (const char *p = id; *p; p += n ?: 1) {
                n = sound_length((const unsigned char *) p);
                if (n == 0 || *p == '%')
                        n = 0;
                if (n > 0)
                        memcpy(name + used, p, n);
                else
                        (void) sprintf(name + used, "%%%02X", (unsigned char) *p);
                used += n ?: 3;
                if (used <= NAME_BYTES - HASH_BYTES)
                        fits = used;
        }
        name[used] = '\0';
        if (used > NAME_BYTES)
                (void) sprintf(name + fits, "~%016" PRIx64, hash_of(id));
        *ret = TAKE_PTR(name);
        return 0;
}
