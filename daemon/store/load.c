/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a whole table, and believes none of it unseen: each row needs its
 * consumer, and each claim the row that it stands for. Private data is not
 * read, only measured.
 */
#include <limits.h>
#include <string.h>

#include "store/sqlite-store.h"

/* The numbers of one consumer in one space; all of a consumer's have to be alike. Ascending by consumer, then space. */
struct tally {
        uint64_t consumer;
        int32_t space;
        uint32_t n;
        uint64_t digest;
};

struct reading {
        struct sqlite_store *s;
        const struct store_loader *loader;
        struct tally *tallies;
        size_t n_tallies, size_tallies;
        struct consumer_device *devices; /* of the consumer being read */
        size_t n_devices, size_devices;
};

static void reading_done(struct reading *reading) {
        free(reading->tallies);
        free(reading->devices);
}

/* Room for one more. */
static int grow(void **array, size_t *size, size_t n, size_t item) {
        void *grown;

        if (n < *size)
                return 0;
        grown = reallocarray(*array, *size * 2 + 8, item);
        if (!grown)
                return -ENOMEM;
        *array = grown;
        *size = *size * 2 + 8;
        return 0;
}

static int compare_tallies(const void *a, const void *b) {
        const struct tally *x = a, *y = b;

        if (x->consumer != y->consumer)
                return x->consumer < y->consumer ? -1 : 1;
        return x->space < y->space ? -1 : x->space > y->space;
}

static bool column_u64(sqlite3_stmt *stmt, int column, uint64_t *ret) {
        int64_t value = sqlite3_column_int64(stmt, column);

        *ret = (uint64_t) value;
        return value >= 0;
}

/* Of a row that SQLite says is there. */
static int refuse_consumer(struct reading *reading, uint64_t id, struct refusal *refusal) {
        return refuse_corrupt(refusal, reading->s->path, "consumer %llu makes no sense", (unsigned long long) id);
}

static int read_device(struct reading *reading, sqlite3_stmt *stmt, uint64_t consumer, struct refusal *refusal) {
        const char *address = column_text(stmt, 0);
        int64_t space = sqlite3_column_int64(stmt, 1);
        struct consumer_device device = { .space = (int32_t) space };
        uint32_t vendor, id;

        if (!address || strlen(address) >= sizeof(device.address) || space < 0 || space > INT32_MAX ||
            !column_u32(stmt, 2, &device.max_pasid) || !column_u32(stmt, 3, &vendor) || vendor > UINT16_MAX ||
            !column_u32(stmt, 4, &id) || id > UINT16_MAX)
                return refuse_consumer(reading, consumer, refusal);
        device.vendor = (uint16_t) vendor;
        device.device = (uint16_t) id;
        strcpy(device.address, address);
        if (grow((void **) &reading->devices, &reading->size_devices, reading->n_devices, sizeof(device)) < 0)
                return refuse_errno(refusal, ENOMEM, reading->s->path, "loading it");
        reading->devices[reading->n_devices++] = device;
        return 0;
}

static int read_devices(struct reading *reading, sqlite3_stmt *stmt, uint64_t consumer, struct refusal *refusal) {
        int r;

        reading->n_devices = 0;
        r = sqlite3_bind_int64(stmt, 1, (int64_t) consumer);
        if (r == SQLITE_OK)
                while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
                        r = read_device(reading, stmt, consumer, refusal);
                        if (r < 0)
                                break;
                }
        if (r >= 0 && r != SQLITE_DONE)
                r = refuse_opening(refusal, reading->s->db, r, reading->s->path, "loading the devices");
        (void) sqlite3_reset(stmt);
        return r < 0 ? r : 0;
}

static int open_tally(struct reading *reading, uint64_t consumer, int32_t space, struct refusal *refusal) {
        if (grow((void **) &reading->tallies, &reading->size_tallies, reading->n_tallies, sizeof(struct tally)) < 0)
                return refuse_errno(refusal, ENOMEM, reading->s->path, "loading it");
        reading->tallies[reading->n_tallies++] = (struct tally) { .consumer = consumer, .space = space };
        return 0;
}

