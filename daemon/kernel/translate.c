/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of the kernel's answers. Causes are those of Linux 6.15 to 7.3:
 * drivers/vfio, drivers/iommu/iommufd and drivers/iommu/iommu.c.
 */
#include "kernel/translate.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct answer {
        int kernel;           /* positive errno; 0 ends the list */
        int code;             /* of include/internal/errors.h */
        const char *obstacle; /* what stood in the way; what would help */
        bool is_passing;      /* struct refusal's */
};

#define TOO_OLD "the kernel is too old to attach PASIDs for user space; boot Linux 6.15 or newer"
#define NO_IOMMUFD "the kernel has no /dev/iommu; load the iommufd module, or boot a kernel built with CONFIG_IOMMUFD"
#define NO_CDEV "its VFIO device node is gone, since it was unplugged or unbound from its driver; bind it again"
#define NOT_BOUND "the kernel does not have it bound any more; detach what is left there and let it be opened again"
#define NO_SPACE_LEFT "its address space is not in the kernel any more; detach the PASID and attach it again"

/* Who may not is pasidd here: AccessDenied is for those who ask it. */
static const struct answer open_iommufd_answers[] = {
        { ENOENT, EMEDIUMTYPE, NO_IOMMUFD },
        { ENODEV, EMEDIUMTYPE, NO_IOMMUFD },
        { ENXIO, EMEDIUMTYPE, NO_IOMMUFD },
        { EACCES, EMEDIUMTYPE, "pasidd may not open it; run it as root, or give its user and its unit (DeviceAllow=) "
          "access" },
        { EPERM, EMEDIUMTYPE, "pasidd's unit may not open it; let DeviceAllow= name /dev/iommu, and restart "
          "pasidd if the module iommufd came later than it" },
        {},
};

static const struct answer open_cdev_answers[] = {
        { ENOENT, ENXIO, NO_CDEV },
        { ENODEV, ENXIO, NO_CDEV },
        { ENXIO, ENXIO, NO_CDEV },
        { EACCES, EMEDIUMTYPE, "pasidd may not open its VFIO device node; run it as root, or give its user access" },
        /* A device cgroup, or vfio's no-IOMMU mode without CAP_SYS_RAWIO. */
        { EPERM, EMEDIUMTYPE, "pasidd's unit may not open its VFIO device node; let DeviceAllow= name char-vfio-dev, "
          "and restart pasidd if the module vfio came later than it" },
        {},
};

/* EPERM is told apart where it comes up: see vfio-cdev.c. */
static const struct answer bind_answers[] = {
        /* vfio_df_open(): open_count != 0. A BAR that is still mapped keeps a closed device open. */
        { EINVAL, EBUSY, "somebody else has it bound, such as a VM manager, another user of VFIO, or one that ended "
          "and left its memory mapped; end that one, then try again" },
        /* vfio_device_block_group(), __iommu_take_dma_ownership(); recovery_cnt, as with attach */
        { EBUSY, EBUSY, "its IOMMU group is in use, such as through /dev/vfio/GROUP by a VM manager, or being reset; "
          "end that one, or try again a little later", true },
        { EAGAIN, EBUSY, "it is being reset; try again a little later", true },
        { EACCES, EMEDIUMTYPE, "it shares a VF token with its physical or virtual functions that another user has "
          "set; use them without a token, or bind the physical function to its own driver" },
        { ENODEV, ENXIO, NO_CDEV },
        { ENOTTY, EMEDIUMTYPE, TOO_OLD },
        {},
};

static const struct answer width_answers[] = {
        { ENOENT, ENXIO, NOT_BOUND },
        { EOPNOTSUPP, EMEDIUMTYPE, "it is used without an IOMMU (vfio's unsafe no-IOMMU mode); turn the IOMMU on in "
          "the firmware and the kernel" },
        { ENODEV, EMEDIUMTYPE, "it has no IOMMU; turn the IOMMU on in the firmware and the kernel" },
        { ENOTTY, EMEDIUMTYPE, TOO_OLD },
        {},
};

static const struct answer probe_answers[] = {
        { EOPNOTSUPP, EMEDIUMTYPE, "its driver has no PASID operations; hand it to plain vfio-pci" },
        { EINVAL, EMEDIUMTYPE, TOO_OLD },
        { ENOTTY, EMEDIUMTYPE, TOO_OLD },
        {},
};

