/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What SQLite and the file system say, in the contract's words. A full file
 * system is told apart from every other failure: it is the one that the
 * administrator mends by making room, and that the daemon outlives.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/sqlite-store.h"

/* SQLite reports a quota or a size limit as an I/O error, and can't tell why its -shm file didn't grow. */
static bool is_full(sqlite3 *db, int r) {
        int error = db ? sqlite3_system_errno(db) : 0;

        switch (r & 0xff) {
        case SQLITE_FULL:
                return true;
        case SQLITE_IOERR:
                return r == SQLITE_IOERR_SHMSIZE || error == ENOSPC || error == EDQUOT || error == EFBIG;
        case SQLITE_CANTOPEN:
                return error == ENOSPC || error == EDQUOT;
        default:
                return false;
        }
}

static int refuse_full(struct refusal *refusal, const char *path, const char *doing, const char *message) {
        return refuse(refusal, EFBIG,
                      "%s: its file system is full: %s failed (%s), and nothing was changed. Make room there or enlarge "
                      "it; a reader that stays inside a transaction also keeps the log beside it from being emptied.",
                      path, doing, message);
}

/* errmsg describes the connection's latest failure, which need not be this one. */
static const char *message_of(sqlite3 *db, int r) {
        return db && sqlite3_extended_errcode(db) == r ? sqlite3_errmsg(db) : sqlite3_errstr(r);
}

int refuse_corrupt(struct refusal *refusal, const char *path, const char *format, ...) {
        char why[REFUSAL_TEXT_MAX / 2];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(why, sizeof(why), format, ap);
        va_end(ap);
        return refuse(refusal, EBADMSG,
                      "%s can't be trusted: %s. pasidd doesn't guess which PASIDs are in use: put a good copy back, or, "
                      "once nobody uses a PASID from it, move it and its -wal file away.", path, why);
}

int refuse_opening(struct refusal *refusal, sqlite3 *db, int r, const char *path, const char *doing) {
        const char *message = message_of(db, r);
        int error = db ? sqlite3_system_errno(db) : 0;

        if (is_full(db, r))
                return refuse_full(refusal, path, doing, message);
        if (r == SQLITE_IOERR_NOMEM)
                return refuse(refusal, ENOMEM, "%s: %s failed: not enough memory.", path, doing);
        switch (r & 0xff) {
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_ERROR: /* a table or column that has to be there is not */
        case SQLITE_CONSTRAINT:
        case SQLITE_MISMATCH:
                return refuse_corrupt(refusal, path, "%s failed: %s", doing, message);
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return refuse(refusal, EBUSY,
                              "%s: another program is writing to it: %s failed (%s). Close whatever has it open; reading "
                              "it is fine.", path, doing, message);
        case SQLITE_NOMEM:
                return refuse(refusal, ENOMEM, "%s: %s failed: not enough memory.", path, doing);
        case SQLITE_READONLY:
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
        case SQLITE_AUTH:
                if (r == SQLITE_CANTOPEN_SYMLINK)
                        error = ELOOP;
                return refuse_errno(refusal, error ? error : EACCES, path, doing);
        default:
                return refuse(refusal, EIO, "%s: %s failed: %s. Look for errors of its file system in the kernel log.",
                              path, doing, message);
        }
}

int refuse_work(struct sqlite_store *s, int r, const char *doing, struct refusal *refusal) {
        const char *message = message_of(s->db, r);

        if (is_full(s->db, r))
                return refuse_full(refusal, s->path, doing, message);
        if ((r & 0xff) == SQLITE_NOMEM || r == SQLITE_IOERR_NOMEM)
                return refuse(refusal, ENOMEM, "%s: %s failed: not enough memory. Nothing was changed; ask again.", s->path, doing);
        if ((r & 0xff) == SQLITE_CONSTRAINT)
                return refuse(refusal, EIO,
                              "%s: %s was refused, for it is there already (%s). Table and daemon disagree: restart "
                              "pasidd, and report this as a bug.", s->path, doing, message);
        return refuse(refusal, EIO,
                      "%s: %s failed: %s. Nothing was changed. Look for errors of its file system in the kernel log, and "
                      "for programs that write to the table.", s->path, doing, message);
}

int refuse_errno(struct refusal *refusal, int error, const char *path, const char *doing) {
        switch (error) {
        case EACCES:
        case EPERM:
                return refuse(refusal, EACCES, "%s: no permission for %s. Let the user that pasidd runs as own the "
                              "directory, or name another directory.", path, doing);
        case EROFS:
                return refuse(refusal, EROFS, "%s: %s is impossible, for the file system is read-only. Remount it "
                              "writable, or name another directory.", path, doing);
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
                return refuse_full(refusal, path, doing, strerror(error));
        case ELOOP:
                return refuse(refusal, EIO, "%s: %s was refused: a symbolic link stands there, which may lead "
                              "anywhere. Remove it.", path, doing);
        case ENOMEM:
                return refuse(refusal, ENOMEM, "%s: %s failed: not enough memory.", path, doing);
        default:
                return refuse(refusal, EIO, "%s: %s failed: %s.", path, doing, strerror(error));
        }
}
