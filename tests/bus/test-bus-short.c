/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each request to a daemon that runs out of memory or of file descriptors in
 * the midst of it: it is done, or it is refused and nothing is left of it, or
 * its connection is closed; whoever else is there is served, the daemon's
 * memory and its tables agree, and asked again it is done.
 *
 * In the short form one in a few of all allocations; each with BUS_SHORT_ALL.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../short-memory.h"
#include "requests.h"

#define STRIDE 19 /* of the short form */
#define N_MAX 3000

static struct short_memory *memory;
static struct scene scene;
static struct rlimit usual;
static unsigned n_refused, n_dropped, n_done, n_short; /* the last: of all requests */

static bool is_long(void) {
        const char *all = getenv("BUS_SHORT_ALL");

        return all && *all;
}

static void map_plan(void) {
        char path[512];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/kernel/memory", scene.f->dir);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, sizeof(*memory)), 0);
        memory = mmap(NULL, sizeof(*memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        ck_assert(memory != MAP_FAILED);
        (void) close_fd(fd);
}

/* Its state, and the time that it has worked. */
static char look_at_daemon(unsigned long *ret_ticks) {
        unsigned long user = 0, system = 0;
        char path[64], state = 0;
        FILE *f;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", scene.f->daemon->pid);
        f = fopen(path, "re");
        ck_assert_ptr_nonnull(f);
        if (fscanf(f, "%*d (%*[^)]) %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &state, &user, &system) != 3)
                state = 0;
        (void) fclose(f);
        ck_assert_msg(state != 'Z', "the daemon has ended");
        *ret_ticks = user + system;
        return state;
}

/* It has done all that it was to do: what is set now is for what comes next. */
static bool is_asleep(void) {
        unsigned long ticks;

        return look_at_daemon(&ticks) == 'S';
}

/*
 * While it reads what may bring a file descriptor its limit is a narrow one, after which it goes back to the one that it
 * found (bus/fd-gate.h).
 */
static struct rlimit limit_of_files(void) {
        struct rlimit limit;

        await(is_asleep());
        ck_assert_int_eq(prlimit(scene.f->daemon->pid, RLIMIT_NOFILE, NULL, &limit), 0);
        return limit;
}

static void begin(void) {
        scene_begin(&scene);
        map_plan();
        fixture_start(scene.f);
        scene_connect(&scene);
        ping_ok(&scene.observer);
        usual = limit_of_files();
}

static void end(void) {
        ck_assert_uint_gt(n_short, 0);
        ck_assert_int_eq(munmap(memory, sizeof(*memory)), 0);
        scene_end(&scene);
}

/* n: the allocation that fails, from 1 on. */
static void run_out_of_memory(unsigned n, bool is_forever) {
        memory->n_refused = 0;
        memory->is_forever = is_forever;
        memory->at[SHORT_OF_OURS] = n;
}

/* The kernel gives the lowest number that is free: n of them are below the limit. */
static void run_out_of_files(unsigned n) {
        struct rlimit limit = usual;
        char path[64];
        rlim_t fd = 0;

        for (;; fd++) {
                (void) snprintf(path, sizeof(path), "/proc/%d/fd/%u", scene.f->daemon->pid, (unsigned) fd);
                if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                        continue;
                if (n-- == 0)
                        break;
        }
        limit.rlim_cur = fd;
        ck_assert_int_eq(prlimit(scene.f->daemon->pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

static void run_out_of_nothing(void) {
        memory->at[SHORT_OF_OURS] = 0;
        do
                ck_assert_int_eq(prlimit(scene.f->daemon->pid, RLIMIT_NOFILE, &usual, NULL), 0);
        while (limit_of_files().rlim_cur != usual.rlim_cur);
}

/*
 * The daemon lets who has asked much rest for a moment. If the observer's rest ends just when there is no memory, its
 * connection may be the one that is closed.
 */
static void keep_observer(void) {
        if (client_ping(&scene.observer) >= 0)
                return;
        client_close(&scene.observer);
        scene.observer = client_direct(scene.f);
}

static void expect_outcome(const struct request *request, unsigned n, int r, const sd_bus_error *error, bool is_told,
                           const char *before) {
        _cleanup_free_ char *after = NULL;
        bool is_same;

        if (!is_told) {
                ck_assert_msg(r == -ECONNRESET || r == -ENOTCONN || r == -EPIPE, "%s at %u: %s", request->what, n, strerror(-r));
                client_close(&scene.c);
        }
        await(is_asleep());
        after = scene_picture(&scene);
        is_same = strcmp(before, after) == 0;
        if (r >= 0) {
                n_done++;
                ck_assert_msg(is_same != request->changes, "%s at %u is done: from\n%sto\n%s", request->what, n, before, after);
        } else if (is_told) {
                n_refused++;
                ck_assert_msg(is_same || (memory->is_forever && request->else_told && daemon_log_has(scene.f->daemon, request->else_told)),
                              "%s at %u is refused (%s: %s): from\n%sto\n%s", request->what, n, error->name, error->message,
                              before, after);
                ck_assert_msg(error->message && strstr(error->message, " "), "%s at %u: %s has no text", request->what, n, error->name);
        } else
                n_dropped++;
}

/* What was done in answer to nobody may stand in the way of the same; else it is done now. */
static void expect_again(const struct request *request, unsigned n, int r, bool is_told) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        if (r >= 0)
                return;
        client_close(&scene.c); /* it may be closed on the other side, an answer notwithstanding */
        if (!is_told) {
                scene_clear(&scene);
                (void) scene_prepare(&scene, request);
        } else if (!request->is_connect)
                scene_let_in(&scene);
        r = request->ask(&scene, &error);
        ck_assert_msg(r >= 0, "%s after it was refused at %u: %s: %s", request->what, n, error.name, error.message ?: strerror(-r));
}

/* False: it was done, and nothing ran short. */
static bool ask_short(const struct request *request, unsigned n, bool is_of_files, bool is_forever) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *before = NULL;
        bool was_short, is_told;
        int r;

        if (!scene_prepare(&scene, request))
                return false;
        before = scene_picture(&scene);
        await(is_asleep());
        if (is_of_files)
                run_out_of_files(n);
        else
                run_out_of_memory(n, is_forever);
        r = request->ask(&scene, &error);
        was_short = is_of_files ? r < 0 : memory->n_refused > 0;
        run_out_of_nothing();
        keep_observer();
        is_told = r >= 0 || (scene.c.bus && sd_bus_is_open(scene.c.bus) > 0);
        n_short += was_short;
        expect_outcome(request, n, r, &error, is_told, before);
        expect_again(request, n, r, is_told);
        scene_clear(&scene);
        return was_short;
}

static void report(const char *what) {
        if (is_long())
                (void) fprintf(stderr, "# %s: %u done, %u refused, %u connections closed\n", what, n_done, n_refused, n_dropped);
}

/* One allocation fails, or all from one on until the client knows the outcome. */
static void ask_without_memory(const struct request *request, unsigned first, bool is_forever) {
        unsigned stride = is_long() ? 1 : STRIDE, n = 1 + first % stride;

        n_refused = n_dropped = n_done = 0;
        while (ask_short(request, n, false, is_forever)) {
                n += stride;
                ck_assert_msg(n < N_MAX, "%s: there is no end of allocations", request->what);
        }
        report(request->what);
}

START_TEST(out_of_memory) {
        begin();
        for (unsigned i = 0; i < n_requests; i++)
                if (!requests[i].is_connect && !(_i > 0 && requests[i].is_of_sd_bus))
                        ask_without_memory(&requests[i], i, _i > 0);
        end();
}
END_TEST

/* Where sd-bus can't free what it has begun, link_init() leaves it. */
START_TEST(no_memory_for_a_connection) {
        ck_assert_int_eq(setenv("LSAN_OPTIONS", "detect_leaks=0", 1), 0);
        begin();
        for (unsigned i = 0; i < n_requests; i++)
                if (requests[i].is_connect)
                        ask_without_memory(&requests[i], i, _i > 0);
        end();
}
END_TEST

#define FILES_MAX 12 /* more than any request opens at a time */

START_TEST(out_of_files) {
        begin();
        for (size_t i = 0; i < n_requests; i++) {
                unsigned n = 0;

                n_refused = n_dropped = n_done = 0;
                while (ask_short(&requests[i], n, true, false)) {
                        n++;
                        ck_assert_msg(n < FILES_MAX, "%s: is refused with %u file descriptors to have", requests[i].what, n);
                }
                report(requests[i].what);
        }
        end();
}
END_TEST

/*
 * Whoever comes is turned away, whoever is there is served. Without even the one file descriptor that is kept for turning
 * away, who comes has to wait, and the daemon does not spin over that.
 */
START_TEST(nobody_more) {
        unsigned long before, after;
        struct rlimit none;

        begin();
        await(is_asleep());
        run_out_of_files(0);
        for (unsigned i = 0; i < 20; i++) {
                int r = client_connect(scene.f->daemon->address, false, &scene.c);

                if (r >= 0)
                        r = client_ping(&scene.c);
                ck_assert_int_lt(r, 0);
                client_close(&scene.c);
                ping_ok(&scene.observer);
        }
        await(is_asleep());
        none = usual;
        none.rlim_cur = 0;
        ck_assert_int_eq(prlimit(scene.f->daemon->pid, RLIMIT_NOFILE, &none, NULL), 0);
        ck_assert_int_ge(client_connect(scene.f->daemon->address, false, &scene.c), 0);
        await(daemon_log_has(scene.f->daemon, "could not be accepted"));
        ping_ok(&scene.observer);
        await(is_asleep());
        (void) look_at_daemon(&before);
        run_out_of_nothing();
        ping_ok(&scene.c); /* after a second */
        (void) look_at_daemon(&after);
        ck_assert_msg(after - before < (unsigned long) sysconf(_SC_CLK_TCK) / 3, "it worked for %lu ticks", after - before);
        client_close(&scene.c);
        n_short++;
        end();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-short");
        TCase *tcase = fixture_add_case(suite, "short");

        tcase_add_loop_test(tcase, out_of_memory, 0, 2);
        tcase_add_loop_test(tcase, no_memory_for_a_connection, 0, 2);
        tcase_add_test(tcase, out_of_files);
        tcase_add_test(tcase, nobody_more);
        return fixture_main(suite);
}
