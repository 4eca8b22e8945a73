/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ownership of and look-up in lists of device facts.
 */
#include "core/device.h"

#include <stdlib.h>
#include <string.h>

void device_info_done(struct device_info *device) {
        free(device->name);
        free(device->driver);
        free(device->cdev);
        free(device->iommu);
        free(device->reason);
        *device = (struct device_info) { .iommu_group = DEVICE_GROUP_NONE };
}

void device_list_done(struct device_list *list) {
        for (size_t i = 0; i < list->n_devices; i++)
                device_info_done(&list->devices[i]);
        free(list->devices);
        *list = (struct device_list) {};
}

const struct device_info *device_list_find(const struct device_list *list, const char *address) {
        for (size_t i = 0; i < list->n_devices; i++)
                if (strcmp(list->devices[i].address, address) == 0)
                        return &list->devices[i];
        return NULL;
}
