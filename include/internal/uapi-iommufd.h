/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's ABI of /dev/iommu, as far as it is used here, under names of
 * our own: a build needs no newer kernel headers than the distribution's, and
 * those, whatever their age, can't clash. The kernel's own names are those
 * without the prefix, in <linux/iommufd.h>. An ABI that is out never changes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* Aligned on 32-bit x86 too, where a plain uint64_t in a struct is not. */
typedef uint64_t __attribute__((aligned(8))) uapi_u64;

#define UAPI_IOMMUFD_TYPE_ ';'

/* Linux 6.2 */
struct uapi_iommu_destroy {
        uint32_t size;
        uint32_t id;
};
#define UAPI_IOMMU_DESTROY _IO(UAPI_IOMMUFD_TYPE_, 0x80)

/* Linux 6.2 */
struct uapi_iommu_ioas_alloc {
        uint32_t size;
        uint32_t flags; /* 0 */
        uint32_t out_ioas_id;
};
#define UAPI_IOMMU_IOAS_ALLOC _IO(UAPI_IOMMUFD_TYPE_, 0x81)

/* Linux 6.2: flags of both kinds of mapping. */
#define UAPI_IOMMU_IOAS_MAP_FIXED_IOVA (1U << 0)
#define UAPI_IOMMU_IOAS_MAP_WRITEABLE (1U << 1)
#define UAPI_IOMMU_IOAS_MAP_READABLE (1U << 2)

/* Linux 6.2: length in is the range's, out what was unmapped. */
struct uapi_iommu_ioas_unmap {
        uint32_t size;
        uint32_t ioas_id;
        uapi_u64 iova;
        uapi_u64 length;
};
#define UAPI_IOMMU_IOAS_UNMAP _IO(UAPI_IOMMUFD_TYPE_, 0x86)

/* Linux 6.7; IOMMU_HWPT_ALLOC_PASID: 6.15. The bytes after out_hwpt_id are 6.8's; without data they are 0. */
struct uapi_iommu_hwpt_alloc {
        uint32_t size;
        uint32_t flags;
        uint32_t dev_id;
        uint32_t pt_id;
        uint32_t out_hwpt_id;
        uint32_t reserved;
        uint32_t data_type;
        uint32_t data_len;
        uapi_u64 data_uptr;
};
#define UAPI_IOMMU_HWPT_ALLOC_PASID (1U << 3)
#define UAPI_IOMMU_HWPT_ALLOC _IO(UAPI_IOMMUFD_TYPE_, 0x89)

/* Linux 6.6, out_capabilities 6.7; out_max_pasid_log2: 6.15, in a byte that had to be 0 before and stayed 0. */
struct uapi_iommu_hw_info {
        uint32_t size;
        uint32_t flags; /* 0 */
        uint32_t dev_id;
        uint32_t data_len;
        uapi_u64 data_uptr;
        uint32_t out_data_type;
        uint8_t out_max_pasid_log2;
        uint8_t reserved[3];
        uapi_u64 out_capabilities;
};
#define UAPI_IOMMU_GET_HW_INFO _IO(UAPI_IOMMUFD_TYPE_, 0x8a)

/* Linux 6.13 */
struct uapi_iommu_ioas_map_file {
        uint32_t size;
        uint32_t flags;
        uint32_t ioas_id;
        int32_t fd;
        uapi_u64 start;
        uapi_u64 length;
        uapi_u64 iova; /* out without UAPI_IOMMU_IOAS_MAP_FIXED_IOVA */
};
#define UAPI_IOMMU_IOAS_MAP_FILE _IO(UAPI_IOMMUFD_TYPE_, 0x8f)

_Static_assert(sizeof(struct uapi_iommu_destroy) == 8, "ABI");
_Static_assert(sizeof(struct uapi_iommu_ioas_alloc) == 12, "ABI");
_Static_assert(sizeof(struct uapi_iommu_ioas_unmap) == 24, "ABI");
_Static_assert(sizeof(struct uapi_iommu_hwpt_alloc) == 40, "ABI");
_Static_assert(sizeof(struct uapi_iommu_hw_info) == 40, "ABI");
_Static_assert(offsetof(struct uapi_iommu_hw_info, out_max_pasid_log2) == 28, "ABI");
_Static_assert(sizeof(struct uapi_iommu_ioas_map_file) == 40, "ABI");
