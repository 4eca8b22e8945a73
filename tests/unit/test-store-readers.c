/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Others at the table while it is open: readers see what is committed, and at
 * once; writers are kept out; who takes the file away is noticed; and what a
 * commit costs in calls.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <sys/wait.h>

#include "suite.h"
#include "test-store-fixture.h"
#include "test-store-vfs.h"

static struct fixture f;
static struct consumer *c;
static int to_reader = -EBADF, from_reader = -EBADF;
static pid_t reader = -1;

static int query_number(sqlite3 *db, const char *query) {
        sqlite3_stmt *stmt = NULL;
        int n = -1;

        if (sqlite3_prepare_v2(db, query, -1, &stmt, NULL) != SQLITE_OK)
                return -2;
        if (sqlite3_step(stmt) == SQLITE_ROW)
                n = sqlite3_column_int(stmt, 0);
        (void) sqlite3_finalize(stmt);
        return n;
}

/* Another process, as sqlite3(1) is one: for each byte that comes in, one number goes out. */
static void read_for_others(int in, int out, const char *path) {
        sqlite3 *db = NULL;
        char command;

        while (read(in, &command, 1) == 1) {
                int n = -1;

                if (!db && sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
                        _exit(1);
                switch (command) {
                case 'c':
                        n = query_number(db, "SELECT count(*) FROM pasids");
                        break;
                case 'i':
                        n = query_number(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check");
                        break;
                case 'b':
                        n = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
                        break;
                case 'e':
                        n = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
                        break;
                case 'w':
                        n = sqlite3_exec(db, "UPDATE consumer SET quota = 1", NULL, NULL, NULL);
                        break;
                case 't':
                        n = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
                        break;
                case 'x':
                        n = sqlite3_close(db);
                        db = NULL;
                        break;
                }
                if (write(out, &n, sizeof(n)) != sizeof(n))
                        _exit(1);
        }
        (void) sqlite3_close(db);
        _exit(0);
}

/* Before this process opens the table: a copy of an open SQLite can't be used. */
static void start_reader(void) {
        char path[256];
        int in[2], out[2];

        ck_assert_int_eq(pipe(in), 0);
        ck_assert_int_eq(pipe(out), 0);
        reader = fork();
        ck_assert_int_ge(reader, 0);
        if (reader == 0) {
                (void) close(in[1]);
                (void) close(out[0]);
                read_for_others(in[0], out[1], fixture_path(&f, "pasidd.db", path));
        }
        (void) close(in[0]);
        (void) close(out[1]);
        to_reader = in[1];
        from_reader = out[0];
}

static int ask(char command) {
        int n = -3;

        ck_assert_int_eq(write(to_reader, &command, 1), 1);
        ck_assert_int_eq(read(from_reader, &n, sizeof(n)), (ssize_t) sizeof(n));
        return n;
}

static void setup(void) {
        reader = -1;
}

static void start(int i) {
        fixture_init_kind(&f, i);
        start_reader();
        fixture_open(&f);
        c = add_consumer(&f, 1000, "c", ON(1));
        ck_assert_int_eq(commit_changes(&f), 0);
}

static void teardown(void) {
        int status = 0;

        to_reader = close_fd(to_reader);
        from_reader = close_fd(from_reader);
        if (reader > 0)
                ck_assert_int_eq(waitpid(reader, &status, 0), reader);
        ck_assert_int_eq(status, 0);
        fixture_done(&f);
}

static void alloc_one(void) {
        (void) alloc(&f, c, 1, 0, 64, NULL);
        ck_assert_int_eq(commit_changes(&f), 0);
}

START_TEST(readers_see_what_is_committed) {
        start(_i);
        for (int n = 1; n <= 100; n++) {
                alloc_one();
                ck_assert_int_eq(ask('c'), n);
                begin(&f);
                (void) alloc(&f, c, 50, 0, 640, NULL);
                ck_assert_int_eq(write_changes(&f, 0), 0);
                ck_assert_int_eq(ask('c'), n);
                f.store->ops->rollback(f.store);
                core_rollback(f.core, 0);
                if (n % 10 == 0)
                        ck_assert_int_eq(f.store->ops->checkpoint(f.store, &f.refusal), 0);
                if (n % 15 == 0)
                        ck_assert_int_eq(ask('x'), SQLITE_OK);
                ck_assert_int_eq(ask('c'), n);
        }
        ck_assert_int_eq(ask('i'), 1);
        /* Its end of the log is not the reader's to cut off. */
        (void) ask('t');
        alloc_one();
        ck_assert_int_eq(ask('c'), 101);
        expect_same(&f);
        expect_same_reopened(&f);
}
END_TEST

START_TEST(a_reader_keeps_its_view) {
        start(_i);
        for (int n = 0; n < 20; n++)
                alloc_one();
        ck_assert_int_eq(ask('b'), SQLITE_OK);
        ck_assert_int_eq(ask('c'), 20);
        for (int n = 0; n < 5000; n++) {
                alloc_one();
                if (n % 500 == 0)
                        ck_assert_int_eq(f.store->ops->checkpoint(f.store, &f.refusal), 0);
        }
        ck_assert_int_eq(ask('c'), 20);
        ck_assert_int_eq(ask('e'), SQLITE_OK);
        ck_assert_int_eq(ask('c'), 5020);
        ck_assert_int_eq(ask('i'), 1);
        expect_same_reopened(&f);
}
END_TEST

START_TEST(nobody_else_writes) {
        start(_i);
        alloc_one();
        ck_assert_int_eq(ask('w'), SQLITE_BUSY);
        begin(&f);
        ck_assert_int_eq(ask('w'), SQLITE_BUSY);
        commit(&f);
        ck_assert_int_eq(ask('w'), SQLITE_BUSY);
        alloc_one();
        expect_same_reopened(&f);
        fixture_close(&f);
        ck_assert_int_eq(ask('w'), SQLITE_OK);
        fixture_open(&f);
}
END_TEST

static int probe(void) {
        return f.store->ops->probe(f.store, &f.refusal);
}

/* A trial change is taken back before anything of it is written, so a full disk is not in its way. */
START_TEST(a_probe_changes_nothing) {
        struct fault_plan plan = {};
        unsigned calls;

        fault_vfs_install(&plan);
        fixture_init(&f, true, true); /* its log is written by calls that can fail */
        fixture_open(&f);
        c = add_consumer(&f, 1000, "c", ON(1));
        alloc_one();
        calls = plan.calls;
        ck_assert_int_eq(probe(), 0);
        ck_assert_int_eq(probe(), 0);
        ck_assert_uint_eq(plan.calls, calls);
        expect_same(&f);
        alloc_one();
        ck_assert_uint_gt(plan.calls, calls);
        expect_same_reopened(&f);
        fixture_close(&f);
        fault_vfs_remove();
        fixture_open(&f);
}
END_TEST

START_TEST(a_file_that_was_taken_away_is_noticed) {
        char path[256], aside[256], copy[600];

        fixture_init_kind(&f, _i);
        fixture_open(&f);
        c = add_consumer(&f, 1000, "c", ON(1));
        alloc_one();
        (void) fixture_path(&f, "pasidd.db", path);
        (void) fixture_path(&f, "aside", aside);

        ck_assert_int_eq(rename(path, aside), 0);
        expect_refusal(&f, probe(), EIO, path, "can't be found", NULL);
        (void) snprintf(copy, sizeof(copy), "cp '%s' '%s'", aside, path);
        ck_assert_int_eq(system(copy), 0);
        expect_refusal(&f, probe(), EIO, path, "another file stands in the place", NULL);
        ck_assert_int_eq(rename(aside, path), 0);
        ck_assert_int_eq(probe(), 0);
        alloc_one();
        expect_same_reopened(&f);
}
END_TEST

static off_t log_size(void) {
        char path[256];
        struct stat st;

        ck_assert_int_eq(stat(fixture_path(&f, "pasidd.db-wal", path), &st), 0);
        return st.st_size;
}

START_TEST(the_log_is_bounded) {
        start(_i);
        for (int n = 0; n < 10000; n++) {
                alloc_one();
                if (n % 100 == 0)
                        ck_assert_int_le(log_size(), 5 << 20);
        }
        /* One big transaction makes it long for a while only. */
        (void) alloc(&f, c, 4000, 0, PRIVATE_MAX, NULL);
        ck_assert_int_eq(commit_changes(&f), 0);
        ck_assert_int_gt(log_size(), 8 << 20);
        ck_assert_int_eq(f.store->ops->checkpoint(f.store, &f.refusal), 0);
        alloc_one();
        ck_assert_int_le(log_size(), 5 << 20);
        expect_same_reopened(&f);
}
END_TEST

static bool is_on_tmpfs(void) {
        struct statfs fs;

        return statfs(f.dir, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

/* What makes single commits fast: no lock is taken, and on tmpfs nothing is written by a call. */
START_TEST(what_a_commit_costs) {
        struct fault_plan plan = {};
        bool is_mapped;

        fault_vfs_install(&plan);
        fixture_init_kind(&f, _i);
        fixture_open(&f);
        c = add_consumer(&f, 1000, "c", ON(1));
        ck_assert_int_eq(commit_changes(&f), 0);
        is_mapped = !f.durable && is_on_tmpfs();
        alloc_one();

        plan.locks = plan.writes = 0;
        for (int n = 0; n < 10; n++)
                alloc_one();
        ck_assert_uint_eq(plan.locks, 0);
        ck_assert_uint_eq(plan.writes, is_mapped ? 0 : 20); /* a frame is its header and its page */
        fixture_close(&f);
        fault_vfs_remove();
        fixture_open(&f);
        expect_same(&f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("store-readers");
        TCase *tc = tcase_create("readers");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 300);
        tcase_add_loop_test(tc, readers_see_what_is_committed, 0, FIXTURE_KINDS);
        tcase_add_loop_test(tc, a_reader_keeps_its_view, 0, FIXTURE_KINDS);
        tcase_add_loop_test(tc, nobody_else_writes, 0, FIXTURE_KINDS);
        tcase_add_test(tc, a_probe_changes_nothing);
        tcase_add_loop_test(tc, a_file_that_was_taken_away_is_noticed, 0, FIXTURE_KINDS);
        tcase_add_loop_test(tc, the_log_is_bounded, 0, FIXTURE_KINDS);
        tcase_add_loop_test(tc, what_a_commit_costs, 0, FIXTURE_KINDS);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
