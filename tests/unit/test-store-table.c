/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes into a table comes out of it, after closing and opening too;
 * transactions and savepoints take back what they should; a number can't be
 * written twice; people can read it.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "suite.h"
#include "test-store-fixture.h"

static struct fixture f;

static void setup_runtime(void) {
        fixture_init(&f, false, true);
        fixture_open(&f);
}

static void setup_durable(void) {
        fixture_init(&f, true, false);
        fixture_open(&f);
}

static void teardown(void) {
        fixture_done(&f);
}

/* All kinds of consumers and rows. */
static void populate(void) {
        struct consumer *host = add_consumer(&f, 0, "on the host: \"'; DROP TABLE pasid; \xc3\xa4", ON_HOST);
        struct consumer *one = add_consumer(&f, 1000, "vm-1", ON(7));
        struct consumer *many = add_consumer(&f, 1000, "vm-2", ON(12, 3, 12, 4));
        struct moment now = f.now;

        (void) alloc(&f, host, 1, 0, 0, NULL);
        (void) alloc(&f, host, 1, NUMBER_MAX, 1, "token");
        (void) alloc(&f, one, 1, NUMBER_MIN + 10, PRIVATE_MAX, "a token 'of' \"odd\" characters ~!@#$%^&*()_+");
        (void) alloc(&f, one, 5, 100, 64, "five");
        (void) alloc(&f, many, 3, 200, 2048, NULL);
        (void) alloc(&f, many, 300, 300, 77, NULL);
        ck_assert_int_eq(core_row_set_state(f.core, core_row_get(one, 101), ROW_ATTACHED, &now), 0);
        ck_assert_int_eq(core_row_set_state(f.core, core_row_get(one, 102), ROW_RESERVED, &now), 0);
        ck_assert_int_eq(core_row_set_state(f.core, core_row_get(many, 201), ROW_LOST, &now), 0);
        ck_assert_int_eq(commit_changes(&f), 0);
}

START_TEST(everything_comes_back) {
        populate();
        expect_same(&f);
        expect_same_reopened(&f);
        ck_assert(!f.other_boot);
}
END_TEST

START_TEST(an_empty_table) {
        expect_same(&f);
        begin(&f);
        commit(&f);
        expect_same_reopened(&f);
}
END_TEST

START_TEST(changes_come_back) {
        struct consumer *one, *many;

        populate();
        one = core_consumer_get(f.core, 1000, "vm-1");
        many = core_consumer_get(f.core, 1000, "vm-2");

        free_pasid(&f, one, 103); /* cools, and loses its token */
        free_pasid(&f, many, 202);
        free_pasid(&f, many, 350);
        ck_assert_int_eq(core_row_set_private_bytes(f.core, core_row_get(one, 100), 4096), 0);
        ck_assert_int_eq(core_row_set_private_bytes(f.core, core_row_get(one, 101), 0), 0);
        ck_assert_int_eq(core_row_set_private_bytes(f.core, core_row_get(many, 351), 1), 0);
        ck_assert_int_eq(core_consumer_set_holder(f.core, one, "peer:1:2:3"), 0);
        ck_assert_int_eq(core_consumer_set_owner(f.core, many, 1001, &f.refusal), 0);
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_same(&f);
        expect_same_reopened(&f);
}
END_TEST

/* A state without private data leaves none behind in the table. */
START_TEST(a_state_forgets_private_data) {
        struct row *row;

        populate();
        row = core_row_get(core_consumer_get(f.core, 1000, "vm-1"), 100);
        ck_assert_uint_gt(row->private_bytes, 0);
        row->private_bytes = 0;
        row->state = ROW_LOST;
        begin(&f);
        ck_assert_int_eq(f.store->ops->row_update(f.store, row, &f.refusal), 0);
        commit(&f);
        expect_same(&f);
}
END_TEST

