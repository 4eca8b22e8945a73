/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of consumers and PASIDs in a SQLite file, and of what pasidd has
 * attached and mapped for them in the kernel. One type, two files:
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
        uint64_t freed_usec; /* of a live row its held_usec, or 0 */
        uint16_t private_bytes;
        const char *token; /* NULL: none */
};

/* What pasidd has made in the kernel for one number: object ids are those of its iommufd. */
struct store_attachment_device {
        const char *address;
        uint32_t device_id; /* the device, bound */
        uint32_t hwpt;      /* the page table that the number is attached to on it */
};

struct store_attachment {
        uint64_t consumer; /* id */
        uint32_t pasid;
        uint32_t ioas;
        const struct store_attachment_device *devices; /* one at least, each address once */
        size_t n_devices;
};

/* One piece of memory in the attachment's IOAS. */
struct store_mapping {
        uint64_t consumer; /* id */
        uint32_t pasid;
        uint64_t iova, length; /* bytes */
        uint32_t flags;        /* of Map */
};

/* That a device was given to somebody who attaches by himself. Strings live until the callback returns. */
struct store_tenant {
        const char *address;
        uint64_t consumer; /* id, of a consumer of either table; 0: the holder's */
        const char *holder; /* as of connection holds */
};

/* That somebody held the numbers first..last, and does so no more. Strings live until the callback returns. */
struct store_history {
        uint32_t first, last;
        uid_t uid;
        const char *consumer; /* its name */
        const char *devices;  /* addresses, with blanks between them; "" for none */
        uint64_t since_usec, until_usec; /* CLOCK_REALTIME */
        const char *reason;
};
/* Returns 0 or a negative errno, which ends the reading and is returned by it. */
typedef int (*store_history_cb)(const struct store_history *h, void *userdata);

/* Callbacks return 0 or a negative errno, which ends the loading and is returned by it. */
struct store_loader {
        /* With spec->devices filled from the table: the address, the space as it was, and the ids, if it has them. */
        int (*consumer)(const struct consumer_spec *spec, void *userdata);
        int (*row)(const struct store_row *row, void *userdata); /* NULL: only consumers are read */
        /* After all rows; NULL: not wanted. Attachments by consumer and number, then mappings, by address as well. */
        int (*attachment)(const struct store_attachment *a, void *userdata);
        int (*mapping)(const struct store_mapping *m, void *userdata);
        int (*tenant)(const struct store_tenant *t, void *userdata); /* after those, by address; NULL: not wanted */
        void *userdata;
};

/* Spaces are IOMMU groups, which a reboot may number anew. */
struct space_map {
        int32_t from, to; /* from: each once; to: each once */
};

/*
 * Each returns 0, -EFBIG (StorageFull), -EIO (StorageFailed) or -ENOMEM, with
 * the text in refusal. A refused one may have done a part of its work: go back to the
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
        int (*consumer_update)(struct store *s, const struct consumer *c, struct refusal *refusal); /* ended, holder, uid */
        int (*device_update)(struct store *s, const struct consumer *c, size_t n, struct refusal *refusal); /* the n-th's ids */
        /* Its rows are gone already; with attachments it is refused. */
        int (*consumer_remove)(struct store *s, uint64_t id, struct refusal *refusal);
        int (*row_add)(struct store *s, const struct row *row, const void *private_data, struct refusal *refusal);
        /* State and times; a token or private data that the row has no more is forgotten. */
        int (*row_update)(struct store *s, const struct row *row, struct refusal *refusal);
        int (*row_set_private)(struct store *s, const struct row *row, const void *data, struct refusal *refusal);
        int (*row_remove)(struct store *s, const struct row *row, struct refusal *refusal);
        /* *ret is the caller's to free(); row->private_bytes long, NULL when that is 0. */
        int (*row_get_private)(struct store *s, const struct row *row, void **ret, struct refusal *refusal);

        /*
         * A number with an attachment is in state attached, and has to lose the
         * attachment in the transaction in which it loses the state: nothing
         * looks for that when a row changes, and the next load refuses the table.
         */
        int (*attachment_add)(struct store *s, const struct store_attachment *a, struct refusal *refusal);
        /* With its devices and mappings. */
        int (*attachment_remove)(struct store *s, uint64_t consumer, uint32_t pasid, struct refusal *refusal);
        /* Of an attachment that is there: the same goes for it as for a number's state. */
        int (*mapping_add)(struct store *s, const struct store_mapping *m, struct refusal *refusal);
        int (*mapping_remove)(struct store *s, uint64_t consumer, uint32_t pasid, uint64_t iova,
                              struct refusal *refusal);
        /* The kernel's objects are gone: so are all attachments and mappings. The rows' states are the caller's. */
        int (*forget_kernel)(struct store *s, struct refusal *refusal);

        /* In place of the one that the device has, if any. */
        int (*tenant_set)(struct store *s, const struct store_tenant *t, struct refusal *refusal);
        int (*tenant_remove)(struct store *s, const char *address, struct refusal *refusal);

        /* Of the same numbers, the youngest per_pasid are kept. */
        int (*history_add)(struct store *s, const struct store_history *h, uint32_t per_pasid, struct refusal *refusal);
        /* The youngest entries are kept, so many at most. */
        int (*history_trim)(struct store *s, uint32_t entries, struct refusal *refusal);
        /* Those of a number, the youngest first. */
        int (*history_read)(struct store *s, uint32_t pasid, uint32_t max, store_history_cb callback, void *userdata,
                            struct refusal *refusal);

        /* All rows and devices of each space `from` are those of `to` from now on; in a transaction of its own. */
        int (*remap_spaces)(struct store *s, const struct space_map *maps, size_t n, struct refusal *refusal);
        /*
         * Consumers by ascending id, then rows by space, then attachments and
         * mappings. -EBADMSG for a table that contradicts itself, and -ENOMEM.
         */
        int (*load)(struct store *s, const struct store_loader *loader, struct refusal *refusal);
        /*
         * A durable table of another boot is of this one from the commit on. Last of
         * what a start does with it: until then each start begins anew.
         */
        int (*enter_boot)(struct store *s, struct refusal *refusal);
        /* To be called when idle: empties the write-ahead log, which else waits until it has some 2000 pages. */
        int (*checkpoint)(struct store *s, struct refusal *refusal);
        /* With no transaction open: whether one could be, and the table's file is still where it was. -EIO, -ENOMEM */
        int (*probe)(struct store *s, struct refusal *refusal);
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
 * durable one stays of that boot until enter_boot, but what was attached and
 * mapped in it is gone at once.
 */
int store_open(const struct store_params *params, struct store **ret, bool *ret_other_boot, struct refusal *refusal);
