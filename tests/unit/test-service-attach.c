/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers are attached and detached: what is made for it in the kernel, what
 * the tables say then, and who is told no.
 */
#include <string.h>

#include "service-fixture.h"
#include "suite.h"

static struct fixture f;

static void setup(void) {
        fixture_init(&f);
        ck_assert_int_eq(fixture_start(&f), 0);
}

static void teardown(void) {
        fixture_done(&f);
}

static void expect_objects(size_t devices, size_t ioases, size_t tables, size_t attachments) {
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_DEVICE), devices);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_IOAS), ioases);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_HWPT), tables);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_ATTACHMENT), attachments);
        fixture_expect_consistent(&f);
}

static uint32_t alloc(const char *name) {
        struct alloc_request request = { .count = 1 };
        struct refusal refusal = {};
        uint32_t pasid = 0;

        ck_assert_msg(service_alloc(f.service, fixture_get(&f, name), &request, NULL, &pasid, &refusal) == 0, "%s",
                      refusal.text);
        return pasid;
}

static int attach(const char *name, uint32_t pasid) {
        struct refusal refusal = {};
        int r = service_attach(f.service, fixture_get(&f, name), pasid, &refusal);

        ck_assert_int_eq(refusal.code, -r);
        return r;
}

static int detach(const char *name, uint32_t pasid) {
        struct refusal refusal = {};
        int r = service_detach(f.service, fixture_get(&f, name), pasid, &refusal);

        ck_assert_int_eq(refusal.code, -r);
        return r;
}

static int free_one(const char *name, uint32_t pasid) {
        struct refusal refusal = {};
        int r = service_free_pasids(f.service, fixture_get(&f, name), &pasid, 1, &refusal);

        ck_assert_int_eq(refusal.code, -r);
        ck_assert_int_eq(service_flush(f.service), 0);
        return r;
}

static void leave(const char *name) {
        struct refusal refusal = {};

        ck_assert_msg(service_exit_consumer(f.service, fixture_get(&f, name), "exit", &refusal) == 0, "%s",
                      refusal.text);
        ck_assert_int_eq(service_flush(f.service), 0);
        ck_assert_ptr_null(fixture_get(&f, name));
}

START_TEST(test_attach_and_detach) {
        uint32_t one, two;

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        expect_objects(0, 0, 0, 0); /* opened at first need */
        one = alloc("vm");
        ck_assert_int_eq(attach("vm", one), 0);
        ck_assert_int_eq(fixture_state(&f, "vm", one), ROW_ATTACHED);
        ck_assert_ptr_nonnull(fake_kernel_attachment(&f.kernel, "0000:01:00.0", one));
        expect_objects(1, 1, 1, 1);
        two = alloc("vm");
        ck_assert_int_eq(attach("vm", two), 0);
        expect_objects(1, 2, 2, 2);

        f.now.realtime_usec += 1000;
        ck_assert_int_eq(detach("vm", one), 0);
        ck_assert_int_eq(fixture_state(&f, "vm", one), ROW_ALLOCATED);
        ck_assert_uint_eq(core_row_get(fixture_get(&f, "vm"), one)->since_usec, f.now.realtime_usec);
        expect_objects(1, 1, 1, 1);
        ck_assert_int_eq(attach("vm", one), 0);
        ck_assert_int_eq(detach("vm", two), 0);
        ck_assert_int_eq(detach("vm", one), 0);
        expect_objects(1, 0, 0, 0); /* the next attach is not far */
        leave("vm");
        expect_objects(0, 0, 0, 0);
}
END_TEST

/* Free and Exit detach first, and what pasidd itself detached need not cool. */
START_TEST(test_free_and_exit) {
        uint32_t one, two;
        char expected[128];

        fixture_listen(&f);
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        one = fixture_alloc_attached(&f, "vm");
        two = fixture_alloc_attached(&f, "vm");
        expect_objects(1, 2, 2, 2);
        ck_assert_int_eq(free_one("vm", one), 0);
        ck_assert_ptr_null(core_row_get(fixture_get(&f, "vm"), one));
        expect_objects(1, 1, 1, 1);
        leave("vm");
        expect_objects(0, 0, 0, 0);
        ck_assert_ptr_null(core_consumer_next(service_core(f.service), NULL));
        (void) snprintf(expected, sizeof(expected),
                        "allocated vm %u \nallocated vm %u \nfreed vm %u freed\nfreed vm %u exit\nended vm 0 \n",
                        one, two, one, two);
        ck_assert_str_eq(f.news, expected);
}
END_TEST

