/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading JSON with json-c.
 */
#include "input.h"

#include <json-c/json_tokener.h>
#include <limits.h>
#include <string.h>

#define DEPTH_MAX 64

DEFINE_CLEANUP(struct json_tokener *, json_tokener_free);

/* *ret: to be freed, and a NUL behind its *ret_size bytes. */
static int read_all(int fd, size_t max, char **ret, size_t *ret_size) {
        _cleanup_free_ char *data = NULL;
        size_t used = 0, size = 0;

        for (;;) {
                ssize_t n;

                if (used == size) {
                        char *grown;

                        size = size ? size * 2 : 16384;
                        grown = realloc(data, size + 1);
                        if (!grown)
                                return -ENOMEM;
                        data = grown;
                }
                n = read(fd, data + used, size - used);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                used += (size_t) n;
                if (used > max)
                        return -EFBIG;
        }
        data[used] = '\0';
        *ret = TAKE_PTR(data);
        *ret_size = used;
        return 0;
}

int input_read_object(struct hook *hook, int fd, size_t max, const char *what, struct json_object **ret) {
        _cleanup_(json_tokener_freep) struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
        _cleanup_(json_object_putp) struct json_object *object = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r;

        if (!tokener)
                return hook_oom(hook);
        r = read_all(fd, max, &text, &size);
        if (r == -ENOMEM)
                return hook_oom(hook);
        if (r == -EFBIG)
                return hook_fail(hook, r, "%s is larger than %zu bytes, which no runtime writes; it was not read.", what, max);
        if (r < 0)
                return hook_fail(hook, r, "%s cannot be read: %s.", what, strerror(-r));
        if (size == 0)
                return hook_fail(hook, -EINVAL, "%s is empty; " HOOK_PROGRAM " is run by a container runtime, see " HOOK_PROGRAM
                                 "(8).", what);
        if (strlen(text) == size) {
                json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
                object = json_tokener_parse_ex(tokener, text, (int) size + 1);
        }
        if (!json_object_is_type(object, json_type_object))
                return hook_fail(hook, -EINVAL, "%s is no JSON object.", what);
        *ret = TAKE_PTR(object);
        return 0;
}

int input_get(struct json_object *object, const char *key, enum json_type type, struct json_object **ret) {
        struct json_object *value = NULL;

        if (json_object_object_get_ex(object, key, &value) && value && !json_object_is_type(value, type))
                return -EINVAL;
        *ret = value;
        return 0;
}