START_TEST(consumers_end) {
        struct consumer *many, *again;
        struct moment later;
        uint64_t id;

        populate();
        many = core_consumer_get(f.core, 1000, "vm-2");
        id = many->id;
        end_consumer(&f, many); /* its rows cool */
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_same_reopened(&f);

        /* The same name again while the old one's numbers cool. */
        again = add_consumer(&f, 1000, "vm-2", ON(3));
        (void) alloc(&f, again, 2, 1000, 10, NULL);
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_same_reopened(&f);

        later = f.now;
        later.boottime_usec += UINT64_C(3600000000);
        ck_assert_int_ge(core_expire(f.core, f.durable, &later, NUMBER_MAX), 303);
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_same_reopened(&f);
        ck_assert_ptr_null(core_consumer_by_id(f.core, id));
}
END_TEST

START_TEST(ids_are_learnt) {
        struct consumer *c;

        populate();
        c = core_consumer_get(f.core, 1000, "vm-1");
        ck_assert_uint_eq(c->n_devices, 1);
        c->devices[0].vendor = 0x8086;
        c->devices[0].device = 0x0b25;
        begin(&f);
        ck_assert_int_eq(f.store->ops->device_update(f.store, c, 0, &f.refusal), 0);
        expect_refusal(&f, f.store->ops->device_update(f.store, c, 1, &f.refusal), EIO, "device", NULL); /* it has none */
        ck_assert_int_eq(f.store->ops->commit(f.store, &f.refusal), 0);
        expect_same_reopened(&f);
}
END_TEST

static int note_tenant(const struct store_tenant *t, void *userdata) {
        char *text = userdata;
        size_t n = strlen(text);

        (void) snprintf(text + n, 256 - n, "%s %llu %s;", t->address, (unsigned long long) t->consumer, t->holder);
        return 0;
}

static int any_consumer(const struct consumer_spec *spec, void *userdata) {
        return 0;
}

static int any_row(const struct store_row *row, void *userdata) {
        return 0;
}

static void expect_tenants(const char *expected) {
        char text[256] = "";

        ck_assert_int_eq(f.store->ops->load(f.store, &(struct store_loader) { .consumer = any_consumer, .row = any_row,
                                            .tenant = note_tenant, .userdata = text }, &f.refusal), 0);
        ck_assert_str_eq(text, expected);
}

static void set_tenant(const char *address, uint64_t consumer, const char *holder) {
        begin(&f);
        ck_assert_int_eq(f.store->ops->tenant_set(f.store, &(struct store_tenant) { address, consumer, holder }, &f.refusal), 0);
        ck_assert_int_eq(f.store->ops->commit(f.store, &f.refusal), 0);
}

START_TEST(tenants_come_back) {
        populate();
        expect_tenants("");
        set_tenant("0000:02:00.0", 0, "peer:1:2:3:4");
        set_tenant("0000:01:00.0", 7, "");
        expect_tenants("0000:01:00.0 7 ;0000:02:00.0 0 peer:1:2:3:4;");
        set_tenant("0000:02:00.0", 0, "bus:x::1.5");
        begin(&f);
        ck_assert_int_eq(f.store->ops->tenant_remove(f.store, "0000:01:00.0", &f.refusal), 0);
        f.store->ops->rollback(f.store);
        fixture_close(&f);
        fixture_open(&f);
        expect_tenants("0000:01:00.0 7 ;0000:02:00.0 0 bus:x::1.5;");
        begin(&f);
        ck_assert_int_eq(f.store->ops->tenant_remove(f.store, "0000:01:00.0", &f.refusal), 0);
        ck_assert_int_eq(f.store->ops->tenant_remove(f.store, "0000:01:00.0", &f.refusal), 0); /* gone is gone */
        ck_assert_int_eq(f.store->ops->commit(f.store, &f.refusal), 0);
        expect_tenants("0000:02:00.0 0 bus:x::1.5;");
        expect_same(&f);
}
END_TEST

