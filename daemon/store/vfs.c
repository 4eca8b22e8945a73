/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SQLite's own access to files, with two additions that take the system calls
 * out of a commit; the file formats stay SQLite's, and so do all readers.
 *
 * The lock of the one writer, once taken, is kept until the file is closed:
 * nobody else may write to the table of a running daemon anyhow.
 *
 * The start of the write-ahead log is written through a mapping where that is
 * safe: on tmpfs, whose pages, once allocated, are the file itself. A page of a
 * disk's file could fail to be written later, unnoticed, or kill us by SIGBUS.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "store/sqlite-store.h"

/* Byte 120 of the -shm file, the first of its locks: sqlite.org/walformat.html, 2.3 */
#define WRITER_LOCK 0

struct store_vfs {
        sqlite3_vfs base; /* first: SQLite hands it to vfs_open() */
        sqlite3_vfs *below;
        bool may_map_log;
        char name[32];
};

struct file {
        sqlite3_file base; /* first */
        bool has_writer_lock;
        bool may_map;
        const char *path; /* SQLite's, as long as the file is open */
        void *window;     /* the first LOG_WINDOW bytes, NULL: not mapped */
        sqlite3_file below[]; /* of below->szOsFile bytes */
};

static struct file *file_of(sqlite3_file *f) {
        return (struct file *) f;
}

/* Calls a method of the file below. */
#define BELOW(f, method, ...) (file_of(f)->below->pMethods->method(file_of(f)->below __VA_OPT__(,) __VA_ARGS__))

static void file_unmap(struct file *file) {
        if (file->window)
                (void) munmap(file->window, LOG_WINDOW);
        file->window = NULL;
}

/* Without a mapping, for whatever reason, all goes the plain way. */
static void file_map(struct file *file) {
        _cleanup_close_ int fd = -EBADF;
        struct statfs fs;
        void *window;

        file->may_map = false;
        fd = open(file->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC)
                return;
        if (fallocate(fd, 0, 0, LOG_WINDOW) < 0)
                return;
        window = mmap(NULL, LOG_WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
        if (window != MAP_FAILED)
                file->window = window;
}

static bool is_in_window(const struct file *file, int n, sqlite3_int64 offset) {
        return file->window && offset + n <= (sqlite3_int64) LOG_WINDOW;
}

static int file_close(sqlite3_file *f) {
        file_unmap(file_of(f));
        return BELOW(f, xClose);
}

static int file_read(sqlite3_file *f, void *data, int n, sqlite3_int64 offset) {
        if (!is_in_window(file_of(f), n, offset))
                return BELOW(f, xRead, data, n, offset);
        memcpy(data, (const char *) file_of(f)->window + offset, (size_t) n);
        return SQLITE_OK;
}

static int file_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 offset) {
        if (file_of(f)->may_map)
                file_map(file_of(f));
        if (!is_in_window(file_of(f), n, offset))
                return BELOW(f, xWrite, data, n, offset);
        memcpy((char *) file_of(f)->window + offset, data, (size_t) n);
        return SQLITE_OK;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size) {
        struct file *file = file_of(f);

        if (file->window && size < (sqlite3_int64) LOG_WINDOW) {
                file_unmap(file);
                file->may_map = true;
        }
        return BELOW(f, xTruncate, size);
}

static int file_sync(sqlite3_file *f, int flags) {
        return BELOW(f, xSync, flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *ret) {
        return BELOW(f, xFileSize, ret);
}

static int file_lock(sqlite3_file *f, int level) {
        return BELOW(f, xLock, level);
}

static int file_unlock(sqlite3_file *f, int level) {
        return BELOW(f, xUnlock, level);
}

static int file_check_reserved_lock(sqlite3_file *f, int *ret) {
        return BELOW(f, xCheckReservedLock, ret);
}

static int file_control(sqlite3_file *f, int op, void *arg) {
        return BELOW(f, xFileControl, op, arg);
}

static int file_sector_size(sqlite3_file *f) {
        return BELOW(f, xSectorSize);
}

static int file_device_characteristics(sqlite3_file *f) {
        return BELOW(f, xDeviceCharacteristics);
}

static int file_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **ret) {
        return BELOW(f, xShmMap, region, size, extend, ret);
}