/* One for each space, ascending; the first is the home. */
static int open_tallies(struct reading *reading, uint64_t consumer, int32_t home, struct refusal *refusal) {
        int64_t last = SPACE_HOST;
        int r;

        if (reading->n_devices == 0) {
                if (home != SPACE_HOST)
                        return refuse_consumer(reading, consumer, refusal);
                return open_tally(reading, consumer, SPACE_HOST, refusal);
        }
        for (;;) {
                int64_t next = INT64_MAX;

                for (size_t i = 0; i < reading->n_devices; i++)
                        if (reading->devices[i].space > last && reading->devices[i].space < next)
                                next = reading->devices[i].space;
                if (next == INT64_MAX)
                        return 0;
                if (last == SPACE_HOST && next != home)
                        return refuse_consumer(reading, consumer, refusal);
                r = open_tally(reading, consumer, (int32_t) next, refusal);
                if (r < 0)
                        return r;
                last = next;
        }
}

static int read_consumer(struct reading *reading, sqlite3_stmt *stmt, sqlite3_stmt *devices, struct refusal *refusal) {
        struct consumer_spec spec = {
                .id = (uint64_t) sqlite3_column_int64(stmt, 0),
                .name = column_text(stmt, 2),
                .holder = column_text(stmt, 7),
                .ended = sqlite3_column_int64(stmt, 10) != 0,
        };
        int hold = hold_kind_from_string(column_text(stmt, 6));
        int mode = consumer_mode_from_string(column_text(stmt, 8));
        int64_t home = sqlite3_column_int64(stmt, 11);
        int r;

        if (spec.id == 0 || spec.id > INT64_MAX || !spec.name || !spec.holder || hold < 0 || mode < 0 ||
            home < SPACE_HOST || home > INT32_MAX || !column_u32(stmt, 1, &spec.uid) || !column_u32(stmt, 3, &spec.min) ||
            !column_u32(stmt, 4, &spec.max) || !column_u32(stmt, 5, &spec.quota) || !column_u64(stmt, 9, &spec.since_usec))
                return refuse_consumer(reading, spec.id, refusal);
        spec.hold = (enum hold_kind) hold;
        spec.mode = (enum consumer_mode) mode;

        r = read_devices(reading, devices, spec.id, refusal);
        if (r < 0)
                return r;
        r = open_tallies(reading, spec.id, (int32_t) home, refusal);
        if (r < 0)
                return r;
        spec.devices = reading->devices;
        spec.n_devices = reading->n_devices;
        return reading->loader->consumer(&spec, reading->loader->userdata);
}

static int read_consumers(struct reading *reading, struct refusal *refusal) {
        _cleanup_statement_ sqlite3_stmt *stmt = NULL, *devices = NULL;
        int r;

        r = sqlite3_prepare_v2(reading->s->db,
                               "SELECT id, uid, name, min, max, quota, hold, holder, mode, since, ended, home FROM consumer "
                               "ORDER BY id", -1, &stmt, NULL);
        if (r == SQLITE_OK)
                r = sqlite3_prepare_v2(reading->s->db,
                                       "SELECT address, space, max_pasid, vendor, device FROM consumer_device "
                                       "WHERE consumer = ? ORDER BY n", -1, &devices, NULL);
        if (r == SQLITE_OK)
                while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
                        r = read_consumer(reading, stmt, devices, refusal);
                        if (r < 0)
                                return r;
                }
        return r == SQLITE_DONE ? 0 : refuse_opening(refusal, reading->s->db, r, reading->s->path, "loading the consumers");
}

