/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidd.conf(5): an INI file read by inih, each key by a table of keys.
 */
#include "settings.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <ini.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum value_type {
        VALUE_COUNT, /* 1 .. 2^32-1 */
        VALUE_COUNT_OR_NONE, /* 0 .. 2^32-1; 0 is off */
        VALUE_TIME,  /* seconds, or with ms, s, min; 0 is off */
        VALUE_SIZE,  /* bytes, or with K, M, G; not 0 */
        VALUE_SIZE_OR_NONE, /* the same; 0 is no limit */
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
        { "Daemon", "DeviceReleaseSec", VALUE_TIME, offsetof(struct settings, device_release_usec) },
        { "Limits", "PasidsPerUid", VALUE_COUNT, offsetof(struct settings, pasids_per_uid) },
        { "Limits", "PasidsPerConsumer", VALUE_COUNT, offsetof(struct settings, pasids_per_consumer) },
        { "Limits", "ConsumersPerUid", VALUE_COUNT, offsetof(struct settings, consumers_per_uid) },
        { "Limits", "PinnedBytesPerUid", VALUE_SIZE_OR_NONE, offsetof(struct settings, pinned_bytes_per_uid) },
        { "Limits", "PinnedBytesPerConsumer", VALUE_SIZE_OR_NONE, offsetof(struct settings, pinned_bytes_per_consumer) },
        { "Limits", "HistoryPerPasid", VALUE_COUNT_OR_NONE, offsetof(struct settings, history_per_pasid) },
        { "Limits", "HistoryEntries", VALUE_COUNT_OR_NONE, offsetof(struct settings, history_entries) },
        { "Limits", "Connections", VALUE_COUNT, offsetof(struct settings, connections) },
        { "Limits", "ConnectionsPerUid", VALUE_COUNT, offsetof(struct settings, connections_per_uid) },
        { "Limits", "QueuedBytesPerConnection", VALUE_SIZE, offsetof(struct settings, queued_bytes_per_connection) },
};

static const struct unit {
        const char *suffix;
        uint64_t factor;
} time_units[] = { { "", 1000000 }, { "s", 1000000 }, { "sec", 1000000 }, { "ms", 1000 }, { "min", 60000000 } },
  size_units[] = { { "", 1 }, { "K", 1U << 10 }, { "M", 1U << 20 }, { "G", 1U << 30 } };

#define DEVICE_SECTION "Device "

struct reading {
        struct settings settings;
        struct refusal *refusal;
        FILE *file;
        int line;         /* that was read last */
        bool is_too_long;
};

void settings_defaults(struct settings *settings) {
        *settings = (struct settings) {
                .group = "pasid",
                .reuse_delay_usec = 30 * 1000000ULL,
                .reconnect_usec = 30 * 1000000ULL,
                .device_release_usec = 5 * 1000000ULL,
                .pasids_per_uid = 256,
                .pasids_per_consumer = 65536,
                .consumers_per_uid = 64,
                .pinned_bytes_per_uid = 1ULL << 30,
                .pinned_bytes_per_consumer = 4ULL << 30,
                .history_per_pasid = 8,
                .history_entries = 16384,
                .connections = 4096,
                .connections_per_uid = 256,
                .queued_bytes_per_connection = 16ULL << 20,
        };
}

void settings_done(struct settings *settings) {
        for (size_t i = 0; i < settings->access.n_devices; i++) {
                free(settings->access.devices[i].users);
                free(settings->access.devices[i].groups);
        }
        free(settings->access.devices);
        settings->access = (struct device_access_list) {};
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
        case VALUE_COUNT_OR_NONE:
                r = parse_scaled(value, size_units, 1, &n);
                if (r < 0)
                        return r;
                if ((n < 1 && key->type == VALUE_COUNT) || n > UINT32_MAX)
                        return -ERANGE;
                *(uint32_t *) target = (uint32_t) n;
                return 0;
        case VALUE_TIME:
                return parse_scaled(value, time_units, ELEMENTSOF(time_units), target);
        case VALUE_SIZE:
        case VALUE_SIZE_OR_NONE:
                r = parse_scaled(value, size_units, ELEMENTSOF(size_units), &n);
                if (r < 0)
                        return r;
                if (n < 1 && key->type == VALUE_SIZE)
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
        [VALUE_COUNT_OR_NONE] = "a whole number; 0 is off",
        [VALUE_TIME] = "a time in seconds, or with ms, s or min; 0 is off",
        [VALUE_SIZE] = "a number of bytes from 1 on, or with K, M or G",
        [VALUE_SIZE_OR_NONE] = "a number of bytes, or with K, M or G; 0 is no limit",
        [VALUE_NAME] = "the name of a group",
};