START_TEST(test_devices_share_a_page_table) {
        uint32_t pasid;

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0", "0000:04:00.0"));
        pasid = fixture_alloc_attached(&f, "vm");
        expect_objects(2, 1, 1, 2);
        ck_assert_uint_eq(fake_kernel_attachment(&f.kernel, "0000:01:00.0", pasid)->of,
                          fake_kernel_attachment(&f.kernel, "0000:04:00.0", pasid)->of);
        leave("vm");

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:04:00.0", "0000:02:00.0", "0000:01:00.0"));
        pasid = fixture_alloc_attached(&f, "vm");
        expect_objects(3, 1, 2, 3);
        ck_assert_uint_eq(fake_kernel_attachment(&f.kernel, "0000:01:00.0", pasid)->of,
                          fake_kernel_attachment(&f.kernel, "0000:04:00.0", pasid)->of);
        leave("vm");

        /* Which IOMMU is not known: it might be any. */
        f.kernel.devices[0].iommu = "";
        ck_assert_int_eq(service_rediscover(f.service, NULL), 0);
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:05:00.0", "0000:01:00.0"));
        (void) fixture_alloc_attached(&f, "vm");
        expect_objects(2, 1, 2, 2);
        leave("vm");
        expect_objects(0, 0, 0, 0);
}
END_TEST

START_TEST(test_consumers_share_a_device) {
        uint32_t one, two;

        fixture_mediated(&f, 1000, "a", HOLD_BOOT, DEVICES("0000:01:00.0"));
        fixture_mediated(&f, 1000, "b", HOLD_PERSISTENT, DEVICES("0000:01:00.0", "0000:02:00.0"));
        one = fixture_alloc_attached(&f, "a");
        two = fixture_alloc_attached(&f, "b");
        ck_assert_uint_ne(one, two);
        expect_objects(2, 2, 3, 3);
        leave("a");
        expect_objects(2, 1, 2, 2);
        leave("b");
        expect_objects(0, 0, 0, 0);
}
END_TEST

START_TEST(test_refusals) {
        struct alloc_request request = { .count = 1 };
        struct refusal refusal = {};
        uint64_t n64;
        uint32_t pasid, other;
        char *picture;

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        fixture_mediated(&f, 1000, "other", HOLD_BOOT, DEVICES("0000:01:00.0"));
        fixture_consumer(&f, "advisory", "0000:01:00.0", HOLD_BOOT);
        pasid = fixture_alloc_attached(&f, "vm");
        other = alloc("advisory");
        ck_assert_int_eq(service_flush(f.service), 0);
        picture = fixture_picture(&f);

        ck_assert_int_eq(attach("vm", pasid), -EADDRINUSE);
        ck_assert_int_eq(attach("other", pasid), -ENOENT);
        ck_assert_int_eq(attach("vm", other), -ENOENT);
        ck_assert_int_eq(attach("vm", 0), -ENOENT);
        ck_assert_int_eq(attach("vm", 1U << 20), -ENOENT);
        ck_assert_int_eq(attach("vm", UINT32_MAX), -ENOENT);
        ck_assert_int_eq(detach("other", pasid), -ENOENT);
        ck_assert_int_eq(detach("vm", 0), -ENOENT);
        ck_assert_int_eq(detach("vm", UINT32_MAX), -ENOENT);
        ck_assert_int_eq(attach("advisory", other), -EPROTOTYPE);
        ck_assert_int_eq(detach("advisory", other), -EPROTOTYPE);
        ck_assert_int_eq(service_alloc_mapped(f.service, fixture_get(&f, "advisory"), &request, NULL, NULL, &other,
                                              &refusal), -EPROTOTYPE);
        ck_assert_int_eq(service_map(f.service, fixture_get(&f, "advisory"), other,
                                     &(struct kernel_mapping) { .length = 4096, .flags = MAP_READ }, &n64, &refusal), -EPROTOTYPE);
        ck_assert_int_eq(service_unmap(f.service, fixture_get(&f, "advisory"), other, 0, 4096, &n64, &refusal),
                         -EPROTOTYPE);
        fixture_expect_same(&f, picture);

        ck_assert_int_eq(detach("vm", pasid), 0);
        picture = fixture_picture(&f);
        ck_assert_int_eq(detach("vm", pasid), -ENOLINK);
        f.kernel.devices[0].is_taken = true; /* pasidd has it open still */
        fixture_expect_same(&f, picture);
        ck_assert_int_eq(free_one("vm", pasid), 0);
        ck_assert_int_eq(attach("vm", pasid), -ENOENT);
        ck_assert_int_eq(detach("vm", pasid), -ENOENT);
}
END_TEST

