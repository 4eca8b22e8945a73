/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Discovery: which devices are listed, with which facts, on whole trees, on
 * damaged ones, on none, on large ones, and on the machine of the test.
 */
#include "suite.h"

#include <errno.h>
#include <sys/resource.h>
#include <time.h>

#include "sysfs-tree.h"

#define DEVICE "sys/devices/pci0000:00/0000:01:00.0/"

START_TEST(machine) {
        struct refusal refusal = {};
        const struct device_info *d;
        struct tree tree;

        tree_init(&tree, NULL);
        ck_assert_int_eq(tree_discover(&tree, &refusal), 0);
        ck_assert_uint_eq(tree.list.n_devices, 4); /* neither host bridge nor root port */
        d = &tree.list.devices[0];
        ck_assert_str_eq(d->address, "0000:01:00.0");
        ck_assert_uint_eq(d->pci.bus, 1);
        ck_assert_str_eq(d->name, "Device 0bad:0001");
        ck_assert_str_eq(d->driver, "vfio-pci");
        ck_assert_str_eq(d->cdev, "/dev-of-a-test/vfio/devices/vfio0");
        ck_assert_int_eq(d->iommu_group, 2);
        ck_assert_uint_eq(d->pci_width, 20);
        ck_assert_uint_eq(d->iommu_width, 20);
        ck_assert_uint_eq(d->max_pasid, 0xfffff);
        ck_assert_str_eq(d->reason, "");
        ck_assert(d->usable);
        d = &tree.list.devices[1];
        ck_assert_str_eq(d->address, "0000:02:00.0");
        ck_assert_int_eq(d->iommu_group, 3);
        ck_assert_uint_eq(d->pci_width, 8);
        ck_assert_uint_eq(d->max_pasid, 255);
        ck_assert(d->usable);
        d = &tree.list.devices[2];
        ck_assert_str_eq(d->address, "0000:03:00.0");
        ck_assert(!d->usable);
        ck_assert_ptr_nonnull(strstr(d->reason, "it is bound to idxd"));
        ck_assert_ptr_null(strstr(d->reason, "after that")); /* it is no rival of itself */
        ck_assert_uint_eq(d->max_pasid, 0xfffff);
        ck_assert_str_eq(d->cdev, "");
        d = &tree.list.devices[3];
        ck_assert_str_eq(d->address, "0000:04:00.0");
        ck_assert(!d->usable);
        ck_assert_uint_eq(d->pci_width, 0);
        ck_assert_uint_eq(d->max_pasid, 0);
        tree_deinit(&tree);
}
END_TEST

START_TEST(listed_or_not) {
        struct refusal refusal = {};
        struct tree tree;

        tree_init(&tree, TREE_HOST
                  "device 0000:01:00.0 pasid=20\n"                      /* no IOMMU group, but the capability */
                  "device 0000:02:00.0 group=1 iommu=dmar0\n"           /* no capability, but a group */
                  "device 0000:03:00.0 driver=vfio-pci config=64\n"     /* nothing known, but meant for VFIO */
                  "device 0000:04:00.0\n"                               /* nothing at all */
                  "device 0000:05:00.0 config=64\n"
                  "device 0000:06:00.0 header=1 class=060400 pasid=20 group=2 iommu=dmar0\n"
                  "device 0000:07:00.0 header=2 class=060700 group=3 iommu=dmar0\n"
                  "device 0000:08:00.0 class=060100 group=4 iommu=dmar0\n"
                  "device 0000:09:00.0 class=068000 pasid=8 group=5 iommu=dmar0\n"); /* a bridge with PASIDs: NTB */
        tree_write(&tree, "sys/bus/pci/devices/README", "x", 1);
        tree_write(&tree, "sys/bus/pci/devices/0a:00.0", "x", 1);
        tree_write(&tree, "sys/bus/pci/devices/0000:0b:00.0", "a file", 6);
        /* one device, whatever other spellings are there */
        ck_assert_int_eq(symlink("0000:01:00.0", tree_path(&tree, "sys/bus/pci/devices/01:00.0")), 0);
        ck_assert_int_eq(symlink("0000:01:00.0", tree_path(&tree, "sys/bus/pci/devices/00000000:01:00.0")), 0);
        ck_assert_int_eq(symlink("nowhere", tree_path(&tree, "sys/bus/pci/devices/0000:0c:00.0")), 0);
        ck_assert_int_eq(tree_discover(&tree, &refusal), 0);
        ck_assert_uint_eq(tree.list.n_devices, 4);
        ck_assert_str_eq(tree.list.devices[0].address, "0000:01:00.0");
        ck_assert_str_eq(tree.list.devices[1].address, "0000:02:00.0");
        ck_assert_str_eq(tree.list.devices[2].address, "0000:03:00.0");
        ck_assert_str_eq(tree.list.devices[3].address, "0000:09:00.0");
        ck_assert_int_eq(tree.list.devices[0].iommu_group, DEVICE_GROUP_NONE);
        tree_deinit(&tree);
}
END_TEST

