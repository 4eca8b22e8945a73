/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dispatch of commands. Each handler finds its payload in device->message,
 * puts the answer there too, and returns the answer's length or a negative
 * errno, which QEMU gets as an error.
 */
#include "device.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "protocol.h"

/* What QEMU may ask of us: nothing at once that is longer than a message. */
#define CAPABILITIES "{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":4096}}"

static ssize_t do_version(struct device *device) {
        struct vfio_user_version v = {};
        uint8_t *p = device->message.payload;

        if (device->message.length < sizeof(v))
                return -EINVAL;
        memcpy(&v, p, sizeof(v));
        if (v.major != 0)
                return -ENOTSUP;
        memcpy(p + sizeof(v), CAPABILITIES, sizeof(CAPABILITIES));
        return (ssize_t) (sizeof(v) + sizeof(CAPABILITIES));
}

static ssize_t do_dma_unmap(struct device *device) {
        /* The request is the reply, without the bitmap that some ask for. */
        return device->message.length < sizeof(struct vfio_user_dma_unmap) ? -EINVAL : (ssize_t) sizeof(struct vfio_user_dma_unmap);
}

static ssize_t do_info(struct device *device) {
        struct vfio_device_info info = {
                .argsz = offsetof(struct vfio_device_info, cap_offset),
                .flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI,
                .num_regions = VFIO_PCI_NUM_REGIONS,
                .num_irqs = VFIO_PCI_NUM_IRQS,
        };

        memcpy(device->message.payload, &info, info.argsz);
        return info.argsz;
}

static ssize_t do_region_info(struct device *device) {
        struct vfio_region_info info;

        if (device->message.length < sizeof(info))
                return -EINVAL;
        memcpy(&info, device->message.payload, sizeof(info));
        info.argsz = sizeof(info);
        info.flags = info.cap_offset = 0;
        info.size = info.offset = 0;
        if (info.index == VFIO_PCI_CONFIG_REGION_INDEX)
                info.size = sizeof(device->config.bytes);
        else if (info.index == VFIO_PCI_BAR0_REGION_INDEX)
                info.size = sizeof(device->engine.bar);
        if (info.size > 0)
                info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        memcpy(device->message.payload, &info, sizeof(info));
        return sizeof(info);
}

static ssize_t do_irq_info(struct device *device) {
        struct vfio_irq_info info;

        if (device->message.length < sizeof(info))
                return -EINVAL;
        memcpy(&info, device->message.payload, sizeof(info));
        info.argsz = sizeof(info);
        info.flags = info.count = 0; /* there are none */
        memcpy(device->message.payload, &info, sizeof(info));
        return sizeof(info);
}

/* Reads the head of an access and checks that it lies within its region. NULL if not. */
static uint8_t *find_region(struct device *device, struct vfio_user_region_access *ret) {
        uint8_t *base;
        size_t size;

        if (device->message.length < sizeof(*ret))
                return NULL;
        memcpy(ret, device->message.payload, sizeof(*ret));
        if (ret->region == VFIO_PCI_CONFIG_REGION_INDEX) {
                base = device->config.bytes;
                size = sizeof(device->config.bytes);
        } else if (ret->region == VFIO_PCI_BAR0_REGION_INDEX) {
                base = device->engine.bar;
                size = sizeof(device->engine.bar);
        } else
                return NULL;
        if (ret->offset > size || ret->count > size - ret->offset)
                return NULL;
        return base + ret->offset;
}

static void tell(const struct device *device, const char *what, const struct vfio_user_region_access *access,
                 const uint8_t *data) {
        if (!device->verbose)
                return;
        (void) fprintf(stderr, "%s %s+0x%03llx:", what, access->region == VFIO_PCI_CONFIG_REGION_INDEX ? "config" : "bar",
                       (unsigned long long) access->offset);
        for (uint32_t i = 0; i < access->count && i < 8; i++)
                (void) fprintf(stderr, " %02x", data[i]);
        (void) fputc('\n', stderr);
}

static ssize_t do_read(struct device *device) {
        struct vfio_user_region_access access;
        const uint8_t *at = find_region(device, &access);

        if (!at)
                return -EINVAL;
        memcpy(device->message.payload + sizeof(access), at, access.count);
        tell(device, "read ", &access, at);
        return (ssize_t) (sizeof(access) + access.count);
}

static ssize_t do_write(struct device *device) {
        struct vfio_user_region_access access;
        const uint8_t *data = device->message.payload + sizeof(access);

        if (!find_region(device, &access) || access.count > device->message.length - sizeof(access))
                return -EINVAL;
        tell(device, "write", &access, data);
        if (access.region == VFIO_PCI_CONFIG_REGION_INDEX)
                pci_config_write(&device->config, access.offset, data, access.count);
        else
                engine_write(&device->engine, access.offset, data, access.count);
        return sizeof(access);
}

static ssize_t do_reset(struct device *device) {
        pci_config_reset(&device->config);
        engine_reset(&device->engine);
        return 0;
}

static ssize_t handle(struct device *device) {
        switch (device->message.header.command) {
        case VFIO_USER_VERSION:
                return do_version(device);
        case VFIO_USER_DMA_MAP:
        case VFIO_USER_DEVICE_SET_IRQS:
                return 0; /* of no use to a device that finds memory by the IOMMU's tables and has no interrupts */
        case VFIO_USER_DMA_UNMAP:
                return do_dma_unmap(device);
        case VFIO_USER_DEVICE_GET_INFO:
                return do_info(device);
        case VFIO_USER_DEVICE_GET_REGION_INFO:
                return do_region_info(device);
        case VFIO_USER_DEVICE_GET_IRQ_INFO:
                return do_irq_info(device);
        case VFIO_USER_REGION_READ:
                return do_read(device);
        case VFIO_USER_REGION_WRITE:
                return do_write(device);
        case VFIO_USER_DEVICE_RESET:
                return do_reset(device);
        default:
                return -ENOSYS;
        }
}

int device_serve(struct device *device, int fd) {
        for (;;) {
                ssize_t n;
                int r;

                r = message_receive(fd, &device->message);
                if (r == -EPIPE)
                        return 0;
                if (r < 0)
                        return r;
                n = handle(device);
                if (device->verbose && n < 0)
                        (void) fprintf(stderr, "command %u of %zu bytes: %s\n", device->message.header.command,
                                       device->message.length, strerror((int) -n));
                r = message_reply(fd, &device->message, n < 0 ? 0 : (size_t) n, n < 0 ? (int) n : 0);
                if (r == -EPIPE)
                        return 0;
                if (r < 0)
                        return r;
        }
}