/* Spreads a number over 64 bits, so that sums of different sets differ. */
static uint64_t digest(uint32_t pasid) {
        uint64_t x = (pasid + 1) * UINT64_C(0x9e3779b97f4a7c15);

        return (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
}

/* NULL: the space is none of the consumer's, or there is no such consumer. last: of the row before. */
static struct tally *find_tally(const struct reading *reading, struct tally *last, uint64_t consumer, int32_t space) {
        const struct tally key = { .consumer = consumer, .space = space };

        if (last && last->consumer == consumer && last->space == space)
                return last;
        if (reading->n_tallies == 0)
                return NULL; /* bsearch() takes no NULL, not even of nothing */
        return bsearch(&key, reading->tallies, reading->n_tallies, sizeof(key), compare_tallies);
}

static bool is_home(const struct reading *reading, const struct tally *tally) {
        return tally == reading->tallies || tally[-1].consumer != tally->consumer;
}

static int read_row(struct reading *reading, sqlite3_stmt *stmt, struct tally **last, struct refusal *refusal) {
        int64_t key = sqlite3_column_int64(stmt, 0);
        struct store_row row = { .consumer = (uint64_t) sqlite3_column_int64(stmt, 1), .pasid = key_pasid(key) };
        const char *state = column_text(stmt, 4);
        int64_t bytes = sqlite3_column_int64(stmt, 6);
        uint64_t freed, held;
        struct tally *tally;
        int found;

        if (key < NUMBER_MIN || key >> NUMBER_BITS > (int64_t) INT32_MAX + 1 || row.pasid < NUMBER_MIN)
                return refuse_corrupt(refusal, reading->s->path, "row %lld is no PASID", (long long) key);
        tally = find_tally(reading, *last, row.consumer, key_space(key));
        if (!tally)
                return refuse_corrupt(refusal, reading->s->path, "PASID %u of space %d has no consumer there", row.pasid,
                                      key_space(key));
        *last = tally;
        tally->n++;
        tally->digest += digest(row.pasid);
        if (is_home(reading, tally) != (state != NULL))
                return refuse_corrupt(refusal, reading->s->path, "PASID %u of space %d is not where it belongs", row.pasid,
                                      key_space(key));
        if (!state)
                return 0;

        found = row_state_from_string(state);
        row.token = column_text(stmt, 5);
        if (found < 0 || bytes < 0 || bytes > PRIVATE_MAX || (row.token && strlen(row.token) > TOKEN_LEN_MAX) ||
            !column_u64(stmt, 2, &row.since_usec) || !column_u64(stmt, 3, &freed) || !column_u64(stmt, 7, &held))
                return refuse_corrupt(refusal, reading->s->path, "PASID %u of space %d makes no sense", row.pasid,
                                      key_space(key));
        row.state = (enum row_state) found;
        row.freed_usec = row.state == ROW_COOLING ? freed : held;
        row.private_bytes = (uint16_t) bytes;
        return reading->loader->row(&row, reading->loader->userdata);
}

static int read_rows(struct reading *reading, struct refusal *refusal) {
        _cleanup_statement_ sqlite3_stmt *stmt = NULL;
        struct tally *last = NULL;
        int r;

        r = sqlite3_prepare_v2(reading->s->db,
                               "SELECT key, consumer, since, freed, state, token, length(private), held FROM pasid "
                               "ORDER BY key", -1, &stmt, NULL);
        if (r == SQLITE_OK)
                while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
                        r = read_row(reading, stmt, &last, refusal);
                        if (r < 0)
                                return r;
                }
        return r == SQLITE_DONE ? 0 : refuse_opening(refusal, reading->s->db, r, reading->s->path, "loading the PASIDs");
}

static int compare_claims(const struct reading *reading, struct refusal *refusal) {
        const struct tally *home = NULL;

        for (size_t i = 0; i < reading->n_tallies; i++) {
                const struct tally *tally = &reading->tallies[i];

                if (is_home(reading, tally))
                        home = tally;
                else if (tally->n != home->n || tally->digest != home->digest)
                        return refuse_corrupt(refusal, reading->s->path,
                                              "consumer %llu has other PASIDs in space %d than in space %d",
                                              (unsigned long long) tally->consumer, tally->space, home->space);
        }
        return 0;
}

int store_load(struct store *store, const struct store_loader *loader, struct refusal *refusal) {
        _cleanup_(reading_done) struct reading reading = { .s = sqlite_store(store), .loader = loader };
        int r;

        r = read_consumers(&reading, refusal);
        if (r < 0 || !loader->row)
                return r;
        r = read_rows(&reading, refusal);
        if (r < 0)
                return r;
        r = compare_claims(&reading, refusal);
        if (r < 0)
                return r;
        r = load_attachments(reading.s, loader, refusal);
        return r < 0 ? r : load_tenants(reading.s, loader, refusal);
}
