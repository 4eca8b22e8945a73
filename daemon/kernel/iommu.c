/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the IOMMU in front of a device can tag. Linux links a device to its
 * IOMMU (since 3.17), and the drivers of Intel and AMD show the capability
 * register beneath it; those of others show nothing. It is the hardware's
 * answer: the kernel's own comes with IOMMU_GET_HW_INFO of a bound device.
 */
#include "kernel/iommu.h"

#include <errno.h>
#include <string.h>

#include "internal/contract.h"

/* Intel VT-d specification r4.1, 11.4.3: Extended Capability Register */
#define ECAP_SMTS (UINT64_C(1) << 43)
#define ECAP_PASID (UINT64_C(1) << 40)
#define ECAP_PSS(x) (((x) >> 35) & 0x1fU)

/* AMD I/O Virtualization Technology specification (48882), MMIO offset 0030h: Extended Feature Register */
#define EFR_GTSUP (UINT64_C(1) << 4)
#define EFR_PASMAX(x) (((x) >> 32) & 0x1fU)

static uint8_t cut_width(uint64_t width) {
        return (uint8_t) (width > NUMBER_BITS ? NUMBER_BITS : width);
}

void iommu_decode_intel(uint64_t ecap, struct iommu_facts *facts) {
        facts->scalable = ecap & ECAP_SMTS;
        facts->can_tag = ecap & ECAP_PASID;
        /* Linux uses PASIDs in scalable mode only (pasid_supported() of its driver). */
        facts->width = facts->scalable && facts->can_tag ? cut_width(ECAP_PSS(ecap) + 1) : 0;
}

void iommu_decode_amd(uint64_t efr, struct iommu_facts *facts) {
        facts->can_tag = efr & EFR_GTSUP; /* PASIDs choose among guest tables */
        facts->width = facts->can_tag ? cut_width(EFR_PASMAX(efr) + 1) : 0;
}

int iommu_read_facts(int device_fd, struct iommu_facts *ret) {
        struct iommu_facts facts = {};
        uint64_t value;
        int r;

        r = sysfs_read_link(device_fd, "iommu", facts.name);
        if (r == -ENOENT || r == -EBADMSG) {
                /* -EBADMSG: the function that is an AMD IOMMU has a directory of that name. */
                *ret = facts;
                return 0;
        }
        if (sysfs_is_exhaustion(r))
                return r;
        facts.kind = IOMMU_OTHER;
        if (r < 0) {
                facts.error = r;
                *ret = facts;
                return 0;
        }
        (void) sysfs_make_printable(facts.name);

        if (sysfs_access(device_fd, "iommu/intel-iommu") == 0) {
                facts.kind = IOMMU_INTEL;
                r = sysfs_read_hex(device_fd, "iommu/intel-iommu/ecap", NULL, &value);
                if (r == 0)
                        iommu_decode_intel(value, &facts);
        } else if (sysfs_access(device_fd, "iommu/amd-iommu") == 0) {
                facts.kind = IOMMU_AMD;
                /* "EFR:EFR2" since Linux 6.7, "EFR" before 5.19; those between have no uapi for PASIDs anyway. */
                r = sysfs_read_hex(device_fd, "iommu/amd-iommu/features", ":", &value);
                if (r == 0)
                        iommu_decode_amd(value, &facts);
        }
        if (sysfs_is_exhaustion(r))
                return r;
        facts.error = r;
        *ret = facts;
        return 0;
}
