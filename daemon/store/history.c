/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who held which numbers before. Nothing depends on it but what people are
 * told, so the loader leaves it alone.
 */
#include <string.h>

#include "store/schema.h"
#include "store/sqlite-store.h"

int store_history_add(struct store *store, const struct store_history *h, uint32_t per_pasid, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call = call_to(s, STATEMENT_HISTORY_ADD);
        int r;

        r = store_need_transaction(s, "writing the history", refusal);
        if (r < 0)
                return r;
        call_int(&call, h->first);
        call_int(&call, h->last);
        call_int(&call, h->uid);
        call_text(&call, h->consumer);
        call_text(&call, h->devices);
        call_int(&call, (int64_t) h->since_usec);
        call_int(&call, (int64_t) h->until_usec);
        call_text(&call, h->reason);
        r = call_run(&call, 1, "writing the history", refusal);
        if (r < 0)
                return r;
        if (s->n_history >= 0)
                s->n_history++;
        call = call_to(s, STATEMENT_HISTORY_THIN);
        call_int(&call, h->first);
        call_int(&call, h->last);
        call_int(&call, per_pasid);
        r = call_run(&call, -1, "thinning out the history", refusal);
        if (r >= 0 && s->n_history >= 0)
                s->n_history -= sqlite3_changes(s->db);
        return r;
}

int store_history_trim(struct store *store, uint32_t entries, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call = call_to(s, STATEMENT_HISTORY_TRIM);
        int r;

        if (s->n_history < 0) {
                r = schema_get_number(s->db, "SELECT count(*) FROM history", &s->n_history);
                if (r != SQLITE_OK)
                        return refuse_work(s, r, "counting the history", refusal);
        }
        if (s->n_history <= entries)
                return 0;
        r = store_need_transaction(s, "trimming the history", refusal);
        if (r < 0)
                return r;
        call_int(&call, s->n_history - entries);
        r = call_run(&call, (int) (s->n_history - entries), "trimming the history", refusal);
        if (r >= 0)
                s->n_history = entries;
        return r;
}

static int read_entry(struct sqlite_store *s, sqlite3_stmt *stmt, store_history_cb callback, void *userdata,
                      struct refusal *refusal) {
        struct store_history h = {
                .consumer = column_text(stmt, 3),
                .devices = column_text(stmt, 4),
                .since_usec = (uint64_t) sqlite3_column_int64(stmt, 5),
                .until_usec = (uint64_t) sqlite3_column_int64(stmt, 6),
                .reason = column_text(stmt, 7),
        };

        if (!h.consumer || !h.devices || !h.reason || !column_u32(stmt, 0, &h.first) || !column_u32(stmt, 1, &h.last) ||
            !column_u32(stmt, 2, &h.uid))
                return refuse(refusal, EIO, "%s: its history makes no sense. Was the table changed by hand?", s->path);
        return callback(&h, userdata);
}

int store_history_read(struct store *store, uint32_t pasid, uint32_t max, store_history_cb callback, void *userdata,
                       struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call = call_to(s, STATEMENT_HISTORY_READ);
        int r;

        call_int(&call, pasid);
        call_int(&call, max);
        r = call.r;
        if (r == SQLITE_OK)
                while ((r = sqlite3_step(call.stmt)) == SQLITE_ROW) {
                        r = read_entry(s, call.stmt, callback, userdata, refusal);
                        if (r < 0)
                                break;
                }
        if (r > 0 && r != SQLITE_DONE)
                r = refuse_work(s, r, "reading the history", refusal);
        (void) sqlite3_reset(call.stmt);
        return r < 0 ? r : 0;
}