/* What was given away is gone with the boot. */
START_TEST(tenants_die_with_the_boot) {
        set_tenant("0000:02:00.0", 0, "peer:1:2:3:4");
        fixture_close(&f);
        f.boot_id = BOOT_B;
        fixture_open(&f);
        expect_tenants(f.durable ? "0000:02:00.0 0 peer:1:2:3:4;" : ""); /* the durable one never has any */
}
END_TEST

static int no_row(const struct store_row *row, void *userdata) {
        ck_abort_msg("a row in an empty table");
        return 0;
}

static int count(const struct consumer_spec *spec, void *userdata) {
        return ++*(int *) userdata == 2 ? -ECANCELED : 0;
}

START_TEST(a_callback_ends_the_loading) {
        int n = 0;
        struct store_loader loader = { .consumer = count, .row = no_row, .userdata = &n };

        populate();
        ck_assert_int_eq(f.store->ops->load(f.store, &loader, &f.refusal), -ECANCELED);
        ck_assert_int_eq(n, 2);

        /* Without a callback for rows only consumers are read. */
        n = 10;
        loader.row = NULL;
        ck_assert_int_eq(f.store->ops->load(f.store, &loader, &f.refusal), 0);
        ck_assert_int_eq(n, 13);
        expect_same(&f);
}
END_TEST

START_TEST(a_rollback_leaves_nothing) {
        struct consumer *one;

        populate();
        one = core_consumer_get(f.core, 1000, "vm-1");
        begin(&f);
        (void) alloc(&f, one, 500, 5000, 500, NULL);
        free_pasid(&f, one, 100);
        ck_assert_int_eq(write_changes(&f, 0), 0);
        f.store->ops->rollback(f.store);
        f.store->ops->rollback(f.store); /* of nothing */
        core_rollback(f.core, 0);
        expect_same(&f);

        (void) alloc(&f, one, 1, 6000, 5, NULL);
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_same_reopened(&f);
}
END_TEST

/* One request inside a transaction; kept or not. */
static void request(struct consumer *c, uint32_t min, bool keep) {
        size_t mark = core_mark(f.core);

        ck_assert_int_eq(f.store->ops->savepoint(f.store, &f.refusal), 0);
        (void) alloc(&f, c, 40, min, 1000, NULL);
        free_pasid(&f, c, min + 1);
        ck_assert_int_eq(write_changes(&f, mark), 0);
        if (keep) {
                ck_assert_int_eq(f.store->ops->release(f.store, &f.refusal), 0);
        } else {
                ck_assert_int_eq(f.store->ops->rollback_to(f.store), 0);
                core_rollback(f.core, mark);
        }
}

START_TEST(savepoints_wall_requests_off) {
        struct consumer *many;

        populate();
        many = core_consumer_get(f.core, 1000, "vm-2");
        /* Each bit is a request that is kept or not: the first one's savepoint is the transaction's begin. */
        for (unsigned kept = 0; kept < 16; kept++) {
                begin(&f);
                for (unsigned i = 0; i < 4; i++)
                        request(many, 10000 + 1000 * kept + 100 * i, kept & 1U << i);
                commit(&f);
                expect_same(&f);
        }
        expect_same_reopened(&f);
}
END_TEST

START_TEST(a_rollback_takes_released_savepoints_along) {
        struct consumer *many;

        populate();
        many = core_consumer_get(f.core, 1000, "vm-2");
        begin(&f);
        request(many, 10000, true);
        request(many, 11000, true);
        ck_assert_int_eq(f.store->ops->savepoint(f.store, &f.refusal), 0);
        f.store->ops->rollback(f.store);
        core_rollback(f.core, 0);
        expect_same(&f);
        begin(&f);
        request(many, 12000, true);
        commit(&f);
        expect_same_reopened(&f);
}
END_TEST

