/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole devices: opened and made ready step by step, taken over from an
 * earlier pasidd, or handed to a tenant. A step that fails leaves nothing.
 */
#pragma once

#include "kernel/kernel.h"
#include "kernel/system-calls.h"

struct open_device {
        struct kernel_device device;   /* first, so that ops can get back */
        char address[PCI_ADDRESS_MAX]; /* for sentences; "" if it can't be told */
};

static inline const struct open_device *open_device_of(const struct kernel_device *d) {
        return (const struct open_device *) d;
}

int open_device_new(const struct system_calls *calls, int iommufd, const char *sysfs, const struct device_info *info,
                    struct kernel_device **ret, struct refusal *refusal);
/* fd is taken over on success only. */
int open_device_adopt(const struct system_calls *calls, int iommufd, const char *sysfs, int fd, uint32_t id,
                      struct kernel_device **ret, struct refusal *refusal);
struct kernel_device *open_device_free(const struct system_calls *calls, struct kernel_device *d);

/* Both fds are the caller's. dev: the directory of device nodes. */
int open_for_tenant(const struct system_calls *calls, const char *dev, const char *sysfs,
                    const struct device_info *info, int *ret_device, int *ret_iommufd, struct refusal *refusal);
