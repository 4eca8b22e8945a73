/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel layer on a real kernel: its table of operations and its lifetime.
 */
#include "kernel/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal/cleanup.h"
#include "kernel/discover.h"
#include "kernel/pcilib.h"

struct linux_kernel {
        struct kernel kernel; /* first, so that ops can get back */
        char *sysfs;
        char *procfs;
        char *dev;
        char *pci_ids; /* NULL: libpci's own */
};

static int linux_discover(struct kernel *k, struct device_list *ret, struct refusal *refusal) {
        const struct linux_kernel *linux_kernel = (const struct linux_kernel *) k;
        const struct kernel_params params = {
                .sysfs = linux_kernel->sysfs,
                .procfs = linux_kernel->procfs,
                .dev = linux_kernel->dev,
                .pci_ids = linux_kernel->pci_ids,
        };

        return discover_devices(&params, ret, refusal);
}

static struct kernel *linux_free(struct kernel *k) {
        struct linux_kernel *linux_kernel = (struct linux_kernel *) k;

        if (!linux_kernel)
                return NULL;
        free(linux_kernel->sysfs);
        free(linux_kernel->procfs);
        free(linux_kernel->dev);
        free(linux_kernel->pci_ids);
        free(linux_kernel);
        return NULL;
}

static const struct kernel_ops linux_ops = {
        .discover = linux_discover,
        .free = linux_free,
};

int kernel_new(const struct kernel_params *params, struct kernel **ret, struct refusal *refusal) {
        struct linux_kernel *k;

        if (params->sysfs && strlen(params->sysfs) > PCILIB_SYSFS_MAX)
                return refuse(refusal, EINVAL, "the sysfs directory's path has more than %u bytes: give a shorter one",
                              PCILIB_SYSFS_MAX);
        k = calloc(1, sizeof(*k));
        if (!k)
                return refuse(refusal, ENOMEM, "out of memory");
        k->kernel.ops = &linux_ops;
        k->sysfs = strdup(params->sysfs ? params->sysfs : "/sys");
        k->procfs = strdup(params->procfs ? params->procfs : "/proc");
        k->dev = strdup(params->dev ? params->dev : "/dev");
        k->pci_ids = params->pci_ids ? strdup(params->pci_ids) : NULL;
        if (!k->sysfs || !k->procfs || !k->dev || (params->pci_ids && !k->pci_ids)) {
                (void) linux_free(&k->kernel);
                return refuse(refusal, ENOMEM, "out of memory");
        }
        *ret = &k->kernel;
        return 0;
}
