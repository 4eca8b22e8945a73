/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies of what the tables say was attached and mapped.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "service/restore.h"

/* Room for one more, doubling. */
static void *grow(void *array, size_t n, size_t *allocated, size_t element) {
        size_t wanted = *allocated ? *allocated * 2 : 64;

        if (n < *allocated)
                return array;
        array = reallocarray(array, wanted, element);
        if (array)
                *allocated = wanted;
        return array;
}

int restore_attachment(const struct store_attachment *a, void *userdata) {
        struct restore *restore = userdata;
        struct loaded_attachment *to;
        struct loaded_device *devices;

        to = grow(restore->attachments, restore->n_attachments, &restore->n_attachments_allocated, sizeof(*to));
        if (!to)
                return -ENOMEM;
        restore->attachments = to;
        devices = calloc(a->n_devices + 1, sizeof(*devices));
        if (!devices)
                return -ENOMEM;
        for (size_t i = 0; i < a->n_devices; i++) {
                (void) snprintf(devices[i].address, sizeof(devices[i].address), "%s", a->devices[i].address);
                devices[i].id = a->devices[i].device_id;
                devices[i].hwpt = a->devices[i].hwpt;
        }
        to[restore->n_attachments++] = (struct loaded_attachment) {
                .consumer = a->consumer, .pasid = a->pasid, .ioas = a->ioas, .devices = devices, .n_devices = a->n_devices };
        return 0;
}

int restore_mapping(const struct store_mapping *m, void *userdata) {
        struct restore *restore = userdata;
        struct loaded_mapping *to;

        to = grow(restore->mappings, restore->n_mappings, &restore->n_mappings_allocated, sizeof(*to));
        if (!to)
                return -ENOMEM;
        restore->mappings = to;
        to[restore->n_mappings++] = (struct loaded_mapping) {
                .consumer = m->consumer, .pasid = m->pasid, .iova = m->iova, .length = m->length };
        return 0;
}

void restore_done(struct restore *restore) {
        for (size_t i = 0; i < restore->n_attachments; i++)
                free(restore->attachments[i].devices);
        free(restore->attachments);
        free(restore->mappings);
        *restore = (struct restore) {};
}
