/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signals: who hears what, and when. On the direct socket only subscribed
 * connections do; on a message bus consumers' coming and going is always told,
 * and numbers and counters while anybody is subscribed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake-devices.h"
#include "signals.h"

#define TRANSPORTS BUS_KIND_MAX_

#define SKIP_UNLESS_AVAILABLE(kind)                                              \
        do {                                                                     \
                if (!bus_kind_is_available(kind))                                \
                        SKIP("the program of this message bus is not installed"); \
        } while (0)

START_TEST(allocated_and_freed) {
        enum bus_kind kind = (enum bus_kind) _i;
        struct signals s = {};
        struct fixture *f;
        struct client listener, c;
        struct heard h;

        SKIP_UNLESS_AVAILABLE(kind);
        f = fixture_new_on_bus(kind, NULL);
        listener = client_new(f);
        c = client_new(f);
        signals_listen(&listener, &s);
        manager_ok(&listener, NULL, "Subscribe", NULL);

        _cleanup_free_ char *path = init_ok(&c, "vm-1", 0);
        h = signals_await(&listener, &s, "InterfacesAdded");
        ck_assert_str_eq(h.path, PASIDD_PATH);
        ck_assert_str_eq(h.subject, path);

        uint32_t pasid = alloc_ok(&c, path, 0, 0);
        h = signals_await(&listener, &s, "PasidAllocated");
        ck_assert_str_eq(h.path, PASIDD_PATH);
        ck_assert_str_eq(h.subject, path);
        ck_assert_uint_eq(h.pasid, pasid);

        free_ok(&c, path, pasid);
        h = signals_await(&listener, &s, "PasidFreed");
        ck_assert_str_eq(h.subject, path);
        ck_assert_uint_eq(h.pasid, pasid);
        ck_assert_str_eq(h.reason, "freed");

        pasid = alloc_ok(&c, path, 0, 0);
        exit_ok(&c, path);
        h = signals_await(&listener, &s, "PasidFreed");
        ck_assert_uint_eq(h.pasid, pasid);
        ck_assert_str_eq(h.reason, "exit");
        h = signals_await(&listener, &s, "InterfacesRemoved");
        ck_assert_str_eq(h.subject, path);

        _cleanup_free_ char *again = init_ok(&c, "vm-1", 0);
        pasid = alloc_ok(&c, again, 0, 0);
        client_close(&c);
        h = signals_await(&listener, &s, "PasidFreed");
        ck_assert_uint_eq(h.pasid, pasid);
        ck_assert_str_eq(h.reason, "holder-gone");
        client_close(&listener);
        fixture_free(f);
}
END_TEST

