/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Consumers: how they are made and refused, found, listed, handed over and
 * ended.
 */
#include <errno.h>

#include "test-core-common.h"

static int try_add(struct core *core, const struct consumer_spec *spec, struct refusal *refusal) {
        struct consumer *c = NULL;
        size_t mark = core_mark(core);
        int r = core_consumer_add(core, spec, &c, refusal);

        if (r < 0) {
                ck_assert_ptr_null(c);
                ck_assert_uint_eq(core_mark(core), mark);
        }
        return r;
}

#define CHECK_REFUSED(code, words, ...)                                                                   \
        do {                                                                                              \
                struct refusal _refusal = {};                                                             \
                check_refusal(try_add(core, &(struct consumer_spec) { __VA_ARGS__ }, &_refusal), &_refusal, code, words); \
        } while (0)

START_TEST(test_fields) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer_device devices[] = { test_device(3, 1023), test_device(1, 255) };
        struct consumer *c;

        ck_assert_int_eq(core_consumer_add(core, &(struct consumer_spec) {
                .uid = 7, .name = "n", .min = 5, .max = 400, .quota = 9, .hold = HOLD_CONNECTION, .holder = "bus::1.5",
                .mode = MODE_MEDIATED, .since_usec = 99, .devices = devices, .n_devices = 2 }, &c, NULL), 0);
        ck_assert_uint_eq(c->id, 1);
        ck_assert_uint_eq(c->uid, 7);
        ck_assert_str_eq(c->name, "n");
        ck_assert_uint_eq(c->min, 5);
        ck_assert_uint_eq(c->max, 255);
        ck_assert_uint_eq(c->quota, 9);
        ck_assert_int_eq(c->hold, HOLD_CONNECTION);
        ck_assert_str_eq(c->holder, "bus::1.5");
        ck_assert_int_eq(c->mode, MODE_MEDIATED);
        ck_assert_uint_eq(c->since_usec, 99);
        ck_assert_uint_eq(c->n_devices, 2);
        ck_assert_str_eq(c->devices[1].address, "0000:01:00.0");
        ck_assert(!c->ended);
        c = test_consumer(core, 7, "host", NULL, 0, 0);
        ck_assert_uint_eq(c->id, 2);
        ck_assert_uint_eq(c->min, NUMBER_MIN);
        ck_assert_uint_eq(c->max, NUMBER_MAX);
        ck_assert_uint_eq(c->quota, 65536);
        ck_assert_str_eq(c->holder, "");
        ck_assert_uint_eq(c->n_devices, 0);
}
END_TEST

START_TEST(test_refused) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer_device devices[] = { test_device(3, 1023), test_device(1, 255), test_device(2, 0) };
        struct core_stats stats;

        CHECK_REFUSED(EILSEQ, "empty", .name = "");
        CHECK_REFUSED(EDOM, "9..8 is empty", .name = "n", .min = 9, .max = 8);
        CHECK_REFUSED(EDOM, "PASID 0", .name = "n", .min = 0, .max = 8);
        CHECK_REFUSED(EDOM, "1048576 does not fit", .name = "n", .min = 1, .max = NUMBER_MAX + 1);
        CHECK_REFUSED(EDOM, "5000000 does not fit", .name = "n", .min = 5000000, .max = NUMBER_MAX);
        CHECK_REFUSED(ERANGE, "The range 256..300 is outside 1..255, what device 0000:01:00.0 (8 bits wide)",
                      .name = "n", .min = 256, .max = 300, .devices = devices, .n_devices = 2);
        CHECK_REFUSED(EMEDIUMTYPE, "Device 0000:02:00.0 has no PASIDs", .name = "n", .devices = devices, .n_devices = 3);
        CHECK_REFUSED(EDQUOT, "A quota of 65537", .name = "n", .uid = 1, .quota = 65537);
        ck_assert_int_eq(try_add(core, &(struct consumer_spec) { .name = "n", .quota = 65537 }, NULL), 0);
        ck_assert_int_eq(try_add(core, &(struct consumer_spec) { .name = "n", .uid = 1, .quota = 65536 }, NULL), 0);
        CHECK_REFUSED(EEXIST, "a consumer \"n\" of uid 1 already", .name = "n", .uid = 1);
        ck_assert_int_eq(try_add(core, &(struct consumer_spec) { .name = "n", .uid = 2 }, NULL), 0);
        CHECK_REFUSED(EINVAL, "id 2", .name = "m", .id = 2);
        core_get_stats(core, &stats);
        ck_assert_uint_eq(stats.n_consumers, 3);
}
END_TEST

