/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening a table: the directory and its lock first, then the file, which is
 * believed only after SQLite has looked through all of it, and last what the
 * reboot since then means for its rows.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "store/schema.h"
#include "store/sqlite-store.h"

#define BUSY_TIMEOUT_MSEC 2000

#define STRING_(x) #x
#define STRING(x) STRING_(x)

/*
 * temp_store: a savepoint's undo log holds private data, which may not get to
 * a disk. secure_delete: nor may it stay in the table once it is gone.
 */
static const char settings_sql[] =
        "PRAGMA wal_autocheckpoint = 0;"
        "PRAGMA journal_size_limit = " STRING(LOG_WINDOW) ";"
        "PRAGMA temp_store = MEMORY;"
        "PRAGMA secure_delete = ON;"
        "PRAGMA trusted_schema = OFF;"
        "PRAGMA mmap_size = 0;"
        "PRAGMA cache_size = -" STRING(TABLE_CACHE_KIB) ";";

/* Devices have been reset: what only cooled is free, and consumers that only waited for that are gone. */
static const char drop_cooling_sql[] =
        FORGET_KERNEL_SQL
        "DELETE FROM pasid WHERE state IS NULL AND EXISTS ("
        "  SELECT 1 FROM consumer AS c JOIN pasid AS m ON m.key = (c.home + 1) * 1048576 + (pasid.key & 1048575)"
        "  WHERE c.id = pasid.consumer AND m.state = 'cooling');"
        "DELETE FROM pasid WHERE state = 'cooling';"
        "DELETE FROM consumer WHERE ended AND id NOT IN (SELECT consumer FROM pasid);"
        "DELETE FROM consumer_device WHERE consumer NOT IN (SELECT id FROM consumer);";

static const char drop_all_sql[] =
        FORGET_KERNEL_SQL
        "DELETE FROM pasid;"
        "DELETE FROM tenant;"
        "DELETE FROM consumer_device;"
        "DELETE FROM consumer;"
        "DELETE FROM history;";

static struct sqlite_store *free_half_open(struct sqlite_store *s) {
        if (s)
                (void) sqlite_store_ops.free(&s->store);
        return NULL;
}
DEFINE_CLEANUP(struct sqlite_store *, free_half_open);

static int check_application(struct sqlite_store *s, struct refusal *refusal) {
        int64_t id = 0, version = 0;
        int r;

        r = schema_get_number(s->db, "PRAGMA application_id", &id);
        if (r == SQLITE_OK)
                r = schema_get_number(s->db, "PRAGMA user_version", &version);
        if (r != SQLITE_OK)
                return refuse_opening(refusal, s->db, r, s->path, "reading its header");
        if (id != SCHEMA_APPLICATION_ID)
                return refuse_corrupt(refusal, s->path, "it is a database of another program");
        return schema_check_version(version, s->path, SCHEMA_VERSION, refusal);
}

static int use_log(struct sqlite_store *s) {
        _cleanup_statement_ sqlite3_stmt *stmt = NULL;
        const char *mode;
        int r;

        r = sqlite3_prepare_v2(s->db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);
        if (r != SQLITE_OK)
                return r;
        r = sqlite3_step(stmt);
        if (r != SQLITE_ROW)
                return r == SQLITE_DONE ? SQLITE_ERROR : r;
        mode = (const char *) sqlite3_column_text(stmt, 0);
        return mode && strcmp(mode, "wal") == 0 ? SQLITE_OK : SQLITE_IOERR;
}

/* SQLite takes what is missing of a last page for zeros. Only a crash while the log was folded leaves it so, and a log. */
static int check_size(struct sqlite_store *s, const struct table_files *files, struct refusal *refusal) {
        int64_t page_size = 0;
        int r;

        r = schema_get_number(s->db, "PRAGMA page_size", &page_size);
        if (r != SQLITE_OK)
                return refuse_opening(refusal, s->db, r, s->path, "reading its page size");
        if (page_size > 0 && files->table_size % page_size != 0 && files->log_size == 0)
                return refuse_corrupt(refusal, s->path, "it was cut off in the middle of a page");
        return 0;
}

