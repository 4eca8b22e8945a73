/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page tables, attachments and mappings over the ordered mock: what each asks
 * of the kernel, byte for byte, and what each of the kernel's errnos becomes.
 */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal/cleanup.h"
#include "internal/errors.h"
#include "internal/uapi-iommufd.h"
#include "internal/uapi-vfio.h"
#include "kernel-mock.h"
#include "kernel/open.h"
#include "kernel/translate.h"

#define IOMMUFD 100
#define CDEV 101

static struct kernel_mock mock;
static struct kernel *k;
static struct refusal refusal;
static struct open_device opened = {
        .device = { .fd = CDEV, .id = 7, .max_pasid = 255, .request_fd = -EBADF },
        .address = "0000:01:00.0",
};
static const struct kernel_device *const device = &opened.device;

/* With its iommufd open, and a device that somebody else opened. */
static void set_up(void) {
        int fd;

        k = kernel_mock_new(&mock, NULL);
        kernel_mock_add_open(&mock, CDEV);
        MOCK_EXPECT(&mock, MOCK_OPEN("/mock-dev/iommu", IOMMUFD));
        ck_assert_int_eq(k->ops->get_iommufd(k, &fd, &refusal), 0);
        ck_assert_int_eq(fd, IOMMUFD);
}

static void tear_down(void) {
        mock.calls.close(&mock.calls, CDEV);
        kernel_mock_free(&mock, k);
}

START_TEST(ioas) {
        static const struct uapi_iommu_ioas_alloc in = { .size = 12 }, out = { .size = 12, .out_ioas_id = 3 };
        uint32_t id = 99;

        MOCK_EXPECT(&mock, MOCK_IOCTL_FAILS(IOMMUFD, UAPI_IOMMU_IOAS_ALLOC, &in, ENOMEM));
        kernel_mock_check_refusal(k->ops->ioas_new(k, &id, &refusal), &refusal, ENOMEM, "address space");
        ck_assert_uint_eq(id, 99);
        MOCK_EXPECT(&mock, MOCK_IOCTL(IOMMUFD, UAPI_IOMMU_IOAS_ALLOC, &in, &out));
        ck_assert_int_eq(k->ops->ioas_new(k, &id, &refusal), 0);
        ck_assert_uint_eq(id, 3);
}
END_TEST

START_TEST(hwpt) {
        static const struct uapi_iommu_hwpt_alloc in = { .size = 40, .flags = 8, .dev_id = 7, .pt_id = 3 };
        static const struct uapi_iommu_hwpt_alloc out = {
                .size = 40, .flags = 8, .dev_id = 7, .pt_id = 3, .out_hwpt_id = 4,
        };
        uint32_t id = 99;

        MOCK_EXPECT(&mock, MOCK_IOCTL_FAILS(IOMMUFD, UAPI_IOMMU_HWPT_ALLOC, &in, EOPNOTSUPP));
        kernel_mock_check_refusal(k->ops->hwpt_new(k, device, 3, &id, &refusal), &refusal, EMEDIUMTYPE, "6.15");
        ck_assert_uint_eq(id, 99);
        MOCK_EXPECT(&mock, MOCK_IOCTL(IOMMUFD, UAPI_IOMMU_HWPT_ALLOC, &in, &out));
        ck_assert_int_eq(k->ops->hwpt_new(k, device, 3, &id, &refusal), 0);
        ck_assert_uint_eq(id, 4);
}
END_TEST

START_TEST(destroy) {
        static const struct uapi_iommu_destroy in = { .size = 8, .id = 4 };

        MOCK_EXPECT(&mock, MOCK_IOCTL_FAILS(IOMMUFD, UAPI_IOMMU_DESTROY, &in, EBUSY));
        kernel_mock_check_refusal(k->ops->destroy(k, 4, &refusal), &refusal, EBUSY, "Object 4");
        MOCK_EXPECT(&mock, MOCK_IOCTL(IOMMUFD, UAPI_IOMMU_DESTROY, &in, NULL));
        ck_assert_int_eq(k->ops->destroy(k, 4, &refusal), 0);
        MOCK_EXPECT(&mock, MOCK_IOCTL_FAILS(IOMMUFD, UAPI_IOMMU_DESTROY, &in, ENOENT)); /* a second time */
        ck_assert_int_eq(k->ops->destroy(k, 4, NULL), 1);
}
END_TEST

