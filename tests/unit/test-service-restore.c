/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One pasidd ends and the next begins, with somebody in between who keeps the
 * fds: what was attached and mapped stays so all the while, and what the end
 * of the one left half-made is settled by the other.
 */
#include <fcntl.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>

#include "holders.h"
#include "suite.h"

#define KEPT_MAX 16
#define FIRST "0000:01:00.0"
#define SECOND "0000:02:00.0"
#define FOURTH "0000:04:00.0"
#define LAST "0000:05:00.0"

static struct fixture f;
static struct kept {
        char name[32];
        int fd;
} kept[KEPT_MAX];
static size_t n_kept;

static int keep_fd(const char *name, int fd, void *userdata) {
        struct kept *k = &kept[n_kept++];

        ck_assert_uint_le(n_kept, KEPT_MAX);
        for (size_t i = 0; i + 1 < n_kept; i++)
                ck_assert_str_ne(kept[i].name, name);
        (void) snprintf(k->name, sizeof(k->name), "%s", name);
        k->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        ck_assert_int_ge(k->fd, 0);
        return 0;
}

static struct kept *find_kept(const char *name) {
        for (size_t i = 0; i < n_kept; i++)
                if (strcmp(kept[i].name, name) == 0)
                        return &kept[i];
        return NULL;
}

/* "0000:01:00.0" and "device-0000-01-00.0" */
static void translate_name(const char *from, char *to, char a, char b) {
        do
                *to++ = *from == a ? b : *from;
        while (*from++);
}

static void drop_fd(const char *name, void *userdata) {
        struct kept *k = find_kept(name);
        char address[32];

        if (!k)
                return;
        (void) close_fd(k->fd);
        *k = kept[--n_kept];
        if (strncmp(name, "device-", 7) == 0) {
                translate_name(name + 7, address, '-', ':');
                fake_kernel_let_go(&f.kernel, address);
        }
}

static bool is_kept(const char *address, void *userdata) {
        char name[32] = "device-";

        if (!address)
                return n_kept > 0;
        translate_name(address, name + 7, ':', '-');
        return find_kept(name);
}

static const struct fd_keeper keeper = { .keep = keep_fd, .drop = drop_fd };

static void setup(void) {
        fixture_init(&f);
        f.keeper = &keeper;
        f.kernel.is_kept = is_kept;
        ck_assert_int_eq(fixture_start(&f), 0);
}

static void teardown(void) {
        fixture_stop(&f);
        while (n_kept > 0) {
                char name[32];

                memcpy(name, kept[0].name, sizeof(name));
                drop_fd(name, NULL);
        }
        f.kernel.n_objects = 0;
        fixture_done(&f);
}

/* With what was kept, turned by so many places; what nobody takes over goes once the start is done. */
static int start(size_t turn) {
        struct stored_fd stored[KEPT_MAX];
        char names[KEPT_MAX][32];
        size_t n = n_kept;
        int r;

        for (size_t i = 0; i < n; i++) {
                const struct kept *k = &kept[(i + turn) % n];

                memcpy(names[i], k->name, sizeof(names[i]));
                stored[i] = (struct stored_fd) { names[i], fcntl(k->fd, F_DUPFD_CLOEXEC, 0) };
                ck_assert_int_ge(stored[i].fd, 0);
        }
        f.stored = stored;
        f.n_stored = n;
        r = fixture_start(&f);
        for (size_t i = 0; i < n; i++)
                if (stored[i].fd >= 0) {
                        (void) close_fd(stored[i].fd);
                        if (r >= 0)
                                drop_fd(stored[i].name, NULL);
                }
        return r;
}

static void restart(void) {
        fixture_stop(&f);
        ck_assert_msg(start(1) == 0, "%s", f.refusal.text);
}

static void expect_restored(unsigned n_same, unsigned n_detached, unsigned n_lost) {
        const struct service_restored *restored = service_get_restored(f.service);

        ck_assert_uint_eq(restored->kept, n_same);
        ck_assert_uint_eq(restored->detached, n_detached);
        ck_assert_uint_eq(restored->lost, n_lost);
        fixture_expect_consistent(&f);
}

static uint64_t map(const char *name, uint32_t pasid, uint64_t length) {
        struct refusal refusal = {};
        uint64_t at = 0;

        ck_assert_msg(service_map(f.service, fixture_get(&f, name), pasid,
                                  &(struct kernel_mapping) { .length = length, .flags = MAP_READ | MAP_WRITE }, &at, &refusal) == 0,
                      "%s", refusal.text);
        return at;
}

