/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The walk over the PCI devices: reads each one's facts, has them judged, and
 * keeps those worth listing. A device may vanish at any step: what is gone is
 * left out, what can't be read is told in its reason, and only missing memory
 * or fds end the walk.
 */
#include "kernel/discover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/facts.h"
#include "kernel/group.h"
#include "kernel/host.h"
#include "kernel/iommu.h"
#include "kernel/pcilib.h"
#include "kernel/verdict.h"

struct walk {
        const struct kernel_params *params;
        int devices_fd; /* <sysfs>/bus/pci/devices */
        struct pcilib *lib;
        struct host_facts host;
};

/* 0 for what is there or simply isn't, the error of an exhaustion; anything else is noted as the device's. */
static int note(struct device_facts *facts, const char *file, int r) {
        if (r >= 0 || r == -ENOENT)
                return 0;
        if (sysfs_is_exhaustion(r))
                return r;
        if (facts->error == 0) {
                facts->error = r;
                facts->error_file = file;
        }
        return 0;
}

static uint64_t config_size(int device_fd, const char *path) {
        struct stat st;

        return fstatat(device_fd, path, &st, 0) == 0 ? (uint64_t) st.st_size : 0;
}

/* PCIe r6.0 6.20: a VF has no PASID capability of its own, and uses its PF's. */
static int read_capability(const struct walk *walk, int fd, const struct pci_address *address,
                           struct device_facts *facts) {
        char link[SYSFS_NAME_MAX];
        struct pci_address physfn;
        int r;

        r = sysfs_read_link(fd, "physfn", link);
        if (r == 0 && pci_address_parse(link, &physfn) < 0)
                r = -EBADMSG;
        if (r < 0) {
                r = note(facts, "physfn", r);
                if (r < 0)
                        return r;
                return pcilib_read_capability(walk->lib, address, config_size(fd, "config"), &facts->capability);
        }
        (void) pci_address_format(&physfn, facts->physfn);
        return pcilib_read_capability(walk->lib, &physfn, config_size(fd, "physfn/config"), &facts->capability);
}

static int read_group(int fd, struct device_facts *facts) {
        char link[SYSFS_NAME_MAX], *end;
        unsigned long group;
        int r;

        facts->group = DEVICE_GROUP_NONE;
        r = sysfs_read_link(fd, "iommu_group", link);
        if (r == 0) {
                errno = 0;
                group = strtoul(link, &end, 10);
                if (link[0] < '0' || link[0] > '9' || *end != '\0' || errno != 0 || group > INT32_MAX)
                        r = -EBADMSG;
                else
                        facts->group = (int32_t) group;
        }
        return note(facts, "iommu_group", r);
}

/* The node exists if the kernel gave it a number: without CONFIG_VFIO_DEVICE_CDEV vfioN has no "dev". */
static int read_cdev(int fd, struct device_facts *facts) {
        _cleanup_(closedirp) DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        r = sysfs_list_dir(fd, "vfio-dev", &dir);
        if (r < 0)
                return note(facts, "vfio-dev", r);
        while ((entry = readdir(dir))) {
                char path[sizeof("vfio-dev//dev") + SYSFS_NAME_MAX];
                size_t digits;

                if (strncmp(entry->d_name, "vfio", 4) != 0)
                        continue;
                digits = strspn(entry->d_name + 4, "0123456789");
                if (digits == 0 || entry->d_name[4 + digits] != '\0')
                        continue;
                (void) snprintf(path, sizeof(path), "vfio-dev/%s/dev", entry->d_name);
                if (sysfs_access(fd, path) < 0)
                        continue;
                (void) snprintf(facts->cdev, sizeof(facts->cdev), "%s", entry->d_name);
                break;
        }
        return 0;
}

