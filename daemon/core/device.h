/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of one PCI device that may carry PASIDs: plain facts, filled
 * by the kernel layer's discovery, judged and shown by the layers above.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "internal/pci-address.h"

#define DEVICE_GROUP_NONE (-1)

struct device_info {
        struct pci_address pci;
        char address[PCI_ADDRESS_MAX]; /* pci as text */
        uint16_t vendor, device; /* PCI ids; vendor 0: they can't be told */
        char *name;        /* vendor and device from libpci; owned */
        char *driver;      /* bound driver, "" if none; owned */
        char *cdev;        /* "/dev/vfio/devices/vfioN", "" if none; owned */
        char *iommu;       /* the IOMMU's name in sysfs ("dmar0"), "" if none: devices of one can share a page table; owned */
        int32_t iommu_group; /* DEVICE_GROUP_NONE without one */
        uint8_t pci_width;   /* PASID width of the device's capability (a VF shows its PF's), 0 without one */
        uint8_t iommu_width; /* what the IOMMU in front of it can tag, 0 if it can't or can't be told */
        uint32_t max_pasid;  /* 2^min(widths) - 1, 0 where PASIDs can't be used at all */
        bool usable;
        char *reason; /* why not, and the mend; "" if usable; owned */
};

/* A device's facts have no order of their own: sorted by address. */
struct device_list {
        struct device_info *devices;
        size_t n_devices;
};

void device_info_done(struct device_info *device);
void device_list_done(struct device_list *list);
/* NULL if it is not there. */
const struct device_info *device_list_find(const struct device_list *list, const char *address);
