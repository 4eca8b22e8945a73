/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the device that a consumer's numbers were drawn for is there: at its
 * address, of the same PCI ids, in the same IOMMU group. Another model in its
 * place has nothing of what was set up in the first.
 */
#include "service/service-internal.h"

#include <stdio.h>

/* Ids that are not known, of an older table or of a device that does not tell, are anybody's. */
const struct device_info *device_match_find(const struct device_list *devices, const struct consumer_device *d) {
        const struct device_info *info = device_list_find(devices, d->address);

        if (!info || d->vendor == 0 || info->vendor == 0)
                return info;
        return info->vendor == d->vendor && info->device == d->device ? info : NULL;
}

bool device_match_is_gone(const struct service *s, const struct consumer_device *d) {
        const struct device_info *info = device_match_find(&s->devices, d);

        return !info || info->iommu_group != d->space;
}

void device_match_explain(const struct service *s, const struct consumer_device *d, char ret[static DEVICE_MATCH_TEXT_MAX]) {
        const struct device_info *info = device_list_find(&s->devices, d->address);
        char expected[32] = "";

        if (d->vendor != 0)
                (void) snprintf(expected, sizeof(expected), " (%04x:%04x)", d->vendor, d->device);
        if (!info)
                (void) snprintf(ret, DEVICE_MATCH_TEXT_MAX, "Device %s%s is not there", d->address, expected);
        else if (!device_match_find(&s->devices, d))
                (void) snprintf(ret, DEVICE_MATCH_TEXT_MAX, "Device %s%s is not there, but another model in its place (%04x:%04x)",
                                d->address, expected, info->vendor, info->device);
        else
                (void) snprintf(ret, DEVICE_MATCH_TEXT_MAX, "Device %s%s is in another IOMMU group than its PASIDs are of",
                                d->address, expected);
}
