/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each request with each of its allocations refused in turn, in the daemon's
 * own code and in SQLite: it is done, or whoever asked is told that there was
 * no memory, and memory, tables and kernel are as they were. Asked again, it
 * is done.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../short-memory.h"
#include "service-fixture.h"
#include "suite.h"

static struct fixture f;
static struct short_memory memory;
static enum hold_kind hold;
static uint32_t pasids[100];
static uint64_t iova;
static int event_fd = -EBADF;

static struct consumer *vm(void) {
        return fixture_get(&f, "vm");
}

static void prepare_nothing(void) {
}

static void prepare_numbers(void) {
        struct refusal refusal = {};

        fixture_mediated(&f, 1000, "vm", hold, DEVICES("0000:01:00.0", "0000:02:00.0", "0000:04:00.0"));
        ck_assert_int_eq(service_alloc(f.service, vm(), &(struct alloc_request) { .count = 3, .token = "t", .private_bytes = 3 }, "abc",
                                       pasids, &refusal), 0);
        ck_assert_int_eq(service_flush(f.service), 0);
}

static void prepare_attached(void) {
        struct refusal refusal = {};

        prepare_numbers();
        for (int i = 0; i < 2; i++)
                ck_assert_int_eq(service_attach(f.service, vm(), pasids[i], &refusal), 0);
        ck_assert_int_eq(service_map(f.service, vm(), pasids[0],
                                     &(struct kernel_mapping) { .length = 0x3000, .flags = MAP_READ }, &iova, &refusal), 0);
}

static void prepare_offered(void) {
        struct refusal refusal = {};

        prepare_attached();
        ck_assert_int_eq(service_offer_consumer(f.service, vm(), 2000, &refusal), 0);
}

static int init(struct init_request request, struct refusal *refusal) {
        struct consumer *c;

        request.uid = request.hold == HOLD_PROCESS ? geteuid() : 1000;
        request.name = "new";
        return service_init_consumer(f.service, &request, &c, refusal);
}

static int ask_init(struct refusal *refusal) {
        static const char *const devices[] = { "0000:01:00.0", "0000:04:00.0" };

        return init((struct init_request) {
                .devices = devices, .n_devices = 2, .hold = hold, .privileged = true, .mode = MODE_MEDIATED }, refusal);
}

static int ask_init_by_connection(struct refusal *refusal) {
        return init((struct init_request) { .hold = HOLD_CONNECTION, .holder = "peer:1:2:3" }, refusal);
}

static int ask_init_by_fd(struct refusal *refusal) {
        return init((struct init_request) { .hold = HOLD_FD, .hold_fd = event_fd }, refusal);
}

static int ask_init_by_process(struct refusal *refusal) {
        return init((struct init_request) { .hold = HOLD_PROCESS, .hold_pid = (uint32_t) getpid(), .caller_pid = getpid() }, refusal);
}

static int ask_alloc(struct refusal *refusal) {
        return service_alloc(f.service, vm(), &(struct alloc_request) { .count = 1, .private_bytes = 5 }, "hello", &pasids[50], refusal);
}

static int ask_alloc_many(struct refusal *refusal) {
        return service_alloc(f.service, vm(), &(struct alloc_request) { .count = 90, .token = "many" }, NULL, pasids + 3, refusal);
}

static int ask_alloc_attached(struct refusal *refusal) {
        return service_alloc_mapped(f.service, vm(), &(struct alloc_request) { .count = 1, .private_bytes = 3 }, "abc", NULL,
                                    &pasids[50], refusal);
}

static int ask_alloc_mapped(struct refusal *refusal) {
        const struct kernel_mapping map = { .length = 0x2000, .iova = 0x100000, .flags = MAP_READ | MAP_FIXED_IOVA };

        return service_alloc_mapped(f.service, vm(), &(struct alloc_request) { .count = 1 }, NULL, &map, &pasids[50], refusal);
}

static int ask_attach(struct refusal *refusal) {
        return service_attach(f.service, vm(), pasids[0], refusal);
}

static int ask_detach(struct refusal *refusal) {
        return service_detach(f.service, vm(), pasids[0], refusal);
}

static int ask_free(struct refusal *refusal) {
        return service_free_pasids(f.service, vm(), pasids + 2, 1, refusal);
}