static int connect_table(struct sqlite_store *s, const struct store_params *params, const struct table_files *files,
                         struct refusal *refusal) {
        int r;

        r = store_vfs_new(!params->durable, &s->vfs);
        if (r == SQLITE_OK)
                r = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
                                    SQLITE_OPEN_EXRESCODE, store_vfs_name(s->vfs));
        if (r == SQLITE_OK)
                r = sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MSEC);
        if (r != SQLITE_OK)
                return refuse_opening(refusal, s->db, r, s->path, "opening it");

        /* Before anything of it is changed. */
        r = check_application(s, refusal);
        if (r >= 0)
                r = check_size(s, files, refusal);
        if (r < 0)
                return r;

        r = use_log(s);
        if (r == SQLITE_OK)
                r = sqlite3_exec(s->db, settings_sql, NULL, NULL, NULL);
        if (r == SQLITE_OK)
                r = sqlite3_exec(s->db, params->durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = OFF", NULL,
                                 NULL, NULL);
        return r == SQLITE_OK ? 0 : refuse_opening(refusal, s->db, r, s->path, "setting it up");
}

static int run_check(struct sqlite_store *s, const char *pragma, struct refusal *refusal) {
        _cleanup_statement_ sqlite3_stmt *stmt = NULL;
        const char *text;
        int r;

        r = sqlite3_prepare_v2(s->db, pragma, -1, &stmt, NULL);
        if (r == SQLITE_OK)
                r = sqlite3_step(stmt);
        if (r != SQLITE_ROW)
                return refuse_opening(refusal, s->db, r, s->path, "checking it");
        text = (const char *) sqlite3_column_text(stmt, 0);
        if (!text || strcmp(text, "ok") != 0)
                return refuse_corrupt(refusal, s->path, "it is damaged: %s", text ? text : "out of memory");
        return 0;
}

/*
 * All pages, those of private data too, which the loader doesn't visit; a fifth of a second for 2^20 rows. That looks at
 * no index, and consumers have one: out of step with them it would have each change of theirs refused later. So has the
 * history, which older tables don't have: it is looked at when they do.
 */
static int check_integrity(struct sqlite_store *s, struct refusal *refusal) {
        int r = run_check(s, "PRAGMA quick_check(1)", refusal);

        return r < 0 ? r : run_check(s, "PRAGMA integrity_check(consumer)", refusal);
}

static int read_boot_id(struct sqlite_store *s, char ret[static BOOT_ID_LEN + 1], struct refusal *refusal) {
        _cleanup_statement_ sqlite3_stmt *stmt = NULL;
        int r;

        r = sqlite3_prepare_v2(s->db, "SELECT value FROM meta WHERE key = 'boot_id'", -1, &stmt, NULL);
        if (r == SQLITE_OK)
                r = sqlite3_step(stmt);
        if (r == SQLITE_DONE)
                return refuse_corrupt(refusal, s->path, "it doesn't tell its boot");
        if (r != SQLITE_ROW)
                return refuse_opening(refusal, s->db, r, s->path, "reading its boot");
        (void) snprintf(ret, BOOT_ID_LEN + 1, "%s", (const char *) sqlite3_column_text(stmt, 0));
        return 0;
}

static int write_boot_id(struct sqlite_store *s, const char *boot_id) {
        _cleanup_statement_ sqlite3_stmt *stmt = NULL;
        int r;

        r = sqlite3_prepare_v2(s->db, "UPDATE meta SET value = ? WHERE key = 'boot_id'", -1, &stmt, NULL);
        if (r == SQLITE_OK)
                r = sqlite3_bind_text(stmt, 1, boot_id, -1, SQLITE_STATIC);
        if (r == SQLITE_OK)
                r = sqlite3_step(stmt);
        return r == SQLITE_DONE ? SQLITE_OK : r;
}

