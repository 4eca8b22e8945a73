/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening, adopting, closing and handing out devices over the ordered mock:
 * the steps in their order, and each failing in turn with nothing left open.
 */
#include "suite.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "internal/cleanup.h"
#include "internal/uapi-iommufd.h"
#include "internal/uapi-vfio.h"
#include "kernel-mock.h"
#include "sysfs-tree.h"

#define ADDRESS "0000:01:00.0"
#define CDEV_PATH "/mock-dev/vfio/devices/vfio0"
#define IOMMUFD 100
#define CDEV 101
#define REQUEST 102

static const struct uapi_vfio_device_bind_iommufd bind_in = { .argsz = 16, .iommufd = IOMMUFD };
static const struct uapi_vfio_device_bind_iommufd bind_out = { .argsz = 16, .iommufd = IOMMUFD, .out_devid = 7 };
static const struct uapi_iommu_hw_info width_in = { .size = 40, .dev_id = 7 };
static const struct uapi_iommu_hw_info width_8 = { .size = 40, .dev_id = 7, .out_max_pasid_log2 = 8 };
static const struct uapi_iommu_hw_info width_0 = { .size = 40, .dev_id = 7, .out_data_type = 1 };
static const struct uapi_iommu_hw_info width_21 = { .size = 40, .dev_id = 7, .out_max_pasid_log2 = 21 };
static const struct uapi_iommu_hw_info nobody_in = { .size = 40 };
static const struct uapi_vfio_device_detach_iommufd_pt probe_in = { .argsz = 12, .flags = 1, .pasid = 255 };
static const struct uapi_vfio_device_detach_iommufd_pt probe_20 = { .argsz = 12, .flags = 1, .pasid = (1 << 20) - 1 };
static const struct uapi_vfio_irq_set_eventfd irqs_in = {
        .argsz = 24, .flags = 0x24, .index = 4, .count = 1, .fd = REQUEST,
};
static const struct uapi_vfio_device_info info_in = { .argsz = 16 };
static const struct uapi_vfio_device_info info_out = { .argsz = 16, .flags = 3, .num_regions = 9, .num_irqs = 5 };
static const struct uapi_vfio_device_info info_platform = { .argsz = 16, .flags = 4, .num_regions = 9, .num_irqs = 5 };

static struct device_info info = { .address = ADDRESS, .cdev = (char *) CDEV_PATH, .iommu_group = 3 };
static struct kernel_mock mock;
static struct kernel *k;
static struct refusal refusal;

#define OPEN_IOMMUFD MOCK_OPEN("/mock-dev/iommu", IOMMUFD)
#define OPEN_CDEV MOCK_OPEN(CDEV_PATH, CDEV)
#define BIND MOCK_IOCTL(CDEV, UAPI_VFIO_DEVICE_BIND_IOMMUFD, &bind_in, &bind_out)
#define WIDTH(out) MOCK_IOCTL(IOMMUFD, UAPI_IOMMU_GET_HW_INFO, &width_in, &(out))
#define PROBE MOCK_IOCTL(CDEV, UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT, &probe_in, NULL)
#define SET_IRQS MOCK_IOCTL(CDEV, UAPI_VFIO_DEVICE_SET_IRQS, &irqs_in, NULL)
#define GET_INFO MOCK_IOCTL(CDEV, UAPI_VFIO_DEVICE_GET_INFO, &info_in, &info_out)
#define CHECK_IOMMUFD MOCK_IOCTL_FAILS(IOMMUFD, UAPI_IOMMU_GET_HW_INFO, &nobody_in, ENOENT)

static void set_up(void) {
        k = kernel_mock_new(&mock, NULL);
}

static void tear_down(void) {
        kernel_mock_free(&mock, k);
}

