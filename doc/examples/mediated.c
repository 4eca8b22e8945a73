/* SPDX-License-Identifier: 0BSD */
/*
 * Mediated mode from begin to end: a consumer of a device, a PASID that pasidd
 * attaches to it, and memory that the device reaches with that PASID.
 *
 *   cc mediated.c $(pkg-config --cflags --libs libpasid) && ./a.out PCI-ADDRESS
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pasid/pasid.h>

#define SIZE ((size_t) 1 << 20)

/* Memory as pasidd wants it: it cannot be cut off under the device. */
static int make_memory(char **ret) {
        int fd = memfd_create("example-mediated", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        void *memory;

        if (fd < 0)
                return -1;
        if (ftruncate(fd, SIZE) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0 ||
            (memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED) {
                (void) close(fd);
                return -1;
        }
        *ret = memory;
        return fd;
}

static int use_memory(struct pasid_consumer *consumer, uint32_t pasid, int fd) {
        uint64_t iova;
        int r;

        r = pasid_map(consumer, pasid, fd, 0, SIZE, 0, PASID_MAP_READ | PASID_MAP_WRITE, &iova);
        if (r < 0)
                return r;
        printf("PASID %" PRIu32 ": %zu bytes at 0x%" PRIx64 "\n", pasid, SIZE, iova);
        /* Here the device would be told to use that address with that PASID. */
        return pasid_unmap(consumer, pasid, iova, SIZE, NULL);
}

static int run(struct pasid_client *client, const char *address, int fd) {
        struct pasid_consumer_options options = PASID_CONSUMER_OPTIONS_INIT;
        struct pasid_alloc_options alloc = PASID_ALLOC_OPTIONS_INIT;
        const char *const devices[] = { address, NULL };
        struct pasid_consumer *consumer;
        uint32_t pasid;
        int r;

        /* Held by our connection: whatever becomes of this process, the device loses its way to the memory. */
        options.devices = devices;
        options.mode = PASID_MODE_MEDIATED;
        r = pasid_consumer_init(client, "example-mediated", &options, &consumer);
        if (r < 0)
                return r;
        alloc.attach = true;
        r = pasid_alloc(consumer, 0, 0, NULL, 0, &alloc, &pasid);
        if (r == 0) {
                r = use_memory(consumer, pasid, fd);
                /* Detaches it, too. What pasidd detached can be somebody else's at once. */
                if (r == 0)
                        r = pasid_free(consumer, pasid);
        }
        if (r == 0)
                r = pasid_consumer_exit(consumer);
        (void) pasid_consumer_free(consumer);
        return r;
}

int main(int argc, char *argv[]) {
        struct pasid_client *client;
        char *memory;
        int r, fd;

        if (argc != 2) {
                fprintf(stderr, "Usage: %s PCI-ADDRESS\n", argv[0]);
                return EXIT_FAILURE;
        }
        fd = make_memory(&memory);
        if (fd < 0) {
                perror("No memory");
                return EXIT_FAILURE;
        }
        (void) snprintf(memory, SIZE, "for the device to read");
        r = pasid_client_new(NULL, &client);
        if (r < 0) {
                fprintf(stderr, "No pasidd: %s\n", pasid_strerror(r));
                (void) close(fd);
                return EXIT_FAILURE;
        }
        r = run(client, argv[1], fd);
        if (r < 0)
                fprintf(stderr, "%s\n", pasid_strerror_last(client));
        (void) pasid_client_free(client);
        (void) close(fd);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