static int ask_free_many(struct refusal *refusal) {
        return service_free_pasids(f.service, vm(), pasids, 3, refusal);
}

static int ask_free_token(struct refusal *refusal) {
        size_t n;

        return service_free_token(f.service, vm(), "t", &n, refusal);
}

static int ask_set_private(struct refusal *refusal) {
        return service_set_private(f.service, vm(), pasids[0], "something else", 14, refusal);
}

static int ask_exit(struct refusal *refusal) {
        return service_exit_consumer(f.service, vm(), "exit", refusal);
}

static int ask_map(struct refusal *refusal) {
        return service_map(f.service, vm(), pasids[0], &(struct kernel_mapping) { .length = 0x2000, .flags = MAP_READ }, &iova,
                           refusal);
}

static int ask_unmap(struct refusal *refusal) {
        uint64_t unmapped;

        return service_unmap(f.service, vm(), pasids[0], iova, 0x3000, &unmapped, refusal);
}

static int ask_accept(struct refusal *refusal) {
        struct accept_request request = { .owner = 1000, .name = "vm", .uid = 2000, .holder = "peer:7:8:9" };
        struct consumer *c;

        return service_accept_consumer(f.service, &request, &c, refusal);
}

static const struct request {
        const char *what;
        void (*prepare)(void);
        int (*ask)(struct refusal *refusal);
        bool is_one_way; /* not taken back when the table has no memory for it: the kernel's part, or a number that is told in the log */
} requests[] = {
        { "init", prepare_nothing, ask_init },
        { "init by connection", prepare_nothing, ask_init_by_connection },
        { "init by fd", prepare_nothing, ask_init_by_fd },
        { "init by process", prepare_nothing, ask_init_by_process },
        { "alloc", prepare_numbers, ask_alloc },
        { "alloc many", prepare_numbers, ask_alloc_many },
        { "alloc attached", prepare_numbers, ask_alloc_attached, .is_one_way = true },
        { "alloc mapped", prepare_numbers, ask_alloc_mapped, .is_one_way = true },
        { "first attach", prepare_numbers, ask_attach },
        { "detach", prepare_attached, ask_detach },
        { "free", prepare_attached, ask_free },
        { "free many", prepare_attached, ask_free_many },
        { "free token", prepare_attached, ask_free_token },
        { "set private", prepare_attached, ask_set_private },
        { "exit", prepare_attached, ask_exit },
        { "map", prepare_attached, ask_map },
        { "unmap", prepare_attached, ask_unmap, .is_one_way = true },
        { "accept", prepare_offered, ask_accept },
};

static const enum hold_kind holds[] = { HOLD_BOOT, HOLD_PERSISTENT };

/* i: request, table, whose memory, and whether it stays short; a quarter of them unless SERVICE_MEMORY_ALL is set */
#define N_TESTS ((int) (ELEMENTSOF(requests) * ELEMENTSOF(holds) * SHORT_OF_MAX_ * 2))

static void begin(const struct request *request) {
        fixture_init(&f);
        ck_assert_int_eq(fixture_start(&f), 0);
        event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        ck_assert_int_ge(event_fd, 0);
        request->prepare();
        fixture_expect_consistent(&f);
}

static void end(void) {
        fixture_done(&f);
        ck_assert_int_eq(close(event_fd), 0);
}

struct answer {
        int r;
        struct refusal *refusal;
};

static void on_committed(void *userdata, int r, const struct refusal *refusal) {
        struct answer *answer = userdata;

        answer->r = r;
        if (r < 0)
                *answer->refusal = *refusal;
}

/* The whole of it, with the commit that it may have to wait for. */
static int ask(const struct request *request, struct refusal *refusal) {
        struct answer answer = { .refusal = refusal };
        int r = request->ask(refusal);

        if (r < 0)
                return r;
        if (service_when_committed(f.service, on_committed, &answer) < 0)
                return service_flush(f.service);
        (void) service_flush(f.service);
        return answer.r;
}

