/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The devices that the daemon knows.
 */
#include "libpasid-internal.h"

struct describe {
        pasid_device_cb callback;
        void *userdata;
};

static int describe(struct pasid_client *client, const char *path, sd_bus_message *m, void *userdata) {
        const struct describe *d = userdata;
        struct pasid_device device = {
                .size = sizeof(device),
                .address = "", .name = "", .driver = "", .cdev = "", .reason = "",
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
                return lp_fail(client, EINVAL, "A callback is needed");
        return lp_objects_for_each(client, PASIDD_IFACE_DEVICE, describe, &d);
}