START_TEST(test_busy_device) {
        uint32_t pasid;
        char *picture;

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0", "0000:02:00.0"));
        pasid = alloc("vm");
        ck_assert_int_eq(service_flush(f.service), 0);
        f.kernel.devices[1].is_taken = true;
        picture = fixture_picture(&f);
        ck_assert_int_eq(attach("vm", pasid), -EBUSY);
        fixture_expect_same(&f, picture);
        f.kernel.devices[1].is_taken = false;
        ck_assert_int_eq(attach("vm", pasid), 0);
        expect_objects(2, 1, 2, 2);
}
END_TEST

/* A number of its cooling time is nobody's; the widest number of a narrow device is one. */
START_TEST(test_ends_of_the_range) {
        struct alloc_request request = { .count = 1, .min = 255, .max = 255 }, beyond = { .count = 1, .min = 256, .max = 256 };
        struct refusal refusal = {};
        uint32_t pasid;
        char *picture;

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:02:00.0", "0000:01:00.0"));
        picture = fixture_picture(&f);
        ck_assert_int_eq(service_alloc_mapped(f.service, fixture_get(&f, "vm"), &beyond, NULL, NULL, &pasid, &refusal),
                         -ERANGE);
        fixture_expect_same(&f, picture);
        ck_assert_int_eq(service_alloc_mapped(f.service, fixture_get(&f, "vm"), &request, NULL, NULL, &pasid, &refusal), 0);
        ck_assert_uint_eq(pasid, 255);
        expect_objects(2, 1, 2, 2);
        picture = fixture_picture(&f);
        ck_assert_int_eq(service_alloc_mapped(f.service, fixture_get(&f, "vm"), &request, NULL, NULL, &pasid, &refusal),
                         -EADDRINUSE);
        fixture_expect_same(&f, picture);
}
END_TEST

/* A client that timed out asks again: it gets the number that it has, and that number is attached. */
START_TEST(test_token_repeated) {
        struct alloc_request request = { .count = 1, .token = "t1", .private_bytes = 3 }, plain = { .count = 1, .token = "t2" };
        struct refusal refusal = {};
        uint32_t first = 0, again = 0;
        struct consumer *c;
        size_t n = 0;
        char *picture;

        c = fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        ck_assert_int_eq(service_alloc_mapped(f.service, c, &request, "abc", NULL, &first, &refusal), 0);
        picture = fixture_picture(&f);
        ck_assert_int_eq(service_alloc_mapped(f.service, c, &request, "abc", NULL, &again, &refusal), 0);
        ck_assert_uint_eq(first, again);
        fixture_expect_same(&f, picture);
        ck_assert_int_eq(detach("vm", first), 0);
        ck_assert_int_eq(service_alloc_mapped(f.service, c, &request, "abc", NULL, &again, &refusal), 0);
        ck_assert_uint_eq(first, again);
        expect_objects(1, 1, 1, 1);

        ck_assert_int_eq(service_alloc(f.service, c, &plain, NULL, &first, &refusal), 0);
        ck_assert_int_eq(service_alloc_mapped(f.service, c, &plain, NULL, NULL, &again, &refusal), 0);
        ck_assert_uint_eq(first, again);
        expect_objects(1, 2, 2, 2);
        ck_assert_int_eq(service_free_token(f.service, c, "t2", &n, &refusal), 0);
        ck_assert_uint_eq(n, 1);
        expect_objects(1, 1, 1, 1);
}
END_TEST

