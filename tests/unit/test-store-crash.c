/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SIGKILL at every call that changes a file, between any two commits, and at
 * moments of nobody's choice: the table holds what was acknowledged, or that
 * and the one transaction that was on its way, whole.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "../forked.h"
#include "suite.h"
#include "test-store-script.h"
#include "test-store-vfs.h"

#define STATE_MAX (1 << 18)

/* Shared with the child that dies. */
struct shared {
        atomic_uint kept;       /* which state was acknowledged last */
        atomic_bool is_pending; /* the other one is on its way */
        atomic_uint commits;
        char states[2][STATE_MAX];
};

static struct shared *shared;

static void note_pending(const char *state, void *userdata) {
        unsigned other = 1 - atomic_load(&shared->kept);

        atomic_store(&shared->is_pending, false);
        ck_assert_uint_lt(strlen(state), STATE_MAX);
        strcpy(shared->states[other], state);
        atomic_store(&shared->is_pending, true);
}

/* is_pending stays: killed between these two, either state is right. */
static void note_kept(void *userdata) {
        atomic_store(&shared->kept, 1 - atomic_load(&shared->kept));
        atomic_fetch_add(&shared->commits, 1);
}

static void note_refused(void *userdata) {
        (void) fprintf(stderr, "refused without a fault\n");
        _exit(3);
}

static const struct witness witness = { note_pending, note_kept, note_refused, NULL };

static void setup(void) {
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        ck_assert_ptr_ne(shared, MAP_FAILED);
}

static void teardown(void) {
        (void) munmap(shared, sizeof(*shared));
}

static void reset_shared(void) {
        atomic_store(&shared->kept, 0);
        atomic_store(&shared->is_pending, false);
        atomic_store(&shared->commits, 0);
        shared->states[0][0] = '\0';
}

/* After the child is dead. */
static void expect_survival(struct fixture *f) {
        const char *kept = shared->states[atomic_load(&shared->kept)];
        const char *pending = shared->states[1 - atomic_load(&shared->kept)];
        _cleanup_free_ char *state = NULL;
        bool is_right;

        fixture_open(f);
        state = describe_store(f);
        is_right = strcmp(state, kept) == 0 || (atomic_load(&shared->is_pending) && strcmp(state, pending) == 0);
        if (!is_right)
                fprintf(stderr, "after the crash:\n%sacknowledged:\n%son its way:\n%s", state, kept, pending);
        ck_assert_msg(is_right, "the table is wrong after a crash");

        /* And it can be worked with. */
        (void) add_consumer(f, 3000, "after the crash", ON(99));
        begin(f);
        take_back(f);
        f->store->ops->rollback(f->store);
        fixture_close(f);
}

static void be_killed_at(struct fixture *f, unsigned at) {
        struct fault_plan plan = { .mode = FAULT_KILL, .at = at };

        forked_let_go(-1, -1);
        fault_vfs_install(&plan);
        if (fixture_try_open(f) < 0)
                _exit(4);
        script_run(f, &witness);
        fault_vfs_step();
        fixture_close(f);
        _exit(0);
}

START_TEST(killed_at_every_call) {
        bool is_over = false;
        unsigned at;

        for (at = 1; !is_over; at += fixture_step()) {
                struct fixture f;
                int status = 0;
                pid_t pid;

                fixture_init_kind(&f, _i);
                reset_shared();
                pid = fork();
                ck_assert_int_ge(pid, 0);
                if (pid == 0)
                        be_killed_at(&f, at);
                ck_assert_int_eq(waitpid(pid, &status, 0), pid);
                is_over = WIFEXITED(status);
                if (is_over)
                        ck_assert_int_eq(WEXITSTATUS(status), 0);
                else
                        ck_assert_int_eq(WTERMSIG(status), SIGKILL);
                expect_survival(&f);
                fixture_done(&f);
        }
        ck_assert_uint_gt(at, 20);
}
END_TEST

static void map_or_unmap(struct fixture *f, struct consumer *c, uint32_t pasid) {
        uint64_t iova = (uint64_t) (rand() % 3) << 62;

        if (objects_get_mapping(&f->objects, c->id, pasid, iova))
                objects_unmap(&f->objects, c->id, pasid, iova);
        else
                map(f, c, pasid, iova, (uint64_t) (1 + rand() % 100) << 12);
}

static void work_until_killed(struct fixture *f, unsigned seed) {
        struct consumer *c;

        forked_let_go(-1, -1);
        srand(seed);
        fixture_open(f);
        c = add_consumer(f, 1000, "c", ON(1, 2));
        for (;;) {
                script_commit(f, &witness);
                for (int n = rand() % 4; n >= 0; n--) {
                        uint32_t pasid = 1 + (uint32_t) rand() % 40;
                        struct row *row = core_row_get(c, pasid);
                        struct moment later = f->now;

                        later.boottime_usec += UINT64_C(3600000000);
                        if (!row)
                                (void) alloc(f, c, 1, pasid, (uint16_t) (rand() % 3 ? 64 : PRIVATE_MAX), NULL);
                        else if (row->state == ROW_COOLING)
                                (void) core_expire(f->core, f->durable, &later, 1);
                        else if (row->state == ROW_ALLOCATED && rand() % 3)
                                attach(f, c, pasid);
                        else if (row->state == ROW_ATTACHED && rand() % 3)
                                map_or_unmap(f, c, pasid);
                        else if (row->state == ROW_ATTACHED && rand() % 2)
                                detach(f, c, pasid);
                        else
                                free_pasid(f, c, pasid);
                }
                if (rand() % 50 == 0)
                        (void) f->store->ops->checkpoint(f->store, &f->refusal);
        }
}

START_TEST(killed_at_any_moment) {
        for (unsigned round = 0; round < 25; round++) {
                unsigned target = 1 + round * round * 3;
                struct fixture f;
                int status = 0;
                pid_t pid;

                fixture_init_kind(&f, _i);
                reset_shared();
                pid = fork();
                ck_assert_int_ge(pid, 0);
                if (pid == 0)
                        work_until_killed(&f, round);
                while (atomic_load(&shared->commits) < target && waitpid(pid, &status, WNOHANG) == 0)
                        (void) sched_yield();
                ck_assert_int_eq(kill(pid, SIGKILL), 0);
                ck_assert_int_eq(waitpid(pid, &status, 0), pid);
                ck_assert(WIFSIGNALED(status));
                expect_survival(&f);
                fixture_done(&f);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("store-crash");
        TCase *tc = tcase_create("crash");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 600);
        tcase_add_loop_test(tc, killed_at_every_call, 0, FIXTURE_KINDS);
        tcase_add_loop_test(tc, killed_at_any_moment, 0, FIXTURE_KINDS);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
