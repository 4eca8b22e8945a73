/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attached PASIDs of a device behind an Intel IOMMU: Linux (since 6.7,
 * with CONFIG_INTEL_IOMMU_DEBUGFS) keeps a directory for each, named by the
 * number in hexadecimal: iommu/intel/<address>/<pasid>.
 */
#include "kernel/debugfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "internal/contract.h"
#include "internal/pci-address.h"
#include "kernel/sysfs.h"

#define INTEL "iommu/intel"

static int compare_numbers(const void *a, const void *b) {
        const uint32_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

/* As Linux prints it with "%x"; the device's own files have other names. */
static bool parse_name(const char *name, uint32_t *ret) {
        char again[sizeof("ffffffff")];
        unsigned long number;

        if (strlen(name) >= sizeof(again) || strspn(name, "0123456789abcdef") != strlen(name))
                return false;
        number = strtoul(name, NULL, 16);
        (void) snprintf(again, sizeof(again), "%lx", number);
        if (strcmp(name, again) != 0 || number < NUMBER_MIN || number > NUMBER_MAX)
                return false;
        *ret = (uint32_t) number;
        return true;
}

static int read_names(DIR *dir, uint32_t **ret, size_t *ret_n) {
        _cleanup_free_ uint32_t *numbers = NULL;
        const struct dirent *entry;
        size_t n = 0, allocated = 0;

        while ((errno = 0, entry = readdir(dir))) {
                uint32_t number;

                if (!parse_name(entry->d_name, &number))
                        continue;
                if (n == allocated) {
                        uint32_t *more = reallocarray(numbers, allocated * 2 + 64, sizeof(*more));

                        if (!more)
                                return -ENOMEM;
                        numbers = more;
                        allocated = allocated * 2 + 64;
                }
                numbers[n++] = number;
        }
        if (errno != 0)
                return -errno;
        if (n > 0)
                qsort(numbers, n, sizeof(*numbers), compare_numbers);
        *ret = TAKE_PTR(numbers);
        *ret_n = n;
        return 0;
}

static int open_device_dir(const char *debugfs, const char *address, DIR **ret) {
        _cleanup_close_ int intel_fd = -EBADF;
        char path[PATH_MAX];
        int r;

        (void) snprintf(path, sizeof(path), "%s/" INTEL, debugfs);
        intel_fd = sysfs_open_dir(AT_FDCWD, path);
        if (intel_fd < 0)
                return intel_fd == -ENOENT ? -EOPNOTSUPP : intel_fd;
        r = sysfs_list_dir(intel_fd, address, ret);
        return r == -ENOENT ? -ENXIO : r;
}

int debugfs_list_attached(const char *debugfs, const char *address, uint32_t **ret, size_t *ret_n,
                          struct refusal *refusal) {
        _cleanup_(closedirp) DIR *dir = NULL;
        char canonical[PCI_ADDRESS_MAX];
        struct pci_address parsed;
        int r;

        if (pci_address_parse(address, &parsed) < 0)
                return refuse(refusal, EINVAL, "\"%s\" is no PCI address; one looks like 0000:01:00.0.", address);
        r = open_device_dir(debugfs, pci_address_format(&parsed, canonical), &dir);
        if (r == 0)
                r = read_names(dir, ret, ret_n);
        switch (r) {
        case 0:
                return 0;
        case -EOPNOTSUPP:
                return refuse(refusal, EOPNOTSUPP, "The IOMMU's tables of device %s were to be looked at, but this "
                              "kernel doesn't show them; mount debugfs on an Intel host, with a kernel built with "
                              "CONFIG_INTEL_IOMMU_DEBUGFS, and restart pasidd.", canonical);
        case -ENXIO:
                return refuse(refusal, ENXIO, "The IOMMU's tables of device %s were to be looked at, but it is behind "
                              "no Intel IOMMU, or is gone; the list of devices shows those that are there.", canonical);
        case -EACCES:
        case -EPERM:
                return refuse(refusal, EACCES, "The IOMMU's tables of device %s were to be looked at, but pasidd may "
                              "not read debugfs; start it by its unit, which shows it that part, or as root.", canonical);
        case -ENOMEM:
                return refuse(refusal, ENOMEM, "Out of memory.");
        case -EMFILE:
        case -ENFILE:
                return refuse(refusal, ENOBUFS, "The IOMMU's tables of device %s were to be looked at, but there are "
                              "too many open files; raise LimitNOFILE= in pasidd's unit.", canonical);
        default:
                return refuse(refusal, EOPNOTSUPP, "The IOMMU's tables of device %s were to be looked at, but debugfs "
                              "can't be read (%s); the kernel's log may tell more.", canonical, strerror(-r));
        }
}
