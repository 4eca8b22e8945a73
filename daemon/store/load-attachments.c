/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads what is attached and mapped, and believes none of it unseen: each
 * attachment needs its number in state attached, and devices of the number's
 * consumer, and each mapping its attachment. The rows have been read before.
 */
#include <string.h>

#include "store/sqlite-store.h"

/* The state of the one row that may have one, which is in the consumer's home space. */
static const char attachments_sql[] =
        "SELECT a.consumer, a.pasid, a.ioas, m.state FROM attachment AS a "
        "LEFT JOIN consumer AS c ON c.id = a.consumer "
        "LEFT JOIN pasid AS m ON m.key = (c.home + 1) * 1048576 + a.pasid AND m.consumer = a.consumer "
        "ORDER BY a.consumer, a.pasid";

static const char devices_sql[] =
        "SELECT consumer, pasid, address, device_id, hwpt, EXISTS (SELECT 1 FROM consumer_device AS c "
        "  WHERE c.consumer = d.consumer AND c.address = d.address) "
        "FROM attachment_device AS d WHERE consumer = ? AND pasid = ? ORDER BY address";

static const char stray_devices_sql[] =
        "SELECT consumer, pasid FROM attachment_device AS d WHERE NOT EXISTS (SELECT 1 FROM attachment AS a "
        "  WHERE a.consumer = d.consumer AND a.pasid = d.pasid) LIMIT 1";

/* By address as it is without a sign. */
static const char mappings_sql[] =
        "SELECT m.consumer, m.pasid, m.iova, m.length, m.flags, a.ioas IS NOT NULL FROM mapping AS m "
        "LEFT JOIN attachment AS a ON a.consumer = m.consumer AND a.pasid = m.pasid "
        "ORDER BY m.consumer, m.pasid, m.iova < 0, m.iova";

struct reading {
        struct sqlite_store *s;
        const struct store_loader *loader;
        struct refusal *refusal;
        struct store_attachment_device *devices; /* of the attachment being read; strings are owned */
        size_t n_devices, size_devices;
};

static void forget_devices(struct reading *reading) {
        while (reading->n_devices > 0)
                free((char *) reading->devices[--reading->n_devices].address);
}

static void reading_done(struct reading *reading) {
        forget_devices(reading);
        free(reading->devices);
}

static int refuse_sqlite(struct reading *reading, int r) {
        return refuse_opening(reading->refusal, reading->s->db, r, reading->s->path, "loading the attachments");
}

/* Of the statement's current row, which begins with the consumer and the number. */
static int refuse_row(struct reading *reading, sqlite3_stmt *stmt, const char *what) {
        return refuse_corrupt(reading->refusal, reading->s->path, "PASID %lld of consumer %lld %s",
                              (long long) sqlite3_column_int64(stmt, 1), (long long) sqlite3_column_int64(stmt, 0), what);
}

static int read_device(struct reading *reading, sqlite3_stmt *stmt) {
        struct store_attachment_device device = {};
        const char *address = column_text(stmt, 2);

        if (!address || !column_u32(stmt, 3, &device.device_id) || !column_u32(stmt, 4, &device.hwpt))
                return refuse_row(reading, stmt, "has an attachment that makes no sense");
        if (!sqlite3_column_int(stmt, 5))
                return refuse_row(reading, stmt, "is attached on a device that is none of the consumer's");
        if (reading->n_devices == reading->size_devices) {
                size_t size = reading->size_devices * 2 + 8;
                void *grown = reallocarray(reading->devices, size, sizeof(device));

                if (!grown)
                        return refuse_sqlite(reading, SQLITE_NOMEM);
                reading->devices = grown;
                reading->size_devices = size;
        }
        device.address = strdup(address);
        if (!device.address)
                return refuse_sqlite(reading, SQLITE_NOMEM);
        reading->devices[reading->n_devices++] = device;
        return 0;
}

static int read_devices(struct reading *reading, sqlite3_stmt *stmt, uint64_t consumer, uint32_t pasid) {
        int r;

        forget_devices(reading);
        r = sqlite3_bind_int64(stmt, 1, (int64_t) consumer);
        if (r == SQLITE_OK)
                r = sqlite3_bind_int64(stmt, 2, pasid);
        if (r == SQLITE_OK)
                while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
                        r = read_device(reading, stmt);
                        if (r < 0)
                                break;
                }
        if (r >= 0 && r != SQLITE_DONE)
                r = refuse_sqlite(reading, r);
        (void) sqlite3_reset(stmt);
        return r < 0 ? r : 0;
}

