/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starts that must be refused, with exit status and a line that says why:
 * wrong options and settings, directories and tables that can't be used. A
 * table is never taken for an empty one, and never touched by a refused start.
 */
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

/* Runs the daemon with these options until it ends; its output is in the log. Returns its exit status. */
static int run(struct fixture *f, ...) {
        const char *argv[8] = { f->daemon->program };
        size_t n = 1;
        va_list ap;
        pid_t pid;
        int status;

        va_start(ap, f);
        while ((argv[n] = va_arg(ap, const char *)))
                n++;
        va_end(ap);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                process_child_setup();
                if (process_child_log(f->daemon->log_path, true) < 0)
                        _exit(99);
                process_child_exec(argv);
        }
        ck_assert_int_eq(process_wait(pid, WAIT_LIMIT_MSEC, &status), 0);
        ck_assert_msg(WIFEXITED(status), "wait status 0x%x", status);
        return WEXITSTATUS(status);
}

START_TEST(help_and_version) {
        struct fixture *f = fixture_new(NULL);

        ck_assert_int_eq(run(f, "--help", NULL), 0);
        ck_assert(daemon_log_has(f->daemon, "--runtime-dir=DIR"));
        ck_assert_int_eq(run(f, "--version", NULL), 0);
        ck_assert(daemon_log_has(f->daemon, "pasidd " VERSION));
        fixture_free(f);
}
END_TEST

START_TEST(bad_options) {
        struct fixture *f = fixture_new(NULL);

        ck_assert_int_eq(run(f, "--colour", NULL), 2);
        ck_assert(daemon_log_has(f->daemon, "--colour"));
        ck_assert_int_eq(run(f, "--bus", NULL), 2);
        ck_assert_int_eq(run(f, "--bus=", NULL), 2);
        ck_assert_int_eq(run(f, "--runtime-dir=", NULL), 2);
        ck_assert_int_eq(run(f, "--listen=tcp:host=localhost", NULL), 2);
        ck_assert(daemon_log_has(f->daemon, "tcp:host=localhost"));
        ck_assert_int_eq(run(f, "--listen=unix:path=relative", NULL), 2);
        ck_assert_int_eq(run(f, "--listen=/run/pasidd.sock", NULL), 2);
        ck_assert_int_eq(run(f, "--log-level=loud", NULL), 2);
        ck_assert(daemon_log_has(f->daemon, "loud"));
        ck_assert_int_eq(run(f, "start", NULL), 2);
        ck_assert(daemon_log_has(f->daemon, "'start'"));
        fixture_free(f);
}
END_TEST

START_TEST(bad_settings) {
        static const struct {
                const char *text, *line;
        } bad[] = {
                { "[Daemon]\nColour=red\n", "line 2: There is no setting Colour=" },
                { "[Limits]\n# one\n\nPasidsPerUid=many\n", "line 4: \"many\" is no value for PasidsPerUid=" },
                { "[Limits]\nConnections=0\n", "\"0\" is no value for Connections=" },
                { "[Limits]\nConnections=-1\n", "\"-1\" is no value for Connections=" },
                { "[Limits]\nConnections=4294967296\n", "\"4294967296\" is no value for Connections=" },
                { "[Daemon]\nReuseDelaySec=soon\n", "\"soon\" is no value for ReuseDelaySec=" },
                { "[Daemon]\nReuseDelaySec=99999999999999999min\n", "is no value for ReuseDelaySec=" },
                { "[Daemon]\nnonsense\n", "line 2" },
                { "PasidsPerUid=5\n", "PasidsPerUid" },
        };
        struct fixture *f = fixture_new(NULL);

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                ck_assert_int_ge(daemon_set_config(f->daemon, bad[i].text), 0);
                fixture_start_refused(f, bad[i].line);
        }
        ck_assert_int_ge(daemon_add_option(f->daemon, "--config=%s/none.conf", f->dir), 0);
        fixture_start_refused(f, "none.conf");
        fixture_free(f);
}
END_TEST

