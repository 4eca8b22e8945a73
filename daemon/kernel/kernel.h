/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's side: which devices there are and what they can do. Behind a
 * table of operations, so that the service can be tested on a kernel that
 * fails at will. No bus, no SQL.
 */
#pragma once

#include <stdint.h>

#include "core/device.h"
#include "core/refusal.h"

struct kernel;

struct kernel_ops {
        /*
         * All PCI devices that have a PASID capability, a vfio driver or an IOMMU group, bridges left out: whatever
         * an administrator may ask "why can't I use it" about. Sorted by address; *ret is the caller's. No PCI
         * at all is an empty list.
         */
        int (*discover)(struct kernel *k, struct device_list *ret, struct refusal *refusal);
        struct kernel *(*free)(struct kernel *k);
};

struct kernel {
        const struct kernel_ops *ops;
};

/* NULL for the usual. */
struct kernel_params {
        const char *sysfs;   /* "/sys"; at most 512 bytes */
        const char *procfs;  /* "/proc" */
        const char *dev;     /* "/dev" */
        const char *pci_ids; /* the names' data base; libpci's own */
};

int kernel_new(const struct kernel_params *params, struct kernel **ret, struct refusal *refusal);