START_TEST(a_number_is_not_written_twice) {
        struct consumer *one, *many;
        static const char zeros[PRIVATE_MAX];
        struct row twin;
        size_t mark;
        int r;

        populate();
        one = core_consumer_get(f.core, 1000, "vm-1");
        many = core_consumer_get(f.core, 1000, "vm-2");

        begin(&f);
        ck_assert_int_eq(f.store->ops->savepoint(f.store, &f.refusal), 0);
        (void) alloc(&f, one, 1, 5000, 0, NULL);
        ck_assert_int_eq(write_changes(&f, 0), 0);
        ck_assert_int_eq(f.store->ops->release(f.store, &f.refusal), 0);

        ck_assert_int_eq(f.store->ops->savepoint(f.store, &f.refusal), 0);
        twin = *core_row_get(one, 100);
        r = f.store->ops->row_add(f.store, &twin, zeros, &f.refusal);
        expect_refusal(&f, r, EIO, "pasidd.db", "is there already", "restart", NULL);
        ck_assert_int_eq(f.store->ops->rollback_to(f.store), 0);

        /* The double allocation that only a claim in a further space shows, too. */
        ck_assert_int_eq(f.store->ops->savepoint(f.store, &f.refusal), 0);
        mark = core_mark(f.core);
        twin = *core_row_get(many, 200);
        twin.consumer = add_consumer(&f, 5, "thief", ON(2, 4));
        r = f.store->ops->row_add(f.store, &twin, zeros, &f.refusal);
        expect_refusal(&f, r, EIO, "is there already", NULL);
        ck_assert_int_eq(f.store->ops->rollback_to(f.store), 0);
        core_rollback(f.core, mark);
        commit(&f);
        expect_same_reopened(&f);
}
END_TEST

START_TEST(changes_hit_only_the_right_row) {
        struct consumer *one, *many;
        struct row alien;
        void *data = &f;
        int r;

        populate();
        one = core_consumer_get(f.core, 1000, "vm-1");
        many = core_consumer_get(f.core, 1000, "vm-2");
        alien = *core_row_get(many, 300); /* not in the other's space */
        alien.consumer = one;

        begin(&f);
        ck_assert_int_eq(f.store->ops->savepoint(f.store, &f.refusal), 0);
        r = f.store->ops->row_update(f.store, &alien, &f.refusal);
        expect_refusal(&f, r, EIO, "other rows than pasidd has", NULL);
        r = f.store->ops->row_remove(f.store, &alien, &f.refusal);
        expect_refusal(&f, r, EIO, "other rows than pasidd has", NULL);
        r = f.store->ops->row_set_private(f.store, &alien, NULL, &f.refusal);
        expect_refusal(&f, r, EIO, "other rows than pasidd has", NULL);
        r = f.store->ops->consumer_remove(f.store, 12345, &f.refusal);
        expect_refusal(&f, r, EIO, "other rows than pasidd has", NULL);
        r = f.store->ops->row_get_private(f.store, &alien, &data, &f.refusal);
        expect_refusal(&f, r, EIO, "is not in the table", NULL);
        alien = *core_row_get(many, 300);
        alien.private_bytes--;
        r = f.store->ops->row_get_private(f.store, &alien, &data, &f.refusal);
        expect_refusal(&f, r, EIO, "77 bytes", "76 in memory", NULL);
        ck_assert_ptr_eq(data, &f);
        ck_assert_int_eq(f.store->ops->rollback_to(f.store), 0);
        commit(&f);
        expect_same(&f);
}
END_TEST

