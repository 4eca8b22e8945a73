/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arguments of a call, made from an input: of the types that a signature asks
 * for, with values that mean something to pasidd as often as ones that don't.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "fuzz.h"

/* What messages carry as 'h'; stays the caller's. */
struct fuzz_fds {
        int memory;   /* a memfd that may be mapped */
        int other;    /* an eventfd */
        int hold_end; /* one whose other end goes away */
};

/* Negative if there can be no such message. */
int values_append(sd_bus_message *m, struct input *in, const char *signature, const struct fuzz_fds *fds);
/* To be freed. */
char *values_read_path(struct input *in);
char *values_read_string(struct input *in);
