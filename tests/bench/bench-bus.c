/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon from outside: what each row of the contract's table of speed and
 * size comes to on this machine. Ratios are made in alternating rounds of one
 * run, because absolute times drift.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pasid/pasid.h>

#include "bench.h"
#include "internal/cleanup.h"
#include "internal/contract.h"

#define ROUNDS 41
#define CALLS 400
#define CLIENTS 1000
#define CLIENT_ALLOCS 20

static const char private_data[64] = "sixty-four bytes of private data";

static void print_row(const char *work, double value, const char *unit, const char *limit) {
        printf("%-58s %10.2f %-10s %s\n", work, value, unit, limit);
        (void) fflush(stdout);
}

static void ping(sd_bus *bus, const char *destination) {
        int r = sd_bus_call_method(bus, destination, PASIDD_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL);

        if (r < 0)
                bench_fail("Ping", r);
}

static uint32_t alloc(sd_bus *bus, const char *destination, const char *path) {
        sd_bus_message *call, *reply;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        uint32_t pasid;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, destination, path, PASIDD_IFACE_CONSUMER, "Alloc");
        if (r >= 0)
                r = sd_bus_message_append(call, "uu", 0, 0);
        if (r >= 0)
                r = sd_bus_message_append_array(call, 'y', private_data, sizeof(private_data));
        if (r >= 0)
                r = sd_bus_message_append(call, "a{sv}", 0);
        if (r >= 0)
                r = sd_bus_call(bus, call, 0, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "u", &pasid);
        if (r < 0) {
                (void) fprintf(stderr, "bench: Alloc: %s\n", error.message ?: "");
                bench_fail("Alloc", r);
        }
        sd_bus_message_unref(call);
        sd_bus_message_unref(reply);
        return pasid;
}

static void free_many(sd_bus *bus, const char *destination, const char *path, const uint32_t *pasids, size_t n) {
        sd_bus_message *call;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, destination, path, PASIDD_IFACE_CONSUMER, "FreeMany");
        if (r >= 0)
                r = sd_bus_message_append_array(call, 'u', pasids, n * sizeof(*pasids));
        if (r >= 0)
                r = sd_bus_call(bus, call, 0, NULL, NULL);
        if (r < 0)
                bench_fail("FreeMany", r);
        sd_bus_message_unref(call);
}

/* Ping and Alloc in turn; the ratio is made round by round. */
static void bench_ratio(const struct bench_daemon *d, bool on_bus, const char *label, const char *limit) {
        const char *destination = on_bus ? PASIDD_BUS_NAME : NULL;
        sd_bus *bus = bench_connect(d, on_bus);
        double pings[ROUNDS], allocs[ROUNDS], ratios[ROUNDS], times[CALLS];
        uint32_t pasids[CALLS];
        char *path, text[128];

        bench_init(bus, destination, "bench-ratio", &path);
        for (int round = 0; round < ROUNDS; round++) {
                for (int i = 0; i < CALLS; i++) {
                        double start = bench_now();

                        ping(bus, destination);
                        times[i] = bench_now() - start;
                }
                pings[round] = bench_median(times, CALLS);
                for (int i = 0; i < CALLS; i++) {
                        double start = bench_now();

                        pasids[i] = alloc(bus, destination, path);
                        times[i] = bench_now() - start;
                }
                allocs[round] = bench_median(times, CALLS);
                free_many(bus, destination, path, pasids, CALLS);
                ratios[round] = allocs[round] / pings[round];
        }
        (void) snprintf(text, sizeof(text), "Peer.Ping, %s", label);
        print_row(text, bench_median(pings, ROUNDS) * 1e6, "us", "");
        (void) snprintf(text, sizeof(text), "Alloc with 64 bytes, committed, %s", label);
        print_row(text, bench_median(allocs, ROUNDS) * 1e6, "us", "");
        print_row("  ratio", bench_median(ratios, ROUNDS), "x", limit);
        (void) sd_bus_call_method(bus, destination, path, PASIDD_IFACE_CONSUMER, "Exit", NULL, NULL, NULL);
        free(path);
        sd_bus_flush_close_unref(bus);
}

static int count_row(const struct pasid_info *info, void *userdata) {
        ++*(uint32_t *) userdata;
        return 0;
}