START_TEST(counters_change) {
        enum bus_kind kind = (enum bus_kind) _i;
        struct signals s = {};
        struct fixture *f;
        struct client c;
        bool manager = false, consumer = false;

        SKIP_UNLESS_AVAILABLE(kind);
        f = fixture_new_on_bus(kind, NULL);
        c = client_new(f);
        signals_listen(&c, &s);
        manager_ok(&c, NULL, "Subscribe", NULL);
        _cleanup_free_ char *path = init_ok(&c, "vm-1", 0);
        (void) alloc_ok(&c, path, 0, 0);
        while (!manager || !consumer) {
                struct heard h = signals_await(&c, &s, "PropertiesChanged");

                manager = manager || (strcmp(h.path, PASIDD_PATH) == 0 && strstr(h.subject, "Pasids "));
                consumer = consumer || (strcmp(h.path, path) == 0 && strstr(h.subject, "Allocated "));
                ck_assert_msg(!strstr(h.subject, "Version ") && !strstr(h.subject, "Quota "), "'%s' are constant", h.subject);
        }
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* Without Subscribe nothing is heard of numbers; and not after Unsubscribe. */
START_TEST(not_asked) {
        enum bus_kind kind = (enum bus_kind) _i;
        struct signals s = {};
        struct fixture *f;
        struct client listener, c;

        SKIP_UNLESS_AVAILABLE(kind);
        f = fixture_new_on_bus(kind, NULL);
        listener = client_new(f);
        c = client_new(f);
        signals_listen(&listener, &s);

        _cleanup_free_ char *path = init_ok(&c, "vm-1", 0);
        (void) alloc_ok(&c, path, 0, 0);
        signals_sync(&listener);
        ck_assert_uint_eq(signals_count(&s, "PasidAllocated"), 0);
        ck_assert_uint_eq(signals_count(&s, "PropertiesChanged"), 0);
        ck_assert_uint_eq(signals_count(&s, "InterfacesAdded"), kind == BUS_NONE ? 0 : 1);

        manager_ok(&listener, NULL, "Unsubscribe", NULL); /* does nothing */
        manager_ok(&listener, NULL, "Subscribe", NULL);
        manager_ok(&listener, NULL, "Subscribe", NULL); /* as once */
        (void) alloc_ok(&c, path, 0, 0);
        signals_sync(&listener);
        ck_assert_uint_eq(signals_count(&s, "PasidAllocated"), 1);

        manager_ok(&listener, NULL, "Unsubscribe", NULL);
        s.n = 0;
        (void) alloc_ok(&c, path, 0, 0);
        exit_ok(&c, path);
        signals_sync(&listener);
        ck_assert_uint_eq(signals_count(&s, "PasidAllocated"), 0);
        ck_assert_uint_eq(signals_count(&s, "PasidFreed"), 0);
        ck_assert_uint_eq(signals_count(&s, "InterfacesRemoved"), kind == BUS_NONE ? 0 : 1);
        client_close(&listener);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* A subscription ends with its connection: on a bus nothing is sent for one that left. */
START_TEST(subscriber_leaves) {
        enum bus_kind kind = (enum bus_kind) _i;
        struct signals s = {};
        struct fixture *f;
        struct client gone, watcher, c;

        SKIP_UNLESS_AVAILABLE(kind);
        f = fixture_new_on_bus(kind, NULL);
        gone = client_new(f);
        watcher = client_new(f);
        c = client_new(f);
        manager_ok(&gone, NULL, "Subscribe", NULL);
        client_close(&gone);
        signals_listen(&watcher, &s);

        _cleanup_free_ char *path = init_ok(&c, "vm-1", 0);
        if (kind == BUS_NONE) {
                (void) alloc_ok(&c, path, 0, 0);
                signals_sync(&watcher);
        } else
                /* the bus tells the daemon in its own time */
                await(({
                        s.n = 0;
                        (void) alloc_ok(&c, path, 0, 0);
                        signals_sync(&watcher);
                        signals_count(&s, "PasidAllocated") == 0;
                }));
        ck_assert_uint_eq(signals_count(&s, "PasidAllocated"), 0);
        client_close(&watcher);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* Nothing is told of what was refused, and the private data is in no signal. */
START_TEST(silent_refusals) {
        struct fixture *f = fixture_new_started(NULL);
        struct client c = client_direct(f);
        struct signals s = {};

        signals_listen(&c, &s);
        manager_ok(&c, NULL, "Subscribe", NULL);
        _cleanup_free_ char *path = init_ok(&c, "vm-1", 1, "quota", "u", 2U);
        (void) signals_await(&c, &s, "InterfacesAdded");
        s.n = 0;
        alloc_many_error(&c, E("QuotaExceeded"), NULL, path, 3, 0, 0, 0);
        init_error(&c, E("ConsumerExists"), NULL, "vm-1", 0);
        free_error(&c, E("NoSuchPasid"), path, 5);
        signals_sync(&c);
        ck_assert_uint_eq(s.n, 0);
        client_close(&c);
        fixture_free(f);
}
END_TEST

static int on_listed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        unsigned *n_right = userdata;
        uint32_t pasid;

        ck_assert_msg(!sd_bus_message_is_method_error(m, NULL), "%s", sd_bus_message_get_error(m)->message);
        ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "(ustu)"), 0);
        ck_assert_msg(sd_bus_message_enter_container(m, 'r', "ustu") > 0, "the list of a consumer with a number is empty");
        ck_assert_int_gt(sd_bus_message_read(m, "u", &pasid), 0);
        ck_assert_uint_eq(pasid, 77);
        (*n_right)++;
        return 1;
}

static int on_made(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ck_assert(!sd_bus_message_is_method_error(m, NULL));
        return 1;
}

/* What waits for its commit is told of while another consumer is asked about: the answer is about that one. */
START_TEST(lists_among_news) {
        enum { TIMES = 40 };
        struct fixture *f = fixture_new_started(NULL);
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "listed", 0);
        unsigned n_right = 0;

        ck_assert_uint_eq(alloc_ok(&c, path, 77, 77), 77);
        manager_ok(&c, NULL, "Subscribe", NULL);
        for (unsigned i = 0; i < TIMES; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "other-%u", i);
                manager_async(&c, on_made, NULL, "Init", "sa{sv}", name, 0);
                consumer_async(&c, on_listed, &n_right, path, "List", "uu", 0U, 0U);
        }
        while (n_right < TIMES)
                client_wait(&c);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* The next change that is told of that object. */
static struct heard await_changed(struct client *c, struct signals *s, const char *path) {
        struct heard h;

        do
                h = signals_await(c, s, "PropertiesChanged");
        while (strcmp(h.path, path) != 0);
        return h;
}

static void await_counters(struct client *c, struct signals *s, const char *path) {
        struct heard h = await_changed(c, s, path);

        ck_assert_msg(strstr(h.subject, "Allocated ") && strstr(h.subject, "Attached "), "'%s'", h.subject);
}