/* What the core refuses stops nobody's DMA, not for a moment. */
START_TEST(test_free_many_refused) {
        struct refusal refusal = {};
        uint32_t pasids[3], more[4];
        struct consumer *c;
        char *picture;

        c = fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        for (size_t i = 0; i < 2; i++)
                pasids[i] = fixture_alloc_attached(&f, "vm");
        pasids[2] = alloc("vm");
        ck_assert_int_eq(service_flush(f.service), 0);
        picture = fixture_picture(&f);
        fake_kernel_forget_steps(&f.kernel);
        memcpy(more, pasids, sizeof(pasids));
        more[3] = pasids[2] + 1;
        ck_assert_int_eq(service_free_pasids(f.service, c, more, 4, &refusal), -ENOENT);
        more[3] = pasids[2];
        ck_assert_int_eq(service_free_pasids(f.service, c, more, 4, &refusal), -EINVAL);
        more[3] = pasids[0];
        ck_assert_int_eq(service_free_pasids(f.service, c, more, 4, &refusal), -EINVAL);
        ck_assert_uint_eq(f.kernel.n_steps, 0);
        fixture_expect_same(&f, picture);
        ck_assert_int_eq(service_free_pasids(f.service, c, pasids, 3, &refusal), 0);
        expect_objects(1, 0, 0, 0);
        ck_assert_uint_eq(c->n_live + c->n_cooling, 0);
}
END_TEST

/* The fds end with the process that had them: what was attached is allocated, and can be attached again. */
START_TEST(test_restart) {
        uint32_t one, two;

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0", "0000:02:00.0"));
        fixture_mediated(&f, 1000, "stays", HOLD_PERSISTENT, DEVICES("0000:01:00.0"));
        one = fixture_alloc_attached(&f, "vm");
        two = fixture_alloc_attached(&f, "stays");
        fixture_stop(&f);
        for (unsigned n = 1;; n++) { /* what fails half-way is no start, and the next does all of it again */
                *(_i == 0 ? &f.fail_start_at : &f.fail_runtime_start_at) = n;
                if (fixture_start(&f) == 0) {
                        ck_assert_uint_eq(n, 5); /* begin, two changes, commit */
                        break;
                }
                ck_assert_int_eq(f.refusal.code, EIO);
        }
        expect_objects(0, 0, 0, 0);
        ck_assert_int_eq(fixture_state(&f, "vm", one), ROW_ALLOCATED);
        ck_assert_int_eq(fixture_state(&f, "stays", two), ROW_ALLOCATED);
        ck_assert_int_eq(detach("vm", one), -ENOLINK);
        ck_assert_int_eq(attach("vm", one), 0);
        ck_assert_int_eq(attach("stays", two), 0);
        expect_objects(2, 2, 3, 3);
        fixture_restart(&f);
        ck_assert_int_eq(free_one("vm", one), 0);
        expect_objects(0, 0, 0, 0);
}
END_TEST

START_TEST(test_reboot) {
        uint32_t pasid, gone;

        fixture_mediated(&f, 1000, "stays", HOLD_PERSISTENT, DEVICES("0000:01:00.0"));
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        pasid = fixture_alloc_attached(&f, "stays");
        gone = fixture_alloc_attached(&f, "vm");
        fixture_stop(&f);
        memset(f.boot_id, 'b', 32);
        ck_assert_int_eq(fixture_start(&f), 0);
        ck_assert_ptr_null(fixture_get(&f, "vm"));
        ck_assert_int_eq(fixture_state(&f, "stays", pasid), ROW_RESERVED);
        expect_objects(0, 0, 0, 0);
        ck_assert_int_eq(detach("stays", pasid), -ENOLINK);
        ck_assert_int_eq(attach("stays", pasid), 0);
        ck_assert_int_eq(fixture_state(&f, "stays", pasid), ROW_ATTACHED);
        expect_objects(1, 1, 1, 1);
        ck_assert_int_eq(detach("stays", pasid), 0);
        ck_assert_int_eq(free_one("stays", pasid), 0);
        ck_assert_uint_ne(pasid, gone);
        expect_objects(1, 0, 0, 0);
}
END_TEST

START_TEST(test_thousand) {
        uint32_t pasids[1000];

        f.limits.pasids_per_uid = 4096;
        fixture_restart(&f);
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0", "0000:04:00.0"));
        for (size_t i = 0; i < ELEMENTSOF(pasids); i++)
                pasids[i] = fixture_alloc_attached(&f, "vm");
        expect_objects(2, 1000, 1000, 2000);
        for (size_t i = 0; i < 100; i++)
                ck_assert_int_eq(detach("vm", pasids[i * 10]), 0);
        expect_objects(2, 900, 900, 1800);
        leave("vm");
        expect_objects(0, 0, 0, 0);
}
END_TEST