/* The whole space: given at once, listed, started with, and what it weighs. */
static void bench_whole(struct bench_daemon *d) {
        struct pasid_client_options client_options = PASID_CLIENT_OPTIONS_INIT;
        struct pasid_consumer_options options = PASID_CONSUMER_OPTIONS_INIT;
        struct pasid_client *client;
        struct pasid_consumer *consumer, *exiting;
        uint32_t *pasids = calloc(PASID_MAX, sizeof(*pasids)), n = 0;
        double start, seconds[5];
        size_t empty, full;
        int r;

        client_options.address = d->address;
        client_options.timeout_usec = 120 * 1000000ULL;
        r = pasid_client_new(&client_options, &client);
        if (r < 0 || !pasids)
                bench_fail("connect", r < 0 ? r : ENOMEM);
        options.hold = PASID_HOLD_BOOT;
        options.quota = PASID_MAX;
        r = pasid_consumer_init(client, "bench-whole", &options, &consumer);
        if (r < 0)
                bench_fail(pasid_strerror_last(client), r);

        empty = bench_daemon_memory(d);
        start = bench_now();
        r = pasid_alloc_many(consumer, PASID_MAX, 0, 0, private_data, sizeof(private_data), NULL, pasids);
        if (r < 0)
                bench_fail(pasid_strerror_last(client), r);
        print_row("AllocMany of 1..2^20-1, 64 bytes each", bench_now() - start, "s", "<= 3");
        full = bench_daemon_memory(d);
        print_row("memory a row after it", (double) (full - empty) / PASID_MAX, "bytes", "<= 200 + private");

        for (size_t i = 0; i < ELEMENTSOF(seconds); i++) {
                n = 0;
                start = bench_now();
                r = pasid_for_each(consumer, count_row, &n);
                seconds[i] = bench_now() - start;
                if (r < 0 || n != PASID_MAX)
                        bench_fail(pasid_strerror_last(client), r < 0 ? r : EPROTO);
        }
        print_row("List of 2^20-1 rows through libpasid", bench_median(seconds, ELEMENTSOF(seconds)), "s", "<= 2");

        for (size_t i = 0; i < ELEMENTSOF(seconds); i++) {
                bench_daemon_stop(d);
                seconds[i] = bench_daemon_start(d);
        }
        print_row("start with 2^20-1 rows, to READY", bench_median(seconds, ELEMENTSOF(seconds)), "s", "<= 2");
        print_row("memory a row after a start", (double) (bench_daemon_memory(d) - empty) / PASID_MAX, "bytes", "<= 200 + private");

        r = pasid_client_reconnect(client);
        if (r >= 0)
                r = pasid_free_many(consumer, pasids, 1);
        if (r < 0)
                bench_fail(pasid_strerror_last(client), r);
        start = bench_now();
        r = pasid_alloc(consumer, 0, 0, private_data, sizeof(private_data), NULL, &n);
        print_row("Alloc of the one number left", (bench_now() - start) * 1e6, "us", "");
        if (r < 0 || n != pasids[0])
                bench_fail("the one number left was not found", r < 0 ? r : EPROTO);
        /* The history's worst: no two are neighbours. */
        for (uint32_t i = 0; i < PASID_MAX / 2; i++)
                pasids[i] = 2 * i + 2;
        start = bench_now();
        r = pasid_free_many(consumer, pasids, PASID_MAX / 2);
        if (r < 0)
                bench_fail(pasid_strerror_last(client), r);
        print_row("FreeMany of each second one", bench_now() - start, "s", "");
        start = bench_now();
        r = pasid_consumer_exit(consumer);
        if (r < 0)
                bench_fail(pasid_strerror_last(client), r);
        print_row("Exit with the others, 2^19 rows", bench_now() - start, "s", "");

        r = pasid_consumer_init(client, "bench-exit", &options, &exiting);
        if (r >= 0)
                r = pasid_alloc_many(exiting, PASID_MAX / 2, 0, 0, private_data, sizeof(private_data), NULL, pasids);
        if (r < 0)
                bench_fail(pasid_strerror_last(client), r);
        start = bench_now();
        r = pasid_consumer_exit(exiting);
        if (r < 0)
                bench_fail(pasid_strerror_last(client), r);
        print_row("Exit with 2^19 rows, neighbours", bench_now() - start, "s", "");
        pasid_consumer_free(exiting);
        pasid_consumer_free(consumer);
        pasid_client_free(client);
        free(pasids);
}

struct crowd_client {
        sd_bus *bus;
        char *path;
        int left;
        double sent, worst, finished;
};

static int on_allocated(sd_bus_message *reply, void *userdata, sd_bus_error *error);

static void crowd_ask(struct crowd_client *c) {
        sd_bus_message *call;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &call, NULL, c->path, PASIDD_IFACE_CONSUMER, "Alloc");
        if (r >= 0)
                r = sd_bus_message_append(call, "uu", 0, 0);
        if (r >= 0)
                r = sd_bus_message_append_array(call, 'y', private_data, sizeof(private_data));
        if (r >= 0)
                r = sd_bus_message_append(call, "a{sv}", 0);
        c->sent = bench_now();
        if (r >= 0)
                r = sd_bus_call_async(c->bus, NULL, call, on_allocated, c, 60 * 1000000ULL);
        if (r < 0)
                bench_fail("Alloc of a crowd", r);
        sd_bus_message_unref(call);
}

