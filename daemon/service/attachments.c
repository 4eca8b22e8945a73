/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One number's address space in the kernel: an IOAS, a page table for each
 * IOMMU behind the consumer's devices, and the attachments; made in this order
 * and undone in the reverse one.
 */
#include "service/mediated.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

static int attach_device(struct attachment *a, size_t i, struct refusal *refusal) {
        struct service *s = a->mediation->service;
        struct attached_device *ad = &a->devices[i];
        int r;

        if (!ad->device->kernel)
                return refuse(refusal, ENXIO, "PASID %u cannot be attached to device %s, which is gone; end the consumer, and make "
                              "another with a device that is there.", a->pasid, ad->device->address);
        r = s->kernel->ops->attach(s->kernel, ad->device->kernel, a->pasid, ad->hwpt, refusal);
        if (r < 0)
                return r;
        ad->is_attached = true;
        held_device_note_attached(ad->device, 1);
        return 0;
}

static int detach_device(struct attachment *a, size_t i, struct refusal *refusal) {
        struct service *s = a->mediation->service;
        struct attached_device *ad = &a->devices[i];
        int r;

        if (!ad->is_attached)
                return 0;
        /* A device that was let go took its attachments with it. */
        r = ad->device->kernel ? s->kernel->ops->detach(s->kernel, ad->device->kernel, a->pasid, refusal) : 0;
        if (r < 0)
                return r;
        ad->is_attached = false;
        held_device_note_attached(ad->device, -1);
        return 0;
}

/* The page table of an earlier device behind the same IOMMU, or a new one. */
static int make_page_table(struct attachment *a, size_t i, struct refusal *refusal) {
        struct service *s = a->mediation->service;
        struct attached_device *ad = &a->devices[i];

        for (size_t k = 0; k < i && ad->device->iommu[0] != '\0'; k++)
                if (strcmp(a->devices[k].device->iommu, ad->device->iommu) == 0) {
                        ad->hwpt = a->devices[k].hwpt;
                        ad->is_shared = true;
                        return 0;
                }
        return s->kernel->ops->hwpt_new(s->kernel, ad->device->kernel, a->ioas, &ad->hwpt, refusal);
}

static int build(struct attachment *a, struct refusal *refusal) {
        struct service *s = a->mediation->service;
        int r;

        for (size_t i = 0; i < a->n_devices; i++)
                if (!a->devices[i].device->kernel)
                        return refuse(refusal, ENXIO, "Device %s is gone; end the consumer, and make another with a device "
                                      "that is there.", a->devices[i].device->address);
        r = s->kernel->ops->ioas_new(s->kernel, &a->ioas, refusal);
        for (size_t i = 0; r >= 0 && i < a->n_devices; i++)
                r = make_page_table(a, i, refusal);
        return r;
}

int attachment_attach(struct attachment *a, struct refusal *refusal) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < a->n_devices; i++)
                r = attach_device(a, i, refusal);
        return r;
}

bool attachment_cut(struct attachment *a) {
        bool is_detached = true;

        for (size_t i = a->n_devices; i-- > 0;) {
                struct refusal refusal = {};

                if (detach_device(a, i, &refusal) >= 0)
                        continue;
                log_error("PASID %u stays attached to device %s: %s", a->pasid, a->devices[i].device->address, refusal.text);
                is_detached = false;
        }
        return is_detached;
}

static struct attachment *attachment_new(struct mediation *m, uint32_t pasid) {
        struct attachment *a;

        a = calloc(1, sizeof(*a) + m->n_devices * sizeof(*a->devices));
        if (!a || radix_hold(&m->attachments, pasid) < 0) {
                free(a);
                return NULL;
        }
        a->mediation = m;
        a->pasid = pasid;
        a->n_devices = m->n_devices;
        for (size_t i = 0; i < a->n_devices; i++)
                a->devices[i].device = m->devices[i];
        return a;
}

static void enter(struct attachment *a) {
        radix_set(&a->mediation->attachments, a->pasid, a);
        a->mediation->n_attachments++;
}

int attachment_make(struct mediation *m, uint32_t pasid, struct attachment **ret, struct refusal *refusal) {
        struct attachment *a = attachment_new(m, pasid);
        int r;

        if (!a)
                return refuse(refusal, ENOMEM, "Out of memory.");
        r = build(a, refusal);
        enter(a);
        if (r < 0)
                (void) attachment_undo(a);
        else
                *ret = a;
        return r;
}

int attachment_adopt(struct mediation *m, uint32_t pasid, uint32_t ioas, struct attachment **ret) {
        struct attachment *a = attachment_new(m, pasid);

        if (!a)
                return -ENOMEM;
        a->ioas = ioas;
        enter(a);
        *ret = a;
        return 0;
}

void attachment_note_shared(struct attachment *a) {
        for (size_t i = 1; i < a->n_devices; i++)
                for (size_t k = 0; k < i; k++)
                        a->devices[i].is_shared = a->devices[i].is_shared || a->devices[k].hwpt == a->devices[i].hwpt;
}

bool attachment_undo(struct attachment *a) {
        a->is_stuck = !attachment_cut(a);
        if (a->is_stuck)
                return false;
        leftovers_add(a);
        return true;
}

void attachment_destroy(struct attachment *a) {
        (void) attachment_cut(a);
        leftovers_add(a);
}

void attachment_take_out(struct attachment *a) {
        struct mediation *m = a->mediation;

        mappings_free(a);
        radix_set(&m->attachments, a->pasid, NULL);
        radix_drop(&m->attachments, a->pasid);
        m->n_attachments--;
}

void attachment_forget(struct attachment *a) {
        attachment_take_out(a);
        free(a);
}

int attachment_detach(struct attachment *a, struct refusal *refusal) {
        for (size_t i = a->n_devices; i-- > 0;) {
                int r = detach_device(a, i, refusal);

                if (r < 0) {
                        (void) attachment_reattach(a, NULL);
                        return r;
                }
        }
        return 0;
}

int attachment_reattach(struct attachment *a, struct refusal *refusal) {
        int r = 0;

        for (size_t i = 0; i < a->n_devices && !a->is_stuck; i++) {
                struct refusal why = {};
                int k;

                if (a->devices[i].is_attached || !a->devices[i].device->kernel)
                        continue;
                k = attach_device(a, i, &why);
                if (k < 0) {
                        log_error("PASID %u could not be attached to device %s again: %s", a->pasid, a->devices[i].device->address, why.text);
                        if (refusal)
                                *refusal = why;
                        r = k;
                }
        }
        return r;
}

int attachment_write(struct store *store, const struct attachment *a, struct refusal *refusal) {
        _cleanup_free_ struct store_attachment_device *devices = NULL;
        struct store_attachment row;

        devices = calloc(a->n_devices + 1, sizeof(*devices));
        if (!devices)
                return refuse(refusal, ENOMEM, "Out of memory.");
        for (size_t i = 0; i < a->n_devices; i++)
                devices[i] = (struct store_attachment_device) {
                        .address = a->devices[i].device->address,
                        .device_id = a->devices[i].device->kernel ? a->devices[i].device->kernel->id : 0,
                        .hwpt = a->devices[i].hwpt,
                };
        row = (struct store_attachment) {
                .consumer = a->mediation->consumer->id,
                .pasid = a->pasid,
                .ioas = a->ioas,
                .devices = devices,
                .n_devices = a->n_devices,
        };
        return store->ops->attachment_add(store, &row, refusal);
}
