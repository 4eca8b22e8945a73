/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why it failed: one line whatever it quotes, since ids and annotations come
 * from elsewhere and end on terminals.
 */
#include "hook.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void make_one_line(char *text) {
        for (unsigned char *p = (unsigned char *) text; *p; p++)
                if (*p < 0x20 || *p == 0x7f)
                        *p = '?';
}

int hook_fail(struct hook *hook, int r, const char *format, ...) {
        va_list ap;

        if (hook->error)
                return r;
        va_start(ap, format);
        if (vasprintf(&hook->error, format, ap) < 0)
                hook->error = NULL;
        va_end(ap);
        if (hook->error)
                make_one_line(hook->error);
        return r;
}

int hook_oom(struct hook *hook) {
        return hook_fail(hook, -ENOMEM, "Out of memory.");
}

int hook_refused(struct hook *hook, struct pasid_client *client, int r) {
        const char *text = client ? pasid_strerror_last(client) : "";

        return hook_fail(hook, r, "%s", *text ? text : pasid_strerror(r));
}
