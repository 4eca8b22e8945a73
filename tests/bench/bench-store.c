/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the table costs: a commit of one row, written and removed, and the whole
 * of 1..2^20-1 with 64 bytes of private data each, written at once and loaded.
 * Usage: bench-store [DIRECTORY [durable]]; without one, a new one on /dev/shm.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/core.h"
#include "internal/cleanup.h"
#include "store/store.h"

#define SINGLE_COMMITS 20000U
#define PRIVATE_BYTES 64

static const char boot_id[] = "0123456789abcdef0123456789abcdef";

struct bench {
        struct core *core;
        struct consumer *consumer;
        struct store *store;
        uint32_t *pasids;
        struct refusal refusal;
};

static double now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}

static void must(struct bench *b, int r, const char *what) {
        if (r >= 0)
                return;
        fprintf(stderr, "bench-store: %s: %s\n", what, b->refusal.text);
        exit(EXIT_FAILURE);
}

static int compare_doubles(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}

static void print_commits(const char *what, double *times, size_t n) {
        qsort(times, n, sizeof(*times), compare_doubles);
        printf("%-44s %8.2f us median, %8.2f us p99\n", what, times[n / 2], times[n * 99 / 100]);
}

static void open_store(struct bench *b, const char *directory, bool durable) {
        struct store_params params = { .directory = directory, .durable = durable, .boot_id = boot_id };
        bool other_boot;

        must(b, store_open(&params, &b->store, &other_boot, &b->refusal), "open");
}

static void set_up(struct bench *b, const char *directory, bool durable) {
        struct core_limits limits = { .pasids_per_uid = NUMBER_MAX, .pasids_per_consumer = NUMBER_MAX, .consumers_per_uid = 1 };
        struct consumer_spec spec = { .name = "bench", .holder = "", .hold = HOLD_BOOT };
        struct alloc_request request = { .count = NUMBER_MAX, .private_bytes = PRIVATE_BYTES };
        bool repeated;

        b->pasids = malloc(NUMBER_MAX * sizeof(*b->pasids));
        must(b, b->pasids ? core_new(&limits, &b->core) : -1, "memory");
        must(b, core_consumer_add(b->core, &spec, &b->consumer, &b->refusal), "consumer");
        must(b, core_alloc(b->core, b->consumer, &request, b->pasids, &repeated, &b->refusal), "numbers");
        open_store(b, directory, durable);
        must(b, b->store->ops->begin(b->store, &b->refusal), "begin");
        must(b, b->store->ops->consumer_add(b->store, b->consumer, &b->refusal), "consumer_add");
        must(b, b->store->ops->commit(b->store, &b->refusal), "commit");
}

/* As the service does it: a savepoint for the request, a commit for all that came together. */
static double commit_one(struct bench *b, const struct row *row, const void *data) {
        const struct store_ops *ops = b->store->ops;
        double start = now_usec();

        must(b, ops->begin(b->store, &b->refusal), "begin");
        must(b, ops->savepoint(b->store, &b->refusal), "savepoint");
        if (data)
                must(b, ops->row_add(b->store, row, data, &b->refusal), "row_add");
        else
                must(b, ops->row_remove(b->store, row, &b->refusal), "row_remove");
        must(b, ops->release(b->store, &b->refusal), "release");
        must(b, ops->commit(b->store, &b->refusal), "commit");
        return now_usec() - start;
}

static void bench_single(struct bench *b, unsigned n, const void *data) {
        _cleanup_free_ double *times = calloc(n, sizeof(*times));

        must(b, times ? 0 : -1, "memory");
        for (unsigned i = 0; i < n; i++)
                times[i] = commit_one(b, core_row_get(b->consumer, i + 1), data);
        print_commits("one row written and committed", times, n);
        for (unsigned i = 0; i < n; i++)
                times[i] = commit_one(b, core_row_get(b->consumer, i + 1), NULL);
        print_commits("one row removed and committed", times, n);
}

static void bench_bulk(struct bench *b, const void *data) {
        double start = now_usec();

        must(b, b->store->ops->begin(b->store, &b->refusal), "begin");
        must(b, b->store->ops->savepoint(b->store, &b->refusal), "savepoint");
        for (uint32_t pasid = NUMBER_MIN; pasid <= NUMBER_MAX; pasid++)
                must(b, b->store->ops->row_add(b->store, core_row_get(b->consumer, pasid), data, &b->refusal), "row_add");
        must(b, b->store->ops->release(b->store, &b->refusal), "release");
        must(b, b->store->ops->commit(b->store, &b->refusal), "commit");
        printf("%-44s %8.0f ms\n", "2^20-1 rows written and committed", (now_usec() - start) / 1e3);
        start = now_usec();
        must(b, b->store->ops->checkpoint(b->store, &b->refusal), "checkpoint");
        printf("%-44s %8.0f ms\n", "their log folded into the table", (now_usec() - start) / 1e3);
}

static int take_consumer(const struct consumer_spec *spec, void *userdata) {
        return 0;
}

static int take_row(const struct store_row *row, void *userdata) {
        *(uint64_t *) userdata += row->private_bytes;
        return 0;
}

static void bench_load(struct bench *b, const char *directory, bool durable) {
        uint64_t bytes = 0;
        struct store_loader loader = { .consumer = take_consumer, .row = take_row, .userdata = &bytes };
        double start = now_usec();

        open_store(b, directory, durable);
        printf("%-44s %8.0f ms\n", "opened and checked again", (now_usec() - start) / 1e3);
        start = now_usec();
        must(b, b->store->ops->load(b->store, &loader, &b->refusal), "load");
        if (bytes != (uint64_t) NUMBER_MAX * PRIVATE_BYTES) {
                fprintf(stderr, "bench-store: rows are missing\n");
                exit(EXIT_FAILURE);
        }
        printf("%-44s %8.0f ms\n", "2^20-1 rows loaded", (now_usec() - start) / 1e3);
}

static void remove_files(const char *directory) {
        static const char *const names[] = { "pasidd.db", "pasidd.db-wal", "pasidd.db-shm", "pasidd.lock" };
        char path[4096];

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
                (void) unlink(path);
        }
        (void) rmdir(directory);
}

int main(int argc, char *argv[]) {
        char made[] = "/dev/shm/bench-store-XXXXXX";
        bool durable = argc > 2 && strcmp(argv[2], "durable") == 0;
        const char *directory = argc > 1 ? argv[1] : mkdtemp(made);
        char data[PRIVATE_BYTES];
        struct bench b = {};

        if (!directory) {
                perror("bench-store: /dev/shm");
                return EXIT_FAILURE;
        }
        /* As the daemon's main() does it. */
        (void) sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
        memset(data, 0x5a, sizeof(data));
        set_up(&b, directory, durable);
        bench_single(&b, durable ? SINGLE_COMMITS / 40 : SINGLE_COMMITS, data);
        bench_bulk(&b, data);
        b.store->ops->free(b.store);
        bench_load(&b, directory, durable);
        b.store->ops->free(b.store);
        core_free(b.core);
        free(b.pasids);
        remove_files(directory);
        return EXIT_SUCCESS;
}
