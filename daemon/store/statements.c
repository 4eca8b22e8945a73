/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The prepared statements, and the only way that parameters get into them:
 * each bind's and each step's result is looked at.
 */
#include "store/sqlite-store.h"

/*
 * Changes of a row name its consumer too: were the key another's, nothing
 * would change, and that is noticed.
 */
static const char *const statement_sql[STATEMENT_MAX_] = {
        [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
        [STATEMENT_COMMIT] = "COMMIT",
        [STATEMENT_ROLLBACK] = "ROLLBACK",
        [STATEMENT_SAVEPOINT] = "SAVEPOINT request",
        [STATEMENT_RELEASE] = "RELEASE request",
        [STATEMENT_ROLLBACK_TO] = "ROLLBACK TO request",
        [STATEMENT_KEEPER] = "SELECT value FROM meta",
        [STATEMENT_CONSUMER_ADD] =
                "INSERT INTO consumer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [STATEMENT_CONSUMER_UPDATE] = "UPDATE consumer SET ended = ?, holder = ?, uid = ? WHERE id = ?",
        [STATEMENT_CONSUMER_REMOVE] =
                "DELETE FROM consumer WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM attachment WHERE consumer = ?1)",
        [STATEMENT_DEVICE_ADD] =
                ("INSERT INTO consumer_device (consumer, n, address, space, max_pasid, vendor, device) "
                 "VALUES (?, ?, ?, ?, ?, ?, ?)"),
        [STATEMENT_DEVICE_UPDATE] = "UPDATE consumer_device SET vendor = ?, device = ? WHERE consumer = ? AND n = ?",
        [STATEMENT_DEVICES_REMOVE] = "DELETE FROM consumer_device WHERE consumer = ?",
        [STATEMENT_ROW_ADD] =
                "INSERT INTO pasid (key, consumer, since, freed, state, token, private) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [STATEMENT_ROW_CLAIM] = "INSERT INTO pasid (key, consumer) VALUES (?, ?)",
        [STATEMENT_ROW_UPDATE] =
                "UPDATE pasid SET since = ?, freed = ?, held = ?, state = ?, token = ? WHERE key = ? AND consumer = ?",
        [STATEMENT_ROW_FORGET] =
                ("UPDATE pasid SET since = ?, freed = ?, held = ?, state = ?, token = ?, private = NULL "
                 "WHERE key = ? AND consumer = ?"),
        [STATEMENT_ROW_SET_PRIVATE] = "UPDATE pasid SET private = ? WHERE key = ? AND consumer = ?",
        [STATEMENT_ROW_GET_PRIVATE] = "SELECT private FROM pasid WHERE key = ? AND consumer = ?",
        [STATEMENT_ROW_REMOVE] = "DELETE FROM pasid WHERE key = ? AND consumer = ?",
        [STATEMENT_ATTACHMENT_ADD] = "INSERT INTO attachment (consumer, pasid, ioas, devices) VALUES (?, ?, ?, ?)",
        [STATEMENT_ATTACHMENT_REMOVE] = "DELETE FROM attachment WHERE consumer = ? AND pasid = ?",
        [STATEMENT_MAPPING_ADD] =
                "INSERT INTO mapping (consumer, pasid, iova, length, flags) VALUES (?, ?, ?, ?, ?)",
        [STATEMENT_MAPPING_REMOVE] = "DELETE FROM mapping WHERE consumer = ? AND pasid = ? AND iova = ?",
        [STATEMENT_MAPPINGS_REMOVE] = "DELETE FROM mapping WHERE consumer = ? AND pasid = ?",
        [STATEMENT_TENANT_SET] = "INSERT OR REPLACE INTO tenant (address, consumer, holder) VALUES (?, ?, ?)",
        [STATEMENT_TENANT_REMOVE] = "DELETE FROM tenant WHERE address = ?",
        [STATEMENT_HISTORY_ADD] =
                ("INSERT INTO history (first, last, uid, consumer, devices, since, until, reason) "
                 "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
        [STATEMENT_HISTORY_THIN] =
                ("DELETE FROM history INDEXED BY history_by_number WHERE first = ?1 AND last = ?2 AND n <= "
                 "(SELECT n FROM history INDEXED BY history_by_number WHERE first = ?1 AND last = ?2 "
                 "ORDER BY n DESC LIMIT 1 OFFSET ?3)"),
        [STATEMENT_HISTORY_TRIM] = "DELETE FROM history WHERE n <= (SELECT n FROM history ORDER BY n LIMIT 1 OFFSET ? - 1)",
        [STATEMENT_HISTORY_READ] =
                ("SELECT first, last, uid, consumer, devices, since, until, reason FROM history WHERE n IN "
                 "(SELECT n FROM history INDEXED BY history_by_number WHERE first <= ?1 AND last >= ?1 "
                 "ORDER BY n DESC LIMIT ?2) ORDER BY n DESC"),
};

void finalize_statement(sqlite3_stmt **stmt) {
        (void) sqlite3_finalize(*stmt);
}

int statements_prepare(struct sqlite_store *s, struct refusal *refusal) {
        for (size_t i = 0; i < STATEMENT_MAX_; i++) {
                int r = sqlite3_prepare_v3(s->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL);

                if (r != SQLITE_OK)
                        return refuse_opening(refusal, s->db, r, s->path, "preparing the statements");
        }
        return 0;
}

void statements_finalize(struct sqlite_store *s) {
        for (size_t i = 0; i < STATEMENT_MAX_; i++) {
                (void) sqlite3_finalize(s->statements[i]);
                s->statements[i] = NULL;
        }
}

int statement_step(struct sqlite_store *s, enum statement statement) {
        sqlite3_stmt *stmt = s->statements[statement];
        int r = sqlite3_step(stmt);

        (void) sqlite3_reset(stmt);
        return r == SQLITE_DONE ? SQLITE_OK : r;
}

struct call call_to(struct sqlite_store *s, enum statement statement) {
        return (struct call) { .s = s, .stmt = s->statements[statement] };
}

void call_int(struct call *c, int64_t value) {
        if (c->r == SQLITE_OK)
                c->r = sqlite3_bind_int64(c->stmt, ++c->n, value);
}

void call_null(struct call *c) {
        if (c->r == SQLITE_OK)
                c->r = sqlite3_bind_null(c->stmt, ++c->n);
}

void call_text(struct call *c, const char *value) {
        if (c->r == SQLITE_OK)
                c->r = sqlite3_bind_text(c->stmt, ++c->n, value, -1, SQLITE_STATIC);
}

void call_blob(struct call *c, const void *data, size_t size) {
        if (c->r == SQLITE_OK)
                c->r = sqlite3_bind_blob64(c->stmt, ++c->n, size > 0 ? data : NULL, size, SQLITE_STATIC);
}

int call_run(struct call *c, int changes, const char *doing, struct refusal *refusal) {
        int r = c->r;

        if (r == SQLITE_OK)
                r = sqlite3_step(c->stmt);
        if (r != SQLITE_DONE) {
                r = refuse_work(c->s, r, doing, refusal);
                (void) sqlite3_reset(c->stmt);
                return r;
        }
        (void) sqlite3_reset(c->stmt);
        if (changes >= 0 && sqlite3_changes(c->s->db) != changes)
                return refuse(refusal, EIO,
                              "%s: %s found other rows than pasidd has in memory. Was the table changed by hand? Restart "
                              "pasidd to load it anew.", c->s->path, doing);
        return 0;
}
