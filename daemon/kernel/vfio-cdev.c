/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ioctls of a VFIO cdev. VFIO's structs start with argsz, the size that
 * they have here.
 */
#include "kernel/vfio-cdev.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "internal/contract.h"
#include "internal/uapi-vfio.h"
#include "kernel/group.h"
#include "kernel/translate.h"

int vfio_cdev_open(const struct system_calls *calls, const struct device_info *info, int *ret,
                   struct refusal *refusal) {
        int fd;

        if (!info->cdev || info->cdev[0] == '\0')
                return translate(KERNEL_CALL_OPEN_CDEV, -ENOENT, refusal, "Device %s was to be opened", info->address);
        fd = calls->open(calls, info->cdev, O_RDWR);
        if (fd < 0)
                return translate(KERNEL_CALL_OPEN_CDEV, fd, refusal, "Device %s was to be opened", info->address);
        *ret = fd;
        return 0;
}

/*
 * EPERM of a bind has two causes: the group's DMA belongs to somebody else (iommu_device_claim_dma_owner()), or the
 * platform can't keep the group's interrupts apart (iommu_group_has_isolated_msi()). sysfs tells them apart.
 */
static int refuse_group(const struct device_info *info, const char *sysfs, struct refusal *refusal) {
        struct device_facts facts = {};
        _cleanup_close_ int fd = -EBADF;
        char path[PATH_MAX];
        bool others = false;
        int r;

        (void) snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", sysfs, info->address);
        (void) snprintf(facts.address, sizeof(facts.address), "%s", info->address);
        fd = sysfs_open_dir(AT_FDCWD, path);
        r = fd < 0 ? fd : group_read_rival(fd, &facts);
        if (r == 0)
                r = group_has_others(fd, info->address, &others);
        if (sysfs_is_exhaustion(r))
                return translate(KERNEL_CALL_BIND, r, refusal, "Device %s was to be opened", info->address);
        if (facts.rival[0] != '\0')
                return refuse(refusal, EMEDIUMTYPE, "Device %s was to be opened, but %.*s in the same IOMMU group %d "
                              "is bound to %.*s, and a group can only be used as a whole; hand that one to vfio-pci "
                              "too, or unbind it.", info->address, (int) PCI_ADDRESS_MAX, facts.rival,
                              info->iommu_group, 64, facts.rival_driver);
        if (r < 0 || others)
                return refuse(refusal, EBUSY, "Device %s was to be opened, but somebody else uses its IOMMU group %d, "
                              "by another device of it; end that one, then try again.", info->address,
                              info->iommu_group);
        return refuse(refusal, EMEDIUMTYPE, "Device %s was to be opened, but this host can't keep its interrupts "
                      "apart from others'; turn on interrupt remapping in the firmware and the kernel.", info->address);
}

int vfio_cdev_bind(const struct system_calls *calls, int fd, int iommufd, const struct device_info *info,
                   const char *sysfs, uint32_t *ret, struct refusal *refusal) {
        struct uapi_vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };
        int r;

        r = calls->ioctl(calls, fd, UAPI_VFIO_DEVICE_BIND_IOMMUFD, &bind);
        if (r == -EPERM)
                return refuse_group(info, sysfs, refusal);
        if (r < 0)
                return translate(KERNEL_CALL_BIND, r, refusal, "Device %s was to be opened", info->address);
        *ret = bind.out_devid;
        return 0;
}

static int detach(const struct system_calls *calls, int fd, uint32_t pasid) {
        struct uapi_vfio_device_detach_iommufd_pt pt = {
                .argsz = sizeof(pt),
                .flags = UAPI_VFIO_DEVICE_DETACH_PASID,
                .pasid = pasid,
        };

        return calls->ioctl(calls, fd, UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT, &pt);
}

