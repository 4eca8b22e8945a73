/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trees of sysfs and procfs for tests, built by tests/data/mk-sysfs.sh from a
 * description (its syntax is explained there) and then bent by hand.
 */
#pragma once

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/device.h"
#include "kernel/kernel.h"

struct tree {
        char path[64];
        struct kernel *kernel;
        struct device_list list;
};

/* The parts that nearly every test needs. */
#define TREE_ECAP "99800f050df" /* scalable mode, 20 bits */
#define TREE_HOST "kernel 6.18.0 intel_iommu=on,sm_on\niommufd\niommu dmar0 intel " TREE_ECAP "\n"
#define TREE_READY "driver=vfio-pci iommu=dmar0 "

static inline void tree_add(struct tree *tree, const char *description) {
        const char *srcdir = getenv("top_srcdir");
        char *command;
        FILE *pipe;

        ck_assert_int_ge(asprintf(&command, "sh '%s/tests/data/mk-sysfs.sh' '%s' %s", srcdir ? srcdir : ".",
                                  tree->path, description ? "-" : ""), 0);
        pipe = popen(command, "w");
        ck_assert_ptr_nonnull(pipe);
        if (description)
                (void) fputs(description, pipe);
        ck_assert_int_eq(pclose(pipe), 0);
        free(command);
}

/* description: NULL for the script's own machine. */
static inline void tree_init(struct tree *tree, const char *description) {
        *tree = (struct tree) {};
        (void) snprintf(tree->path, sizeof(tree->path), "/tmp/pasidd-tree-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(tree->path));
        tree_add(tree, description);
}

static inline int tree_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) st;
        (void) type;
        (void) ftw;
        return remove(path);
}

static inline void tree_deinit(struct tree *tree) {
        device_list_done(&tree->list);
        if (tree->kernel)
                tree->kernel->ops->free(tree->kernel);
        tree->kernel = NULL;
        (void) nftw(tree->path, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path inside the tree; valid until the next call. */
static inline const char *tree_path(const struct tree *tree, const char *relative) {
        static char path[PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s/%s", tree->path, relative);
        return path;
}

static inline void tree_write(const struct tree *tree, const char *relative, const void *data, size_t size) {
        int fd = open(tree_path(tree, relative), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, data, size), (ssize_t) size);
        ck_assert_int_eq(close(fd), 0);
}

static inline void tree_write_at(const struct tree *tree, const char *relative, off_t offset, const void *data,
                                 size_t size) {
        int fd = open(tree_path(tree, relative), O_WRONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(pwrite(fd, data, size, offset), (ssize_t) size);
        ck_assert_int_eq(close(fd), 0);
}

static inline void tree_unlink(const struct tree *tree, const char *relative) {
        ck_assert_int_eq(unlink(tree_path(tree, relative)), 0);
}

/* Looks (again) at the tree; the list is the tree's. */
static inline int tree_discover(struct tree *tree, struct refusal *refusal) {
        char sysfs[80], procfs[80], ids[80];
        const struct kernel_params params = { .sysfs = sysfs, .procfs = procfs, .dev = "/dev-of-a-test", .pci_ids = ids };

        (void) snprintf(sysfs, sizeof(sysfs), "%s/sys", tree->path);
        (void) snprintf(procfs, sizeof(procfs), "%s/proc", tree->path);
        (void) snprintf(ids, sizeof(ids), "%s/pci.ids", tree->path);
        if (!tree->kernel)
                ck_assert_int_eq(kernel_new(&params, &tree->kernel, refusal), 0);
        device_list_done(&tree->list);
        return tree->kernel->ops->discover(tree->kernel, &tree->list, refusal);
}

static inline const struct device_info *tree_device(struct tree *tree, const char *address) {
        const struct device_info *device;
        struct refusal refusal = {};

        ck_assert_msg(tree_discover(tree, &refusal) == 0, "%s", refusal.text);
        device = device_list_find(&tree->list, address);
        ck_assert_msg(device != NULL, "%s is not listed", address);
        return device;
}
