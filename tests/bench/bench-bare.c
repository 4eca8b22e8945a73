/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the transport itself costs: a server on sd-bus and sd-event as their
 * manual pages show it, with a method of Alloc's signature that reads its
 * arguments, keeps nothing and answers. pasidd's figures stand beside these.
 */
#include <errno.h>
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

static int serve(int fd) {
        sd_event *event = NULL;
        sd_bus *bus = NULL;
        sd_id128_t id;
        int r;

        r = sd_event_default(&event);
        if (r >= 0)
                r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r >= 0)
                r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_set_server(bus, true, id);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, "/bench", "org.pasidd1.Bench", vtable, NULL);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_event_loop(event);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void call_alloc(sd_bus *bus) {
        static const char data[64];
        sd_bus_message *call, *reply;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, NULL, "/bench", "org.pasidd1.Bench", "Alloc");
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

static void call_ping(sd_bus *bus) {
        int r = sd_bus_call_method(bus, NULL, "/bench", "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL);

        if (r < 0)
                bench_fail("Ping", r);
}

static double median_of(sd_bus *bus, void (*call)(sd_bus *)) {
        double times[CALLS];

        for (int i = 0; i < CALLS; i++) {
                double start = bench_now();

                call(bus);
                times[i] = bench_now() - start;
        }
        return bench_median(times, CALLS);
}

int main(void) {
        double pings[ROUNDS], allocs[ROUNDS];
        int fds[2], r;
        sd_bus *bus;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                bench_fail("socketpair", errno);
        pid = fork();
        if (pid < 0)
                bench_fail("fork", errno);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                _exit(serve(fds[1]));
        }
        (void) close(fds[1]);
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fds[0], fds[0]);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                bench_fail("connect", r);
        for (int round = 0; round < ROUNDS; round++) {
                pings[round] = median_of(bus, call_ping);
                allocs[round] = median_of(bus, call_alloc);
        }
        printf("%-58s %10.2f us\n", "Peer.Ping of a bare sd-bus server", bench_median(pings, ROUNDS) * 1e6);
        printf("%-58s %10.2f us\n", "a method of Alloc's signature that keeps nothing, there", bench_median(allocs, ROUNDS) * 1e6);
        sd_bus_close_unref(bus);
        (void) kill(pid, SIGTERM);
        (void) waitpid(pid, NULL, 0);
        return EXIT_SUCCESS;
}