START_TEST(test_limit) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct core_limits limits = { .consumers_per_uid = 2, .pasids_per_consumer = 10 };
        struct moment now = AT(1);
        struct consumer *a;

        core_set_limits(core, &limits);
        a = test_consumer(core, 1, "a", NULL, 0, 0);
        (void) test_consumer(core, 1, "b", NULL, 0, 0);
        CHECK_REFUSED(EDQUOT, "one more than the 2 that uid 1 may have", .name = "c", .uid = 1);
        (void) test_consumer(core, 2, "a", NULL, 0, 0);
        for (int i = 0; i < 5; i++) {
                char name[] = "r0";

                name[1] = (char) ('0' + i);
                (void) test_consumer(core, 0, name, NULL, 0, 0);
        }
        ck_assert_int_eq(core_consumer_end(core, a, &now), 0);
        (void) test_consumer(core, 1, "c", NULL, 0, 0);
}
END_TEST

START_TEST(test_find) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c[6];
        struct moment now = AT(1);
        struct consumer *p = NULL;

        for (int i = 0; i < 6; i++)
                c[i] = test_consumer(core, (uid_t) (i % 2), (const char *[]) { "x", "y", "z" }[i / 2], ON(1), 255);
        ck_assert_ptr_eq(core_consumer_get(core, 1, "y"), c[3]);
        ck_assert_ptr_null(core_consumer_get(core, 2, "y"));
        ck_assert_ptr_null(core_consumer_get(core, 1, "yy"));
        ck_assert_ptr_eq(core_consumer_by_id(core, c[4]->id), c[4]);
        ck_assert_ptr_null(core_consumer_by_id(core, 99));
        for (int i = 0; i < 6; i++) {
                p = core_consumer_next(core, p);
                ck_assert_ptr_eq(p, c[i]);
        }
        ck_assert_ptr_null(core_consumer_next(core, p));
        /* One that ends with a cooling number: no name any more, but still listed. One without: gone. */
        (void) test_alloc(core, c[3], 0, 0);
        ck_assert_int_eq(core_consumer_end(core, c[3], &now), 0);
        ck_assert_int_eq(core_consumer_end(core, c[2], &now), 0);
        ck_assert_ptr_null(core_consumer_get(core, 1, "y"));
        ck_assert_ptr_eq(core_consumer_by_id(core, c[3]->id), c[3]);
        ck_assert_ptr_null(core_consumer_by_id(core, c[2]->id));
        ck_assert_ptr_eq(core_consumer_next(core, c[1]), c[3]);
        /* From one that is gone the list goes on. */
        ck_assert_ptr_eq(core_consumer_next(core, c[2]), c[3]);
        p = test_consumer(core, 1, "y", ON(1), 255);
        ck_assert_uint_eq(p->id, 7);
        ck_assert_ptr_eq(core_consumer_get(core, 1, "y"), p);
        ck_assert_int_eq(core_consumer_end(core, c[3], &now), 0);
}
END_TEST

