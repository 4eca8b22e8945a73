/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the core costs by itself: time per operation on a full and an empty
 * space, the worst case of the search for a run, memory per row. The anchor is
 * the kernel's IDA, built in user space and measured on a machine of two cores.
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/core.h"
#include "core/idset.h"

#define ALL NUMBER_MAX /* as many numbers as there are */
#define HELD 64        /* of a space that is as good as empty */
#define ROUNDS 11
#define ROUND 100000U

static void check(int r, const char *what) {
        if (r < 0) {
                (void) fprintf(stderr, "bench-core: %s: %s\n", what, strerror(-r));
                exit(EXIT_FAILURE);
        }
}

/* The processor time of this process: what else the machine does is no cost of the core. */
static double now_ns(void) {
        struct timespec t;

        check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), "clock_gettime");
        return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

static uint32_t next_random(uint32_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 17;
        *state ^= *state << 5;
        return *state;
}

static void line(const char *what, double value, const char *unit, const char *anchor) {
        (void) printf("%-58s %10.1f %-8s %s\n", what, value, unit, anchor);
}

struct bench {
        struct core *core;
        struct consumer *consumer;
        uint32_t *pasids;
        struct alloc_request request;
};

static void bench_init(struct bench *b) {
        struct core_limits limits = { .pasids_per_uid = UINT32_MAX, .pasids_per_consumer = UINT32_MAX, .consumers_per_uid = 64 };

        *b = (struct bench) { .request.count = 1, .pasids = calloc(ALL, sizeof(*b->pasids)) };
        check(b->pasids ? 0 : -ENOMEM, "calloc");
        /* Touched once, so that the kernel's page faults are nobody's. */
        memset(b->pasids, 1, ALL * sizeof(*b->pasids));
        check(core_new(&limits, &b->core), "core_new");
        check(core_consumer_add(b->core, &(struct consumer_spec) { .name = "bench", .hold = HOLD_BOOT }, &b->consumer, NULL),
              "core_consumer_add");
        core_commit(b->core);
}

static void bench_done(struct bench *b) {
        (void) core_free(b->core);
        free(b->pasids);
        (void) malloc_trim(0);
}

static void alloc_one(struct bench *b, uint32_t *ret) {
        check(core_alloc(b->core, b->consumer, &b->request, ret, NULL, NULL), "core_alloc");
        core_commit(b->core);
}

static void free_one(struct bench *b, uint32_t pasid) {
        check(core_free_pasids(b->core, b->consumer, &pasid, 1, &b->request.now, NULL), "core_free_pasids");
        core_commit(b->core);
}

static double fill(struct bench *b) {
        double start = now_ns();

        for (uint32_t i = 0; i < ALL; i++)
                alloc_one(b, &b->pasids[i]);
        return (now_ns() - start) / ALL;
}

static int compare_times(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}

static double median(double *values, size_t n) {
        qsort(values, n, sizeof(*values), compare_times);
        return values[n / 2];
}

/* All numbers are held: frees a random one and allocates, which can only be the same again. */
static double churn_random(struct bench *b, uint32_t *random) {
        double start = now_ns();
        uint32_t got;

        for (uint32_t i = 0; i < ROUND; i++) {
                free_one(b, next_random(random) % ALL + 1);
                alloc_one(b, &got);
        }
        return (now_ns() - start) / ROUND;
}

/* All numbers are held: frees the same one and allocates it, so that only the search differs from an empty space, not the cache. */
static double churn_same(struct bench *b) {
        double start = now_ns();
        uint32_t got;

        for (uint32_t i = 0; i < ROUND; i++) {
                free_one(b, ALL / 2);
                alloc_one(b, &got);
        }
        return (now_ns() - start) / ROUND;
}

/* HELD numbers are held, from pasids[] on: frees the oldest and allocates. */
static double churn_empty(struct bench *b) {
        double start = now_ns();

        for (uint32_t i = 0; i < ROUND; i++) {
                free_one(b, b->pasids[i % HELD]);
                alloc_one(b, &b->pasids[i % HELD]);
        }
        return (now_ns() - start) / ROUND;
}

/* Beside each other in each round, for what else the machine does is no cost of one of them alone. */
static void bench_churn(struct bench *full) {
        double empty[ROUNDS], same[ROUNDS], others[ROUNDS], same_ratio[ROUNDS], random_ratio[ROUNDS];
        uint32_t random = 2463534242;
        struct bench b;

        bench_init(&b);
        for (uint32_t i = 0; i < HELD; i++)
                alloc_one(&b, &b.pasids[i]);
        for (size_t i = 0; i < ROUNDS; i++) {
                empty[i] = churn_empty(&b);
                same[i] = churn_same(full);
                others[i] = churn_random(full, &random);
                same_ratio[i] = same[i] / empty[i];
                random_ratio[i] = others[i] / empty[i];
        }
        bench_done(&b);

        line("free and allocate, 64 held", median(empty, ROUNDS), "ns", "");
        line("free and allocate with one left, the same number", median(same, ROUNDS), "ns", "IDA 500");
        line("  against 64 held", median(same_ratio, ROUNDS), "x", "<= 4");
        line("free and allocate with one left, random numbers", median(others, ROUNDS), "ns", "IDA 500");
        line("  against 64 held, whose rows are in the cache", median(random_ratio, ROUNDS), "x", "");
}

static void bench_singles(void) {
        struct bench b;
        double start;

        bench_init(&b);
        line("allocate one by one until 2^20-1 are held", fill(&b), "ns", "IDA 210");
        bench_churn(&b);
        start = now_ns();
        for (uint32_t i = 1; i <= ALL; i++)
                free_one(&b, i);
        line("free one by one, ascending", (now_ns() - start) / ALL, "ns", "IDA 87");
        bench_done(&b);
}

