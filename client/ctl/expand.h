/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * %{KEY} in the arguments of a command that pasidctl runs. Only that is
 * looked for, so that date +%H and printf %d%% mean what they always did: of
 * %s before a brace two stand for one, and an odd one begins a key.
 */
#pragma once

#include <stddef.h>

struct expansion {
        const char *key;
        const char *value;
};

/*
 * *ret is the caller's to free(). -ENOKEY with *ret_bad, to be freed too, the
 * "%{KEY}" that is none of the n items'; -EINVAL for one without an end.
 */
int expand(const char *text, const struct expansion *items, size_t n, char **ret, char **ret_bad);
