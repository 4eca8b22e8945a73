/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the store share among themselves; nobody else includes it.
 *
 * A number is one row of the table `pasid` in each space of its consumer, and
 * its key is the space and the number together, so that SQLite itself refuses
 * to have a number twice in a space. All that is known of it stands in the row
 * of the consumer's home space; the others are claims, without a state.
 */
#pragma once

#include <sqlite3.h>

#include "internal/cleanup.h"
#include "store/store.h"

#define TABLE_FILE "pasidd.db"
#define LOCK_FILE "pasidd.lock"

/* Small pages make small commits cheap; below this the bulk work pays for it (tests/bench/bench-store). */
#define TABLE_PAGE_SIZE 2048
#define TABLE_CACHE_KIB 8192

/* The start of the write-ahead log that may be mapped, and how full it gets before it is folded into the table. */
#define LOG_WINDOW 4194304
#define LOG_FRAMES_MAX (LOG_WINDOW / (TABLE_PAGE_SIZE + 24) - 64)

enum statement {
        STATEMENT_BEGIN,
        STATEMENT_COMMIT,
        STATEMENT_ROLLBACK,
        STATEMENT_SAVEPOINT,
        STATEMENT_RELEASE,
        STATEMENT_ROLLBACK_TO,
        STATEMENT_KEEPER,
        STATEMENT_CONSUMER_ADD,
        STATEMENT_CONSUMER_UPDATE,
        STATEMENT_CONSUMER_REMOVE,
        STATEMENT_DEVICE_ADD,
        STATEMENT_DEVICE_UPDATE,
        STATEMENT_DEVICES_REMOVE,
        STATEMENT_ROW_ADD,
        STATEMENT_ROW_CLAIM,
        STATEMENT_ROW_UPDATE,
        STATEMENT_ROW_FORGET,
        STATEMENT_ROW_SET_PRIVATE,
        STATEMENT_ROW_GET_PRIVATE,
        STATEMENT_ROW_REMOVE,
        STATEMENT_ATTACHMENT_ADD,
        STATEMENT_ATTACHMENT_REMOVE,
        STATEMENT_MAPPING_ADD,
        STATEMENT_MAPPING_REMOVE,
        STATEMENT_MAPPINGS_REMOVE,
        STATEMENT_TENANT_SET,
        STATEMENT_TENANT_REMOVE,
        STATEMENT_HISTORY_ADD,
        STATEMENT_HISTORY_THIN,
        STATEMENT_HISTORY_TRIM,
        STATEMENT_HISTORY_READ,
        STATEMENT_MAX_,
};

enum savepoint {
        SAVEPOINT_NONE,
        SAVEPOINT_IS_BEGIN, /* nothing was written before it: going back to it is to begin anew */
        SAVEPOINT_REAL,
};

/* The devices of an attachment, in text: "ADDRESS device ID hwpt ID", with ", " between them. */
#define ATTACHMENT_DEVICE " device "
#define ATTACHMENT_HWPT " hwpt "

/* The objects that the table knows of are no more. */
#define FORGET_KERNEL_SQL "DELETE FROM mapping; DELETE FROM attachment;"

struct store_vfs;

#define BOOT_ID_LEN 32

struct sqlite_store {
        struct store store;
        char boot_id[BOOT_ID_LEN + 1]; /* of this boot */
        char *path; /* of the table's file */
        int lock_fd;
        dev_t device; /* and inode, of the table's file */
        ino_t inode;
        struct store_vfs *vfs;
        sqlite3 *db;
        sqlite3_stmt *statements[STATEMENT_MAX_];
        bool is_open;      /* a transaction is */
        bool has_written;  /* that transaction */
        bool has_keeper;   /* the read transaction is held */
        bool is_log_in_doubt; /* a failed transaction may stand in it, for a crash to bring back */
        enum savepoint savepoint;
        int64_t n_history;   /* entries, the open transaction's too; -1: to be counted anew */
        unsigned log_frames; /* in the log after the last commit */
        unsigned fold_at;    /* as many frames are folded before the next transaction */
};

static inline struct sqlite_store *sqlite_store(struct store *s) {
        return (struct sqlite_store *) s;
}

/* Keys of a space are key_of(space, 0) + NUMBER_MIN..NUMBER_MAX; those of SPACE_HOST come first. */
static inline int64_t key_of(int32_t space, uint32_t pasid) {
        return (((int64_t) space + 1) << NUMBER_BITS) + pasid;
}

static inline int32_t key_space(int64_t key) {
        return (int32_t) ((key >> NUMBER_BITS) - 1);
}

static inline uint32_t key_pasid(int64_t key) {
        return (uint32_t) (key & NUMBER_MAX);
}

/* directory.c */
int directory_resolve(const char *directory, char **ret, struct refusal *refusal); /* made if missing; an absolute path */
int directory_lock(const char *directory, int *ret, struct refusal *refusal);
/* The sizes of a table's file and of its log; no table: has none, and a new one may be made. */
struct table_files {
        bool has_table;
        off_t table_size, log_size;
};
/* -EBADMSG for what is only the remains of a table. */
int directory_look(const char *directory, struct table_files *ret, struct refusal *refusal);
int refuse_errno(struct refusal *refusal, int error, const char *path, const char *doing);

/* create.c: a whole table appears under its name, or none */
int table_create(const char *directory, const struct store_params *params, struct refusal *refusal);

