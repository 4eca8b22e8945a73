/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steps by which a device becomes usable: open, bind, ask for the width,
 * ask for PASIDs, listen for the kernel wanting it back. The RID is never
 * attached, so that DMA without a PASID stays blocked (the domain that
 * iommu_device_claim_dma_owner() sets).
 */
#include "kernel/open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "kernel/iommufd.h"
#include "kernel/sysfs.h"
#include "kernel/translate.h"
#include "kernel/vfio-cdev.h"

static uint32_t width_to_max(uint8_t width) {
        return (UINT32_C(1) << width) - 1;
}

/* *ret_device is the caller's. */
static int bind_device(const struct system_calls *calls, int iommufd, const char *sysfs, const struct device_info *info,
                       int *ret_device, uint32_t *ret_id, uint32_t *ret_max_pasid, struct refusal *refusal) {
        struct call_fd device _cleanup_(call_fd_close) = { calls, -EBADF };
        uint32_t id = 0;
        uint8_t width = 0;
        int r;

        r = vfio_cdev_open(calls, info, &device.fd, refusal);
        if (r < 0)
                return r;
        r = vfio_cdev_bind(calls, device.fd, iommufd, info, sysfs, &id, refusal);
        if (r < 0)
                return r;
        r = iommufd_get_width(calls, iommufd, id, info->address, false, &width, refusal);
        if (r < 0)
                return r;
        r = vfio_cdev_probe_pasid(calls, device.fd, width_to_max(width), info->address, refusal);
        if (r < 0)
                return r;
        *ret_device = TAKE_FD(device.fd);
        *ret_id = id;
        *ret_max_pasid = width_to_max(width);
        return 0;
}

int open_device_new(const struct system_calls *calls, int iommufd, const char *sysfs, const struct device_info *info,
                    struct kernel_device **ret, struct refusal *refusal) {
        struct call_fd device _cleanup_(call_fd_close) = { calls, -EBADF };
        _cleanup_free_ struct open_device *d = NULL;
        int r;

        d = calloc(1, sizeof(*d));
        if (!d)
                return refuse(refusal, ENOMEM, "Out of memory.");
        r = bind_device(calls, iommufd, sysfs, info, &device.fd, &d->device.id, &d->device.max_pasid, refusal);
        if (r < 0)
                return r;
        r = vfio_cdev_watch_request(calls, device.fd, info->address, &d->device.request_fd, refusal);
        if (r < 0)
                return r;
        d->device.fd = TAKE_FD(device.fd);
        (void) snprintf(d->address, sizeof(d->address), "%s", info->address);
        *ret = &TAKE_PTR(d)->device;
        return 0;
}

/* The cdev's node in sysfs leads to its PCI device, and is away from the moment that an unbind begins. */
static void read_address(const struct system_calls *calls, int fd, const char *sysfs,
                         char ret[static PCI_ADDRESS_MAX]) {
        char path[PATH_MAX], name[SYSFS_NAME_MAX];
        struct pci_address address;
        struct stat st = {};

        (void) snprintf(ret, PCI_ADDRESS_MAX, "unknown");
        if (calls->fstat(calls, fd, &st) < 0 || !S_ISCHR(st.st_mode))
                return;
        (void) snprintf(path, sizeof(path), "%s/dev/char/%u:%u/device", sysfs, major(st.st_rdev), minor(st.st_rdev));
        if (sysfs_read_link(AT_FDCWD, path, name) == 0 && pci_address_parse(name, &address) == 0)
                (void) pci_address_format(&address, ret);
}

int open_device_adopt(const struct system_calls *calls, int iommufd, const char *sysfs, int fd, uint32_t id,
                      struct kernel_device **ret, struct refusal *refusal) {
        _cleanup_free_ struct open_device *d = NULL;
        uint8_t width = 0;
        int r;

        if (iommufd < 0)
                return refuse(refusal, ENXIO, "A device was to be taken over, but the fd of /dev/iommu that it is "
                              "bound to was not kept; let it be opened again.");
        d = calloc(1, sizeof(*d));
        if (!d)
                return refuse(refusal, ENOMEM, "Out of memory.");
        read_address(calls, fd, sysfs, d->address);
        r = vfio_cdev_check(calls, fd, d->address, refusal);
        if (r < 0)
                return r;
        r = iommufd_get_width(calls, iommufd, id, d->address, true, &width, refusal);
        if (r < 0)
                return r;
        r = vfio_cdev_watch_request(calls, fd, d->address, &d->device.request_fd, refusal);
        if (r < 0)
                return r;
        d->device.fd = fd;
        d->device.id = id;
        d->device.max_pasid = width_to_max(width);
        *ret = &TAKE_PTR(d)->device;
        return 0;
}

struct kernel_device *open_device_free(const struct system_calls *calls, struct kernel_device *d) {
        if (!d)
                return NULL;
        /* The kernel detaches each PASID and unbinds: vfio_iommufd_physical_unbind(). */
        if (d->fd >= 0)
                calls->close(calls, d->fd);
        if (d->request_fd >= 0)
                calls->close(calls, d->request_fd);
        free(d);
        return NULL;
}

/* Only a bind tells whether somebody has the device: it can be opened as often as one likes. */
static int probe_for_tenant(const struct system_calls *calls, const char *dev, const char *sysfs,
                            const struct device_info *info, struct refusal *refusal) {
        struct call_fd iommufd _cleanup_(call_fd_close) = { calls, -EBADF };
        struct call_fd device _cleanup_(call_fd_close) = { calls, -EBADF };
        uint32_t id = 0, max_pasid = 0;
        int r;

        r = iommufd_open(calls, dev, &iommufd.fd, refusal);
        if (r < 0)
                return r;
        return bind_device(calls, iommufd.fd, sysfs, info, &device.fd, &id, &max_pasid, refusal);
}

int open_for_tenant(const struct system_calls *calls, const char *dev, const char *sysfs,
                    const struct device_info *info, int *ret_device, int *ret_iommufd, struct refusal *refusal) {
        struct call_fd iommufd _cleanup_(call_fd_close) = { calls, -EBADF };
        struct call_fd device _cleanup_(call_fd_close) = { calls, -EBADF };
        int r;

        r = probe_for_tenant(calls, dev, sysfs, info, refusal);
        if (r < 0)
                return r;
        r = iommufd_open(calls, dev, &iommufd.fd, refusal);
        if (r < 0)
                return r;
        r = vfio_cdev_open(calls, info, &device.fd, refusal);
        if (r < 0)
                return r;
        *ret_device = TAKE_FD(device.fd);
        *ret_iommufd = TAKE_FD(iommufd.fd);
        return 0;
}
