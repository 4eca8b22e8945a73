/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's ABI of VFIO's device fds, as far as it is used here, under
 * names of our own: a build needs no newer kernel headers than the
 * distribution's, and those, whatever their age, can't clash. The kernel's own
 * names are those without the prefix, in <linux/vfio.h>.
 */
#pragma once

#include <stdint.h>
#include <sys/ioctl.h>

#define UAPI_VFIO_TYPE_ ';'
#define UAPI_VFIO_BASE_ 100

/* Linux 3.6; caps follow since 4.20. */
struct uapi_vfio_device_info {
        uint32_t argsz;
        uint32_t flags;
        uint32_t num_regions;
        uint32_t num_irqs;
};
#define UAPI_VFIO_DEVICE_FLAGS_PCI (1U << 1)
#define UAPI_VFIO_DEVICE_GET_INFO _IO(UAPI_VFIO_TYPE_, UAPI_VFIO_BASE_ + 7)

/* Linux 3.6, with room for the one eventfd that is ever set here; an fd of -1 takes it back. */
struct uapi_vfio_irq_set_eventfd {
        uint32_t argsz;
        uint32_t flags;
        uint32_t index;
        uint32_t start;
        uint32_t count;
        int32_t fd;
};
#define UAPI_VFIO_IRQ_SET_DATA_EVENTFD (1U << 2)
#define UAPI_VFIO_IRQ_SET_ACTION_TRIGGER (1U << 5)
#define UAPI_VFIO_DEVICE_SET_IRQS _IO(UAPI_VFIO_TYPE_, UAPI_VFIO_BASE_ + 10)

/* Linux 4.1: signalled when the kernel wants the device back from its user. */
#define UAPI_VFIO_PCI_REQ_IRQ_INDEX 4U

/* Linux 6.6; a token_uuid_ptr follows since 6.18, for virtual functions whose physical one has a token. */
struct uapi_vfio_device_bind_iommufd {
        uint32_t argsz;
        uint32_t flags;
        int32_t iommufd;
        uint32_t out_devid;
};
#define UAPI_VFIO_DEVICE_BIND_IOMMUFD _IO(UAPI_VFIO_TYPE_, UAPI_VFIO_BASE_ + 18)

/* Linux 6.6; flag and pasid: 6.15. PASID 0 with the flag attaches the device itself (the RID). */
struct uapi_vfio_device_attach_iommufd_pt {
        uint32_t argsz;
        uint32_t flags;
        uint32_t pt_id;
        uint32_t pasid;
};
#define UAPI_VFIO_DEVICE_ATTACH_PASID (1U << 0)
#define UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT _IO(UAPI_VFIO_TYPE_, UAPI_VFIO_BASE_ + 19)

/* Linux 6.6; flag and pasid: 6.15. */
struct uapi_vfio_device_detach_iommufd_pt {
        uint32_t argsz;
        uint32_t flags;
        uint32_t pasid;
};
#define UAPI_VFIO_DEVICE_DETACH_PASID (1U << 0)
#define UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT _IO(UAPI_VFIO_TYPE_, UAPI_VFIO_BASE_ + 20)

_Static_assert(sizeof(struct uapi_vfio_device_info) == 16, "ABI");
_Static_assert(sizeof(struct uapi_vfio_irq_set_eventfd) == 24, "ABI");
_Static_assert(sizeof(struct uapi_vfio_device_bind_iommufd) == 16, "ABI");
_Static_assert(sizeof(struct uapi_vfio_device_attach_iommufd_pt) == 16, "ABI");
_Static_assert(sizeof(struct uapi_vfio_device_detach_iommufd_pt) == 12, "ABI");