int vfio_cdev_probe_pasid(const struct system_calls *calls, int fd, uint32_t pasid, const char *address,
                          struct refusal *refusal) {
        int r;

        /* Detaching what is not attached does nothing and succeeds, unless driver or kernel lack the operation. */
        r = detach(calls, fd, pasid);
        if (r < 0)
                return translate(KERNEL_CALL_PROBE, r, refusal, "Device %s was asked whether it can attach PASIDs",
                                 address);
        return 0;
}

int vfio_cdev_check(const struct system_calls *calls, int fd, const char *address, struct refusal *refusal) {
        struct uapi_vfio_device_info info = { .argsz = sizeof(info) };
        int r;

        /* Before a bind a cdev refuses everything else with EINVAL. */
        r = calls->ioctl(calls, fd, UAPI_VFIO_DEVICE_GET_INFO, &info);
        if (r >= 0 && !(info.flags & UAPI_VFIO_DEVICE_FLAGS_PCI))
                r = -ENOTTY;
        if (r < 0)
                return translate(KERNEL_CALL_ADOPT, r, refusal, "Device %s was to be taken over", address);
        return 0;
}

int vfio_cdev_watch_request(const struct system_calls *calls, int fd, const char *address, int *ret,
                            struct refusal *refusal) {
        struct call_fd request _cleanup_(call_fd_close) = { calls, -EBADF };
        struct uapi_vfio_irq_set_eventfd set = {
                .argsz = sizeof(set),
                .flags = UAPI_VFIO_IRQ_SET_DATA_EVENTFD | UAPI_VFIO_IRQ_SET_ACTION_TRIGGER,
                .index = UAPI_VFIO_PCI_REQ_IRQ_INDEX,
                .count = 1,
        };
        int r;

        r = calls->eventfd(calls);
        if (r < 0)
                return translate(KERNEL_CALL_REQUEST, r, refusal, "Device %s was to tell when it is wanted back",
                                 address);
        set.fd = request.fd = r;
        /* Takes the place of an earlier pasidd's. */
        r = calls->ioctl(calls, fd, UAPI_VFIO_DEVICE_SET_IRQS, &set);
        if (r == -ENOTTY || r == -EINVAL || r == -EOPNOTSUPP) {
                *ret = -EBADF;
                return 0;
        }
        if (r < 0)
                return translate(KERNEL_CALL_REQUEST, r, refusal, "Device %s was to tell when it is wanted back",
                                 address);
        *ret = TAKE_FD(request.fd);
        return 0;
}

static int check_pasid(uint32_t pasid, uint32_t max_pasid, const char *address, struct refusal *refusal) {
        if (pasid < NUMBER_MIN || pasid > max_pasid)
                return refuse(refusal, ERANGE, "PASID %u is outside %u..%u, what device %s can tag; use a number in "
                              "that range.",
                              pasid, NUMBER_MIN, max_pasid, address);
        return 0;
}

int vfio_cdev_attach(const struct system_calls *calls, int fd, const char *address, uint32_t pasid, uint32_t max_pasid,
                     uint32_t hwpt, struct refusal *refusal) {
        struct uapi_vfio_device_attach_iommufd_pt pt = {
                .argsz = sizeof(pt),
                .flags = UAPI_VFIO_DEVICE_ATTACH_PASID,
                .pt_id = hwpt,
                .pasid = pasid,
        };
        int r;

        r = check_pasid(pasid, max_pasid, address, refusal);
        if (r < 0)
                return r;
        r = calls->ioctl(calls, fd, UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, &pt);
        if (r < 0)
                return translate(KERNEL_CALL_ATTACH, r, refusal, "PASID %u was to be attached to device %s", pasid,
                                 address);
        return 0;
}

int vfio_cdev_detach(const struct system_calls *calls, int fd, const char *address, uint32_t pasid, uint32_t max_pasid,
                     struct refusal *refusal) {
        int r;

        r = check_pasid(pasid, max_pasid, address, refusal);
        if (r < 0)
                return r;
        r = detach(calls, fd, pasid);
        if (r < 0)
                return translate(KERNEL_CALL_DETACH, r, refusal, "PASID %u was to be detached from device %s", pasid,
                                 address);
        return 0;
}
