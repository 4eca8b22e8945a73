/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel's errnos mean, call by call: the contract's condition, and
 * the sentence for the person who asked. The kernel has few errnos and means
 * many things by each, so none goes up as it is.
 */
#pragma once

#include "core/refusal.h"
#include "internal/cleanup.h"

enum kernel_call {
        KERNEL_CALL_OPEN_IOMMUFD,
        KERNEL_CALL_OPEN_CDEV,
        KERNEL_CALL_BIND,
        KERNEL_CALL_WIDTH,   /* IOMMU_GET_HW_INFO of a bound device */
        KERNEL_CALL_PROBE,   /* VFIO_DEVICE_DETACH_IOMMUFD_PT with a PASID, to learn whether it is known */
        KERNEL_CALL_REQUEST, /* the eventfd of VFIO_PCI_REQ_IRQ_INDEX */
        KERNEL_CALL_ADOPT,   /* any question about fds of an earlier pasidd */
        KERNEL_CALL_IOAS,
        KERNEL_CALL_HWPT,
        KERNEL_CALL_DESTROY,
        KERNEL_CALL_ATTACH,
        KERNEL_CALL_DETACH,
        KERNEL_CALL_MAP,
        KERNEL_CALL_UNMAP,
        N_KERNEL_CALLS,
};

/*
 * r: the negative errno. The format makes the sentence's first half, what was asked: "Device %s was to be opened".
 * Returns the contract's negative errno.
 */
int translate(enum kernel_call call, int r, struct refusal *refusal, const char *format, ...) _printf_(4, 5);