START_TEST(open_and_close) {
        struct kernel_device *d = NULL;
        int fd;

        MOCK_EXPECT(&mock, OPEN_IOMMUFD, OPEN_CDEV, BIND, WIDTH(width_8), PROBE, MOCK_EVENTFD(REQUEST), SET_IRQS);
        ck_assert_msg(k->ops->device_open(k, &info, &d, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(d->fd, CDEV);
        ck_assert_uint_eq(d->id, 7);
        ck_assert_uint_eq(d->max_pasid, 255);
        ck_assert_int_eq(d->request_fd, REQUEST);
        ck_assert_int_eq(k->ops->get_iommufd(k, &fd, &refusal), 0); /* the same one */
        ck_assert_int_eq(fd, IOMMUFD);
        ck_assert_ptr_null(k->ops->device_close(k, d));
        ck_assert_uint_eq(mock.n_open, 1);
        ck_assert_ptr_null(k->ops->device_close(k, NULL));

        /* A second device is bound to the same iommufd. */
        MOCK_EXPECT(&mock, OPEN_CDEV, BIND, WIDTH(width_8), PROBE, MOCK_EVENTFD(REQUEST), SET_IRQS);
        ck_assert_int_eq(k->ops->device_open(k, &info, &d, &refusal), 0);
        ck_assert_ptr_null(k->ops->device_close(k, d));
}
END_TEST

/* Each step fails in turn, with and without an iommufd that was there before. */
START_TEST(failing_steps) {
        static const struct mock_call steps[] = {
                OPEN_IOMMUFD, OPEN_CDEV, BIND, WIDTH(width_8), PROBE, MOCK_EVENTFD(REQUEST), SET_IRQS,
        };
        static const struct {
                int error, code;
        } errors[] = {
                { ENOENT, EMEDIUMTYPE }, { EACCES, EMEDIUMTYPE }, { EBUSY, EBUSY }, { ENOENT, ENXIO },
                { EOPNOTSUPP, EMEDIUMTYPE }, { EMFILE, ENOBUFS }, { ENOMEM, ENOMEM },
        };
        struct kernel_device *d = NULL;
        bool has_iommufd = _i;
        int fd;

        if (has_iommufd) {
                MOCK_EXPECT(&mock, OPEN_IOMMUFD);
                ck_assert_int_eq(k->ops->get_iommufd(k, &fd, &refusal), 0);
        }
        for (size_t failing = has_iommufd; failing < ELEMENTSOF(steps); failing++) {
                struct mock_call calls[ELEMENTSOF(steps)];

                memcpy(calls, steps, sizeof(calls));
                calls[failing].result = -errors[failing].error;
                kernel_mock_expect(&mock, calls + has_iommufd, failing + 1 - has_iommufd);
                kernel_mock_check_refusal(k->ops->device_open(k, &info, &d, &refusal), &refusal,
                                          errors[failing].code, "");
                ck_assert_ptr_null(d);
                ck_assert_uint_eq(mock.n_open, has_iommufd); /* closing is unbinding */
                kernel_mock_expect(&mock, NULL, 0);
        }
}
END_TEST

/* With width 0 attaching "succeeds" and does nothing. */
START_TEST(width) {
        struct kernel_device *d = NULL;

        MOCK_EXPECT(&mock, OPEN_IOMMUFD, OPEN_CDEV, BIND, WIDTH(width_0));
        kernel_mock_check_refusal(k->ops->device_open(k, &info, &d, &refusal), &refusal, EMEDIUMTYPE, "scalable mode");
        MOCK_EXPECT(&mock, OPEN_IOMMUFD, OPEN_CDEV, BIND, WIDTH(width_21),
                    MOCK_IOCTL(CDEV, UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT, &probe_20, NULL), MOCK_EVENTFD(REQUEST),
                    SET_IRQS);
        ck_assert_int_eq(k->ops->device_open(k, &info, &d, &refusal), 0);
        ck_assert_uint_eq(d->max_pasid, (1 << 20) - 1);
        ck_assert_ptr_null(k->ops->device_close(k, d));
}
END_TEST

START_TEST(no_request) {
        static const int errors[] = { ENOTTY, EINVAL, EOPNOTSUPP };

        for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
                const struct mock_call calls[] = {
                        OPEN_IOMMUFD, OPEN_CDEV, BIND, WIDTH(width_8), PROBE, MOCK_EVENTFD(REQUEST),
                        MOCK_IOCTL_FAILS(CDEV, UAPI_VFIO_DEVICE_SET_IRQS, &irqs_in, errors[i]),
                };
                struct kernel_device *d = NULL;

                kernel_mock_expect(&mock, calls + (i > 0), ELEMENTSOF(calls) - (i > 0));
                ck_assert_int_eq(k->ops->device_open(k, &info, &d, &refusal), 0);
                ck_assert_int_eq(d->request_fd, -EBADF);
                ck_assert_ptr_null(k->ops->device_close(k, d));
                kernel_mock_expect(&mock, NULL, 0);
        }
}
END_TEST

START_TEST(no_cdev) {
        struct device_info gone = info;
        struct kernel_device *d = NULL;
        int a, b;

        gone.cdev = (char *) "";
        MOCK_EXPECT(&mock, OPEN_IOMMUFD);
        kernel_mock_check_refusal(k->ops->device_open(k, &gone, &d, &refusal), &refusal, ENXIO, "unplugged");
        MOCK_EXPECT(&mock, OPEN_IOMMUFD);
        kernel_mock_check_refusal(k->ops->open_for_tenant(k, &gone, &a, &b, &refusal), &refusal, ENXIO, "unplugged");
}
END_TEST

/* EPERM of a bind: the group's neighbours decide over what it means. */
static void expect_group(const char *description, int code, const char *words) {
        struct kernel_device *d = NULL;
        struct tree tree;
        char sysfs[80];

        tree_init(&tree, description);
        (void) snprintf(sysfs, sizeof(sysfs), "%s/sys", tree.path);
        kernel_mock_free(&mock, k);
        k = kernel_mock_new(&mock, sysfs);
        MOCK_EXPECT(&mock, OPEN_IOMMUFD, OPEN_CDEV,
                    MOCK_IOCTL_FAILS(CDEV, UAPI_VFIO_DEVICE_BIND_IOMMUFD, &bind_in, EPERM));
        kernel_mock_check_refusal(k->ops->device_open(k, &info, &d, &refusal), &refusal, code, words);
        ck_assert_uint_eq(mock.n_open, 0);
        tree_deinit(&tree);
}

START_TEST(group) {
        expect_group("device 0000:01:00.0 group=3 driver=vfio-pci\ndevice 0000:01:00.1 group=3 driver=e1000e\n",
                     EMEDIUMTYPE, "0000:01:00.1 in the same IOMMU group 3 is bound to e1000e");
        expect_group("device 0000:01:00.0 group=3 driver=vfio-pci\ndevice 0000:01:00.1 group=3 driver=vfio-pci\n",
                     EBUSY, "somebody else uses its IOMMU group 3");
        expect_group("device 0000:01:00.0 group=3 driver=vfio-pci\n", EMEDIUMTYPE, "interrupt remapping");
        expect_group("device 0000:02:00.0 group=4 driver=vfio-pci\n", EBUSY, "somebody else"); /* can't tell */
}
END_TEST

START_TEST(adopt) {
        struct kernel_device *d = NULL;
        struct tree tree;
        char sysfs[80];

        tree_init(&tree, "device 0000:01:00.0 group=3 driver=vfio-pci cdev=0\n");
        (void) snprintf(sysfs, sizeof(sysfs), "%s/sys", tree.path);
        ck_assert_int_eq(mkdir(tree_path(&tree, "sys/dev"), 0755), 0);
        ck_assert_int_eq(mkdir(tree_path(&tree, "sys/dev/char"), 0755), 0);
        ck_assert_int_eq(mkdir(tree_path(&tree, "sys/dev/char/511:0"), 0755), 0);
        ck_assert_int_eq(symlink("../../../" ADDRESS, tree_path(&tree, "sys/dev/char/511:0/device")), 0);
        kernel_mock_free(&mock, k);
        k = kernel_mock_new(&mock, sysfs);
        kernel_mock_check_refusal(k->ops->device_adopt(k, CDEV, 7, &d, &refusal), &refusal, ENXIO, "was not kept");

        kernel_mock_add_open(&mock, IOMMUFD);
        kernel_mock_add_open(&mock, CDEV);
        MOCK_EXPECT(&mock, CHECK_IOMMUFD);
        ck_assert_int_eq(k->ops->set_iommufd(k, IOMMUFD, &refusal), 0);
        MOCK_EXPECT(&mock, MOCK_FSTAT(CDEV, S_IFCHR | 0600, makedev(511, 0)), GET_INFO, WIDTH(width_8),
                    MOCK_EVENTFD(REQUEST), SET_IRQS);
        ck_assert_msg(k->ops->device_adopt(k, CDEV, 7, &d, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(d->fd, CDEV);
        ck_assert_uint_eq(d->id, 7);
        ck_assert_uint_eq(d->max_pasid, 255);
        ck_assert_int_eq(d->request_fd, REQUEST);
        kernel_mock_check_refusal(k->ops->attach(k, d, 256, 4, &refusal), &refusal, ERANGE, ADDRESS);
        ck_assert_ptr_null(k->ops->device_close(k, d));
        tree_deinit(&tree);
}
END_TEST

/* The fd stays the caller's at each failing step. */
START_TEST(adopt_failing) {
        static const struct mock_call steps[] = {
                MOCK_FSTAT(CDEV, S_IFREG, 0), GET_INFO, WIDTH(width_8), MOCK_EVENTFD(REQUEST), SET_IRQS,
        };
        static const struct {
                int error, code;
        } errors[] = { { EBADF, 0 }, { EINVAL, ENXIO }, { ENOENT, ENXIO }, { EMFILE, ENOBUFS }, { ENOMEM, ENOMEM } };
        struct kernel_device *d = NULL;

        kernel_mock_add_open(&mock, IOMMUFD);
        kernel_mock_add_open(&mock, CDEV);
        MOCK_EXPECT(&mock, CHECK_IOMMUFD);
        ck_assert_int_eq(k->ops->set_iommufd(k, IOMMUFD, &refusal), 0);
        for (size_t failing = 1; failing < ELEMENTSOF(steps); failing++) {
                struct mock_call calls[ELEMENTSOF(steps)];

                memcpy(calls, steps, sizeof(calls));
                calls[failing].result = -errors[failing].error;
                kernel_mock_expect(&mock, calls, failing + 1);
                kernel_mock_check_refusal(k->ops->device_adopt(k, CDEV, 7, &d, &refusal), &refusal,
                                          errors[failing].code, "");
                ck_assert_ptr_null(d);
                ck_assert_uint_eq(mock.n_open, 2);
                kernel_mock_expect(&mock, NULL, 0);
        }
        MOCK_EXPECT(&mock, steps[0], MOCK_IOCTL(CDEV, UAPI_VFIO_DEVICE_GET_INFO, &info_in, &info_platform));
        kernel_mock_check_refusal(k->ops->device_adopt(k, CDEV, 7, &d, &refusal), &refusal, ENXIO, "no fd of its kind");
        MOCK_EXPECT(&mock, steps[0], GET_INFO, WIDTH(width_0));
        kernel_mock_check_refusal(k->ops->device_adopt(k, CDEV, 7, &d, &refusal), &refusal, EMEDIUMTYPE, "scalable "
                                  "mode");
        mock.calls.close(&mock.calls, CDEV);
}
END_TEST

START_TEST(keep_iommufd) {
        int fd = 99;

        kernel_mock_add_open(&mock, 50);
        MOCK_EXPECT(&mock, MOCK_IOCTL_FAILS(50, UAPI_IOMMU_GET_HW_INFO, &nobody_in, ENOTTY));
        kernel_mock_check_refusal(k->ops->set_iommufd(k, 50, &refusal), &refusal, ENXIO, "no fd of its kind");
        MOCK_EXPECT(&mock, MOCK_IOCTL(50, UAPI_IOMMU_GET_HW_INFO, &nobody_in, NULL));
        kernel_mock_check_refusal(k->ops->set_iommufd(k, 50, &refusal), &refusal, ENXIO, "no fd of its kind");
        mock.calls.close(&mock.calls, 50);

        MOCK_EXPECT(&mock, MOCK_OPEN("/mock-dev/iommu", -ENOENT));
        kernel_mock_check_refusal(k->ops->get_iommufd(k, &fd, &refusal), &refusal, EMEDIUMTYPE, "iommufd module");
        ck_assert_int_eq(fd, 99);
        MOCK_EXPECT(&mock, OPEN_IOMMUFD);
        ck_assert_int_eq(k->ops->get_iommufd(k, &fd, &refusal), 0);
        ck_assert_int_eq(fd, IOMMUFD);
        kernel_mock_check_refusal(k->ops->set_iommufd(k, 50, &refusal), &refusal, EINVAL, "one already");
}
END_TEST

#define TENANT_CDEV 111
#define TENANT_IOMMUFD 110

static const struct mock_call tenant_steps[] = {
        OPEN_IOMMUFD, OPEN_CDEV, BIND, WIDTH(width_8), PROBE,
        MOCK_OPEN("/mock-dev/iommu", TENANT_IOMMUFD), MOCK_OPEN(CDEV_PATH, TENANT_CDEV),
};

START_TEST(tenant) {
        int device = -1, iommufd = -1;

        kernel_mock_expect(&mock, tenant_steps, ELEMENTSOF(tenant_steps));
        ck_assert_msg(k->ops->open_for_tenant(k, &info, &device, &iommufd, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(device, TENANT_CDEV);
        ck_assert_int_eq(iommufd, TENANT_IOMMUFD);
        ck_assert_uint_eq(mock.n_open, 2); /* what was bound is closed again */
        mock.calls.close(&mock.calls, device);
        mock.calls.close(&mock.calls, iommufd);
}
END_TEST

START_TEST(tenant_failing) {
        static const struct {
                int error, code;
        } errors[] = {
                { EACCES, EMEDIUMTYPE }, { ENOENT, ENXIO }, { EINVAL, EBUSY }, { ENOMEM, ENOMEM }, { EINVAL, EMEDIUMTYPE },
                { EMFILE, ENOBUFS }, { ENODEV, ENXIO },
        };
        int device = -1, iommufd = -1;

        for (size_t failing = 0; failing < ELEMENTSOF(tenant_steps); failing++) {
                struct mock_call calls[ELEMENTSOF(tenant_steps)];

                memcpy(calls, tenant_steps, sizeof(calls));
                calls[failing].result = -errors[failing].error;
                kernel_mock_expect(&mock, calls, failing + 1);
                kernel_mock_check_refusal(k->ops->open_for_tenant(k, &info, &device, &iommufd, &refusal), &refusal,
                                          errors[failing].code, "");
                ck_assert_uint_eq(mock.n_open, 0);
                ck_assert_int_eq(device, -1);
                ck_assert_int_eq(iommufd, -1);
                kernel_mock_expect(&mock, NULL, 0);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("kernel-open");
        TCase *tc = tcase_create("open");

        tcase_add_checked_fixture(tc, set_up, tear_down);
        tcase_add_test(tc, open_and_close);
        tcase_add_loop_test(tc, failing_steps, 0, 2);
        tcase_add_test(tc, width);
        tcase_add_test(tc, no_request);
        tcase_add_test(tc, no_cdev);
        tcase_add_test(tc, group);
        tcase_add_test(tc, adopt);
        tcase_add_test(tc, adopt_failing);
        tcase_add_test(tc, keep_iommufd);
        tcase_add_test(tc, tenant);
        tcase_add_test(tc, tenant_failing);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
