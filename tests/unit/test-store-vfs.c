/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See the header.
 */
#include "test-store-vfs.h"

#include <signal.h>

#include "test-store-pass.h"

static sqlite3_io_methods methods;
static sqlite3_vfs *below;
static struct fault_plan *plan;

struct file {
        struct pass_file pass;
        sqlite3_file below[];
};

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

static int file_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **ret) {
        if (extend && is_hit())
                return SQLITE_IOERR_SHMSIZE;
        return BELOW(f)->pMethods->xShmMap(BELOW(f), region, size, extend, ret);
}

static int file_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
        plan->locks++;
        return BELOW(f)->pMethods->xShmLock(BELOW(f), offset, n, flags);
}

static int vfs_open(sqlite3_vfs *self, const char *path, sqlite3_file *f, int flags, int *ret_flags) {
        int r;

        f->pMethods = NULL;
        BELOW(f) = ((struct file *) f)->below;
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

static sqlite3_vfs vfs = { .xOpen = vfs_open, .xDelete = vfs_delete };

void fault_vfs_install(struct fault_plan *p) {
        plan = p;
        methods = pass_methods;
        methods.xWrite = file_write;
        methods.xTruncate = file_truncate;
        methods.xSync = file_sync;
        methods.xShmMap = file_shm_map;
        methods.xShmLock = file_shm_lock;
        below = pass_install(&vfs, "fault", sizeof(struct file));
}

void fault_vfs_remove(void) {
        pass_remove(&vfs);
        plan = NULL;
}
