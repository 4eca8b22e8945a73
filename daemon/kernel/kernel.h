/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's side: which devices there are, what they can do, and doing it:
 * page tables, attachments, mappings. Behind a table of operations, so that
 * the service can be tested on a kernel that fails at will. No bus, no SQL.
 */
#pragma once

#include <stdint.h>

#include <systemd/sd-event.h>

#include "core/device.h"
#include "core/refusal.h"

struct kernel;
struct system_calls;

/* A device that pasidd holds: open, bound to pasidd's own iommufd, the RID left unattached (blocked). */
struct kernel_device {
        int fd;             /* the VFIO cdev's */
        uint32_t id;        /* iommufd's object of it */
        uint32_t max_pasid; /* 2^out_max_pasid_log2 - 1 (struct iommu_hw_info), never 0 */
        int request_fd;     /* an eventfd, readable once the kernel wants the device back; -EBADF without */
};

/* Flags of a mapping; the bus and libpasid use the same numbers. */
#define MAP_READ (1U << 0)  /* the device may read */
#define MAP_WRITE (1U << 1) /* the device may write */
#define MAP_FIXED_IOVA (1U << 2) /* at the given address; else the kernel chooses one and the given one must be 0 */

struct kernel_mapping {
        int fd; /* a memfd, or a file of tmpfs or hugetlbfs; stays the caller's */
        uint64_t offset, length; /* bytes in the file, whole pages */
        uint64_t iova;
        uint32_t flags;
};

/* Something about some device may be another now: discover() tells what. */
typedef void (*kernel_changed_t)(void *userdata);

/* How long the kernel took, by kind of call. */
enum kernel_timed {
        KERNEL_TIMED_ATTACH,
        KERNEL_TIMED_DETACH,
        KERNEL_TIMED_BIND,
        KERNEL_TIMED_IOAS,
        KERNEL_TIMED_HWPT,
        KERNEL_TIMED_DESTROY,
        KERNEL_TIMED_MAP,
        KERNEL_TIMED_UNMAP,
        KERNEL_TIMED_OTHER,
        KERNEL_TIMED_MAX_,
};

#define KERNEL_TIMING_BUCKETS 7U

struct kernel_timings {
        const uint64_t *bounds; /* each bucket's highest time, in nanoseconds; the last one has none */
        struct kernel_timing {
                uint64_t buckets[KERNEL_TIMING_BUCKETS]; /* calls, each in one */
                uint64_t nsec;                           /* all of them together */
                uint64_t n_failed;
        } calls[KERNEL_TIMED_MAX_];
};

/*
 * Each that can fail returns 0 or a negative errno of include/internal/errors.h, with the sentence in refusal (NULL is
 * fine): the kernel's own errnos never pass through untranslated. Ids are iommufd's objects; 0 is none.
 * -EBUSY is always worth another try a little later.
 */
struct kernel_ops {
        /*
         * All PCI devices that have a PASID capability, a vfio driver or an IOMMU group, bridges left out: whatever
         * an administrator may ask "why can't I use it" about. Sorted by address; *ret is the caller's. No PCI
         * at all is an empty list.
         */
        int (*discover)(struct kernel *k, struct device_list *ret, struct refusal *refusal);
        /* Follows the kernel's news of PCI and VFIO devices in the event loop until free(). Once only. */
        int (*watch)(struct kernel *k, sd_event *event, kernel_changed_t callback, void *userdata,
                     struct refusal *refusal);

        /*
         * Opens the cdev, binds it, asks for the width. *ret is device_close()'s.
         * DeviceBusy: somebody else has it or its group bound, or it is in reset; DeviceGone: no cdev any more;
         * DeviceUnusable: no /dev/iommu, an IOMMU that cannot tag PASIDs here (width 0: the kernel would accept
         * attachments and do nothing), a driver without PASID attach, or pasidd itself may not open it.
         */
        int (*device_open)(struct kernel *k, const struct device_info *info, struct kernel_device **ret,
                           struct refusal *refusal);
        /*
         * What an earlier pasidd had opened, after set_iommufd(): fd (taken over on success only) and id. DeviceGone if
         * the fd is of no bound device or the id of none on the iommufd; that both are of the same one is the caller's.
         */
        int (*device_adopt)(struct kernel *k, int fd, uint32_t id, struct kernel_device **ret,
                            struct refusal *refusal);
        /* Takes all attachments of the device with it. NULL is fine; returns NULL. */
        struct kernel_device *(*device_close)(struct kernel *k, struct kernel_device *d);