/* The account of a name, or of a number whether or not it has a name. */
static int find_user(const char *word, uint32_t *ret) {
        const struct passwd *user = getpwnam(word);

        if (!user)
                return -ENOENT;
        *ret = user->pw_uid;
        return 0;
}

static int find_group(const char *word, uint32_t *ret) {
        const struct group *group = getgrnam(word);

        if (!group)
                return -ENOENT;
        *ret = group->gr_gid;
        return 0;
}

static const struct list_key {
        const char *name;
        const char *what;
        int (*find)(const char *word, uint32_t *ret);
        size_t ids, n_ids; /* offsets in struct device_access: a uint32_t * and its size_t */
} list_keys[] = {
        { "AllowUsers", "user", find_user,
          offsetof(struct device_access, users), offsetof(struct device_access, n_users) },
        { "AllowGroups", "group", find_group,
          offsetof(struct device_access, groups), offsetof(struct device_access, n_groups) },
};

_Static_assert(sizeof(uid_t) == sizeof(uint32_t) && sizeof(gid_t) == sizeof(uint32_t), "ids are of 32 bits");

static int resolve(const struct list_key *key, const char *word, uint32_t *ret, struct refusal *refusal) {
        uint64_t n;

        if (word[strspn(word, "0123456789")] == '\0') {
                /* 2^32-1 is nobody's: chown(2) */
                if (parse_scaled(word, size_units, 1, &n) < 0 || n >= UINT32_MAX)
                        return refuse(refusal, EINVAL, "\"%.64s\" is no number of a %s; they go from 0 to 4294967294.",
                                      word, key->what);
                *ret = (uint32_t) n;
                return 0;
        }
        if (key->find(word, ret) < 0)
                return refuse(refusal, EINVAL, "There is no %s \"%.64s\" for %s=; make it first, or write its number.",
                              key->what, word, key->name);
        return 0;
}

/* Words add up, over lines and files; an empty value takes back what came before. */
static int read_list(const struct list_key *key, const char *value, struct device_access *access,
                     struct refusal *refusal) {
        uint32_t **ids = (uint32_t **) (void *) ((char *) access + key->ids);
        size_t *n_ids = (size_t *) (void *) ((char *) access + key->n_ids);
        _cleanup_free_ char *words = strdup(value);
        char *rest = words, *word;
        int r;

        if (!words)
                return refuse(refusal, ENOMEM, "Out of memory.");
        if (value[0] == '\0')
                *n_ids = 0;
        while ((word = strsep(&rest, " \t"))) {
                uint32_t id = 0, *more;

                if (word[0] == '\0')
                        continue;
                r = resolve(key, word, &id, refusal);
                if (r < 0)
                        return r;
                more = reallocarray(*ids, *n_ids + 1, sizeof(*more));
                if (!more)
                        return refuse(refusal, ENOMEM, "Out of memory.");
                *ids = more;
                more[(*n_ids)++] = id;
        }
        return 0;
}

static struct device_access *get_access(struct device_access_list *list, const struct pci_address *pci) {
        char address[PCI_ADDRESS_MAX];
        struct device_access *more;

        (void) pci_address_format(pci, address);
        for (size_t i = 0; i < list->n_devices; i++)
                if (strcmp(list->devices[i].address, address) == 0)
                        return &list->devices[i];
        more = reallocarray(list->devices, list->n_devices + 1, sizeof(*more));
        if (!more)
                return NULL;
        list->devices = more;
        more += list->n_devices++;
        *more = (struct device_access) {};
        memcpy(more->address, address, sizeof(address));
        return more;
}

/* [Device ADDRESS] */
static int read_device_value(struct reading *reading, const char *address, const char *name, const char *value) {
        struct device_access *access;
        struct pci_address pci;

        if (pci_address_parse(address, &pci) < 0)
                return refuse(reading->refusal, EINVAL, "\"%.64s\" is no PCI address; write the section as in "
                                                        "[" DEVICE_SECTION "0000:01:00.0].", address);
        for (size_t i = 0; i < ELEMENTSOF(list_keys); i++) {
                if (strcmp(list_keys[i].name, name) != 0)
                        continue;
                access = get_access(&reading->settings.access, &pci);
                if (!access)
                        return refuse(reading->refusal, ENOMEM, "Out of memory.");
                return read_list(&list_keys[i], value, access, reading->refusal);
        }
        return refuse(reading->refusal, EINVAL, "There is no setting %.64s= for a device; it has AllowUsers= and "
                                                "AllowGroups=.", name);
}

