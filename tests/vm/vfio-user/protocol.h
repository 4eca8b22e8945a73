/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes over the wire between QEMU and a device that it finds behind a
 * socket: "vfio-user Protocol Specification" 0.9.2, of which a device without
 * interrupts and without bus mastering of its own needs this much. Payloads
 * that are structs of <linux/vfio.h> are taken from there.
 */
#pragma once

#include <stdint.h>

enum vfio_user_command {
        VFIO_USER_VERSION = 1,
        VFIO_USER_DMA_MAP = 2,
        VFIO_USER_DMA_UNMAP = 3,
        VFIO_USER_DEVICE_GET_INFO = 4,
        VFIO_USER_DEVICE_GET_REGION_INFO = 5,
        VFIO_USER_DEVICE_GET_IRQ_INFO = 7,
        VFIO_USER_DEVICE_SET_IRQS = 8,
        VFIO_USER_REGION_READ = 9,
        VFIO_USER_REGION_WRITE = 10,
        VFIO_USER_DEVICE_RESET = 13,
};

#define VFIO_USER_FLAG_REPLY 0x01U
#define VFIO_USER_FLAG_TYPE 0x0fU
#define VFIO_USER_FLAG_NO_REPLY 0x10U
#define VFIO_USER_FLAG_ERROR 0x20U

struct vfio_user_header {
        uint16_t id;
        uint16_t command;
        uint32_t size; /* of the whole message */
        uint32_t flags;
        uint32_t error; /* errno, with FLAG_ERROR */
};

struct vfio_user_version {
        uint16_t major;
        uint16_t minor;
        char capabilities[]; /* JSON, with its NUL */
};

struct vfio_user_dma_unmap {
        uint32_t argsz;
        uint32_t flags;
        uint64_t address;
        uint64_t size;
};

struct vfio_user_region_access {
        uint64_t offset;
        uint32_t region;
        uint32_t count;
        uint8_t data[];
};
