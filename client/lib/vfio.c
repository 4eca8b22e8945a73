/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attaching by oneself, through VFIO and iommufd, with the guards that the
 * kernel does not have. Nothing of this goes to the daemon.
 *
 * What was attached is kept in a search tree: VFIO_DEVICE_ATTACH_IOMMUFD_PT
 * replaces an attachment silently, and its opposite succeeds for any number.
 */
#include <search.h>

#include "libpasid-internal.h"

#include "internal/uapi-iommufd.h"
#include "internal/uapi-vfio.h"

struct attachment {
        uint32_t pasid;
        uint32_t hwpt;
        bool is_detached; /* only its page table is left, as it could not be destroyed */
};

struct pasid_vfio {
        int device_fd, iommufd; /* the caller's */
        uint32_t device_id;
        uint32_t max_pasid;
        void *attachments; /* a tree of tsearch(3), by number */
};

DEFINE_CLEANUP(struct pasid_vfio *, pasid_vfio_free);

/* 0, or a negative errno of the kernel. */
static int call_kernel(int fd, unsigned long request, void *argument) {
        int r;

        do
                r = ioctl(fd, request, argument);
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : 0;
}

/* What means the same whatever was called; callers know the rest. No errno of pasid.h may come to mean another thing. */
static int translate(int r) {
        switch (r) {
        case 0:
                return 0;
        case -EBADF:
        case -EBADFD: /* not an iommufd */
                return -EINVAL;
        case -ENODEV:
                return -ENXIO;
        case -EOPNOTSUPP: /* the driver, of the device or of the IOMMU, cannot */
        case -ENOTTY:     /* Linux before 6.6 */
                return -EMEDIUMTYPE;
        case -EAGAIN: /* in reset, both */
        case -EBUSY:
                return -EBUSY;
        case -ENOSPC: /* no room for page tables, or memory that is not there yet: not the pool of PASIDs */
                return -ENOBUFS;
        case -ENOMEM:
                return r;
        default:
                return -EPROTO;
        }
}

static int bind_device(int device_fd, int iommufd, uint32_t *ret_id) {
        struct uapi_vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };
        int r;

        r = call_kernel(device_fd, UAPI_VFIO_DEVICE_BIND_IOMMUFD, &bind);
        switch (r) {
        case 0:
                *ret_id = bind.out_devid;
                return 0;
        case -EINVAL: /* bound, by whatever open of it; or closed, with a BAR that is mapped still */
        case -EPERM:  /* somebody uses another device of the IOMMU group */
                return -EBUSY;
        case -EACCES: /* a VF token that another user has set */
                return -EMEDIUMTYPE;
        case -ENOTTY: /* no VFIO device, as there is no VFIO cdev without this call */
                return -EINVAL;
        default:
                return translate(r);
        }
}

static int get_max_pasid(int iommufd, uint32_t device_id, uint32_t *ret) {
        struct uapi_iommu_hw_info info = { .size = sizeof(info), .dev_id = device_id };
        int r;

        r = call_kernel(iommufd, UAPI_IOMMU_GET_HW_INFO, &info);
        if (r == -ENOENT)
                return -EINVAL;
        if (r < 0)
                return translate(r);
        /* Without scalable mode the kernel takes numbers and does nothing; before 6.15 there is no width either. */
        if (info.out_max_pasid_log2 == 0)
                return -EMEDIUMTYPE;
        /* PCIe r6.0, 6.20 ends at 20 bits, whatever an IOMMU can. */
        *ret = info.out_max_pasid_log2 >= NUMBER_BITS ? NUMBER_MAX : (1U << info.out_max_pasid_log2) - 1;
        return 0;
}

_public_ int pasid_vfio_new_bound(int device_fd, int iommufd, uint32_t device_id, struct pasid_vfio **ret) {
        _cleanup_(pasid_vfio_freep) struct pasid_vfio *vfio = NULL;
        int r;

        if (!ret || device_fd < 0 || iommufd < 0)
                return -EINVAL;
        vfio = calloc(1, sizeof(*vfio));
        if (!vfio)
                return -ENOMEM;
        *vfio = (struct pasid_vfio) { .device_fd = device_fd, .iommufd = iommufd, .device_id = device_id };
        r = get_max_pasid(iommufd, device_id, &vfio->max_pasid);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(vfio);
        return 0;
}

_public_ int pasid_vfio_new(int device_fd, int iommufd, struct pasid_vfio **ret) {
        uint32_t device_id = 0;
        int r;

        if (!ret || device_fd < 0 || iommufd < 0)
                return -EINVAL;
        r = bind_device(device_fd, iommufd, &device_id);
        return r < 0 ? r : pasid_vfio_new_bound(device_fd, iommufd, device_id, ret);
}

_public_ uint32_t pasid_vfio_max_pasid(const struct pasid_vfio *vfio) {
        return vfio ? vfio->max_pasid : 0;
}

_public_ uint32_t pasid_vfio_device_id(const struct pasid_vfio *vfio) {
        return vfio ? vfio->device_id : 0;
}

static int compare(const void *a, const void *b) {
        uint32_t x = ((const struct attachment *) a)->pasid, y = ((const struct attachment *) b)->pasid;

        return x < y ? -1 : x > y;
}

static struct attachment *find_attachment(struct pasid_vfio *vfio, uint32_t pasid) {
        struct attachment key = { .pasid = pasid };
        void *node = tfind(&key, &vfio->attachments, compare);