static int read_facts(const struct walk *walk, int fd, const struct pci_address *address, struct device_facts *facts) {
        uint64_t class;
        int r;

        (void) pci_address_format(address, facts->address);
        r = sysfs_read_hex(fd, "class", NULL, &class);
        if (sysfs_is_exhaustion(r))
                return r;
        if (r == 0 && class <= 0xffffff)
                facts->class = (uint32_t) class;
        r = read_capability(walk, fd, address, facts);
        if (r < 0)
                return r;
        r = note(facts, "driver", sysfs_read_link(fd, "driver", facts->driver));
        if (r < 0)
                return r;
        (void) sysfs_make_printable(facts->driver);
        r = read_group(fd, facts);
        if (r < 0)
                return r;
        r = iommu_read_facts(fd, &facts->iommu);
        if (r < 0)
                return r;
        r = read_cdev(fd, facts);
        if (r < 0)
                return r;
        if (facts->group == DEVICE_GROUP_NONE)
                return 0;
        return note(facts, "iommu_group", group_read_rival(fd, facts));
}

static int read_identity(const struct walk *walk, int fd, struct device_info *info) {
        char name[PCILIB_NAME_MAX];
        uint64_t vendor, device;
        int r;

        r = sysfs_read_hex(fd, "vendor", NULL, &vendor);
        if (r == 0)
                r = sysfs_read_hex(fd, "device", NULL, &device);
        if (sysfs_is_exhaustion(r))
                return r;
        if (r < 0 || vendor > UINT16_MAX || device > UINT16_MAX)
                (void) snprintf(name, sizeof(name), "Unknown device");
        else {
                info->vendor = (uint16_t) vendor;
                info->device = (uint16_t) device;
                pcilib_lookup_name(walk->lib, info->vendor, info->device, name);
        }
        info->name = strdup(name);
        return info->name ? 0 : -ENOMEM;
}

/* 1 if *ret was filled, 0 if there is nothing to list. */
static int look_at_device(const struct walk *walk, const struct pci_address *address, struct device_info *ret) {
        _cleanup_(device_info_done) struct device_info info = { .pci = *address };
        struct device_facts facts = {};
        _cleanup_close_ int fd = -EBADF;
        int r;

        (void) pci_address_format(address, info.address);
        fd = sysfs_open_dir(walk->devices_fd, info.address);
        if (fd < 0)
                return sysfs_is_exhaustion(fd) ? fd : 0;
        r = read_facts(walk, fd, address, &facts);
        if (r < 0)
                return r;
        if (!verdict_is_listed(&facts))
                return 0;

        info.iommu_group = facts.group;
        r = read_identity(walk, fd, &info);
        if (r < 0)
                return r;
        info.driver = strdup(facts.driver);
        info.iommu = strdup(facts.iommu.name);
        if (!info.driver || !info.iommu)
                return -ENOMEM;
        if (facts.cdev[0] == '\0')
                info.cdev = strdup("");
        else if (asprintf(&info.cdev, "%s/vfio/devices/%s", walk->params->dev, facts.cdev) < 0)
                info.cdev = NULL; /* asprintf() leaves it undefined */
        if (!info.cdev)
                return -ENOMEM;
        r = verdict_give(&walk->host, &facts, &info);
        if (r < 0)
                return r;
        *ret = info;
        info = (struct device_info) {}; /* handed over */
        return 1;
}

static int compare_addresses(const void *a, const void *b) {
        const struct pci_address *x = a, *y = b;

        if (x->domain != y->domain)
                return x->domain < y->domain ? -1 : 1;
        if (x->bus != y->bus)
                return x->bus - y->bus;
        if (x->device != y->device)
                return x->device - y->device;
        return x->function - y->function;
}

