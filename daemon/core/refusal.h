/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A refusal: one condition of the contract (an errno of include/internal/errors.h)
 * and the sentence for the person who asked: what was asked, what stood in the
 * way, what would help. Filled where the cause is known, sent by the bus layer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "internal/cleanup.h"

#define REFUSAL_TEXT_MAX 512

struct refusal {
        int code; /* positive errno of the table, 0 while there is none */
        bool is_passing; /* by itself, and soon: the same is worth another try a little later */
        char text[REFUSAL_TEXT_MAX];
};

/* What follows "%u PASID". */
static inline const char *were(uint32_t n_pasids) {
        return n_pasids == 1 ? " was" : "s were";
}

/* Sets *refusal (NULL is fine) and returns -code, so that callers can `return refuse(...)`. */
int refuse(struct refusal *refusal, int code, const char *format, ...) _printf_(3, 4);