static int file_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
        struct file *file = file_of(f);
        int r;

        if (offset != WRITER_LOCK || n != 1 || !(flags & SQLITE_SHM_EXCLUSIVE))
                return BELOW(f, xShmLock, offset, n, flags);
        if (flags & SQLITE_SHM_UNLOCK || file->has_writer_lock)
                return SQLITE_OK;
        r = BELOW(f, xShmLock, offset, n, flags);
        file->has_writer_lock = r == SQLITE_OK;
        return r;
}

static void file_shm_barrier(sqlite3_file *f) {
        BELOW(f, xShmBarrier);
}

static int file_shm_unmap(sqlite3_file *f, int delete) {
        if (file_of(f)->has_writer_lock)
                (void) BELOW(f, xShmLock, WRITER_LOCK, 1, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
        file_of(f)->has_writer_lock = false;
        return BELOW(f, xShmUnmap, delete);
}

/* Version 2 has the locks of a write-ahead log; 3 would map the table for reading, which is not wanted. */
static const sqlite3_io_methods file_methods = {
        .iVersion = 2,
        .xClose = file_close,
        .xRead = file_read,
        .xWrite = file_write,
        .xTruncate = file_truncate,
        .xSync = file_sync,
        .xFileSize = file_size,
        .xLock = file_lock,
        .xUnlock = file_unlock,
        .xCheckReservedLock = file_check_reserved_lock,
        .xFileControl = file_control,
        .xSectorSize = file_sector_size,
        .xDeviceCharacteristics = file_device_characteristics,
        .xShmMap = file_shm_map,
        .xShmLock = file_shm_lock,
        .xShmBarrier = file_shm_barrier,
        .xShmUnmap = file_shm_unmap,
};

static int vfs_open(sqlite3_vfs *base, const char *path, sqlite3_file *f, int flags, int *ret_flags) {
        struct store_vfs *vfs = (struct store_vfs *) base;
        struct file *file = file_of(f);
        int r;

        if (!(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
                return vfs->below->xOpen(vfs->below, path, f, flags, ret_flags);

        memset(file, 0, sizeof(*file));
        r = vfs->below->xOpen(vfs->below, path, file->below, flags, ret_flags);
        if (!file->below->pMethods)
                return r;
        file->base.pMethods = &file_methods;
        file->path = path;
        file->may_map = vfs->may_map_log && flags & SQLITE_OPEN_WAL;
        return r;
}

int store_vfs_new(bool may_map_log, struct store_vfs **ret) {
        _cleanup_free_ struct store_vfs *vfs = NULL;
        int r;

        vfs = calloc(1, sizeof(*vfs));
        if (!vfs)
                return SQLITE_NOMEM;
        r = sqlite3_initialize();
        if (r != SQLITE_OK)
                return r;
        vfs->below = sqlite3_vfs_find(NULL);
        if (!vfs->below)
                return SQLITE_ERROR;
        /* All but opening is below's own, which finds its data by pAppData. */
        vfs->base = *vfs->below;
        vfs->base.pNext = NULL;
        vfs->base.szOsFile = (int) sizeof(struct file) + vfs->below->szOsFile;
        vfs->base.xOpen = vfs_open;
        vfs->may_map_log = may_map_log;
        (void) snprintf(vfs->name, sizeof(vfs->name), "pasidd-%p", (void *) vfs);
        vfs->base.zName = vfs->name;
        r = sqlite3_vfs_register(&vfs->base, 0);
        if (r != SQLITE_OK)
                return r;
        *ret = TAKE_PTR(vfs);
        return SQLITE_OK;
}

struct store_vfs *store_vfs_free(struct store_vfs *vfs) {
        if (vfs) {
                (void) sqlite3_vfs_unregister(&vfs->base);
                free(vfs);
        }
        return NULL;
}

const char *store_vfs_name(const struct store_vfs *vfs) {
        return vfs->name;
}
