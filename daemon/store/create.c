/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A new table. It is made whole under another name and then renamed, so that a
 * crash or a full disk leaves either none or a good one, and an empty or short
 * file is known as damage.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "store/schema.h"
#include "store/sqlite-store.h"

#define NEW_FILE TABLE_FILE ".new"

static void close_db(sqlite3 **db) {
        (void) sqlite3_close(*db);
}

static int remove_remains(int dir_fd, const char *path, struct refusal *refusal) {
        if (unlinkat(dir_fd, NEW_FILE, 0) < 0 && errno != ENOENT)
                return refuse_errno(refusal, errno, path, "removing what a crash left");
        if (unlinkat(dir_fd, NEW_FILE "-journal", 0) < 0 && errno != ENOENT)
                return refuse_errno(refusal, errno, path, "removing what a crash left");
        return 0;
}

static int fill(const char *path, struct refusal *refusal) {
        _cleanup_(close_db) sqlite3 *db = NULL;
        char pragma[64];
        int r;

        (void) snprintf(pragma, sizeof(pragma), "PRAGMA page_size = %d", TABLE_PAGE_SIZE);
        r = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
                            SQLITE_OPEN_EXRESCODE, NULL);
        if (r == SQLITE_OK)
                r = sqlite3_exec(db, pragma, NULL, NULL, NULL);
        if (r == SQLITE_OK)
                r = sqlite3_exec(db, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN IMMEDIATE", NULL, NULL,
                                 NULL);
        if (r == SQLITE_OK)
                r = schema_create(db);
        if (r == SQLITE_OK)
                r = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
        return r == SQLITE_OK ? 0 : refuse_opening(refusal, db, r, path, "making a new table");
}

/* The directory itself may be new: made by us, or by the service manager, and on no disk yet. Not all may read what it is in. */
static int sync_parent(int dir_fd) {
        _cleanup_close_ int fd = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return errno == EACCES ? 0 : -errno;
        return fsync(fd) < 0 ? -errno : 0;
}

static int make_new(int dir_fd, const char *path, bool durable, struct refusal *refusal) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        /* SQLite gives its -wal and -shm the mode of the table's file. */
        fd = openat(dir_fd, NEW_FILE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 || fchmod(fd, 0600) < 0)
                return refuse_errno(refusal, errno, path, "making a new table");
        r = fill(path, refusal);
        if (r < 0)
                return r;
        if (durable && fsync(fd) < 0)
                return refuse_errno(refusal, errno, path, "writing a new table to the disk");
        if (renameat(dir_fd, NEW_FILE, dir_fd, TABLE_FILE) < 0)
                return refuse_errno(refusal, errno, path, "naming a new table " TABLE_FILE);
        if (durable && fsync(dir_fd) < 0)
                return refuse_errno(refusal, errno, path, "writing a new table to the disk");
        r = durable ? sync_parent(dir_fd) : 0;
        return r < 0 ? refuse_errno(refusal, -r, path, "writing its directory to the disk") : 0;
}

int table_create(const char *directory, const struct store_params *params, struct refusal *refusal) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int dir_fd = -EBADF;
        int r;

        if (asprintf(&path, "%s/" NEW_FILE, directory) < 0) {
                path = NULL;
                return refuse_errno(refusal, ENOMEM, directory, "making a new table");
        }
        dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return refuse_errno(refusal, errno, directory, "opening the directory");
        r = remove_remains(dir_fd, path, refusal);
        if (r < 0)
                return r;
        r = make_new(dir_fd, path, params->durable, refusal);
        if (r < 0)
                (void) unlinkat(dir_fd, NEW_FILE, 0);
        return r;
}
