/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Formatting of refusals; an over-long text is cut, never overrun.
 */
#include "core/refusal.h"

#include <stdarg.h>
#include <stdio.h>

int refuse(struct refusal *refusal, int code, const char *format, ...) {
        if (code < 0)
                code = -code;
        if (refusal) {
                va_list ap;

                refusal->code = code;
                refusal->is_passing = false;
                va_start(ap, format);
                (void) vsnprintf(refusal->text, sizeof(refusal->text), format, ap);
                va_end(ap);
        }
        return -code;
}
