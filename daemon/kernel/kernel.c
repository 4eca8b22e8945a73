/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel layer on a real kernel: its table of operations, what all of
 * them share, and its lifetime.
 */
#include "kernel/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal/cleanup.h"
#include "kernel/debugfs.h"
#include "kernel/discover.h"
#include "kernel/host.h"
#include "kernel/iommufd.h"
#include "kernel/measure.h"
#include "kernel/monitor.h"
#include "kernel/open.h"
#include "kernel/pcilib.h"
#include "kernel/vfio-cdev.h"

struct linux_kernel {
        struct kernel kernel; /* first, so that ops can get back */
        char *sysfs;
        char *procfs;
        char *debugfs;
        char *dev;
        char *pci_ids; /* NULL: libpci's own */
        struct measured_calls measured;
        const struct system_calls *calls; /* those */
        int iommufd; /* the one that all of pasidd's devices are bound to; -EBADF until it is needed */
        struct monitor *monitor;
};

static struct linux_kernel *get(struct kernel *k) {
        return (struct linux_kernel *) k;
}

static int linux_discover(struct kernel *k, struct device_list *ret, struct refusal *refusal) {
        const struct linux_kernel *l = get(k);
        const struct kernel_params params = {
                .sysfs = l->sysfs,
                .procfs = l->procfs,
                .dev = l->dev,
                .pci_ids = l->pci_ids,
        };

        return discover_devices(&params, ret, refusal);
}

static int linux_watch(struct kernel *k, sd_event *event, kernel_changed_t callback, void *userdata,
                       struct refusal *refusal) {
        struct linux_kernel *l = get(k);

        if (l->monitor)
                return refuse(refusal, EINVAL, "The kernel's news of devices are followed already.");
        return monitor_new(event, MONITOR_UDEV_CONTROL, callback, userdata, &l->monitor, refusal);
}

static int linux_get_iommufd(struct kernel *k, int *ret, struct refusal *refusal) {
        struct linux_kernel *l = get(k);
        int r;

        if (l->iommufd < 0) {
                r = iommufd_open(l->calls, l->dev, &l->iommufd, refusal);
                if (r < 0)
                        return r;
        }
        *ret = l->iommufd;
        return 0;
}

static int linux_set_iommufd(struct kernel *k, int fd, struct refusal *refusal) {
        struct linux_kernel *l = get(k);
        int r;

        if (l->iommufd >= 0)
                return refuse(refusal, EINVAL, "An fd of /dev/iommu was to be taken over, but there is one already.");
        r = iommufd_check(l->calls, fd, refusal);
        if (r < 0)
                return r;
        l->iommufd = fd;
        return 0;
}

static int linux_device_open(struct kernel *k, const struct device_info *info, struct kernel_device **ret,
                             struct refusal *refusal) {
        struct linux_kernel *l = get(k);
        bool is_first = l->iommufd < 0;
        int r, iommufd;

        r = linux_get_iommufd(k, &iommufd, refusal);
        if (r < 0)
                return r;
        r = open_device_new(l->calls, iommufd, l->sysfs, info, ret, refusal);
        if (r < 0 && is_first) {
                l->calls->close(l->calls, l->iommufd);
                l->iommufd = -EBADF;
        }
        return r;
}

static int linux_device_adopt(struct kernel *k, int fd, uint32_t id, struct kernel_device **ret,
                              struct refusal *refusal) {
        const struct linux_kernel *l = get(k);

        return open_device_adopt(l->calls, l->iommufd, l->sysfs, fd, id, ret, refusal);
}

static struct kernel_device *linux_device_close(struct kernel *k, struct kernel_device *d) {
        return open_device_free(get(k)->calls, d);
}

/* Objects are in an iommufd: who names one before there is any gets the kernel's answer to a new one. */
static int linux_ioas_new(struct kernel *k, uint32_t *ret, struct refusal *refusal) {
        int r, iommufd;

        r = linux_get_iommufd(k, &iommufd, refusal);
        return r < 0 ? r : iommufd_ioas_new(get(k)->calls, iommufd, ret, refusal);
}

static int linux_hwpt_new(struct kernel *k, const struct kernel_device *d, uint32_t ioas, uint32_t *ret,
                          struct refusal *refusal) {
        return iommufd_hwpt_new(get(k)->calls, get(k)->iommufd, d->id, ioas, ret, refusal);
}

static int linux_destroy(struct kernel *k, uint32_t id, struct refusal *refusal) {
        int r, iommufd;

        r = linux_get_iommufd(k, &iommufd, refusal);
        return r < 0 ? r : iommufd_destroy(get(k)->calls, iommufd, id, refusal);
}

static int linux_attach(struct kernel *k, const struct kernel_device *d, uint32_t pasid, uint32_t hwpt,
                        struct refusal *refusal) {
        return vfio_cdev_attach(get(k)->calls, d->fd, open_device_of(d)->address, pasid, d->max_pasid, hwpt, refusal);
}

