/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cost: what pasidd adds to the system calls. A number with an address space
 * and memory in it, by pasidd in one call and in two, and by this process
 * itself on the same device; a Ping beside them; and the first attachments
 * against the thousandth.
 * Medians, in microseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include <pasid/pasid.h>

#include "internal/cleanup.h"
#include "internal/contract.h"
#include "internal/uapi-iommufd.h"

#define ROUNDS 200
#define IN_A_ROW 20
#define MANY 1000
#define MEMORY 65536U
#define ADDRESS UINT64_C(0x100000)

static void fail(const char *what, int r) {
        (void) fprintf(stderr, "cost: %s: %s\n", what, pasid_strerror(r));
        exit(EXIT_FAILURE);
}

static double now(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}

static double median(double *values, size_t n) {
        qsort(values, n, sizeof(*values), compare);
        return values[n / 2];
}

static sd_bus *connect_for_pings(void) {
        sd_bus *bus;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, "unix:path=" PASIDD_SOCKET);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                fail("connect", r);
        return bus;
}

static double ping(sd_bus *bus) {
        double start = now();
        int r = sd_bus_call_method(bus, NULL, PASIDD_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL);

        if (r < 0)
                fail("Ping", r);
        return now() - start;
}

static struct pasid_consumer *init(struct pasid_client *client, const char *name, const char *device) {
        struct pasid_consumer_options options = PASID_CONSUMER_OPTIONS_INIT;
        const char *devices[] = { device, NULL };
        struct pasid_consumer *consumer;
        int r;

        options.devices = devices;
        options.mode = PASID_MODE_MEDIATED;
        r = pasid_consumer_init(client, name, &options, &consumer);
        if (r < 0)
                fail(pasid_strerror_last(client), r);
        return consumer;
}

/* Without memory it is attached only. */
static double in_two_calls(struct pasid_client *client, struct pasid_consumer *consumer, int memory, uint32_t *ret) {
        struct pasid_alloc_options options = PASID_ALLOC_OPTIONS_INIT;
        double start = now();
        uint64_t iova;
        int r;

        options.attach = true;
        r = pasid_alloc(consumer, 0, 0, NULL, 0, &options, ret);
        if (r >= 0 && memory >= 0)
                r = pasid_map(consumer, *ret, memory, 0, MEMORY, 0, PASID_MAP_READ | PASID_MAP_WRITE, &iova);
        if (r < 0)
                fail(pasid_strerror_last(client), r);
        return now() - start;
}

static double in_one_call(struct pasid_client *client, struct pasid_consumer *consumer, int memory, uint32_t *ret) {
        struct pasid_mapping map = PASID_MAPPING_INIT;
        struct pasid_alloc_options options = PASID_ALLOC_OPTIONS_INIT;
        double start = now();
        int r;

        map.memory_fd = memory;
        map.length = MEMORY;
        map.iova = ADDRESS;
        map.flags = PASID_MAP_READ | PASID_MAP_WRITE | PASID_MAP_FIXED;
        options.map = &map;
        r = pasid_alloc(consumer, 0, 0, NULL, 0, &options, ret);
        if (r < 0)
                fail(pasid_strerror_last(client), r);
        return now() - start;
}

struct medians {
        double ping, one, two;
};

/* In turns, so that a machine that becomes slower does so for all. */
static struct medians through_pasidd(struct pasid_client *client, const char *device, int memory) {
        struct pasid_consumer *consumer = init(client, "cost", device);
        double pings[ROUNDS], ones[ROUNDS], twos[ROUNDS];
        sd_bus *bus = connect_for_pings();
        uint32_t pasid;

        for (size_t i = 0; i < ROUNDS; i += IN_A_ROW) {
                for (size_t k = i; k < i + IN_A_ROW; k++)
                        pings[k] = ping(bus);
                for (size_t k = i; k < i + IN_A_ROW; k++) {
                        ones[k] = in_one_call(client, consumer, memory, &pasid);
                        (void) pasid_free(consumer, pasid);
                }
                for (size_t k = i; k < i + IN_A_ROW; k++) {
                        twos[k] = in_two_calls(client, consumer, memory, &pasid);
                        (void) pasid_free(consumer, pasid);
                }
        }
        sd_bus_flush_close_unref(bus);
        (void) pasid_consumer_exit(consumer);
        pasid_consumer_free(consumer);
        return (struct medians) { median(pings, ROUNDS), median(ones, ROUNDS), median(twos, ROUNDS) };
}