static const struct answer adopt_answers[] = {
        { ENOENT, ENXIO, NOT_BOUND },
        { ENOTTY, ENXIO, "what was kept is no fd of its kind; let the device be opened again" },
        { EINVAL, ENXIO, NOT_BOUND },
        { ENODEV, ENXIO, NOT_BOUND },
        { EBADF, ENXIO, "what was kept is no open fd; let the device be opened again" },
        {},
};

static const struct answer ioas_answers[] = {
        { ENOTTY, EOPNOTSUPP, TOO_OLD },
        {},
};

static const struct answer hwpt_answers[] = {
        { ENOENT, ENXIO, NOT_BOUND },
        /* The pages of what is mapped are pinned now: iopt_table_add_domain(). */
        { EINVAL, EINVAL, "memory that is mapped there can't be pinned, since its file has shrunk or lies beyond the "
          "IOMMU's address width; unmap it first" },
        { EADDRINUSE, EINVAL, "memory that is mapped there covers addresses which the IOMMU keeps for itself; unmap "
          "it first" },
        { EFAULT, EINVAL, "memory that is mapped there can't be pinned; unmap it first" },
        { ENOSPC, ENOBUFS, "memory that is mapped there can't be pinned, since its file system is full; make room "
          "there, or unmap it" },
        { EOPNOTSUPP, EMEDIUMTYPE, "the kernel or its driver for this IOMMU has no page tables for PASIDs; boot Linux "
          "6.15 or newer, on a host with an Intel IOMMU in scalable mode or an Arm SMMUv3" },
        { ENODEV, EMEDIUMTYPE, "it has no IOMMU; turn the IOMMU on in the firmware and the kernel" },
        { ENOTTY, EMEDIUMTYPE, TOO_OLD },
        {},
};

static const struct answer destroy_answers[] = {
        { EBUSY, EBUSY, "the kernel still uses it; detach what is attached to it first" },
        { ENOTTY, EOPNOTSUPP, TOO_OLD },
        {},
};

static const struct answer attach_answers[] = {
        /* iommu_attach_device_pasid(): recovery_cnt, or the group's pasid_array has the number for a kernel user */
        { EBUSY, EBUSY, "the device is being reset, or a driver of its IOMMU group uses the number; try again a "
          "little later", true },
        { EAGAIN, EBUSY, "the device is being reset; try again a little later", true },
        /* domain_attach_iommu() of Intel's driver, and the IDA of vfio: never the pool of PASIDs */
        { ENOSPC, ENOBUFS, "the IOMMU has no room for another page table; detach some other PASIDs first" },
        /* iommufd_hw_pagetable_attach(): one page table for a number in the whole group */
        { EINVAL, EMEDIUMTYPE, "the page table does not suit the IOMMU, or a device of the same IOMMU group is "
          "narrower or has the number on another page table; use another number, or another device" },
        { EOPNOTSUPP, EMEDIUMTYPE, "the device's driver or the kernel's driver for its IOMMU can't attach PASIDs for "
          "user space; use plain vfio-pci on a host with an Intel IOMMU in scalable mode or an Arm SMMUv3" },
        { ENOTTY, EMEDIUMTYPE, TOO_OLD },
        { ENOENT, ENXIO, "its page table is not in the kernel any more; detach the PASID and attach it again" },
        { ENODEV, ENXIO, NOT_BOUND },
        { EBADF, ENXIO, NOT_BOUND },
        {},
};

static const struct answer detach_answers[] = {
        { EINVAL, ENXIO, NOT_BOUND },
        { ENODEV, ENXIO, NOT_BOUND },
        { EBADF, ENXIO, NOT_BOUND },
        { EOPNOTSUPP, EMEDIUMTYPE, "the device's driver has no PASID operations; hand it to plain vfio-pci" },
        { ENOTTY, EMEDIUMTYPE, TOO_OLD },
        {},
};