        int (*ioas_new)(struct kernel *k, uint32_t *ret, struct refusal *refusal);
        /* A page table that PASIDs can be attached to (IOMMU_HWPT_ALLOC_PASID), over an IOAS, for the IOMMU of d. */
        int (*hwpt_new)(struct kernel *k, const struct kernel_device *d, uint32_t ioas, uint32_t *ret,
                        struct refusal *refusal);
        /* DeviceBusy: still in use. 1: the id is of nothing, which is as good; but the kernel gives ids again. */
        int (*destroy)(struct kernel *k, uint32_t id, struct refusal *refusal);

        /*
         * The kernel silently replaces an attachment, and takes PASID 0 for the RID: the caller must know that the
         * number is not attached on d. Numbers outside 1..d->max_pasid are refused here (OutOfRange).
         * DeviceBusy: in reset; DeviceGone; DeviceUnusable: the driver or IOMMU cannot.
         */
        int (*attach)(struct kernel *k, const struct kernel_device *d, uint32_t pasid, uint32_t hwpt,
                      struct refusal *refusal);
        /* Succeeds for a number that is not attached, too: the kernel does. */
        int (*detach)(struct kernel *k, const struct kernel_device *d, uint32_t pasid, struct refusal *refusal);

        /*
         * The memory is checked first, because the kernel looks neither at the fd's open mode nor at its seals:
         * InvalidArgs for what is no memfd, tmpfs or hugetlbfs file, for a writeable map of an O_RDONLY fd or an
         * F_SEAL_WRITE / F_SEAL_FUTURE_WRITE memfd, for an fd that can't be read, for a memfd without F_SEAL_SHRINK,
         * for lengths, offsets and addresses that are not whole pages, empty, past the end of the file or beyond the
         * address width. AlreadyAllocated: the address range is (in part) mapped. LimitsExceeded: no room for it.
         * NotAttached: no such address space.
         */
        int (*map_file)(struct kernel *k, uint32_t ioas, const struct kernel_mapping *m, uint64_t *ret_iova,
                        struct refusal *refusal);
        /*
         * Whole mappings only: InvalidArgs where there is none, or for a part of one. Name one at a time: where a range
         * ends within the second, the kernel has unmapped the first before it refuses.
         */
        int (*unmap)(struct kernel *k, uint32_t ioas, uint64_t iova, uint64_t length, uint64_t *ret_unmapped,
                     struct refusal *refusal);

        /* For a tenant that attaches by itself: an unbound cdev fd and a fresh iommufd. As device_open() else. */
        int (*open_for_tenant)(struct kernel *k, const struct device_info *info, int *ret_device, int *ret_iommufd,
                               struct refusal *refusal);
        /* pasidd's own iommufd for the fd store, opened if need be; it stays the kernel layer's. */
        int (*get_iommufd)(struct kernel *k, int *ret, struct refusal *refusal);
        /* The one of an earlier pasidd, taken over on success; before any other is needed. */
        int (*set_iommufd)(struct kernel *k, int fd, struct refusal *refusal);
        /*
         * The numbers that the IOMMU's own tables have for a device (debugfs), ascending; *ret is the caller's to
         * free(). Unsupported where the kernel doesn't show them; DeviceGone; AccessDenied.
         */
        int (*list_attached)(struct kernel *k, const char *address, uint32_t **ret, size_t *ret_n,
                             struct refusal *refusal);

        /*
         * The kernel gives PASIDs out itself, one for all devices, from 1 upward (iommu_alloc_global_pasid()): to processes,
         * on a CPU with enqcmd. May be NULL: it doesn't.
         */
        bool (*gives_pasids)(struct kernel *k);

        /* Since kernel_new(); lives as long as k. May be NULL: nobody measures. */
        const struct kernel_timings *(*get_timings)(const struct kernel *k);

        struct kernel *(*free)(struct kernel *k);
};

struct kernel {
        const struct kernel_ops *ops;
};

/* NULL for the usual. */
struct kernel_params {
        const char *sysfs;   /* "/sys"; at most 512 bytes */
        const char *procfs;  /* "/proc" */
        const char *debugfs; /* "kernel/debug" in sysfs; at most 512 bytes */
        const char *dev;     /* "/dev" */
        const char *pci_ids; /* the names' data base; libpci's own */
        const struct system_calls *calls; /* the real ones; must stay until free() */
};

int kernel_new(const struct kernel_params *params, struct kernel **ret, struct refusal *refusal);