static void unmap(const char *name, uint32_t pasid, uint64_t at, uint64_t length) {
        struct refusal refusal = {};
        uint64_t unmapped = 0;

        ck_assert_msg(service_unmap(f.service, fixture_get(&f, name), pasid, at, length, &unmapped, &refusal) == 0, "%s",
                      refusal.text);
        ck_assert_uint_eq(unmapped, length);
}

static void leave(const char *name) {
        struct refusal refusal = {};

        ck_assert_msg(service_exit_consumer(f.service, fixture_get(&f, name), "exit", &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(service_flush(f.service), 0);
}

/* One on two devices with memory, one of the persistent table on one of them, one on a third. */
static uint32_t one, two, three, four, unattached;
static uint64_t iova;

static void make_all(void) {
        struct refusal refusal = {};

        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES(FIRST, SECOND));
        fixture_mediated(&f, 1000, "stays", HOLD_PERSISTENT, DEVICES(FIRST));
        fixture_mediated(&f, 1000, "other", HOLD_BOOT, DEVICES(LAST, FOURTH));
        fixture_consumer(&f, "advisory", FIRST, HOLD_BOOT);
        one = fixture_alloc_attached(&f, "vm");
        two = fixture_alloc_attached(&f, "stays");
        three = fixture_alloc_attached(&f, "vm");
        four = fixture_alloc_attached(&f, "other");
        ck_assert_int_eq(service_alloc(f.service, fixture_get(&f, "vm"), &(struct alloc_request) { .count = 1 }, NULL, &unattached,
                                       &refusal), 0);
        iova = map("vm", one, 0x3000);
        (void) map("vm", one, 0x1000);
        (void) map("stays", two, 0x5000);
        fixture_expect_consistent(&f);
        ck_assert_uint_eq(n_kept, 5); /* iommufd and four devices */
        fake_kernel_forget_steps(&f.kernel);
}

/* Whatever order they come back in, and as often as that is: the kernel is asked for nothing. */
START_TEST(test_all_is_kept) {
        char *picture;

        make_all();
        picture = fixture_picture(&f);
        for (size_t i = 0; i < 6; i++) {
                fixture_stop(&f);
                ck_assert_msg(start(i) == 0, "%s", f.refusal.text);
                ck_assert_uint_eq(f.kernel.n_steps, 0);
                ck_assert_uint_eq(n_kept, 5);
                expect_restored(4, 0, 0);
        }
        fixture_expect_same(&f, picture);

        /* And all of it is as good as new. */
        unmap("vm", one, iova, 0x3000);
        (void) map("vm", one, 0x2000);
        ck_assert_int_eq(service_detach(f.service, fixture_get(&f, "vm"), three, NULL), 0);
        ck_assert_int_eq(service_attach(f.service, fixture_get(&f, "vm"), unattached, NULL), 0);
        fixture_expect_consistent(&f);
        leave("vm");
        leave("other");
        ck_assert_uint_eq(n_kept, 2);
        restart();
        expect_restored(1, 0, 0);
        leave("stays");
        ck_assert_uint_eq(f.kernel.n_objects, 0);
        restart();
        expect_restored(0, 0, 0);
}
END_TEST

/* Two devices behind one IOMMU have one page table for a number, and it goes once. */
START_TEST(test_shared_page_table) {
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES(FOURTH, FIRST));
        (void) fixture_alloc_attached(&f, "vm");
        restart();
        expect_restored(1, 0, 0);
        leave("vm");
        ck_assert_uint_eq(f.kernel.n_objects, 0);
        ck_assert_uint_eq(n_kept, 1);
}
END_TEST

