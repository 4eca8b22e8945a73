/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ioctls that change something or may wait, by kind; all others are one.
 */
#include "kernel/measure.h"

#include <stddef.h>
#include <sys/ioctl.h>
#include <time.h>

#include "internal/uapi-iommufd.h"
#include "internal/uapi-vfio.h"

static const uint64_t bounds[KERNEL_TIMING_BUCKETS - 1] = {
        10000, 100000, 1000000, 10000000, 100000000, 1000000000,
};

static enum kernel_timed call_of(unsigned long request) {
        switch (request) {
        case UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT:
                return KERNEL_TIMED_ATTACH;
        case UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT:
                return KERNEL_TIMED_DETACH;
        case UAPI_VFIO_DEVICE_BIND_IOMMUFD:
                return KERNEL_TIMED_BIND;
        case UAPI_IOMMU_IOAS_ALLOC:
                return KERNEL_TIMED_IOAS;
        case UAPI_IOMMU_HWPT_ALLOC:
                return KERNEL_TIMED_HWPT;
        case UAPI_IOMMU_DESTROY:
                return KERNEL_TIMED_DESTROY;
        case UAPI_IOMMU_IOAS_MAP_FILE:
                return KERNEL_TIMED_MAP;
        case UAPI_IOMMU_IOAS_UNMAP:
                return KERNEL_TIMED_UNMAP;
        default:
                return KERNEL_TIMED_OTHER;
        }
}

static uint64_t now_nsec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

static void note(struct kernel_timing *timing, uint64_t nsec, bool has_failed) {
        size_t i = 0;

        while (i < KERNEL_TIMING_BUCKETS - 1 && nsec > bounds[i])
                i++;
        timing->buckets[i]++;
        timing->nsec += nsec;
        timing->n_failed += has_failed;
}

static struct measured_calls *measured(const struct system_calls *calls) {
        return (struct measured_calls *) (uintptr_t) calls;
}

static int measure_ioctl(const struct system_calls *calls, int fd, unsigned long request, void *arg) {
        struct measured_calls *m = measured(calls);
        uint64_t start = now_nsec();
        int r;

        r = m->inner->ioctl(m->inner, fd, request, arg);
        note(&m->timings.calls[call_of(request)], now_nsec() - start, r < 0);
        return r;
}

static int pass_open(const struct system_calls *calls, const char *path, int flags) {
        return measured(calls)->inner->open(measured(calls)->inner, path, flags);
}

static void pass_close(const struct system_calls *calls, int fd) {
        measured(calls)->inner->close(measured(calls)->inner, fd);
}

static int pass_eventfd(const struct system_calls *calls) {
        return measured(calls)->inner->eventfd(measured(calls)->inner);
}

static int pass_fstat(const struct system_calls *calls, int fd, struct stat *ret) {
        return measured(calls)->inner->fstat(measured(calls)->inner, fd, ret);
}

void measure_init(struct measured_calls *m, const struct system_calls *inner) {
        *m = (struct measured_calls) {
                .calls = {
                        .open = pass_open,
                        .close = pass_close,
                        .ioctl = measure_ioctl,
                        .eventfd = pass_eventfd,
                        .fstat = pass_fstat,
                },
                .inner = inner,
                .timings = { .bounds = bounds },
        };
}