static int on_allocated(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        struct crowd_client *c = userdata;
        double waited = bench_now() - c->sent;

        if (sd_bus_message_is_method_error(reply, NULL)) {
                (void) fprintf(stderr, "bench: %s\n", sd_bus_message_get_error(reply)->message);
                bench_fail("Alloc of a crowd", EPROTO);
        }
        if (waited > c->worst)
                c->worst = waited;
        if (--c->left > 0)
                crowd_ask(c);
        else
                c->finished = bench_now();
        return 1;
}

static void crowd_connect(const struct bench_daemon *d, struct crowd_client *clients, int epoll) {
        for (int i = 0; i < CLIENTS; i++) {
                struct epoll_event event = { .events = EPOLLIN, .data.ptr = &clients[i] };
                char name[32];

                (void) snprintf(name, sizeof(name), "crowd-%d", i);
                clients[i] = (struct crowd_client) { .bus = bench_connect(d, false), .left = CLIENT_ALLOCS };
                bench_init(clients[i].bus, NULL, name, &clients[i].path);
                if (epoll_ctl(epoll, EPOLL_CTL_ADD, sd_bus_get_fd(clients[i].bus), &event) < 0)
                        bench_fail("epoll_ctl", errno);
        }
}

/* All connected and asking at once, each the next as soon as it has its answer. */
static void bench_crowd(const struct bench_daemon *d) {
        struct crowd_client *clients = calloc(CLIENTS, sizeof(*clients));
        double worst[CLIENTS], finished[CLIENTS], start, whole;
        int busy = CLIENTS, epoll = epoll_create1(EPOLL_CLOEXEC);

        if (!clients || epoll < 0)
                bench_fail("a crowd", ENOMEM);
        crowd_connect(d, clients, epoll);
        start = bench_now();
        for (int i = 0; i < CLIENTS; i++)
                crowd_ask(&clients[i]);
        while (busy > 0) {
                struct epoll_event events[CLIENTS];
                int n = epoll_wait(epoll, events, CLIENTS, 60000);

                if (n <= 0)
                        bench_fail("a client got no answer", ETIMEDOUT);
                for (int i = 0; i < n; i++) {
                        struct crowd_client *c = events[i].data.ptr;
                        bool was_busy = c->left > 0;

                        while (sd_bus_process(c->bus, NULL) > 0)
                                ;
                        busy -= was_busy && c->left == 0;
                }
        }
        whole = bench_now() - start;
        for (int i = 0; i < CLIENTS; i++) {
                worst[i] = clients[i].worst;
                finished[i] = clients[i].finished - start;
                sd_bus_flush_close_unref(clients[i].bus);
                free(clients[i].path);
        }
        print_row("1000 clients, 20 Allocs each, at once: an Alloc", whole * 1e6 / (CLIENTS * CLIENT_ALLOCS), "us", "no error");
        print_row("  longest wait of a client, median over the clients", bench_median(worst, CLIENTS) * 1e3, "ms", "");
        print_row("  longest wait of the unluckiest client", worst[CLIENTS - 1] * 1e3, "ms", "none starved");
        (void) bench_median(finished, CLIENTS); /* sorts */
        print_row("  last to finish against the first to finish", finished[CLIENTS - 1] / finished[0], "x", "");
        free(clients);
        (void) close(epoll);
}

static void bench_on_bus(enum bus_kind kind, const char *limit) {
        struct message_bus *bus = bench_message_bus(kind);
        struct bench_daemon d;

        if (!bus)
                return;
        bench_daemon_init(&d, bus->address);
        (void) bench_daemon_start(&d);
        bench_ratio(&d, true, bus_kind_to_string(kind), limit);
        bench_daemon_done(&d);
        (void) bench_message_bus_free(bus);
}

int main(void) {
        struct bench_daemon d;

        printf("%-58s %10s %-10s %s\n", "work", "here", "", "must reach");
        bench_daemon_init(&d, NULL);
        print_row("start with an empty table, to READY", bench_daemon_start(&d), "s", "");
        bench_ratio(&d, false, "direct socket", "<= 1.4");
        bench_on_bus(BUS_DBUS_DAEMON, "<= 1.2");
        bench_on_bus(BUS_DBUS_BROKER, "or this one");
        bench_crowd(&d);
        bench_daemon_stop(&d);
        bench_daemon_done(&d);

        bench_daemon_init(&d, NULL);
        (void) bench_daemon_start(&d);
        bench_whole(&d);
        bench_daemon_done(&d);
        return EXIT_SUCCESS;
}
