/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device that is busy, on a kernel that says so as often as the test wants:
 * how long it is waited for, by how many, and what becomes of who waits. And
 * one that can't be opened at all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fake-devices.h"

#define PAGE UINT64_C(4096)

static void tell_busy(struct fixture *f, unsigned times) {
        char text[16], line[32];
        unsigned before;

        (void) snprintf(text, sizeof(text), "%u\n", times);
        (void) snprintf(line, sizeof(line), "busy %u", times);
        before = fixture_kernel_did(f, line);
        fixture_tell_kernel(f, "busy", text);
        await(fixture_kernel_did(f, line) > before);
}

static int new_memory(void) {
        int fd = memfd_create("memory", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

/* On each transport a device that is busy for a moment costs a moment, and nobody else waits. */
START_TEST(busy_for_a_moment) {
        enum bus_kind kind = (enum bus_kind) _i;
        _cleanup_close_ int memory = -EBADF;
        struct fixture *f;
        struct client c;

        if (!bus_kind_is_available(kind))
                SKIP("the program of this message bus is not installed");
        f = fake_begin(kind, NULL);
        c = client_new(f);
        _cleanup_free_ char *path = init_mediated(&c, "vm");
        uint32_t pasid = alloc_ok(&c, path, 0, 0);

        tell_busy(f, 5);
        consumer_ok(&c, NULL, path, "Attach", "u", pasid);
        ck_assert_uint_eq(fixture_kernel_did(f, "busy"), 5);
        tell_busy(f, 4);
        consumer_ok(&c, NULL, path, "Detach", "u", pasid);
        ck_assert_uint_eq(fixture_kernel_did(f, "busy"), 9);
        tell_busy(f, 3);
        consumer_ok(&c, NULL, path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "attach", "b", 1);
        ck_assert_uint_eq(fixture_kernel_did(f, "busy"), 12);
        tell_busy(f, 3);
        memory = new_memory();
        consumer_ok(&c, NULL, path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 2, "attach", "b", 1, "map", "(htttu)", memory, 0ULL, PAGE,
                    PAGE, 7U);
        ck_assert_uint_eq(fixture_kernel_did(f, "busy"), 15);
        ck_assert_uint_eq(fixture_kernel_did(f, "map 0 4096 0x1000 7"), 1);
        tell_busy(f, 2);
        exit_ok(&c, path);
        ck_assert_uint_eq(fixture_kernel_did(f, "busy"), 17);
        client_close(&c);
        fixture_free(f);
}
END_TEST

struct answer {
        bool is_there;
        char error[64]; /* its name, "" for none */
};

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        struct answer *answer = userdata;

        answer->is_there = true;
        (void) snprintf(answer->error, sizeof(answer->error), "%s", e ? e->name : "");
        return 1;
}

static void await_answer(struct client *c, const struct answer *answer) {
        while (!answer->is_there)
                client_wait(c);
}

START_TEST(busy_for_good) {
        struct fixture *f = fake_begin(BUS_NONE, NULL);
        struct client c = client_direct(f), other = client_direct(f);
        _cleanup_free_ char *path = init_mediated(&c, "vm");
        struct answer answer = {};
        uint32_t pasid = alloc_ok(&c, path, 0, 0);
        uint64_t start;

        tell_busy(f, 1000000);
        start = monotonic_msec();
        consumer_async(&c, on_answer, &answer, path, "Attach", "u", pasid);
        ck_assert_int_ge(sd_bus_flush(c.bus), 0);
        await(fixture_kernel_did(f, "busy") > 0);
        free_ok(&other, path, alloc_ok(&other, path, 0, 0));
        ping_ok(&c);
        ck_assert(!answer.is_there);
        await_answer(&c, &answer);
        ck_assert_str_eq(answer.error, E("DeviceBusy"));
        ck_assert_uint_ge(monotonic_msec() - start, 1900);
        ck_assert_uint_ge(fixture_kernel_did(f, "busy"), 10);
        ck_assert_uint_le(fixture_kernel_did(f, "busy"), 110); /* every 20 ms, not in a loop */
        ck_assert_str_eq(state_of(&c, path, pasid), "allocated");
        client_close(&c);
        client_close(&other);
        fixture_free(f);
}
END_TEST

/* Who gives up on an allocation that waits, gives up what it would have got. */
START_TEST(token_freed_meanwhile) {
        struct fixture *f = fake_begin(BUS_NONE, NULL);
        struct client c = client_direct(f), other = client_direct(f);
        _cleanup_free_ char *path = init_mediated(&c, "vm"), *second = init_mediated(&other, "second");
        struct answer given_up = {}, kept = {}, of_second = {};

        tell_busy(f, 1000000);
        consumer_async(&c, on_answer, &given_up, path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 2, "attach", "b", 1, "token", "s", "t");
        consumer_async(&c, on_answer, &kept, path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 2, "attach", "b", 1, "token", "s", "u");
        consumer_async(&other, on_answer, &of_second, second, "Alloc", "uuaya{sv}", 0U, 0U, 0, 2, "attach", "b", 1, "token", "s", "t");
        ck_assert_int_ge(sd_bus_flush(other.bus), 0);
        ck_assert_int_ge(sd_bus_flush(c.bus), 0);
        await(fixture_kernel_did(f, "busy") >= 3);
        consumer_ok(&c, NULL, path, "FreeToken", "s", "t");
        tell_busy(f, 0);
        await_answer(&c, &given_up);
        await_answer(&c, &kept);
        await_answer(&other, &of_second);
        ck_assert_str_eq(given_up.error, E("DeviceBusy"));
        ck_assert_str_eq(kept.error, "");
        ck_assert_str_eq(of_second.error, "");
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Allocated"), 1);
        ck_assert_uint_eq(property_number(&c, second, PASIDD_IFACE_CONSUMER, "Allocated"), 1);
        (void) alloc_token_ok(&c, path, "t"); /* the token is as good as new */
        client_close(&c);
        client_close(&other);
        fixture_free(f);
}
END_TEST

/* A reset is waited for by Open as well, on each transport, whichever of its errnos the kernel has for it. */
START_TEST(open_in_reset) {
        enum bus_kind kind = (enum bus_kind) _i;
        struct fixture *f;
        struct client c;

        if (!bus_kind_is_available(kind))
                SKIP("the program of this message bus is not installed");
        f = fake_begin(kind, NULL);
        c = client_new(f);
        tell_refuse(f, "bind", EAGAIN, 5);
        client_ok(__FILE__, __LINE__, &c, NULL, FIRST_PATH, PASIDD_IFACE_DEVICE, "Open", "a{sv}", 0);
        ck_assert_uint_eq(fixture_kernel_did(f, "refused"), 5);
        tell_refuse(f, "bind", EBUSY, 4);
        client_ok(__FILE__, __LINE__, &c, NULL, SECOND_PATH, PASIDD_IFACE_DEVICE, "Open", "a{sv}", 0);
        ck_assert_uint_eq(fixture_kernel_did(f, "refused"), 9);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* A reset without end is DeviceBusy in the end, and others are served meanwhile; a device in somebody's hands is so at once. */
START_TEST(open_busy_for_good) {
        struct fixture *f = fake_begin(BUS_NONE, NULL);
        struct client c = client_direct(f), other = client_direct(f);
        struct answer answer = {};
        unsigned n;
        uint64_t start;

        tell_refuse(f, "bind", EAGAIN, 1000000);
        start = monotonic_msec();
        client_async(&c, on_answer, &answer, FIRST_PATH, PASIDD_IFACE_DEVICE, "Open", "a{sv}", 0);
        ck_assert_int_ge(sd_bus_flush(c.bus), 0);
        await(fixture_kernel_did(f, "refused") > 0);
        ping_ok(&other);
        ck_assert(!answer.is_there);
        await_answer(&c, &answer);
        ck_assert_str_eq(answer.error, E("DeviceBusy"));
        ck_assert_uint_ge(monotonic_msec() - start, 1900);
        n = fixture_kernel_did(f, "refused");
        ck_assert_uint_ge(n, 10);
        ck_assert_uint_le(n, 110);
        tell_refuse(f, "bind", EINVAL, 1000000);
        device_error(&c, E("DeviceBusy"), "somebody else", FIRST_PATH, "Open", "a{sv}", 0);
        ck_assert_uint_eq(fixture_kernel_did(f, "refused"), n + 1);
        client_close(&c);
        client_close(&other);
        fixture_free(f);
}
END_TEST

/* Only so many calls of one client wait, the rest are told at once; and who leaves takes his calls along. */
START_TEST(busy_for_many) {
        enum { N_CALLS = 50, N_WAITING = 32 };
        struct fixture *f = fake_begin(BUS_NONE, NULL);
        struct client c = client_direct(f), other = client_direct(f);
        _cleanup_free_ char *path = init_mediated(&c, "vm"), *second = init_mediated(&c, "second");
        struct answer answers[N_CALLS] = {};
        uint32_t of_second = alloc_ok(&c, second, 0, 0);
        int n_fds = process_count_fds(f->daemon->pid), n_fds_before;
        unsigned n = 0;

        tell_busy(f, 1000000);
        for (unsigned i = 0; i < N_CALLS; i++)
                consumer_async(&c, on_answer, &answers[i], path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "attach", "b", 1);
        ping_ok(&c); /* they have all been looked at */
        for (unsigned i = 0; i < N_CALLS; i++)
                n += answers[i].is_there;
        while (n < N_CALLS - N_WAITING) {
                client_wait(&c);
                n = 0;
                for (unsigned i = 0; i < N_CALLS; i++)
                        n += answers[i].is_there;
        }
        ck_assert_uint_eq(n, N_CALLS - N_WAITING);
        for (unsigned i = 0; i < N_CALLS; i++)
                ck_assert_msg(answers[i].is_there == (i >= N_WAITING), "call %u", i);
        n_fds_before = process_count_fds(f->daemon->pid);
        client_close(&c);
        await(process_count_fds(f->daemon->pid) < n_fds_before); /* the daemon has noticed: none of them is tried again */

        /* room again for others */
        answers[0] = (struct answer) {};
        consumer_async(&other, on_answer, &answers[0], second, "Attach", "u", of_second);
        ck_assert_int_ge(sd_bus_flush(other.bus), 0);
        await(fixture_kernel_did(f, "busy") > N_CALLS);
        tell_busy(f, 0);
        await_answer(&other, &answers[0]);
        ck_assert_str_eq(answers[0].error, "");
        ck_assert_uint_eq(property_number(&other, path, PASIDD_IFACE_CONSUMER, "Allocated"), 0);
        await(process_count_fds(f->daemon->pid) <= n_fds + 2); /* the device is open now */
        client_close(&other);
        fixture_free(f);
}
END_TEST

/* A client dies while its start waits for the device: neither number nor memory stays behind. */
START_TEST(client_dies_meanwhile) {
        struct fixture *f = fake_begin(BUS_NONE, NULL);
        struct client c = client_direct(f), other = client_direct(f);
        _cleanup_free_ char *path = init_mediated(&c, "vm");
        _cleanup_close_ int memory = new_memory();
        struct answer answer = {};
        int n_fds;

        tell_busy(f, 1000000);
        consumer_async(&c, on_answer, &answer, path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 2, "map", "(htttu)", memory, 0ULL, PAGE, PAGE,
                       7U, "attach", "b", 1);
        ck_assert_int_ge(sd_bus_flush(c.bus), 0);
        await(fixture_kernel_did(f, "busy") > 1);
        n_fds = process_count_fds(f->daemon->pid);
        client_close(&c);
        await(process_count_fds(f->daemon->pid) <= n_fds - 2); /* its connection, its memory */
        tell_busy(f, 0);
        ck_assert_uint_eq(property_number(&other, path, PASIDD_IFACE_CONSUMER, "Allocated"), 0);
        ck_assert_uint_eq(property_number(&other, path, PASIDD_IFACE_CONSUMER, "PinnedBytes"), 0);
        ck_assert_uint_eq(fixture_kernel_did(f, "map 0 4096 0x1000 7"), 0);
        client_close(&other);
        fixture_free(f);
}
END_TEST

/* A call that waits finds its consumer ended, and another of its name does not get what was asked of the first. */
START_TEST(consumer_ends_meanwhile) {
        struct fixture *f = fake_begin(BUS_NONE, NULL);
        struct client c = client_direct(f), other = client_direct(f);
        _cleanup_free_ char *path = init_mediated(&c, "vm");
        struct answer first = {}, second = {};
        uint32_t pasid = alloc_ok(&c, path, 100, 100);

        tell_busy(f, 1000000);
        consumer_async(&c, on_answer, &first, path, "Attach", "u", pasid);
        ck_assert_int_ge(sd_bus_flush(c.bus), 0);
        await(fixture_kernel_did(f, "busy") > 0);
        exit_ok(&other, path);
        await_answer(&c, &first);
        ck_assert_str_eq(first.error, E("NoSuchConsumer"));

        free(init_mediated(&c, "vm"));
        pasid = alloc_ok(&c, path, 100, 100); /* it was never attached, so it is not cooling */
        consumer_async(&c, on_answer, &second, path, "Attach", "u", pasid);
        ck_assert_int_ge(sd_bus_flush(c.bus), 0);
        await(fixture_kernel_did(f, "busy") > 1);
        exit_ok(&other, path);
        free(init_mediated(&other, "vm"));
        await_answer(&c, &second);
        ck_assert_str_ne(second.error, "");
        ck_assert_uint_eq(property_number(&other, path, PASIDD_IFACE_CONSUMER, "Allocated"), 0);
        client_close(&c);
        client_close(&other);
        fixture_free(f);
}
END_TEST

/* What pasidd itself may not is no policy about who asks: it has the name of a device that can't be used, and no such line. */
START_TEST(pasidd_may_not_open) {
        static const struct {
                const char *call, *text;
        } cases[] = { { "iommufd", "/dev/iommu" }, { "open", "char-vfio-dev" } };
        struct fixture *f = fake_begin(BUS_NONE, NULL);
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_mediated(&c, "vm");
        uint32_t pasid = alloc_ok(&c, path, 0, 0);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                tell_refuse(f, cases[i].call, EPERM, 2);
                consumer_error(&c, E("DeviceUnusable"), cases[i].text, path, "Attach", "u", pasid);
                device_error(&c, E("DeviceUnusable"), cases[i].text, FIRST_PATH, "Open", "a{sv}", 0);
        }
        ck_assert_uint_eq(fixture_kernel_did(f, "refused"), 4);
        ck_assert(!daemon_log_has(f->daemon, "Refused to uid"));
        consumer_ok(&c, NULL, path, "Attach", "u", pasid);
        client_close(&c);
        fixture_free(f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-busy");
        TCase *tcase = fixture_add_case(suite, "busy");

        tcase_add_loop_test(tcase, busy_for_a_moment, 0, TRANSPORTS);
        tcase_add_test(tcase, busy_for_good);
        tcase_add_test(tcase, token_freed_meanwhile);
        tcase_add_loop_test(tcase, open_in_reset, 0, TRANSPORTS);
        tcase_add_test(tcase, open_busy_for_good);
        tcase_add_test(tcase, busy_for_many);
        tcase_add_test(tcase, client_dies_meanwhile);
        tcase_add_test(tcase, consumer_ends_meanwhile);
        tcase_add_test(tcase, pasidd_may_not_open);
        return fixture_main(suite);
}