/* The client is gone, between any two of its requests. */
START_TEST(test_holder_gone) {
        fixture_listen(&f);
        fixture_mediated(&f, 1000, "a", HOLD_CONNECTION, DEVICES("0000:01:00.0"));
        fixture_mediated(&f, 1000, "b", HOLD_CONNECTION, DEVICES("0000:01:00.0", "0000:02:00.0"));
        fixture_consumer(&f, "c", "0000:01:00.0", HOLD_CONNECTION);
        for (int i = 0; i < 3; i++)
                (void) fixture_alloc_attached(&f, "b");
        (void) fixture_alloc_attached(&f, "a");
        ck_assert_int_eq(service_holder_gone(f.service, "peer:1:2:4", "holder-gone"), 0);
        ck_assert_int_eq(service_holder_gone(f.service, "peer:1:2:3", "holder-gone"), 3);
        ck_assert_int_eq(service_flush(f.service), 0);
        expect_objects(0, 0, 0, 0);
        ck_assert_ptr_null(core_consumer_next(service_core(f.service), NULL));
        ck_assert_ptr_nonnull(strstr(f.news, "holder-gone"));
}
END_TEST

/*
 * One whose end waits for the commit and one whose end needs it at once: what the table refuses there is the end of
 * neither, and both are tried again.
 */
START_TEST(test_holder_gone_is_retried) {
        for (unsigned n = 0; n < 2; n++) {
                fixture_consumer(&f, "idle", "0000:01:00.0", HOLD_CONNECTION);
                fixture_mediated(&f, 1000, "vm", HOLD_CONNECTION, DEVICES("0000:01:00.0"));
                (void) fixture_alloc_attached(&f, "vm");
                if (n == 0)
                        fault_store_fail(f.runtime, 3, EFBIG); /* the commit of the idle one's end */
                else
                        fault_store_fail(f.runtime, 6, EFBIG); /* a step of the other's */
                ck_assert_int_eq(service_holder_gone(f.service, "peer:1:2:3", "holder-gone"), -EFBIG);
                ck_assert_uint_eq(f.runtime->fail_at, 0);
                ck_assert_ptr_nonnull(fixture_get(&f, "vm"));
                expect_objects(1, 1, 1, 1);
                fixture_run_until(&f, !fixture_get(&f, "vm") && !fixture_get(&f, "idle") &&
                                  !service_is_pending(f.service));
                expect_objects(0, 0, 0, 0);
        }
}
END_TEST

struct answer {
        int n, r;
};

static void note_answer(void *userdata, int r, const struct refusal *refusal) {
        struct answer *a = userdata;

        ck_assert_int_eq(r < 0, refusal && refusal->code == -r);
        a->n++;
        a->r = r;
}

/* Requests that wait for the commit get it from an attach, and share nothing of its fate. */
START_TEST(test_pending_requests) {
        struct answer answers[3] = {};
        uint32_t pasid, kept[3];
        struct consumer *c;

        c = fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES("0000:01:00.0"));
        fixture_consumer(&f, "other", "0000:01:00.0", HOLD_BOOT);
        pasid = fixture_alloc_attached(&f, "vm");
        for (int i = 0; i < 3; i++) {
                kept[i] = alloc(i == 2 ? "vm" : "other");
                ck_assert_int_eq(service_when_committed(f.service, note_answer, &answers[i]), 0);
                ck_assert_int_eq(answers[i].n, 0);
                if (i == 0) {
                        ck_assert_int_eq(detach("vm", pasid), 0);
                        ck_assert_int_eq(attach("vm", pasid), 0);
                } else if (i == 1) {
                        fake_kernel_fail(&f.kernel, 2, ENOBUFS);
                        ck_assert_int_eq(attach("vm", pasid), -EADDRINUSE);
                        ck_assert_int_eq(service_alloc_mapped(f.service, c, &(struct alloc_request) { .count = 1 },
                                                              NULL, NULL, &pasid, NULL),
                                         -ENOBUFS);
                        fake_kernel_fail(&f.kernel, 0, 0);
                } else {
                        fault_store_fail(f.runtime, 4, EFBIG); /* after the commit of those that wait, and a step */
                        ck_assert_int_eq(free_one("vm", pasid), -EFBIG);
                        ck_assert_uint_eq(f.runtime->fail_at, 0);
                }
                ck_assert_int_eq(answers[i].n, 1);
                ck_assert_int_eq(answers[i].r, 0);
                ck_assert_int_eq(fixture_state(&f, i == 2 ? "vm" : "other", kept[i]), ROW_ALLOCATED);
                fixture_expect_consistent(&f);
        }
}
END_TEST

