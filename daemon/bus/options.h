/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The a{sv} options of a method, read by a table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <systemd/sd-bus.h>

#include "core/refusal.h"
#include "kernel/kernel.h"

struct option_list {
        const char **items; /* the array is its holder's to free(), the strings are the message's */
        size_t n_items;
};

struct option_spec {
        const char *name;
        const char *signature; /* "s": const char *, "o": the same, "u": uint32_t, "b" and "h": int, "as": struct option_list,
                                "(htttu)": struct kernel_mapping */
        size_t offset;         /* in the struct of values */
        bool is_positive;      /* a "u" that is refused as 0: whoever wants the default leaves it out */
};

/*
 * Reads the array that comes next in the message into values, which keeps its
 * defaults for keys that are not given. InvalidArgs names the key that is
 * unknown, doubled, of another type or 0 where it may not be. Strings live as long as the message;
 * an option_list is the caller's to free, also after a failure.
 */
int options_read(sd_bus_message *m, const struct option_spec *specs, size_t n_specs, void *values,
                 struct refusal *refusal);