/* What was under way when it died: an attach, a map. */
START_TEST(test_half_made) {
        struct refusal refusal = {};
        uint32_t id = f.kernel.last_id, ioas;
        char *picture;

        make_all();
        id = f.kernel.last_id;
        ioas = fake_kernel_attachment(&f.kernel, FIRST, one)->of - 1; /* the page table comes after it */
        picture = fixture_picture(&f);
        fixture_stop(&f);
        fake_kernel_make(&f.kernel, &(struct fake_object) { .kind = FAKE_IOAS, .id = id + 1 });
        fake_kernel_make(&f.kernel, &(struct fake_object) { .kind = FAKE_HWPT, .id = id + 2, .of = id + 1, .iommu = "dmar0" });
        fake_kernel_make(&f.kernel, &(struct fake_object) {
                .kind = FAKE_ATTACHMENT, .of = id + 2, .pasid = unattached, .address = FIRST });
        fake_kernel_make(&f.kernel, &(struct fake_object) { .kind = FAKE_MAPPING, .of = id + 1, .iova = 0x1000, .length = 0x1000 });
        fake_kernel_make(&f.kernel, &(struct fake_object) { .kind = FAKE_MAPPING, .of = ioas, .iova = 0x1000, .length = 0x1000 });
        fake_kernel_make(&f.kernel, &(struct fake_object) { .kind = FAKE_MAPPING, .of = ioas, .iova = 0x900000, .length = 0x1000 });
        ck_assert_msg(start(2) == 0, "%s", f.refusal.text);
        expect_restored(4, 0, 0);
        fixture_expect_same(&f, picture);
        ck_assert_int_eq(fixture_state(&f, "vm", unattached), ROW_ALLOCATED);
        ck_assert_int_eq(service_attach(f.service, fixture_get(&f, "vm"), unattached, &refusal), 0);
        fixture_expect_consistent(&f);
}
END_TEST

/* Likewise a detach, an unmap: they were not acknowledged, and are as if they had not been asked for. */
START_TEST(test_half_undone) {
        char *picture;

        make_all();
        picture = fixture_picture(&f);
        fixture_stop(&f);
        fake_kernel_drop(&f.kernel, fake_kernel_attachment(&f.kernel, SECOND, one));
        fake_kernel_drop(&f.kernel, fake_kernel_attachment(&f.kernel, FIRST, three));
        fake_kernel_drop(&f.kernel, fake_kernel_attachment(&f.kernel, SECOND, three));
        ck_assert_msg(start(0) == 0, "%s", f.refusal.text);
        expect_restored(4, 0, 0);
        fixture_expect_same(&f, picture);

        fixture_stop(&f);
        for (size_t i = f.kernel.n_objects; i-- > 0;)
                if (f.kernel.objects[i].kind == FAKE_MAPPING && f.kernel.objects[i].length == 0x3000)
                        fake_kernel_drop(&f.kernel, &f.kernel.objects[i]);
        ck_assert_msg(start(0) == 0, "%s", f.refusal.text);
        ck_assert_uint_eq(service_pinned_bytes(f.service, fixture_get(&f, "vm")), 0x4000);
        if (_i == 0)
                unmap("vm", one, iova, 0x3000); /* the client asks again */
        else {
                ck_assert_uint_eq(map("vm", one, 0x1000), iova); /* or does not: the address is free */
                (void) map("vm", one, 0x1000);
        }
        fixture_expect_consistent(&f);
}
END_TEST

/* An Alloc with memory, repeated after a restart: whether that is still mapped only the kernel can tell. */
START_TEST(test_alloc_is_repeated) {
        struct alloc_request request = { .count = 1, .token = "t" };
        const struct kernel_mapping m = { .length = 0x2000, .iova = 0x700000, .flags = MAP_READ | MAP_FIXED_IOVA };
        struct refusal refusal = {};
        uint32_t first, again;
        char *picture;

        make_all();
        ck_assert_int_eq(service_alloc_mapped(f.service, fixture_get(&f, "vm"), &request, NULL, &m, &first, &refusal), 0);
        picture = fixture_picture(&f);
        restart();
        ck_assert_int_eq(service_alloc_mapped(f.service, fixture_get(&f, "vm"), &request, NULL, &m, &again, &refusal), 0);
        ck_assert_uint_eq(again, first);
        fixture_expect_same(&f, picture);
        expect_restored(5, 0, 0);
        fixture_stop(&f);
        for (size_t i = f.kernel.n_objects; i-- > 0;)
                if (f.kernel.objects[i].kind == FAKE_MAPPING && f.kernel.objects[i].iova == 0x700000)
                        fake_kernel_drop(&f.kernel, &f.kernel.objects[i]); /* an Unmap that was not acknowledged */
        ck_assert_msg(start(0) == 0, "%s", f.refusal.text);
        ck_assert_int_eq(service_alloc_mapped(f.service, fixture_get(&f, "vm"), &request, NULL, &m, &again, &refusal), 0);
        ck_assert_uint_eq(again, first);
        ck_assert_uint_eq(service_pinned_bytes(f.service, fixture_get(&f, "vm")), 0x6000);
        fixture_expect_consistent(&f);
}
END_TEST

