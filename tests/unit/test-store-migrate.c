/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of older schemas, made by the SQL of their time: opened, all of it is
 * there, and the schema is that of a new file. A migration that fails or dies
 * at any call leaves the old table.
 */
#include <signal.h>
#include <sys/wait.h>

#include "../forked.h"
#include "store/schema.h"
#include "suite.h"
#include "test-store-fixture.h"
#include "test-store-vfs.h"

static const char schema_1[] =
        "PRAGMA page_size = 2048;"
        "PRAGMA journal_mode = WAL;"
        "BEGIN;"
        "PRAGMA application_id = 0x70617364;"
        "PRAGMA user_version = 1;"
        "CREATE TABLE meta ("
        "  key TEXT PRIMARY KEY,"
        "  value TEXT NOT NULL"
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE consumer ("
        "  id INTEGER PRIMARY KEY,"
        "  uid INTEGER NOT NULL,"
        "  name TEXT NOT NULL,"
        "  min INTEGER NOT NULL,"
        "  max INTEGER NOT NULL,"
        "  quota INTEGER NOT NULL,"
        "  hold TEXT NOT NULL,"
        "  holder TEXT NOT NULL,"
        "  mode TEXT NOT NULL,"
        "  since INTEGER NOT NULL,"
        "  ended INTEGER NOT NULL CHECK (ended IN (0, 1)),"
        "  home INTEGER NOT NULL"
        ") STRICT;"
        "CREATE UNIQUE INDEX consumer_by_name ON consumer (uid, name) WHERE NOT ended;"
        "CREATE TABLE consumer_device ("
        "  consumer INTEGER NOT NULL,"
        "  n INTEGER NOT NULL,"
        "  address TEXT NOT NULL,"
        "  space INTEGER NOT NULL,"
        "  max_pasid INTEGER NOT NULL,"
        "  PRIMARY KEY (consumer, n)"
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE pasid ("
        "  key INTEGER PRIMARY KEY,"
        "  consumer INTEGER NOT NULL,"
        "  since INTEGER,"
        "  freed INTEGER,"
        "  state TEXT,"
        "  token TEXT,"
        "  private BLOB"
        ") STRICT;"
        "CREATE VIEW pasids AS SELECT"
        "  CASE p.key >> 20 WHEN 0 THEN 'host' ELSE (p.key >> 20) - 1 END AS space,"
        "  p.key & 1048575 AS pasid,"
        "  c.uid AS uid,"
        "  c.name AS consumer,"
        "  m.state AS state,"
        "  strftime('%Y-%m-%dT%H:%M:%SZ', m.since / 1000000, 'unixepoch') AS since,"
        "  coalesce(length(m.private), 0) AS private_bytes "
        "FROM pasid AS p JOIN consumer AS c ON c.id = p.consumer"
        "  JOIN pasid AS m ON m.key = (c.home + 1) * 1048576 + (p.key & 1048575);"
        "CREATE VIEW consumers AS SELECT"
        "  id, uid, name, min, max, quota, hold, holder, mode,"
        "  strftime('%Y-%m-%dT%H:%M:%SZ', since / 1000000, 'unixepoch') AS since,"
        "  CASE WHEN ended THEN 'yes' ELSE 'no' END AS ended,"
        "  (SELECT group_concat(address, ' ') FROM consumer_device AS d WHERE d.consumer = id) AS devices "
        "FROM consumer;"
        "COMMIT;";

static const char copy_1[] =
        "BEGIN;"
        "INSERT INTO meta SELECT key, value FROM new.meta;"
        "INSERT INTO consumer SELECT id, uid, name, min, max, quota, hold, holder, mode, since, ended, home "
        "  FROM new.consumer;"
        "INSERT INTO consumer_device SELECT consumer, n, address, space, max_pasid FROM new.consumer_device;"
        "INSERT INTO pasid (key, consumer, since, freed, state, token, private) SELECT key, consumer, since, freed, state, token, private FROM new.pasid;"
        "COMMIT;";

/* What schema 2 had more. */
static const char schema_2[] =
        "BEGIN;"
        "PRAGMA user_version = 2;"
        "CREATE TABLE attachment ("
        "  consumer INTEGER NOT NULL,"
        "  pasid INTEGER NOT NULL,"
        "  ioas INTEGER NOT NULL,"
        "  PRIMARY KEY (consumer, pasid)"
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE attachment_device ("
        "  consumer INTEGER NOT NULL,"
        "  pasid INTEGER NOT NULL,"
        "  address TEXT NOT NULL,"
        "  device_id INTEGER NOT NULL,"
        "  hwpt INTEGER NOT NULL,"
        "  PRIMARY KEY (consumer, pasid, address)"
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE mapping ("
        "  consumer INTEGER NOT NULL,"
        "  pasid INTEGER NOT NULL,"
        "  iova INTEGER NOT NULL,"
        "  length INTEGER NOT NULL,"
        "  flags INTEGER NOT NULL,"
        "  PRIMARY KEY (consumer, pasid, iova)"
        ") STRICT, WITHOUT ROWID;"
        "CREATE VIEW attachments AS SELECT"
        "  c.uid AS uid,"
        "  c.name AS consumer,"
        "  a.pasid AS pasid,"
        "  a.ioas AS ioas,"
        "  (SELECT group_concat(address || ' hwpt ' || hwpt, ', ') FROM attachment_device AS d"
        "    WHERE d.consumer = a.consumer AND d.pasid = a.pasid) AS devices,"
        "  (SELECT count(*) FROM mapping AS m WHERE m.consumer = a.consumer AND m.pasid = a.pasid) AS mappings,"
        "  (SELECT CAST(total(length) AS INTEGER) FROM mapping AS m"
        "    WHERE m.consumer = a.consumer AND m.pasid = a.pasid) AS mapped_bytes "
        "FROM attachment AS a JOIN consumer AS c ON c.id = a.consumer;"
        "COMMIT;";

static const char copy_2[] =
        "BEGIN;"
        "INSERT INTO attachment SELECT consumer, pasid, ioas FROM new.attachment;"
        /* each device's text is "ADDRESS device ID hwpt ID", with ", " between them: its parts, by what is before and after */
        "INSERT INTO attachment_device WITH RECURSIVE piece (consumer, pasid, head, rest) AS ("
        "  SELECT consumer, pasid, '', devices || ', ' FROM new.attachment UNION ALL"
        "  SELECT consumer, pasid, substr(rest, 1, instr(rest, ', ') - 1), substr(rest, instr(rest, ', ') + 2)"
        "    FROM piece WHERE rest <> '') "
        "SELECT consumer, pasid, substr(head, 1, instr(head, ' device ') - 1),"
        "  CAST(substr(head, instr(head, ' device ') + 8) AS INTEGER),"
        "  CAST(substr(head, instr(head, ' hwpt ') + 6) AS INTEGER) FROM piece WHERE head <> '';"
        "INSERT INTO mapping SELECT consumer, pasid, iova, length, flags FROM new.mapping;"
        "COMMIT;";

/* What schema 3 had more. */
static const char schema_3[] =
        "BEGIN;"
        "PRAGMA user_version = 3;"
        "ALTER TABLE pasid ADD COLUMN held INTEGER;"
        "CREATE TABLE history ("
        "  n INTEGER PRIMARY KEY,"
        "  first INTEGER NOT NULL,"
        "  last INTEGER NOT NULL,"
        "  uid INTEGER NOT NULL,"
        "  consumer TEXT NOT NULL,"
        "  devices TEXT NOT NULL,"
        "  since INTEGER NOT NULL,"
        "  until INTEGER NOT NULL,"
        "  reason TEXT NOT NULL"
        ") STRICT;"
        "CREATE INDEX history_by_number ON history (first, last);"
        "CREATE VIEW holdings AS SELECT"
        "  first, last, uid, consumer, devices,"
        "  strftime('%Y-%m-%dT%H:%M:%SZ', since / 1000000, 'unixepoch') AS since,"
        "  strftime('%Y-%m-%dT%H:%M:%SZ', until / 1000000, 'unixepoch') AS until,"
        "  reason "
        "FROM history ORDER BY n;"
        "COMMIT;";

static const char copy_3[] =
        "BEGIN;"
        "UPDATE pasid SET held = n.held FROM new.pasid AS n WHERE n.key = pasid.key;"
        "INSERT INTO history SELECT * FROM new.history;"
        "COMMIT;";

/* In schema 4 an attachment's devices are in its row. */
static const char schema_4[] =
        "BEGIN;"
        "PRAGMA user_version = 4;"
        "DROP VIEW attachments;"
        "DROP TABLE attachment;"
        "DROP TABLE attachment_device;"
        "CREATE TABLE attachment ("
        "  consumer INTEGER NOT NULL,"
        "  pasid INTEGER NOT NULL,"
        "  ioas INTEGER NOT NULL,"
        "  devices TEXT NOT NULL,"
        "  PRIMARY KEY (consumer, pasid)"
        ") STRICT, WITHOUT ROWID;"
        "CREATE VIEW attachments AS SELECT"
        "  c.uid AS uid,"
        "  c.name AS consumer,"
        "  a.pasid AS pasid,"
        "  a.ioas AS ioas,"
        "  a.devices AS devices,"
        "  (SELECT count(*) FROM mapping AS m WHERE m.consumer = a.consumer AND m.pasid = a.pasid) AS mappings,"
        "  (SELECT CAST(total(length) AS INTEGER) FROM mapping AS m"
        "    WHERE m.consumer = a.consumer AND m.pasid = a.pasid) AS mapped_bytes "
        "FROM attachment AS a JOIN consumer AS c ON c.id = a.consumer;"
        "INSERT INTO attachment SELECT * FROM new.attachment;"
        "COMMIT;";

enum { OLDEST = 1, NEWEST_OLD = SCHEMA_VERSION - 1 };

static struct fixture f;
static char *schema_now; /* of a new table */
static char old[1 << 20]; /* the old table's file */
static size_t old_size;

static void setup_mapped(void) {
        fixture_init(&f, false, true);
}

static void setup_runtime(void) {
        fixture_init(&f, false, false);
}

static void setup_durable(void) {
        fixture_init(&f, true, true);
}

static void teardown(void) {
        free(schema_now);
        fixture_done(&f);
}

/* By name: the order in which things were made is no part of it. */
static char *get_schema(void) {
        return sql(&f, "SELECT group_concat(sql, char(10)) FROM (SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL "
                   "ORDER BY name)");
}

static void execute(sqlite3 *db, const char *statements) {
        ck_assert_msg(sqlite3_exec(db, statements, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
}

/* What is in the new table, in one of the old kind. */
static void make_old(int version) {
        char path[256], new_path[256], attach_new[300];
        sqlite3 *db = NULL;
        FILE *file;

        (void) fixture_path(&f, "pasidd.db", path);
        (void) fixture_path(&f, "new.db", new_path);
        ck_assert_int_eq(rename(path, new_path), 0);
        (void) snprintf(attach_new, sizeof(attach_new), "ATTACH '%s' AS new", new_path);
        ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
        execute(db, schema_1);
        if (version >= 2)
                execute(db, schema_2);
        if (version >= 3)
                execute(db, schema_3);
        execute(db, attach_new);
        execute(db, copy_1);
        if (version >= 2)
                execute(db, copy_2);
        if (version >= 3)
                execute(db, copy_3);
        if (version >= 4)
                execute(db, schema_4);
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);

        file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        old_size = fread(old, 1, sizeof(old), file);
        ck_assert_uint_gt(old_size, 0);
        ck_assert_uint_lt(old_size, sizeof(old));
        ck_assert_int_eq(fclose(file), 0);
}

static void restore_old(void) {
        char path[256];
        FILE *file;

        (void) unlink(fixture_path(&f, "pasidd.db-wal", path));
        (void) unlink(fixture_path(&f, "pasidd.db-shm", path));
        file = fopen(fixture_path(&f, "pasidd.db", path), "we");
        ck_assert_ptr_nonnull(file);
        ck_assert_uint_eq(fwrite(old, 1, old_size, file), old_size);
        ck_assert_int_eq(fclose(file), 0);
}

static void forget_ids(struct consumer *c) {
        for (size_t i = 0; i < c->n_devices; i++)
                c->devices[i].vendor = c->devices[i].device = 0;
}

/* Older tables don't tell since when a number is held that has changed its state since. */
static void forget_held(struct consumer *c) {
        for (struct row *row = core_row_next(c, 0); row; row = core_row_next(c, row->pasid))
                if (row->state != ROW_COOLING)
                        row->held_usec = 0;
}

static void populate(int version) {
        struct consumer *a, *b;

        fixture_open(&f);
        schema_now = get_schema();
        a = add_consumer(&f, 1000, "a", ON(1, 2));
        b = add_consumer(&f, 1000, "b", ON_HOST);
        (void) alloc(&f, a, 50, 10, 100, NULL);
        (void) alloc(&f, b, 20, 1000, PRIVATE_MAX, "t");
        free_pasid(&f, a, 11);
        ck_assert_int_eq(core_row_set_state(f.core, core_row_get(a, 12), ROW_LOST, &f.now), 0);
        if (version >= 2) {
                attach(&f, a, 13);
                map(&f, a, 13, 0x10000, 0x1000);
        }
        ck_assert_int_eq(commit_changes(&f), 0);
        fixture_close(&f);
        make_old(version);
        forget_ids(a);
        if (version < 3)
                forget_held(a);
}

static void expect_migrated(void) {
        _cleanup_free_ char *version = NULL, *schema = NULL, *check = NULL;

        if (!f.store)
                fixture_open(&f);
        ck_assert(!f.other_boot);
        expect_same(&f);
        version = sql(&f, "PRAGMA user_version");
        ck_assert_int_eq(atoi(version), SCHEMA_VERSION);
        schema = get_schema();
        ck_assert_str_eq(schema, schema_now);
        check = sql(&f, "PRAGMA integrity_check");
        ck_assert_str_eq(check, "ok");
}

START_TEST(an_old_schema_is_migrated) {
        struct consumer *a;

        populate(_i);
        fixture_open(&f);
        expect_migrated();

        /* And is used as a new one. */
        a = core_consumer_get(f.core, 1000, "a");
        attach(&f, a, 20);
        map(&f, a, 20, 0x10000, 0x1000);
        (void) alloc(&f, a, 3, 500, 10, NULL);
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_same_reopened(&f);
        fixture_close(&f);
        expect_migrated();
}
END_TEST

START_TEST(another_boot_meets_an_old_schema) {
        _cleanup_free_ char *count = NULL;

        populate(_i);
        f.boot_id = BOOT_B;
        fixture_open(&f);
        ck_assert(f.other_boot);
        count = sql(&f, "SELECT count(*) FROM pasids");
        ck_assert_str_eq(count, f.durable ? "118" : "0"); /* all but what cooled, in two spaces and one */
}
END_TEST

START_TEST(a_migration_fails_at_any_call) {
        unsigned refused = 0;
        bool is_over = false;

        populate(_i);
        for (unsigned at = 1; !is_over; at += fixture_step()) {
                struct fault_plan plan = { .mode = FAULT_ONCE, .code = SQLITE_FULL, .at = at };

                restore_old();
                fault_vfs_install(&plan);
                if (fixture_try_open(&f) < 0) {
                        ck_assert_ptr_nonnull(strstr(f.refusal.text, f.dir));
                        refused++;
                }
                is_over = plan.calls < plan.at;
                plan.mode = FAULT_NONE;
                expect_migrated();
                fixture_close(&f);
                fault_vfs_remove();
        }
        ck_assert_uint_ge(refused, fixture_step() == 1 ? 2 : 1); /* where the log is mapped there is not much to fail */
}
END_TEST

static void be_killed_at(unsigned at) {
        struct fault_plan plan = { .mode = FAULT_KILL, .at = at };

        forked_let_go(-1, -1);
        fault_vfs_install(&plan);
        if (fixture_try_open(&f) < 0)
                _exit(EXIT_FAILURE);
        fixture_close(&f);
        _exit(EXIT_SUCCESS);
}

START_TEST(a_migration_is_killed_at_any_call) {
        bool is_over = false;
        unsigned at;

        populate(_i);
        for (at = 1; !is_over; at += fixture_step()) {
                int status = 0;
                pid_t pid;

                restore_old();
                pid = fork();
                ck_assert_int_ge(pid, 0);
                if (pid == 0)
                        be_killed_at(at);
                ck_assert_int_eq(waitpid(pid, &status, 0), pid);
                is_over = status == 0;
                ck_assert(is_over || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
                expect_migrated();
                fixture_close(&f);
        }
        ck_assert_uint_ge(at, 3);
}
END_TEST

static void add_cases(Suite *suite, const char *name, SFun setup) {
        TCase *tc = tcase_create(name);

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 120);
        tcase_add_loop_test(tc, an_old_schema_is_migrated, OLDEST, NEWEST_OLD + 1);
        tcase_add_loop_test(tc, another_boot_meets_an_old_schema, OLDEST, NEWEST_OLD + 1);
        tcase_add_loop_test(tc, a_migration_fails_at_any_call, OLDEST, NEWEST_OLD + 1);
        tcase_add_loop_test(tc, a_migration_is_killed_at_any_call, OLDEST, NEWEST_OLD + 1);
        suite_add_tcase(suite, tc);
}

int main(void) {
        Suite *suite = suite_create("store-migrate");

        add_cases(suite, "mapped", setup_mapped);
        add_cases(suite, "runtime", setup_runtime);
        add_cases(suite, "durable", setup_durable);
        return suite_run(suite);
}
