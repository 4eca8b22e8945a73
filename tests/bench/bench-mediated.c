/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a tenant's start costs in the daemon: a number with an address space
 * and memory in it, on a stand-in for the kernel whose calls do next to
 * nothing, so that all that is beyond a Ping is taken for pasidd's. And the
 * first attachment against one after a thousand. tests/vm/run cost does the same on
 * a real kernel, and takes the system calls' part off.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pasid/pasid.h>

#include "bench.h"
#include "internal/contract.h"

#define ROUNDS 41
#define CALLS 100
#define MEMORY 65536U
#define MANY 1000
#define DEVICE "0000:01:00.0"

static void write_line(const char *dir, const char *name, const char *line) {
        char path[128];
        FILE *f;

        (void) snprintf(path, sizeof(path), "%s/%s", dir, name);
        f = fopen(path, "we");
        if (!f || fputs(line, f) < 0 || fclose(f) != 0)
                bench_fail(path, errno);
}

static void make_fake(struct bench_daemon *d) {
        d->program = getenv("PASIDD_FAKE");
        (void) snprintf(d->sysfs, sizeof(d->sysfs), "%s/fake", d->dir);
        if (!d->program || mkdir(d->sysfs, 0755) < 0)
                bench_fail("PASIDD_FAKE", errno);
        write_line(d->sysfs, "devices", DEVICE " 1 vfio-pci\n");
        write_line(d->sysfs, "width", "20\n");
}

static double ping(sd_bus *bus) {
        double start = bench_now();
        int r = sd_bus_call_method(bus, NULL, PASIDD_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL);

        if (r < 0)
                bench_fail("Ping", r);
        return bench_now() - start;
}

static double give_and_take(struct pasid_consumer *consumer, const struct pasid_alloc_options *options, int memory) {
        double start = bench_now(), end;
        uint64_t iova;
        uint32_t pasid;
        int r;

        r = pasid_alloc(consumer, 0, 0, NULL, 0, options, &pasid);
        if (r >= 0 && memory >= 0)
                r = pasid_map(consumer, pasid, memory, 0, MEMORY, 0, PASID_MAP_READ | PASID_MAP_WRITE, &iova);
        end = bench_now();
        if (r >= 0)
                r = pasid_free(consumer, pasid);
        if (r < 0)
                bench_fail("Alloc, Map and Free", r);
        return end - start;
}

static void measure(sd_bus *bus, struct pasid_consumer *consumer, int memory) {
        struct pasid_mapping map = PASID_MAPPING_INIT;
        struct pasid_alloc_options one = PASID_ALLOC_OPTIONS_INIT, two = PASID_ALLOC_OPTIONS_INIT;
        double pings[ROUNDS], ones[ROUNDS], twos[ROUNDS], ones_added[ROUNDS], twos_added[ROUNDS], times[CALLS];

        map.memory_fd = memory;
        map.length = MEMORY;
        map.iova = MEMORY;
        map.flags = PASID_MAP_READ | PASID_MAP_WRITE | PASID_MAP_FIXED;
        one.map = &map;
        two.attach = true;
        for (int round = 0; round < ROUNDS; round++) {
                for (int i = 0; i < CALLS; i++)
                        times[i] = ping(bus);
                pings[round] = bench_median(times, CALLS);
                for (int i = 0; i < CALLS; i++)
                        times[i] = give_and_take(consumer, &one, -1);
                ones[round] = bench_median(times, CALLS);
                for (int i = 0; i < CALLS; i++)
                        times[i] = give_and_take(consumer, &two, memory);
                twos[round] = bench_median(times, CALLS);
                ones_added[round] = ones[round] / pings[round];
                twos_added[round] = twos[round] / pings[round];
        }
        printf("%-58s %10.2f us\n", "Peer.Ping, direct socket", bench_median(pings, ROUNDS) * 1e6);
        printf("%-58s %10.2f us\n", "Alloc, attach and map in one call", bench_median(ones, ROUNDS) * 1e6);
        printf("%-58s %10.2f Pings    <= 3\n", "  what it adds", bench_median(ones_added, ROUNDS));
        printf("%-58s %10.2f us\n", "Alloc with attach, and Map", bench_median(twos, ROUNDS) * 1e6);
        printf("%-58s %10.2f Pings\n", "  what they add", bench_median(twos_added, ROUNDS));
}

static struct pasid_consumer *init(struct pasid_client *client, const char *name) {
        struct pasid_consumer_options options = PASID_CONSUMER_OPTIONS_INIT;
        const char *devices[] = { DEVICE, NULL };
        struct pasid_consumer *consumer;
        int r;

        options.devices = devices;
        options.mode = PASID_MODE_MEDIATED;
        options.quota = MANY + 1;
        r = pasid_consumer_init(client, name, &options, &consumer);
        if (r < 0)
                bench_fail(pasid_strerror_last(client), r);
        return consumer;
}

/* In turns, as a processor that has slept is slow for a while. */
static void measure_many(struct pasid_consumer *empty, struct pasid_consumer *full) {
        struct pasid_alloc_options options = PASID_ALLOC_OPTIONS_INIT;
        double firsts[ROUNDS], lasts[ROUNDS], times[CALLS];
        uint32_t pasid;

        options.attach = true;
        for (int i = 0; i < MANY; i++) {
                int r = pasid_alloc(full, 0, 0, NULL, 0, &options, &pasid);

                if (r < 0)
                        bench_fail("Alloc", r);
        }
        for (int round = 0; round < ROUNDS; round++) {
                for (int i = 0; i < CALLS; i++)
                        times[i] = give_and_take(empty, &options, -1);
                firsts[round] = bench_median(times, CALLS);
                for (int i = 0; i < CALLS; i++)
                        times[i] = give_and_take(full, &options, -1);
                lasts[round] = bench_median(times, CALLS);
        }
        printf("%-58s %10.2f us\n", "Alloc and attach, the first number of a consumer", bench_median(firsts, ROUNDS) * 1e6);
        printf("%-58s %10.2f us\n", "  the thousand and first", bench_median(lasts, ROUNDS) * 1e6);
}

int main(void) {
        struct pasid_client_options client_options = PASID_CLIENT_OPTIONS_INIT;
        struct pasid_consumer *consumer, *full;
        struct pasid_client *client;
        struct bench_daemon d;
        int memory, r;
        sd_bus *bus;

        bench_daemon_init(&d, NULL);
        make_fake(&d);
        (void) bench_daemon_start(&d);
        memory = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (memory < 0 || ftruncate(memory, MEMORY) < 0 || fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
                bench_fail("memory", errno);
        client_options.address = d.address;
        r = pasid_client_new(&client_options, &client);
        if (r < 0)
                bench_fail("connect", r);
        consumer = init(client, "bench");
        full = init(client, "full");
        bus = bench_connect(&d, false);

        measure(bus, consumer, memory);
        measure_many(consumer, full);

        sd_bus_flush_close_unref(bus);
        (void) pasid_consumer_exit(consumer);
        (void) pasid_consumer_exit(full);
        pasid_consumer_free(consumer);
        pasid_consumer_free(full);
        pasid_client_free(client);
        (void) close(memory);
        bench_daemon_done(&d);
        return EXIT_SUCCESS;
}
