/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arguments of a call, made from an input.
 */
#include "values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/path.h"
#include "internal/contract.h"
#include "script.h"

#define DEPTH_MAX 6
#define PAGE 4096U

/* What pasidd's options are of; any other is asked for by a byte of 192 or more. */
static const struct {
        const char *name;
        const char *signature;
} options[] = {
        { "devices", "as" }, { "min", "u" },   { "max", "u" },    { "quota", "u" },      { "hold", "s" },  { "fd", "h" },
        { "pid", "u" },      { "unit", "s" },  { "mode", "s" },   { "token", "s" },      { "attach", "b" },
        { "contiguous", "b" }, { "align", "u" }, { "map", "(htttu)" },
};

static const char *const variants[] = { "s", "u", "as", "h", "b", "t", "ay", "a{sv}", "v", "y", "o", "(us)", "i", "d", "g" };

static int append(sd_bus_message *m, struct input *in, const char **signature, const struct fuzz_fds *fds, unsigned depth);

/* Valid UTF-8 without a NUL: sd-bus reads nothing else, and closes the connection of who sends it. */
static char *make_utf8(struct input *in, size_t n) {
        _cleanup_free_ char *raw = input_text(in, n);
        char *text = malloc(2 * n + 1), *p = text;

        fuzz_check(text, "out of memory");
        for (const unsigned char *s = (const unsigned char *) raw; *s; s++) {
                if (*s >= 0x80) {
                        *p++ = (char) (0xc0 | *s >> 6);
                        *p++ = (char) (0x80 | (*s & 0x3f));
                } else
                        *p++ = (char) *s;
        }
        *p = '\0';
        return text;
}

char *values_read_string(struct input *in) {
        uint8_t n = input_byte(in);
        char *text;

        if (n >= WORDS_MAX)
                return make_utf8(in, n - WORDS_MAX);
        text = strdup(fuzz_words[n] ?: "");
        fuzz_check(text, "out of memory");
        return text;
}

char *values_read_path(struct input *in) {
        static const char *const devices[] = { "0000:01:00.0", "0000:02:00.0", "0000:03:00.0",
                                               "0000:04:00.0", "0000:05:00.0", "0000:09:00.0" };
        uint8_t n = input_byte(in);
        char *path = NULL;
        int r;

        if (n >= PATHS_MAX)
                return values_read_string(in);
        if (n >= PATH_FIRST_DEVICE)
                r = path_of_device(devices[n - PATH_FIRST_DEVICE], &path);
        else if (n >= PATH_FIRST_CONSUMER)
                r = path_of_consumer(FUZZ_UID((n - PATH_FIRST_CONSUMER) / FUZZ_NAMES),
                                     fuzz_words[(n - PATH_FIRST_CONSUMER) % FUZZ_NAMES], &path);
        else
                r = (path = strdup(PASIDD_PATH)) ? 0 : -ENOMEM;
        fuzz_check(r >= 0, "a path could not be made");
        return path;
}

static uint32_t read_number(struct input *in) {
        static const uint32_t edges[] = { 0xff,           0x100,        0xfff,      0x1000,     NUMBER_MAX - 1, NUMBER_MAX,
                                          NUMBER_MAX + 1, PRIVATE_MAX,  INT32_MAX,  UINT32_MAX, UINT32_MAX - 1, 50001,
                                          50002,          50003,        0x80000000, 65536 };
        uint8_t n = input_byte(in);

        if (n < NUMBERS_MAX)
                return n;
        if (n - NUMBERS_MAX < ELEMENTSOF(edges))
                return edges[n - NUMBERS_MAX];
        return input_number(in);
}

static uint64_t read_long(struct input *in) {
        uint8_t n = input_byte(in);

        if (n < NUMBERS_MAX)
                return n % 2 ? (uint64_t) (n / 2) * PAGE : n / 2;
        return (uint64_t) read_number(in) << 32 | read_number(in);
}

