/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The write-ahead log is folded into the table by us only, between
 * transactions: when the daemon is idle, or when the log has grown.
 *
 * The keeper is a read that is begun and not ended, so that SQLite holds its
 * read lock over many transactions instead of taking it for each. Folding
 * needs it out of the way: what it might still read would stay in the log.
 */
#include "store/sqlite-store.h"

int keeper_hold(struct sqlite_store *s) {
        sqlite3_stmt *keeper = s->statements[STATEMENT_KEEPER];
        int r;

        if (s->has_keeper)
                return SQLITE_OK;
        r = sqlite3_step(keeper);
        if (r == SQLITE_ROW) {
                s->has_keeper = true;
                return SQLITE_OK;
        }
        (void) sqlite3_reset(keeper);
        return r == SQLITE_DONE ? SQLITE_CORRUPT : r;
}

void keeper_release(struct sqlite_store *s) {
        if (s->has_keeper)
                (void) sqlite3_reset(s->statements[STATEMENT_KEEPER]);
        s->has_keeper = false;
}

/* Only of transactions that wrote something: they overwrite what a failed one has left, and break its checksums. */
static int note_frames(void *userdata, sqlite3 *db, const char *name, int n_frames) {
        struct sqlite_store *s = userdata;

        s->log_frames = (unsigned) n_frames;
        s->is_log_in_doubt = false;
        return SQLITE_OK;
}

void log_watch(struct sqlite_store *s) {
        s->fold_at = LOG_FRAMES_MAX;
        (void) sqlite3_wal_hook(s->db, note_frames, s);
}

int log_fold(struct sqlite_store *s) {
        int in_log = 0, folded = 0;
        int r;

        keeper_release(s);
        r = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &folded);
        /* Where a reader is in the way the log grows on; we come back when it has done so by as much again. */
        s->fold_at = s->log_frames + LOG_FRAMES_MAX;
        if (r == SQLITE_OK && in_log == folded) {
                s->log_frames = 0;
                s->fold_at = LOG_FRAMES_MAX;
        }
        return r == SQLITE_BUSY ? SQLITE_OK : r;
}

void log_clean(struct sqlite_store *s) {
        keeper_release(s);
        if (sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
                return;
        s->is_log_in_doubt = false;
        s->log_frames = 0;
        s->fold_at = LOG_FRAMES_MAX;
}

int store_checkpoint(struct store *store, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        int r = SQLITE_OK;

        if (s->is_open)
                return 0;
        if (s->is_log_in_doubt)
                log_clean(s);
        if (s->log_frames > 0)
                r = log_fold(s);
        if (r == SQLITE_OK)
                r = keeper_hold(s); /* now, while nobody waits */
        return r == SQLITE_OK ? 0 : refuse_work(s, r, "folding the log into the table", refusal);
}