START_TEST(order_and_wide_domain) {
        struct refusal refusal = {};
        struct tree tree;

        tree_init(&tree, TREE_HOST
                  "device 10000:01:00.0 pasid=20 group=7 cdev=3 " TREE_READY "\n"
                  "device ffff0000:e1:1f.7 pasid=20 group=9 cdev=4 " TREE_READY "\n"
                  "device 0000:81:00.1 pasid=20 group=8 cdev=5 " TREE_READY "\n"
                  "device 0000:81:00.0 pasid=20 group=8 cdev=6 " TREE_READY "\n"
                  "device 2000:01:00.0 pasid=20 group=6 cdev=7 " TREE_READY "\n");
        ck_assert_int_eq(tree_discover(&tree, &refusal), 0);
        ck_assert_uint_eq(tree.list.n_devices, 5);
        ck_assert_str_eq(tree.list.devices[0].address, "0000:81:00.0");
        ck_assert_str_eq(tree.list.devices[1].address, "0000:81:00.1");
        ck_assert_str_eq(tree.list.devices[2].address, "2000:01:00.0");
        ck_assert_str_eq(tree.list.devices[3].address, "10000:01:00.0");
        ck_assert_uint_eq(tree.list.devices[3].pci.domain, 0x10000);
        ck_assert_str_eq(tree.list.devices[4].address, "ffff0000:e1:1f.7");
        for (size_t i = 0; i < 5; i++) {
                ck_assert_msg(tree.list.devices[i].usable, "%s", tree.list.devices[i].reason);
                ck_assert_uint_eq(tree.list.devices[i].pci_width, 20);
        }
        /* two functions of one group are both usable */
        ck_assert_int_eq(tree.list.devices[0].iommu_group, tree.list.devices[1].iommu_group);
        tree_deinit(&tree);
}
END_TEST

START_TEST(virtual_function) {
        const struct device_info *d;
        struct tree tree;

        tree_init(&tree, TREE_HOST
                  "device 0000:01:00.0 pasid=16 driver=ice group=1 iommu=dmar0\n"
                  "device 0000:01:10.0 physfn=0000:01:00.0 group=2 cdev=0 " TREE_READY "\n"
                  "device 0000:02:00.0 driver=ice group=3 iommu=dmar0\n"
                  "device 0000:02:10.0 physfn=0000:02:00.0 group=4 cdev=1 " TREE_READY "\n"
                  "device 0000:03:10.0 physfn=nonsense group=5 cdev=2 " TREE_READY "\n");
        d = tree_device(&tree, "0000:01:10.0");
        ck_assert_uint_eq(d->pci_width, 16);
        ck_assert_uint_eq(d->max_pasid, 0xffff);
        ck_assert_msg(d->usable, "%s", d->reason);
        d = tree_device(&tree, "0000:02:10.0");
        ck_assert(!d->usable);
        ck_assert_ptr_nonnull(strstr(d->reason, "0000:02:00.0"));
        ck_assert(!tree_device(&tree, "0000:03:10.0")->usable);
        tree_deinit(&tree);
}
END_TEST

