/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See the header.
 */
#include "test-store-vfs.h"

#include <check.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>

static sqlite3_vfs vfs, *below;
static struct fault_plan *plan;

struct file {
        sqlite3_file base;
        sqlite3_file below[];
};

#define BELOW(f) (((struct file *) (f))->below)

static bool is_hit(void) {
        plan->calls++;
        if (plan->mode == FAULT_NONE || plan->calls < plan->at || (plan->mode == FAULT_ONCE && plan->calls > plan->at))
                return false;
        if (plan->mode == FAULT_KILL)
                (void) raise(SIGKILL);
        return true;
}

void fault_vfs_step(void) {
        if (plan && plan->mode == FAULT_KILL)
                (void) is_hit();
}

static int file_close(sqlite3_file *f) {
        return BELOW(f)->pMethods->xClose(BELOW(f));
}

static int file_read(sqlite3_file *f, void *data, int n, sqlite3_int64 offset) {
        return BELOW(f)->pMethods->xRead(BELOW(f), data, n, offset);
}

static int file_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 offset) {
        plan->writes++;
        if (!is_hit())
                return BELOW(f)->pMethods->xWrite(BELOW(f), data, n, offset);
        /* As full disks do it: a part gets there. */
        (void) BELOW(f)->pMethods->xWrite(BELOW(f), data, n / 2, offset);
        return plan->code;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size) {
        return is_hit() ? SQLITE_IOERR_TRUNCATE : BELOW(f)->pMethods->xTruncate(BELOW(f), size);
}

static int file_sync(sqlite3_file *f, int flags) {
        return is_hit() ? SQLITE_IOERR_FSYNC : BELOW(f)->pMethods->xSync(BELOW(f), flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *ret) {
        return BELOW(f)->pMethods->xFileSize(BELOW(f), ret);
}

static int file_lock(sqlite3_file *f, int level) {
        return BELOW(f)->pMethods->xLock(BELOW(f), level);
}

static int file_unlock(sqlite3_file *f, int level) {
        return BELOW(f)->pMethods->xUnlock(BELOW(f), level);
}

static int file_check_reserved_lock(sqlite3_file *f, int *ret) {
        return BELOW(f)->pMethods->xCheckReservedLock(BELOW(f), ret);
}

static int file_control(sqlite3_file *f, int op, void *arg) {
        return BELOW(f)->pMethods->xFileControl(BELOW(f), op, arg);
}

static int file_sector_size(sqlite3_file *f) {
        return BELOW(f)->pMethods->xSectorSize(BELOW(f));
}

static int file_device_characteristics(sqlite3_file *f) {
        return BELOW(f)->pMethods->xDeviceCharacteristics(BELOW(f));
}

static int file_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **ret) {
        if (extend && is_hit())
                return SQLITE_IOERR_SHMSIZE;
        return BELOW(f)->pMethods->xShmMap(BELOW(f), region, size, extend, ret);
}

static int file_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
        plan->locks++;
        return BELOW(f)->pMethods->xShmLock(BELOW(f), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *f) {
        BELOW(f)->pMethods->xShmBarrier(BELOW(f));
}

static int file_shm_unmap(sqlite3_file *f, int delete) {
        return BELOW(f)->pMethods->xShmUnmap(BELOW(f), delete);
}

static const sqlite3_io_methods methods = {
        2, file_close, file_read, file_write, file_truncate, file_sync, file_size, file_lock, file_unlock,
        file_check_reserved_lock, file_control, file_sector_size, file_device_characteristics, file_shm_map, file_shm_lock,
        file_shm_barrier, file_shm_unmap, NULL, NULL,
};

static int vfs_open(sqlite3_vfs *self, const char *path, sqlite3_file *f, int flags, int *ret_flags) {
        int r;

        f->pMethods = NULL;
        if (flags & SQLITE_OPEN_CREATE && is_hit())
                return SQLITE_CANTOPEN;
        r = below->xOpen(below, path, BELOW(f), flags, ret_flags);
        if (BELOW(f)->pMethods)
                f->pMethods = &methods;
        return r;
}

static int vfs_delete(sqlite3_vfs *self, const char *path, int sync) {
        return is_hit() ? SQLITE_IOERR_DELETE : below->xDelete(below, path, sync);
}

void fault_vfs_install(struct fault_plan *p) {
        plan = p;
        ck_assert_int_eq(sqlite3_initialize(), SQLITE_OK);
        below = sqlite3_vfs_find(NULL);
        vfs = *below;
        vfs.zName = "fault";
        vfs.szOsFile = (int) sizeof(struct file) + below->szOsFile;
        vfs.xOpen = vfs_open;
        vfs.xDelete = vfs_delete;
        ck_assert_int_eq(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
}

void fault_vfs_remove(void) {
        ck_assert_int_eq(sqlite3_vfs_unregister(&vfs), SQLITE_OK);
        plan = NULL;
}
