/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which tables are opened and which are not: another daemon's, a newer
 * schema's, damaged ones, other boots', and those that contradict themselves.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/schema.h"
#include "suite.h"
#include "test-store-fixture.h"

static struct fixture f;

static void setup_runtime(void) {
        fixture_init(&f, false, true);
}

static void setup_durable(void) {
        fixture_init(&f, true, false);
}

static void teardown(void) {
        fixture_done(&f);
}

static void populate(void) {
        struct consumer *a, *b;

        fixture_open(&f);
        a = add_consumer(&f, 1000, "a", ON(1, 2));
        b = add_consumer(&f, 1000, "b", ON_HOST);
        (void) alloc(&f, a, 50, 10, 100, NULL);
        (void) alloc(&f, b, 50, 1000, PRIVATE_MAX, "t");
        (void) alloc(&f, a, 1, 2000, 0, NULL);
        ck_assert_int_eq(commit_changes(&f), 0);
        free_pasid(&f, a, 11);
        free_pasid(&f, b, 1001);
        ck_assert_int_eq(commit_changes(&f), 0);
}

static void change(const char *statement) {
        free(sql(&f, statement));
}

START_TEST(a_second_daemon_is_refused) {
        struct store_params params = { .directory = f.dir, .durable = f.durable, .boot_id = BOOT_A };
        struct store *second = NULL;
        bool other_boot;
        char pid[32];
        int r;

        populate();
        (void) snprintf(pid, sizeof(pid), "process %ld", (long) getpid());
        r = store_open(&params, &second, &other_boot, &f.refusal);
        expect_refusal(&f, r, EBUSY, f.dir, "another pasidd", pid, NULL);
        ck_assert_ptr_null(second);
        expect_same(&f);
        expect_same_reopened(&f);
}
END_TEST

START_TEST(another_boot) {
        populate();
        fixture_close(&f);
        f.boot_id = BOOT_B;
        fixture_open(&f);
        ck_assert(f.other_boot);
        if (f.durable) {
                struct moment later = f.now;

                /* What cooled is free now, claims in further spaces too; all else is there. */
                later.boottime_usec += UINT64_C(3600000000);
                ck_assert_int_eq(core_expire(f.core, f.durable, &later, 100), 2);
                core_commit(f.core);
                /* It stays of the old boot until a start is through with it. */
                expect_same_reopened(&f);
                ck_assert(f.other_boot);
                begin(&f);
                ck_assert_int_eq(f.store->ops->enter_boot(f.store, &f.refusal), 0);
                commit(&f);
        } else {
                f.core = core_free(f.core);
                ck_assert_int_eq(core_new(&(struct core_limits) { 1, 1, 1, 1 }, &f.core), 0);
        }
        expect_same(&f);
        expect_same_reopened(&f);
        ck_assert(!f.other_boot);
}
END_TEST

START_TEST(another_boot_drops_ended_consumers) {
        _cleanup_free_ char *counts = NULL;
        struct consumer *a, *b;

        fixture_open(&f);
        a = add_consumer(&f, 1, "a", ON(1));
        b = add_consumer(&f, 1, "b", ON(1));
        (void) alloc(&f, a, 3, 0, 0, NULL);
        (void) alloc(&f, b, 3, 0, 0, NULL);
        end_consumer(&f, a);
        ck_assert_int_eq(commit_changes(&f), 0);
        fixture_close(&f);
        f.boot_id = BOOT_B;
        fixture_open(&f);
        counts = sql(&f, "SELECT (SELECT count(*) FROM consumer) || (SELECT count(*) FROM consumer_device) || "
                     "(SELECT count(*) FROM pasid)");
        ck_assert_str_eq(counts, f.durable ? "113" : "000");
}
END_TEST

START_TEST(bad_boot_id) {
        static const char *const bad[] = { NULL, "", "0123", BOOT_A "0", "g123456789abcdef0123456789abcdef" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                f.boot_id = bad[i];
                expect_refusal(&f, fixture_try_open(&f), EINVAL, "32 hex digits", NULL);
        }
}
END_TEST

