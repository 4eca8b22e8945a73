/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is attached and mapped comes back, object ids and all; what was never
 * written is not removed; what contradicts the rows is found at the next load.
 */
#include "suite.h"
#include "test-store-fixture.h"

static struct fixture f;
static struct consumer *one, *two;

static void setup(bool durable) {
        fixture_init(&f, durable, !durable);
        fixture_open(&f);
        one = add_consumer(&f, 1000, "one", ON(7));
        two = add_consumer(&f, 1000, "two", ON(4, 2, 4));
        (void) alloc(&f, one, 10, 100, 64, NULL);
        (void) alloc(&f, two, 10, 200, 64, NULL);
        ck_assert_int_eq(commit_changes(&f), 0);
}

static void setup_runtime(void) {
        setup(false);
}

static void setup_durable(void) {
        setup(true);
}

static void teardown(void) {
        fixture_done(&f);
}

static void populate(void) {
        attach(&f, two, 205);
        attach(&f, two, 201);
        attach(&f, one, 103);
        map(&f, two, 205, 0x10000, 0x3000);
        map(&f, two, 205, 0x13000, 0x1000);
        map(&f, two, 205, 0, 0x10000);
        map(&f, one, 103, 0x10000, 0x200000);
        ck_assert_int_eq(commit_changes(&f), 0);
}

START_TEST(attachments_come_back) {
        populate();
        expect_same(&f);
        expect_same_reopened(&f);

        objects_unmap(&f.objects, two->id, 205, 0x10000);
        attach(&f, one, 104);
        map(&f, one, 104, 0x10000, 0x200000);
        detach(&f, two, 201);
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_same_reopened(&f);

        free_pasid(&f, two, 205);
        end_consumer(&f, one);
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_same_reopened(&f);
        ck_assert_uint_eq(f.kept.n_attached + f.kept.n_mapped, 0);
}
END_TEST

/* All 64 bits of an address, and all 32 of an id. */
START_TEST(numbers_are_kept_whole) {
        f.n_ids = UINT32_MAX - 120;
        attach(&f, two, 200);
        ck_assert_uint_eq(f.objects.attached[0].ioas, UINT32_MAX - 20);
        map(&f, two, 200, UINT64_C(0x8000000000000000), UINT64_C(0x4000000000000000));
        map(&f, two, 200, UINT64_C(0xfffffffffffff000), 0x1000);
        map(&f, two, 200, UINT64_C(0x7ffffffffffff000), 0x1000);
        attach(&f, two, 201);
        map(&f, two, 201, 0, UINT64_MAX);
        objects_map(&f.objects, &(struct store_mapping) { two->id, 201, UINT64_MAX, 1, UINT32_MAX });
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_same_reopened(&f);
        objects_unmap(&f.objects, two->id, 200, UINT64_C(0x8000000000000000));
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_same_reopened(&f);
}
END_TEST

START_TEST(nothing_is_written_twice_or_nowhere) {
        const struct store_ops *ops = f.store->ops;
        const struct store_attachment_device device = { "0000:00:04.0", 1, 2 };
        struct store_attachment a = { .pasid = 205, .ioas = 9, .devices = &device, .n_devices = 1 };
        struct store_mapping m = { .pasid = 205, .iova = 0x10000, .length = 0x1000, .flags = 1 };

        populate();
        a.consumer = m.consumer = two->id;
        begin(&f);
#define REFUSED(call, ...)                                                                          \
        do {                                                                                        \
                ck_assert_int_eq(ops->savepoint(f.store, &f.refusal), 0);                           \
                expect_refusal(&f, ops->call, EIO, "pasidd.db", "estart pasidd", __VA_ARGS__, NULL); \
                ck_assert_int_eq(ops->rollback_to(f.store), 0);                                     \
        } while (0)
        REFUSED(attachment_add(f.store, &a, &f.refusal), "is there already");
        REFUSED(attachment_remove(f.store, two->id, 202, &f.refusal), "other rows");
        REFUSED(attachment_remove(f.store, one->id, 205, &f.refusal), "other rows");
        REFUSED(mapping_add(f.store, &m, &f.refusal), "is there already");
        REFUSED(mapping_remove(f.store, two->id, 205, 0x11000, &f.refusal), "other rows");
        REFUSED(mapping_remove(f.store, two->id, 201, 0x10000, &f.refusal), "other rows");
        REFUSED(mapping_remove(f.store, one->id, 205, 0x10000, &f.refusal), "other rows");
        REFUSED(consumer_remove(f.store, one->id, &f.refusal), "other rows");
        commit(&f);
        expect_same_reopened(&f);
}
END_TEST

