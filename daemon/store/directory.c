/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The directory of a table: made if it is missing, held against a second
 * daemon, and looked through for what a table has left there. No file in it is
 * reached through a symbolic link, so that nobody can lead pasidd elsewhere;
 * the directory itself may be one, as StateDirectory= makes them. Whoever could
 * put files into it could put a table there: it must be root's or our own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite-store.h"

#define PID_TEXT_SIZE 12

static int check_owner(const char *directory, const struct stat *st, struct refusal *refusal) {
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return refuse(refusal, EIO, "%s: uid %u owns the directory and could put another table there. Give it to root, or "
                                            "to the user that runs pasidd.", directory, (unsigned) st->st_uid);
        if (st->st_mode & S_IWOTH || (st->st_mode & S_IWGRP && st->st_gid != 0 && st->st_gid != getegid()))
                return refuse(refusal, EIO, "%s: others may write in the directory (mode %04o) and could put another table there. "
                                            "Make it 0755 or 0700.", directory, (unsigned) st->st_mode & 07777);
        return 0;
}

int directory_resolve(const char *directory, char **ret, struct refusal *refusal) {
        _cleanup_free_ char *path = NULL;
        struct stat st;
        int r;

        if (mkdir(directory, 0755) < 0 && errno == ENOENT)
                return refuse(refusal, EIO, "%s: making the directory failed: the one above it is missing. Make that first.",
                              directory);
        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
                return refuse_errno(refusal, errno, directory, "making the directory");
        path = realpath(directory, NULL);
        if (!path || stat(path, &st) < 0)
                return refuse_errno(refusal, errno, directory, "opening the directory");
        if (!S_ISDIR(st.st_mode))
                return refuse_errno(refusal, ENOTDIR, directory, "opening the directory");
        r = check_owner(directory, &st, refusal);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(path);
        return 0;
}

static int open_lock_file(const char *path, struct refusal *refusal) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        /* Nobody else may read it: whoever can open a file can also lock it. */
        fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (fd < 0 || fstat(fd, &st) < 0)
                return refuse_errno(refusal, errno, path, "opening the lock file");
        if (!S_ISREG(st.st_mode))
                return refuse(refusal, EIO, "%s: it is to be the lock file, but is no regular file. Remove it.", path);
        return TAKE_FD(fd);
}

static int refuse_locked(int fd, const char *directory, struct refusal *refusal) {
        char pid[PID_TEXT_SIZE + 1] = {};
        ssize_t n = pread(fd, pid, PID_TEXT_SIZE, 0);

        return refuse(refusal, EBUSY,
                      "%s: another pasidd has it (process %ld). Stop that one, or give this one its own directories.",
                      directory, n > 0 ? strtol(pid, NULL, 10) : 0L);
}

int directory_lock(const char *directory, int *ret, struct refusal *refusal) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        char pid[PID_TEXT_SIZE + 1];

        if (asprintf(&path, "%s/" LOCK_FILE, directory) < 0) {
                path = NULL;
                return refuse_errno(refusal, ENOMEM, directory, "locking the directory");
        }
        fd = open_lock_file(path, refusal);
        if (fd < 0)
                return fd;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? refuse_locked(fd, directory, refusal)
                                            : refuse_errno(refusal, errno, path, "locking it");

        /* In place and without truncating: a restart needs no room on a full file system. Only a text needs the pid. */
        (void) snprintf(pid, sizeof(pid), "%*ld\n", PID_TEXT_SIZE - 1, (long) getpid());
        if (pwrite(fd, pid, PID_TEXT_SIZE, 0) < 0 && errno != ENOSPC && errno != EDQUOT)
                return refuse_errno(refusal, errno, path, "writing our process id");
        *ret = TAKE_FD(fd);
        return 0;
}

/* 1 and the size, 0 if there is none. */
static int look_at(const char *directory, const char *name, off_t *ret_size, struct refusal *refusal) {
        _cleanup_free_ char *path = NULL;
        struct stat st;

        if (asprintf(&path, "%s/%s", directory, name) < 0) {
                path = NULL;
                return refuse_errno(refusal, ENOMEM, directory, "looking for the table");
        }
        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : refuse_errno(refusal, errno, path, "looking at it");
        if (S_ISLNK(st.st_mode))
                return refuse_errno(refusal, ELOOP, path, "opening it");
        if (!S_ISREG(st.st_mode))
                return refuse(refusal, EIO, "%s: it is to be part of the table, but is no regular file. Remove it.", path);
        *ret_size = st.st_size;
        return 1;
}

int directory_look(const char *directory, struct table_files *ret, struct refusal *refusal) {
        struct table_files files = {};
        off_t index_size;
        int r;

        r = look_at(directory, TABLE_FILE "-wal", &files.log_size, refusal);
        if (r >= 0)
                r = look_at(directory, TABLE_FILE "-shm", &index_size, refusal);
        if (r >= 0)
                r = look_at(directory, TABLE_FILE, &files.table_size, refusal);
        if (r < 0)
                return r;

        /* A new table is renamed into place, whole: an empty file is never one of ours. */
        files.has_table = r > 0;
        if (files.has_table && files.table_size == 0)
                return refuse_corrupt(refusal, directory, "its " TABLE_FILE " was cut to nothing");
        if (!files.has_table && files.log_size > 0)
                return refuse_corrupt(refusal, directory, "there is a " TABLE_FILE "-wal, but the " TABLE_FILE
                                      " that it belongs to is gone");
        *ret = files;
        return 0;
}
