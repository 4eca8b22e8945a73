/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON from the runtime: bounded in size and depth, one object and nothing
 * after it.
 */
#pragma once

#include <json-c/json_object.h>

#include "hook.h"

DEFINE_CLEANUP(struct json_object *, json_object_put);

#define STATE_BYTES (1U << 20)
#define CONFIG_BYTES (16U << 20)

/* what: for the sentence, as "The container's state on standard input". *ret: to be put. */
int input_read_object(struct hook *hook, int fd, size_t max, const char *what, struct json_object **ret);

/* A member of that type, or NULL if it isn't there or null. -EINVAL, without a sentence: it is of another type. */
int input_get(struct json_object *object, const char *key, enum json_type type, struct json_object **ret);