/* vfs.c: SQLite's own file access, with two additions for the one process that writes */
int store_vfs_new(bool may_map_log, struct store_vfs **ret);
struct store_vfs *store_vfs_free(struct store_vfs *vfs); /* after its last connection is closed */
DEFINE_CLEANUP(struct store_vfs *, store_vfs_free);
const char *store_vfs_name(const struct store_vfs *vfs);

/* error.c: r: SQLite's result code. Call it before anything else is asked of db. */
int refuse_opening(struct refusal *refusal, sqlite3 *db, int r, const char *path, const char *doing);
int refuse_work(struct sqlite_store *s, int r, const char *doing, struct refusal *refusal);
int refuse_corrupt(struct refusal *refusal, const char *path, const char *format, ...) _printf_(3, 4);

/* statements.c */
int statements_prepare(struct sqlite_store *s, struct refusal *refusal);
void statements_finalize(struct sqlite_store *s);
/* Steps a statement without parameters to its end; SQLite's result code. */
int statement_step(struct sqlite_store *s, enum statement statement);
void finalize_statement(sqlite3_stmt **stmt);
#define _cleanup_statement_ _cleanup_(finalize_statement)

/* One run of a statement: its parameters in order, each checked, then call_run(). */
struct call {
        struct sqlite_store *s;
        sqlite3_stmt *stmt;
        int n;
        int r;
};

struct call call_to(struct sqlite_store *s, enum statement statement);
void call_int(struct call *c, int64_t value);
void call_null(struct call *c);
void call_text(struct call *c, const char *value); /* NULL is SQL's; has to live until call_run() */
void call_blob(struct call *c, const void *data, size_t size); /* none is SQL's NULL; as above */
/* changes: how many rows have to have changed, -1: any */
int call_run(struct call *c, int changes, const char *doing, struct refusal *refusal);

/* log.c: the write-ahead log, and the read transaction that is held over many commits */
int keeper_hold(struct sqlite_store *s);
void keeper_release(struct sqlite_store *s);
void log_watch(struct sqlite_store *s);
int log_fold(struct sqlite_store *s); /* SQLite's result code; a reader in the way is no failure */
void log_clean(struct sqlite_store *s);
int store_checkpoint(struct store *s, struct refusal *refusal);

/* A column of the current row; false: no such number. */
static inline bool column_u32(sqlite3_stmt *stmt, int column, uint32_t *ret) {
        int64_t value = sqlite3_column_int64(stmt, column);

        if (value < 0 || value > UINT32_MAX)
                return false;
        *ret = (uint32_t) value;
        return true;
}

static inline const char *column_text(sqlite3_stmt *stmt, int column) {
        return (const char *) sqlite3_column_text(stmt, column);
}

/* load-attachments.c: when all rows have been read */
int load_attachments(struct sqlite_store *s, const struct store_loader *loader, struct refusal *refusal);

/* tenants.c */
int store_tenant_set(struct store *store, const struct store_tenant *t, struct refusal *refusal);
int store_tenant_remove(struct store *store, const char *address, struct refusal *refusal);
int load_tenants(struct sqlite_store *s, const struct store_loader *loader, struct refusal *refusal);

/* rows.c, consumers.c, attachments.c, history.c, load.c, remap.c: the operations */
int store_need_transaction(struct sqlite_store *s, const char *doing, struct refusal *refusal);
int store_consumer_add(struct store *s, const struct consumer *c, struct refusal *refusal);
int store_consumer_update(struct store *s, const struct consumer *c, struct refusal *refusal);
int store_device_update(struct store *store, const struct consumer *c, size_t n, struct refusal *refusal);
int store_consumer_remove(struct store *s, uint64_t id, struct refusal *refusal);
int store_row_add(struct store *s, const struct row *row, const void *private_data, struct refusal *refusal);
int store_row_update(struct store *s, const struct row *row, struct refusal *refusal);
int store_row_set_private(struct store *s, const struct row *row, const void *data, struct refusal *refusal);
int store_row_remove(struct store *s, const struct row *row, struct refusal *refusal);
int store_row_get_private(struct store *s, const struct row *row, void **ret, struct refusal *refusal);
int store_attachment_add(struct store *s, const struct store_attachment *a, struct refusal *refusal);
int store_attachment_remove(struct store *s, uint64_t consumer, uint32_t pasid, struct refusal *refusal);
int store_mapping_add(struct store *s, const struct store_mapping *m, struct refusal *refusal);
int store_mapping_remove(struct store *s, uint64_t consumer, uint32_t pasid, uint64_t iova, struct refusal *refusal);
int store_forget_kernel(struct store *s, struct refusal *refusal);
int store_history_add(struct store *s, const struct store_history *h, uint32_t per_pasid, struct refusal *refusal);
int store_history_trim(struct store *s, uint32_t entries, struct refusal *refusal);
int store_history_read(struct store *s, uint32_t pasid, uint32_t max, store_history_cb callback, void *userdata,
                       struct refusal *refusal);
int store_load(struct store *s, const struct store_loader *loader, struct refusal *refusal);
int store_enter_boot(struct store *s, struct refusal *refusal);
int store_remap_spaces(struct store *s, const struct space_map *maps, size_t n, struct refusal *refusal);

/* probe.c */
int probe_remember(struct sqlite_store *s, struct refusal *refusal);
int store_probe(struct store *s, struct refusal *refusal);

/* store.c */
extern const struct store_ops sqlite_store_ops;
