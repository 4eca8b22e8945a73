/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /dev/iommu: address spaces (IOAS), page tables (HWPT) and mappings. Each
 * function is one ioctl, returns 0 or a negative errno of the contract, and
 * leaves the sentence in refusal.
 */
#pragma once

#include "kernel/kernel.h"
#include "kernel/system-calls.h"

/* dev: the directory of device nodes. The fd is the caller's. */
int iommufd_open(const struct system_calls *calls, const char *dev, int *ret, struct refusal *refusal);
/* DeviceGone if it is something else. */
int iommufd_check(const struct system_calls *calls, int fd, struct refusal *refusal);
/*
 * Bits of a PASID on a bound device, 1..20; DeviceUnusable for 0: attaching would "succeed" there and do nothing.
 * adopting: the device's id comes from an earlier pasidd, and may be of nothing.
 */
int iommufd_get_width(const struct system_calls *calls, int fd, uint32_t device, const char *address, bool adopting,
                      uint8_t *ret, struct refusal *refusal);

int iommufd_ioas_new(const struct system_calls *calls, int fd, uint32_t *ret, struct refusal *refusal);
int iommufd_hwpt_new(const struct system_calls *calls, int fd, uint32_t device, uint32_t ioas, uint32_t *ret,
                     struct refusal *refusal);
/* 1: there is none. */
int iommufd_destroy(const struct system_calls *calls, int fd, uint32_t id, struct refusal *refusal);
int iommufd_map_file(const struct system_calls *calls, int fd, uint32_t ioas, const struct kernel_mapping *m,
                     uint64_t *ret_iova, struct refusal *refusal);
int iommufd_unmap(const struct system_calls *calls, int fd, uint32_t ioas, uint64_t iova, uint64_t length,
                  uint64_t *ret_unmapped, struct refusal *refusal);