START_TEST(test_end) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255);
        struct moment now = AT(5), later = AT(35);
        struct core_stats stats;
        struct change change;
        size_t pos;

        for (int i = 0; i < 3; i++)
                (void) test_alloc(core, c, 0, 0);
        ck_assert_int_eq(core_row_set_state(core, core_row_get(c, 2), ROW_RESERVED, &now), 0);
        test_free(core, c, 1, 2);
        core_commit(core);
        ck_assert_int_eq(core_consumer_end(core, c, &now), 0);
        ck_assert(c->ended);
        ck_assert_uint_eq(c->n_live, 0);
        ck_assert_uint_eq(c->n_cooling, 3);
        /* Each number's change, then the consumer's. */
        pos = 0;
        ck_assert(core_change_next(core, &pos, &change));
        ck_assert_int_eq(change.kind, CHANGE_ROW_STATE);
        ck_assert_int_eq(change.old_state, ROW_RESERVED);
        ck_assert_uint_eq(change.row->pasid, 2);
        ck_assert(core_change_next(core, &pos, &change));
        ck_assert_int_eq(change.kind, CHANGE_ROW_STATE);
        ck_assert_int_eq(change.old_state, ROW_ALLOCATED);
        ck_assert_uint_eq(change.row->pasid, 3);
        ck_assert_uint_eq(change.row->freed_usec, now.boottime_usec);
        ck_assert(core_change_next(core, &pos, &change));
        ck_assert_int_eq(change.kind, CHANGE_CONSUMER_ENDED);
        ck_assert_ptr_eq(change.consumer, c);
        ck_assert(!core_change_next(core, &pos, &change));
        core_get_stats(core, &stats);
        ck_assert_uint_eq(stats.n_consumers, 0);
        ck_assert_uint_eq(stats.n_live, 0);
        ck_assert_uint_eq(stats.n_cooling, 3);
        core_commit(core);
        /* It goes with its last number. */
        pos = core_mark(core);
        ck_assert_int_eq(core_expire(core, false, &later, 100), 3);
        for (int i = 0; i < 3; i++) {
                ck_assert(core_change_next(core, &pos, &change));
                ck_assert_int_eq(change.kind, CHANGE_ROW_REMOVED);
                ck_assert_int_eq(change.old_state, ROW_COOLING);
        }
        ck_assert(core_change_next(core, &pos, &change));
        ck_assert_int_eq(change.kind, CHANGE_CONSUMER_REMOVED);
        ck_assert(!core_change_next(core, &pos, &change));
        core_commit(core);
        ck_assert_ptr_null(core_consumer_next(core, NULL));
        ck_assert_ptr_null(core->owners);
}
END_TEST

START_TEST(test_holder) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer *c = test_consumer(core, 1, "c", NULL, 0, 0);
        size_t mark, pos;
        struct change change;

        core_commit(core);
        ck_assert_int_eq(core_consumer_set_holder(core, c, "one"), 0);
        pos = mark = core_mark(core);
        ck_assert_int_eq(core_consumer_set_holder(core, c, "two"), 0);
        ck_assert_str_eq(c->holder, "two");
        ck_assert(core_change_next(core, &pos, &change));
        ck_assert_int_eq(change.kind, CHANGE_CONSUMER_HOLDER);
        core_rollback(core, mark);
        ck_assert_str_eq(c->holder, "one");
        core_commit(core);
        ck_assert_str_eq(c->holder, "one");
}
END_TEST

/* A device that is gone limits no range. */
START_TEST(test_gone) {
        _cleanup_(core_freep) struct core *core = test_core(0);
        struct consumer_device devices[] = { test_device(3, 1023), test_device(1, 0) };
        struct consumer *c;

        devices[1].gone = true;
        ck_assert_int_eq(core_consumer_add(core, &(struct consumer_spec) {
                .uid = 7, .name = "n", .devices = devices, .n_devices = 2 }, &c, NULL), 0);
        ck_assert_uint_eq(c->max, 1023);
}
END_TEST