START_TEST(a_rollback_leaves_them_as_they_were) {
        populate();
        begin(&f);
        attach(&f, one, 105);
        map(&f, one, 105, 0, 4096);
        map(&f, one, 103, 0, 4096);
        objects_unmap(&f.objects, two->id, 205, 0);
        detach(&f, two, 201);
        ck_assert_int_eq(write_changes(&f, 0), 0);
        f.store->ops->rollback(f.store);
        take_back(&f);
        expect_same(&f);
        attach(&f, one, 105);
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_same_reopened(&f);
}
END_TEST

START_TEST(the_kernel_is_forgotten) {
        static const uint32_t pasids[] = { 201, 205 };
        const struct store_ops *ops = f.store->ops;

        populate();
        begin(&f);
        ck_assert_int_eq(ops->forget_kernel(f.store, &f.refusal), 0);
        ops->rollback(f.store);
        expect_same(&f);

        /* Together with the states, which are not the store's to change. */
        for (size_t i = 0; i < ELEMENTSOF(pasids); i++)
                detach(&f, two, pasids[i]);
        detach(&f, one, 103);
        begin(&f);
        ck_assert_int_eq(ops->forget_kernel(f.store, &f.refusal), 0);
        f.written = f.objects;
        attach(&f, two, 203);
        map(&f, two, 203, 0x10000, 4096);
        ck_assert_int_eq(write_changes(&f, 0), 0);
        commit(&f);
        expect_same_reopened(&f);
        ck_assert_uint_eq(f.kept.n_attached, 1);
}
END_TEST

START_TEST(another_boot_has_none) {
        static const char count[] =
                "SELECT (SELECT count(*) FROM attachment) + (SELECT count(*) FROM mapping)";
        _cleanup_free_ char *before = NULL, *after = NULL;

        populate();
        before = sql(&f, count);
        ck_assert_str_eq(before, "7");
        fixture_close(&f);
        f.boot_id = BOOT_B;
        fixture_open(&f);
        ck_assert(f.other_boot);
        after = sql(&f, count);
        ck_assert_str_eq(after, "0");
        if (!f.durable)
                return;

        /* The rows are there, as they were: what becomes of them is the caller's. */
        f.objects = f.written = f.kept = (struct objects) {};
        expect_same(&f);
        begin(&f);
        ck_assert_int_eq(f.store->ops->enter_boot(f.store, &f.refusal), 0);
        attach(&f, two, 209);
        ck_assert_int_eq(write_changes(&f, 0), 0);
        commit(&f);
        expect_same_reopened(&f);
        ck_assert(!f.other_boot);
        ck_assert_uint_eq(f.kept.n_attached, 1);
}
END_TEST

static int take_consumer(const struct consumer_spec *spec, void *userdata) {
        return 0;
}

static unsigned n_rows;

static int count_row(const struct store_row *row, void *userdata) {
        n_rows++;
        return 0;
}

static int take_one_attachment(const struct store_attachment *a, void *userdata) {
        ck_assert_uint_eq(n_rows, 20); /* all of them, and first */
        return ++*(int *) userdata == 2 ? -ECANCELED : 0;
}

static int take_three_mappings(const struct store_mapping *m, void *userdata) {
        return (*(int *) userdata += 10) == 30 ? -ECHILD : 0;
}

START_TEST(callbacks_end_the_loading) {
        int n = 0;
        struct store_loader loader = { .consumer = take_consumer, .row = count_row, .attachment = take_one_attachment,
                                       .mapping = take_three_mappings, .userdata = &n };

        populate();
        n_rows = 0;
        ck_assert_int_eq(f.store->ops->load(f.store, &loader, &f.refusal), -ECANCELED);
        ck_assert_int_eq(n, 2);

        n = n_rows = 0;
        loader.attachment = NULL;
        ck_assert_int_eq(f.store->ops->load(f.store, &loader, &f.refusal), -ECHILD);
        ck_assert_int_eq(n, 30);

        n = n_rows = 0;
        loader.attachment = take_one_attachment;
        loader.mapping = NULL;
        objects_detach(&f.objects, two->id, 201);
        detach(&f, two, 205);
        ck_assert_int_eq(core_row_set_state(f.core, core_row_get(two, 201), ROW_LOST, &f.now), 0);
        ck_assert_int_eq(commit_changes(&f), 0);
        ck_assert_int_eq(f.store->ops->load(f.store, &loader, &f.refusal), 0);
        ck_assert_int_eq(n, 1);

        loader.row = NULL;
        ck_assert_int_eq(f.store->ops->load(f.store, &loader, &f.refusal), 0);
        ck_assert_int_eq(n, 1);
}
END_TEST

