/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See the header.
 */
#include "test-store-fixture.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#define DELAY UINT64_C(30000000)

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

void fixture_init(struct fixture *f, bool durable, bool on_tmpfs) {
        const struct core_limits limits = { .pasids_per_uid = NUMBER_MAX, .pasids_per_consumer = NUMBER_MAX,
                                            .consumers_per_uid = 64, .reuse_delay_usec = DELAY };
        const char *tmp = getenv("TMPDIR");

        *f = (struct fixture) { .durable = durable, .boot_id = BOOT_A, .now = { 1000000000, 1000000 } };
        if (!tmp)
                tmp = "/tmp";
        if (on_tmpfs && access("/dev/shm", W_OK) == 0)
                tmp = "/dev/shm";
        (void) snprintf(f->top, sizeof(f->top), "%.64s/test-store-XXXXXX", tmp);
        ck_assert_ptr_nonnull(mkdtemp(f->top));
        (void) snprintf(f->dir, sizeof(f->dir), "%s/dir", f->top);
        ck_assert_int_eq(core_new(&limits, &f->core), 0);
}

void fixture_init_kind(struct fixture *f, int kind) {
        fixture_init(f, kind == 2, kind != 1);
}

void fixture_done(struct fixture *f) {
        fixture_close(f);
        f->core = core_free(f->core);
        ck_assert_int_eq(nftw(f->top, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

unsigned fixture_step_or(unsigned usual) {
        const char *text = getenv("STORE_STEP");
        unsigned long n = text ? strtoul(text, NULL, 10) : usual;

        ck_assert_uint_ge(n, 1);
        return (unsigned) n;
}

unsigned fixture_step(void) {
        return fixture_step_or(1);
}

int fixture_try_open(struct fixture *f) {
        const struct store_params params = { .directory = f->dir, .durable = f->durable, .boot_id = f->boot_id };
        int r;

        ck_assert_ptr_null(f->store);
        f->refusal = (struct refusal) {};
        r = store_open(&params, &f->store, &f->other_boot, &f->refusal);
        if (r < 0) {
                ck_assert_ptr_null(f->store);
                ck_assert_int_eq(f->refusal.code, -r);
        }
        return r;
}

void fixture_open(struct fixture *f) {
        int r = fixture_try_open(f);

        ck_assert_msg(r == 0, "%d: %s", r, f->refusal.text);
}

void fixture_close(struct fixture *f) {
        if (f->store)
                f->store = f->store->ops->free(f->store);
}

const char *fixture_path(const struct fixture *f, const char *name, char buf[static 256]) {
        (void) snprintf(buf, 256, "%s/%s", f->dir, name);
        return buf;
}

void expect_refusal(const struct fixture *f, int r, int code, ...) {
        const char *word;
        va_list ap;

        ck_assert_msg(r == -code, "%d, not -%d: %s", r, code, f->refusal.text);
        va_start(ap, code);
        while ((word = va_arg(ap, const char *)))
                ck_assert_msg(strstr(f->refusal.text, word), "no \"%s\" in \"%s\"", word, f->refusal.text);
        va_end(ap);
}

void begin(struct fixture *f) {
        int r = f->store->ops->begin(f->store, &f->refusal);

        ck_assert_msg(r == 0, "%s", f->refusal.text);
}

void commit(struct fixture *f) {
        int r = f->store->ops->commit(f->store, &f->refusal);

        ck_assert_msg(r == 0, "%s", f->refusal.text);
        core_commit(f->core);
        f->kept = f->written;
}

static int write_change(struct fixture *f, const struct change *change) {
        const struct store_ops *ops = f->store->ops;
        unsigned char data[PRIVATE_MAX];

        if (change->row)
                fill_private(data, change->row->pasid, change->row->private_bytes);
        switch (change->kind) {
        case CHANGE_CONSUMER_ADDED:
                return ops->consumer_add(f->store, change->consumer, &f->refusal);
        case CHANGE_CONSUMER_ENDED:
        case CHANGE_CONSUMER_HOLDER:
        case CHANGE_CONSUMER_OWNER:
                return ops->consumer_update(f->store, change->consumer, &f->refusal);
        case CHANGE_CONSUMER_REMOVED:
                return ops->consumer_remove(f->store, change->consumer->id, &f->refusal);
        case CHANGE_ROW_ADDED:
                return ops->row_add(f->store, change->row, data, &f->refusal);
        case CHANGE_ROW_STATE:
                return ops->row_update(f->store, change->row, &f->refusal);
        case CHANGE_ROW_PRIVATE:
                return ops->row_set_private(f->store, change->row, data, &f->refusal);
        case CHANGE_ROW_REMOVED:
                return ops->row_remove(f->store, change->row, &f->refusal);
        }
        return -EINVAL;
}

int write_changes(struct fixture *f, size_t mark) {
        struct change change;
        int r;

        r = objects_write_gone(f->store, &f->written, &f->objects, &f->refusal);
        for (size_t pos = mark; r >= 0 && core_change_next(f->core, &pos, &change);)
                r = write_change(f, &change);
        if (r >= 0)
                r = objects_write_new(f->store, &f->written, &f->objects, &f->refusal);
        if (r >= 0)
                f->written = f->objects;
        return r;
}

void take_back(struct fixture *f) {
        core_rollback(f->core, 0);
        f->objects = f->written = f->kept;
}

int commit_changes(struct fixture *f) {
        int r = f->store->ops->begin(f->store, &f->refusal);

        if (r >= 0) {
                r = write_changes(f, 0);
                if (r >= 0)
                        r = f->store->ops->commit(f->store, &f->refusal);
                else
                        f->store->ops->rollback(f->store);
        }
        if (r < 0) {
                take_back(f);
        } else {
                core_commit(f->core);
                f->kept = f->written;
        }
        return r;
}

static struct moment step(struct fixture *f) {
        f->now.realtime_usec += 1000001;
        f->now.boottime_usec += 1000001;
        return f->now;
}

struct consumer *add_consumer(struct fixture *f, uid_t uid, const char *name, const int32_t *spaces, size_t n) {
        struct consumer_device devices[8] = {};
        struct consumer *c = NULL;
        int r;

        for (size_t i = 0; i < n; i++) {
                devices[i] = (struct consumer_device) { .space = spaces[i], .max_pasid = NUMBER_MAX,
                                                        .vendor = UINT16_MAX, .device = (uint16_t) (i + 1) };
                (void) snprintf(devices[i].address, sizeof(devices[i].address), "0000:%02x:%02x.0", (unsigned) i,
                                (unsigned) spaces[i] & 0x1f);
        }
        r = core_consumer_add(f->core, &(struct consumer_spec) {
                .uid = uid, .name = name, .hold = f->durable ? HOLD_PERSISTENT : HOLD_CONNECTION, .holder = "bus::1.7",
                .mode = MODE_ADVISORY, .since_usec = step(f).realtime_usec, .devices = devices, .n_devices = n },
                &c, &f->refusal);
        ck_assert_msg(r == 0, "%s", f->refusal.text);
        return c;
}

uint32_t alloc(struct fixture *f, struct consumer *c, uint32_t count, uint32_t min, uint16_t bytes, const char *token) {
        _cleanup_free_ uint32_t *pasids = calloc(count, sizeof(*pasids));
        struct alloc_request request = { .count = count, .min = min, .max = min ? min + count - 1 : 0, .private_bytes = bytes,
                                         .token = token, .now = step(f) };
        bool repeated;
        int r;

        ck_assert_ptr_nonnull(pasids);
        r = core_alloc(f->core, c, &request, pasids, &repeated, &f->refusal);
        ck_assert_msg(r == 0, "%s", f->refusal.text);
        return pasids[0];
}

void free_pasid(struct fixture *f, struct consumer *c, uint32_t pasid) {
        struct moment now = step(f);

        objects_detach(&f->objects, c->id, pasid);
        ck_assert_int_eq(core_free_pasids(f->core, c, &pasid, 1, &now, &f->refusal), 0);
}

void end_consumer(struct fixture *f, struct consumer *c) {
        struct moment now = step(f);

        objects_detach(&f->objects, c->id, 0);
        ck_assert_int_eq(core_consumer_end(f->core, c, &now), 0);
}

static void set_state(struct fixture *f, struct consumer *c, uint32_t pasid, enum row_state state) {
        struct moment now = step(f);

        ck_assert_int_eq(core_row_set_state(f->core, core_row_get(c, pasid), state, &now), 0);
}

void attach(struct fixture *f, struct consumer *c, uint32_t pasid) {
        set_state(f, c, pasid, ROW_ATTACHED);
        objects_attach(&f->objects, c, pasid, f->n_ids += 100);
}

void map(struct fixture *f, const struct consumer *c, uint32_t pasid, uint64_t iova, uint64_t length) {
        objects_map(&f->objects, &(struct store_mapping) {
                .consumer = c->id, .pasid = pasid, .iova = iova, .length = length, .flags = 1 + pasid % 7 });
}

void detach(struct fixture *f, struct consumer *c, uint32_t pasid) {
        set_state(f, c, pasid, ROW_ALLOCATED);
        objects_detach(&f->objects, c->id, pasid);
}

void fill_private(void *data, uint32_t pasid, uint16_t bytes) {
        unsigned char *p = data;

        for (size_t i = 0; i < bytes; i++)
                p[i] = (unsigned char) (i * (2 * pasid + 1));
}

static void describe_row(FILE *out, const struct row *row) {
        const char *token = row_token(row);

        fprintf(out, "  %u %s since %llu freed %llu bytes %u token %s\n", row->pasid,
                row_state_to_string((enum row_state) row->state), (unsigned long long) row->since_usec,
                (unsigned long long) row->freed_usec, row->private_bytes, token ? token : "-");
}

static char *describe(const struct core *core, const struct objects *objects) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(out);
        for (struct consumer *c = core_consumer_next(core, NULL); c; c = core_consumer_next(core, c)) {
                fprintf(out, "%llu %u:%s %u-%u quota %u %s \"%s\" %s since %llu%s", (unsigned long long) c->id, c->uid, c->name,
                        c->min, c->max, c->quota, hold_kind_to_string(c->hold), c->holder, consumer_mode_to_string(c->mode),
                        (unsigned long long) c->since_usec, c->ended ? " ended" : "");
                for (size_t i = 0; i < c->n_devices; i++)
                        fprintf(out, " %s/%d/%u/%04x:%04x", c->devices[i].address, c->devices[i].space, c->devices[i].max_pasid,
                                c->devices[i].vendor, c->devices[i].device);
                fputc('\n', out);
                for (struct row *row = core_row_next(c, 0); row; row = core_row_next(c, row->pasid))
                        describe_row(out, row);
        }
        objects_describe(objects, out);
        ck_assert_int_eq(fclose(out), 0);
        return text;
}

char *describe_model(const struct fixture *f) {
        return describe(f->core, &f->objects);
}

struct loading {
        struct core *core;
        struct objects objects;
        struct refusal refusal;
};

static int load_consumer(const struct consumer_spec *spec, void *userdata) {
        struct loading *loading = userdata;
        struct consumer *c;

        return core_consumer_add(loading->core, spec, &c, &loading->refusal);
}

static int load_row(const struct store_row *row, void *userdata) {
        struct loading *loading = userdata;

        return core_load_row(loading->core, core_consumer_by_id(loading->core, row->consumer), row->pasid, row->state,
                             row->since_usec, row->freed_usec, row->private_bytes, row->token, &loading->refusal);
}

static int load_attachment(const struct store_attachment *a, void *userdata) {
        struct loading *loading = userdata;

        objects_take_attachment(&loading->objects, a);
        return 0;
}

static int load_mapping(const struct store_mapping *m, void *userdata) {
        struct loading *loading = userdata;

        objects_take_mapping(&loading->objects, m);
        return 0;
}

static void compare_private(struct fixture *f, const struct core *core) {
        unsigned char wanted[PRIVATE_MAX];

        for (struct consumer *c = core_consumer_next(core, NULL); c; c = core_consumer_next(core, c))
                for (struct row *row = core_row_next(c, 0); row; row = core_row_next(c, row->pasid)) {
                        _cleanup_free_ void *data = NULL;
                        int r = f->store->ops->row_get_private(f->store, row, &data, &f->refusal);

                        ck_assert_msg(r == 0, "%s", f->refusal.text);
                        ck_assert(!data == !row->private_bytes);
                        fill_private(wanted, row->pasid, row->private_bytes);
                        if (data)
                                ck_assert_mem_eq(data, wanted, row->private_bytes);
                }
}

char *describe_store(struct fixture *f) {
        struct loading loading = {};
        const struct store_loader loader = { load_consumer, load_row, load_attachment, load_mapping, NULL, &loading };
        char *text;
        int r;

        ck_assert_int_eq(core_new(core_get_limits(f->core), &loading.core), 0);
        core_load_begin(loading.core);
        f->refusal = (struct refusal) {};
        r = f->store->ops->load(f->store, &loader, &f->refusal);
        ck_assert_msg(r == 0, "%d: %s%s", r, f->refusal.text, loading.refusal.text);
        core_load_end(loading.core);
        compare_private(f, loading.core);
        text = describe(loading.core, &loading.objects);
        core_free(loading.core);
        return text;
}

void expect_same(struct fixture *f) {
        _cleanup_free_ char *wanted = describe_model(f), *got = describe_store(f);

        if (strcmp(got, wanted) != 0)
                fprintf(stderr, "in the table:\n%swanted:\n%s", got, wanted);
        ck_assert_msg(strcmp(got, wanted) == 0, "model and table differ");
}

void expect_same_reopened(struct fixture *f) {
        fixture_close(f);
        fixture_open(f);
        expect_same(f);
}

char *sql(const struct fixture *f, const char *statement) {
        sqlite3_stmt *stmt = NULL;
        sqlite3 *db = NULL;
        char path[256], *text = NULL;
        int r;

        ck_assert_int_eq(sqlite3_open(fixture_path(f, "pasidd.db", path), &db), SQLITE_OK);
        for (const char *rest = statement; *rest && !text;) {
                r = sqlite3_prepare_v2(db, rest, -1, &stmt, &rest);
                ck_assert_msg(r == SQLITE_OK, "%s: %s", statement, sqlite3_errmsg(db));
                r = sqlite3_step(stmt);
                ck_assert_msg(r == SQLITE_ROW || r == SQLITE_DONE, "%s: %s", statement, sqlite3_errmsg(db));
                if (r == SQLITE_ROW && sqlite3_column_text(stmt, 0))
                        text = strdup((const char *) sqlite3_column_text(stmt, 0));
                (void) sqlite3_finalize(stmt);
        }
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
        return text;
}
