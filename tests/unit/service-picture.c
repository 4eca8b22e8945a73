/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What memory, tables and kernel know, as sorted lines of text: to see that a
 * refusal left everything as it was, and that the three agree.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "service-fixture.h"

static int compare_lines(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Takes text over; what is made in another order is no difference. */
static char *sort_lines(char *text) {
        char **lines, *result, *save = NULL;
        size_t n = 0, size = strlen(text) + 1;
        FILE *out;

        lines = calloc(size, sizeof(*lines));
        ck_assert_ptr_nonnull(lines);
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                lines[n++] = line;
        qsort(lines, n, sizeof(*lines), compare_lines);
        out = open_memstream(&result, &size);
        ck_assert_ptr_nonnull(out);
        for (size_t i = 0; i < n; i++)
                fprintf(out, "%s\n", lines[i]);
        ck_assert_int_eq(fclose(out), 0);
        free((void *) lines);
        free(text);
        return result;
}

/* write fills the stream with lines. */
static char *draw(struct fixture *f, void (*write)(struct fixture *f, FILE *out)) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(out);
        write(f, out);
        ck_assert_int_eq(fclose(out), 0);
        return sort_lines(text);
}

static void write_consumer(FILE *out, uint64_t id, uid_t uid, const char *name, enum hold_kind hold, const char *holder,
                           bool ended) {
        fprintf(out, "consumer %llu of %u \"%s\" held %s \"%s\"%s\n", (unsigned long long) id, (unsigned) uid, name,
                hold_kind_to_string(hold), holder ?: "", ended ? " ended" : "");
}

static void write_row(FILE *out, uint64_t id, uint32_t pasid, enum row_state state, uint64_t since, uint64_t freed,
                      unsigned private_bytes, const char *token) {
        fprintf(out, "row %u of %llu %s since %llu freed %llu private %u token \"%s\"\n", pasid,
                (unsigned long long) id, row_state_to_string(state), (unsigned long long) since,
                (unsigned long long) freed, private_bytes, token ?: "");
}

static void write_memory(struct fixture *f, FILE *out) {
        const struct core *core = service_core(f->service);

        for (const struct consumer *c = core_consumer_next(core, NULL); c; c = core_consumer_next(core, c)) {
                write_consumer(out, c->id, c->uid, c->name, c->hold, c->holder, c->ended);
                for (const struct row *row = core_row_next(c, 0); row; row = core_row_next(c, row->pasid))
                        write_row(out, c->id, row->pasid, row->state, row->since_usec, row->freed_usec,
                                  row->private_bytes, row->state == ROW_COOLING ? NULL : row_token(row));
        }
}

static void write_rest(struct fixture *f, FILE *out) {
        const struct core *core = service_core(f->service);
        struct core_stats stats;

        core_get_stats(core, &stats);
        fprintf(out, "%llu live, %llu cooling\n", (unsigned long long) stats.n_live,
                (unsigned long long) stats.n_cooling);
        for (const struct consumer *c = core_consumer_next(core, NULL); c; c = core_consumer_next(core, c)) {
                fprintf(out, "consumer %llu has %llu bytes pinned\n", (unsigned long long) c->id,
                        (unsigned long long) service_pinned_bytes(f->service, c));
                for (size_t i = 0; i < c->n_devices; i++)
                        fprintf(out, "consumer %llu has device %s%s\n", (unsigned long long) c->id,
                                c->devices[i].address, c->devices[i].gone ? ", which is gone" : "");
        }
        for (size_t i = 0; i < f->kernel.n_devices; i++) {
                const char *address = f->kernel.devices[i].address;

                fprintf(out, "device %s is %sopen and held %d, %u attached\n", address,
                        fake_kernel_has_open(&f->kernel, address) ? "" : "not ",
                        service_device_held(f->service, address),
                        core_space_count(core, f->kernel.devices[i].group, ROW_ATTACHED));
        }
        fake_kernel_describe(&f->kernel, out);
}

static int write_past(const struct store_history *h, void *userdata) {
        fprintf(userdata, "%u..%u was of %u \"%s\" since %llu until %llu on \"%s\": %s\n", h->first, h->last, (unsigned) h->uid,
                h->consumer, (unsigned long long) h->since_usec, (unsigned long long) h->until_usec, h->devices, h->reason);
        return 0;
}

/* Of the numbers that these tests give. */
static void write_history(struct fixture *f, FILE *out) {
        struct refusal refusal = {};

        if (service_is_pending(f->service))
                return;
        for (uint32_t pasid = NUMBER_MIN; pasid <= 20; pasid++) {
                ck_assert_int_eq(f->runtime->real->ops->history_read(f->runtime->real, pasid, 100, write_past, out, &refusal), 0);
                ck_assert_int_eq(f->persistent->real->ops->history_read(f->persistent->real, pasid, 100, write_past, out,
                                                                        &refusal), 0);
        }
}

static void write_all(struct fixture *f, FILE *out) {
        write_memory(f, out);
        write_history(f, out);
        write_rest(f, out);
}

char *fixture_picture(struct fixture *f) {
        return draw(f, write_all);
}