/* inih's convention: 1 is good, 0 is an error. */
static int on_value(void *userdata, const char *section, const char *name, const char *value) {
        struct reading *reading = userdata;

        if (reading->refusal->code != 0) /* inih goes on after an error, and reports the line of the first */
                return 0;
        if (strncmp(section, DEVICE_SECTION, strlen(DEVICE_SECTION)) == 0)
                return read_device_value(reading, section + strlen(DEVICE_SECTION), name, value) >= 0;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                if (strcmp(keys[i].section, section) != 0 || strcmp(keys[i].name, name) != 0)
                        continue;
                if (parse_value(&keys[i], value, &reading->settings) >= 0)
                        return 1;
                (void) refuse(reading->refusal, EINVAL, "\"%.64s\" is no value for %s=; it takes %s.", value, name,
                              value_help[keys[i].type]);
                return 0;
        }
        (void) refuse(reading->refusal, EINVAL, "There is no setting %.64s= in section [%.64s]; pasidd.conf(5) lists "
                                                "those of [Daemon], [Limits] and [" DEVICE_SECTION "ADDRESS].",
                      name, section);
        return 0;
}

/* fgets(3) for inih, which would take the rest of a line that is too long for it as another line. */
static char *read_line(char *text, int size, void *userdata) {
        struct reading *reading = userdata;

        if (!fgets(text, size, reading->file))
                return NULL;
        reading->line++;
        if (strchr(text, '\n') || strlen(text) < (size_t) size - 1)
                return text;
        reading->is_too_long = true;
        return NULL;
}

static int parse_file(struct reading *reading, const char *path) {
        struct refusal why = {};
        struct refusal *refusal = reading->refusal;
        int r;

        reading->line = 0;
        reading->refusal = &why;
        r = ini_parse_stream(read_line, reading, on_value, reading);
        reading->refusal = refusal;
        if (r == 0 && ferror(reading->file))
                return refuse(refusal, errno ?: EIO, "Could not read %s: %s.", path, strerror(errno ?: EIO));
        if (r < 0)
                return refuse(refusal, ENOMEM, "Out of memory.");
        if (r > 0)
                return refuse(refusal, EINVAL, "%s, line %d: %.300s", path, r,
                              why.code ? why.text : "This is not a section, a setting or a comment.");
        if (reading->is_too_long)
                return refuse(refusal, EINVAL, "%s, line %d: The line is too long; go on in another that begins with a "
                                               "blank.", path, reading->line);
        return 0;
}

static int read_file(struct reading *reading, const char *path) {
        int r;

        reading->file = fopen(path, "re");
        if (!reading->file)
                return refuse(reading->refusal, errno, "Could not read %s: %s.", path, strerror(errno));
        errno = 0;
        r = parse_file(reading, path);
        (void) fclose(reading->file);
        return r;
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
                return refuse(reading->refusal, ENOMEM, "Out of memory.");
        n = scandir(directory, &entries, is_conf, alphasort);
        if (n < 0)
                return errno == ENOENT || errno == ENOTDIR
                               ? 0
                               : refuse(reading->refusal, errno, "Could not read %s: %s.", directory, strerror(errno));
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *file = NULL;

                if (r >= 0)
                        r = asprintf(&file, "%s/%s", directory, entries[i]->d_name) < 0
                                    ? refuse(reading->refusal, ENOMEM, "Out of memory.")
                                    : read_file(reading, file);
                free(entries[i]);
        }
        free(entries);
        return r;
}

int settings_load(const char *path, bool must_exist, struct settings *ret, struct refusal *refusal) {
        struct reading reading = { .refusal = refusal };
        int r = 0;

        settings_defaults(&reading.settings);
        if (must_exist || access(path, F_OK) == 0)
                r = read_file(&reading, path);
        if (r >= 0)
                r = read_drop_ins(&reading, path);
        if (r < 0) {
                settings_done(&reading.settings);
                return r;
        }
        *ret = reading.settings;
        return 0;
}
