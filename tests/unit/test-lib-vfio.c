/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attaching by oneself, on a kernel of the test's own: it behaves as Linux
 * does, traps included, keeps account of what is there, and fails on demand.
 */
#include <stdarg.h>
#include <stdio.h>

#include <pasid/pasid.h>

#include "internal/cleanup.h"
#include "internal/uapi-iommufd.h"
#include "internal/uapi-vfio.h"
#include "suite.h"

#define DEVICE 1001
#define IOMMUFD 1002
#define DEVICE_ID 7
#define IOAS 3
#define N_PASIDS (1U << 20)

/* What the kernel has. */
static struct {
        bool is_bound;
        uint8_t log2;
        uint32_t *hwpt_of; /* by number; 0: not attached */
        unsigned n_attached, n_hwpts;
        uint32_t next_hwpt;
        unsigned long fail_request; /* this one fails */
        int fail_errno;
        unsigned fail_times;
        unsigned n_calls;
        bool traps; /* something was done that the kernel takes without a word, and nobody wants */
} kernel;

static int fails(int error) {
        errno = error;
        return -1;
}

static int on_bind(struct uapi_vfio_device_bind_iommufd *bind) {
        ck_assert_uint_eq(bind->argsz, sizeof(*bind));
        ck_assert_uint_eq(bind->flags, 0);
        if (bind->iommufd != IOMMUFD)
                return fails(EBADFD);
        if (kernel.is_bound)
                return fails(EINVAL);
        kernel.is_bound = true;
        bind->out_devid = DEVICE_ID;
        return 0;
}

static int on_attach(struct uapi_vfio_device_attach_iommufd_pt *attach) {
        ck_assert_uint_eq(attach->argsz, sizeof(*attach));
        ck_assert_uint_eq(attach->flags, UAPI_VFIO_DEVICE_ATTACH_PASID);
        if (!kernel.is_bound || attach->pasid >= N_PASIDS)
                return fails(EINVAL);
        if (attach->pasid == 0 || kernel.hwpt_of[attach->pasid] != 0)
                kernel.traps = true;
        kernel.n_attached += kernel.hwpt_of[attach->pasid] == 0;
        kernel.hwpt_of[attach->pasid] = attach->pt_id;
        return 0;
}

static int on_detach(struct uapi_vfio_device_detach_iommufd_pt *detach) {
        ck_assert_uint_eq(detach->argsz, sizeof(*detach));
        ck_assert_uint_eq(detach->flags, UAPI_VFIO_DEVICE_DETACH_PASID);
        if (!kernel.is_bound)
                return fails(EINVAL);
        if (detach->pasid >= N_PASIDS || kernel.hwpt_of[detach->pasid] == 0) {
                kernel.traps = true;
                return 0;
        }
        kernel.hwpt_of[detach->pasid] = 0;
        kernel.n_attached--;
        return 0;
}

static int on_hw_info(struct uapi_iommu_hw_info *info) {
        ck_assert_uint_eq(info->size, sizeof(*info));
        if (info->dev_id != DEVICE_ID)
                return fails(ENOENT);
        info->out_max_pasid_log2 = kernel.log2;
        return 0;
}

static int on_hwpt_alloc(struct uapi_iommu_hwpt_alloc *alloc) {
        ck_assert_uint_eq(alloc->size, sizeof(*alloc));
        ck_assert_uint_eq(alloc->flags, UAPI_IOMMU_HWPT_ALLOC_PASID);
        ck_assert_uint_eq(alloc->dev_id, DEVICE_ID);
        if (alloc->pt_id != IOAS)
                return fails(EINVAL);
        alloc->out_hwpt_id = kernel.next_hwpt++;
        kernel.n_hwpts++;
        return 0;
}

