/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The schema of the table, its number, and the way from one number to the next.
 */
#pragma once

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "core/refusal.h"

#define SCHEMA_VERSION 5
#define SCHEMA_APPLICATION_ID 0x70617364 /* "pasd"; in the file's header, see file(1) and PRAGMA application_id */

/* One step up: from that schema number to the next. */
struct migration {
        int from;
        const char *sql;       /* NULL: none */
        int (*run)(sqlite3 *db); /* after sql; SQLite's result code. NULL: none */
};

/* Makes all tables and views in an empty file. SQLite's result code. */
int schema_create(sqlite3 *db);
/* -EPROTONOSUPPORT for one that is newer than `to`. */
int schema_check_version(int64_t version, const char *path, int to, struct refusal *refusal);
/*
 * Raises the schema of db to `to`, all in the transaction that the caller has
 * open: if it fails, the caller rolls back and nothing has changed.
 * -EPROTONOSUPPORT: the schema is newer; -EBADMSG: no step leads from it.
 */
int schema_migrate(sqlite3 *db, const char *path, const struct migration *steps, size_t n_steps, int to,
                   struct refusal *refusal);
/* The same with this build's steps, to SCHEMA_VERSION. */
int schema_upgrade(sqlite3 *db, const char *path, struct refusal *refusal);
int schema_get_number(sqlite3 *db, const char *pragma, int64_t *ret); /* of a PRAGMA; SQLite's result code */
