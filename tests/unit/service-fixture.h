/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A service on a kernel of the test's own making, on real tables in a
 * directory of its own, and on a clock that the test moves. Kernel and tables
 * can be told to refuse, and all that is known can be written down to be
 * compared.
 */
#pragma once

#include "fake-kernel.h"
#include "fault-store.h"
#include "service/service.h"

#define NEWS_MAX 4096
#define FIXTURE_RETRY_USEC 50000U /* between two tries: time enough for a test to see the first */

struct fixture {
        char dir[64];
        sd_event *event;
        struct service *service;
        struct fault_store *runtime, *persistent; /* live as long as the service */
        struct fake_kernel kernel;                /* outlives it */
        struct moment now;
        struct core_limits limits;
        struct service_limits service_limits;
        const char *procfs, *cgroupfs;
        uint64_t sweep_usec; /* 0: none comes while a test runs */
        const struct fd_keeper *keeper;
        struct stored_fd *stored;
        size_t n_stored;
        char boot_id[33];
        void (*before_start)(void);     /* called with the tables open; NULL: nothing is to be done */
        unsigned fail_start_at;         /* the n-th change of the persistent table at the next start is refused */
        unsigned fail_runtime_start_at; /* likewise of the other */
        struct refusal refusal;         /* of the last start */
        char news[NEWS_MAX];            /* what the listener was told since fixture_listen() */
};

void fixture_init(struct fixture *f);
/* Starts the service on the directory; the refusal's errno if it can't. */
int fixture_start(struct fixture *f);
void fixture_stop(struct fixture *f);
void fixture_restart(struct fixture *f);
void fixture_done(struct fixture *f);

struct consumer *fixture_consumer(struct fixture *f, const char *name, const char *device, enum hold_kind hold);
/* Committed; devices up to a NULL. */
struct consumer *fixture_mediated(struct fixture *f, uid_t uid, const char *name, enum hold_kind hold,
                                  const char *const *devices);
#define DEVICES(...) ((const char *const[]) { __VA_ARGS__, NULL })

struct consumer *fixture_get(struct fixture *f, const char *name);
uint32_t fixture_alloc_attached(struct fixture *f, const char *name);
enum row_state fixture_state(struct fixture *f, const char *name, uint32_t pasid);

/* From now on news are written to f->news, a line each. */
void fixture_listen(struct fixture *f);
/* Runs the event loop until the condition holds; the test fails if nothing happens for 20 s. */
#define fixture_run_until(f, condition)                                                 \
        do                                                                              \
                while (!(condition))                                                    \
                        ck_assert_int_gt(sd_event_run((f)->event, 20000000), 0);        \
        while (0)

/* Memory, open devices and kernel as text; the caller's. */
char *fixture_picture(struct fixture *f);
/* picture is fixture_picture()'s of before, and freed. */
void fixture_expect_same(struct fixture *f, char *picture);
/* What memory, tables and kernel say of each other is true, and nothing waits to be committed. */
void fixture_expect_consistent(struct fixture *f);
