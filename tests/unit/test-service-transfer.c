/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A consumer changes hands: with its numbers, its limits and its holder, or
 * not at all.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "holders.h"
#include "suite.h"

#define OLD 1000
#define NEW 2000

static struct fixture f;

static void setup(void) {
        fixture_init(&f);
        ck_assert_int_eq(fixture_start(&f), 0);
}

static void teardown(void) {
        fixture_done(&f);
}

static struct consumer *get(uid_t uid, const char *name) {
        return core_consumer_get(service_core(f.service), uid, name);
}

static void offer(const char *name, uid_t uid) {
        struct refusal refusal = {};

        ck_assert_msg(service_offer_consumer(f.service, get(OLD, name), uid, &refusal) == 0, "%s", refusal.text);
}

static int accept_as(uid_t uid, const char *name, struct refusal *refusal) {
        struct accept_request request = { .owner = OLD, .name = name, .uid = uid, .holder = "peer:7:8:9" };
        struct consumer *c = NULL;
        int r;

        *refusal = (struct refusal) {};
        r = service_accept_consumer(f.service, &request, &c, refusal);
        ck_assert(r < 0 ? !c : c == get(uid, name));
        return r;
}

static void alloc(struct consumer *c, uint32_t count, uint32_t min, uint32_t *pasids) {
        struct alloc_request request = { .count = count, .min = min, .max = NUMBER_MAX };
        struct refusal refusal = {};

        ck_assert_msg(service_alloc(f.service, c, &request, NULL, pasids, &refusal) == 0, "%s", refusal.text);
}

static void expect_refused(uid_t uid, const char *name, int code, const char *words) {
        struct refusal refusal;
        int r = accept_as(uid, name, &refusal);

        ck_assert_msg(r == -code, "%d: %s", r, refusal.text);
        ck_assert_msg(strstr(refusal.text, words), "\"%s\" lacks \"%s\"", refusal.text, words);
        ck_assert_ptr_nonnull(get(OLD, "vm"));
}

START_TEST(test_accept) {
        struct consumer *c = fixture_consumer(&f, "vm", "0000:01:00.0", HOLD_BOOT);
        struct refusal refusal;
        uint32_t pasids[3];
        uint64_t id = c->id;

        alloc(c, 3, 10, pasids);
        ck_assert_int_eq(service_free_pasids(f.service, c, &pasids[2], 1, &refusal), 0);
        fixture_listen(&f);
        offer("vm", NEW);
        ck_assert_uint_eq(c->offered_to, NEW);
        ck_assert(service_is_offered(f.service, OLD, "vm", NEW));
        ck_assert_msg(accept_as(NEW, "vm", &refusal) == 0, "%s", refusal.text);
        ck_assert(!service_is_pending(f.service));
        ck_assert_ptr_nonnull(strstr(f.news, "freed vm 12 freed\nmoved vm 1000 \n")); /* after what was pending */
        ck_assert_ptr_null(get(OLD, "vm"));
        c = get(NEW, "vm");
        ck_assert_uint_eq(c->id, id);
        ck_assert_uint_eq(c->n_live, 2);
        ck_assert_uint_eq(c->n_cooling, 1);
        ck_assert_uint_eq(c->offered_to, (uid_t) -1);
        ck_assert_str_eq(c->holder, "");
        ck_assert_int_eq(accept_as(NEW, "vm", &refusal), -EACCES);
        /* both names are free to be had, and are two */
        fixture_consumer(&f, "vm", NULL, HOLD_BOOT);
        fixture_restart(&f);
        ck_assert_uint_eq(get(NEW, "vm")->id, id);
        ck_assert_uint_ne(get(OLD, "vm")->id, id);
        ck_assert_uint_eq(get(NEW, "vm")->n_live, 2);
        fixture_expect_consistent(&f);
}
END_TEST