START_TEST(drop_ins) {
        struct fixture *f = fixture_new("[Limits]\nPasidsPerConsumer=5\n");
        struct client c;
        char path[512];

        (void) snprintf(path, sizeof(path), "%s/pasidd.conf.d", f->dir);
        ck_assert_int_eq(mkdir(path, 0755), 0);
        (void) snprintf(path, sizeof(path), "%s/pasidd.conf.d/10-a.conf", f->dir);
        ck_assert_int_ge(write_file(path, "[Limits]\nPasidsPerConsumer=6\n"), 0);
        (void) snprintf(path, sizeof(path), "%s/pasidd.conf.d/20-b.conf", f->dir);
        ck_assert_int_ge(write_file(path, "[Limits]\nPasidsPerConsumer=7\n"), 0);
        (void) snprintf(path, sizeof(path), "%s/pasidd.conf.d/30-c.conf~", f->dir);
        ck_assert_int_ge(write_file(path, "[Limits]\nPasidsPerConsumer=8\n"), 0);
        fixture_start(f);
        c = client_direct(f);
        _cleanup_free_ char *consumer = init_ok(&c, "vm", 0);
        ck_assert_uint_eq(property_number(&c, consumer, PASIDD_IFACE_CONSUMER, "Quota"), 7);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* SIGHUP: new limits hold from now on and revoke nothing; a bad file changes nothing. */
START_TEST(reload) {
        struct fixture *f = fixture_new_started("[Limits]\nPasidsPerConsumer=5\n");
        struct client c = client_direct(f);
        _cleanup_free_ char *old = init_ok(&c, "old", 0), *new = NULL, *same = NULL;

        free(alloc_many_ok(&c, old, 5, 0, 0, 0));
        ck_assert_int_ge(daemon_set_config(f->daemon, "[Limits]\nPasidsPerConsumer=3\n"), 0);
        ck_assert_int_eq(kill(f->daemon->pid, SIGHUP), 0);
        ck_assert_int_ge(daemon_wait_notice(f->daemon, "RELOADING=1"), 0);
        ck_assert_int_ge(daemon_wait_notice(f->daemon, "READY=1"), 0);
        new = init_ok(&c, "new", 0);
        ck_assert_uint_eq(property_number(&c, new, PASIDD_IFACE_CONSUMER, "Quota"), 3);
        ck_assert_uint_eq(property_number(&c, old, PASIDD_IFACE_CONSUMER, "Allocated"), 5);

        ck_assert_int_ge(daemon_set_config(f->daemon, "[Limits]\nPasidsPerConsumer=4\nnonsense\n"), 0);
        ck_assert_int_eq(kill(f->daemon->pid, SIGHUP), 0);
        ck_assert_int_ge(daemon_wait_notice(f->daemon, "RELOADING=1"), 0);
        ck_assert_int_ge(daemon_wait_notice(f->daemon, "READY=1"), 0);
        same = init_ok(&c, "same", 0);
        ck_assert_uint_eq(property_number(&c, same, PASIDD_IFACE_CONSUMER, "Quota"), 3);
        ck_assert(daemon_log_has(f->daemon, "line 3"));
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* A second daemon on the runtime or the state directory: refused, naming the first; and the first goes on. */
START_TEST(two_on_one_directory) {
        struct fixture *f = fixture_new_started(NULL), *second = fixture_new(NULL);
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm", 0);
        char pid[16];

        ck_assert_int_ge(daemon_add_option(second->daemon, "--%s=%s/%s", _i == 0 ? "runtime-dir" : "state-dir", f->dir,
                                           _i == 0 ? "run" : "lib"), 0);
        (void) snprintf(pid, sizeof(pid), "%d", f->daemon->pid);
        fixture_start_refused(second, pid);
        (void) alloc_ok(&c, path, 0, 0);
        client_close(&c);
        fixture_free(second);
        fixture_free(f);
}
END_TEST

/* The lock goes with the process, however that ended. */
START_TEST(lock_of_the_dead) {
        struct fixture *f = fixture_new_started(NULL);

        fixture_kill(f);
        fixture_start(f);
        fixture_free(f);
}
END_TEST

START_TEST(directories_are_made) {
        struct fixture *f = fixture_new(NULL);
        char path[512];
        struct stat st;

        (void) snprintf(path, sizeof(path), "%s/run", f->dir);
        ck_assert_int_eq(rmdir(path), 0);
        fixture_start(f);
        ck_assert_int_eq(stat(path, &st), 0);
        (void) snprintf(path, sizeof(path), "%s/run/pasidd.db", f->dir);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_eq(st.st_mode & 0777, 0600); /* private data is in it */
        fixture_free(f);
}
END_TEST

START_TEST(no_permission) {
        static const char *const names[] = { "run", "lib" };
        struct fixture *f = fixture_new(NULL);
        char path[512];

        ck_assert_int_eq(chmod(f->dir, 0777), 0);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
                ck_assert_int_eq(chmod(path, _i == (int) i ? 0500 : 0755), 0);
                if (geteuid() == 0)
                        ck_assert_int_eq(chown(path, 60001, 60001), 0);
        }
        if (geteuid() == 0)
                f->daemon->uid = 60001;
        (void) snprintf(path, sizeof(path), "%s/%s", f->dir, names[_i]);
        fixture_start_refused(f, path);
        fixture_free(f);
}
END_TEST

START_TEST(directory_is_a_file) {
        struct fixture *f = fixture_new(NULL);
        char path[512];

        (void) snprintf(path, sizeof(path), "%s/run", f->dir);
        ck_assert_int_eq(rmdir(path), 0);
        ck_assert_int_ge(write_file(path, "a file"), 0);
        fixture_start_refused(f, path);
        fixture_free(f);
}
END_TEST

/* The table of a daemon that had 500 numbers: of kind "boot" and "persistent". */
static struct fixture *begin_with_rows(int is_persistent, char path[static 512]) {
        struct fixture *f = fixture_new_started(NULL);
        struct client c = client_direct(f);
        _cleanup_free_ char *consumer = init_ok(&c, "vm", 1, "hold", "s", is_persistent ? "persistent" : "boot");

        free(alloc_many_ok(&c, consumer, 500, 0, 0, 0));
        client_close(&c);
        fixture_stop(f);
        (void) snprintf(path, 512, "%s/%s/pasidd.db", f->dir, is_persistent ? "lib" : "run");
        return f;
}

static void execute(const char *path, const char *sql) {
        sqlite3 *db;

        ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

/* All its bytes, to be freed. */
static uint8_t *read_table(const char *path, size_t *ret_size) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        uint8_t *bytes;
        struct stat st;

        ck_assert(fd >= 0 && fstat(fd, &st) == 0);
        bytes = malloc((size_t) st.st_size + 1);
        ck_assert_ptr_nonnull(bytes);
        ck_assert_int_eq(read(fd, bytes, (size_t) st.st_size + 1), st.st_size);
        *ret_size = (size_t) st.st_size;
        return bytes;
}

START_TEST(newer_table) {
        char path[512];
        struct fixture *f = begin_with_rows(_i, path);
        _cleanup_free_ uint8_t *before = NULL, *after = NULL;
        size_t n_before, n_after;

        execute(path, "PRAGMA user_version = 9999");
        before = read_table(path, &n_before);
        fixture_start_refused(f, "newer");
        ck_assert(daemon_log_has(f->daemon, path));
        after = read_table(path, &n_after);
        ck_assert_uint_eq(n_after, n_before);
        ck_assert_mem_eq(after, before, n_before);
        fixture_free(f);
}
END_TEST

START_TEST(foreign_table) {
        char path[512];
        struct fixture *f = begin_with_rows(_i, path);

        execute(path, "PRAGMA application_id = 12345");
        fixture_start_refused(f, path);
        fixture_free(f);
}
END_TEST

START_TEST(truncated_table) {
        static const off_t divisors[] = { 2, 3, 50 };
        char path[512];
        struct fixture *f = begin_with_rows(_i, path);
        struct stat st, after;

        for (size_t i = 0; i < ELEMENTSOF(divisors); i++) {
                ck_assert_int_eq(stat(path, &st), 0);
                ck_assert_int_eq(truncate(path, st.st_size / divisors[i]), 0);
                fixture_start_refused(f, path);
                ck_assert_int_eq(stat(path, &after), 0);
                ck_assert_int_eq(after.st_size, st.st_size / divisors[i]);
        }
        fixture_free(f);
}
END_TEST

START_TEST(garbage_table) {
        char path[512];
        struct fixture *f = begin_with_rows(_i, path);

        ck_assert_int_ge(write_file(path, "this is no table, but a letter to a friend\n"), 0);
        fixture_start_refused(f, path);
        fixture_free(f);
}
END_TEST

/* One page in the middle is overwritten: the header is fine, the tree is not. */
START_TEST(damaged_table) {
        char path[512], noise[4096];
        struct fixture *f = begin_with_rows(_i, path);
        struct stat st;
        int fd;

        memset(noise, 0x5a, sizeof(noise));
        ck_assert_int_eq(stat(path, &st), 0);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        for (off_t at = 4096; at + 4096 <= st.st_size; at += 4096)
                ck_assert_int_eq(pwrite(fd, noise, sizeof(noise), at), sizeof(noise));
        (void) close_fd(fd);
        fixture_start_refused(f, path);
        fixture_free(f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-start");
        TCase *options = fixture_add_case(suite, "options"), *tables = fixture_add_case(suite, "tables");

        tcase_add_test(options, help_and_version);
        tcase_add_test(options, bad_options);
        tcase_add_test(options, bad_settings);
        tcase_add_test(options, drop_ins);
        tcase_add_test(options, reload);
        tcase_add_loop_test(tables, two_on_one_directory, 0, 2);
        tcase_add_test(tables, lock_of_the_dead);
        tcase_add_test(tables, directories_are_made);
        tcase_add_loop_test(tables, no_permission, 0, 2);
        tcase_add_test(tables, directory_is_a_file);
        tcase_add_loop_test(tables, newer_table, 0, 2);
        tcase_add_loop_test(tables, foreign_table, 0, 2);
        tcase_add_loop_test(tables, truncated_table, 0, 2);
        tcase_add_loop_test(tables, garbage_table, 0, 2);
        tcase_add_loop_test(tables, damaged_table, 0, 2);
        return fixture_main(suite);
}
