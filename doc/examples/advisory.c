/* SPDX-License-Identifier: 0BSD */
/*
 * Advisory mode, as the manager of a virtual machine uses it: pasidd gives the
 * number and the device; attaching and mapping is done here.
 *
 *   cc advisory.c $(pkg-config --cflags --libs libpasid) && ./a.out PCI-ADDRESS
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pasid/pasid.h>

#ifdef __has_include
#if __has_include(<linux/iommufd.h>)
#include <linux/iommufd.h>
#endif
#endif
#ifndef IOMMU_IOAS_ALLOC /* kernel headers older than 6.2 */
struct iommu_ioas_alloc {
        uint32_t size, flags, out_ioas_id;
};
struct iommu_ioas_map {
        uint32_t size, flags, ioas_id, reserved;
        uint64_t user_va, length, iova;
};
#define IOMMU_IOAS_ALLOC _IO(';', 0x81)
#define IOMMU_IOAS_MAP _IO(';', 0x85)
#define IOMMU_IOAS_MAP_WRITEABLE (1U << 1)
#define IOMMU_IOAS_MAP_READABLE (1U << 2)
#endif

#define SIZE ((size_t) 1 << 20)

/* An address space with some memory in it. The mapping ends with the iommufd. */
static int make_address_space(int iommufd, uint32_t *ret_ioas, uint64_t *ret_iova) {
        struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
        struct iommu_ioas_map map = {
                .size = sizeof(map),
                .flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
        };
        void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (memory == MAP_FAILED || ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc) < 0)
                return -errno;
        map.ioas_id = alloc.out_ioas_id;
        map.user_va = (uintptr_t) memory;
        map.length = SIZE;
        if (ioctl(iommufd, IOMMU_IOAS_MAP, &map) < 0)
                return -errno;
        *ret_ioas = alloc.out_ioas_id;
        *ret_iova = map.iova;
        return 0;
}

static int use_device(struct pasid_consumer *consumer, int device, int iommufd) {
        struct pasid_vfio *vfio;
        uint32_t ioas = 0, pasid;
        uint64_t iova = 0;
        int r;

        r = pasid_vfio_new(device, iommufd, &vfio);
        if (r < 0) {
                fprintf(stderr, "The device cannot be used: %s\n", pasid_strerror(r));
                return r;
        }
        r = make_address_space(iommufd, &ioas, &iova);
        if (r < 0)
                fprintf(stderr, "No address space: %s\n", strerror(-r));
        if (r == 0) {
                r = pasid_alloc(consumer, 0, 0, NULL, 0, NULL, &pasid);
                if (r < 0)
                        fprintf(stderr, "No PASID: %s\n", pasid_strerror(r));
        }
        if (r == 0) {
                r = pasid_vfio_attach(vfio, pasid, ioas);
                if (r < 0)
                        fprintf(stderr, "PASID %" PRIu32 " cannot be attached: %s\n", pasid, pasid_strerror(r));
                else {
                        printf("PASID %" PRIu32 ": %zu bytes at 0x%" PRIx64 "\n", pasid, SIZE, iova);
                        /* Here the device would be told to use that address with that PASID. */
                        r = pasid_vfio_detach(vfio, pasid);
                }
                /* Only what is detached: until it cools down nobody else gets it. */
                if (r == 0)
                        r = pasid_free(consumer, pasid);
        }
        (void) pasid_vfio_free(vfio);
        return r;
}

static int run(struct pasid_client *client, const char *address) {
        struct pasid_consumer_options options = PASID_CONSUMER_OPTIONS_INIT;
        const char *const devices[] = { address, NULL };
        struct pasid_consumer *consumer;
        int r, device, iommufd;

        options.devices = devices;
        r = pasid_consumer_init(client, "example-advisory", &options, &consumer);
        if (r == 0) {
                r = pasid_device_open(client, address, &device, &iommufd);
                if (r == 0) {
                        r = use_device(consumer, device, iommufd);
                        (void) close(device);
                        (void) close(iommufd);
                } else
                        fprintf(stderr, "%s\n", pasid_strerror_last(client));
                (void) pasid_consumer_free(consumer);
        } else
                fprintf(stderr, "%s\n", pasid_strerror_last(client));
        return r;
}

int main(int argc, char *argv[]) {
        struct pasid_client *client;
        int r;

        if (argc != 2) {
                fprintf(stderr, "Usage: %s PCI-ADDRESS\n", argv[0]);
                return EXIT_FAILURE;
        }
        r = pasid_client_new(NULL, &client);
        if (r < 0) {
                fprintf(stderr, "No pasidd: %s\n", pasid_strerror(r));
                return EXIT_FAILURE;
        }
        r = run(client, argv[1]);
        (void) pasid_client_free(client);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
