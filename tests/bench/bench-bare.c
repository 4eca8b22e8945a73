/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the transport itself costs: a server on sd-bus and sd-event as their
 * manual pages show it, with a method of Alloc's signature that reads its
 * arguments, keeps nothing and answers, on a socket and through a message bus.
 * pasidd's figures stand beside these: its ratios can't be smaller.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define ROUNDS 41
#define CALLS 400
#define NAME "org.pasidd1" /* that the bench's bus lets anybody own */

static int on_alloc(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const void *data;
        uint32_t min, max;
        size_t size = 0;
        int r;

        r = sd_bus_message_read(m, "uu", &min, &max);
        if (r >= 0)
                r = sd_bus_message_read_array(m, 'y', &data, &size);
        if (r >= 0)
                r = sd_bus_message_skip(m, "a{sv}");
        return r < 0 ? r : sd_bus_reply_method_return(m, "u", min + max + (uint32_t) size);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Alloc", "uuaya{sv}", "u", on_alloc, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* On a socket of its own, or under a name on a message bus. */
static int connect_server(sd_bus *bus, const char *address, int fd) {
        sd_id128_t id;
        int r;

        if (address) {
                r = sd_bus_set_address(bus, address);
                return r < 0 ? r : sd_bus_set_bus_client(bus, true);
        }
        r = sd_bus_set_fd(bus, fd, fd);
        if (r >= 0)
                r = sd_id128_randomize(&id);
        return r < 0 ? r : sd_bus_set_server(bus, true, id);
}

static int serve(const char *address, int fd, int ready_fd) {
        sd_event *event = NULL;
        sd_bus *bus = NULL;
        int r;

        r = sd_event_default(&event);
        if (r >= 0)
                r = sd_bus_new(&bus);
        if (r >= 0)
                r = connect_server(bus, address, fd);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, "/bench", "org.pasidd1.Bench", vtable, NULL);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0 && address)
                r = sd_bus_request_name(bus, NAME, 0);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0 && write(ready_fd, "", 1) == 1)
                r = sd_event_loop(event);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void call_alloc(sd_bus *bus, const char *destination) {
        static const char data[64];
        sd_bus_message *call, *reply;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, destination, "/bench", "org.pasidd1.Bench", "Alloc");
        if (r >= 0)
                r = sd_bus_message_append(call, "uu", 0, 0);
        if (r >= 0)
                r = sd_bus_message_append_array(call, 'y', data, sizeof(data));
        if (r >= 0)
                r = sd_bus_message_append(call, "a{sv}", 0);
        if (r >= 0)
                r = sd_bus_call(bus, call, 0, NULL, &reply);
        if (r < 0)
                bench_fail("Alloc", r);
        sd_bus_message_unref(call);
        sd_bus_message_unref(reply);
}

static void call_ping(sd_bus *bus, const char *destination) {
        int r = sd_bus_call_method(bus, destination, "/bench", "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL);

        if (r < 0)
                bench_fail("Ping", r);
}

static double median_of(sd_bus *bus, const char *destination, void (*call)(sd_bus *, const char *)) {
        double times[CALLS];

        for (int i = 0; i < CALLS; i++) {
                double start = bench_now();

                call(bus, destination);
                times[i] = bench_now() - start;
        }
        return bench_median(times, CALLS);
}

static sd_bus *connect_client(const char *address, int fd) {
        sd_bus *bus;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = address ? sd_bus_set_address(bus, address) : sd_bus_set_fd(bus, fd, fd);
        if (r >= 0 && address)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                bench_fail("connect", r);
        return bus;
}

/* address NULL: a socket between the two */
static void bench_bare(const char *address, const char *label) {
        const char *destination = address ? NAME : NULL;
        double pings[ROUNDS], allocs[ROUNDS], ratios[ROUNDS];
        int fds[2], ready[2];
        sd_bus *bus;
        pid_t pid;
        char c;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 || pipe2(ready, O_CLOEXEC) < 0)
                bench_fail("socketpair", errno);
        (void) fflush(NULL);
        pid = fork();
        if (pid < 0)
                bench_fail("fork", errno);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                _exit(serve(address, fds[1], ready[1]));
        }
        (void) close(fds[1]);
        (void) close(ready[1]);
        if (read(ready[0], &c, 1) != 1)
                bench_fail("the server did not start", EIO);
        (void) close(ready[0]);
        bus = connect_client(address, fds[0]);
        for (int round = 0; round < ROUNDS; round++) {
                pings[round] = median_of(bus, destination, call_ping);
                allocs[round] = median_of(bus, destination, call_alloc);
                ratios[round] = allocs[round] / pings[round];
        }
        printf("Peer.Ping of a bare sd-bus server, %-23s %10.2f us\n", label, bench_median(pings, ROUNDS) * 1e6);
        printf("%-58s %10.2f us\n", "  a method of Alloc's signature that keeps nothing", bench_median(allocs, ROUNDS) * 1e6);
        printf("%-58s %10.2f x\n", "  ratio", bench_median(ratios, ROUNDS));
        sd_bus_close_unref(bus);
        if (address)
                (void) close(fds[0]);
        (void) kill(pid, SIGTERM);
        (void) waitpid(pid, NULL, 0);
}

int main(void) {
        bench_bare(NULL, "direct socket");
        for (enum bus_kind kind = BUS_DBUS_DAEMON; kind < BUS_KIND_MAX_; kind++) {
                struct message_bus *bus = bench_message_bus(kind);

                if (!bus)
                        continue;
                bench_bare(bus->address, bus_kind_to_string(kind));
                (void) bench_message_bus_free(bus);
        }
        return EXIT_SUCCESS;
}
