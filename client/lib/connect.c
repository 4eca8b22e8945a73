/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From an address to a connection that is ready for calls: message buses, the
 * daemon's own socket (peer-to-peer D-Bus), and the choice between them when
 * nobody named one.
 */
#include <poll.h>
#include <time.h>

#include "libpasid-internal.h"

#define SYSTEM_BUS "system"
#define BUS_PREFIX "bus:"
#define DIRECT_DEFAULT "unix:path=" PASIDD_SOCKET

#define RETRY_FIRST_USEC UINT64_C(1000)
#define RETRY_MAX_USEC UINT64_C(16000)

static uint64_t now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static uint64_t deadline_in(uint64_t timeout_usec) {
        uint64_t now = now_usec();

        return timeout_usec > UINT64_MAX - now ? UINT64_MAX : now + timeout_usec;
}

static bool names_bus(const char *address) {
        return strcmp(address, SYSTEM_BUS) == 0 || strncmp(address, BUS_PREFIX, sizeof(BUS_PREFIX) - 1) == 0;
}

/* What D-Bus itself would call the address. */
static const char *skip_prefix(const char *address) {
        return strncmp(address, BUS_PREFIX, sizeof(BUS_PREFIX) - 1) == 0 ? address + sizeof(BUS_PREFIX) - 1 : address;
}

static int start(const char *address, uint64_t timeout_usec, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        if (strcmp(address, SYSTEM_BUS) == 0) {
                r = sd_bus_open_system(&bus);
                if (r < 0)
                        return r;
        } else {
                r = sd_bus_new(&bus);
                if (r < 0)
                        return r;
                r = sd_bus_set_address(bus, skip_prefix(address));
                if (r < 0)
                        return r;
                r = sd_bus_set_bus_client(bus, names_bus(address));
                if (r < 0)
                        return r;
                r = sd_bus_start(bus);
                if (r < 0)
                        return r;
        }
        r = sd_bus_set_exit_on_disconnect(bus, false);
        if (r < 0)
                return r;
        /* For the calls that sd-bus makes by itself: AddMatch. */
        r = sd_bus_set_method_call_timeout(bus, timeout_usec);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

/* Authentication, and Hello on a message bus. */
static int wait_ready(sd_bus *bus, uint64_t deadline) {
        int r;

        for (;;) {
                uint64_t now;

                r = sd_bus_is_ready(bus);
                if (r != 0)
                        return r < 0 ? r : 0;
                r = sd_bus_process(bus, NULL);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                now = now_usec();
                if (now >= deadline)
                        return -ETIMEDOUT;
                r = sd_bus_wait(bus, deadline == UINT64_MAX ? UINT64_MAX : deadline - now);
                if (r < 0 && r != -EINTR)
                        return r;
        }
}

static int connect_error(int r) {
        switch (r) {
        case -ENOENT:
        case -ENOTDIR:
        case -ECONNREFUSED:
                return -ECONNREFUSED;
        case -EPIPE:
        case -ENOTCONN:
        case -ESHUTDOWN:
        case -ECONNRESET:
                return -ECONNRESET;
        default:
                return lp_local_error(r);
        }
}

static int connect_one(const char *address, uint64_t timeout_usec, sd_bus **ret) {
        uint64_t deadline = deadline_in(timeout_usec), delay = RETRY_FIRST_USEC;
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        /* EAGAIN: the listener's queue is full. There is nothing to poll for until it has room (unix(7)). */
        while ((r = start(address, timeout_usec, &bus)) == -EAGAIN) {
                struct timespec ts = { .tv_nsec = (long) (delay * 1000) };

                if (now_usec() >= deadline)
                        return -ETIMEDOUT;
                (void) ppoll(NULL, 0, &ts, NULL);
                if (delay < RETRY_MAX_USEC)
                        delay *= 2;
        }
        if (r < 0)
                return connect_error(r);
        r = wait_ready(bus, deadline);
        if (r == -ETIMEDOUT)
                return r;
        if (r < 0)
                return connect_error(r);
        *ret = TAKE_PTR(bus);
        return 0;
}

int lp_connect(const char *address, uint64_t timeout_usec, sd_bus **ret, char **ret_address, bool *ret_on_bus) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *copy = NULL;
        bool by_default = false;
        int r, first;

        if (!address) {
                address = secure_getenv("PASIDD_ADDRESS");
                if (!address || !*address) {
                        address = DIRECT_DEFAULT;
                        by_default = true;
                }
        }
        if (strcmp(address, SYSTEM_BUS) != 0 && !strchr(skip_prefix(address), ':'))
                return -EINVAL;
        r = connect_one(address, timeout_usec, &bus);
        if (by_default && (r == -ECONNREFUSED || r == -EACCES || r == -ECONNRESET)) {
                first = r;
                address = SYSTEM_BUS;
                r = connect_one(address, timeout_usec, &bus);
                /* The daemon is there, and lets us not in: that says more. */
                if (r == -ECONNREFUSED && first == -EACCES)
                        r = first;
        }
        if (r < 0)
                return r;
        copy = strdup(address);
        if (!copy)
                return -ENOMEM;
        *ret = TAKE_PTR(bus);
        *ret_address = TAKE_PTR(copy);
        *ret_on_bus = names_bus(address);
        return 0;
}
