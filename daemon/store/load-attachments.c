/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads what is attached and mapped, and believes none of it unseen: each
 * attachment needs its number in state attached, and devices of the number's
 * consumer, and each mapping its attachment. The rows have been read before.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite-store.h"

/* The state of the one row that may have one, which is in the consumer's home space. */
static const char attachments_sql[] =
        "SELECT a.consumer, a.pasid, a.ioas, m.state, a.devices FROM attachment AS a "
        "LEFT JOIN consumer AS c ON c.id = a.consumer "
        "LEFT JOIN pasid AS m ON m.key = (c.home + 1) * 1048576 + a.pasid AND m.consumer = a.consumer "
        "ORDER BY a.consumer, a.pasid";

static const char device_sql[] = "SELECT 1 FROM consumer_device WHERE consumer = ? AND address = ?";

/* By address as it is without a sign. */
static const char mappings_sql[] =
        "SELECT m.consumer, m.pasid, m.iova, m.length, m.flags, a.ioas IS NOT NULL FROM mapping AS m "
        "LEFT JOIN attachment AS a ON a.consumer = m.consumer AND a.pasid = m.pasid "
        "ORDER BY m.consumer, m.pasid, m.iova < 0, m.iova";

struct reading {
        struct sqlite_store *s;
        const struct store_loader *loader;
        struct refusal *refusal;
        char *text; /* of the attachment being read; its devices' addresses are in it */
        struct store_attachment_device *devices;
        size_t n_devices, size_devices;
};

static void reading_done(struct reading *reading) {
        free(reading->text);
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

/* Digits after that word, to the end of the text or of the number: what comes then is at *text. */
static bool take_number(char **text, const char *word, uint32_t *ret) {
        size_t n = strlen(word);
        unsigned long long number;
        char *end;

        if (strncmp(*text, word, n) != 0 || !isdigit((unsigned char) (*text)[n]))
                return false;
        errno = 0;
        number = strtoull(*text + n, &end, 10);
        if (errno != 0 || number > UINT32_MAX)
                return false;
        *text = end;
        *ret = (uint32_t) number;
        return true;
}

static bool parse_device(char *text, struct store_attachment_device *ret) {
        char *end = strchr(text, ' '), *rest = end;

        if (!end || end == text || !take_number(&rest, ATTACHMENT_DEVICE, &ret->device_id) ||
            !take_number(&rest, ATTACHMENT_HWPT, &ret->hwpt) || *rest != '\0')
                return false;
        *end = '\0';
        ret->address = text;
        return true;
}

static int enter_device(struct reading *reading, const struct store_attachment_device *device) {
        if (reading->n_devices == reading->size_devices) {
                size_t size = reading->size_devices * 2 + 8;
                void *grown = reallocarray(reading->devices, size, sizeof(*device));

                if (!grown)
                        return refuse_sqlite(reading, SQLITE_NOMEM);
                reading->devices = grown;
                reading->size_devices = size;
        }
        reading->devices[reading->n_devices++] = *device;
        return 0;
}

/* owned: whether a device is one of the number's consumer. */
static int read_device(struct reading *reading, sqlite3_stmt *stmt, sqlite3_stmt *owned, char *text) {
        struct store_attachment_device device;
        int r;

        if (!parse_device(text, &device))
                return refuse_row(reading, stmt, "has an attachment that makes no sense");
        for (size_t i = 0; i < reading->n_devices; i++)
                if (strcmp(reading->devices[i].address, device.address) == 0)
                        return refuse_row(reading, stmt, "is attached twice on one device");
        r = sqlite3_bind_int64(owned, 1, sqlite3_column_int64(stmt, 0));
        if (r == SQLITE_OK)
                r = sqlite3_bind_text(owned, 2, device.address, -1, SQLITE_STATIC);
        if (r == SQLITE_OK)
                r = sqlite3_step(owned);
        (void) sqlite3_reset(owned);
        if (r == SQLITE_DONE)
                return refuse_row(reading, stmt, "is attached on a device that is none of the consumer's");
        return r == SQLITE_ROW ? enter_device(reading, &device) : refuse_sqlite(reading, r);
}

static int read_devices(struct reading *reading, sqlite3_stmt *stmt, sqlite3_stmt *owned) {
        const char *text = column_text(stmt, 4);
        int r = 0;

        reading->n_devices = 0;
        free(reading->text);
        reading->text = text ? strdup(text) : NULL;
        if (!reading->text)
                return text ? refuse_sqlite(reading, SQLITE_NOMEM) :
                        refuse_row(reading, stmt, "has an attachment that makes no sense");
        for (char *next = reading->text, *comma; r >= 0 && next && *next != '\0'; next = comma ? comma + 2 : NULL) {
                comma = strstr(next, ", ");
                if (comma)
                        *comma = '\0';
                r = read_device(reading, stmt, owned, next);
        }
        return r;
}

static int read_attachment(struct reading *reading, sqlite3_stmt *stmt, sqlite3_stmt *owned) {
        struct store_attachment a = { .consumer = (uint64_t) sqlite3_column_int64(stmt, 0) };
        const char *state = column_text(stmt, 3);
        int r;

        /* So it is in a row that was read, and with it the consumer's and the number's range are right. */
        if (!state || row_state_from_string(state) != ROW_ATTACHED)
                return refuse_row(reading, stmt, "has an attachment, and is not in state attached");
        if (!column_u32(stmt, 1, &a.pasid) || !column_u32(stmt, 2, &a.ioas))
                return refuse_row(reading, stmt, "has an attachment that makes no sense");
        r = read_devices(reading, stmt, owned);
        if (r < 0)
                return r;
        if (reading->n_devices == 0)
                return refuse_row(reading, stmt, "has an attachment on no device");
        a.devices = reading->devices;
        a.n_devices = reading->n_devices;
        return reading->loader->attachment ? reading->loader->attachment(&a, reading->loader->userdata) : 0;
}

static int read_attachments(struct reading *reading) {
        _cleanup_statement_ sqlite3_stmt *stmt = NULL, *owned = NULL;
        int r;

        r = sqlite3_prepare_v2(reading->s->db, attachments_sql, -1, &stmt, NULL);
        if (r == SQLITE_OK)
                r = sqlite3_prepare_v2(reading->s->db, device_sql, -1, &owned, NULL);
        if (r == SQLITE_OK)
                while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
                        r = read_attachment(reading, stmt, owned);
                        if (r < 0)
                                return r;
                }
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
