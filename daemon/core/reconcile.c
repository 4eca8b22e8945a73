/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verdicts on what is left of an earlier pasidd. Doubt is settled towards
 * detaching: a number that is said to be attached and is not costs its tenant
 * an Attach, the reverse could cost another tenant its memory.
 */
#include "core/reconcile.h"

#include <string.h>

static struct reconcile_device *find(struct reconcile_device *devices, size_t n, const char *address) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(devices[i].address, address) == 0)
                        return &devices[i];
        return NULL;
}

/* Every device of it is here, by the id that others of its numbers know it by. */
static bool is_whole(const struct reconcile_attachment *a, struct reconcile_device *devices, size_t n_devices) {
        for (size_t i = 0; i < a->n_devices; i++) {
                const struct reconcile_device *d = find(devices, n_devices, a->devices[i]);

                if (!d || a->device_ids[i] == 0 || (d->is_adopted && d->id != a->device_ids[i]))
                        return false;
        }
        return a->n_devices > 0;
}

static bool has_lost_device(const struct reconcile_attachment *a, struct reconcile_device *devices, size_t n_devices,
                            bool (*is_gone)(const char *address, void *userdata), void *userdata) {
        for (size_t i = 0; i < a->n_devices; i++) {
                const struct reconcile_device *d = find(devices, n_devices, a->devices[i]);

                if (d ? d->is_gone : is_gone(a->devices[i], userdata))
                        return true;
        }
        return false;
}

static void adopt(const struct reconcile_attachment *a, struct reconcile_device *devices, size_t n_devices) {
        for (size_t i = 0; i < a->n_devices; i++) {
                struct reconcile_device *d = find(devices, n_devices, a->devices[i]);

                d->is_adopted = true;
                d->id = a->device_ids[i];
        }
}

void reconcile(bool has_iommufd, struct reconcile_device *devices, size_t n_devices,
               struct reconcile_attachment *attachments, size_t n_attachments,
               bool (*is_gone)(const char *address, void *userdata), void *userdata) {
        for (size_t i = 0; i < n_devices; i++) {
                devices[i].is_adopted = false;
                devices[i].id = 0;
        }
        for (size_t i = 0; i < n_attachments; i++) {
                struct reconcile_attachment *a = &attachments[i];

                if (has_lost_device(a, devices, n_devices, is_gone, userdata))
                        a->verdict = RECONCILE_LOSE;
                else if (has_iommufd && a->is_attached && is_whole(a, devices, n_devices)) {
                        a->verdict = a->holder == RECONCILE_HOLDER_IS_OVER ? RECONCILE_END : RECONCILE_KEEP;
                        adopt(a, devices, n_devices);
                } else
                        a->verdict = RECONCILE_DETACH;
        }
}