/* All in one transaction: checks, brings the schema up to date, and drops what a reboot ended. */
static int adopt_table(struct sqlite_store *s, const struct store_params *params, bool is_new, bool *ret_other_boot,
                       struct refusal *refusal) {
        char boot_id[BOOT_ID_LEN + 1];
        bool other_boot;
        int r;

        r = sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        if (r != SQLITE_OK)
                return refuse_opening(refusal, s->db, r, s->path, "becoming its writer");
        if (!is_new) {
                r = check_integrity(s, refusal);
                if (r < 0)
                        return r;
        }
        r = schema_upgrade(s->db, s->path, refusal);
        if (r >= 0 && !is_new)
                r = run_check(s, "PRAGMA integrity_check(history)", refusal);
        if (r < 0)
                return r;
        r = read_boot_id(s, boot_id, refusal);
        if (r < 0)
                return r;

        r = SQLITE_OK;
        other_boot = *boot_id != '\0' && strcmp(boot_id, params->boot_id) != 0;
        if (other_boot)
                r = sqlite3_exec(s->db, params->durable ? drop_cooling_sql : drop_all_sql, NULL, NULL, NULL);
        /* A durable table is of the old boot until all that follows from the new one is in it: see enter_boot. */
        if (r == SQLITE_OK && strcmp(boot_id, params->boot_id) != 0 && !(other_boot && params->durable))
                r = write_boot_id(s, params->boot_id);
        if (r == SQLITE_OK)
                r = sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
        if (r != SQLITE_OK)
                return refuse_opening(refusal, s->db, r, s->path, "entering this boot");
        *ret_other_boot = other_boot;
        return 0;
}

int store_enter_boot(struct store *store, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        int r;

        r = store_need_transaction(s, "entering this boot", refusal);
        if (r < 0)
                return r;
        r = write_boot_id(s, s->boot_id);
        return r == SQLITE_OK ? 0 : refuse_work(s, r, "entering this boot", refusal);
}

static int start_work(struct sqlite_store *s, struct refusal *refusal) {
        int r;

        log_watch(s);
        r = statements_prepare(s, refusal);
        if (r < 0)
                return r;
        /* We alone write from now on, and the daemon waits for nobody. */
        r = sqlite3_busy_timeout(s->db, 0);
        if (r == SQLITE_OK)
                r = keeper_hold(s);
        return r == SQLITE_OK ? 0 : refuse_opening(refusal, s->db, r, s->path, "beginning to read it");
}

static bool is_boot_id(const char *s) {
        size_t n = 0;

        while (s && isxdigit((unsigned char) s[n]))
                n++;
        return n == BOOT_ID_LEN && s[n] == '\0';
}

int store_open(const struct store_params *params, struct store **ret, bool *ret_other_boot, struct refusal *refusal) {
        _cleanup_(free_half_openp) struct sqlite_store *s = NULL;
        _cleanup_free_ char *directory = NULL;
        struct table_files files;
        bool other_boot = false;
        int r;

        if (!is_boot_id(params->boot_id))
                return refuse(refusal, EINVAL, "The boot id is to be 32 hex digits.");
        s = calloc(1, sizeof(*s));
        if (!s)
                return refuse_errno(refusal, ENOMEM, params->directory, "opening the table");
        s->store.ops = &sqlite_store_ops;
        s->lock_fd = -EBADF;
        s->n_history = -1;
        memcpy(s->boot_id, params->boot_id, BOOT_ID_LEN);

        r = directory_resolve(params->directory, &directory, refusal);
        if (r < 0)
                return r;
        if (asprintf(&s->path, "%s/" TABLE_FILE, directory) < 0) {
                s->path = NULL;
                return refuse_errno(refusal, ENOMEM, directory, "opening the table");
        }
        r = directory_lock(directory, &s->lock_fd, refusal);
        if (r < 0)
                return r;
        r = directory_look(directory, &files, refusal);
        if (r < 0)
                return r;
        if (!files.has_table)
                r = table_create(directory, params, refusal);
        if (r >= 0)
                r = connect_table(s, params, &files, refusal);
        if (r >= 0)
                r = adopt_table(s, params, !files.has_table, &other_boot, refusal);
        if (r >= 0)
                r = start_work(s, refusal);
        if (r >= 0)
                r = probe_remember(s, refusal);
        if (r < 0)
                return r;
        *ret = &s->store;
        *ret_other_boot = other_boot;
        s = NULL;
        return 0;
}
