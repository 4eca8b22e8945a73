/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the table could take a change now. What is written is taken back, so
 * that a disk is not made to spin for it; a full one is not unhealthy.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "store/sqlite-store.h"

int probe_remember(struct sqlite_store *s, struct refusal *refusal) {
        struct stat st;

        if (stat(s->path, &st) < 0)
                return refuse_errno(refusal, errno, s->path, "looking at it");
        s->device = st.st_dev;
        s->inode = st.st_ino;
        return 0;
}

/* Who removes the file leaves us with one that nobody sees, and that the next pasidd does not find. */
static int check_file(const struct sqlite_store *s, struct refusal *refusal) {
        struct stat st;

        if (stat(s->path, &st) < 0)
                return refuse(refusal, EIO, "%s: the table's file can't be found any more: %s.", s->path, strerror(errno));
        if (st.st_dev != s->device || st.st_ino != s->inode)
                return refuse(refusal, EIO, "%s: another file stands in the place of the table that pasidd has open.", s->path);
        return 0;
}

int store_probe(struct store *store, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        int r;

        r = check_file(s, refusal);
        if (r < 0)
                return r;
        r = store->ops->begin(store, refusal);
        if (r >= 0) {
                r = sqlite3_exec(s->db, "UPDATE meta SET value = value WHERE key = 'boot_id'", NULL, NULL, NULL);
                r = r == SQLITE_OK ? 0 : refuse_work(s, r, "a trial change", refusal);
                store->ops->rollback(store);
        }
        return r == -EFBIG ? 0 : r;
}
