/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transactions, savepoints, and the table of operations.
 *
 * SQLite may drop a whole transaction by itself when a write fails. From then
 * on nothing may be written until the caller has rolled back: it would be
 * committed by itself.
 */
#include <assert.h>

#include "store/sqlite-store.h"

static bool is_dropped(struct sqlite_store *s) {
        return s->is_open && sqlite3_get_autocommit(s->db);
}

int store_need_transaction(struct sqlite_store *s, const char *doing, struct refusal *refusal) {
        assert(s->is_open);
        if (is_dropped(s))
                return refuse(refusal, EIO, "%s: %s was refused: an earlier failure took back all that was to be written "
                              "together with it. Ask again.", s->path, doing);
        s->has_written = true;
        return 0;
}

/*
 * Whatever happened, no transaction is open afterwards. A failed one may have
 * left pages in the log, to its commit mark even, and taken the last free ones
 * of the file system for them: the log is emptied, now or before the next.
 */
static void end(struct sqlite_store *s, bool has_failed) {
        s->n_history = -1;
        keeper_release(s);
        if (!sqlite3_get_autocommit(s->db))
                (void) statement_step(s, STATEMENT_ROLLBACK);
        s->is_open = false;
        s->has_written = false;
        s->savepoint = SAVEPOINT_NONE;
        if (has_failed) {
                s->is_log_in_doubt = true;
                log_clean(s);
        }
}

static int store_begin(struct store *store, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        int r;

        assert(!s->is_open);
        /* If this fails the commit has not: the log only stays longer, and store_checkpoint() will tell. */
        if (s->is_log_in_doubt)
                log_clean(s);
        if (s->log_frames >= s->fold_at)
                (void) log_fold(s);
        r = keeper_hold(s);
        if (r == SQLITE_OK)
                r = statement_step(s, STATEMENT_BEGIN);
        if (r != SQLITE_OK) {
                r = refuse_work(s, r, "beginning a transaction", refusal);
                keeper_release(s);
                return r;
        }
        s->is_open = true;
        return 0;
}

static int store_commit(struct store *store, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        int r;

        assert(s->is_open);
        if (is_dropped(s)) {
                end(s, true);
                return refuse(refusal, EIO, "%s: the commit was refused: an earlier failure took back all that was to be "
                              "committed. Ask again.", s->path);
        }
        r = statement_step(s, STATEMENT_COMMIT);
        if (r != SQLITE_OK) {
                r = refuse_work(s, r, "committing", refusal);
                end(s, true);
                return r;
        }
        s->is_open = false;
        s->has_written = false;
        s->savepoint = SAVEPOINT_NONE;
        return 0;
}

static void store_rollback(struct store *store) {
        struct sqlite_store *s = sqlite_store(store);

        if (s->is_open)
                end(s, is_dropped(s));
}

static int store_savepoint(struct store *store, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        int r;

        assert(s->is_open && s->savepoint == SAVEPOINT_NONE);
        if (!s->has_written && !is_dropped(s)) {
                s->savepoint = SAVEPOINT_IS_BEGIN;
                return 0;
        }
        r = store_need_transaction(s, "setting a savepoint", refusal);
        if (r < 0)
                return r;
        r = statement_step(s, STATEMENT_SAVEPOINT);
        if (r != SQLITE_OK)
                return refuse_work(s, r, "setting a savepoint", refusal);
        s->savepoint = SAVEPOINT_REAL;
        return 0;
}

static int store_release(struct store *store, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        int r;

        assert(s->is_open && s->savepoint != SAVEPOINT_NONE);
        r = store_need_transaction(s, "releasing a savepoint", refusal);
        if (r < 0)
                return r;
        if (s->savepoint == SAVEPOINT_REAL)
                r = statement_step(s, STATEMENT_RELEASE);
        if (r != SQLITE_OK)
                return refuse_work(s, r, "releasing a savepoint", refusal);
        s->savepoint = SAVEPOINT_NONE;
        return 0;
}

static int store_rollback_to(struct store *store) {
        struct sqlite_store *s = sqlite_store(store);
        enum savepoint savepoint = s->savepoint;
        int r;

        assert(s->is_open && savepoint != SAVEPOINT_NONE);
        s->savepoint = SAVEPOINT_NONE;
        s->n_history = -1;
        if (is_dropped(s))
                return -EIO;
        if (savepoint == SAVEPOINT_IS_BEGIN) {
                r = statement_step(s, STATEMENT_ROLLBACK);
                if (r == SQLITE_OK)
                        r = statement_step(s, STATEMENT_BEGIN);
                s->has_written = false;
        } else {
                r = statement_step(s, STATEMENT_ROLLBACK_TO);
                if (r == SQLITE_OK)
                        r = statement_step(s, STATEMENT_RELEASE);
        }
        if (r == SQLITE_OK)
                return 0;
        /* Half-way back is no place to go on from. */
        if (!sqlite3_get_autocommit(s->db))
                (void) statement_step(s, STATEMENT_ROLLBACK);
        return -EIO;
}

static struct store *store_free(struct store *store) {
        struct sqlite_store *s = sqlite_store(store);

        if (!s)
                return NULL;
        if (s->is_open)
                end(s, false);
        keeper_release(s);
        statements_finalize(s);
        (void) sqlite3_close(s->db);
        store_vfs_free(s->vfs);
        close_fd(s->lock_fd);
        free(s->path);
        free(s);
        return NULL;
}

const struct store_ops sqlite_store_ops = {
        .begin = store_begin,
        .commit = store_commit,
        .rollback = store_rollback,
        .savepoint = store_savepoint,
        .release = store_release,
        .rollback_to = store_rollback_to,
        .consumer_add = store_consumer_add,
        .consumer_update = store_consumer_update,
        .device_update = store_device_update,
        .consumer_remove = store_consumer_remove,
        .row_add = store_row_add,
        .row_update = store_row_update,
        .row_set_private = store_row_set_private,
        .row_remove = store_row_remove,
        .row_get_private = store_row_get_private,
        .attachment_add = store_attachment_add,
        .attachment_remove = store_attachment_remove,
        .mapping_add = store_mapping_add,
        .mapping_remove = store_mapping_remove,
        .forget_kernel = store_forget_kernel,
        .tenant_set = store_tenant_set,
        .tenant_remove = store_tenant_remove,
        .history_add = store_history_add,
        .history_trim = store_history_trim,
        .history_read = store_history_read,
        .enter_boot = store_enter_boot,
        .remap_spaces = store_remap_spaces,
        .load = store_load,
        .checkpoint = store_checkpoint,
        .probe = store_probe,
        .free = store_free,
};
