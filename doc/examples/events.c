/* SPDX-License-Identifier: 0BSD */
/*
 * Allocations as they happen on the whole host, in an epoll(7) loop, until a
 * line comes on standard input or it ends.
 *
 *   cc events.c $(pkg-config --cflags --libs libpasid) && ./a.out
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <pasid/pasid.h>

static int print(const struct pasid_event *event, void *userdata) {
        (void) userdata;
        switch (event->type) {
        case PASID_EVENT_ALLOCATED:
                printf("%s got %u\n", event->consumer, event->pasid);
                break;
        case PASID_EVENT_FREED:
                printf("%s gave up %u: %s\n", event->consumer, event->pasid, event->reason);
                break;
        case PASID_EVENT_CONSUMER_ADDED:
                printf("%s came\n", event->consumer);
                break;
        case PASID_EVENT_CONSUMER_REMOVED:
                printf("%s went\n", event->consumer);
                break;
        case PASID_EVENT_LOST:
                printf("%s can use %u no more: %s\n", event->consumer, event->pasid, event->reason);
                break;
        case PASID_EVENT_DEVICE_REQUESTED:
                printf("The kernel wants %s back\n", event->device);
                break;
        case PASID_EVENT_RESTARTED:
        case PASID_EVENT_OVERFLOW:
                printf("Something was missed\n");
                break;
        default: /* of a newer library */
                break;
        }
        fflush(stdout);
        return 0;
}

/* Milliseconds from now until the moment, rounded up; -1 for never. */
static int milliseconds_to(uint64_t usec) {
        struct timespec ts;
        uint64_t now;

        if (usec == UINT64_MAX)
                return -1;
        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        now = (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
        return usec <= now ? 0 : (int) ((usec - now + 999) / 1000);
}

static int loop(struct pasid_client *client, int epoll_fd) {
        struct epoll_event watch, ready;
        uint64_t usec;
        int r, n, fd = pasid_client_get_fd(client);

        watch = (struct epoll_event) { .events = EPOLLIN, .data.fd = STDIN_FILENO };
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &watch) < 0 && errno != EPERM) /* a file: goes on until killed */
                return -errno;
        watch = (struct epoll_event) { .data.fd = fd };
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &watch) < 0)
                return -errno;
        for (;;) {
                while ((r = pasid_client_process(client)) > 0)
                        ;
                if (r < 0)
                        return r;
                /* Ask anew before each wait: all of it can have changed. POLLIN is EPOLLIN. */
                watch.events = (uint32_t) pasid_client_get_events(client);
                r = pasid_client_get_timeout(client, &usec);
                if (r < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &watch) < 0)
                        return r < 0 ? r : -errno;
                n = epoll_wait(epoll_fd, &ready, 1, milliseconds_to(usec));
                if (n > 0 && ready.data.fd == STDIN_FILENO)
                        return 0;
        }
}

int main(void) {
        struct pasid_client *client;
        int r, epoll_fd;

        r = pasid_client_new(NULL, &client);
        if (r < 0) {
                fprintf(stderr, "No pasidd: %s\n", pasid_strerror(r));
                return EXIT_FAILURE;
        }
        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        r = epoll_fd < 0 ? -errno : pasid_subscribe(client, print, NULL);
        if (r == 0)
                r = loop(client, epoll_fd);
        if (r < 0)
                fprintf(stderr, "%s: %s\n", pasid_strerror(r), pasid_strerror_last(client));
        (void) pasid_client_free(client);
        if (epoll_fd >= 0)
                (void) close(epoll_fd);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