static int linux_detach(struct kernel *k, const struct kernel_device *d, uint32_t pasid, struct refusal *refusal) {
        return vfio_cdev_detach(get(k)->calls, d->fd, open_device_of(d)->address, pasid, d->max_pasid, refusal);
}

static int linux_map_file(struct kernel *k, uint32_t ioas, const struct kernel_mapping *m, uint64_t *ret_iova,
                          struct refusal *refusal) {
        int r, iommufd;

        r = linux_get_iommufd(k, &iommufd, refusal);
        return r < 0 ? r : iommufd_map_file(get(k)->calls, iommufd, ioas, m, ret_iova, refusal);
}

static int linux_unmap(struct kernel *k, uint32_t ioas, uint64_t iova, uint64_t length, uint64_t *ret_unmapped,
                       struct refusal *refusal) {
        int r, iommufd;

        r = linux_get_iommufd(k, &iommufd, refusal);
        return r < 0 ? r : iommufd_unmap(get(k)->calls, iommufd, ioas, iova, length, ret_unmapped, refusal);
}

static int linux_open_for_tenant(struct kernel *k, const struct device_info *info, int *ret_device, int *ret_iommufd,
                                 struct refusal *refusal) {
        const struct linux_kernel *l = get(k);

        return open_for_tenant(l->calls, l->dev, l->sysfs, info, ret_device, ret_iommufd, refusal);
}

static bool linux_gives_pasids(struct kernel *k) {
        return host_gives_pasids(get(k)->sysfs, get(k)->procfs);
}

static int linux_list_attached(struct kernel *k, const char *address, uint32_t **ret, size_t *ret_n,
                               struct refusal *refusal) {
        return debugfs_list_attached(get(k)->debugfs, address, ret, ret_n, refusal);
}

static struct kernel *linux_free(struct kernel *k) {
        struct linux_kernel *l = get(k);

        if (!l)
                return NULL;
        monitor_free(l->monitor);
        if (l->iommufd >= 0)
                l->calls->close(l->calls, l->iommufd);
        free(l->sysfs);
        free(l->procfs);
        free(l->debugfs);
        free(l->dev);
        free(l->pci_ids);
        free(l);
        return NULL;
}

static const struct kernel_timings *linux_get_timings(const struct kernel *k) {
        return &((const struct linux_kernel *) k)->measured.timings;
}

static const struct kernel_ops linux_ops = {
        .discover = linux_discover,
        .watch = linux_watch,
        .device_open = linux_device_open,
        .device_adopt = linux_device_adopt,
        .device_close = linux_device_close,
        .ioas_new = linux_ioas_new,
        .hwpt_new = linux_hwpt_new,
        .destroy = linux_destroy,
        .attach = linux_attach,
        .detach = linux_detach,
        .map_file = linux_map_file,
        .unmap = linux_unmap,
        .open_for_tenant = linux_open_for_tenant,
        .get_iommufd = linux_get_iommufd,
        .set_iommufd = linux_set_iommufd,
        .list_attached = linux_list_attached,
        .gives_pasids = linux_gives_pasids,
        .get_timings = linux_get_timings,
        .free = linux_free,
};

/* Paths of files beneath these are put together in PATH_MAX bytes. */
static int check_path(const char *path, const char *name, struct refusal *refusal) {
        if (path && strlen(path) > PCILIB_SYSFS_MAX)
                return refuse(refusal, EINVAL, "the %s directory's path has more than %u bytes: give a shorter one",
                              name, PCILIB_SYSFS_MAX);
        return 0;
}

int kernel_new(const struct kernel_params *params, struct kernel **ret, struct refusal *refusal) {
        struct linux_kernel *l;
        int r;

        r = check_path(params->sysfs, "sysfs", refusal);
        if (r == 0)
                r = check_path(params->dev, "device", refusal);
        if (r == 0)
                r = check_path(params->debugfs, "debugfs", refusal);
        if (r < 0)
                return r;
        l = calloc(1, sizeof(*l));
        if (!l)
                return refuse(refusal, ENOMEM, "out of memory");
        l->kernel.ops = &linux_ops;
        measure_init(&l->measured, params->calls ? params->calls : &system_calls_real);
        l->calls = &l->measured.calls;
        l->iommufd = -EBADF;
        l->sysfs = strdup(params->sysfs ? params->sysfs : "/sys");
        l->procfs = strdup(params->procfs ? params->procfs : "/proc");
        l->dev = strdup(params->dev ? params->dev : "/dev");
        l->pci_ids = params->pci_ids ? strdup(params->pci_ids) : NULL;
        if (params->debugfs)
                l->debugfs = strdup(params->debugfs);
        else if (l->sysfs && asprintf(&l->debugfs, "%s/kernel/debug", l->sysfs) < 0)
                l->debugfs = NULL;
        if (!l->sysfs || !l->procfs || !l->debugfs || !l->dev || (params->pci_ids && !l->pci_ids)) {
                (void) linux_free(&l->kernel);
                return refuse(refusal, ENOMEM, "out of memory");
        }
        *ret = &l->kernel;
        return 0;
}
