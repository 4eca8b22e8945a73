/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The schema, made at once in a new file and migrated step by step in an old
 * one. Words instead of numbers, and the views, are for people with sqlite3.
 */
#include "store/schema.h"

#include <stdio.h>

#include "store/sqlite-store.h"

#define NUMBER_TEXT_(n) #n
#define NUMBER_TEXT(n) NUMBER_TEXT_(n)
#define TIME_TEXT(column) "strftime('%Y-%m-%dT%H:%M:%SZ', " column " / 1000000, 'unixepoch')"

/*
 * New in 2: what is attached and mapped in the kernel, by pasidd itself. The
 * 64 bits of iova and length are kept as they are: an address from 2^63 on is
 * a negative number.
 */
#define MAPPING_SQL \
        "CREATE TABLE mapping (" \
        "  consumer INTEGER NOT NULL," \
        "  pasid INTEGER NOT NULL," \
        "  iova INTEGER NOT NULL," \
        "  length INTEGER NOT NULL," \
        "  flags INTEGER NOT NULL," \
        "  PRIMARY KEY (consumer, pasid, iova)" \
        ") STRICT, WITHOUT ROWID;"

static const char objects_2_sql[] =
        "CREATE TABLE attachment (consumer INTEGER NOT NULL, pasid INTEGER NOT NULL, ioas INTEGER NOT NULL, "
        "  PRIMARY KEY (consumer, pasid)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE attachment_device (consumer INTEGER NOT NULL, pasid INTEGER NOT NULL, address TEXT NOT NULL, "
        "  device_id INTEGER NOT NULL, hwpt INTEGER NOT NULL, PRIMARY KEY (consumer, pasid, address)) STRICT, WITHOUT ROWID;"
        MAPPING_SQL;

/*
 * New in 4: an attachment's devices are in its row. As rows of their own they
 * cost each attachment a statement and a page of the log more.
 */
#define ATTACHMENT_SQL \
        "CREATE TABLE attachment (" \
        "  consumer INTEGER NOT NULL," \
        "  pasid INTEGER NOT NULL," \
        "  ioas INTEGER NOT NULL," \
        "  devices TEXT NOT NULL," \
        "  PRIMARY KEY (consumer, pasid)" \
        ") STRICT, WITHOUT ROWID;" \
        "CREATE VIEW attachments AS SELECT" \
        "  c.uid AS uid," \
        "  c.name AS consumer," \
        "  a.pasid AS pasid," \
        "  a.ioas AS ioas," \
        "  a.devices AS devices," \
        "  (SELECT count(*) FROM mapping AS m WHERE m.consumer = a.consumer AND m.pasid = a.pasid) AS mappings," \
        "  (SELECT CAST(total(length) AS INTEGER) FROM mapping AS m" \
        "    WHERE m.consumer = a.consumer AND m.pasid = a.pasid) AS mapped_bytes " \
        "FROM attachment AS a JOIN consumer AS c ON c.id = a.consumer;"

static const char attachment_4_sql[] =
        "DROP VIEW IF EXISTS attachments;" /* one that began as 1 has none yet */
        "ALTER TABLE attachment RENAME TO old_attachment;"
        ATTACHMENT_SQL
        "INSERT INTO attachment SELECT consumer, pasid, ioas, coalesce("
        "  (SELECT group_concat(address || ' device ' || device_id || ' hwpt ' || hwpt, ', ') FROM"
        "    (SELECT address, device_id, hwpt FROM attachment_device AS d"
        "      WHERE d.consumer = a.consumer AND d.pasid = a.pasid ORDER BY address)), '') FROM old_attachment AS a;"
        "DROP TABLE old_attachment;"
        "DROP TABLE attachment_device;";

/*
 * New in 3: who held which numbers before. One row for neighbours that one
 * consumer got and lost together. Of a live row, held is when its number was
 * given, if that was before since.
 */
#define HISTORY_SQL \
        "CREATE TABLE history (" \
        "  n INTEGER PRIMARY KEY," \
        "  first INTEGER NOT NULL," \
        "  last INTEGER NOT NULL," \
        "  uid INTEGER NOT NULL," \
        "  consumer TEXT NOT NULL," \
        "  devices TEXT NOT NULL," \
        "  since INTEGER NOT NULL," \
        "  until INTEGER NOT NULL," \
        "  reason TEXT NOT NULL" \
        ") STRICT;" \
        "CREATE INDEX history_by_number ON history (first, last);" \
        "CREATE VIEW holdings AS SELECT" \
        "  first, last, uid, consumer, devices," \
        "  " TIME_TEXT("since") " AS since," \
        "  " TIME_TEXT("until") " AS until," \
        "  reason " \
        "FROM history ORDER BY n;"

/* New in 5: which device was there, by its PCI ids. Vendor 0, which is nobody's: not known, it is from an older table. */
#define DEVICE_VENDOR_SQL "vendor INTEGER NOT NULL DEFAULT 0"
#define DEVICE_DEVICE_SQL "device INTEGER NOT NULL DEFAULT 0"

/* And who was given a device to attach by himself: a consumer, or with 0 for that whoever it was opened for. */
#define TENANT_SQL \
        "CREATE TABLE tenant (" \
        "  address TEXT PRIMARY KEY," \
        "  consumer INTEGER NOT NULL," \
        "  holder TEXT NOT NULL" \
        ") STRICT, WITHOUT ROWID;"