/* Attach and Detach change no consumer's counter but a device's. */
START_TEST(attached_is_counted) {
        struct fixture *f = fake_begin(BUS_NONE, NULL);
        struct client c = client_direct(f);
        struct signals s = {};
        _cleanup_free_ char *path = init_mediated(&c, "vm");
        uint32_t pasid = alloc_ok(&c, path, 0, 0);

        signals_listen(&c, &s);
        manager_ok(&c, NULL, "Subscribe", NULL);
        consumer_ok(&c, NULL, path, "Attach", "u", pasid);
        await_counters(&c, &s, FIRST_PATH);
        s.n = 0;
        consumer_ok(&c, NULL, path, "Detach", "u", pasid);
        await_counters(&c, &s, FIRST_PATH);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* Two functions in one IOMMU group: what is done with the first changes what the second shows. */
START_TEST(a_group_is_counted_together) {
        struct fixture *f = fake_begin(BUS_NONE, NULL);
        struct client c = client_direct(f);
        struct signals s = {};
        struct heard h;
        uint32_t pasid;

        signals_listen(&c, &s);
        manager_ok(&c, NULL, "Subscribe", NULL);
        fixture_tell_kernel(f, "devices", FIRST " 1 vfio-pci\n" SECOND " 2 vfio-pci\n" THIRD " 1 idxd\n");
        h = signals_await(&c, &s, "InterfacesAdded");
        ck_assert_str_eq(h.subject, THIRD_PATH);
        _cleanup_free_ char *path = init_mediated(&c, "vm");

        pasid = alloc_ok(&c, path, 0, 0);
        await_counters(&c, &s, THIRD_PATH);
        ck_assert_uint_eq(property_number(&c, THIRD_PATH, PASIDD_IFACE_DEVICE, "Allocated"), 1);
        consumer_ok(&c, NULL, path, "Attach", "u", pasid);
        await_counters(&c, &s, THIRD_PATH);
        ck_assert_uint_eq(property_number(&c, THIRD_PATH, PASIDD_IFACE_DEVICE, "Attached"), 1);
        free_ok(&c, path, pasid);
        await_counters(&c, &s, THIRD_PATH);
        ck_assert_uint_eq(property_number(&c, THIRD_PATH, PASIDD_IFACE_DEVICE, "Allocated"), 0);
        for (size_t i = 0; i < s.n; i++)
                ck_assert_str_ne(s.heard[i].path, SECOND_PATH);
        client_close(&c);
        fixture_free(f);
}
END_TEST

static void await_pinned(struct client *c, struct signals *s, const char *path, uint64_t bytes) {
        struct heard h = await_changed(c, s, path);

        ck_assert_msg(strstr(h.subject, "PinnedBytes "), "'%s'", h.subject);
        ck_assert_uint_eq(property_number(c, path, PASIDD_IFACE_CONSUMER, "PinnedBytes"), bytes);
}

START_TEST(pinned_bytes_change) {
        enum { PAGE = 4096 };
        struct fixture *f = fake_begin(BUS_NONE, NULL);
        struct client c = client_direct(f);
        struct signals s = {};
        _cleanup_close_ int memory = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        _cleanup_free_ char *path = init_mediated(&c, "vm");
        uint32_t pasid = alloc_ok(&c, path, 0, 0);

        ck_assert_int_ge(memory, 0);
        ck_assert_int_eq(ftruncate(memory, 2 * PAGE), 0);
        consumer_ok(&c, NULL, path, "Attach", "u", pasid);
        signals_listen(&c, &s);
        manager_ok(&c, NULL, "Subscribe", NULL);

        consumer_ok(&c, NULL, path, "Map", "uhtttu", pasid, memory, (uint64_t) 0, (uint64_t) PAGE, (uint64_t) 0x100000, 7U);
        await_pinned(&c, &s, path, PAGE);
        consumer_ok(&c, NULL, path, "Map", "uhtttu", pasid, memory, (uint64_t) PAGE, (uint64_t) PAGE, (uint64_t) 0x200000, 7U);
        await_pinned(&c, &s, path, 2 * PAGE);
        consumer_ok(&c, NULL, path, "Unmap", "utt", pasid, (uint64_t) 0x100000, (uint64_t) PAGE);
        await_pinned(&c, &s, path, PAGE);
        consumer_ok(&c, NULL, path, "Detach", "u", pasid);
        await_pinned(&c, &s, path, 0);
        client_close(&c);
        fixture_free(f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-signals");
        TCase *tcase = fixture_add_case(suite, "signals");

        tcase_add_loop_test(tcase, allocated_and_freed, 0, TRANSPORTS);
        tcase_add_loop_test(tcase, counters_change, 0, TRANSPORTS);
        tcase_add_loop_test(tcase, not_asked, 0, TRANSPORTS);
        tcase_add_loop_test(tcase, subscriber_leaves, 0, TRANSPORTS);
        tcase_add_test(tcase, silent_refusals);
        tcase_add_test(tcase, lists_among_news);
        tcase_add_test(tcase, attached_is_counted);
        tcase_add_test(tcase, a_group_is_counted_together);
        tcase_add_test(tcase, pinned_bytes_change);
        return fixture_main(suite);
}
