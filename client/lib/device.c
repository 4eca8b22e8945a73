/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The devices that the daemon knows, and the opening of one.
 */
#include <fcntl.h>

#include "libpasid-internal.h"

#include "internal/pci-address.h"

struct describe {
        pasid_device_cb callback;
        void *userdata;
};

static int describe(struct pasid_client *client, const char *path, sd_bus_message *m, void *userdata) {
        const struct describe *d = userdata;
        struct pasid_device device = {
                .size = sizeof(device),
                .address = "", .name = "", .driver = "", .cdev = "", .reason = "", .held = "",
                .iommu_group = UINT32_MAX,
        };
        const struct lp_property properties[] = {
                { "Address", "s", &device.address },
                { "Name", "s", &device.name },
                { "Driver", "s", &device.driver },
                { "IommuGroup", "u", &device.iommu_group },
                { "PciWidth", "u", &device.pci_width },
                { "IommuWidth", "u", &device.iommu_width },
                { "MaxPasid", "u", &device.max_pasid },
                { "Usable", "b", &device.usable },
                { "Reason", "s", &device.reason },
                { "Cdev", "s", &device.cdev },
                { "Allocated", "u", &device.allocated },
                { "Attached", "u", &device.attached },
                { "Held", "s", &device.held },
        };
        int r;

        r = lp_read_properties(m, properties, ELEMENTSOF(properties));
        if (r < 0)
                return lp_fail_read(client, r);
        return d->callback(&device, d->userdata);
}

_public_ int pasid_device_for_each(struct pasid_client *client, pasid_device_cb callback, void *userdata) {
        struct describe d = { callback, userdata };

        if (!client || !callback)
                return lp_fail(client, EINVAL, "A callback is needed.");
        return lp_objects_for_each(client, PASIDD_IFACE_DEVICE, describe, &d);
}

/* The message closes its own when it goes. */
static int take_fd(sd_bus_message *m, int *ret) {
        int fd, r;

        r = sd_bus_message_read_basic(m, 'h', &fd);
        if (r < 0)
                return r;
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        *ret = fd;
        return 0;
}

/* consumer: the path of one for whose life it is; NULL: for the connection's. */
static int open_device(struct pasid_client *client, const char *consumer, const char *address, int *ret_device,
                       int *ret_iommufd) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_close_ int device = -EBADF, iommufd = -EBADF;
        char text[PCI_ADDRESS_MAX];
        _cleanup_free_ char *path = NULL;
        struct pci_address pci;
        int r;

        if (!client || !address || !ret_device || !ret_iommufd)
                return lp_fail(client, EINVAL, "A device's address, and places for both descriptors, are needed.");
        if (pci_address_parse(address, &pci) < 0)
                return lp_fail(client, EINVAL, "\"%.40s\" is no PCI address; write it as in 0000:01:00.0.", address);
        r = sd_bus_path_encode(PASIDD_DEVICE_PREFIX, pci_address_format(&pci, text), &path);
        if (r < 0)
                return lp_fail(client, lp_local_error(r), NULL);
        r = lp_call_new(client, path, PASIDD_IFACE_DEVICE, "Open", &call);
        if (r < 0)
                return r;
        r = consumer ? sd_bus_message_append(call, "a{sv}", 1, "consumer", "o", consumer)
                     : sd_bus_message_append(call, "a{sv}", 0);
        if (r < 0)
                return lp_fail_append(client, r);
        r = lp_call(client, call, "hh", &reply);
        if (r < 0)
                return r;
        if ((r = take_fd(reply, &device)) < 0 || (r = take_fd(reply, &iommufd)) < 0) {
                if (r == -EBADMSG)
                        return lp_fail_read(client, r);
                return lp_fail(client, r, "The descriptors of device %s could not be kept: %s.", text, strerror(-r));
        }
        *ret_device = TAKE_FD(device);
        *ret_iommufd = TAKE_FD(iommufd);
        return 0;
}

_public_ int pasid_device_open(struct pasid_client *client, const char *address, int *ret_device, int *ret_iommufd) {
        return open_device(client, NULL, address, ret_device, ret_iommufd);
}

_public_ int pasid_consumer_open_device(struct pasid_consumer *consumer, const char *address, int *ret_device,
                                        int *ret_iommufd) {
        int r;

        r = lp_consumer_check(consumer);
        return r < 0 ? r : open_device(consumer->client, consumer->path, address, ret_device, ret_iommufd);
}