START_TEST(names) {
        static const char ids[] = "0bad  Evil\tCorp \xff\n\t0001  Toaster \xc3\xa9\n";
        static const char damaged[] = "0bad  Fine\n\t0001  Too\n\t\t\t\t%% no such line\nzzzz\n";
        struct tree tree;

        tree_init(&tree, TREE_HOST
                  "device 0000:01:00.0 id=0bad:0001 pasid=20 group=1 cdev=0 " TREE_READY "\n"
                  "device 0000:02:00.0 id=0bad:0002 pasid=20 group=2 cdev=1 " TREE_READY "\n");
        ck_assert_str_eq(tree_device(&tree, "0000:01:00.0")->name, "Device 0bad:0001");
        tree_write(&tree, "pci.ids", ids, sizeof(ids) - 1);
        ck_assert_str_eq(tree_device(&tree, "0000:01:00.0")->name, "Evil?Corp ? Toaster ??");
        ck_assert_str_eq(tree_device(&tree, "0000:02:00.0")->name, "Evil?Corp ? Device 0002");
        ck_assert_uint_eq(tree_device(&tree, "0000:02:00.0")->vendor, 0x0bad);
        ck_assert_uint_eq(tree_device(&tree, "0000:02:00.0")->device, 2);
        /* libpci calls this a fatal error */
        tree_write(&tree, "pci.ids", damaged, sizeof(damaged) - 1);
        ck_assert_str_eq(tree_device(&tree, "0000:01:00.0")->name, "Fine Too");
        tree_write(&tree, DEVICE "vendor", "garbage", 7);
        ck_assert_str_eq(tree_device(&tree, "0000:01:00.0")->name, "Unknown device");
        tree_write(&tree, DEVICE "vendor", "0x10000", 7);
        ck_assert_str_eq(tree_device(&tree, "0000:01:00.0")->name, "Unknown device");
        ck_assert_uint_eq(tree_device(&tree, "0000:01:00.0")->vendor, 0);
        tree_unlink(&tree, DEVICE "vendor");
        ck_assert_str_eq(tree_device(&tree, "0000:01:00.0")->name, "Unknown device");
        tree_deinit(&tree);
}
END_TEST

START_TEST(garbage) {
        const struct device_info *d;
        struct tree tree;

        tree_init(&tree, TREE_HOST "device 0000:01:00.0 pasid=20 group=1 cdev=0 " TREE_READY "\n");
        ck_assert(tree_device(&tree, "0000:01:00.0")->usable);

        tree_unlink(&tree, DEVICE "driver");
        ck_assert_int_eq(symlink("../drivers/evil\n\x1b[31m", tree_path(&tree, DEVICE "driver")), 0);
        ck_assert_str_eq(tree_device(&tree, "0000:01:00.0")->driver, "evil??[31m");
        tree_unlink(&tree, DEVICE "driver");
        tree_write(&tree, DEVICE "driver", "no link", 7);
        d = tree_device(&tree, "0000:01:00.0");
        ck_assert(!d->usable);
        ck_assert_str_eq(d->driver, "");
        tree_unlink(&tree, DEVICE "driver");
        ck_assert_int_eq(symlink("../drivers/vfio-pci", tree_path(&tree, DEVICE "driver")), 0);
        ck_assert(tree_device(&tree, "0000:01:00.0")->usable);

        for (const char *const *target = (const char *const[]) { "x/99999999999", "x/-1", "x/ 1", "x/1x", "x/", NULL };
             *target; target++) {
                tree_unlink(&tree, DEVICE "iommu_group");
                ck_assert_int_eq(symlink(*target, tree_path(&tree, DEVICE "iommu_group")), 0);
                d = tree_device(&tree, "0000:01:00.0");
                ck_assert_int_eq(d->iommu_group, DEVICE_GROUP_NONE);
                ck_assert(!d->usable);
                ck_assert_uint_eq(d->max_pasid, 0);
        }
        tree_deinit(&tree);
}
END_TEST

START_TEST(odd_vfio_entries) {
        struct tree tree;

        tree_init(&tree, TREE_HOST "device 0000:01:00.0 pasid=20 group=1 vfio=12 " TREE_READY "\n");
        ck_assert_str_eq(tree_device(&tree, "0000:01:00.0")->cdev, "");
        ck_assert_int_eq(mkdir(tree_path(&tree, DEVICE "vfio-dev/vfio"), 0755), 0);
        ck_assert_int_eq(mkdir(tree_path(&tree, DEVICE "vfio-dev/vfio7x"), 0755), 0);
        tree_write(&tree, DEVICE "vfio-dev/vfio/dev", "511:0\n", 6);
        tree_write(&tree, DEVICE "vfio-dev/vfio7x/dev", "511:0\n", 6);
        ck_assert_str_eq(tree_device(&tree, "0000:01:00.0")->cdev, "");
        tree_write(&tree, DEVICE "vfio-dev/vfio12/dev", "511:12\n", 7);
        ck_assert_str_eq(tree_device(&tree, "0000:01:00.0")->cdev, "/dev-of-a-test/vfio/devices/vfio12");
        tree_deinit(&tree);
}
END_TEST