static int append_basic(sd_bus_message *m, struct input *in, char type, const struct fuzz_fds *fds) {
        _cleanup_free_ char *text = NULL;
        uint64_t t;
        uint32_t u;
        uint8_t y;
        int b;

        switch (type) {
        case 's':
                text = values_read_string(in);
                return sd_bus_message_append_basic(m, type, text);
        case 'o':
                text = values_read_path(in);
                return sd_bus_message_append_basic(m, type, text);
        case 'g':
                text = values_read_string(in);
                return sd_bus_message_append_basic(m, type, text);
        case 'y':
                y = input_byte(in);
                return sd_bus_message_append_basic(m, type, &y);
        case 'b':
                b = input_byte(in) & 1;
                return sd_bus_message_append_basic(m, type, &b);
        case 'h':
                u = input_byte(in);
                b = u % 3 == 0 ? fds->memory : u % 3 == 1 ? fds->hold_end : fds->other;
                return sd_bus_message_append_basic(m, type, &b);
        case 'u':
        case 'i':
                u = read_number(in);
                return sd_bus_message_append_basic(m, type, &u);
        case 't':
        case 'x':
        case 'd':
                t = read_long(in);
                return sd_bus_message_append_basic(m, type, &t);
        default:
                return -EINVAL;
        }
}

/* A signature's own text, to be put into an array, a variant or a structure; it is a complete type, or the message is refused. */
static size_t type_length(const char *s) {
        size_t n = 0;
        int depth = 0;

        while (s[n] == 'a')
                n++;
        do {
                if (s[n] == '(' || s[n] == '{')
                        depth++;
                else if (s[n] == ')' || s[n] == '}')
                        depth--;
                if (s[n])
                        n++;
        } while (s[n] && depth > 0);
        return n;
}

static int append_variant(sd_bus_message *m, struct input *in, const char *type, const struct fuzz_fds *fds, unsigned depth) {
        const char *contents = type;
        int r;

        r = sd_bus_message_open_container(m, 'v', type);
        if (r >= 0)
                r = append(m, in, &contents, fds, depth + 1);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* a{sv}: each with the type that it should have, or with another. */
static int append_option(sd_bus_message *m, struct input *in, const struct fuzz_fds *fds, unsigned depth) {
        uint8_t n = input_byte(in);
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r < 0)
                return r;
        if (n < NUMBERS_MAX) {
                r = sd_bus_message_append_basic(m, 's', options[n % ELEMENTSOF(options)].name);
                if (r >= 0)
                        r = append_variant(m, in, options[n % ELEMENTSOF(options)].signature, fds, depth);
        } else {
                r = append_basic(m, in, 's', fds);
                if (r >= 0)
                        r = append_variant(m, in, variants[n % ELEMENTSOF(variants)], fds, depth);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* Most arrays are short; one that is full goes beyond every limit of the contract. */
static size_t read_length(struct input *in) {
        uint8_t n = input_byte(in);

        return n < 0xf0 ? n % 16 : n == 0xff ? 5000 : (size_t) (n & 0xf) * 300;
}

static int append_array(sd_bus_message *m, struct input *in, const char *type, const struct fuzz_fds *fds, unsigned depth) {
        size_t n = read_length(in);
        int r;

        if (strcmp(type, "h") == 0 || depth > 1)
                n %= 16; /* of descriptors a message takes 253 */
        r = sd_bus_message_open_container(m, 'a', type);
        for (size_t i = 0; i < n && r >= 0; i++) {
                const char *element = type;

                r = strcmp(type, "{sv}") == 0 ? append_option(m, in, fds, depth + 1) : append(m, in, &element, fds, depth + 1);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_members(sd_bus_message *m, struct input *in, char kind, const char *members, const struct fuzz_fds *fds,
                          unsigned depth) {
        const char *p = members;
        int r = sd_bus_message_open_container(m, kind, members);

        while (*p && r >= 0)
                r = append(m, in, &p, fds, depth + 1);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* One complete type; moves on behind it. */
static int append(sd_bus_message *m, struct input *in, const char **signature, const struct fuzz_fds *fds, unsigned depth) {
        const char *type = *signature;
        size_t n = type_length(type);
        _cleanup_free_ char *inner = NULL;

        if (depth > DEPTH_MAX)
                return -EINVAL;
        *signature += n;
        switch (type[0]) {
        case 'a':
                inner = strndup(type + 1, n - 1);
                return inner ? append_array(m, in, inner, fds, depth) : -ENOMEM;
        case '(':
        case '{':
                if (n < 3)
                        return -EINVAL;
                inner = strndup(type + 1, n - 2);
                return inner ? append_members(m, in, type[0] == '(' ? 'r' : 'e', inner, fds, depth) : -ENOMEM;
        case 'v':
                return append_variant(m, in, variants[input_byte(in) % ELEMENTSOF(variants)], fds, depth);
        default:
                return append_basic(m, in, type[0], fds);
        }
}

int values_append(sd_bus_message *m, struct input *in, const char *signature, const struct fuzz_fds *fds) {
        int r = 0;

        while (*signature && r >= 0)
                r = append(m, in, &signature, fds, 0);
        return r;
}