/* One that does not come back takes its numbers with it, everywhere; the others' go on. */
START_TEST(test_device_is_not_kept) {
        make_all();
        fixture_stop(&f);
        drop_fd("device-0000-02-00.0", NULL);
        ck_assert_msg(start(0) == 0, "%s", f.refusal.text);
        expect_restored(2, 2, 0);
        ck_assert_int_eq(fixture_state(&f, "vm", one), ROW_ALLOCATED);
        ck_assert_int_eq(fixture_state(&f, "vm", three), ROW_ALLOCATED);
        ck_assert_int_eq(fixture_state(&f, "stays", two), ROW_ATTACHED);
        ck_assert_ptr_null(fake_kernel_attachment(&f.kernel, FIRST, one));
        ck_assert_ptr_nonnull(fake_kernel_attachment(&f.kernel, FIRST, two));
        ck_assert_uint_eq(service_pinned_bytes(f.service, fixture_get(&f, "vm")), 0);
        ck_assert_int_eq(service_attach(f.service, fixture_get(&f, "vm"), one, NULL), 0);
        fixture_expect_consistent(&f);
        restart();
        expect_restored(3, 0, 0);
}
END_TEST

START_TEST(test_iommufd_is_not_kept) {
        make_all();
        fixture_stop(&f);
        drop_fd("iommufd", NULL);
        ck_assert_msg(start(0) == 0, "%s", f.refusal.text);
        ck_assert_uint_eq(n_kept, 0);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_ATTACHMENT), 0);
        ck_assert_uint_eq(service_get_restored(f.service)->detached, 4);
        f.kernel.n_objects = 0; /* the iommufd's, which went with it */
        fixture_expect_consistent(&f);
        ck_assert_int_eq(service_attach(f.service, fixture_get(&f, "vm"), one, NULL), 0);
        restart();
        expect_restored(1, 0, 0);
}
END_TEST

/* It has its fd, and that is of no use. */
START_TEST(test_device_is_not_adopted) {
        make_all();
        fixture_stop(&f);
        fake_kernel_fail(&f.kernel, (unsigned) _i + 1, ENXIO);
        ck_assert_msg(start(0) == 0, "%s", f.refusal.text);
        fake_kernel_fail(&f.kernel, 0, 0);
        fixture_expect_consistent(&f);
        ck_assert_uint_gt(service_get_restored(f.service)->detached, 0);
        ck_assert_uint_gt(service_get_restored(f.service)->kept, 0);
        ck_assert_uint_lt(n_kept, 5);
        restart();
        ck_assert_uint_eq(service_get_restored(f.service)->detached, 0);
        fixture_expect_consistent(&f);
}
END_TEST

START_TEST(test_device_is_gone) {
        make_all();
        fixture_stop(&f);
        if (_i == 0)
                f.kernel.devices[4].width = 0; /* in other hands */
        else
                f.kernel.n_devices = 4;
        ck_assert_msg(start(3) == 0, "%s", f.refusal.text);
        expect_restored(3, 0, 1);
        ck_assert_int_eq(fixture_state(&f, "other", four), ROW_LOST);
        ck_assert_ptr_null(fake_kernel_attachment(&f.kernel, FOURTH, four));
        ck_assert(!fake_kernel_has_open(&f.kernel, LAST));
        ck_assert_uint_eq(n_kept, 3);
        restart();
        expect_restored(3, 0, 0);
        leave("other");
        fixture_expect_consistent(&f);
}
END_TEST

/* On FIRST, with one number attached. */
static uint32_t make_held(struct init_request request) {
        struct refusal refusal = {};

        request.uid = 1000;
        request.privileged = true;
        request.mode = MODE_MEDIATED;
        request.devices = DEVICES(FIRST);
        request.n_devices = 1;
        ck_assert_msg(holder_try(&f, &request, &refusal) == 0, "%s", refusal.text);
        return fixture_alloc_attached(&f, request.name);
}

static void refuse_commits(void) {
        f.runtime->commit_code = EFBIG;
}

/*
 * Detached by the start and freed, whether the device is needed for others or not: seen detached, it need not cool. A table
 * that can't take it keeps nobody else from being served, and the number attached until it can.
 */
