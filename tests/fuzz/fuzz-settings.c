/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes pasidd.conf. A line of its own that says "%%" ends the file and
 * begins a drop-in. Whatever the files say, they are refused with a sentence,
 * and nothing was changed, or each setting is one that the daemon can do with.
 */
#include "settings.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

#define SEPARATOR "%%\n"
#define DROP_INS_MAX 4

static char config[128], drop_ins[DROP_INS_MAX][160];

int LLVMFuzzerInitialize(_unused_ int *argc, _unused_ char ***argv) {
        char directory[sizeof(config) + 8];

        (void) snprintf(config, sizeof(config), "%s/pasidd.conf", fuzz_directory());
        (void) snprintf(directory, sizeof(directory), "%s.d", config);
        fuzz_check(mkdir(directory, 0700) == 0, "%s could not be made", directory);
        for (unsigned i = 0; i < DROP_INS_MAX; i++)
                (void) snprintf(drop_ins[i], sizeof(drop_ins[i]), "%s/%u.conf", directory, i);
        return 0;
}

static void write_file(const char *path, const uint8_t *data, size_t size) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        fuzz_check(fd >= 0 && write(fd, data, size) == (ssize_t) size, "%s could not be written", path);
}

static void write_files(const uint8_t *data, size_t size) {
        const char *path = config;

        for (unsigned i = 0;; i++) {
                const uint8_t *end = i < DROP_INS_MAX ? memmem(data, size, SEPARATOR, strlen(SEPARATOR)) : NULL;

                write_file(path, data, end ? (size_t) (end - data) : size);
                if (!end) {
                        for (; i < DROP_INS_MAX; i++)
                                (void) unlink(drop_ins[i]);
                        return;
                }
                size -= (size_t) (end - data) + strlen(SEPARATOR);
                data = end + strlen(SEPARATOR);
                path = drop_ins[i];
        }
}

static void check_access(const struct device_access_list *list) {
        struct pci_address address;

        for (size_t i = 0; i < list->n_devices; i++) {
                const struct device_access *device = &list->devices[i];

                fuzz_check(pci_address_parse(device->address, &address) == 0, "a device is called \"%s\"", device->address);
                for (size_t k = 0; k < i; k++)
                        fuzz_check(strcmp(device->address, list->devices[k].address) != 0, "%s is there twice", device->address);
                for (size_t k = 0; k < device->n_users; k++)
                        fuzz_check(device->users[k] != UINT32_MAX, "a device is for nobody's uid");
                for (size_t k = 0; k < device->n_groups; k++)
                        fuzz_check(device->groups[k] != UINT32_MAX, "a device is for nobody's gid");
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct settings settings, before;
        struct refusal refusal = {};
        int r;

        memset(&settings, 0, sizeof(settings));
        before = settings;
        write_files(data, size);
        r = settings_load(config, true, &settings, &refusal);
        if (r < 0) {
                fuzz_check(refusal.code == -r && refusal.text[0] != '\0', "settings are refused with %d without a word", r);
                fuzz_check(memcmp(&settings, &before, sizeof(settings)) == 0, "refused settings have changed something");
                return 0;
        }
        fuzz_check(settings.group[0] != '\0' && memchr(settings.group, '\0', sizeof(settings.group)), "a group has no name");
        fuzz_check(settings.pasids_per_uid > 0 && settings.pasids_per_consumer > 0 && settings.consumers_per_uid > 0 &&
                   settings.connections > 0 && settings.connections_per_uid > 0 && settings.queued_bytes_per_connection > 0,
                   "a limit is 0");
        check_access(&settings.access);
        settings_done(&settings);
        return 0;
}
