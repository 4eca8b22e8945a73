/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each ioctl is counted where it belongs, with its time, and everything is
 * passed on as it was.
 */
#include <check.h>
#include <errno.h>
#include <sys/ioctl.h>
#include <time.h>

#include "internal/uapi-iommufd.h"
#include "internal/uapi-vfio.h"
#include "kernel/measure.h"
#include "suite.h"

static long nsec; /* what a call takes */
static int result;
static unsigned long last_request;
static void *last_arg;

static int slow_ioctl(const struct system_calls *calls, int fd, unsigned long request, void *arg) {
        struct timespec until;

        last_request = request;
        last_arg = arg;
        ck_assert_int_eq(fd, 7);
        (void) clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += nsec;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        return result;
}

static uint64_t count(const struct kernel_timing *timing) {
        uint64_t n = 0;

        for (size_t i = 0; i < KERNEL_TIMING_BUCKETS; i++)
                n += timing->buckets[i];
        return n;
}

START_TEST(calls_by_name) {
        static const struct {
                unsigned long request;
                enum kernel_timed kind;
        } cases[] = {
                { UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, KERNEL_TIMED_ATTACH }, { UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT, KERNEL_TIMED_DETACH },
                { UAPI_VFIO_DEVICE_BIND_IOMMUFD, KERNEL_TIMED_BIND },        { UAPI_IOMMU_IOAS_ALLOC, KERNEL_TIMED_IOAS },
                { UAPI_IOMMU_HWPT_ALLOC, KERNEL_TIMED_HWPT },                { UAPI_IOMMU_DESTROY, KERNEL_TIMED_DESTROY },
                { UAPI_IOMMU_IOAS_MAP_FILE, KERNEL_TIMED_MAP },              { UAPI_IOMMU_IOAS_UNMAP, KERNEL_TIMED_UNMAP },
                { UAPI_IOMMU_GET_HW_INFO, KERNEL_TIMED_OTHER },
        };
        const struct system_calls inner = { .ioctl = slow_ioctl };
        struct measured_calls m;
        int arg;

        measure_init(&m, &inner);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                result = i % 2 ? -EBUSY : 5;
                ck_assert_int_eq(m.calls.ioctl(&m.calls, 7, cases[i].request, &arg), result);
                ck_assert_uint_eq(last_request, cases[i].request);
                ck_assert_ptr_eq(last_arg, &arg);
                for (int kind = 0; kind < KERNEL_TIMED_MAX_; kind++)
                        ck_assert_uint_eq(count(&m.timings.calls[kind]), kind <= (int) cases[i].kind);
                ck_assert_uint_eq(m.timings.calls[cases[i].kind].n_failed, i % 2);
        }
}
END_TEST

/* No call is in a bucket that it took longer than. */
START_TEST(times) {
        const struct system_calls inner = { .ioctl = slow_ioctl };
        const struct kernel_timing *map;
        struct measured_calls m;

        measure_init(&m, &inner);
        map = &m.timings.calls[KERNEL_TIMED_MAP];
        result = 0;
        nsec = 20000000;
        ck_assert_int_eq(m.calls.ioctl(&m.calls, 7, UAPI_IOMMU_IOAS_MAP_FILE, NULL), 0);
        ck_assert_uint_ge(map->nsec, 20000000);
        ck_assert_uint_eq(count(map), 1);
        for (size_t i = 0; i < KERNEL_TIMING_BUCKETS - 1 && m.timings.bounds[i] < 20000000; i++)
                ck_assert_uint_eq(map->buckets[i], 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("kernel-measure");
        TCase *tc = tcase_create("measure");

        tcase_add_test(tc, calls_by_name);
        tcase_add_test(tc, times);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