START_TEST(people_can_read_it) {
        _cleanup_free_ char *row = NULL, *claims = NULL, *host = NULL, *consumer = NULL, *check = NULL;

        populate();
        row = sql(&f, "SELECT space || '|' || pasid || '|' || uid || '|' || consumer || '|' || state || '|' || since || '|' || "
                  "private_bytes FROM pasids WHERE consumer = 'vm-1' AND pasid = 101");
        ck_assert_str_eq(row, "7|101|1000|vm-1|attached|1970-01-01T00:16:43Z|64");
        claims = sql(&f, "SELECT group_concat(space || state || private_bytes) FROM (SELECT * FROM pasids WHERE pasid = 201 "
                     "ORDER BY space)");
        ck_assert_str_eq(claims, "3lost2048,4lost2048,12lost2048");
        host = sql(&f, "SELECT space FROM pasids WHERE uid = 0");
        ck_assert_str_eq(host, "host");
        consumer = sql(&f, "SELECT hold || mode || ended || since || devices FROM consumers WHERE name = 'vm-1'");
        ck_assert_ptr_nonnull(strstr(consumer, "advisoryno1970-01-01T00:16:42Z0000:00:07.0"));
        check = sql(&f, "PRAGMA integrity_check");
        ck_assert_str_eq(check, "ok");
}
END_TEST

START_TEST(only_we_can_read_the_files) {
        static const char *const names[] = { "pasidd.db", "pasidd.db-wal", "pasidd.db-shm", "pasidd.lock" };
        struct stat st;
        char path[256];

        populate();
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                ck_assert_int_eq(stat(fixture_path(&f, names[i], path), &st), 0);
                ck_assert_msg((st.st_mode & 07777) == 0600, "%s is %o", path, st.st_mode & 07777);
        }
        ck_assert_int_eq(stat(f.dir, &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0755);
}
END_TEST

/* Data that is gone is gone from the file, not only from the tables. */
START_TEST(removed_private_data_leaves_no_trace) {
        static const char secret[] = "nobody is to find this";
        struct consumer *c = add_consumer(&f, 1, "c", ON(1));
        _cleanup_free_ char *content = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct row *row;
        char path[256];
        ssize_t n;

        (void) alloc(&f, c, 1, 10, sizeof(secret), NULL);
        row = core_row_get(c, 10);
        begin(&f);
        ck_assert_int_eq(f.store->ops->consumer_add(f.store, c, &f.refusal), 0);
        ck_assert_int_eq(f.store->ops->row_add(f.store, row, secret, &f.refusal), 0);
        commit(&f);
        begin(&f);
        ck_assert_int_eq(f.store->ops->row_remove(f.store, row, &f.refusal), 0);
        commit(&f);
        fixture_close(&f);

        content = malloc(1 << 20);
        ck_assert_ptr_nonnull(content);
        fd = open(fixture_path(&f, "pasidd.db", path), O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        n = read(fd, content, 1 << 20);
        ck_assert_int_gt(n, 0);
        ck_assert_ptr_null(memmem(content, (size_t) n, secret, sizeof(secret)));
}
END_TEST

static void add_cases(Suite *suite, const char *name, SFun setup) {
        TCase *tc = tcase_create(name);

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 120);
        tcase_add_test(tc, everything_comes_back);
        tcase_add_test(tc, an_empty_table);
        tcase_add_test(tc, changes_come_back);
        tcase_add_test(tc, a_state_forgets_private_data);
        tcase_add_test(tc, consumers_end);
        tcase_add_test(tc, ids_are_learnt);
        tcase_add_test(tc, tenants_come_back);
        tcase_add_test(tc, tenants_die_with_the_boot);
        tcase_add_test(tc, a_callback_ends_the_loading);
        tcase_add_test(tc, a_rollback_leaves_nothing);
        tcase_add_test(tc, savepoints_wall_requests_off);
        tcase_add_test(tc, a_rollback_takes_released_savepoints_along);
        tcase_add_test(tc, a_number_is_not_written_twice);
        tcase_add_test(tc, changes_hit_only_the_right_row);
        tcase_add_test(tc, people_can_read_it);
        tcase_add_test(tc, only_we_can_read_the_files);
        tcase_add_test(tc, removed_private_data_leaves_no_trace);
        suite_add_tcase(suite, tc);
}

int main(void) {
        Suite *suite = suite_create("store-table");

        add_cases(suite, "runtime", setup_runtime);
        add_cases(suite, "durable", setup_durable);
        return suite_run(suite);
}
