/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A table of whatever contents, and what becomes of a pasidd that starts on it.
 */
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit/service-fixture.h"

#define BOOT "0123456789abcdef0123456789abcdef"
#define OTHER_BOOT "fedcba9876543210fedcba9876543210"
#define GOOD_MAX (1 << 18)

static char top[96];

static const char *path_of(const char *directory, const char *name) {
        static char path[192];

        (void) snprintf(path, sizeof(path), "%s/%s/%s", top, directory, name);
        return path;
}

static const char *directory_name(const struct table_kind *kind) {
        return kind->is_persistent ? "lib" : "run";
}

const char *table_directory(const struct table_kind *kind) {
        static char path[128];

        (void) snprintf(path, sizeof(path), "%s/%s", top, directory_name(kind));
        return path;
}

const char *table_path(const struct table_kind *kind) {
        return path_of(directory_name(kind), "pasidd.db");
}

static void clear(const char *directory) {
        static const char *const names[] = { "pasidd.db", "pasidd.db-wal", "pasidd.db-shm", "pasidd.db-journal" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                (void) unlink(path_of(directory, names[i]));
}

/* The test's own directory is on a disk. */
static void begin(struct fixture *f) {
        fixture_init(f);
        (void) rmdir(f->dir);
        (void) snprintf(top, sizeof(top), "%s/table", fuzz_directory());
        fuzz_check(strlen(top) < sizeof(f->dir), "%s is too long", top);
        memcpy(f->dir, top, strlen(top) + 1);
        (void) mkdir(top, 0700);
        f->service_limits.release_usec = UINT32_MAX;
}

/* A consumer of each kind, with numbers in each state. */
static void fill(struct fixture *f) {
        struct alloc_request request = { .count = 3, .private_bytes = 6 };
        const struct kernel_mapping mapping = { .fd = -EBADF, .length = 0x2000, .flags = MAP_READ };
        struct refusal refusal = {};
        uint32_t pasids[3];
        struct consumer *c;
        uint64_t iova;

        c = fixture_consumer(f, "on a device", "0000:01:00.0", HOLD_CONNECTION);
        fuzz_check(service_alloc(f->service, c, &request, "secret", pasids, &refusal) == 0, "%s", refusal.text);
        fuzz_check(service_free_pasids(f->service, c, pasids, 1, &refusal) == 0, "%s", refusal.text);
        c = fixture_consumer(f, "on the host", NULL, HOLD_PERSISTENT);
        fuzz_check(service_alloc(f->service, c, &request, "secret", pasids, &refusal) == 0, "%s", refusal.text);
        fuzz_check(service_free_pasids(f->service, c, pasids, 1, &refusal) == 0, "%s", refusal.text);
        (void) fixture_mediated(f, 1000, "mediated", HOLD_BOOT, DEVICES("0000:02:00.0", "0000:04:00.0"));
        pasids[0] = fixture_alloc_attached(f, "mediated");
        fuzz_check(service_map(f->service, fixture_get(f, "mediated"), pasids[0], &mapping, &iova, &refusal) == 0, "%s",
                   refusal.text);
        fuzz_check(service_flush(f->service) == 0, "the tables refuse");
}

void table_get_good(const struct table_kind *kind, const uint8_t **ret_data, size_t *ret_size) {
        static uint8_t data[2][GOOD_MAX];
        static size_t size[2];

        if (size[0] == 0) {
                struct fixture f;

                begin(&f);
                fuzz_check(fixture_start(&f) == 0, "%s", f.refusal.text);
                fill(&f);
                fixture_stop(&f);
                for (unsigned i = 0; i < 2; i++) {
                        const struct table_kind each = { .is_persistent = i };
                        _cleanup_close_ int fd = open(table_path(&each), O_RDONLY | O_CLOEXEC);
                        ssize_t n = fd < 0 ? -1 : read(fd, data[i], GOOD_MAX);

                        fuzz_check(n > 0 && n < GOOD_MAX, "%s could not be read", table_path(&each));
                        size[i] = (size_t) n;
                }
                fixture_done(&f);
        }
        *ret_data = data[kind->is_persistent];
        *ret_size = size[kind->is_persistent];
}

void table_write(const struct table_kind *kind, const void *data, size_t size) {
        _cleanup_close_ int fd = -EBADF;

        (void) mkdir(top, 0700);
        for (unsigned i = 0; i < 2; i++) {
                const struct table_kind each = { .is_persistent = i };

                clear(directory_name(&each));
                (void) mkdir(table_directory(&each), 0700);
        }
        fd = open(table_path(kind), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        fuzz_check(fd >= 0 && write(fd, data, size) == (ssize_t) size, "%s could not be written", table_path(kind));
}

static void expect_told(int r, const struct refusal *refusal) {
        fuzz_check(refusal->code == -r && refusal->text[0] != '\0', "a table is refused with %d without a word: %d \"%s\"", r,
                   refusal->code, refusal->text);
}

/* The bytes of all strings are looked at, so that one that isn't there is noticed. */
static int on_consumer(const struct consumer_spec *spec, void *userdata) {
        size_t *n = userdata;

        *n += strlen(spec->name) + (spec->holder ? strlen(spec->holder) : 0);
        return 0;
}

static int on_row(const struct store_row *row, void *userdata) {
        size_t *n = userdata;

        *n += row->token ? strlen(row->token) : 0;
        return 0;
}

static int on_attachment(const struct store_attachment *a, void *userdata) {
        size_t *n = userdata;

        fuzz_check(a->n_devices > 0, "an attachment is to nothing");
        for (size_t i = 0; i < a->n_devices; i++)
                *n += strlen(a->devices[i].address);
        return 0;
}

static int on_mapping(const struct store_mapping *m, void *userdata) {
        size_t *n = userdata;

        *n += m->length != 0;
        return 0;
}

static bool is_loaded(const struct table_kind *kind) {
        const struct store_params params = {
                .directory = table_directory(kind),
                .durable = kind->is_persistent,
                .boot_id = kind->is_of_other_boot ? OTHER_BOOT : BOOT,
        };
        size_t n = 0;
        const struct store_loader loader = {
                .consumer = on_consumer, .row = on_row, .attachment = on_attachment, .mapping = on_mapping, .userdata = &n };
        struct refusal refusal = {};
        struct store *store;
        bool other_boot;
        int r;

        r = store_open(&params, &store, &other_boot, &refusal);
        if (r < 0) {
                expect_told(r, &refusal);
                return false;
        }
        r = store->ops->load(store, &loader, &refusal);
        if (r < 0)
                expect_told(r, &refusal);
        (void) store->ops->free(store);
        return r >= 0;
}

static int on_history(const struct store_history *h, void *userdata) {
        size_t *n = userdata;

        *n += strlen(h->consumer) + strlen(h->devices) + strlen(h->reason);
        return 0;
}

/* No start depends on it, whatever is in there. */
static void read_history(struct fixture *f) {
        size_t n = 0;

        for (uint32_t pasid = 1; pasid < 8; pasid++) {
                struct refusal refusal = {};
                int r = service_read_history(f->service, pasid, on_history, &n, &refusal);

                if (r < 0)
                        expect_told(r, &refusal);
        }
}

static void end_all(struct fixture *f) {
        struct core *core = service_core(f->service);
        struct consumer *c = core_consumer_next(core, NULL);

        while (c) {
                struct refusal refusal = {};

                if (c->ended) {
                        c = core_consumer_next(core, c);
                        continue;
                }
                fuzz_check(service_exit_consumer(f->service, c, "exit", &refusal) >= 0, "%s", refusal.text);
                fuzz_check(service_flush(f->service) >= 0, "a commit is refused");
                c = core_consumer_next(core, NULL);
        }
}

void table_check(const struct table_kind *kind) {
        struct fixture f;

        if (!is_loaded(kind))
                return;
        begin(&f);
        memcpy(f.boot_id, kind->is_of_other_boot ? OTHER_BOOT : BOOT, sizeof(f.boot_id));
        if (fixture_start(&f) < 0) {
                fuzz_check(f.refusal.text[0] != '\0', "a start is refused without a word");
                fixture_done(&f);
                return;
        }
        fixture_expect_consistent(&f);
        read_history(&f);
        fixture_restart(&f);
        fixture_expect_consistent(&f);
        end_all(&f);
        read_history(&f);
        fixture_expect_consistent(&f);
        fixture_done(&f);
}
