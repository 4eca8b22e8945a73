/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long the kernel takes: system calls that note the time of each ioctl,
 * and pass everything on.
 */
#pragma once

#include "kernel/kernel.h"
#include "kernel/system-calls.h"

struct measured_calls {
        struct system_calls calls; /* first: what the others are called with */
        const struct system_calls *inner;
        struct kernel_timings timings;
};

/* inner must stay as long as m is used. */
void measure_init(struct measured_calls *m, const struct system_calls *inner);