START_TEST(test_not_offered) {
        struct refusal refusal = {};

        fixture_consumer(&f, "vm", NULL, HOLD_BOOT);
        expect_refused(NEW, "vm", EACCES, "was offered no consumer");
        expect_refused(NEW, "nobody", EACCES, "was offered no consumer");
        offer("vm", NEW);
        expect_refused(NEW + 1, "vm", EACCES, "was offered no consumer");
        offer("vm", NEW + 1);
        expect_refused(NEW, "vm", EACCES, "was offered no consumer");
        offer("vm", (uid_t) -1);
        expect_refused(NEW + 1, "vm", EACCES, "was offered no consumer");
        expect_refused((uid_t) -1, "vm", EACCES, "was offered no consumer");
        ck_assert_int_eq(service_offer_consumer(f.service, get(OLD, "vm"), OLD, &refusal), -EINVAL);
        offer("vm", NEW);
        fixture_restart(&f); /* no more than a word */
        expect_refused(NEW, "vm", EACCES, "was offered no consumer");
}
END_TEST

START_TEST(test_limits_of_the_new_owner) {
        struct init_request request = { .uid = NEW, .name = "own", .hold = HOLD_BOOT };
        struct refusal refusal;
        uint32_t pasids[4];
        struct consumer *own;

        fixture_consumer(&f, "stays", NULL, HOLD_BOOT); /* and with it the old owner's account */
        alloc(fixture_consumer(&f, "vm", NULL, HOLD_BOOT), 4, 10, pasids);
        ck_assert_int_eq(service_free_pasids(f.service, get(OLD, "vm"), pasids, 1, &refusal), 0);
        offer("vm", NEW);
        ck_assert_int_eq(service_init_consumer(f.service, &request, &own, &refusal), 0);
        alloc(own, 2, 1, pasids);
        f.limits.consumers_per_uid = 1;
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &f.service_limits), 0);
        expect_refused(NEW, "vm", EDQUOT, "ConsumersPerUid=1");
        f.limits.consumers_per_uid = 2;
        f.limits.pasids_per_uid = 5;
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &f.service_limits), 0);
        expect_refused(NEW, "vm", EDQUOT, "PasidsPerUid=5"); /* four, a cooling one among them, and two */
        f.limits.pasids_per_uid = 6;
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &f.service_limits), 0);
        ck_assert_msg(accept_as(NEW, "vm", &refusal) == 0, "%s", refusal.text);
        /* and they count as its own from here on */
        ck_assert_int_eq(service_alloc(f.service, own, &(struct alloc_request) { .count = 1 }, NULL, pasids, &refusal), -EDQUOT);
        request.name = "third";
        ck_assert_int_eq(service_init_consumer(f.service, &request, &own, &refusal), -EDQUOT);
        alloc(get(OLD, "stays"), 6, 100, (uint32_t[6]) {});
        request.uid = OLD;
        ck_assert_int_eq(service_init_consumer(f.service, &request, &own, &refusal), 0);
}
END_TEST

START_TEST(test_name_is_taken) {
        struct init_request request = { .uid = NEW, .name = "vm", .hold = HOLD_BOOT };
        struct refusal refusal;
        struct consumer *c;

        fixture_consumer(&f, "vm", NULL, HOLD_BOOT);
        ck_assert_int_eq(service_init_consumer(f.service, &request, &c, &refusal), 0);
        offer("vm", NEW);
        expect_refused(NEW, "vm", EEXIST, "already");
        ck_assert_int_eq(service_exit_consumer(f.service, get(NEW, "vm"), "exit", &refusal), 0);
        ck_assert_msg(accept_as(NEW, "vm", &refusal) == 0, "%s", refusal.text);
}
END_TEST

/* A connection is its new owner's, and any other holder stays. */
START_TEST(test_holder) {
        struct refusal refusal;

        fixture_consumer(&f, "vm", NULL, HOLD_CONNECTION);
        offer("vm", NEW);
        ck_assert_int_eq(accept_as(NEW, "vm", &refusal), 0);
        ck_assert_str_eq(get(NEW, "vm")->holder, "peer:7:8:9");
        fixture_restart(&f);
        ck_assert_int_eq(service_holder_gone(f.service, "peer:1:2:3", "holder-gone"), 0);
        ck_assert_ptr_nonnull(get(NEW, "vm"));
        ck_assert_int_eq(service_holder_gone(f.service, "peer:7:8:9", "holder-gone"), 1);
        ck_assert_ptr_null(get(NEW, "vm"));
}
END_TEST

