/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Spaces are IOMMU groups, and a reboot may number those anew: their rows and
 * devices move along. All of them leave first, to negative keys, for two may
 * change places.
 */
#include <string.h>

#include "store/sqlite-store.h"

struct remapping {
        struct sqlite_store *s;
        struct refusal *refusal;
};

/* Runs a statement with up to four numbers. */
static int run(const struct remapping *m, const char *sql, const int64_t *values, int n) {
        _cleanup_statement_ sqlite3_stmt *stmt = NULL;
        int r;

        r = sqlite3_prepare_v2(m->s->db, sql, -1, &stmt, NULL);
        for (int i = 0; r == SQLITE_OK && i < n; i++)
                r = sqlite3_bind_int64(stmt, i + 1, values[i]);
        if (r == SQLITE_OK)
                r = sqlite3_step(stmt);
        if (r == SQLITE_DONE)
                return 0;
        if ((r & 0xff) == SQLITE_CONSTRAINT)
                return refuse(m->refusal, EIO,
                              "%s: since the reboot devices share an IOMMU group that did not before, and two consumers "
                              "hold the same PASID there. Put the devices back as they were, and free it.", m->s->path);
        return refuse_work(m->s, r, "following the new numbers of IOMMU groups", m->refusal);
}

#define NUMBERS(...) ((const int64_t[]) { __VA_ARGS__ })
#define RUN(m, sql, ...) run(m, sql, NUMBERS(__VA_ARGS__), (int) ELEMENTSOF(NUMBERS(__VA_ARGS__)))

static int leave(const struct remapping *m, int32_t from) {
        int r = RUN(m, "UPDATE pasid SET key = -key WHERE key BETWEEN ?1 AND ?2", key_of(from, 0), key_of(from, NUMBER_MAX));

        if (r < 0)
                return r;
        /* -1 is the host's: -2 and below are those on the way. */
        return RUN(m, "UPDATE consumer_device SET space = -2 - space WHERE space = ?1", from);
}

static int arrive(const struct remapping *m, int32_t from, int32_t to) {
        int r = RUN(m, "UPDATE pasid SET key = ?3 - key WHERE key BETWEEN ?1 AND ?2", -key_of(from, NUMBER_MAX),
                    -key_of(from, 0), key_of(to, 0) - key_of(from, 0));

        if (r < 0)
                return r;
        return RUN(m, "UPDATE consumer_device SET space = ?2 WHERE space = -2 - ?1", from, to);
}

/* The lowest space is the home, and may be another one now: then the rows change places with their claims there. */
static int move_home(const struct remapping *m, int64_t consumer, int32_t old_home, int32_t home) {
        int64_t low = key_of(home, 0), old_low = key_of(old_home, 0);
        int r;

        if (old_home != home) {
                r = RUN(m, "DELETE FROM pasid WHERE key BETWEEN ?1 AND ?1 + 1048575 AND consumer = ?2", low, consumer);
                if (r >= 0)
                        r = RUN(m, "UPDATE pasid SET key = key - ?1 + ?2 WHERE key BETWEEN ?1 AND ?1 + 1048575 AND "
                                "consumer = ?3", old_low, low, consumer);
                if (r >= 0)
                        r = RUN(m, "INSERT INTO pasid (key, consumer) SELECT key - ?2 + ?1, consumer FROM pasid "
                                "WHERE key BETWEEN ?2 AND ?2 + 1048575 AND consumer = ?3", old_low, low, consumer);
                if (r < 0)
                        return r;
        }
        return RUN(m, "UPDATE consumer SET home = ?1 WHERE id = ?2", home, consumer);
}

static int32_t mapped(const struct space_map *maps, size_t n, int32_t space) {
        for (size_t i = 0; i < n; i++)
                if (maps[i].from == space)
                        return maps[i].to;
        return space;
}

static int move_homes(const struct remapping *m, const struct space_map *maps, size_t n) {
        _cleanup_statement_ sqlite3_stmt *stmt = NULL;
        int r;

        r = sqlite3_prepare_v2(m->s->db,
                               "SELECT c.id, c.home, min(d.space) FROM consumer AS c JOIN consumer_device AS d "
                               "ON d.consumer = c.id GROUP BY c.id ORDER BY c.id", -1, &stmt, NULL);
        if (r == SQLITE_OK)
                while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
                        int32_t old_home = (int32_t) sqlite3_column_int64(stmt, 1);

                        r = move_home(m, sqlite3_column_int64(stmt, 0), mapped(maps, n, old_home),
                                      (int32_t) sqlite3_column_int64(stmt, 2));
                        if (r < 0)
                                return r;
                }
        return r == SQLITE_DONE ? 0 : refuse_work(m->s, r, "following the new numbers of IOMMU groups", m->refusal);
}

static int remap(const struct remapping *m, const struct space_map *maps, size_t n) {
        int r = store_need_transaction(m->s, "following the new numbers of IOMMU groups", m->refusal);

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (maps[i].from != maps[i].to)
                        r = leave(m, maps[i].from);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (maps[i].from != maps[i].to)
                        r = arrive(m, maps[i].from, maps[i].to);
        return r < 0 ? r : move_homes(m, maps, n);
}

int store_remap_spaces(struct store *store, const struct space_map *maps, size_t n, struct refusal *refusal) {
        struct remapping m = { .s = sqlite_store(store), .refusal = refusal };
        int r;

        r = store->ops->begin(store, refusal);
        if (r < 0)
                return r;
        r = remap(&m, maps, n);
        if (r < 0) {
                store->ops->rollback(store);
                return r;
        }
        return store->ops->commit(store, refusal);
}
