/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device's VFIO cdev: what makes it ours, and what attaches PASIDs. Each
 * function returns 0 or a negative errno of the contract, and leaves the
 * sentence in refusal. Closing the fd undoes all of it.
 */
#pragma once

#include "kernel/kernel.h"
#include "kernel/system-calls.h"

/* The fd is the caller's. */
int vfio_cdev_open(const struct system_calls *calls, const struct device_info *info, int *ret, struct refusal *refusal);
/* *ret: iommufd's id of the device. sysfs: to tell whom else the IOMMU group has. */
int vfio_cdev_bind(const struct system_calls *calls, int fd, int iommufd, const struct device_info *info,
                   const char *sysfs, uint32_t *ret, struct refusal *refusal);
/* Asks a device with nothing attached whether driver and kernel know PASIDs. */
int vfio_cdev_probe_pasid(const struct system_calls *calls, int fd, uint32_t pasid, const char *address,
                          struct refusal *refusal);
/* DeviceGone for an fd that is none of a bound PCI device. */
int vfio_cdev_check(const struct system_calls *calls, int fd, const char *address, struct refusal *refusal);
/* *ret: an eventfd, the caller's; -EBADF if the driver asks nobody to let go. */
int vfio_cdev_watch_request(const struct system_calls *calls, int fd, const char *address, int *ret,
                            struct refusal *refusal);

/* max_pasid: the device's. Numbers outside 1..max_pasid are refused: the kernel takes 0 for the device itself. */
int vfio_cdev_attach(const struct system_calls *calls, int fd, const char *address, uint32_t pasid, uint32_t max_pasid,
                     uint32_t hwpt, struct refusal *refusal);
int vfio_cdev_detach(const struct system_calls *calls, int fd, const char *address, uint32_t pasid, uint32_t max_pasid,
                     struct refusal *refusal);
