/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The numbers that debugfs shows of a device, and the names of IOMMUs, on
 * generated trees.
 */
#include "suite.h"

#include <errno.h>
#include <string.h>

#include "internal/cleanup.h"
#include "kernel-mock.h"
#include "sysfs-tree.h"

#define INTEL "sys/kernel/debug/iommu/intel"
#define ADDRESS "0000:01:00.0"

static struct tree tree;
static struct kernel_mock mock;
static struct kernel *k;
static struct refusal refusal;
static uint32_t *numbers;
static size_t n;

/* With those that it lies in. */
static void make_dir(const char *relative) {
        char path[PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s", tree_path(&tree, relative));
        for (char *slash = strchr(path + strlen(tree.path) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                (void) mkdir(path, 0755);
                *slash = '/';
        }
        ck_assert_int_eq(mkdir(path, 0755), 0);
}

static void set_up(void) {
        char sysfs[80];

        tree_init(&tree, "kernel 6.18.0\n");
        (void) snprintf(sysfs, sizeof(sysfs), "%s/sys", tree.path);
        k = kernel_mock_new(&mock, sysfs);
        numbers = NULL;
        n = 99;
}

static void tear_down(void) {
        free(numbers);
        kernel_mock_free(&mock, k);
        tree_deinit(&tree);
}

START_TEST(none) {
        kernel_mock_check_refusal(k->ops->list_attached(k, ADDRESS, &numbers, &n, &refusal), &refusal, EOPNOTSUPP,
                                  "CONFIG_INTEL_IOMMU_DEBUGFS");
        make_dir(INTEL);
        kernel_mock_check_refusal(k->ops->list_attached(k, ADDRESS, &numbers, &n, &refusal), &refusal, ENXIO, ADDRESS);
        kernel_mock_check_refusal(k->ops->list_attached(k, "../intel", &numbers, &n, &refusal), &refusal, EINVAL,
                                  "../intel");
        ck_assert_uint_eq(n, 99);
        make_dir(INTEL "/" ADDRESS);
        ck_assert_int_eq(k->ops->list_attached(k, ADDRESS, &numbers, &n, &refusal), 0);
        ck_assert_uint_eq(n, 0);
        tree_write(&tree, INTEL "/0000:02:00.0", "", 0);
        kernel_mock_check_refusal(k->ops->list_attached(k, "0000:02:00.0", &numbers, &n, &refusal), &refusal,
                                  EOPNOTSUPP, "Not a directory");
}
END_TEST

START_TEST(some) {
        static const char *const names[] = {
                "1", "ff", "100", "fffff", "a", /* numbers */
                "0", "100000", "01", "FF", "0x1", "abcg", "123456789", "domain_translation_struct", "-1", /* none */
        };
        static const uint32_t expected[] = { 1, 0xa, 0xff, 0x100, 0xfffff };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                char path[128];

                (void) snprintf(path, sizeof(path), INTEL "/" ADDRESS "/%s", names[i]);
                make_dir(path);
        }
        ck_assert_int_eq(k->ops->list_attached(k, "01:00.0", &numbers, &n, &refusal), 0);
        ck_assert_uint_eq(n, ELEMENTSOF(expected));
        ck_assert_mem_eq(numbers, expected, sizeof(expected));
}
END_TEST

/* A directory of one's own choice, and nothing of the kernel's. */
START_TEST(elsewhere) {
        struct kernel_params params = { .calls = &mock.calls };
        char sysfs[80], debugfs[80];
        struct kernel *other = NULL;

        (void) snprintf(sysfs, sizeof(sysfs), "%s/sys", tree.path);
        (void) snprintf(debugfs, sizeof(debugfs), "%s/other", tree.path);
        params.sysfs = sysfs;
        params.debugfs = debugfs;
        make_dir(INTEL "/" ADDRESS "/7");
        make_dir("other/iommu/intel/" ADDRESS "/9");
        ck_assert_int_eq(kernel_new(&params, &other, &refusal), 0);
        ck_assert_int_eq(other->ops->list_attached(other, ADDRESS, &numbers, &n, &refusal), 0);
        ck_assert_uint_eq(n, 1);
        ck_assert_uint_eq(numbers[0], 9);
        (void) other->ops->free(other);
}
END_TEST

START_TEST(many) {
        make_dir(INTEL "/" ADDRESS);
        for (unsigned int i = 1; i <= 300; i++) {
                char path[128];

                (void) snprintf(path, sizeof(path), INTEL "/" ADDRESS "/%x", i);
                make_dir(path);
        }
        ck_assert_int_eq(k->ops->list_attached(k, ADDRESS, &numbers, &n, &refusal), 0);
        ck_assert_uint_eq(n, 300);
        for (uint32_t i = 0; i < n; i++)
                ck_assert_uint_eq(numbers[i], i + 1);
}
END_TEST

/* Devices behind one IOMMU can share a page table. */
START_TEST(iommu_names) {
        tree_add(&tree, "iommufd\niommu dmar0 intel " TREE_ECAP "\niommu smmu3.0x2b400000 other\n"
                 "device 0000:01:00.0 pasid=20 group=1 driver=vfio-pci iommu=dmar0 cdev=0\n"
                 "device 0000:02:00.0 pasid=20 group=2 driver=vfio-pci iommu=smmu3.0x2b400000 cdev=1\n"
                 "device 0000:03:00.0 pasid=20 group=3 driver=vfio-pci cdev=2\n");
        ck_assert_str_eq(tree_device(&tree, "0000:01:00.0")->iommu, "dmar0");
        ck_assert_str_eq(tree_device(&tree, "0000:02:00.0")->iommu, "smmu3.0x2b400000");
        ck_assert_str_eq(tree_device(&tree, "0000:03:00.0")->iommu, "");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("kernel-debugfs");
        TCase *tc = tcase_create("debugfs");

        tcase_add_checked_fixture(tc, set_up, tear_down);
        tcase_add_test(tc, none);
        tcase_add_test(tc, some);
        tcase_add_test(tc, elsewhere);
        tcase_add_test(tc, many);
        tcase_add_test(tc, iommu_names);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