/* A device directory with nothing at all in it, as between two steps of an unplug. */
START_TEST(empty_device) {
        struct refusal refusal = {};
        struct tree tree;

        tree_init(&tree, TREE_HOST "device 0000:01:00.0 pasid=20 group=1 cdev=0 " TREE_READY "\n");
        ck_assert_int_eq(mkdir(tree_path(&tree, "sys/bus/pci/devices/0000:00:01.0"), 0755), 0);
        ck_assert_int_eq(mkdir(tree_path(&tree, "sys/bus/pci/devices/0000:00:02.0"), 0755), 0);
        ck_assert_int_eq(symlink("../drivers/vfio-pci",
                                 tree_path(&tree, "sys/bus/pci/devices/0000:00:02.0/driver")), 0);
        ck_assert_int_eq(tree_discover(&tree, &refusal), 0);
        ck_assert_uint_eq(tree.list.n_devices, 2);
        ck_assert_str_eq(tree.list.devices[0].address, "0000:00:02.0");
        ck_assert(!tree.list.devices[0].usable);
        ck_assert_str_ne(tree.list.devices[0].reason, "");
        tree_deinit(&tree);
}
END_TEST

START_TEST(no_pci) {
        struct refusal refusal = {};
        struct tree tree;

        tree_init(&tree, "kernel 6.18.0\n"); /* no bus/pci */
        ck_assert_int_eq(tree_discover(&tree, &refusal), 0);
        ck_assert_uint_eq(tree.list.n_devices, 0);
        ck_assert_int_eq(rmdir(tree_path(&tree, "sys")), 0);
        ck_assert_int_eq(tree_discover(&tree, &refusal), 0);
        ck_assert_uint_eq(tree.list.n_devices, 0);
        tree_write(&tree, "sys", "a file", 6);
        ck_assert_int_eq(tree_discover(&tree, &refusal), -EOPNOTSUPP);
        ck_assert_int_eq(refusal.code, EOPNOTSUPP);
        ck_assert_ptr_nonnull(strstr(refusal.text, "/sys/bus/pci"));
        tree_deinit(&tree);
}
END_TEST

START_TEST(no_procfs) {
        struct tree tree;

        tree_init(&tree, TREE_HOST "device 0000:01:00.0 pasid=20 group=1 cdev=0 " TREE_READY "\n");
        tree_unlink(&tree, "proc/cmdline");
        tree_write(&tree, "proc/sys/kernel/osrelease", "garbage\n", 8);
        ck_assert(tree_device(&tree, "0000:01:00.0")->usable);
        tree_unlink(&tree, "proc/sys/kernel/osrelease");
        ck_assert(tree_device(&tree, "0000:01:00.0")->usable);
        tree_deinit(&tree);
}
END_TEST

static bool tree_gives_pasids(struct tree *tree) {
        struct refusal refusal = {};

        ck_assert_int_eq(tree_discover(tree, &refusal), 0);
        return tree->kernel->ops->gives_pasids(tree->kernel);
}

/* By the flags of the first CPU, and only where there is an IOMMU. */
START_TEST(kernel_gives_pasids) {
        static const struct {
                const char *cpuinfo;
                bool expected;
        } cases[] = {
                { "processor\t: 0\nflags\t\t: fpu enqcmd pku\nvmx flags\t: x\n", true },
                { "processor\t: 0\nflags\t\t: fpu pku enqcmd\n", true },
                { "processor\t: 0\nflags\t\t: fpu enqcmds\n\nprocessor\t: 1\nflags\t\t: enqcmd\n", false },
                { "processor\t: 0\nvmx flags\t: enqcmd\nmodel name\t: enqcmd\n", false },
                { "Features\t: fp asimd\n", false },
                { "flags", false },
                { "", false },
        };
        struct tree tree;

        tree_init(&tree, NULL);
        ck_assert(!tree_gives_pasids(&tree)); /* no cpuinfo */
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                tree_write(&tree, "proc/cpuinfo", cases[i].cpuinfo, strlen(cases[i].cpuinfo));
                ck_assert_msg(tree_gives_pasids(&tree) == cases[i].expected, "case %zu", i);
        }
        tree_deinit(&tree);
        tree_init(&tree, "kernel 6.18.0\n");
        tree_write(&tree, "proc/cpuinfo", cases[0].cpuinfo, strlen(cases[0].cpuinfo));
        ck_assert(!tree_gives_pasids(&tree));
        tree_deinit(&tree);
}
END_TEST