START_TEST(attach) {
        static const struct uapi_vfio_device_attach_iommufd_pt low = {
                .argsz = 16, .flags = 1, .pt_id = 4, .pasid = 1,
        };
        static const struct uapi_vfio_device_attach_iommufd_pt high = {
                .argsz = 16, .flags = 1, .pt_id = 4, .pasid = 255,
        };

        MOCK_EXPECT(&mock, MOCK_IOCTL(CDEV, UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, &low, NULL),
                    MOCK_IOCTL(CDEV, UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, &high, NULL));
        ck_assert_int_eq(k->ops->attach(k, device, 1, 4, &refusal), 0);
        ck_assert_int_eq(k->ops->attach(k, device, 255, 4, &refusal), 0);
        MOCK_EXPECT(&mock, MOCK_IOCTL_FAILS(CDEV, UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, &low, EBUSY));
        kernel_mock_check_refusal(k->ops->attach(k, device, 1, 4, &refusal), &refusal, EBUSY,
                                  "PASID 1 was to be attached to device 0000:01:00.0");
}
END_TEST

START_TEST(detach) {
        static const struct uapi_vfio_device_detach_iommufd_pt in = { .argsz = 12, .flags = 1, .pasid = 255 };

        MOCK_EXPECT(&mock, MOCK_IOCTL(CDEV, UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT, &in, NULL));
        ck_assert_int_eq(k->ops->detach(k, device, 255, &refusal), 0);
        MOCK_EXPECT(&mock, MOCK_IOCTL_FAILS(CDEV, UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT, &in, EINVAL));
        kernel_mock_check_refusal(k->ops->detach(k, device, 255, &refusal), &refusal, ENXIO, "PASID 255");
}
END_TEST

/* None of these reaches the kernel, which would take 0 for the whole device. */
START_TEST(outside) {
        static const uint32_t numbers[] = { 0, 256, 1 << 20, INT32_MAX, UINT32_MAX };

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                kernel_mock_check_refusal(k->ops->attach(k, device, numbers[i], 4, &refusal), &refusal, ERANGE,
                                          "1..255");
                kernel_mock_check_refusal(k->ops->detach(k, device, numbers[i], &refusal), &refusal, ERANGE, "1..255");
        }
}
END_TEST

static int make_memory(void) {
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, 16 * 4096), 0);
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
        return fd;
}