static void expect_contradiction(const char *what, const char *word) {
        const struct store_loader loader = { .consumer = take_consumer, .row = count_row };
        int r = f.store->ops->load(f.store, &loader, &f.refusal);

        ck_assert_msg(r == -EBADMSG, "%s: %d", what, r);
        expect_refusal(&f, r, EBADMSG, "pasidd.db", "can't be trusted", word, NULL);
}

/* Whoever changes a row and leaves its attachment behind is found out. */
START_TEST(an_attachment_does_not_outlive_its_number) {
        struct store_mapping m = { .consumer = two->id, .pasid = 202, .iova = 0x10000, .length = 0x1000, .flags = 1 };
        struct moment later;

        populate();
        core_row_set_state(f.core, core_row_get(two, 201), ROW_LOST, &f.now);
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_contradiction("lost", "PASID 201 of consumer 2 has an attachment, and is not in state attached");

        detach(&f, two, 201);
        ck_assert_int_eq(core_free_pasids(f.core, two, (uint32_t[]) { 205 }, 1, &f.now, &f.refusal), 0);
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_contradiction("cooling", "PASID 205");
        later = f.now;
        later.boottime_usec += UINT64_C(3600000000);
        ck_assert_int_eq(core_expire(f.core, f.durable, &later, 10), 1);
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_contradiction("gone", "PASID 205");
        objects_detach(&f.objects, two->id, 205);
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_same_reopened(&f);

        /* And whoever writes memory that hangs on nothing. */
        begin(&f);
        ck_assert_int_eq(f.store->ops->mapping_add(f.store, &m, &f.refusal), 0);
        commit(&f);
        expect_contradiction("nothing attached", "PASID 202 of consumer 2 has memory mapped, and is not attached");
        begin(&f);
        ck_assert_int_eq(f.store->ops->mapping_remove(f.store, two->id, 202, 0x10000, &f.refusal), 0);
        commit(&f);
        expect_same_reopened(&f);

        /* A consumer does not go without. */
        ck_assert_int_eq(core_consumer_end(f.core, one, &f.now), 0);
        later.boottime_usec += UINT64_C(3600000000);
        (void) core_expire(f.core, f.durable, &later, NUMBER_MAX);
        expect_refusal(&f, commit_changes(&f), EIO, "other rows", NULL);
        expect_same(&f);
}
END_TEST

