/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strict reading of arguments: anything that is not wholly a number, a range
 * or a reference is refused. Whether a number is a PASID is for the daemon to say.
 */
#include "args.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "internal/cleanup.h"

/* *s is moved to the first byte that is no digit. */
static int scan_number(const char **s, uint32_t *ret) {
        int base = 10;
        unsigned long long value;
        const char *digits = "0123456789", *start = *s;
        char *end;

        if (start[0] == '0' && (start[1] == 'x' || start[1] == 'X')) {
                start += 2;
                base = 16;
                digits = "0123456789abcdefABCDEF";
        }
        if (strspn(start, digits) == 0)
                return -EINVAL;
        errno = 0;
        value = strtoull(start, &end, base);
        *s = end;
        if (errno == ERANGE || value > UINT32_MAX)
                return -ERANGE;
        *ret = (uint32_t) value;
        return 0;
}

int arg_number(const char *s, uint32_t *ret) {
        uint32_t value = 0;
        int r = scan_number(&s, &value);

        if (r == -EINVAL || *s != '\0')
                return -EINVAL;
        if (r < 0)
                return r;
        *ret = value;
        return 0;
}

static int arg_range(const char *s, uint32_t *ret_first, uint32_t *ret_last) {
        uint32_t first, last;
        int r;

        r = scan_number(&s, &first);
        if (r < 0)
                return r;
        last = first;
        if (*s == '-') {
                s++;
                r = scan_number(&s, &last);
                if (r < 0)
                        return r;
        }
        if (*s != '\0' || last < first)
                return -EINVAL;
        *ret_first = first;
        *ret_last = last;
        return 0;
}

int arg_numbers(char *const *args, size_t n, struct arg_numbers *ret, const char **ret_bad) {
        _cleanup_free_ uint32_t *items = NULL;
        size_t used = 0, size = 0;

        for (size_t i = 0; i < n; i++) {
                uint32_t first, last;
                int r = arg_range(args[i], &first, &last);

                if (r >= 0 && (uint64_t) last - first + 1 + used > PASID_MAX)
                        r = -E2BIG;
                if (r < 0) {
                        if (ret_bad)
                                *ret_bad = args[i];
                        return r;
                }
                if (used + (last - first + 1) > size) {
                        uint32_t *grown;

                        size = (used + (last - first + 1)) * 2;
                        grown = reallocarray(items, size, sizeof(*items));
                        if (!grown)
                                return -ENOMEM;
                        items = grown;
                }
                for (uint64_t number = first; number <= last; number++)
                        items[used++] = (uint32_t) number;
        }
        ret->items = TAKE_PTR(items);
        ret->n = used;
        return 0;
}

int arg_list_add(struct arg_list *list, const char *s) {
        const char **grown = reallocarray(list->items, list->n + 2, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        grown[list->n++] = s;
        grown[list->n] = NULL;
        list->items = grown;
        return 0;
}

int arg_consumer(const char *s, struct arg_consumer *ret) {
        size_t digits = strspn(s, "0123456789");
        struct arg_consumer consumer = { PASID_UID_SELF, s };

        if (digits > 0 && s[digits] == ':') {
                uint32_t uid;
                int r = scan_number(&s, &uid);

                if (r < 0 || *s != ':' || (uid_t) uid == PASID_UID_SELF)
                        return -EINVAL;
                consumer = (struct arg_consumer) { (uid_t) uid, s + 1 };
        }
        if (consumer.name[0] == '\0')
                return -EINVAL;
        *ret = consumer;
        return 0;
}

static int read_file(const char *path, void **ret, size_t *ret_size) {
        _cleanup_free_ char *data = malloc(PASID_PRIVATE_MAX + 1);
        _cleanup_close_ int opened = -EBADF;
        int fd = STDIN_FILENO;
        size_t size = 0;

        if (!data)
                return -ENOMEM;
        if (strcmp(path, "-") != 0) {
                fd = opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
                if (fd < 0)
                        return -errno;
        }
        while (size <= PASID_PRIVATE_MAX) {
                ssize_t n = read(fd, data + size, PASID_PRIVATE_MAX + 1 - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t) n;
        }
        if (size > PASID_PRIVATE_MAX)
                return -EMSGSIZE;
        *ret = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}

int arg_private(const char *s, void **ret, size_t *ret_size) {
        char *text;

        if (s[0] == '@')
                return s[1] == '\0' ? -EINVAL : read_file(s + 1, ret, ret_size);
        text = strdup(s);
        if (!text)
                return -ENOMEM;
        *ret = text;
        *ret_size = strlen(text);
        return 0;
}