/* In turns, too: one consumer has no other number, one has many. */
static void many(struct pasid_client *client, const char *device) {
        struct pasid_consumer *empty = init(client, "empty", device), *full = init(client, "full", device);
        double firsts[ROUNDS], lasts[ROUNDS];
        uint32_t pasid;

        for (size_t i = 1; i < MANY; i++)
                (void) in_two_calls(client, full, -1, &pasid);
        for (size_t i = 0; i < ROUNDS; i += IN_A_ROW) {
                for (size_t k = i; k < i + IN_A_ROW; k++) {
                        firsts[k] = in_two_calls(client, empty, -1, &pasid);
                        (void) pasid_free(empty, pasid);
                }
                for (size_t k = i; k < i + IN_A_ROW; k++) {
                        lasts[k] = in_two_calls(client, full, -1, &pasid);
                        (void) pasid_free(full, pasid);
                }
        }
        (void) printf("Alloc and attach, a consumer's first number: %.0f us; its %dth: %.0f us\n", median(firsts, ROUNDS), MANY,
                      median(lasts, ROUNDS));
        (void) pasid_consumer_exit(empty);
        (void) pasid_consumer_exit(full);
        pasid_consumer_free(empty);
        pasid_consumer_free(full);
}

static double by_itself(struct pasid_client *client, const char *device, int memory) {
        struct pasid_vfio *vfio;
        int device_fd, iommufd, r;
        double times[ROUNDS];

        r = pasid_device_open(client, device, &device_fd, &iommufd);
        if (r < 0)
                fail(pasid_strerror_last(client), r);
        r = pasid_vfio_new(device_fd, iommufd, &vfio);
        for (uint32_t i = 0; r >= 0 && i < ROUNDS; i++) {
                struct uapi_iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
                struct uapi_iommu_ioas_map_file map = { .size = sizeof(map), .fd = memory, .length = MEMORY,
                                                        .iova = ADDRESS, .flags = UAPI_IOMMU_IOAS_MAP_READABLE |
                                                        UAPI_IOMMU_IOAS_MAP_WRITEABLE | UAPI_IOMMU_IOAS_MAP_FIXED_IOVA };
                struct uapi_iommu_destroy destroy = { .size = sizeof(destroy) };
                double start = now();

                r = ioctl(iommufd, UAPI_IOMMU_IOAS_ALLOC, &ioas) < 0 ? -errno : 0;
                if (r >= 0)
                        r = pasid_vfio_attach(vfio, i + 1, ioas.out_ioas_id);
                map.ioas_id = ioas.out_ioas_id;
                if (r >= 0 && ioctl(iommufd, UAPI_IOMMU_IOAS_MAP_FILE, &map) < 0)
                        r = -errno;
                times[i] = now() - start;
                if (r >= 0)
                        r = pasid_vfio_detach(vfio, i + 1);
                destroy.id = ioas.out_ioas_id;
                if (r >= 0 && ioctl(iommufd, UAPI_IOMMU_DESTROY, &destroy) < 0)
                        r = -errno;
        }
        if (r < 0)
                fail("by itself", r);
        pasid_vfio_free(vfio);
        (void) close(device_fd);
        (void) close(iommufd);
        return median(times, ROUNDS);
}

int main(int argc, char **argv) {
        struct pasid_client *client;
        struct medians by_pasidd;
        double own;
        int memory, r;

        if (argc != 2) {
                (void) fprintf(stderr, "cost DEVICE\n");
                return 2;
        }
        memory = memfd_create("cost", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (memory < 0 || ftruncate(memory, MEMORY) < 0 || fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
                fail("memory", -errno);
        r = pasid_client_new(NULL, &client);
        if (r < 0)
                fail("connect", r);
        by_pasidd = through_pasidd(client, argv[1], memory);
        many(client, argv[1]);
        own = by_itself(client, argv[1], memory);
        (void) printf("Ping %.0f us; alloc, attach and map by the system calls alone %.0f us\n"
                      "by pasidd in one call %.0f us: it adds %.1f Pings; in two calls %.0f us: it adds %.1f Pings\n",
                      by_pasidd.ping, own, by_pasidd.one, (by_pasidd.one - own) / by_pasidd.ping, by_pasidd.two,
                      (by_pasidd.two - own) / by_pasidd.ping);
        pasid_client_free(client);
        return EXIT_SUCCESS;
}