START_TEST(map) {
        _cleanup_close_ int fd = make_memory();
        const struct uapi_iommu_ioas_map_file fixed = {
                .size = 40, .flags = 7, .ioas_id = 3, .fd = fd, .start = 4096, .length = 8192, .iova = 0x1000000,
        };
        const struct uapi_iommu_ioas_map_file any = { .size = 40, .flags = 4, .ioas_id = 3, .fd = fd, .length = 4096 };
        const struct uapi_iommu_ioas_map_file any_out = {
                .size = 40, .flags = 4, .ioas_id = 3, .fd = fd, .length = 4096, .iova = 0x7000,
        };
        struct kernel_mapping m = {
                .fd = fd, .offset = 4096, .length = 8192, .iova = 0x1000000,
                .flags = MAP_READ | MAP_WRITE | MAP_FIXED_IOVA,
        };
        uint64_t iova = 99;

        MOCK_EXPECT(&mock, MOCK_IOCTL_FAILS(IOMMUFD, UAPI_IOMMU_IOAS_MAP_FILE, &fixed, EEXIST));
        kernel_mock_check_refusal(k->ops->map_file(k, 3, &m, &iova, &refusal), &refusal, EADDRINUSE, "at address "
                                  "0x1000000");
        ck_assert_uint_eq(iova, 99);
        MOCK_EXPECT(&mock, MOCK_IOCTL(IOMMUFD, UAPI_IOMMU_IOAS_MAP_FILE, &fixed, NULL));
        ck_assert_int_eq(k->ops->map_file(k, 3, &m, &iova, &refusal), 0);
        ck_assert_uint_eq(iova, 0x1000000);

        m = (struct kernel_mapping) { .fd = fd, .length = 4096, .flags = MAP_READ };
        MOCK_EXPECT(&mock, MOCK_IOCTL_FAILS(IOMMUFD, UAPI_IOMMU_IOAS_MAP_FILE, &any, ENOSPC));
        kernel_mock_check_refusal(k->ops->map_file(k, 3, &m, &iova, &refusal), &refusal, ENOBUFS, "no room");
        MOCK_EXPECT(&mock, MOCK_IOCTL(IOMMUFD, UAPI_IOMMU_IOAS_MAP_FILE, &any, &any_out));
        ck_assert_int_eq(k->ops->map_file(k, 3, &m, &iova, &refusal), 0);
        ck_assert_uint_eq(iova, 0x7000);

        m.flags = MAP_WRITE;
        {
                const struct uapi_iommu_ioas_map_file writing = {
                        .size = 40, .flags = 2, .ioas_id = 3, .fd = fd, .length = 4096,
                };

                MOCK_EXPECT(&mock, MOCK_IOCTL(IOMMUFD, UAPI_IOMMU_IOAS_MAP_FILE, &writing, NULL));
                ck_assert_int_eq(k->ops->map_file(k, 3, &m, &iova, &refusal), 0);
                kernel_mock_expect(&mock, NULL, 0);
        }
        m.length = 1; /* refused before the kernel is asked */
        kernel_mock_check_refusal(k->ops->map_file(k, 3, &m, &iova, &refusal), &refusal, EINVAL, "whole pages");
}
END_TEST

START_TEST(unmap) {
        static const struct uapi_iommu_ioas_unmap in = { .size = 24, .ioas_id = 3, .iova = 0x1000, .length = 0x3000 };
        static const struct uapi_iommu_ioas_unmap out = { .size = 24, .ioas_id = 3, .iova = 0x1000, .length = 0x2000 };
        uint64_t unmapped = 99;

        MOCK_EXPECT(&mock, MOCK_IOCTL_FAILS(IOMMUFD, UAPI_IOMMU_IOAS_UNMAP, &in, ENOENT));
        kernel_mock_check_refusal(k->ops->unmap(k, 3, 0x1000, 0x3000, &unmapped, &refusal), &refusal, EINVAL,
                                  "nothing is mapped");
        kernel_mock_check_refusal(k->ops->unmap(k, 3, 0x1000, 0, &unmapped, &refusal), &refusal, EINVAL, "0 bytes");
        kernel_mock_check_refusal(k->ops->unmap(k, 3, 0x1001, 0x1000, &unmapped, &refusal), &refusal, EINVAL, "whole "
                                  "pages");
        /* To iommufd "everything"; to us no whole pages. */
        kernel_mock_check_refusal(k->ops->unmap(k, 3, 0, UINT64_MAX, &unmapped, &refusal), &refusal, EINVAL, "whole "
                                  "pages");
        kernel_mock_check_refusal(k->ops->unmap(k, 3, UINT64_MAX - 4095, 0x2000, &unmapped, &refusal), &refusal, EINVAL,
                                  "beyond the last");
        ck_assert_uint_eq(unmapped, 99);
        MOCK_EXPECT(&mock, MOCK_IOCTL(IOMMUFD, UAPI_IOMMU_IOAS_UNMAP, &in, &out));
        ck_assert_int_eq(k->ops->unmap(k, 3, 0x1000, 0x3000, &unmapped, &refusal), 0);
        ck_assert_uint_eq(unmapped, 0x2000);
}
END_TEST