static int list_addresses(int sysfs_fd, struct pci_address **ret, size_t *ret_n) {
        _cleanup_free_ struct pci_address *addresses = NULL;
        _cleanup_(closedirp) DIR *dir = NULL;
        const struct dirent *entry;
        size_t n = 0, allocated = 0;
        int r;

        r = sysfs_list_dir(sysfs_fd, "bus/pci/devices", &dir);
        if (r < 0)
                return r;
        while ((errno = 0, entry = readdir(dir))) {
                char canonical[PCI_ADDRESS_MAX];
                struct pci_address address;

                if (pci_address_parse(entry->d_name, &address) < 0 ||
                    strcmp(pci_address_format(&address, canonical), entry->d_name) != 0)
                        continue;
                if (n == allocated) {
                        struct pci_address *more = reallocarray(addresses, allocated * 2 + 64, sizeof(*more));

                        if (!more)
                                return -ENOMEM;
                        addresses = more;
                        allocated = allocated * 2 + 64;
                }
                addresses[n++] = address;
        }
        if (errno != 0)
                return -errno;
        if (n > 0)
                qsort(addresses, n, sizeof(*addresses), compare_addresses);
        *ret = TAKE_PTR(addresses);
        *ret_n = n;
        return 0;
}

static int walk_devices(const struct kernel_params *params, int sysfs_fd, struct device_list *ret) {
        _cleanup_(device_list_done) struct device_list list = {};
        _cleanup_(pcilib_freep) struct pcilib *lib = NULL;
        _cleanup_close_ int devices_fd = -EBADF, procfs_fd = -EBADF, dev_fd = -EBADF;
        _cleanup_free_ struct pci_address *addresses = NULL;
        struct walk walk = { .params = params };
        size_t n_addresses = 0;
        int r;

        r = list_addresses(sysfs_fd, &addresses, &n_addresses);
        if (r < 0)
                return r;
        walk.devices_fd = devices_fd = sysfs_open_dir(sysfs_fd, "bus/pci/devices");
        if (devices_fd < 0)
                return devices_fd;
        procfs_fd = sysfs_open_dir(AT_FDCWD, params->procfs);
        dev_fd = sysfs_open_dir(AT_FDCWD, params->dev);
        if (sysfs_is_exhaustion(procfs_fd) || sysfs_is_exhaustion(dev_fd))
                return sysfs_is_exhaustion(procfs_fd) ? procfs_fd : dev_fd;
        r = host_read_facts(sysfs_fd, procfs_fd, dev_fd, &walk.host);
        if (r < 0)
                return r;
        r = pcilib_new(params->sysfs, params->pci_ids, &lib);
        if (r < 0)
                return r;
        walk.lib = lib;
        if (n_addresses > 0) {
                list.devices = calloc(n_addresses, sizeof(*list.devices));
                if (!list.devices)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < n_addresses; i++) {
                r = look_at_device(&walk, &addresses[i], &list.devices[list.n_devices]);
                if (r < 0)
                        return r;
                if (r > 0)
                        list.n_devices++;
        }
        *ret = list;
        list = (struct device_list) {}; /* handed over */
        return 0;
}

int discover_devices(const struct kernel_params *params, struct device_list *ret, struct refusal *refusal) {
        _cleanup_close_ int sysfs_fd = -EBADF;
        struct device_list list = {};
        int r;

        sysfs_fd = sysfs_open_dir(AT_FDCWD, params->sysfs);
        r = sysfs_fd < 0 ? sysfs_fd : walk_devices(params, sysfs_fd, &list);
        /* A machine without PCI, or a container without sysfs, is a machine without such devices. */
        if (r == -ENOENT)
                r = 0;
        if (r == -ENOMEM)
                return refuse(refusal, ENOMEM, "out of memory while looking for PCI devices");
        if (r == -EMFILE || r == -ENFILE)
                return refuse(refusal, ENOBUFS, "too many open files to look for PCI devices in %s: raise LimitNOFILE=",
                              params->sysfs);
        if (r == -EACCES || r == -EPERM)
                return refuse(refusal, EMEDIUMTYPE, "may not look for PCI devices in %s/bus/pci: run pasidd as root",
                              params->sysfs);
        if (r < 0)
                return refuse(refusal, EOPNOTSUPP, "cannot look for PCI devices in %s/bus/pci: %s; is sysfs mounted there?",
                              params->sysfs, strerror(-r));
        *ret = list;
        return 0;
}
