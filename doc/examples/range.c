/* SPDX-License-Identifier: 0BSD */
/*
 * A block of consecutive PASIDs, as for the virtual functions of one device:
 * function N uses the N-th of the block. All or none, and aligned, so that
 * hardware can match them with a mask.
 *
 *   cc range.c $(pkg-config --cflags --libs libpasid) && ./a.out [COUNT]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <pasid/pasid.h>

static uint32_t next_power_of_two(uint32_t n) {
        uint32_t p = 1;

        while (p < n)
                p *= 2;
        return p;
}

static int run(struct pasid_client *client, uint32_t count, uint32_t *pasids) {
        struct pasid_alloc_options options = PASID_ALLOC_OPTIONS_INIT;
        struct pasid_consumer *consumer;
        int r;

        r = pasid_consumer_init(client, "example-range", NULL, &consumer);
        if (r < 0)
                return r;
        options.contiguous = true;
        options.align = next_power_of_two(count);
        r = pasid_alloc_many(consumer, count, 0, 0, NULL, 0, &options, pasids);
        if (r == -ENOSPC) {
                /* Enough numbers may be free, but not in one block at such a place. */
                options.align = 0;
                r = pasid_alloc_many(consumer, count, 0, 0, NULL, 0, &options, pasids);
        }
        if (r == 0) {
                for (uint32_t i = 0; i < count; i++)
                        printf("virtual function %u: PASID %u\n", i, pasids[i]);
                r = pasid_free_many(consumer, pasids, count);
        }
        (void) pasid_consumer_free(consumer);
        return r;
}

int main(int argc, char *argv[]) {
        unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 0) : 8;
        struct pasid_client *client;
        uint32_t *pasids;
        int r;

        if (count < 1 || count > PASID_MAX) {
                fprintf(stderr, "A count is 1..%u\n", PASID_MAX);
                return EXIT_FAILURE;
        }
        pasids = calloc(count, sizeof(*pasids));
        if (!pasids)
                return EXIT_FAILURE;
        r = pasid_client_new(NULL, &client);
        if (r < 0) {
                fprintf(stderr, "No pasidd: %s\n", pasid_strerror(r));
                free(pasids);
                return EXIT_FAILURE;
        }
        r = run(client, (uint32_t) count, pasids);
        if (r < 0)
                fprintf(stderr, "%s\n", pasid_strerror_last(client));
        (void) pasid_client_free(client); /* ends the consumer too */
        free(pasids);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