/* False: so many are not needed. */
static bool ask_without(const struct request *request, enum short_of of, bool is_forever, long n) {
        struct refusal refusal = {};
        char *picture = fixture_picture(&f);
        int r;

        f.now.realtime_usec++;
        memory = (struct short_memory) { .is_forever = is_forever };
        memory.at[of] = n;
        r = ask(request, &refusal);
        memory.at[of] = 0;
        if (r < 0) {
                ck_assert_msg(r == -ENOMEM && refusal.code == ENOMEM && refusal.text[0], "%s without allocation %ld: %d, \"%s\"",
                              request->what, n, r, refusal.text);
                if (request->is_one_way && of == SHORT_OF_SQLITE && (is_forever || request->ask == ask_unmap))
                        free(picture);
                else {
                        fixture_expect_same(&f, picture);
                        fixture_expect_consistent(&f);
                }
                return true;
        }
        /* It can do without, or has needed no more. */
        free(picture);
        fixture_expect_consistent(&f);
        r = memory.n_refused > 0;
        end();
        begin(request);
        return r;
}

START_TEST(test_short) {
        const struct request *request = &requests[_i / (int) (ELEMENTSOF(holds) * SHORT_OF_MAX_ * 2)];
        bool is_forever = _i / (int) (ELEMENTSOF(holds) * SHORT_OF_MAX_) % 2;
        enum short_of of = (enum short_of) (_i / (int) ELEMENTSOF(holds) % SHORT_OF_MAX_);
        struct refusal refusal = {};

        if (!getenv("SERVICE_MEMORY_ALL") &&
            (is_forever != (request - requests) % 2 || (unsigned) of != (unsigned) (_i + is_forever) % ELEMENTSOF(holds)))
                return;
        hold = holds[_i % (int) ELEMENTSOF(holds)];
        begin(request);
        for (long n = 1; ask_without(request, of, is_forever, n); n++)
                ck_assert_int_lt(n, 2000);
        ck_assert_msg(ask(request, &refusal) == 0, "%s: %s", request->what, refusal.text);
        fixture_restart(&f);
        fixture_expect_consistent(&f);
        end();
}
END_TEST

/* Whom nobody waits for: a holder's end is put off until there is memory for it. */
START_TEST(test_holder_gone) {
        int r;

        begin(&requests[0]);
        fixture_mediated(&f, 1000, "vm", HOLD_CONNECTION, DEVICES("0000:01:00.0", "0000:02:00.0"));
        (void) fixture_alloc_attached(&f, "vm");
        memory = (struct short_memory) { .is_forever = true };
        memory.at[_i] = _i == SHORT_OF_OURS ? 1 : 3;
        r = service_holder_gone(f.service, "peer:1:2:3", "holder-gone");
        memory.at[_i] = 0;
        ck_assert_int_lt(r, 0);
        ck_assert_ptr_nonnull(vm());
        fixture_run_until(&f, !vm() && !service_is_pending(f.service));
        fixture_expect_consistent(&f);
        end();
}
END_TEST

static struct short_memory planned;

static void run_short(void) {
        memory = planned;
}

/* A start is done, or refused and can be tried again. */
START_TEST(test_start) {
        for (long n = 1, is_over = false; !is_over; n += 1 + n / 8) {
                int r;

                hold = HOLD_PERSISTENT;
                begin(&requests[4]);
                (void) fixture_consumer(&f, "other", "0000:01:00.0", HOLD_BOOT);
                fixture_stop(&f);
                planned = (struct short_memory) {};
                planned.at[_i] = n;
                f.before_start = run_short;
                r = fixture_start(&f);
                is_over = memory.n_refused == 0;
                memory = (struct short_memory) {};
                ck_assert_msg(r == 0 || f.refusal.code == ENOMEM, "without allocation %ld: %d, %s", n, r, f.refusal.text);
                f.before_start = NULL;
                fixture_restart(&f);
                ck_assert(vm() && fixture_get(&f, "other"));
                fixture_expect_consistent(&f);
                end();
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-memory");
        TCase *tc = tcase_create("memory");

        short_memory_follow(&memory);
        tcase_set_timeout(tc, 120);
        tcase_add_loop_test(tc, test_short, 0, N_TESTS);
        tcase_add_loop_test(tc, test_holder_gone, 0, SHORT_OF_MAX_);
        tcase_add_loop_test(tc, test_start, 0, SHORT_OF_MAX_);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