static int read_attachment(struct reading *reading, sqlite3_stmt *stmt, sqlite3_stmt *devices) {
        struct store_attachment a = { .consumer = (uint64_t) sqlite3_column_int64(stmt, 0) };
        const char *state = column_text(stmt, 3);
        int r;

        /* So it is in a row that was read, and with it the consumer's and the number's range are right. */
        if (!state || row_state_from_string(state) != ROW_ATTACHED)
                return refuse_row(reading, stmt, "has an attachment, and is not in state attached");
        if (!column_u32(stmt, 1, &a.pasid) || !column_u32(stmt, 2, &a.ioas))
                return refuse_row(reading, stmt, "has an attachment that makes no sense");
        r = read_devices(reading, devices, a.consumer, a.pasid);
        if (r < 0)
                return r;
        if (reading->n_devices == 0)
                return refuse_row(reading, stmt, "has an attachment on no device");
        a.devices = reading->devices;
        a.n_devices = reading->n_devices;
        return reading->loader->attachment ? reading->loader->attachment(&a, reading->loader->userdata) : 0;
}

static int read_attachments(struct reading *reading) {
        _cleanup_statement_ sqlite3_stmt *stmt = NULL, *devices = NULL, *stray = NULL;
        int r;

        r = sqlite3_prepare_v2(reading->s->db, attachments_sql, -1, &stmt, NULL);
        if (r == SQLITE_OK)
                r = sqlite3_prepare_v2(reading->s->db, devices_sql, -1, &devices, NULL);
        if (r == SQLITE_OK)
                r = sqlite3_prepare_v2(reading->s->db, stray_devices_sql, -1, &stray, NULL);
        if (r == SQLITE_OK)
                while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
                        r = read_attachment(reading, stmt, devices);
                        if (r < 0)
                                return r;
                }
        if (r == SQLITE_DONE)
                r = sqlite3_step(stray);
        if (r == SQLITE_ROW)
                return refuse_row(reading, stray, "has a device, and is not attached");
        return r == SQLITE_DONE ? 0 : refuse_sqlite(reading, r);
}

static uint64_t last_byte(const struct store_mapping *m) {
        return m->iova + (m->length - 1);
}

static int read_mapping(struct reading *reading, sqlite3_stmt *stmt, struct store_mapping *last) {
        struct store_mapping m = {
                .consumer = (uint64_t) sqlite3_column_int64(stmt, 0),
                .iova = (uint64_t) sqlite3_column_int64(stmt, 2),
                .length = (uint64_t) sqlite3_column_int64(stmt, 3),
        };

        if (!sqlite3_column_int(stmt, 5))
                return refuse_row(reading, stmt, "has memory mapped, and is not attached");
        if (!column_u32(stmt, 1, &m.pasid) || !column_u32(stmt, 4, &m.flags) || m.length == 0 || last_byte(&m) < m.iova)
                return refuse_row(reading, stmt, "has memory mapped that makes no sense");
        if (last->length > 0 && last->consumer == m.consumer && last->pasid == m.pasid && last_byte(last) >= m.iova)
                return refuse_row(reading, stmt, "has memory mapped twice at one address");
        *last = m;
        return reading->loader->mapping ? reading->loader->mapping(&m, reading->loader->userdata) : 0;
}

static int read_mappings(struct reading *reading) {
        _cleanup_statement_ sqlite3_stmt *stmt = NULL;
        struct store_mapping last = {};
        int r;

        r = sqlite3_prepare_v2(reading->s->db, mappings_sql, -1, &stmt, NULL);
        if (r == SQLITE_OK)
                while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
                        r = read_mapping(reading, stmt, &last);
                        if (r < 0)
                                return r;
                }
        return r == SQLITE_DONE ? 0 : refuse_sqlite(reading, r);
}

int load_attachments(struct sqlite_store *s, const struct store_loader *loader, struct refusal *refusal) {
        _cleanup_(reading_done) struct reading reading = { .s = s, .loader = loader, .refusal = refusal };
        int r;

        r = read_attachments(&reading);
        return r < 0 ? r : read_mappings(&reading);
}
