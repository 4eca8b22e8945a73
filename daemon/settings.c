/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidd.conf(5): an INI file read by inih, each key by a table of keys.
 */
#include "settings.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum value_type {
        VALUE_COUNT, /* 1 .. 2^32-1 */
        VALUE_TIME,  /* seconds, or with ms, s, min; 0 is off */
        VALUE_SIZE,  /* bytes, or with K, M, G */
        VALUE_NAME,
};

static const struct key {
        const char *section;
        const char *name;
        enum value_type type;
        size_t offset;
} keys[] = {
        { "Daemon", "Group", VALUE_NAME, offsetof(struct settings, group) },
        { "Daemon", "ReuseDelaySec", VALUE_TIME, offsetof(struct settings, reuse_delay_usec) },
        { "Daemon", "ReconnectSec", VALUE_TIME, offsetof(struct settings, reconnect_usec) },
        { "Limits", "PasidsPerUid", VALUE_COUNT, offsetof(struct settings, pasids_per_uid) },
        { "Limits", "PasidsPerConsumer", VALUE_COUNT, offsetof(struct settings, pasids_per_consumer) },
        { "Limits", "ConsumersPerUid", VALUE_COUNT, offsetof(struct settings, consumers_per_uid) },
        { "Limits", "Connections", VALUE_COUNT, offsetof(struct settings, connections) },
        { "Limits", "ConnectionsPerUid", VALUE_COUNT, offsetof(struct settings, connections_per_uid) },
        { "Limits", "QueuedBytesPerConnection", VALUE_SIZE, offsetof(struct settings, queued_bytes_per_connection) },
};

static const struct unit {
        const char *suffix;
        uint64_t factor;
} time_units[] = { { "", 1000000 }, { "s", 1000000 }, { "sec", 1000000 }, { "ms", 1000 }, { "min", 60000000 } },
  size_units[] = { { "", 1 }, { "K", 1U << 10 }, { "M", 1U << 20 }, { "G", 1U << 30 } };

struct reading {
        struct settings settings;
        struct refusal *refusal;
};

void settings_defaults(struct settings *settings) {
        *settings = (struct settings) {
                .group = "pasid",
                .reuse_delay_usec = 30 * 1000000ULL,
                .reconnect_usec = 30 * 1000000ULL,
                .pasids_per_uid = 256,
                .pasids_per_consumer = 65536,
                .consumers_per_uid = 64,
                .connections = 4096,
                .connections_per_uid = 256,
                .queued_bytes_per_connection = 16ULL << 20,
        };
}

void settings_get_limits(const struct settings *settings, struct core_limits *ret) {
        *ret = (struct core_limits) {
                .pasids_per_uid = settings->pasids_per_uid,
                .pasids_per_consumer = settings->pasids_per_consumer,
                .consumers_per_uid = settings->consumers_per_uid,
                .reuse_delay_usec = settings->reuse_delay_usec,
        };
}

/* A number with one of the units behind it; no sign, no space inside the number, no overflow. */
static int parse_scaled(const char *s, const struct unit *units, size_t n_units, uint64_t *ret) {
        uint64_t n;
        char *end;

        if (*s < '0' || *s > '9')
                return -EINVAL;
        errno = 0;
        n = strtoumax(s, &end, 10);
        if (errno)
                return -errno;
        end += strspn(end, " ");
        for (size_t i = 0; i < n_units; i++)
                if (strcmp(end, units[i].suffix) == 0)
                        return __builtin_mul_overflow(n, units[i].factor, ret) ? -ERANGE : 0;
        return -EINVAL;
}