/* With all that it has, and back again if the table refuses. */
START_TEST(test_set_owner) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct consumer *c = test_consumer(core, 1, "c", ON(1), 255), *other;
        struct refusal refusal = {};
        struct change change;
        size_t mark;

        (void) test_alloc(core, c, 5, 5);
        (void) test_alloc(core, c, 6, 6);
        test_free(core, c, 6, 0);
        other = test_consumer(core, 1, "o", ON(1), 255);
        core_commit(core);
        for (int round = 0; round < 2; round++) {
                mark = core_mark(core);
                ck_assert_int_eq(core_consumer_set_owner(core, c, 2, &refusal), 0);
                ck_assert(core_change_next(core, &mark, &change));
                ck_assert_int_eq(change.kind, CHANGE_CONSUMER_OWNER);
                ck_assert_ptr_eq(change.consumer, c);
                ck_assert_uint_eq(change.old_uid, 1);
                ck_assert_ptr_eq(core_consumer_get(core, 2, "c"), c);
                ck_assert_ptr_null(core_consumer_get(core, 1, "c"));
                ck_assert_uint_eq(owner_find(core, 2)->n_consumers, 1);
                ck_assert_uint_eq(owner_find(core, 2)->n_live, 1);
                ck_assert_uint_eq(owner_find(core, 2)->n_cooling, 1);
                ck_assert_uint_eq(owner_find(core, 1)->n_consumers, 1);
                ck_assert_uint_eq(owner_find(core, 1)->n_live + owner_find(core, 1)->n_cooling, 0);
                (void) test_alloc(core, c, 7, 7);
                if (round == 1)
                        break;
                core_rollback(core, 0);
                ck_assert_uint_eq(c->uid, 1);
                ck_assert_ptr_eq(core_consumer_get(core, 1, "c"), c);
                ck_assert_ptr_null(owner_find(core, 2));
                ck_assert_uint_eq(owner_find(core, 1)->n_consumers, 2);
                ck_assert_uint_eq(owner_find(core, 1)->n_live, 1);
                ck_assert_uint_eq(owner_find(core, 1)->n_cooling, 1);
        }
        ck_assert_int_eq(core_consumer_set_owner(core, other, 2, &refusal), 0); /* the old account goes with its last one */
        core_commit(core);
        ck_assert_ptr_null(owner_find(core, 1));
        ck_assert_uint_eq(owner_find(core, 2)->n_consumers, 2);
        check_refusal(core_consumer_set_owner(core, c, 2, &refusal), &refusal, EEXIST, "\"c\" of uid 2");
}
END_TEST

/* A line for each account, from the lowest uid on. */
static void check_usage(const struct core *core, const char *wanted) {
        struct core_usage usage, *after = NULL;
        char text[256] = "";

        while (core_usage_next(core, after, &usage)) {
                size_t n = strlen(text);

                (void) snprintf(text + n, sizeof(text) - n, "%u: %u %u %u\n", (unsigned) usage.uid, usage.n_consumers,
                                usage.n_live, usage.n_cooling);
                after = &usage;
        }
        ck_assert_str_eq(text, wanted);
}

START_TEST(test_usage) {
        _cleanup_(core_freep) struct core *core = test_core(DELAY);
        struct core_usage gone = { .uid = 7 }, usage;
        struct moment now = AT(1);
        struct consumer *low, *high;
        uint32_t pasid;

        check_usage(core, "");
        high = test_consumer(core, UINT32_MAX - 1, "c", NULL, 0, 0);
        low = test_consumer(core, 1000, "c", NULL, 0, 0);
        (void) test_consumer(core, 1000, "d", NULL, 0, 0);
        (void) test_alloc(core, low, 0, 0);
        pasid = test_alloc(core, low, 0, 0);
        (void) test_alloc(core, high, 0, 0);
        check_usage(core, "1000: 2 2 0\n4294967294: 1 1 0\n");
        ck_assert_int_eq(core_free_pasids(core, low, &pasid, 1, &now, NULL), 0);
        core_commit(core);
        check_usage(core, "1000: 2 1 1\n4294967294: 1 1 0\n");

        /* uid 0 comes first; from one that has no account it goes on with the next. */
        (void) test_consumer(core, 0, "c", NULL, 0, 0);
        check_usage(core, "0: 1 0 0\n1000: 2 1 1\n4294967294: 1 1 0\n");
        ck_assert(core_usage_next(core, &gone, &usage));
        ck_assert_uint_eq(usage.uid, 1000);
        /* What has ended is no consumer, but its account stays while a number of it cools. */
        ck_assert_int_eq(core_consumer_end(core, high, &now), 0);
        core_commit(core);
        check_usage(core, "0: 1 0 0\n1000: 2 1 1\n4294967294: 0 0 1\n");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("core-consumer");
        TCase *tc = tcase_create("consumer");

        tcase_add_test(tc, test_fields);
        tcase_add_test(tc, test_refused);
        tcase_add_test(tc, test_limit);
        tcase_add_test(tc, test_find);
        tcase_add_test(tc, test_end);
        tcase_add_test(tc, test_holder);
        tcase_add_test(tc, test_gone);
        tcase_add_test(tc, test_set_owner);
        tcase_add_test(tc, test_usage);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
