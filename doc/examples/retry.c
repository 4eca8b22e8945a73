/* SPDX-License-Identifier: 0BSD */
/*
 * An allocation that survives a daemon that restarts or is slow: the request
 * carries a token, and is repeated with it until it is answered. However often
 * it is sent, it gets one number.
 *
 *   cc retry.c $(pkg-config --cflags --libs libpasid) && ./a.out
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <pasid/pasid.h>

#define TRIES 10

static int alloc(struct pasid_client *client, struct pasid_consumer *consumer, const char *token, uint32_t *ret_pasid) {
        struct pasid_alloc_options options = PASID_ALLOC_OPTIONS_INIT;
        int r = -ETIMEDOUT;

        options.token = token;
        for (unsigned i = 0; i < TRIES; i++) {
                r = pasid_alloc(consumer, 0, 0, NULL, 0, &options, ret_pasid);
                if (r != -ETIMEDOUT && r != -ECONNRESET && r != -ENOTCONN)
                        return r; /* done, or refused for good */
                fprintf(stderr, "Once more: %s\n", pasid_strerror_last(client));
                if (r == -ETIMEDOUT)
                        continue;
                /* Where systemd restarts the daemon, its socket waits for it, and so does this. */
                if (pasid_client_reconnect(client) < 0)
                        (void) nanosleep(&(struct timespec) { .tv_sec = 1 }, NULL);
        }
        return r;
}

int main(void) {
        struct pasid_consumer_options options = PASID_CONSUMER_OPTIONS_INIT;
        struct pasid_consumer *consumer = NULL;
        struct pasid_client *client;
        char name[64], token[64];
        uint32_t pasid;
        int r;

        r = pasid_client_new(NULL, &client);
        if (r < 0) {
                fprintf(stderr, "No pasidd: %s\n", pasid_strerror(r));
                return EXIT_FAILURE;
        }
        /* Not held by the connection: it may have to be changed for another. */
        options.hold = PASID_HOLD_BOOT;
        (void) snprintf(name, sizeof(name), "example-retry-%ld", (long) getpid());
        r = pasid_consumer_init(client, name, &options, &consumer);
        if (r == 0) {
                /* What one number is for; a token is known for as long as its number is allocated. */
                (void) snprintf(token, sizeof(token), "queue-%d", 0);
                r = alloc(client, consumer, token, &pasid);
        }
        if (r == 0) {
                printf("got %u\n", pasid);
                r = pasid_consumer_exit(consumer);
        }
        if (r < 0)
                fprintf(stderr, "%s\n", pasid_strerror_last(client));
        (void) pasid_consumer_free(consumer);
        (void) pasid_client_free(client);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