START_TEST(test_watched_holder) {
        struct init_request request = holder_request("vm", HOLD_PROCESS);
        struct refusal refusal;

        request.uid = OLD;
        request.privileged = true;
        request.hold_pid = (uint32_t) holder_child();
        ck_assert_int_eq(holder_try(&f, &request, &refusal), 0);
        offer("vm", NEW);
        ck_assert_int_eq(accept_as(NEW, "vm", &refusal), 0);
        ck_assert(service_hold_is_watched(get(NEW, "vm")));
        holder_kill((pid_t) request.hold_pid, 9, true);
        fixture_run_until(&f, !get(NEW, "vm"));
}
END_TEST

/* The table refuses, at each step: all is as it was, the offer too. */
START_TEST(test_refused_by_the_table) {
        struct refusal refusal;
        uint32_t pasids[2];
        unsigned n;
        int r = -EIO;

        alloc(fixture_consumer(&f, "vm", NULL, HOLD_CONNECTION), 2, 10, pasids);
        ck_assert_int_eq(service_flush(f.service), 0);
        offer("vm", NEW);
        for (n = 1; r == -EIO && n < 20; n++) {
                char *picture = fixture_picture(&f);

                fault_store_fail(f.runtime, n, EIO);
                r = accept_as(NEW, "vm", &refusal);
                if (r == 0) {
                        free(picture);
                        break;
                }
                ck_assert_int_eq(r, -EIO);
                fixture_expect_same(&f, picture);
                ck_assert(service_is_offered(f.service, OLD, "vm", NEW));
                ck_assert_str_eq(get(OLD, "vm")->holder, "peer:1:2:3");
        }
        ck_assert_uint_eq(n, 7); /* begin, owner, holder, history and its trimming, commit, and none */
        fault_store_fail(f.runtime, 0, 0);
        fixture_restart(&f);
        ck_assert_uint_eq(get(NEW, "vm")->n_live, 2);
        ck_assert_str_eq(get(NEW, "vm")->holder, "peer:7:8:9");
}
END_TEST

/* Attached numbers stay so, and what is pinned has to be within the new owner's limit. */
START_TEST(test_mediated) {
        struct kernel_mapping mapping = { .fd = 1, .length = 1 << 20, .flags = MAP_READ };
        struct refusal refusal;
        uint64_t iova;
        uint32_t pasid;

        fixture_mediated(&f, OLD, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        pasid = fixture_alloc_attached(&f, "vm");
        ck_assert_msg(service_map(f.service, get(OLD, "vm"), pasid, &mapping, &iova, &refusal) == 0, "%s", refusal.text);
        offer("vm", NEW);
        f.service_limits.pinned_per_uid = (1 << 20) - 1;
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &f.service_limits), 0);
        expect_refused(NEW, "vm", EDQUOT, "PinnedBytesPerUid=");
        f.service_limits.pinned_per_uid = 1 << 20;
        ck_assert_int_eq(service_set_limits(f.service, &f.limits, &f.service_limits), 0);
        ck_assert_msg(accept_as(NEW, "vm", &refusal) == 0, "%s", refusal.text);
        ck_assert_ptr_nonnull(fake_kernel_attachment(&f.kernel, "0000:01:00.0", pasid));
        ck_assert_int_eq(service_map(f.service, get(NEW, "vm"), pasid, &mapping, &iova, &refusal), -EDQUOT);
        ck_assert_int_eq(service_exit_consumer(f.service, get(NEW, "vm"), "exit", &refusal), 0);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_ATTACHMENT) + fake_kernel_count(&f.kernel, FAKE_MAPPING), 0);
}
END_TEST

/* Persistent ones have a table of their own. */
START_TEST(test_persistent) {
        struct refusal refusal;

        fixture_consumer(&f, "vm", NULL, HOLD_PERSISTENT);
        offer("vm", NEW);
        ck_assert_int_eq(accept_as(NEW, "vm", &refusal), 0);
        fixture_restart(&f);
        ck_assert_ptr_nonnull(get(NEW, "vm"));
        ck_assert_ptr_null(get(OLD, "vm"));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-transfer");
        TCase *tc = tcase_create("transfer");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, test_accept);
        tcase_add_test(tc, test_not_offered);
        tcase_add_test(tc, test_limits_of_the_new_owner);
        tcase_add_test(tc, test_name_is_taken);
        tcase_add_test(tc, test_holder);
        if (has_pidfds())
                tcase_add_test(tc, test_watched_holder);
        tcase_add_test(tc, test_refused_by_the_table);
        tcase_add_test(tc, test_mediated);
        tcase_add_test(tc, test_persistent);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