START_TEST(contradictions_are_found) {
        static const struct {
                const char *statement, *word;
        } changes[] = {
                { "UPDATE pasid SET state = 'allocated' WHERE key & 1048575 = 103", "not in state attached" },
                { "UPDATE attachment SET consumer = 77 WHERE pasid = 103", "not in state attached" },
                { "UPDATE attachment SET pasid = 104 WHERE pasid = 103", "not in state attached" },
                { "UPDATE attachment SET pasid = pasid + 1048576 WHERE pasid = 205", "not in state attached" },
                { "UPDATE attachment SET pasid = -1 WHERE pasid = 103", "not in state attached" },
                { "UPDATE attachment SET pasid = 0x7fffffffffffffff WHERE pasid = 103", "not in state attached" },
                { "UPDATE attachment SET ioas = -1 WHERE pasid = 103", "makes no sense" },
                { "UPDATE attachment SET ioas = 1 << 32 WHERE pasid = 103", "makes no sense" },
                { "DELETE FROM attachment WHERE pasid = 205", "has memory mapped, and is not attached" },
                { "UPDATE attachment SET devices = '' WHERE pasid = 205", "on no device" },
                { "UPDATE attachment SET devices = replace(devices, '0000:01:02.0', '0000:00:07.0')", "none of the consumer's" },
                { "UPDATE attachment SET devices = devices || ', ' || devices WHERE pasid = 201", "twice on one device" },
                { "UPDATE attachment SET devices = replace(devices, 'device ', 'device -')", "makes no sense" },
                { "UPDATE attachment SET devices = replace(devices, 'hwpt ', 'hwpt 42949672')", "makes no sense" },
                { "UPDATE attachment SET devices = replace(devices, ' hwpt', '  hwpt')", "makes no sense" },
                { "UPDATE attachment SET devices = devices || ' ' WHERE pasid = 103", "makes no sense" },
                { "UPDATE attachment SET devices = devices || ',' WHERE pasid = 103", "makes no sense" },
                { "UPDATE attachment SET devices = ', ' || devices WHERE pasid = 103", "makes no sense" },
                { "UPDATE attachment SET devices = substr(devices, 13) WHERE pasid = 103", "makes no sense" },
                { "UPDATE attachment SET devices = '0000:00:07.0' WHERE pasid = 103", "makes no sense" },
                { "UPDATE mapping SET pasid = 202 WHERE pasid = 205", "has memory mapped, and is not attached" },
                { "UPDATE mapping SET consumer = 2 WHERE pasid = 103", "has memory mapped, and is not attached" },
                { "UPDATE mapping SET length = 0 WHERE pasid = 103", "makes no sense" },
                { "UPDATE mapping SET length = -1 WHERE pasid = 103", "makes no sense" },
                { "UPDATE mapping SET flags = -1 WHERE pasid = 103", "makes no sense" },
                { "UPDATE mapping SET length = length + 1 WHERE pasid = 205", "twice" },
                { "UPDATE mapping SET iova = -0x10000, length = 0x10001 WHERE pasid = 103", "makes no sense" },
        };
        char undo[300], path[256], saved[256];

        populate();
        fixture_close(&f);
        (void) fixture_path(&f, "pasidd.db", path);
        (void) fixture_path(&f, "saved", saved);
        (void) snprintf(undo, sizeof(undo), "VACUUM INTO '%s'", saved);
        free(sql(&f, undo));
        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                free(sql(&f, changes[i].statement));
                fixture_open(&f);
                expect_contradiction(changes[i].statement, changes[i].word);
                fixture_close(&f);
                ck_assert_int_eq(rename(saved, path), 0);
                free(sql(&f, undo));
        }
        fixture_open(&f);
        expect_same(&f);
}
END_TEST

START_TEST(people_can_read_it) {
        _cleanup_free_ char *mapped = NULL, *bare = NULL;

        populate();
        mapped = sql(&f, "SELECT uid || '|' || consumer || '|' || ioas || '|' || devices || '|' || mappings || '|' || "
                     "mapped_bytes FROM attachments WHERE pasid = 205");
        ck_assert_str_eq(mapped, "1000|two|100|"
                         "0000:00:04.0 device 101 hwpt 111, 0000:01:02.0 device 102 hwpt 112, "
                         "0000:02:04.0 device 103 hwpt 113|3|81920");
        bare = sql(&f, "SELECT mappings || '|' || mapped_bytes FROM attachments WHERE pasid = 201");
        ck_assert_str_eq(bare, "0|0");
}
END_TEST

static void add_cases(Suite *suite, const char *name, SFun setup_kind) {
        TCase *tc = tcase_create(name);

        tcase_add_checked_fixture(tc, setup_kind, teardown);
        tcase_set_timeout(tc, 120);
        tcase_add_test(tc, attachments_come_back);
        tcase_add_test(tc, numbers_are_kept_whole);
        tcase_add_test(tc, nothing_is_written_twice_or_nowhere);
        tcase_add_test(tc, a_rollback_leaves_them_as_they_were);
        tcase_add_test(tc, the_kernel_is_forgotten);
        tcase_add_test(tc, another_boot_has_none);
        tcase_add_test(tc, callbacks_end_the_loading);
        tcase_add_test(tc, an_attachment_does_not_outlive_its_number);
        tcase_add_test(tc, contradictions_are_found);
        tcase_add_test(tc, people_can_read_it);
        suite_add_tcase(suite, tc);
}

int main(void) {
        Suite *suite = suite_create("store-attachments");

        add_cases(suite, "runtime", setup_runtime);
        add_cases(suite, "durable", setup_durable);
        return suite_run(suite);
}