START_TEST(a_newer_schema_is_refused) {
        populate();
        fixture_close(&f);
        change("PRAGMA user_version = 6");
        expect_refusal(&f, fixture_try_open(&f), EPROTONOSUPPORT, "pasidd.db", "newer pasidd", "schema 6", "knows 5", NULL);
        change("PRAGMA user_version = 5");
        fixture_open(&f);
        expect_same(&f);
        fixture_close(&f);

        /* One that this build can't even read is newer, not damaged. */
        change("PRAGMA user_version = 6; PRAGMA writable_schema = ON; "
               "UPDATE sqlite_schema SET sql = 'CREATE TABLE meta (key FUTURE) STRICT' WHERE name = 'meta'");
        expect_refusal(&f, fixture_try_open(&f), EPROTONOSUPPORT, "newer pasidd", "schema 6", NULL);
}
END_TEST

START_TEST(a_schema_from_nowhere_is_refused) {
        populate();
        fixture_close(&f);
        change("PRAGMA user_version = 0");
        expect_refusal(&f, fixture_try_open(&f), EBADMSG, "schema 0", NULL);
        change("PRAGMA user_version = -7");
        expect_refusal(&f, fixture_try_open(&f), EBADMSG, "schema -7", NULL);
}
END_TEST

static int fail_step(sqlite3 *db) {
        return SQLITE_FULL;
}

static int good_step(sqlite3 *db) {
        return sqlite3_exec(db, "INSERT INTO two VALUES (3)", NULL, NULL, NULL);
}

