/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ioctls of /dev/iommu. iommufd's structs start with their size, and what
 * the kernel does not know of them must be zero.
 */
#include "kernel/iommufd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "internal/contract.h"
#include "internal/uapi-iommufd.h"
#include "kernel/memory.h"
#include "kernel/translate.h"

int iommufd_open(const struct system_calls *calls, const char *dev, int *ret, struct refusal *refusal) {
        char path[PATH_MAX];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/iommu", dev);
        fd = calls->open(calls, path, O_RDWR);
        if (fd < 0)
                return translate(KERNEL_CALL_OPEN_IOMMUFD, fd, refusal, "%s was to be opened", path);
        *ret = fd;
        return 0;
}

int iommufd_check(const struct system_calls *calls, int fd, struct refusal *refusal) {
        struct uapi_iommu_hw_info info = { .size = sizeof(info) };
        int r;

        /* No object has the id 0 (XA_FLAGS_ALLOC1), so that iommufd, and only iommufd, says "no such object". */
        r = calls->ioctl(calls, fd, UAPI_IOMMU_GET_HW_INFO, &info);
        if (r == -ENOENT)
                return 0;
        return translate(KERNEL_CALL_ADOPT, r < 0 ? r : -ENOTTY, refusal, "An fd of /dev/iommu was to be taken over");
}

int iommufd_get_width(const struct system_calls *calls, int fd, uint32_t device, const char *address, bool adopting,
                      uint8_t *ret, struct refusal *refusal) {
        struct uapi_iommu_hw_info info = { .size = sizeof(info), .dev_id = device };
        int r;

        r = calls->ioctl(calls, fd, UAPI_IOMMU_GET_HW_INFO, &info);
        if (r < 0)
                return translate(adopting ? KERNEL_CALL_ADOPT : KERNEL_CALL_WIDTH, r, refusal,
                                 "Device %s was asked for the width of its PASIDs", address);
        if (info.out_max_pasid_log2 == 0)
                return refuse(refusal, EMEDIUMTYPE, "Device %s was to be opened, but the kernel uses no PASIDs on it: "
                              "its IOMMU is not in scalable mode, or the kernel is older than 6.15; boot a newer one, "
                              "on Intel with intel_iommu=on,sm_on.", address);
        *ret = info.out_max_pasid_log2 > NUMBER_BITS ? NUMBER_BITS : info.out_max_pasid_log2;
        return 0;
}

int iommufd_ioas_new(const struct system_calls *calls, int fd, uint32_t *ret, struct refusal *refusal) {
        struct uapi_iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
        int r;

        r = calls->ioctl(calls, fd, UAPI_IOMMU_IOAS_ALLOC, &alloc);
        if (r < 0)
                return translate(KERNEL_CALL_IOAS, r, refusal, "An address space was to be made");
        *ret = alloc.out_ioas_id;
        return 0;
}

int iommufd_hwpt_new(const struct system_calls *calls, int fd, uint32_t device, uint32_t ioas, uint32_t *ret,
                     struct refusal *refusal) {
        struct uapi_iommu_hwpt_alloc alloc = {
                .size = sizeof(alloc),
                .flags = UAPI_IOMMU_HWPT_ALLOC_PASID,
                .dev_id = device,
                .pt_id = ioas,
        };
        int r;

        r = calls->ioctl(calls, fd, UAPI_IOMMU_HWPT_ALLOC, &alloc);
        if (r < 0)
                return translate(KERNEL_CALL_HWPT, r, refusal, "A page table for PASIDs was to be made for the device");
        *ret = alloc.out_hwpt_id;
        return 0;
}

int iommufd_destroy(const struct system_calls *calls, int fd, uint32_t id, struct refusal *refusal) {
        struct uapi_iommu_destroy destroy = { .size = sizeof(destroy), .id = id };
        int r;

        r = calls->ioctl(calls, fd, UAPI_IOMMU_DESTROY, &destroy);
        /* Gone is what it was to be: a pasidd that died between this and its table does it again. */
        if (r < 0 && r != -ENOENT)
                return translate(KERNEL_CALL_DESTROY, r, refusal, "Object %u of the kernel was to be destroyed", id);
        return r < 0;
}

int iommufd_map_file(const struct system_calls *calls, int fd, uint32_t ioas, const struct kernel_mapping *m,
                     uint64_t *ret_iova, struct refusal *refusal) {
        struct uapi_iommu_ioas_map_file map = {
                .size = sizeof(map),
                .flags = (m->flags & MAP_READ ? UAPI_IOMMU_IOAS_MAP_READABLE : 0) |
                         (m->flags & MAP_WRITE ? UAPI_IOMMU_IOAS_MAP_WRITEABLE : 0) |
                         (m->flags & MAP_FIXED_IOVA ? UAPI_IOMMU_IOAS_MAP_FIXED_IOVA : 0),
                .ioas_id = ioas,
                .fd = m->fd,
                .start = m->offset,
                .length = m->length,
                .iova = m->iova,
        };
        int r;

        r = memory_check(m, refusal);
        if (r < 0)
                return r;
        r = calls->ioctl(calls, fd, UAPI_IOMMU_IOAS_MAP_FILE, &map);
        if (r < 0 && (m->flags & MAP_FIXED_IOVA))
                return translate(KERNEL_CALL_MAP, r, refusal, "%#llx bytes of memory were to be mapped at address "
                                 "%#llx",
                                 (unsigned long long) m->length, (unsigned long long) m->iova);
        if (r < 0)
                return translate(KERNEL_CALL_MAP, r, refusal, "%#llx bytes of memory were to be mapped",
                                 (unsigned long long) m->length);
        *ret_iova = map.iova;
        return 0;
}

/*
 * Of a range that ends within a mapping the kernel has unmapped the ones before it when it refuses
 * (iopt_unmap_iova_range() in Linux 7.3), so that the caller should name no more than one.
 */
int iommufd_unmap(const struct system_calls *calls, int fd, uint32_t ioas, uint64_t iova, uint64_t length,
                  uint64_t *ret_unmapped, struct refusal *refusal) {
        struct uapi_iommu_ioas_unmap unmap = { .size = sizeof(unmap), .ioas_id = ioas, .iova = iova, .length = length };
        int r;

        r = memory_check_range(iova, length, refusal);
        if (r < 0)
                return r;
        r = calls->ioctl(calls, fd, UAPI_IOMMU_IOAS_UNMAP, &unmap);
        if (r < 0)
                return translate(KERNEL_CALL_UNMAP, r, refusal, "%#llx bytes at address %#llx were to be unmapped",
                                 (unsigned long long) length, (unsigned long long) iova);
        *ret_unmapped = unmap.length;
        return 0;
}
