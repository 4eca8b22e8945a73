/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a start makes of what an earlier pasidd left: the table's attachments
 * on the one side, the file descriptors that came back on the other, the
 * devices that are there, and who holds what. A pure function: facts in,
 * verdicts out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One number that the table has attached. */
struct reconcile_attachment {
        const char *const *devices; /* addresses, one at least */
        const uint32_t *device_ids; /* of iommufd, one for each */
        size_t n_devices;
        bool is_attached; /* its row says so: else a change was on its way that took it back */
        enum reconcile_holder {
                RECONCILE_HOLDER_IS_THERE,
                RECONCILE_HOLDER_IS_OVER,     /* its consumer is about to end */
                RECONCILE_HOLDER_CANNOT_TELL, /* as well as there: it frees nothing */
        } holder; /* of its consumer */

        /* filled in */
        enum reconcile_verdict {
                RECONCILE_DETACH, /* not attached everywhere any more: detach it where it still is, and say so */
                RECONCILE_KEEP,   /* nothing happened to it */
                RECONCILE_END,    /* the same, but for nobody: it is taken over to be detached by its consumer's end, which can wait */
                RECONCILE_LOSE,   /* a device of it is gone */
        } verdict;
};

/* One device whose descriptor came back. */
struct reconcile_device {
        const char *address;
        bool is_gone; /* not on this machine any more, or not a VFIO device */

        /* filled in */
        bool is_adopted; /* else it is closed, and whatever is attached there goes with it */
        uint32_t id;     /* of iommufd, if it is adopted */
};

/*
 * is_gone: of a device that an attachment names and whose descriptor may have
 * come back or not; userdata is for it. A device is adopted only with an
 * iommufd, for an attachment that is kept, and under one id.
 */
void reconcile(bool has_iommufd, struct reconcile_device *devices, size_t n_devices,
               struct reconcile_attachment *attachments, size_t n_attachments,
               bool (*is_gone)(const char *address, void *userdata), void *userdata);