static const struct answer map_answers[] = {
        { EEXIST, EADDRINUSE, "something is mapped there already, at least in part; unmap it first, or choose other "
          "addresses" },
        { EINVAL, EINVAL, "the addresses are beyond the IOMMU's width or kept for itself, or the file has just "
          "shrunk; choose lower addresses, or let the kernel choose" },
        { EOVERFLOW, EINVAL, "the addresses go beyond the last one; choose lower ones" },
        { EPERM, EINVAL, "the file can't be written to; map it for reading only" },
        { EFAULT, EINVAL, "the kernel can't reach its pages; pass a memfd that holds memory" },
        /* memfd_pin_folios() fills holes; else iopt_alloc_iova() found no room. */
        { ENOSPC, ENOBUFS, "there is no room, in the address space or in the file's own file system; unmap something, "
          "or make room there" },
        { ENOMEM, ENOMEM, "there is no memory to pin it, or pasidd's limit is reached (LimitMEMLOCK= of its unit, "
          "lifted by CAP_IPC_LOCK); map less, or raise that" },
        { EBUSY, EBUSY, "its pages are being moved; try again a little later" },
        { ENOENT, ENOLINK, NO_SPACE_LEFT },
        { EOPNOTSUPP, EOPNOTSUPP, "the kernel maps no such memory; pass a memfd" },
        { ENOTTY, EOPNOTSUPP, "the kernel is too old to map files for devices; boot Linux 6.15 or newer" },
        {},
};

static const struct answer unmap_answers[] = {
        { ENOENT, EINVAL, "nothing is mapped there, or only part of a mapping is named; name whole mappings as they "
          "were made" },
        { EINVAL, EINVAL, "only part of a mapping is named; name whole mappings as they were made" },
        { EOVERFLOW, EINVAL, "the addresses go beyond the last one; name whole mappings as they were made" },
        { EBUSY, EBUSY, "it is just being mapped or used; try again a little later" },
        { ENOTTY, EOPNOTSUPP, TOO_OLD },
        {},
};

/* What no list has. */
static const struct answer common_answers[] = {
        { ENOMEM, ENOMEM, "the kernel has no memory left; try again later" },
        { EMFILE, ENOBUFS, "pasidd has too many open files; raise LimitNOFILE= in its unit" },
        { ENFILE, ENOBUFS, "the host has too many open files; raise fs.file-max" },
        { EDQUOT, ENOBUFS, "a limit of the kernel is reached; use less" },
        {},
};

static const struct {
        const struct answer *answers;
        int otherwise; /* code for an errno that no list has */
} calls[N_KERNEL_CALLS] = {
        [KERNEL_CALL_OPEN_IOMMUFD] = { open_iommufd_answers, EMEDIUMTYPE },
        [KERNEL_CALL_OPEN_CDEV] = { open_cdev_answers, EMEDIUMTYPE },
        [KERNEL_CALL_BIND] = { bind_answers, EMEDIUMTYPE },
        [KERNEL_CALL_WIDTH] = { width_answers, EMEDIUMTYPE },
        [KERNEL_CALL_PROBE] = { probe_answers, EMEDIUMTYPE },
        [KERNEL_CALL_REQUEST] = { common_answers, EMEDIUMTYPE },
        [KERNEL_CALL_ADOPT] = { adopt_answers, ENXIO },
        [KERNEL_CALL_IOAS] = { ioas_answers, EOPNOTSUPP },
        [KERNEL_CALL_HWPT] = { hwpt_answers, EMEDIUMTYPE },
        [KERNEL_CALL_DESTROY] = { destroy_answers, EOPNOTSUPP },
        [KERNEL_CALL_ATTACH] = { attach_answers, EMEDIUMTYPE },
        [KERNEL_CALL_DETACH] = { detach_answers, EMEDIUMTYPE },
        [KERNEL_CALL_MAP] = { map_answers, EOPNOTSUPP },
        [KERNEL_CALL_UNMAP] = { unmap_answers, EOPNOTSUPP },
};

static const struct answer *find(const struct answer *answers, int kernel) {
        for (; answers->kernel != 0; answers++)
                if (answers->kernel == kernel)
                        return answers;
        return NULL;
}

int translate(enum kernel_call call, int r, struct refusal *refusal, const char *format, ...) {
        const struct answer *answer;
        char asked[160];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(asked, sizeof(asked), format, ap);
        va_end(ap);
        answer = find(calls[call].answers, -r);
        if (!answer)
                answer = find(common_answers, -r);
        if (answer) {
                r = refuse(refusal, answer->code, "%s, but %s.", asked, answer->obstacle);
                if (refusal)
                        refusal->is_passing = answer->is_passing;
                return r;
        }
        return refuse(refusal, calls[call].otherwise, "%s, but the kernel answered \"%s\"; its log may tell more.",
                      asked,
                      strerror(-r));
}