START_TEST(test_holder_died_meanwhile) {
        struct init_request request = holder_request("held", HOLD_PROCESS);
        pid_t pid = holder_child();
        struct core_stats stats;
        uint32_t held;

        request.hold_pid = (uint32_t) pid;
        held = make_held(request);
        if (_i == 1) {
                fixture_mediated(&f, 1000, "stays", HOLD_BOOT, DEVICES(FIRST));
                two = fixture_alloc_attached(&f, "stays");
        }
        fixture_stop(&f);
        holder_kill(pid, SIGKILL, true);
        f.before_start = _i == 2 ? refuse_commits : NULL;
        ck_assert_msg(start(0) == 0, "%s", f.refusal.text);
        f.before_start = NULL;
        if (_i == 2) {
                ck_assert_ptr_nonnull(fake_kernel_attachment(&f.kernel, FIRST, held));
                f.runtime->commit_code = 0;
                fixture_run_until(&f, !fixture_get(&f, "held"));
        }
        expect_restored((unsigned) _i % 2, 1, 0);
        ck_assert_ptr_null(fixture_get(&f, "held"));
        ck_assert_ptr_null(fake_kernel_attachment(&f.kernel, FIRST, held));
        ck_assert_int_eq(fake_kernel_has_open(&f.kernel, FIRST), _i == 1);
        if (_i == 1)
                ck_assert_int_eq(fixture_state(&f, "stays", two), ROW_ATTACHED);
        core_get_stats(service_core(f.service), &stats);
        ck_assert_uint_eq(stats.n_cooling, 0);
        restart();
        expect_restored((unsigned) _i % 2, 0, 0);
}
END_TEST

/* More than could be half made, and with a hole: an earlier pasidd forgot them, and died before the kernel let them go. */
START_TEST(test_many_are_left_over) {
        fixture_mediated(&f, 1000, "vm", HOLD_BOOT, DEVICES(FIRST));
        one = fixture_alloc_attached(&f, "vm");
        fixture_stop(&f);
        f.kernel.last_id += 500;
        for (unsigned i = 0; i < 400; i++) {
                fake_kernel_make(&f.kernel, &(struct fake_object) { .kind = FAKE_IOAS, .id = ++f.kernel.last_id });
                fake_kernel_make(&f.kernel, &(struct fake_object) { .kind = FAKE_HWPT, .id = f.kernel.last_id + 1, .of = f.kernel.last_id });
                f.kernel.last_id++;
        }
        ck_assert_msg(start(0) == 0, "%s", f.refusal.text);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_IOAS), 1);
        ck_assert_uint_eq(fake_kernel_count(&f.kernel, FAKE_HWPT), 1);
        expect_restored(1, 0, 0);
}
END_TEST