/* What an administrator must be able to tell apart. */
START_TEST(conditions) {
        static const struct {
                enum kernel_call call;
                int kernel, code;
                const char *words;
        } cases[] = {
                { KERNEL_CALL_OPEN_IOMMUFD, ENOENT, EMEDIUMTYPE, "iommufd module" },
                { KERNEL_CALL_OPEN_IOMMUFD, ENODEV, EMEDIUMTYPE, "iommufd module" },
                { KERNEL_CALL_OPEN_IOMMUFD, EACCES, EMEDIUMTYPE, "DeviceAllow=" },
                { KERNEL_CALL_OPEN_IOMMUFD, EPERM, EMEDIUMTYPE, "DeviceAllow=" },
                { KERNEL_CALL_OPEN_IOMMUFD, EMFILE, ENOBUFS, "LimitNOFILE=" },
                { KERNEL_CALL_OPEN_CDEV, ENOENT, ENXIO, "gone" },
                { KERNEL_CALL_OPEN_CDEV, ENODEV, ENXIO, "gone" },
                { KERNEL_CALL_OPEN_CDEV, ENXIO, ENXIO, "gone" },
                { KERNEL_CALL_OPEN_CDEV, EACCES, EMEDIUMTYPE, "root" },
                { KERNEL_CALL_OPEN_CDEV, EPERM, EMEDIUMTYPE, "DeviceAllow=" },
                { KERNEL_CALL_OPEN_CDEV, ENFILE, ENOBUFS, "fs.file-max" },
                { KERNEL_CALL_BIND, EINVAL, EBUSY, "somebody else has it bound" },
                { KERNEL_CALL_BIND, EBUSY, EBUSY, "/dev/vfio/GROUP" },
                { KERNEL_CALL_BIND, EAGAIN, EBUSY, "reset" },
                { KERNEL_CALL_BIND, EACCES, EMEDIUMTYPE, "VF token" },
                { KERNEL_CALL_BIND, ENODEV, ENXIO, "gone" },
                { KERNEL_CALL_BIND, ENOTTY, EMEDIUMTYPE, "6.15" },
                { KERNEL_CALL_BIND, EIO, EMEDIUMTYPE, "Input/output error" },
                { KERNEL_CALL_WIDTH, ENOENT, ENXIO, "bound" },
                { KERNEL_CALL_WIDTH, EOPNOTSUPP, EMEDIUMTYPE, "no-IOMMU" },
                { KERNEL_CALL_WIDTH, ENOTTY, EMEDIUMTYPE, "6.15" },
                { KERNEL_CALL_PROBE, EOPNOTSUPP, EMEDIUMTYPE, "plain vfio-pci" },
                { KERNEL_CALL_PROBE, EINVAL, EMEDIUMTYPE, "6.15" },
                { KERNEL_CALL_PROBE, ENOTTY, EMEDIUMTYPE, "6.15" },
                { KERNEL_CALL_REQUEST, ENOMEM, ENOMEM, "memory" },
                { KERNEL_CALL_ADOPT, ENOENT, ENXIO, "bound" },
                { KERNEL_CALL_ADOPT, ENOTTY, ENXIO, "no fd of its kind" },
                { KERNEL_CALL_ADOPT, EINVAL, ENXIO, "bound" },
                { KERNEL_CALL_ADOPT, EBADF, ENXIO, "no open fd" },
                { KERNEL_CALL_ADOPT, EIO, ENXIO, "Input/output error" },
                { KERNEL_CALL_IOAS, ENOTTY, EOPNOTSUPP, "6.15" },
                { KERNEL_CALL_HWPT, ENOENT, ENXIO, "bound" },
                { KERNEL_CALL_HWPT, EINVAL, EINVAL, "shrunk" },
                { KERNEL_CALL_HWPT, EADDRINUSE, EINVAL, "keeps for itself" },
                { KERNEL_CALL_HWPT, EOPNOTSUPP, EMEDIUMTYPE, "scalable mode" },
                { KERNEL_CALL_HWPT, ENOTTY, EMEDIUMTYPE, "6.15" },
                { KERNEL_CALL_HWPT, E2BIG, EMEDIUMTYPE, "Argument list too long" },
                { KERNEL_CALL_HWPT, ENOSPC, ENOBUFS, "full" },
                { KERNEL_CALL_HWPT, ENOMEM, ENOMEM, "memory" },
                { KERNEL_CALL_DESTROY, EBUSY, EBUSY, "still uses it" },
                { KERNEL_CALL_DESTROY, ENOTTY, EOPNOTSUPP, "6.15" },
                { KERNEL_CALL_ATTACH, EBUSY, EBUSY, "reset" },
                { KERNEL_CALL_ATTACH, ENOSPC, ENOBUFS, "no room for another page table" },
                { KERNEL_CALL_ATTACH, EINVAL, EMEDIUMTYPE, "does not suit" },
                { KERNEL_CALL_ATTACH, EOPNOTSUPP, EMEDIUMTYPE, "can't attach PASIDs" },
                { KERNEL_CALL_ATTACH, ENOTTY, EMEDIUMTYPE, "6.15" },
                { KERNEL_CALL_ATTACH, ENOENT, ENXIO, "page table" },
                { KERNEL_CALL_ATTACH, ENODEV, ENXIO, "bound" },
                { KERNEL_CALL_ATTACH, ENOMEM, ENOMEM, "memory" },
                { KERNEL_CALL_DETACH, EINVAL, ENXIO, "bound" },
                { KERNEL_CALL_DETACH, EOPNOTSUPP, EMEDIUMTYPE, "PASID operations" },
                { KERNEL_CALL_MAP, EEXIST, EADDRINUSE, "mapped there already" },
                { KERNEL_CALL_MAP, EINVAL, EINVAL, "width" },
                { KERNEL_CALL_MAP, EOVERFLOW, EINVAL, "beyond" },
                { KERNEL_CALL_MAP, ENOSPC, ENOBUFS, "no room" },
                { KERNEL_CALL_MAP, ENOMEM, ENOMEM, "LimitMEMLOCK=" },
                { KERNEL_CALL_MAP, ENOENT, ENOLINK, "address space" },
                { KERNEL_CALL_MAP, EOPNOTSUPP, EOPNOTSUPP, "memfd" },
                { KERNEL_CALL_MAP, ENOTTY, EOPNOTSUPP, "6.15" },
                { KERNEL_CALL_UNMAP, ENOENT, EINVAL, "nothing is mapped" },
                { KERNEL_CALL_UNMAP, EBUSY, EBUSY, "try again" },
                { KERNEL_CALL_UNMAP, EFAULT, EOPNOTSUPP, "Bad address" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int r = translate(cases[i].call, -cases[i].kernel, &refusal, "Thing %zu was asked", i);

                kernel_mock_check_refusal(r, &refusal, cases[i].code, cases[i].words);
        }
}
END_TEST

/*
 * Whatever a kernel of the future says, it becomes one of the contract's conditions, and neither a shortage of PASIDs nor
 * a right that the caller lacks.
 */
START_TEST(any_errno) {
        for (unsigned int call = 0; call < N_KERNEL_CALLS; call++)
                for (int e = 1; e <= 133; e++) {
                        int r = translate(call, -e, &refusal, "Device %s was asked", "ffffffff:ff:1f.7");

                        ck_assert_msg(r != -ENOSPC && r != -EAGAIN && r != -EDQUOT && r != -EIO && r != -ENOENT &&
                                      r != -EACCES && r != -EPERM,
                                      "call %u, errno %d", call, e);
                        kernel_mock_check_refusal(r, &refusal, -r, "Device ffffffff:ff:1f.7 was asked, but ");
                }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("kernel-objects");
        TCase *tc = tcase_create("calls");

        tcase_add_checked_fixture(tc, set_up, tear_down);
        tcase_add_test(tc, ioas);
        tcase_add_test(tc, hwpt);
        tcase_add_test(tc, destroy);
        tcase_add_test(tc, attach);
        tcase_add_test(tc, detach);
        tcase_add_test(tc, outside);
        tcase_add_test(tc, map);
        tcase_add_test(tc, unmap);
        suite_add_tcase(suite, tc);
        tc = tcase_create("translate");
        tcase_add_test(tc, conditions);
        tcase_add_test(tc, any_errno);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
