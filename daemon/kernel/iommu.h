/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the IOMMU in front of a device can tag, by vendor.
 */
#pragma once

#include "kernel/facts.h"

/* device_fd: the device's directory. Fails on exhaustion only; anything else is told in *ret. */
int iommu_read_facts(int device_fd, struct iommu_facts *ret);

/* From the registers themselves. */
void iommu_decode_intel(uint64_t ecap, struct iommu_facts *facts);
void iommu_decode_amd(uint64_t efr, struct iommu_facts *facts);