/* Its descriptor did not come back. */
START_TEST(test_holder_cannot_be_told) {
        struct init_request request = holder_request("held", HOLD_FD);
        char name[32];
        uint32_t held;
        int ends[2];

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        request.hold_fd = ends[0];
        held = make_held(request);
        (void) snprintf(name, sizeof(name), "hold-%llu", (unsigned long long) fixture_get(&f, "held")->id);
        ck_assert_ptr_nonnull(find_kept(name));
        fixture_stop(&f);
        drop_fd(name, NULL);
        ck_assert_msg(start(0) == 0, "%s", f.refusal.text);
        ck_assert(!service_hold_is_watched(fixture_get(&f, "held")));
        expect_restored(1, 0, 0);
        ck_assert_int_eq(fixture_state(&f, "held", held), ROW_ATTACHED);
        ck_assert_int_eq(close(ends[0]), 0);
        ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

/* A start that the table refuses is none: it says so, harms nobody's DMA, and the next one does all of it. */
START_TEST(test_table_refuses) {
        unsigned n;

        make_all();
        ck_assert_int_eq(service_detach(f.service, fixture_get(&f, "vm"), three, NULL), 0);
        fixture_mediated(&f, 1000, "last", HOLD_PERSISTENT, DEVICES(LAST));
        (void) fixture_alloc_attached(&f, "last");
        fixture_stop(&f);
        drop_fd("device-0000-05-00.0", NULL);
        for (n = 1;; n++) {
                *(_i == 0 ? &f.fail_start_at : &f.fail_runtime_start_at) = n;
                if (start(n) == 0)
                        break;
                ck_assert_int_eq(f.refusal.code, EIO);
                ck_assert_str_ne(f.refusal.text, "");
                ck_assert_uint_eq(n_kept, 3); /* the one that only the lost number was on is closed */
                ck_assert_ptr_nonnull(fake_kernel_attachment(&f.kernel, FIRST, one));
                ck_assert_ptr_nonnull(fake_kernel_attachment(&f.kernel, SECOND, one));
                ck_assert_ptr_nonnull(fake_kernel_attachment(&f.kernel, FIRST, two));
        }
        ck_assert_uint_eq(n, 5); /* begin, two changes, commit */
        fixture_expect_consistent(&f);
        ck_assert_uint_eq(service_get_restored(f.service)->kept, 2);
        ck_assert_int_eq(fixture_state(&f, "other", four), ROW_ALLOCATED);
}
END_TEST

/* No number is said to be detached that may not be: each call in turn is refused. */
START_TEST(test_kernel_refuses) {
        int r;

        make_all();
        fixture_stop(&f);
        drop_fd("device-0000-02-00.0", NULL);
        fake_kernel_fail(&f.kernel, (unsigned) _i + 1, EBUSY);
        r = start(0);
        if (_i == 6 || _i == 10) { /* after three devices and three attachments that were taken over */
                ck_assert_int_eq(r, -EBUSY);
                ck_assert_str_ne(f.refusal.text, "");
        }
        fake_kernel_fail(&f.kernel, 0, 0);
        if (r < 0)
                r = start(0);
        ck_assert_int_eq(r, 0);
        fixture_expect_consistent(&f);
        ck_assert_int_eq(fixture_state(&f, "vm", one), ROW_ALLOCATED);
        ck_assert_ptr_null(fake_kernel_attachment(&f.kernel, FIRST, one));
        restart();
        fixture_expect_consistent(&f);
}
END_TEST

/* The table has it as attached before the kernel has, so that the next pasidd knows of it, whenever this one dies. */
START_TEST(test_table_comes_first) {
        struct alloc_request request = { .count = 1 };
        struct refusal refusal = {};
        uint32_t pasid;

        make_all();
        fixture_listen(&f);
        for (unsigned n = 1; n <= 4; n++) { /* address space, two page tables, attach */
                f.news[0] = '\0';
                fake_kernel_fail(&f.kernel, n, EBUSY);
                ck_assert_int_eq(service_alloc_mapped(f.service, fixture_get(&f, "vm"), &request, NULL, NULL, &pasid, &refusal),
                                 -EBUSY);
                ck_assert_int_eq(strstr(f.news, "allocated vm") != NULL, n == 4);
                ck_assert_int_eq(strstr(f.news, "freed vm") != NULL, n == 4);
                fixture_expect_consistent(&f);
        }
}
END_TEST

START_TEST(test_other_boot) {
        make_all();
        fixture_stop(&f);
        while (n_kept > 0)
                (void) close_fd(kept[--n_kept].fd);
        f.kernel.n_objects = 0;
        memset(f.boot_id, 'b', 32);
        ck_assert_int_eq(start(0), 0);
        expect_restored(0, 0, 0);
        ck_assert_int_eq(fixture_state(&f, "stays", two), ROW_RESERVED);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-restore");
        TCase *tc = tcase_create("restore");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, test_all_is_kept);
        tcase_add_test(tc, test_shared_page_table);
        tcase_add_test(tc, test_half_made);
        tcase_add_loop_test(tc, test_half_undone, 0, 2);
        tcase_add_test(tc, test_alloc_is_repeated);
        tcase_add_test(tc, test_device_is_not_kept);
        tcase_add_test(tc, test_iommufd_is_not_kept);
        tcase_add_loop_test(tc, test_device_is_not_adopted, 0, 4);
        tcase_add_loop_test(tc, test_device_is_gone, 0, 2);
        if (has_pidfds())
                tcase_add_loop_test(tc, test_holder_died_meanwhile, 0, 3);
        tcase_add_test(tc, test_many_are_left_over);
        tcase_add_test(tc, test_holder_cannot_be_told);
        tcase_add_loop_test(tc, test_table_refuses, 0, 2);
        tcase_add_loop_test(tc, test_kernel_refuses, 0, 24);
        tcase_add_test(tc, test_table_comes_first);
        tcase_add_test(tc, test_other_boot);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