/* Times are microseconds: since CLOCK_REALTIME, freed CLOCK_BOOTTIME. home and space: -1 is the whole host. */
static const char schema_sql[] =
        "PRAGMA application_id = " NUMBER_TEXT(SCHEMA_APPLICATION_ID) ";"
        "PRAGMA user_version = " NUMBER_TEXT(SCHEMA_VERSION) ";"
        "CREATE TABLE meta ("
        "  key TEXT PRIMARY KEY,"
        "  value TEXT NOT NULL"
        ") STRICT, WITHOUT ROWID;"
        "INSERT INTO meta VALUES ('boot_id', ''),"
        "  ('created', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'));"
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
        "  max_pasid INTEGER NOT NULL, " DEVICE_VENDOR_SQL ", " DEVICE_DEVICE_SQL "," /* as ALTER TABLE leaves it */
        "  PRIMARY KEY (consumer, n)"
        ") STRICT, WITHOUT ROWID;"
        /* key = (space + 1) * 2^20 + pasid. A row without state is a claim of the row in the consumer's home space. */
        "CREATE TABLE pasid ("
        "  key INTEGER PRIMARY KEY,"
        "  consumer INTEGER NOT NULL,"
        "  since INTEGER,"
        "  freed INTEGER,"
        "  state TEXT,"
        "  token TEXT,"
        "  private BLOB, held INTEGER) STRICT;" /* as ALTER TABLE leaves it */
        "CREATE VIEW pasids AS SELECT"
        "  CASE p.key >> 20 WHEN 0 THEN 'host' ELSE (p.key >> 20) - 1 END AS space,"
        "  p.key & 1048575 AS pasid,"
        "  c.uid AS uid,"
        "  c.name AS consumer,"
        "  m.state AS state,"
        "  " TIME_TEXT("m.since") " AS since,"
        "  coalesce(length(m.private), 0) AS private_bytes "
        "FROM pasid AS p JOIN consumer AS c ON c.id = p.consumer"
        "  JOIN pasid AS m ON m.key = (c.home + 1) * 1048576 + (p.key & 1048575);"
        "CREATE VIEW consumers AS SELECT"
        "  id, uid, name, min, max, quota, hold, holder, mode,"
        "  " TIME_TEXT("since") " AS since,"
        "  CASE WHEN ended THEN 'yes' ELSE 'no' END AS ended,"
        "  (SELECT group_concat(address, ' ') FROM consumer_device AS d WHERE d.consumer = id) AS devices "
        "FROM consumer;"
        MAPPING_SQL
        ATTACHMENT_SQL
        HISTORY_SQL
        TENANT_SQL;

/* From the oldest on; a schema change adds one here, and makes the same change in schema_sql. */
static const struct migration migrations[] = {
        { .from = 1, .sql = objects_2_sql },
        { .from = 2, .sql = "ALTER TABLE pasid ADD COLUMN held INTEGER;" HISTORY_SQL },
        { .from = 3, .sql = attachment_4_sql },
        { .from = 4, .sql = "ALTER TABLE consumer_device ADD COLUMN " DEVICE_VENDOR_SQL ";"
                            "ALTER TABLE consumer_device ADD COLUMN " DEVICE_DEVICE_SQL ";" TENANT_SQL },
};

int schema_create(sqlite3 *db) {
        return sqlite3_exec(db, schema_sql, NULL, NULL, NULL);
}

int schema_get_number(sqlite3 *db, const char *pragma, int64_t *ret) {
        _cleanup_statement_ sqlite3_stmt *stmt = NULL;
        int r = sqlite3_prepare_v2(db, pragma, -1, &stmt, NULL);

        if (r != SQLITE_OK)
                return r;
        r = sqlite3_step(stmt);
        if (r != SQLITE_ROW)
                return r == SQLITE_DONE ? SQLITE_CORRUPT : r;
        *ret = sqlite3_column_int64(stmt, 0);
        return SQLITE_OK;
}

int schema_check_version(int64_t version, const char *path, int to, struct refusal *refusal) {
        if (version <= to)
                return 0;
        return refuse(refusal, EPROTONOSUPPORT,
                      "%s: a newer pasidd has written it (schema %lld, and this one knows %d). Install that version again; "
                      "nothing was changed.", path, (long long) version, to);
}

static int migrate_step(sqlite3 *db, const struct migration *step) {
        char pragma[64];
        int r = SQLITE_OK;

        if (step->sql)
                r = sqlite3_exec(db, step->sql, NULL, NULL, NULL);
        if (r == SQLITE_OK && step->run)
                r = step->run(db);
        if (r != SQLITE_OK)
                return r;
        (void) snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", step->from + 1);
        return sqlite3_exec(db, pragma, NULL, NULL, NULL);
}

int schema_migrate(sqlite3 *db, const char *path, const struct migration *steps, size_t n_steps, int to,
                   struct refusal *refusal) {
        int64_t version = 0;
        int r;

        r = schema_get_number(db, "PRAGMA user_version", &version);
        if (r != SQLITE_OK)
                return refuse_opening(refusal, db, r, path, "reading the schema number");
        r = schema_check_version(version, path, to, refusal);
        if (r < 0)
                return r;

        for (size_t i = 0; i < n_steps && version < to; i++) {
                if (steps[i].from != version)
                        continue;
                r = migrate_step(db, &steps[i]);
                if (r != SQLITE_OK)
                        return refuse_opening(refusal, db, r, path, "bringing an older table up to date");
                version++;
        }
        if (version != to)
                return refuse_corrupt(refusal, path, "it has schema %lld, from which no way leads to %d",
                                      (long long) version, to);
        return 0;
}

int schema_upgrade(sqlite3 *db, const char *path, struct refusal *refusal) {
        return schema_migrate(db, path, migrations, sizeof(migrations) / sizeof(struct migration), SCHEMA_VERSION,
                              refusal);
}