static void bench_search(void) {
        struct idset set = {};
        uint32_t random = 88172645, sum = 0;
        double start, empty, full;

        start = now_ns();
        for (uint32_t i = 0; i < 1000000; i++)
                sum += idset_next_clear(&set, next_random(&random) % ALL + 1, ALL);
        empty = (now_ns() - start) / 1000000;

        for (uint32_t i = 0; i <= ALL; i++) {
                check(idset_reserve(&set, i), "idset_reserve");
                idset_set(&set, i);
        }
        start = now_ns();
        for (uint32_t i = 0; i < 1000000; i++) {
                uint32_t one = next_random(&random) % ALL + 1;

                idset_clear(&set, one);
                sum += idset_next_clear(&set, 1, ALL);
                idset_set(&set, one);
        }
        full = (now_ns() - start) / 1000000;
        line("bare search, one free of 2^20 (with freeing and taking it)", full, "ns", sum != 0 ? "" : " ");
        line("bare search, empty space", empty, "ns", "");
        idset_done(&set);
}

/* The median of searches that find nothing; the slowest tells more of the machine than of the search. */
static void bench_runs(void) {
        static const struct {
                const char *name;
                uint32_t period, taken; /* of each period so many are taken */
                uint32_t count, align;
        } patterns[] = {
                { "run of 2, every second taken", 2, 1, 2, 1 },
                { "run of 3, gaps of 2", 3, 1, 3, 1 },
                { "run of 33, gaps of 32", 33, 1, 33, 1 },
                { "run of 64, gaps of 63", 64, 1, 64, 64 },
                { "run of 128, gaps of 127", 128, 1, 128, 1 },
                { "run of 128 aligned, gaps of 127", 128, 1, 128, 128 },
                { "run of 4096, gaps of 4095", 4096, 1, 4096, 1 },
        };

        for (size_t p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++) {
                struct idset set = {};
                double took[21];

                for (uint32_t i = 0; i <= ALL; i++)
                        if (i % patterns[p].period < patterns[p].taken) {
                                check(idset_reserve(&set, i), "idset_reserve");
                                idset_set(&set, i);
                        }
                for (size_t i = 0; i < 21; i++) {
                        double start = now_ns();

                        (void) idset_find_run(&set, 1, ALL, patterns[p].count, patterns[p].align);
                        took[i] = now_ns() - start;
                }
                line(patterns[p].name, median(took, 21) / 1000, "us", "<= 200");
                idset_done(&set);
        }
}

static double in_use(void) {
        struct mallinfo2 m = mallinfo2();

        return (double) m.uordblks + (double) m.hblkhd;
}

static void bench_memory(const char *what, size_t token_length) {
        char token[TOKEN_LEN_MAX + 1];
        struct bench b;
        double before;

        bench_init(&b);
        before = in_use();
        for (uint32_t i = 0; i < ALL; i++) {
                if (token_length > 0) {
                        (void) snprintf(token, sizeof(token), "%0*x", (int) token_length, i);
                        b.request.token = token;
                }
                alloc_one(&b, &b.pasids[i]);
        }
        line(what, (in_use() - before) / ALL, "bytes", "<= 150");
        bench_done(&b);
}

static void bench_many(void) {
        struct consumer *consumer;
        struct bench b;
        double start, before, journal;
        uint64_t sum = 0;

        bench_init(&b);
        before = in_use();
        b.request.count = ALL;
        b.request.token = "all of them";
        start = now_ns();
        check(core_alloc(b.core, b.consumer, &b.request, b.pasids, NULL, NULL), "core_alloc");
        line("allocate 2^20-1 in one request, a number", (now_ns() - start) / ALL, "ns", "");
        journal = in_use();
        start = now_ns();
        core_commit(b.core);
        line("  its commit", (now_ns() - start) / ALL, "ns", "");
        line("memory a row, one token for all", (in_use() - before) / ALL, "bytes", "<= 150");
        line("  journal before the commit", (journal - in_use()) / ALL, "bytes", "");

        start = now_ns();
        for (struct row *row = core_row_next(b.consumer, 0); row; row = core_row_next(b.consumer, row->pasid))
                sum += row->pasid;
        line("walk through all rows, a row", (now_ns() - start) / ALL, "ns", sum != 0 ? "" : " ");

        start = now_ns();
        check(core_free_pasids(b.core, b.consumer, b.pasids, ALL, &b.request.now, NULL), "core_free_pasids");
        core_rollback(b.core, 0);
        line("free all in one request and roll back, a number", (now_ns() - start) / ALL, "ns", "");
        bench_done(&b);

        bench_init(&b);
        core_load_begin(b.core);
        check(core_consumer_add(b.core, &(struct consumer_spec) { .name = "loaded", .hold = HOLD_BOOT }, &consumer, NULL),
              "core_consumer_add");
        start = now_ns();
        for (uint32_t i = 1; i <= ALL; i++)
                check(core_load_row(b.core, consumer, i, ROW_ALLOCATED, i, 0, 0, NULL, NULL), "core_load_row");
        core_load_end(b.core);
        line("load, a row", (now_ns() - start) / ALL, "ns", "");
        bench_done(&b);
}

int main(void) {
        bench_singles();
        bench_search();
        bench_runs();
        bench_memory("memory a row, no token", 0);
        bench_memory("memory a row, a token of 22 characters each", 22);
        bench_memory("memory a row, a token of 32 characters each", 32);
        bench_many();
        return EXIT_SUCCESS;
}