static int parse_value(const struct key *key, const char *value, struct settings *settings) {
        void *target = (char *) settings + key->offset;
        uint64_t n;
        int r;

        switch (key->type) {
        case VALUE_COUNT:
                r = parse_scaled(value, size_units, 1, &n);
                if (r < 0)
                        return r;
                if (n < 1 || n > UINT32_MAX)
                        return -ERANGE;
                *(uint32_t *) target = (uint32_t) n;
                return 0;
        case VALUE_TIME:
                return parse_scaled(value, time_units, ELEMENTSOF(time_units), target);
        case VALUE_SIZE:
                r = parse_scaled(value, size_units, ELEMENTSOF(size_units), &n);
                if (r < 0)
                        return r;
                if (n < 1)
                        return -ERANGE;
                *(uint64_t *) target = n;
                return 0;
        case VALUE_NAME:
                if (value[0] == '\0' || strlen(value) >= SETTINGS_GROUP_MAX)
                        return -EINVAL;
                strcpy(target, value);
                return 0;
        }
        return -EINVAL;
}

static const char *const value_help[] = {
        [VALUE_COUNT] = "a whole number from 1 on",
        [VALUE_TIME] = "a time in seconds, or with ms, s or min; 0 is off",
        [VALUE_SIZE] = "a number of bytes from 1 on, or with K, M or G",
        [VALUE_NAME] = "the name of a group",
};

/* inih's convention: 1 is good, 0 is an error. */
static int on_value(void *userdata, const char *section, const char *name, const char *value) {
        struct reading *reading = userdata;

        if (reading->refusal->code != 0) /* inih goes on after an error, and reports the line of the first */
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                if (strcmp(keys[i].section, section) != 0 || strcmp(keys[i].name, name) != 0)
                        continue;
                if (parse_value(&keys[i], value, &reading->settings) >= 0)
                        return 1;
                (void) refuse(reading->refusal, EINVAL, "'%.64s' is no value for %s=; it takes %s", value, name,
                              value_help[keys[i].type]);
                return 0;
        }
        (void) refuse(reading->refusal, EINVAL, "there is no setting %.64s= in section [%.64s]; pasidd.conf(5) lists those "
                                                "of [Daemon] and [Limits]", name, section);
        return 0;
}

static int read_file(struct reading *reading, const char *path) {
        struct refusal why = {};
        struct refusal *refusal = reading->refusal;
        int r;

        reading->refusal = &why;
        r = ini_parse(path, on_value, reading);
        reading->refusal = refusal;
        if (r == 0)
                return 0;
        if (r < 0)
                return refuse(refusal, errno ?: EIO, "Could not read %s: %s", path, strerror(errno ?: EIO));
        return refuse(refusal, EINVAL, "%s, line %d: %.300s", path, r, why.code ? why.text : "not an INI line");
}

static int is_conf(const struct dirent *entry) {
        size_t n = strlen(entry->d_name);

        return entry->d_name[0] != '.' && n > strlen(".conf") && strcmp(entry->d_name + n - strlen(".conf"), ".conf") == 0;
}

static int read_drop_ins(struct reading *reading, const char *path) {
        _cleanup_free_ char *directory = NULL;
        struct dirent **entries;
        int n, r = 0;

        if (asprintf(&directory, "%s.d", path) < 0)
                return refuse(reading->refusal, ENOMEM, "Out of memory");
        n = scandir(directory, &entries, is_conf, alphasort);
        if (n < 0)
                return errno == ENOENT || errno == ENOTDIR
                               ? 0
                               : refuse(reading->refusal, errno, "Could not read %s: %s", directory, strerror(errno));
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *file = NULL;

                if (r >= 0)
                        r = asprintf(&file, "%s/%s", directory, entries[i]->d_name) < 0
                                    ? refuse(reading->refusal, ENOMEM, "Out of memory")
                                    : read_file(reading, file);
                free(entries[i]);
        }
        free(entries);
        return r;
}

int settings_load(const char *path, bool must_exist, struct settings *ret, struct refusal *refusal) {
        struct reading reading = { .refusal = refusal };
        int r;

        settings_defaults(&reading.settings);
        if (must_exist || access(path, F_OK) == 0) {
                errno = 0;
                r = read_file(&reading, path);
                if (r < 0)
                        return r;
        }
        r = read_drop_ins(&reading, path);
        if (r < 0)
                return r;
        *ret = reading.settings;
        return 0;
}
