/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other devices of a device's IOMMU group, as sysfs lists them.
 */
#include "kernel/group.h"

#include <stdio.h>
#include <string.h>

#include "kernel/verdict.h"

#define DEVICES "iommu_group/devices"

/* Drivers that leave DMA to user space or do none: they share a group with vfio (driver_managed_dma in Linux). */
static bool is_harmless_driver(const char *driver) {
        return verdict_is_vfio_driver(driver) || strcmp(driver, "pcieport") == 0 || strcmp(driver, "pci-stub") == 0;
}

static bool is_other(const struct dirent *entry, const char *address) {
        return entry->d_name[0] != '.' && strcmp(entry->d_name, address) != 0;
}

int group_read_rival(int device_fd, struct device_facts *facts) {
        _cleanup_(closedirp) DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        r = sysfs_list_dir(device_fd, DEVICES, &dir);
        if (r < 0)
                return r;
        while ((entry = readdir(dir))) {
                char path[sizeof(DEVICES "//driver") + SYSFS_NAME_MAX], driver[SYSFS_NAME_MAX];

                if (!is_other(entry, facts->address))
                        continue;
                (void) snprintf(path, sizeof(path), DEVICES "/%s/driver", entry->d_name);
                r = sysfs_read_link(device_fd, path, driver);
                if (sysfs_is_exhaustion(r))
                        return r;
                /* The first by name, so that the reason doesn't change from look to look. */
                if (r < 0 || is_harmless_driver(driver) ||
                    (facts->rival[0] != '\0' && strcmp(entry->d_name, facts->rival) > 0))
                        continue;
                (void) snprintf(facts->rival, sizeof(facts->rival), "%s", entry->d_name);
                (void) snprintf(facts->rival_driver, sizeof(facts->rival_driver), "%s", driver);
        }
        (void) sysfs_make_printable(facts->rival);
        (void) sysfs_make_printable(facts->rival_driver);
        return 0;
}

int group_has_others(int device_fd, const char *address, bool *ret) {
        _cleanup_(closedirp) DIR *dir = NULL;
        const struct dirent *entry;
        bool found = false;
        int r;

        r = sysfs_list_dir(device_fd, DEVICES, &dir);
        if (r < 0)
                return r;
        while (!found && (entry = readdir(dir)))
                found = is_other(entry, address);
        *ret = found;
        return 0;
}
