/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the table's contents: an input is a list of edits of a good table,
 * which leave it a sound database and may make it contradict itself.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "table.h"

#define EDITS_MAX 16
#define COLUMNS_MAX 12

static const struct {
        const char *name;
        const char *key;
        const char *columns[COLUMNS_MAX];
} tables[] = {
        { "consumer", "id", { "id", "uid", "name", "min", "max", "quota", "hold", "holder", "mode", "since", "ended", "home" } },
        { "pasid", "key", { "key", "consumer", "since", "freed", "state", "token", "private", "held" } },
        { "consumer_device", "consumer, n", { "consumer", "n", "address", "space", "max_pasid", "vendor", "device" } },
        { "attachment", "consumer, pasid", { "consumer", "pasid", "ioas", "devices" } },
        { "mapping", "consumer, pasid, iova", { "consumer", "pasid", "iova", "length", "flags" } },
        { "tenant", "address", { "address", "consumer", "holder" } },
        { "meta", "key", { "key", "value" } },
        { "history", "n", { "n", "first", "last", "uid", "consumer", "devices", "since", "until", "reason" } },
};

#define TEN "0123456789"
static const char long_name[] = TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN; /* two bytes too long */

static const char *const words[] = {
        "",           "allocated",  "attached",   "cooling",      "lost",         "reserved",     "connection",      "fd",
        "process",    "unit",       "boot",       "persistent",   "advisory",     "mediated",     "0000:01:00.0",    "0000:02:00.0",
        "0000:04:00.0", "01:00.0",  "on a device", "mediated",    "peer:1:2:3",   "bus::1.5",     "fd:1:2",          "unit:7:/a",
        "process:1:2", "boot_id",   "\xff\xfe",   "a\nb",         "0123456789abcdef0123456789abcdef",
        long_name,    "0000:01:00.0 device 1 hwpt 3", "0000:01:00.0 device 1 hwpt 3, 0000:02:00.0 device 2 hwpt 4",
};

int LLVMFuzzerInitialize(_unused_ int *argc, _unused_ char ***argv) {
        const uint8_t *data;
        size_t size;

        log_setup(LOG_EMERG);
        table_get_good(&(struct table_kind) {}, &data, &size);
        return 0;
}

/* Numbers near those that are there, near the edges, or any. */
static sqlite3_int64 read_value(struct input *in) {
        uint8_t n = input_byte(in);

        if (n < 128)
                return n;
        if (n < 192)
                return ((sqlite3_int64) (n & 15) << 20) + input_byte(in) - 2; /* a key of a number, or beside one */
        if (n < 224)
                return (sqlite3_int64) ((UINT64_C(1) << (n & 31) << (n & 31)) - (input_byte(in) & 1));
        if (n < 240)
                return -(sqlite3_int64) (n & 15);
        return (sqlite3_int64) ((uint64_t) input_number(in) << 32 | input_number(in));
}

static void bind_value(sqlite3_stmt *stmt, struct input *in) {
        uint8_t kind = input_byte(in);

        switch (kind % 8) {
        case 0:
                (void) sqlite3_bind_null(stmt, 1);
                break;
        case 1:
                (void) sqlite3_bind_zeroblob(stmt, 1, kind < 128 ? kind : kind * 100);
                break;
        case 2:
        case 3:
        case 4:
                (void) sqlite3_bind_text(stmt, 1, words[input_byte(in) % ELEMENTSOF(words)], -1, SQLITE_STATIC);
                break;
        default:
                (void) sqlite3_bind_int64(stmt, 1, read_value(in));
        }
}

static size_t count_columns(size_t table) {
        size_t n = 0;

        while (n < COLUMNS_MAX && tables[table].columns[n])
                n++;
        return n;
}

/* A row like another one, but for one column. */
static void write_insert(char *sql, size_t size, size_t table, size_t column) {
        size_t n = (size_t) snprintf(sql, size, "INSERT OR IGNORE INTO %s SELECT ", tables[table].name);

        for (size_t i = 0; i < count_columns(table); i++)
                n += (size_t) snprintf(sql + n, size - n, "%s%s", i > 0 ? ", " : "", i == column ? "?1" : tables[table].columns[i]);
        (void) snprintf(sql + n, size - n, " FROM %s LIMIT 1 OFFSET ?2", tables[table].name);
}

static void edit(sqlite3 *db, struct input *in) {
        size_t table = input_byte(in) % ELEMENTSOF(tables), column = input_byte(in) % count_columns(table);
        uint8_t row = input_byte(in);
        sqlite3_stmt *stmt = NULL;
        char sql[512];

        if (row >= 0xc0)
                write_insert(sql, sizeof(sql), table, column);
        else if (row >= 0x80)
                (void) snprintf(sql, sizeof(sql),
                                "DELETE FROM %s WHERE ?1 IS ?1 AND (%s) IN (SELECT %s FROM %s LIMIT 1 OFFSET ?2)",
                                tables[table].name, tables[table].key, tables[table].key, tables[table].name);
        else
                (void) snprintf(sql, sizeof(sql),
                                "UPDATE OR IGNORE %s SET %s = ?1 WHERE (%s) IN (SELECT %s FROM %s LIMIT 1 OFFSET ?2)",
                                tables[table].name, tables[table].columns[column], tables[table].key, tables[table].key,
                                tables[table].name);
        fuzz_check(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
        bind_value(stmt, in);
        (void) sqlite3_bind_int(stmt, 2, row % 16);
        (void) sqlite3_step(stmt); /* a value of the wrong type is refused */
        (void) sqlite3_finalize(stmt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct input in = { data, size };
        uint8_t first = input_byte(&in);
        const struct table_kind kind = { .is_persistent = first & 1, .is_of_other_boot = (first & 6) == 6 };
        const uint8_t *good;
        sqlite3 *db = NULL;
        size_t good_size;

        table_get_good(&(struct table_kind) { .is_persistent = (first & 24) == 24 }, &good, &good_size);
        table_write(&kind, good, good_size);
        fuzz_check(sqlite3_open(table_path(&kind), &db) == SQLITE_OK, "no table");
        (void) sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF;", NULL, NULL, NULL);
        for (unsigned i = 0; i < EDITS_MAX && in.size > 0; i++)
                edit(db, &in);
        fuzz_check(sqlite3_close(db) == SQLITE_OK, "the table is not closed");
        table_check(&kind);
        return 0;
}