void fixture_expect_same(struct fixture *f, char *picture) {
        char *now = fixture_picture(f);

        ck_assert_str_eq(now, picture);
        free(now);
        free(picture);
}

struct table_reader {
        FILE *out;
        /* By which a mapping finds its IOAS; what they point to is gone. */
        struct store_attachment *attachments;
        size_t n;
};

static int read_consumer(const struct consumer_spec *spec, void *userdata) {
        const struct table_reader *reader = userdata;

        write_consumer(reader->out, spec->id, spec->uid, spec->name, spec->hold, spec->holder, spec->ended);
        return 0;
}

static int read_row(const struct store_row *row, void *userdata) {
        const struct table_reader *reader = userdata;

        write_row(reader->out, row->consumer, row->pasid, row->state, row->since_usec, row->freed_usec,
                  row->private_bytes, row->token);
        return 0;
}

static void load(struct fault_store *store, const struct store_loader *loader) {
        struct refusal refusal = {};

        ck_assert_msg(store->store.ops->load(&store->store, loader, &refusal) == 0, "%s", refusal.text);
}

static void write_tables(struct fixture *f, FILE *out) {
        struct table_reader reader = { .out = out };
        const struct store_loader loader = { .consumer = read_consumer, .row = read_row, .userdata = &reader };

        load(f->runtime, &loader);
        load(f->persistent, &loader);
}

static bool is_first_of_its_table(const struct store_attachment *a, size_t i) {
        for (size_t k = 0; k < i; k++)
                if (a->devices[k].hwpt == a->devices[i].hwpt)
                        return false;
        return true;
}

static int read_attachment(const struct store_attachment *a, void *userdata) {
        struct table_reader *reader = userdata;

        fprintf(reader->out, "ioas %u\n", a->ioas);
        for (size_t i = 0; i < a->n_devices; i++) {
                if (is_first_of_its_table(a, i))
                        fprintf(reader->out, "hwpt %u of %u\n", a->devices[i].hwpt, a->ioas);
                fprintf(reader->out, "attached %u to %s (%u) by %u\n", a->pasid, a->devices[i].address,
                        a->devices[i].device_id, a->devices[i].hwpt);
        }
        reader->attachments = reallocarray(reader->attachments, reader->n + 1, sizeof(*a));
        ck_assert_ptr_nonnull(reader->attachments);
        reader->attachments[reader->n++] = *a;
        return 0;
}

static int read_mapping(const struct store_mapping *m, void *userdata) {
        struct table_reader *reader = userdata;
        uint32_t ioas = 0;

        for (size_t i = 0; i < reader->n; i++)
                if (reader->attachments[i].consumer == m->consumer && reader->attachments[i].pasid == m->pasid)
                        ioas = reader->attachments[i].ioas;
        fprintf(reader->out, "mapped to %u at %#llx+%#llx flags %u\n", ioas, (unsigned long long) m->iova,
                (unsigned long long) m->length, m->flags);
        return 0;
}

static int skip_consumer(const struct consumer_spec *spec, void *userdata) {
        return 0;
}

static int skip_row(const struct store_row *row, void *userdata) {
        return 0;
}

static void write_kernel_by_tables(struct fixture *f, FILE *out) {
        struct table_reader reader = { .out = out };
        const struct store_loader loader = {
                .consumer = skip_consumer,
                .row = skip_row,
                .attachment = read_attachment,
                .mapping = read_mapping,
                .userdata = &reader,
        };

        load(f->runtime, &loader);
        load(f->persistent, &loader);
        free(reader.attachments);
}

static void write_kernel(struct fixture *f, FILE *out) {
        fake_kernel_describe(&f->kernel, out);
}

static void expect_equal(struct fixture *f, void (*one)(struct fixture *f, FILE *out),
                         void (*other)(struct fixture *f, FILE *out)) {
        char *a = draw(f, one), *b = draw(f, other);

        ck_assert_str_eq(a, b);
        free(a);
        free(b);
}

void fixture_expect_consistent(struct fixture *f) {
        const struct core *core = service_core(f->service);
        uint64_t pinned = 0, mapped = 0;
        size_t n = 0;

        ck_assert(!service_is_pending(f->service));
        expect_equal(f, write_memory, write_tables);
        expect_equal(f, write_kernel, write_kernel_by_tables);
        for (const struct consumer *c = core_consumer_next(core, NULL); c; c = core_consumer_next(core, c)) {
                pinned += service_pinned_bytes(f->service, c);
                for (const struct row *row = core_row_next(c, 0); row; row = core_row_next(c, row->pasid))
                        for (size_t i = 0; row->state == ROW_ATTACHED && i < c->n_devices; i++, n++)
                                ck_assert_ptr_nonnull(fake_kernel_attachment(&f->kernel, c->devices[i].address,
                                                                             row->pasid));
        }
        ck_assert_uint_eq(fake_kernel_count(&f->kernel, FAKE_ATTACHMENT), n);
        for (size_t i = 0; i < f->kernel.n_objects; i++)
                if (f->kernel.objects[i].kind == FAKE_MAPPING)
                        mapped += f->kernel.objects[i].length;
        ck_assert_uint_eq(pinned, mapped);
}
