/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Assertions for tests that make millions of them: Check's own write a line to
 * a file each time, these only when they fail.
 */
#pragma once

#include <inttypes.h>

#include "suite.h"

#define HOLDS(condition)                                                                                  \
        do {                                                                                              \
                if (!(condition))                                                                         \
                        ck_abort_msg("%s", #condition);                                                   \
        } while (0)

#define SAME(a, b)                                                                                        \
        do {                                                                                              \
                intmax_t _a = (intmax_t) (a), _b = (intmax_t) (b);                                        \
                                                                                                          \
                if (_a != _b)                                                                             \
                        ck_abort_msg("%s is %" PRIdMAX ", %s is %" PRIdMAX, #a, _a, #b, _b);              \
        } while (0)