START_TEST(migrations) {
        static const struct migration good[] = {
                { .from = SCHEMA_VERSION, .sql = "CREATE TABLE two (x); INSERT INTO two VALUES (2)" },
                { .from = SCHEMA_VERSION + 1, .run = good_step },
                { .from = SCHEMA_VERSION + 2, .sql = "ALTER TABLE two ADD COLUMN y" },
        };
        const struct migration bad[] = {
                good[0],
                { .from = SCHEMA_VERSION + 1, .sql = "INSERT INTO two VALUES (9)", .run = fail_step },
        };
        const struct migration gap[] = { good[0], good[2] };
        int64_t version = 0;
        sqlite3 *db = NULL;

        ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
        ck_assert_int_eq(schema_create(db), SQLITE_OK);

#define TRY(steps, to) schema_migrate(db, "the table", steps, ELEMENTSOF(steps), to, &f.refusal)
        ck_assert_int_eq(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
        expect_refusal(&f, TRY(bad, SCHEMA_VERSION + 2), EFBIG, "up to date", NULL);
        ck_assert_int_eq(sqlite3_exec(db, "ROLLBACK; BEGIN", NULL, NULL, NULL), SQLITE_OK);
        expect_refusal(&f, TRY(gap, SCHEMA_VERSION + 3), EBADMSG, "schema 6", "to 8", NULL);
        ck_assert_int_eq(sqlite3_exec(db, "ROLLBACK; BEGIN", NULL, NULL, NULL), SQLITE_OK);
        ck_assert_int_eq(schema_get_number(db, "PRAGMA user_version", &version), SQLITE_OK);
        ck_assert_int_eq(version, SCHEMA_VERSION);
        ck_assert_int_eq(TRY(good, SCHEMA_VERSION + 3), 0);
        ck_assert_int_eq(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
        ck_assert_int_eq(schema_get_number(db, "PRAGMA user_version", &version), SQLITE_OK);
        ck_assert_int_eq(version, SCHEMA_VERSION + 3);
        ck_assert_int_eq(schema_get_number(db, "SELECT sum(x) FROM two WHERE y IS NULL", &version), SQLITE_OK);
        ck_assert_int_eq(version, 5);
        ck_assert_int_eq(TRY(good, SCHEMA_VERSION + 3), 0); /* nothing to do */
        expect_refusal(&f, TRY(good, SCHEMA_VERSION + 2), EPROTONOSUPPORT, "the table", NULL);
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

START_TEST(another_programs_database_is_left_alone) {
        _cleanup_free_ char *mode = NULL;

        ck_assert_int_eq(mkdir(f.dir, 0755), 0);
        change("CREATE TABLE mine (x)");
        expect_refusal(&f, fixture_try_open(&f), EBADMSG, "another program", NULL);
        mode = sql(&f, "PRAGMA journal_mode");
        ck_assert_str_eq(mode, "delete");
}
END_TEST

static void write_file(const char *name, const void *data, size_t size) {
        _cleanup_close_ int fd = -EBADF;
        char path[256];

        fd = open(fixture_path(&f, name, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, data, size), (ssize_t) size);
}

static size_t read_table(char **ret) {
        _cleanup_close_ int fd = -EBADF;
        char path[256];
        struct stat st;

        fd = open(fixture_path(&f, "pasidd.db", path), O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fstat(fd, &st), 0);
        *ret = malloc((size_t) st.st_size);
        ck_assert_ptr_nonnull(*ret);
        ck_assert_int_eq(read(fd, *ret, (size_t) st.st_size), st.st_size);
        return (size_t) st.st_size;
}

START_TEST(a_truncated_table_is_refused) {
        _cleanup_free_ char *whole = NULL;
        size_t size;

        populate();
        fixture_close(&f);
        size = read_table(&whole);
        for (size_t cut = 0; cut < size; cut += cut < 600 ? 17 : 509) {
                write_file("pasidd.db", whole, cut);
                expect_refusal(&f, fixture_try_open(&f), EBADMSG, "can't be trusted", NULL);
        }
        write_file("pasidd.db", whole, size - 1);
        expect_refusal(&f, fixture_try_open(&f), EBADMSG, "can't be trusted", NULL);
        write_file("pasidd.db", whole, size);
        fixture_open(&f);
        expect_same(&f);
}
END_TEST

/* Every page in turn is overwritten: found at opening, whatever the page is for. */
START_TEST(a_damaged_page_is_found) {
        _cleanup_free_ char *whole = NULL;
        char junk[2048], saved[sizeof(junk)];
        size_t size;

        memset(junk, 0xfe, sizeof(junk));
        populate();
        fixture_close(&f);
        change("VACUUM"); /* a page that is free can hold anything */
        size = read_table(&whole);
        ck_assert_uint_ge(size / sizeof(junk), 50);
        for (size_t page = 0; page < size / sizeof(junk); page++) {
                memcpy(saved, whole + page * sizeof(junk), sizeof(junk));
                memcpy(whole + page * sizeof(junk), junk, sizeof(junk));
                write_file("pasidd.db", whole, size);
                memcpy(whole + page * sizeof(junk), saved, sizeof(junk));
                expect_refusal(&f, fixture_try_open(&f), EBADMSG, "can't be trusted", NULL);
        }
}
END_TEST

/* Sound as a tree, but it has not the rows that it should have. */
START_TEST(an_index_out_of_step_is_found) {
        populate();
        fixture_close(&f);
        change("DROP INDEX consumer_by_name;"
               "CREATE UNIQUE INDEX consumer_by_name ON consumer (uid, name) WHERE ended;"
               "PRAGMA writable_schema = ON;"
               "UPDATE sqlite_schema SET sql = replace(sql, 'WHERE ended', 'WHERE NOT ended') WHERE name = 'consumer_by_name'");
        expect_refusal(&f, fixture_try_open(&f), EBADMSG, "can't be trusted", "consumer_by_name", NULL);
}
END_TEST

START_TEST(a_history_out_of_step_is_found) {
        populate();
        fixture_close(&f);
        change("INSERT INTO history VALUES (1, 5, 6, 0, 'vm', '', 1, 2, 'exit');"
               "DROP INDEX history_by_number;"
               "CREATE INDEX history_by_number ON history (last, first);"
               "PRAGMA writable_schema = ON;"
               "UPDATE sqlite_schema SET sql = replace(sql, 'last, first', 'first, last') WHERE name = 'history_by_number'");
        expect_refusal(&f, fixture_try_open(&f), EBADMSG, "can't be trusted", "history_by_number", NULL);
}
END_TEST

START_TEST(garbage_is_refused) {
        char junk[8192];

        ck_assert_int_eq(mkdir(f.dir, 0755), 0);
        for (size_t i = 0; i < sizeof(junk); i++)
                junk[i] = (char) (i * 7 + i / 256);
        for (size_t size = 1; size <= sizeof(junk); size *= 2) {
                write_file("pasidd.db", junk, size);
                expect_refusal(&f, fixture_try_open(&f), EBADMSG, "can't be trusted", NULL);
        }
}
END_TEST

START_TEST(an_emptied_table_is_refused) {
        char path[256];

        populate();
        fixture_close(&f);
        ck_assert_int_eq(truncate(fixture_path(&f, "pasidd.db", path), 0), 0);
        expect_refusal(&f, fixture_try_open(&f), EBADMSG, f.dir, "cut to nothing", NULL);
        /* A log without its table holds rows that nobody sees. */
        ck_assert_int_eq(unlink(path), 0);
        write_file("pasidd.db-wal", "x", 1);
        expect_refusal(&f, fixture_try_open(&f), EBADMSG, "pasidd.db-wal", "gone", NULL);
        ck_assert_int_eq(unlink(fixture_path(&f, "pasidd.db-wal", path)), 0);
        fixture_open(&f);
}
END_TEST

START_TEST(what_a_crashed_creation_left_is_no_table) {
        ck_assert_int_eq(mkdir(f.dir, 0755), 0);
        write_file("pasidd.db.new", "half", 4);
        write_file("pasidd.db.new-journal", "half", 4);
        fixture_open(&f);
        expect_same(&f);
}
END_TEST

START_TEST(links_are_not_followed) {
        static const char *const names[] = { "pasidd.db", "pasidd.db-wal", "pasidd.db-shm", "pasidd.lock" };
        char path[256], victim[160], real[160];
        struct stat st;

        populate();
        fixture_close(&f);
        (void) snprintf(victim, sizeof(victim), "%s/victim", f.top);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                (void) fixture_path(&f, names[i], path);
                (void) snprintf(real, sizeof(real), "%s/real", f.top);
                ck_assert(rename(path, real) == 0 || errno == ENOENT);
                ck_assert_int_eq(symlink(victim, path), 0);
                expect_refusal(&f, fixture_try_open(&f), EIO, names[i], "symbolic link", NULL);
                ck_assert_int_eq(unlink(path), 0);
                ck_assert_int_eq(mkdir(path, 0700), 0);
                ck_assert_int_eq(fixture_try_open(&f), -EIO);
                ck_assert_int_eq(rmdir(path), 0);
                ck_assert(rename(real, path) == 0 || errno == ENOENT);
        }
        ck_assert_int_lt(stat(victim, &st), 0);

        /* The directory may be one: systemd makes them so. */
        (void) snprintf(real, sizeof(real), "%s/real", f.top);
        ck_assert_int_eq(rename(f.dir, real), 0);
        ck_assert_int_eq(symlink(real, f.dir), 0);
        fixture_open(&f);
        expect_same(&f);
}
END_TEST

START_TEST(bad_directories) {
        char path[sizeof(f.dir)];

        (void) snprintf(path, sizeof(path), "%s/missing/dir", f.top);
        (void) snprintf(f.dir, sizeof(f.dir), "%s", path);
        expect_refusal(&f, fixture_try_open(&f), EIO, path, "the one above it is missing", NULL);
        (void) snprintf(f.dir, sizeof(f.dir), "/dev/null");
        expect_refusal(&f, fixture_try_open(&f), EIO, "/dev/null", "Not a directory", NULL);
}
END_TEST

/* In a child, for root has no way back from another user. Its exit status is opening's errno. */
static void try_as_nobody(void) {
        pid_t pid = fork();
        int status = 0;

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                struct store_params params = { .directory = f.dir, .durable = f.durable, .boot_id = BOOT_A };
                struct store *store = NULL;
                bool other_boot;
                int r;

                if (geteuid() == 0 && (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0))
                        _exit(255);
                r = store_open(&params, &store, &other_boot, &f.refusal);
                _exit(r < 0 && strstr(f.refusal.text, f.dir) && strstr(f.refusal.text, "no permission") ? -r : 254);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), EACCES);
}

