/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of consumers and PASIDs in a SQLite file. One type, two files:
 * the boot's table (tmpfs) and the persistent one (durable). Called through a
 * small table of operations, so that a test can refuse any step.
 *
 * A store has at most one transaction open; requests inside it are walled off
 * by savepoints. One thread, one writer: the file is locked against a second
 * daemon for as long as the store is open. Readers (sqlite3) are welcome.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "core/refusal.h"

struct store;

/* What a table holds, as handed to the loader. Strings live until the callback returns. */
struct store_row {
        uint64_t consumer; /* id */
        uint32_t pasid;
        enum row_state state;
        uint64_t since_usec;
        uint64_t freed_usec;
        uint16_t private_bytes;
        const char *token; /* NULL: none */
};

/* Callbacks return 0 or a negative errno, which ends the loading and is returned by it. */
struct store_loader {
        /* With spec->devices filled from the table: the address, and the space as it was. */
        int (*consumer)(const struct consumer_spec *spec, void *userdata);
        int (*row)(const struct store_row *row, void *userdata); /* NULL: only consumers are read */
        void *userdata;
};

/* Spaces are IOMMU groups, which a reboot may number anew. */
struct space_map {
        int32_t from, to; /* from: each once; to: each once */
};

/*
 * Each returns 0, -EFBIG (StorageFull) or -EIO (StorageFailed), with the text
 * in refusal. A refused one may have done a part of its work: go back to the
 * savepoint, or roll back. A refused commit has ended the transaction.
 */
struct store_ops {
        int (*begin)(struct store *s, struct refusal *refusal);
        int (*commit)(struct store *s, struct refusal *refusal);
        void (*rollback)(struct store *s); /* cannot fail in a way that matters: the transaction is gone */
        int (*savepoint)(struct store *s, struct refusal *refusal);
        int (*release)(struct store *s, struct refusal *refusal);
        /* Back to the savepoint, which is gone then. -EIO when SQLite dropped the whole transaction itself. */
        int (*rollback_to)(struct store *s);

        int (*consumer_add)(struct store *s, const struct consumer *c, struct refusal *refusal);
        int (*consumer_update)(struct store *s, const struct consumer *c, struct refusal *refusal); /* ended, holder */
        int (*consumer_remove)(struct store *s, uint64_t id, struct refusal *refusal); /* its rows are gone already */
        int (*row_add)(struct store *s, const struct row *row, const void *private_data, struct refusal *refusal);
        /* State and times; a token or private data that the row has no more is forgotten. */
        int (*row_update)(struct store *s, const struct row *row, struct refusal *refusal);
        int (*row_set_private)(struct store *s, const struct row *row, const void *data, struct refusal *refusal);
        int (*row_remove)(struct store *s, const struct row *row, struct refusal *refusal);
        /* *ret is the caller's to free(); row->private_bytes long, NULL when that is 0. */
        int (*row_get_private)(struct store *s, const struct row *row, void **ret, struct refusal *refusal);

        /* All rows and devices of each space `from` are those of `to` from now on; in a transaction of its own. */
        int (*remap_spaces)(struct store *s, const struct space_map *maps, size_t n, struct refusal *refusal);
        /* Consumers by ascending id, then rows by space. -EBADMSG for a table that contradicts itself, and -ENOMEM. */
        int (*load)(struct store *s, const struct store_loader *loader, struct refusal *refusal);
        /*
         * A durable table of another boot is of this one from the commit on. Last of
         * what a start does with it: until then each start begins anew.
         */
        int (*enter_boot)(struct store *s, struct refusal *refusal);
        /* To be called when idle: empties the write-ahead log, which else waits until it has some 2000 pages. */
        int (*checkpoint)(struct store *s, struct refusal *refusal);
        struct store *(*free)(struct store *s);
};

struct store {
        const struct store_ops *ops;
};

struct store_params {
        const char *directory; /* made (0755) if it is missing; the file in it is pasidd.db, mode 0600: it holds private data */
        bool durable;          /* survives power cuts and reboots; else rows of another boot are dropped at opening */
        const char *boot_id;   /* 32 hex digits */
};

/*
 * Opens or makes the table, checks its application id, schema version and
 * integrity, migrates older schemas. -EIO/-EFBIG as above; -EBUSY: another
 * pasidd has it (its pid in the text); -EBADMSG: corrupt, or no pasidd table;
 * -EPROTONOSUPPORT: a newer schema than this build knows; -EACCES, -EROFS.
 * Whether the table comes from an earlier boot is told by *ret_other_boot; a
 * durable one stays of that boot until enter_boot.
 */
int store_open(const struct store_params *params, struct store **ret, bool *ret_other_boot, struct refusal *refusal);
