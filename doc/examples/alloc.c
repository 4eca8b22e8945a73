/* SPDX-License-Identifier: 0BSD */
/*
 * One PASID from begin to end: become a consumer, draw a number with some data
 * of one's own, find the data again, give the number back.
 *
 *   cc alloc.c $(pkg-config --cflags --libs libpasid) && ./a.out [PCI-ADDRESS]...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pasid/pasid.h>

static int print(const struct pasid_info *info, void *userdata) {
        (void) userdata;
        printf("%u is %s\n", info->pasid, pasid_state_to_string(info->state));
        return 0;
}

static int run(struct pasid_client *client, const char *const *devices) {
        struct pasid_consumer_options options = PASID_CONSUMER_OPTIONS_INIT;
        struct pasid_consumer *consumer;
        static const char queue[] = "queue 0";
        uint32_t pasid;
        void *data;
        size_t size;
        int r;

        /* Held by our connection: whatever becomes of this process, the numbers go back. */
        options.devices = devices;
        r = pasid_consumer_init(client, "example-alloc", &options, &consumer);
        if (r < 0)
                return r;

        r = pasid_alloc(consumer, 0, 0, queue, sizeof(queue), NULL, &pasid);
        if (r == 0)
                printf("got %u; here it would be attached to a device\n", pasid);
        if (r == 0)
                r = pasid_find(consumer, pasid, &data, &size, NULL);
        if (r == 0) {
                printf("%u was for %.*s\n", pasid, (int) size, (const char *) data);
                free(data);
                r = pasid_for_each(consumer, print, NULL);
        }
        if (r == 0)
                r = pasid_free(consumer, pasid);
        if (r == 0)
                r = pasid_consumer_exit(consumer);
        (void) pasid_consumer_free(consumer);
        return r;
}

int main(int argc, char *argv[]) {
        struct pasid_client *client;
        int r;

        (void) argc;
        r = pasid_client_new(NULL, &client);
        if (r < 0) {
                fprintf(stderr, "No pasidd: %s\n", pasid_strerror(r));
                return EXIT_FAILURE;
        }
        r = run(client, (const char *const *) argv + 1);
        if (r < 0)
                fprintf(stderr, "%s\n", pasid_strerror_last(client));
        (void) pasid_client_free(client);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