START_TEST(no_permission) {
        char path[256];

        ck_assert_int_eq(chmod(f.top, 0555), 0); /* for those who are not root */
        try_as_nobody(); /* nor may it be made */
        ck_assert_int_eq(chmod(f.top, 0755), 0);
        populate();
        fixture_close(&f);

        ck_assert_int_eq(chmod(fixture_path(&f, "pasidd.lock", path), 0), 0);
        try_as_nobody();
        if (geteuid() == 0) {
                ck_assert_int_eq(chown(fixture_path(&f, "pasidd.lock", path), 65534, 65534), 0);
                ck_assert_int_eq(chmod(path, 0600), 0);
                try_as_nobody(); /* at the table's file */
                ck_assert_int_eq(chown(fixture_path(&f, "pasidd.db", path), 65534, 65534), 0);
                try_as_nobody(); /* the file is its own, but the log can't be made */
                ck_assert_int_eq(chown(fixture_path(&f, "pasidd.db", path), 0, 0), 0);
        }
        ck_assert_int_eq(chmod(fixture_path(&f, "pasidd.lock", path), 0600), 0);
        fixture_open(&f);
        expect_same(&f);
}
END_TEST

START_TEST(a_read_only_file_system) {
        const char *fork_mode = getenv("CK_FORK");

        /* Needs a mount namespace of our own, so only where this test is a process of its own. */
        if (geteuid() != 0 || (fork_mode && strcmp(fork_mode, "no") == 0) || unshare(CLONE_NEWNS) < 0) {
                printf("# skipped: no mount namespace of its own can be had here\n");
                return;
        }
        populate();
        fixture_close(&f);
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount(f.dir, f.dir, NULL, MS_BIND, NULL) < 0) {
                printf("# skipped: nothing may be mounted here\n");
                return;
        }
        ck_assert_int_eq(mount(NULL, f.dir, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
        expect_refusal(&f, fixture_try_open(&f), EROFS, f.dir, "read-only", NULL);
        ck_assert_int_eq(umount(f.dir), 0);
}
END_TEST

static int take_consumer(const struct consumer_spec *spec, void *userdata) {
        return 0;
}

static int take_row(const struct store_row *row, void *userdata) {
        return 0;
}

/* Changes that no damage check of SQLite finds, and that would hand out a number twice, or to nobody. */
START_TEST(a_contradictory_table_is_refused) {
        static const char *const changes[] = {
                "DELETE FROM consumer WHERE name = 'a'",
                "DELETE FROM consumer_device; DELETE FROM consumer",
                "UPDATE pasid SET consumer = 77 WHERE key & 1048575 = 20",
                "UPDATE pasid SET consumer = 2 WHERE key & 1048575 = 20",
                "DELETE FROM pasid WHERE key = 3 * 1048576 + 20",
                "DELETE FROM pasid WHERE key = 2 * 1048576 + 20",
                "UPDATE pasid SET key = 3 * 1048576 + 500 WHERE key = 3 * 1048576 + 20",
                "UPDATE pasid SET key = 9 * 1048576 + 20 WHERE key = 3 * 1048576 + 20",
                "UPDATE pasid SET key = 2 * 1048576 WHERE key = 2 * 1048576 + 20",
                "UPDATE pasid SET key = 0 WHERE key = 1000",
                "UPDATE pasid SET key = -1000 WHERE key = 1000",
                "UPDATE pasid SET key = 0x7fffffffffffffff WHERE key = 1000",
                "UPDATE pasid SET state = NULL WHERE key = 1000",
                "UPDATE pasid SET state = 'odd' WHERE key = 1000",
                "UPDATE pasid SET state = 'lost' WHERE key = 3 * 1048576 + 20",
                "UPDATE pasid SET since = -1 WHERE key = 1000",
                "UPDATE pasid SET freed = -1 WHERE key = 1000",
                "UPDATE pasid SET held = -1 WHERE key = 1000",
                "UPDATE pasid SET private = zeroblob(4097) WHERE key = 1000",
                "UPDATE pasid SET token = hex(zeroblob(33)) WHERE key = 1000",
                "UPDATE consumer SET home = 2 WHERE name = 'a'",
                "UPDATE consumer SET home = 2 WHERE name = 'b'",
                "UPDATE consumer SET home = -2 WHERE name = 'b'",
                "UPDATE consumer SET hold = 'odd'",
                "UPDATE consumer SET mode = 'odd'",
                "UPDATE consumer SET uid = -1 WHERE name = 'a'",
                "UPDATE consumer SET uid = 1 << 32 WHERE name = 'a'",
                "UPDATE consumer SET max = -1",
                "UPDATE consumer SET since = -1",
                "UPDATE consumer SET id = -1 WHERE name = 'a'",
                "UPDATE consumer_device SET space = 5 WHERE space = 2",
                "UPDATE consumer_device SET space = -1 WHERE space = 1",
                "UPDATE consumer_device SET space = 1 << 31 WHERE space = 2",
                "UPDATE consumer_device SET max_pasid = -1",
                "UPDATE consumer_device SET vendor = 65536",
                "INSERT INTO tenant VALUES (hex(zeroblob(12)), 0, 'peer:1:2:3:4')",
                "INSERT INTO tenant VALUES ('0000:01:00.0', -1, 'peer:1:2:3:4')",
                "UPDATE consumer_device SET device = -1",
                "UPDATE consumer_device SET address = hex(zeroblob(12))",
                "DELETE FROM consumer_device",
        };
        const struct store_loader loader = { .consumer = take_consumer, .row = take_row };
        _cleanup_free_ char *whole = NULL;
        size_t size;

        populate();
        fixture_close(&f);
        size = read_table(&whole);
        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                int r;

                write_file("pasidd.db", whole, size);
                change(changes[i]);
                fixture_open(&f);
                r = f.store->ops->load(f.store, &loader, &f.refusal);
                ck_assert_msg(r == -EBADMSG, "%s: %d", changes[i], r);
                ck_assert_ptr_nonnull(strstr(f.refusal.text, "can't be trusted"));
                fixture_close(&f);
        }
        write_file("pasidd.db", whole, size);
        fixture_open(&f);
        expect_same(&f);
}
END_TEST

