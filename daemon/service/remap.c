/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After a reboot a device may sit in an IOMMU group of another number. The
 * persistent table is renumbered as a whole, by what its devices' addresses
 * and ids say, before a row of it is believed. A group that is gone, or that would
 * fall together with another, moves to a number that no group has.
 */
#include "service/service-internal.h"

#include <errno.h>
#include <stdlib.h>

#define NOWHERE_FIRST (1 << 20) /* IOMMU groups are numbered from 0 and few */

struct remap {
        const struct device_list *devices;
        struct space_map *maps;
        size_t n;
};

static bool is_taken(const struct remap *remap, int32_t to) {
        for (size_t i = 0; i < remap->n; i++)
                if (remap->maps[i].to == to)
                        return true;
        return false;
}

static int note_device(struct remap *remap, const struct consumer_device *device) {
        const struct device_info *info = device_match_find(remap->devices, device);
        int32_t to = info ? info->iommu_group : DEVICE_GROUP_NONE;
        struct space_map *maps, *map = NULL;

        for (size_t i = 0; i < remap->n; i++)
                if (remap->maps[i].from == device->space)
                        map = &remap->maps[i];
        if (!map) {
                maps = reallocarray(remap->maps, remap->n + 1, sizeof(*maps));
                if (!maps)
                        return -ENOMEM;
                remap->maps = maps;
                map = &maps[remap->n];
                *map = (struct space_map) { device->space, DEVICE_GROUP_NONE };
                remap->n++;
        }
        if (map->to == DEVICE_GROUP_NONE && to != DEVICE_GROUP_NONE && !is_taken(remap, to))
                map->to = to;
        return 0;
}

static int note_consumer(const struct consumer_spec *spec, void *userdata) {
        int r = 0;

        for (size_t i = 0; i < spec->n_devices && r >= 0; i++)
                r = note_device(userdata, &spec->devices[i]);
        return r;
}

int service_remap(struct service *s, struct store *store, struct refusal *refusal) {
        struct remap remap = { .devices = &s->devices };
        struct store_loader loader = { .consumer = note_consumer, .userdata = &remap };
        int32_t nowhere = NOWHERE_FIRST;
        bool moved = false;
        int r;

        r = store->ops->load(store, &loader, refusal);
        for (size_t i = 0; i < remap.n; i++) {
                if (remap.maps[i].to == DEVICE_GROUP_NONE)
                        remap.maps[i].to = nowhere++;
                moved = moved || remap.maps[i].to != remap.maps[i].from;
        }
        if (r >= 0 && moved)
                r = store->ops->remap_spaces(store, remap.maps, remap.n, refusal);
        free(remap.maps);
        return r;
}