        return node ? *(struct attachment **) node : NULL;
}

static int hwpt_new(const struct pasid_vfio *vfio, uint32_t ioas_id, uint32_t *ret) {
        struct uapi_iommu_hwpt_alloc alloc = {
                .size = sizeof(alloc),
                .flags = UAPI_IOMMU_HWPT_ALLOC_PASID,
                .dev_id = vfio->device_id,
                .pt_id = ioas_id,
        };
        int r;

        r = call_kernel(vfio->iommufd, UAPI_IOMMU_HWPT_ALLOC, &alloc);
        switch (r) {
        case 0:
                *ret = alloc.out_hwpt_id;
                return 0;
        case -EINVAL:     /* no such IOAS; or, here and below, what is mapped there: its pages are pinned now */
        case -EADDRINUSE:
        case -EFAULT:
                return -EINVAL;
        case -ENOENT: /* the device was closed, and took its id along */
                return -ENXIO;
        case -ENODEV: /* no IOMMU */
                return -EMEDIUMTYPE;
        default:
                return translate(r);
        }
}

static int hwpt_destroy(const struct pasid_vfio *vfio, uint32_t hwpt) {
        struct uapi_iommu_destroy destroy = { .size = sizeof(destroy), .id = hwpt };
        int r;

        r = call_kernel(vfio->iommufd, UAPI_IOMMU_DESTROY, &destroy);
        return r == -ENOENT ? 0 : translate(r);
}

static int device_attach(const struct pasid_vfio *vfio, uint32_t pasid, uint32_t hwpt) {
        struct uapi_vfio_device_attach_iommufd_pt attach = {
                .argsz = sizeof(attach),
                .flags = UAPI_VFIO_DEVICE_ATTACH_PASID,
                .pt_id = hwpt,
                .pasid = pasid,
        };
        int r;

        r = call_kernel(vfio->device_fd, UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
        switch (r) {
        case -EINVAL: /* the RID is attached to a page table without IOMMU_HWPT_ALLOC_PASID */
                return -EMEDIUMTYPE;
        case -ENOENT:
                return -ENXIO;
        default:
                return translate(r);
        }
}

_public_ int pasid_vfio_attach(struct pasid_vfio *vfio, uint32_t pasid, uint32_t ioas_id) {
        _cleanup_free_ struct attachment *attachment = NULL;
        int r;

        if (!vfio)
                return -EINVAL;
        if (pasid < PASID_MIN || pasid > PASID_MAX)
                return -EDOM;
        if (pasid > vfio->max_pasid)
                return -ERANGE;
        if (find_attachment(vfio, pasid))
                return -EADDRINUSE;
        attachment = malloc(sizeof(*attachment));
        if (!attachment)
                return -ENOMEM;
        *attachment = (struct attachment) { .pasid = pasid };
        r = hwpt_new(vfio, ioas_id, &attachment->hwpt);
        if (r < 0)
                return r;
        /* Before the attachment: no failure may leave one that nobody knows of. */
        if (!tsearch(attachment, &vfio->attachments, compare)) {
                (void) hwpt_destroy(vfio, attachment->hwpt);
                return -ENOMEM;
        }
        r = device_attach(vfio, pasid, attachment->hwpt);
        if (r < 0) {
                (void) tdelete(attachment, &vfio->attachments, compare);
                (void) hwpt_destroy(vfio, attachment->hwpt);
                return r;
        }
        (void) TAKE_PTR(attachment);
        return 0;
}

static int device_detach(const struct pasid_vfio *vfio, uint32_t pasid) {
        struct uapi_vfio_device_detach_iommufd_pt detach = {
                .argsz = sizeof(detach),
                .flags = UAPI_VFIO_DEVICE_DETACH_PASID,
                .pasid = pasid,
        };
        int r;

        r = call_kernel(vfio->device_fd, UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach);
        return r == -EINVAL ? -ENXIO : translate(r);
}

_public_ int pasid_vfio_detach(struct pasid_vfio *vfio, uint32_t pasid) {
        struct attachment *attachment;
        int r;

        if (!vfio)
                return -EINVAL;
        if (pasid < PASID_MIN || pasid > PASID_MAX)
                return -EDOM;
        attachment = find_attachment(vfio, pasid);
        if (!attachment)
                return -ENOLINK;
        if (!attachment->is_detached) {
                r = device_detach(vfio, pasid);
                if (r < 0)
                        return r;
                attachment->is_detached = true;
        }
        r = hwpt_destroy(vfio, attachment->hwpt);
        if (r < 0)
                return r;
        (void) tdelete(attachment, &vfio->attachments, compare);
        free(attachment);
        return 0;
}

_public_ struct pasid_vfio *pasid_vfio_free(struct pasid_vfio *vfio) {
        if (!vfio)
                return NULL;
        while (vfio->attachments) {
                struct attachment *attachment = *(struct attachment **) vfio->attachments;

                /* What cannot be undone here ends with the caller's descriptors. */
                if (!attachment->is_detached)
                        (void) device_detach(vfio, attachment->pasid);
                (void) hwpt_destroy(vfio, attachment->hwpt);
                (void) tdelete(attachment, &vfio->attachments, compare);
                free(attachment);
        }
        free(vfio);
        return NULL;
}