START_TEST(a_table_without_its_tables_is_refused) {
        static const char *const changes[] = {
                "DROP VIEW pasids; DROP VIEW consumers; DROP VIEW attachments; DROP TABLE pasid",
                "DROP VIEW pasids; DROP VIEW consumers; DROP TABLE consumer_device",
                "DROP VIEW pasids; DROP VIEW consumers; ALTER TABLE pasid RENAME COLUMN token TO other",
                "DROP TABLE meta",
                "DELETE FROM meta",
                "DROP VIEW attachments; DROP TABLE attachment",
                "DROP VIEW attachments; ALTER TABLE attachment RENAME COLUMN devices TO other",
                "DROP VIEW attachments; DROP TABLE mapping",
        };
        _cleanup_free_ char *whole = NULL;
        size_t size;

        populate();
        fixture_close(&f);
        size = read_table(&whole);
        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                write_file("pasidd.db", whole, size);
                change(changes[i]);
                expect_refusal(&f, fixture_try_open(&f), EBADMSG, "can't be trusted", NULL);
        }
}
END_TEST

static void add_cases(Suite *suite, const char *name, SFun setup) {
        TCase *tc = tcase_create(name);

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 120);
        tcase_add_test(tc, a_second_daemon_is_refused);
        tcase_add_test(tc, another_boot);
        tcase_add_test(tc, another_boot_drops_ended_consumers);
        tcase_add_test(tc, bad_boot_id);
        tcase_add_test(tc, a_newer_schema_is_refused);
        tcase_add_test(tc, a_schema_from_nowhere_is_refused);
        tcase_add_test(tc, migrations);
        tcase_add_test(tc, another_programs_database_is_left_alone);
        tcase_add_test(tc, a_truncated_table_is_refused);
        tcase_add_test(tc, a_damaged_page_is_found);
        tcase_add_test(tc, an_index_out_of_step_is_found);
        tcase_add_test(tc, a_history_out_of_step_is_found);
        tcase_add_test(tc, garbage_is_refused);
        tcase_add_test(tc, an_emptied_table_is_refused);
        tcase_add_test(tc, what_a_crashed_creation_left_is_no_table);
        tcase_add_test(tc, links_are_not_followed);
        tcase_add_test(tc, bad_directories);
        tcase_add_test(tc, no_permission);
        tcase_add_test(tc, a_read_only_file_system);
        tcase_add_test(tc, a_contradictory_table_is_refused);
        tcase_add_test(tc, a_table_without_its_tables_is_refused);
        suite_add_tcase(suite, tc);
}

int main(void) {
        Suite *suite = suite_create("store-open");

        add_cases(suite, "runtime", setup_runtime);
        add_cases(suite, "durable", setup_durable);
        return suite_run(suite);
}
