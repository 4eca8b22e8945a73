/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See the header.
 */
#include "test-store-pass.h"

#include <check.h>

static int pass_close(sqlite3_file *f) {
        return BELOW(f)->pMethods->xClose(BELOW(f));
}

static int pass_read(sqlite3_file *f, void *data, int n, sqlite3_int64 offset) {
        return BELOW(f)->pMethods->xRead(BELOW(f), data, n, offset);
}

static int pass_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 offset) {
        return BELOW(f)->pMethods->xWrite(BELOW(f), data, n, offset);
}

static int pass_truncate(sqlite3_file *f, sqlite3_int64 size) {
        return BELOW(f)->pMethods->xTruncate(BELOW(f), size);
}

static int pass_sync(sqlite3_file *f, int flags) {
        return BELOW(f)->pMethods->xSync(BELOW(f), flags);
}

static int pass_size(sqlite3_file *f, sqlite3_int64 *ret) {
        return BELOW(f)->pMethods->xFileSize(BELOW(f), ret);
}

static int pass_lock(sqlite3_file *f, int level) {
        return BELOW(f)->pMethods->xLock(BELOW(f), level);
}

static int pass_unlock(sqlite3_file *f, int level) {
        return BELOW(f)->pMethods->xUnlock(BELOW(f), level);
}

static int pass_check_reserved_lock(sqlite3_file *f, int *ret) {
        return BELOW(f)->pMethods->xCheckReservedLock(BELOW(f), ret);
}

static int pass_control(sqlite3_file *f, int op, void *arg) {
        return BELOW(f)->pMethods->xFileControl(BELOW(f), op, arg);
}

static int pass_sector_size(sqlite3_file *f) {
        return BELOW(f)->pMethods->xSectorSize(BELOW(f));
}

static int pass_device_characteristics(sqlite3_file *f) {
        return BELOW(f)->pMethods->xDeviceCharacteristics(BELOW(f));
}

static int pass_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **ret) {
        return BELOW(f)->pMethods->xShmMap(BELOW(f), region, size, extend, ret);
}

static int pass_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
        return BELOW(f)->pMethods->xShmLock(BELOW(f), offset, n, flags);
}

static void pass_shm_barrier(sqlite3_file *f) {
        BELOW(f)->pMethods->xShmBarrier(BELOW(f));
}

static int pass_shm_unmap(sqlite3_file *f, int delete) {
        return BELOW(f)->pMethods->xShmUnmap(BELOW(f), delete);
}

const sqlite3_io_methods pass_methods = {
        2, pass_close, pass_read, pass_write, pass_truncate, pass_sync, pass_size, pass_lock, pass_unlock,
        pass_check_reserved_lock, pass_control, pass_sector_size, pass_device_characteristics, pass_shm_map, pass_shm_lock,
        pass_shm_barrier, pass_shm_unmap, NULL, NULL,
};

sqlite3_vfs *pass_install(sqlite3_vfs *vfs, const char *name, size_t file_size) {
        const sqlite3_vfs own = *vfs;
        sqlite3_vfs *below;

        ck_assert_int_eq(sqlite3_initialize(), SQLITE_OK);
        below = sqlite3_vfs_find(NULL);
        *vfs = *below;
        vfs->zName = name;
        vfs->szOsFile = (int) file_size + below->szOsFile;
        vfs->xOpen = own.xOpen;
        vfs->xDelete = own.xDelete;
        ck_assert_int_eq(sqlite3_vfs_register(vfs, 1), SQLITE_OK);
        return below;
}

void pass_remove(sqlite3_vfs *vfs) {
        ck_assert_int_eq(sqlite3_vfs_unregister(vfs), SQLITE_OK);
}
