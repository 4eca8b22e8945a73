/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * %{KEY} in the arguments of a command.
 */
#include "expand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal/cleanup.h"

static const char *find(const struct expansion *items, size_t n, const char *key, size_t length) {
        for (size_t i = 0; i < n; i++)
                if (strlen(items[i].key) == length && memcmp(items[i].key, key, length) == 0)
                        return items[i].value;
        return NULL;
}

/* text: behind "%{"; *ret_end: behind "}". */
static int put_value(FILE *out, const char *text, const struct expansion *items, size_t n, const char **ret_end,
                     char **ret_bad) {
        size_t length = strcspn(text, "}");
        const char *value;

        if (text[length] == '\0')
                return -EINVAL;
        value = find(items, n, text, length);
        if (!value) {
                *ret_bad = strndup(text - 2, length + 3);
                return *ret_bad ? -ENOKEY : -ENOMEM;
        }
        (void) fputs(value, out);
        *ret_end = text + length + 1;
        return 0;
}

static int expand_to(FILE *out, const char *text, const struct expansion *items, size_t n, char **ret_bad) {
        while (*text) {
                size_t plain = strcspn(text, "%"), percents = strspn(text + plain, "%");
                int r;

                (void) fwrite(text, 1, plain, out);
                text += plain;
                if (text[percents] != '{') {
                        (void) fwrite(text, 1, percents, out);
                        text += percents;
                        continue;
                }
                (void) fwrite(text, 1, percents / 2, out);
                text += percents;
                if (percents % 2 == 0) {
                        (void) fputc('{', out);
                        text++;
                        continue;
                }
                r = put_value(out, text + 1, items, n, &text, ret_bad);
                if (r < 0)
                        return r;
        }
        return 0;
}

int expand(const char *text, const struct expansion *items, size_t n, char **ret, char **ret_bad) {
        _cleanup_free_ char *result = NULL;
        size_t size;
        FILE *out = open_memstream(&result, &size);
        int r;

        if (!out)
                return -ENOMEM;
        r = expand_to(out, text, items, n, ret_bad);
        if (fclose(out) != 0 && r >= 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(result);
        return 0;
}
