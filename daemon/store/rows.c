/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows of PASIDs: one with all that is known in the consumer's home space,
 * and a claim in each other space. A refused operation may have done a part of
 * its work: its caller goes back to the savepoint.
 */
#include <string.h>

#include "store/sqlite-store.h"

/* The two are one in memory; in the table each has its column, for people. */
static void call_freed_and_held(struct call *call, const struct row *row) {
        bool is_cooling = row->state == ROW_COOLING;

        call_int(call, is_cooling ? (int64_t) row->freed_usec : 0);
        if (is_cooling || row->held_usec == 0)
                call_null(call);
        else
                call_int(call, (int64_t) row->held_usec);
}

static int64_t home_key(const struct row *row) {
        return key_of(consumer_home_space(row->consumer), row->pasid);
}

int store_row_add(struct store *store, const struct row *row, const void *private_data, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        int32_t home = consumer_home_space(row->consumer);
        struct call call = call_to(s, STATEMENT_ROW_ADD);
        const int32_t *spaces;
        size_t n_spaces;
        int r;

        r = store_need_transaction(s, "writing a PASID", refusal);
        if (r < 0)
                return r;
        call_int(&call, key_of(home, row->pasid));
        call_int(&call, (int64_t) row->consumer->id);
        call_int(&call, (int64_t) row->since_usec);
        call_int(&call, row->state == ROW_COOLING ? (int64_t) row->freed_usec : 0);
        call_text(&call, row_state_to_string(row->state));
        call_text(&call, row_token(row));
        call_blob(&call, private_data, row->private_bytes);
        r = call_run(&call, 1, "writing a PASID", refusal);
        if (r < 0)
                return r;

        n_spaces = consumer_spaces(row->consumer, &spaces);
        for (size_t i = 0; i < n_spaces; i++) {
                if (spaces[i] == home)
                        continue;
                call = call_to(s, STATEMENT_ROW_CLAIM);
                call_int(&call, key_of(spaces[i], row->pasid));
                call_int(&call, (int64_t) row->consumer->id);
                r = call_run(&call, 1, "claiming a PASID in a further space", refusal);
                if (r < 0)
                        return r;
        }
        return 0;
}

int store_row_update(struct store *store, const struct row *row, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call;
        int r;

        r = store_need_transaction(s, "changing a PASID's state", refusal);
        if (r < 0)
                return r;
        /* What the daemon forgets with the change of state, a token or private data, goes from the table too. */
        call = call_to(s, row->private_bytes > 0 ? STATEMENT_ROW_UPDATE : STATEMENT_ROW_FORGET);
        call_int(&call, (int64_t) row->since_usec);
        call_freed_and_held(&call, row);
        call_text(&call, row_state_to_string(row->state));
        call_text(&call, row_token(row));
        call_int(&call, home_key(row));
        call_int(&call, (int64_t) row->consumer->id);
        return call_run(&call, 1, "changing a PASID's state", refusal);
}

int store_row_set_private(struct store *store, const struct row *row, const void *data, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call = call_to(s, STATEMENT_ROW_SET_PRIVATE);
        int r;

        r = store_need_transaction(s, "changing private data", refusal);
        if (r < 0)
                return r;
        call_blob(&call, data, row->private_bytes);
        call_int(&call, home_key(row));
        call_int(&call, (int64_t) row->consumer->id);
        return call_run(&call, 1, "changing private data", refusal);
}

int store_row_remove(struct store *store, const struct row *row, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        const int32_t *spaces;
        size_t n_spaces;
        int r;

        r = store_need_transaction(s, "removing a PASID", refusal);
        if (r < 0)
                return r;
        n_spaces = consumer_spaces(row->consumer, &spaces);
        for (size_t i = 0; i < n_spaces; i++) {
                struct call call = call_to(s, STATEMENT_ROW_REMOVE);

                call_int(&call, key_of(spaces[i], row->pasid));
                call_int(&call, (int64_t) row->consumer->id);
                r = call_run(&call, 1, "removing a PASID", refusal);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int copy_private(struct sqlite_store *s, sqlite3_stmt *stmt, const struct row *row, void **ret,
                        struct refusal *refusal) {
        const void *data = sqlite3_column_blob(stmt, 0);
        int size = sqlite3_column_bytes(stmt, 0);
        _cleanup_free_ void *copy = NULL;

        if (size > 0 && !data)
                return refuse_work(s, SQLITE_NOMEM, "reading private data", refusal);
        if (size != row->private_bytes)
                return refuse(refusal, EIO,
                              "%s: PASID %u has %d bytes of private data in the table, and %u in memory. Was the table "
                              "changed by hand? Restart pasidd to load it anew.",
                              s->path, row->pasid, size, row->private_bytes);
        if (size > 0) {
                copy = malloc((size_t) size);
                if (!copy)
                        return refuse_work(s, SQLITE_NOMEM, "reading private data", refusal);
                memcpy(copy, data, (size_t) size);
        }
        *ret = TAKE_PTR(copy);
        return 0;
}

int store_row_get_private(struct store *store, const struct row *row, void **ret, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call = call_to(s, STATEMENT_ROW_GET_PRIVATE);
        int r;

        call_int(&call, home_key(row));
        call_int(&call, (int64_t) row->consumer->id);
        r = call.r == SQLITE_OK ? sqlite3_step(call.stmt) : call.r;
        if (r == SQLITE_ROW)
                r = copy_private(s, call.stmt, row, ret, refusal);
        else if (r == SQLITE_DONE)
                r = refuse(refusal, EIO, "%s: PASID %u is not in the table. Was that changed by hand? Restart pasidd to "
                           "load it anew.", s->path, row->pasid);
        else
                r = refuse_work(s, r, "reading private data", refusal);
        (void) sqlite3_reset(call.stmt);
        return r;
}
