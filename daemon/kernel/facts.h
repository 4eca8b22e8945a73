/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What discovery has read, before it is judged: of the host, of the IOMMU in
 * front of a device, and of the device itself.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/device.h"
#include "kernel/sysfs.h"

struct host_facts {
        char release[65];         /* of the kernel; "" if it can't be told */
        unsigned int major, minor; /* of release; 0, 0 if it can't be told */
        char iommu_off[32];       /* the boot parameter that turned the IOMMU off, "" if none did */
        bool scalable_off;        /* booted with intel_iommu=sm_off */
        bool scalable_on;         /* booted with intel_iommu=sm_on */
        bool has_iommu;           /* some IOMMU is at work */
        bool has_iommufd;
};

enum iommu_kind {
        IOMMU_NONE,  /* the device is behind none */
        IOMMU_INTEL,
        IOMMU_AMD,
        IOMMU_OTHER, /* one that does not say in sysfs what it can tag */
};

struct iommu_facts {
        enum iommu_kind kind;
        char name[SYSFS_NAME_MAX]; /* dmar0, ivhd0, smmu3.0x2b400000; "" if it can't be told */
        int error;        /* negative errno if its capability register can't be read or makes no sense */
        bool scalable;    /* Intel: the hardware has scalable mode */
        bool can_tag;     /* the hardware can tag requests with PASIDs */
        uint8_t width;    /* of the PASIDs it can tag; 0 if it can't or can't be told */
};

enum capability_state {
        CAPABILITY_ABSENT,
        CAPABILITY_PRESENT,
        CAPABILITY_NO_PRIVILEGE, /* only the first 64 bytes are shown to us */
        CAPABILITY_NO_EXTENDED,  /* a PCIe device whose space above 256 bytes this machine can't reach */
        CAPABILITY_SILENT,       /* all ones: the device does not answer */
        CAPABILITY_UNREADABLE,
};

struct capability_facts {
        enum capability_state state;
        int header;    /* type 0: endpoint, 1 and 2: bridges; -1 if it can't be told */
        uint8_t width; /* 0..20; with CAPABILITY_PRESENT, as the next */
        bool is_on;    /* the kernel has set the enable bit */
};

struct device_facts {
        char address[PCI_ADDRESS_MAX];
        uint32_t class; /* 24 bits: base class, sub-class, interface; 0 if it can't be told */
        struct capability_facts capability; /* a VF's is its PF's */
        char physfn[PCI_ADDRESS_MAX];       /* the PF of a VF, "" for any other function */
        struct iommu_facts iommu;
        int32_t group;
        char driver[SYSFS_NAME_MAX];
        char cdev[SYSFS_NAME_MAX];         /* "vfioN" */
        char rival[SYSFS_NAME_MAX];        /* another device of the group that keeps it from being bound, "" if none */
        char rival_driver[SYSFS_NAME_MAX]; /* that device's driver */
        int error;              /* negative errno of the first fact that can't be read */
        const char *error_file; /* which that was */
};