/* The consumer was made a moment ago, and the table refuses that it was. */
START_TEST(test_consumer_refused_with_the_batch) {
        const char *device = "0000:01:00.0";
        struct init_request request = {
                .uid = 1000, .name = "vm", .devices = &device, .n_devices = 1, .hold = HOLD_BOOT, .mode = MODE_MEDIATED };
        struct refusal refusal = {};
        struct consumer *c;
        uint32_t pasid = 1;
        uint64_t n64;

        for (int i = 0; i < 5; i++) {
                ck_assert_int_eq(service_init_consumer(f.service, &request, &c, &refusal), 0);
                if (i == 0)
                        pasid = alloc("vm");
                fault_store_fail(f.runtime, 1, EFBIG);
                if (i == 0)
                        ck_assert_int_eq(attach("vm", pasid), -EFBIG);
                else if (i == 1)
                        ck_assert_int_eq(service_alloc_mapped(f.service, c, &(struct alloc_request) { .count = 1 },
                                                              NULL, NULL, &pasid, &refusal),
                                         -EFBIG);
                else if (i == 2)
                        ck_assert_int_eq(detach("vm", pasid), -EFBIG);
                else if (i == 3)
                        ck_assert_int_eq(service_map(f.service, c, pasid, &(struct kernel_mapping) { .length = 4096 },
                                                     &n64, &refusal),
                                         -EFBIG);
                else
                        ck_assert_int_eq(service_unmap(f.service, c, pasid, 0, 4096, &n64, &refusal), -EFBIG);
                ck_assert_ptr_null(fixture_get(&f, "vm"));
                expect_objects(0, 0, 0, 0);
        }
        /* Its end in the same batch, where SQLite drops all of that. */
        ck_assert_int_eq(service_init_consumer(f.service, &request, &c, &refusal), 0);
        f.runtime->is_dropping = true;
        fault_store_fail(f.runtime, 2, EIO);
        ck_assert_int_eq(service_exit_consumer(f.service, c, "exit", &refusal), -EIO);
        ck_assert_ptr_null(fixture_get(&f, "vm"));
        expect_objects(0, 0, 0, 0);
}
END_TEST

/* The number is the other table's, and has cooled: to free it, the batch with the consumer is committed, and refused. */
START_TEST(test_consumer_refused_for_the_other_table) {
        const char *device = "0000:01:00.0";
        struct init_request request = { .uid = 1000, .name = "vm", .devices = &device, .n_devices = 1, .hold = HOLD_BOOT };
        struct refusal refusal = {};
        struct consumer *c;
        uint32_t pasid;

        fixture_consumer(&f, "stays", "0000:01:00.0", HOLD_PERSISTENT);
        pasid = alloc("stays");
        ck_assert_int_eq(free_one("stays", pasid), 0);
        f.now.boottime_usec += f.limits.reuse_delay_usec;
        ck_assert_int_eq(service_init_consumer(f.service, &request, &c, &refusal), 0);
        fault_store_fail(f.runtime, 1, EFBIG);
        ck_assert_int_eq(service_alloc(f.service, c, &(struct alloc_request) { .count = 1, .min = pasid, .max = pasid }, NULL,
                                       &pasid, &refusal), -ESRCH);
        ck_assert_msg(strstr(refusal.text, "Make the consumer again when that is mended"), "%s", refusal.text);
        ck_assert_ptr_null(fixture_get(&f, "vm"));
        ck_assert_int_eq(service_flush(f.service), 0);
        expect_objects(0, 0, 0, 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-attach");
        TCase *tc = tcase_create("attach");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, test_attach_and_detach);
        tcase_add_test(tc, test_free_and_exit);
        tcase_add_test(tc, test_devices_share_a_page_table);
        tcase_add_test(tc, test_consumers_share_a_device);
        tcase_add_test(tc, test_refusals);
        tcase_add_test(tc, test_busy_device);
        tcase_add_test(tc, test_ends_of_the_range);
        tcase_add_test(tc, test_token_repeated);
        tcase_add_test(tc, test_free_many_refused);
        tcase_add_loop_test(tc, test_restart, 0, 2);
        tcase_add_test(tc, test_reboot);
        tcase_add_test(tc, test_thousand);
        tcase_add_test(tc, test_holder_gone);
        tcase_add_test(tc, test_holder_gone_is_retried);
        tcase_add_test(tc, test_pending_requests);
        tcase_add_test(tc, test_consumer_refused_with_the_batch);
        tcase_add_test(tc, test_consumer_refused_for_the_other_table);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