static int on_destroy(const struct uapi_iommu_destroy *destroy) {
        ck_assert_uint_eq(destroy->size, sizeof(*destroy));
        for (uint32_t i = 0; i < 2048; i++)
                if (kernel.hwpt_of[i] == destroy->id)
                        return fails(EBUSY);
        kernel.n_hwpts--;
        return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_ioctl(int fd, unsigned long request, ...) {
        void *argument;
        va_list ap;

        va_start(ap, request);
        argument = va_arg(ap, void *);
        va_end(ap);
        kernel.n_calls++;
        if (request == kernel.fail_request && kernel.fail_times > 0) {
                kernel.fail_times--;
                return fails(kernel.fail_errno);
        }
        if (fd == DEVICE)
                switch (request) {
                case UAPI_VFIO_DEVICE_BIND_IOMMUFD:
                        return on_bind(argument);
                case UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT:
                        return on_attach(argument);
                case UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT:
                        return on_detach(argument);
                default:
                        return fails(ENOTTY);
                }
        if (fd == IOMMUFD)
                switch (request) {
                case UAPI_IOMMU_GET_HW_INFO:
                        return on_hw_info(argument);
                case UAPI_IOMMU_HWPT_ALLOC:
                        return on_hwpt_alloc(argument);
                case UAPI_IOMMU_DESTROY:
                        return on_destroy(argument);
                default:
                        return fails(ENOTTY);
                }
        return fails(EBADF);
}

static void fail_next(unsigned long request, int error, unsigned times) {
        kernel.fail_request = request;
        kernel.fail_errno = error;
        kernel.fail_times = times;
}

static void setup(void) {
        uint32_t *hwpt_of = calloc(N_PASIDS, sizeof(*hwpt_of));

        ck_assert_ptr_nonnull(hwpt_of);
        memset(&kernel, 0, sizeof(kernel));
        kernel.hwpt_of = hwpt_of;
        kernel.log2 = 20;
        kernel.next_hwpt = 100;
}

static void teardown(void) {
        ck_assert(!kernel.traps);
        ck_assert_uint_eq(kernel.n_attached, 0);
        ck_assert_uint_eq(kernel.n_hwpts, 0);
        free(kernel.hwpt_of);
}

static struct pasid_vfio *vfio_new(void) {
        struct pasid_vfio *vfio = NULL;

        ck_assert_int_eq(pasid_vfio_new(DEVICE, IOMMUFD, &vfio), 0);
        ck_assert_ptr_nonnull(vfio);
        return vfio;
}

START_TEST(test_new)
{
        static const struct {
                uint8_t log2;
                uint32_t max;
        } widths[] = {
                { 1, 1 }, { 8, 255 }, { 16, 65535 }, { 20, PASID_MAX }, { 21, PASID_MAX }, { 32, PASID_MAX }, { 255, PASID_MAX },
        };
        struct pasid_vfio *vfio = NULL;

        for (size_t i = 0; i < ELEMENTSOF(widths); i++) {
                kernel.is_bound = false;
                kernel.log2 = widths[i].log2;
                vfio = vfio_new();
                ck_assert_uint_eq(pasid_vfio_max_pasid(vfio), widths[i].max);
                ck_assert_uint_eq(pasid_vfio_device_id(vfio), DEVICE_ID);
                ck_assert_ptr_null(pasid_vfio_free(vfio));
        }
        /* Bound already. */
        ck_assert_int_eq(pasid_vfio_new(DEVICE, IOMMUFD, &vfio), -EBUSY);
        ck_assert_int_eq(pasid_vfio_new_bound(DEVICE, IOMMUFD, DEVICE_ID, &vfio), 0);
        ck_assert_uint_eq(pasid_vfio_max_pasid(vfio), PASID_MAX);
        ck_assert_ptr_null(pasid_vfio_free(vfio));
        ck_assert_ptr_null(pasid_vfio_free(NULL));
        ck_assert_uint_eq(pasid_vfio_max_pasid(NULL), 0);
        ck_assert_uint_eq(pasid_vfio_device_id(NULL), 0);
}
END_TEST

START_TEST(test_new_refused)
{
        struct pasid_vfio *vfio = (void *) &kernel;
        static const struct {
                unsigned long request;
                int error, r;
        } cases[] = {
                { UAPI_VFIO_DEVICE_BIND_IOMMUFD, EINVAL, -EBUSY },
                { UAPI_VFIO_DEVICE_BIND_IOMMUFD, EBUSY, -EBUSY },
                { UAPI_VFIO_DEVICE_BIND_IOMMUFD, EAGAIN, -EBUSY },
                { UAPI_VFIO_DEVICE_BIND_IOMMUFD, EPERM, -EBUSY },
                { UAPI_VFIO_DEVICE_BIND_IOMMUFD, EACCES, -EMEDIUMTYPE },
                { UAPI_VFIO_DEVICE_BIND_IOMMUFD, ENODEV, -ENXIO },
                { UAPI_VFIO_DEVICE_BIND_IOMMUFD, ENOTTY, -EINVAL },
                { UAPI_VFIO_DEVICE_BIND_IOMMUFD, EBADF, -EINVAL },
                { UAPI_VFIO_DEVICE_BIND_IOMMUFD, ENOMEM, -ENOMEM },
                { UAPI_VFIO_DEVICE_BIND_IOMMUFD, EIO, -EPROTO },
                { UAPI_IOMMU_GET_HW_INFO, ENOENT, -EINVAL },
                { UAPI_IOMMU_GET_HW_INFO, ENOTTY, -EMEDIUMTYPE },
                { UAPI_IOMMU_GET_HW_INFO, EOPNOTSUPP, -EMEDIUMTYPE },
                { UAPI_IOMMU_GET_HW_INFO, ENODEV, -ENXIO },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                kernel.is_bound = false;
                fail_next(cases[i].request, cases[i].error, 1);
                ck_assert_msg(pasid_vfio_new(DEVICE, IOMMUFD, &vfio) == cases[i].r, "case %zu", i);
        }
        /* The IOMMU cannot tag them: attaching would succeed, to no effect. */
        kernel.is_bound = false;
        kernel.log2 = 0;
        ck_assert_int_eq(pasid_vfio_new(DEVICE, IOMMUFD, &vfio), -EMEDIUMTYPE);
        ck_assert_int_eq(pasid_vfio_new_bound(DEVICE, IOMMUFD, DEVICE_ID, &vfio), -EMEDIUMTYPE);
        kernel.log2 = 20;
        ck_assert_int_eq(pasid_vfio_new_bound(DEVICE, IOMMUFD, DEVICE_ID + 1, &vfio), -EINVAL);
        ck_assert_int_eq(pasid_vfio_new_bound(DEVICE, 9999, DEVICE_ID, &vfio), -EINVAL);
        kernel.n_calls = 0;
        ck_assert_int_eq(pasid_vfio_new(-1, IOMMUFD, &vfio), -EINVAL);
        ck_assert_int_eq(pasid_vfio_new(DEVICE, -1, &vfio), -EINVAL);
        ck_assert_int_eq(pasid_vfio_new(DEVICE, IOMMUFD, NULL), -EINVAL);
        ck_assert_int_eq(pasid_vfio_new_bound(-1, IOMMUFD, DEVICE_ID, &vfio), -EINVAL);
        ck_assert_int_eq(pasid_vfio_new_bound(DEVICE, IOMMUFD, DEVICE_ID, NULL), -EINVAL);
        ck_assert_uint_eq(kernel.n_calls, 0);
        ck_assert_ptr_eq(vfio, (void *) &kernel);
}
END_TEST

START_TEST(test_attach)
{
        struct pasid_vfio *vfio = vfio_new();

        ck_assert_int_eq(pasid_vfio_attach(vfio, 17, IOAS), 0);
        ck_assert_uint_eq(kernel.hwpt_of[17], 100);
        ck_assert_int_eq(pasid_vfio_attach(vfio, 1, IOAS), 0);
        ck_assert_int_eq(pasid_vfio_attach(vfio, PASID_MAX, IOAS), 0);
        ck_assert_uint_eq(kernel.hwpt_of[PASID_MAX], 102);
        ck_assert_uint_eq(kernel.n_hwpts, 3);
        ck_assert_int_eq(pasid_vfio_detach(vfio, 17), 0);
        ck_assert_uint_eq(kernel.hwpt_of[17], 0);
        ck_assert_uint_eq(kernel.n_hwpts, 2);
        ck_assert_int_eq(pasid_vfio_attach(vfio, 17, IOAS), 0);
        ck_assert_ptr_null(pasid_vfio_free(vfio)); /* detaches the three */
        ck_assert_uint_eq(kernel.n_attached, 0);
        ck_assert_uint_eq(kernel.n_hwpts, 0);
}
END_TEST

/* The traps: no call gets to the kernel. */
START_TEST(test_guards)
{
        struct pasid_vfio *vfio;

        kernel.log2 = 8;
        vfio = vfio_new();
        ck_assert_int_eq(pasid_vfio_attach(vfio, 255, IOAS), 0);
        kernel.n_calls = 0;
        ck_assert_int_eq(pasid_vfio_attach(vfio, 0, IOAS), -EDOM);
        ck_assert_int_eq(pasid_vfio_attach(vfio, PASID_MAX + 1, IOAS), -EDOM);
        ck_assert_int_eq(pasid_vfio_attach(vfio, UINT32_MAX, IOAS), -EDOM);
        ck_assert_int_eq(pasid_vfio_attach(vfio, 256, IOAS), -ERANGE);
        ck_assert_int_eq(pasid_vfio_attach(vfio, PASID_MAX, IOAS), -ERANGE);
        ck_assert_int_eq(pasid_vfio_attach(vfio, 255, IOAS), -EADDRINUSE);
        ck_assert_int_eq(pasid_vfio_attach(NULL, 17, IOAS), -EINVAL);
        ck_assert_int_eq(pasid_vfio_detach(vfio, 0), -EDOM);
        ck_assert_int_eq(pasid_vfio_detach(vfio, UINT32_MAX), -EDOM);
        ck_assert_int_eq(pasid_vfio_detach(vfio, 17), -ENOLINK);
        ck_assert_int_eq(pasid_vfio_detach(vfio, 256), -ENOLINK);
        ck_assert_int_eq(pasid_vfio_detach(NULL, 17), -EINVAL);
        ck_assert_uint_eq(kernel.n_calls, 0);
        ck_assert_int_eq(pasid_vfio_detach(vfio, 255), 0);
        kernel.n_calls = 0;
        ck_assert_int_eq(pasid_vfio_detach(vfio, 255), -ENOLINK);
        ck_assert_uint_eq(kernel.n_calls, 0);
        ck_assert_ptr_null(pasid_vfio_free(vfio));
}
END_TEST

/* Each call fails in turn: the error has its own name, and nothing is left. */
START_TEST(test_attach_fails)
{
        static const struct {
                unsigned long request;
                int error, r;
        } cases[] = {
                { UAPI_IOMMU_HWPT_ALLOC, EINVAL, -EINVAL },
                { UAPI_IOMMU_HWPT_ALLOC, EADDRINUSE, -EINVAL }, /* never "attached already" */
                { UAPI_IOMMU_HWPT_ALLOC, EFAULT, -EINVAL },
                { UAPI_IOMMU_HWPT_ALLOC, ENOENT, -ENXIO },
                { UAPI_IOMMU_HWPT_ALLOC, ENODEV, -EMEDIUMTYPE },
                { UAPI_IOMMU_HWPT_ALLOC, ENOMEM, -ENOMEM },
                { UAPI_IOMMU_HWPT_ALLOC, ENOSPC, -ENOBUFS }, /* never "exhausted" */
                { UAPI_IOMMU_HWPT_ALLOC, EOPNOTSUPP, -EMEDIUMTYPE },
                { UAPI_IOMMU_HWPT_ALLOC, ENOTTY, -EMEDIUMTYPE },
                { UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, EINVAL, -EMEDIUMTYPE },
                { UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, EOPNOTSUPP, -EMEDIUMTYPE },
                { UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, EBUSY, -EBUSY },
                { UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, EAGAIN, -EBUSY }, /* never "cooling down" */
                { UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, ENOSPC, -ENOBUFS },
                { UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, ENOENT, -ENXIO },
                { UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, ENODEV, -ENXIO },
                { UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, EIO, -EPROTO },
        };
        struct pasid_vfio *vfio = vfio_new();

        ck_assert_int_eq(pasid_vfio_attach(vfio, 16, IOAS), 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                fail_next(cases[i].request, cases[i].error, 1);
                ck_assert_msg(pasid_vfio_attach(vfio, 17, IOAS) == cases[i].r, "case %zu", i);
                ck_assert_uint_eq(kernel.hwpt_of[17], 0);
                ck_assert_uint_eq(kernel.n_hwpts, 1);
                ck_assert_int_eq(pasid_vfio_detach(vfio, 17), -ENOLINK);
        }
        ck_assert_int_eq(pasid_vfio_attach(vfio, 17, IOAS + 1), -EINVAL);
        /* A signal is no failure. */
        fail_next(UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, EINTR, 3);
        ck_assert_int_eq(pasid_vfio_attach(vfio, 17, IOAS), 0);
        ck_assert_ptr_null(pasid_vfio_free(vfio));
}
END_TEST

START_TEST(test_detach_fails)
{
        struct pasid_vfio *vfio = vfio_new();
        unsigned n_calls;

        ck_assert_int_eq(pasid_vfio_attach(vfio, 17, IOAS), 0);
        fail_next(UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT, EBUSY, 1);
        ck_assert_int_eq(pasid_vfio_detach(vfio, 17), -EBUSY);
        ck_assert_uint_eq(kernel.hwpt_of[17], 100);
        ck_assert_int_eq(pasid_vfio_attach(vfio, 17, IOAS), -EADDRINUSE);
        fail_next(UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT, EINVAL, 1);
        ck_assert_int_eq(pasid_vfio_detach(vfio, 17), -ENXIO);
        /* Detached, and its page table still there: only that is tried again. */
        fail_next(UAPI_IOMMU_DESTROY, EBUSY, 1);
        ck_assert_int_eq(pasid_vfio_detach(vfio, 17), -EBUSY);
        ck_assert_uint_eq(kernel.hwpt_of[17], 0);
        ck_assert_int_eq(pasid_vfio_attach(vfio, 17, IOAS), -EADDRINUSE);
        n_calls = kernel.n_calls;
        ck_assert_int_eq(pasid_vfio_detach(vfio, 17), 0);
        ck_assert_uint_eq(kernel.n_calls, n_calls + 1);
        ck_assert_int_eq(pasid_vfio_detach(vfio, 17), -ENOLINK);
        /* Gone is what it was to be. */
        ck_assert_int_eq(pasid_vfio_attach(vfio, 18, IOAS), 0);
        fail_next(UAPI_IOMMU_DESTROY, ENOENT, 1);
        ck_assert_int_eq(pasid_vfio_detach(vfio, 18), 0);
        kernel.n_hwpts--;
        /* And the rest at the end. */
        ck_assert_int_eq(pasid_vfio_attach(vfio, 19, IOAS), 0);
        fail_next(UAPI_IOMMU_DESTROY, EBUSY, 1);
        ck_assert_int_eq(pasid_vfio_detach(vfio, 19), -EBUSY);
        ck_assert_ptr_null(pasid_vfio_free(vfio));
}
END_TEST

START_TEST(test_many)
{
        struct pasid_vfio *vfio = vfio_new();

        for (uint32_t i = 1; i < 2048; i++)
                ck_assert_int_eq(pasid_vfio_attach(vfio, i * 5 % 2048, IOAS), 0); /* each once: 2048 is no multiple of 5 */
        for (uint32_t i = 1; i < 2048; i++)
                ck_assert_int_eq(pasid_vfio_attach(vfio, i, IOAS), -EADDRINUSE);
        ck_assert_uint_eq(kernel.n_attached, 2047);
        for (uint32_t i = 1; i < 2048; i += 2)
                ck_assert_int_eq(pasid_vfio_detach(vfio, i), 0);
        ck_assert_uint_eq(kernel.n_attached, 1023);
        ck_assert_uint_eq(kernel.n_hwpts, 1023);
        ck_assert_ptr_null(pasid_vfio_free(vfio));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("lib-vfio");
        TCase *tc = tcase_create("vfio");

        tcase_set_timeout(tc, 60);
        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_add_test(tc, test_new);
        tcase_add_test(tc, test_new_refused);
        tcase_add_test(tc, test_attach);
        tcase_add_test(tc, test_guards);
        tcase_add_test(tc, test_attach_fails);
        tcase_add_test(tc, test_detach_fails);
        tcase_add_test(tc, test_many);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