START_TEST(no_fds) {
        struct refusal refusal = {};
        struct rlimit limit, old;
        struct tree tree;
        int r = -1;

        tree_init(&tree, NULL);
        ck_assert_int_eq(tree_discover(&tree, &refusal), 0);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
        limit = old;
        /* However many fds there are: the whole list or a refusal, never half of the truth. */
        for (limit.rlim_cur = 3; limit.rlim_cur < 40; limit.rlim_cur++) {
                ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
                r = tree_discover(&tree, &refusal);
                ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
                if (r < 0) {
                        ck_assert_int_eq(r, -ENOBUFS);
                        continue;
                }
                ck_assert_uint_eq(tree.list.n_devices, 4);
                ck_assert(tree.list.devices[0].usable);
                ck_assert(tree.list.devices[1].usable);
        }
        ck_assert_int_eq(r, 0);
        tree_deinit(&tree);
}
END_TEST

START_TEST(thousand) {
        struct refusal refusal = {};
        struct timespec start, end;
        struct tree tree;

        tree_init(&tree, TREE_HOST "device 0000:01:00.0 pasid=20 group=1 cdev=0 " TREE_READY "\n");
        for (unsigned int i = 1; i < 1000; i++) {
                char link[64];

                (void) snprintf(link, sizeof(link), "sys/bus/pci/devices/%04x:%02x:%02x.%x",
                                i >> 8, 2 + (i & 7), (i >> 3) & 31, i & 7);
                (void) symlink("0000:01:00.0", tree_path(&tree, link));
                (void) snprintf(link, sizeof(link), "sys/bus/pci/devices/%08x:02:00.0", 0x10000000 + i);
                ck_assert_int_eq(symlink("0000:01:00.0", tree_path(&tree, link)), 0);
        }
        ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &start), 0);
        ck_assert_int_eq(tree_discover(&tree, &refusal), 0);
        ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &end), 0);
        ck_assert_uint_ge(tree.list.n_devices, 1000);
        for (size_t i = 0; i < tree.list.n_devices; i++)
                ck_assert_msg(tree.list.devices[i].usable, "%s", tree.list.devices[i].reason);
        (void) fprintf(stderr, "# %zu devices in %.1f ms\n", tree.list.n_devices,
                       (double) (end.tv_sec - start.tv_sec) * 1e3 + (double) (end.tv_nsec - start.tv_nsec) / 1e6);
        tree_deinit(&tree);
}
END_TEST

START_TEST(this_machine) {
        struct device_list list = {};
        struct refusal refusal = {};
        struct kernel *kernel;

        ck_assert_int_eq(kernel_new(&(const struct kernel_params) {}, &kernel, &refusal), 0);
        ck_assert_msg(kernel->ops->discover(kernel, &list, &refusal) == 0, "%s", refusal.text);
        for (size_t i = 0; i < list.n_devices; i++) {
                ck_assert_int_eq(list.devices[i].usable, list.devices[i].reason[0] == '\0');
                (void) fprintf(stderr, "# %s %s [%s] %s\n", list.devices[i].address, list.devices[i].name,
                               list.devices[i].driver, list.devices[i].reason);
        }
        device_list_done(&list);
        ck_assert_ptr_null(kernel->ops->free(kernel));
}
END_TEST

START_TEST(long_path) {
        struct refusal refusal = {};
        struct kernel *kernel;
        char path[1024];

        memset(path, 'x', sizeof(path));
        path[sizeof(path) - 1] = '\0';
        ck_assert_int_eq(kernel_new(&(const struct kernel_params) { .sysfs = path }, &kernel, &refusal), -EINVAL);
        ck_assert_int_eq(refusal.code, EINVAL);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("kernel-discover");
        TCase *tc = tcase_create("discover");

        tcase_set_timeout(tc, 120);
        tcase_add_test(tc, machine);
        tcase_add_test(tc, listed_or_not);
        tcase_add_test(tc, order_and_wide_domain);
        tcase_add_test(tc, virtual_function);
        tcase_add_test(tc, names);
        tcase_add_test(tc, garbage);
        tcase_add_test(tc, odd_vfio_entries);
        tcase_add_test(tc, empty_device);
        tcase_add_test(tc, no_pci);
        tcase_add_test(tc, no_procfs);
        tcase_add_test(tc, kernel_gives_pasids);
        tcase_add_test(tc, no_fds);
        tcase_add_test(tc, thousand);
        tcase_add_test(tc, this_machine);
        tcase_add_test(tc, long_path);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
