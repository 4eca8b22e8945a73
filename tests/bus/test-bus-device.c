/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mediated mode over the wire, on a kernel that does what the test tells
 * it: what is answered, and who is told.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fake-devices.h"
#include "signals.h"

#define PAGE 4096ULL
static int new_memory(void) {
        int fd = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, (off_t) (4 * PAGE)), 0);
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
        return fd;
}

static uint64_t map_ok(struct client *c, const char *path, uint32_t pasid, int memory, uint64_t offset, uint64_t iova,
                       uint32_t flags) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        consumer_ok(c, &reply, path, "Map", "uhtttu", pasid, memory, offset, (uint64_t) PAGE, iova, flags);
        ck_assert_int_gt(sd_bus_message_read(reply, "t", &iova), 0);
        return iova;
}

START_TEST(attach_and_map) {
        enum bus_kind kind = (enum bus_kind) _i;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_close_ int memory = -EBADF;
        struct fixture *f;
        struct client c;
        uint64_t unmapped;
        int n_fds;

        SKIP_UNLESS_AVAILABLE(kind);
        f = fake_begin(kind, NULL);
        c = client_new(f);
        memory = new_memory();
        _cleanup_free_ char *path = init_mediated(&c, "vm");
        uint32_t pasid = alloc_ok(&c, path, 0, 0);

        ck_assert(is_held(&c, FIRST_PATH, ""));
        consumer_ok(&c, NULL, path, "Attach", "u", pasid);
        ck_assert(is_held(&c, FIRST_PATH, "mediated"));
        ck_assert(is_held(&c, SECOND_PATH, ""));
        ck_assert_str_eq(state_of(&c, path, pasid), "attached");
        ck_assert_uint_eq(property_number(&c, FIRST_PATH, PASIDD_IFACE_DEVICE, "Attached"), 1);
        consumer_error(&c, E("AlreadyAllocated"), "attached", path, "Attach", "u", pasid);

        n_fds = process_count_fds(f->daemon->pid);
        ck_assert_uint_eq(map_ok(&c, path, pasid, memory, PAGE, 0, 3), 0x100000);
        ck_assert_uint_eq(map_ok(&c, path, pasid, memory, 0, 0x200000, 5), 0x200000);
        ck_assert_uint_eq(fixture_kernel_did(f, "map 4096 4096 0x100000 3"), 1);
        ck_assert_uint_eq(fixture_kernel_did(f, "map 0 4096 0x200000 5"), 1);
        await(process_count_fds(f->daemon->pid) <= n_fds); /* what came with the calls is closed */
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "PinnedBytes"), 2 * PAGE);
        consumer_error(&c, E_ARGS, "Nothing", path, "Unmap", "utt", pasid, (uint64_t) 0x300000, (uint64_t) PAGE);
        consumer_ok(&c, &reply, path, "Unmap", "utt", pasid, (uint64_t) 0x200000, (uint64_t) PAGE);
        ck_assert_int_gt(sd_bus_message_read(reply, "t", &unmapped), 0);
        ck_assert_uint_eq(unmapped, PAGE);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "PinnedBytes"), PAGE);

        consumer_ok(&c, NULL, path, "Detach", "u", pasid);
        ck_assert_str_eq(state_of(&c, path, pasid), "allocated");
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "PinnedBytes"), 0);
        consumer_error(&c, E("NotAttached"), "freed as it is", path, "Detach", "u", pasid);
        exit_ok(&c, path);
        ck_assert(is_held(&c, FIRST_PATH, ""));
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(alloc_attached) {
        struct fixture *f = fake_begin(BUS_NONE, NULL);
        struct client c = client_direct(f);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = init_mediated(&c, "vm");
        uint32_t pasid;

        consumer_ok(&c, &reply, path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "attach", "b", 1);
        ck_assert_int_gt(sd_bus_message_read(reply, "u", &pasid), 0);
        ck_assert_str_eq(state_of(&c, path, pasid), "attached");
        ck_assert_str_eq(state_of(&c, path, alloc_ok(&c, path, 0, 0)), "allocated");
        free_ok(&c, path, pasid); /* detached first */
        ck_assert_uint_eq(property_number(&c, FIRST_PATH, PASIDD_IFACE_DEVICE, "Attached"), 0);
        client_close(&c);
        fixture_free(f);
}
END_TEST

static int alloc_mapped(struct client *c, const char *path, int memory, uint64_t iova, uint32_t flags, uint32_t *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        consumer_ok(c, &reply, path, "Alloc", "uuaya{sv}", 0U, 0U, 3, 1, 2, 3, 3, "map", "(htttu)", memory, (uint64_t) PAGE,
                    (uint64_t) PAGE, iova, flags, "token", "s", "t", "attach", "b", 1);
        return sd_bus_message_read(reply, "u", ret);
}

/* All of it in one call, on each transport: a reply that is lost can be asked for again. */
START_TEST(alloc_mapped_at_once) {
        enum bus_kind kind = (enum bus_kind) _i;
        _cleanup_close_ int memory = -EBADF;
        struct fixture *f;
        struct client c;
        uint32_t pasid, again;
        int n_fds;

        SKIP_UNLESS_AVAILABLE(kind);
        f = fake_begin(kind, NULL);
        c = client_new(f);
        memory = new_memory();
        _cleanup_free_ char *path = init_mediated(&c, "vm");

        ck_assert_int_gt(alloc_mapped(&c, path, memory, 0x200000, 7, &pasid), 0);
        n_fds = process_count_fds(f->daemon->pid);
        ck_assert_str_eq(state_of(&c, path, pasid), "attached");
        ck_assert_uint_eq(fixture_kernel_did(f, "map 4096 4096 0x200000 7"), 1);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "PinnedBytes"), PAGE);
        ck_assert_int_gt(alloc_mapped(&c, path, memory, 0x200000, 7, &again), 0);
        ck_assert_uint_eq(pasid, again);
        ck_assert_uint_eq(fixture_kernel_did(f, "map 4096 4096 0x200000 7"), 1);
        await(process_count_fds(f->daemon->pid) <= n_fds);
        free_ok(&c, path, pasid);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "PinnedBytes"), 0);
        client_close(&c);
        fixture_free(f);
}
END_TEST

static void map_error(struct client *c, const char *error, const char *text, const char *path, int memory, uint64_t length,
                      uint64_t iova, uint32_t flags) {
        consumer_error(c, error, text, path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 2, "attach", "b", 1, "map", "(htttu)", memory, 0ULL,
                       length, iova, flags);
}

/* Each is refused as Map would refuse it, and there is no number then. */
START_TEST(arguments_of_alloc_mapped) {
        struct fixture *f = fake_begin(BUS_NONE, "[Limits]\nPinnedBytesPerConsumer=8K\n");
        struct client c = client_direct(f);
        _cleanup_close_ int memory = new_memory();
        _cleanup_free_ char *path = init_mediated(&c, "vm"), *advisory = init_ok(&c, "advisory", 1, "devices", "as", 1, FIRST);

        consumer_error(&c, E_ARGS, "\"map\" was given with \"attach\" false", path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 2, "attach",
                       "b", 0, "map", "(htttu)", memory, 0ULL, PAGE, 0ULL, 7U);
        consumer_error(&c, E_ARGS, "\"map\" was given with D-Bus type \"u\"; it takes \"(htttu)\"", path, "Alloc", "uuaya{sv}", 0U,
                       0U, 0, 2, "attach", "b", 1, "map", "u", 1U);
        consumer_error(&c, E_ARGS, "\"map\" is not known here", path, "AllocMany", "uuuaya{sv}", 2U, 0U, 0U, 0, 1, "map", "(htttu)",
                       memory, 0ULL, PAGE, 0ULL, 7U);
        map_error(&c, E_ARGS, "flag 4", path, memory, PAGE, 0, 3);
        map_error(&c, E_ARGS, "neither read nor write", path, memory, PAGE, PAGE, 4);
        map_error(&c, E_ARGS, "0xf", path, memory, PAGE, PAGE, 15);
        map_error(&c, E_ARGS, "memfds only", path, STDERR_FILENO, PAGE, PAGE, 7);
        map_error(&c, E("QuotaExceeded"), "PinnedBytesPerConsumer", path, memory, 3 * PAGE, PAGE, 7);
        map_error(&c, E("NotMediated"), "advisory", advisory, memory, PAGE, PAGE, 7);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Allocated"), 0);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "PinnedBytes"), 0);
        ck_assert(is_held(&c, FIRST_PATH, ""));

        /* There is no memory without an address space: "attach" need not be said. */
        consumer_ok(&c, NULL, path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "map", "(htttu)", memory, 0ULL, PAGE, PAGE, 7U);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Allocated"), 1);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "PinnedBytes"), PAGE);
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(arguments_of_map) {
        struct fixture *f = fake_begin(BUS_NONE, NULL);
        struct client c = client_direct(f);
        _cleanup_close_ int memory = new_memory();
        _cleanup_free_ char *path = init_mediated(&c, "vm");
        uint32_t pasid = alloc_ok(&c, path, 0, 0);

        consumer_ok(&c, NULL, path, "Attach", "u", pasid);
        consumer_error(&c, E_ARGS, "neither read nor write", path, "Map", "uhtttu", pasid, memory, 0ULL, PAGE, 0ULL, 0U);
        consumer_error(&c, E_ARGS, "neither read nor write", path, "Map", "uhtttu", pasid, memory, 0ULL, PAGE, PAGE, 4U);
        consumer_error(&c, E_ARGS, "0x9", path, "Map", "uhtttu", pasid, memory, 0ULL, PAGE, 0ULL, 9U);
        consumer_error(&c, E_ARGS, "fixed", path, "Map", "uhtttu", pasid, memory, 0ULL, PAGE, PAGE, 3U);
        consumer_error(&c, E_ARGS, "memfds only", path, "Map", "uhtttu", pasid, STDERR_FILENO, 0ULL, PAGE, 0ULL, 3U);
        consumer_error(&c, E("InvalidRange"), NULL, path, "Map", "uhtttu", 0U, memory, 0ULL, PAGE, 0ULL, 3U);
        consumer_error(&c, E("NoSuchPasid"), NULL, path, "Map", "uhtttu", 200U, memory, 0ULL, PAGE, 0ULL, 3U);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "PinnedBytes"), 0);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* Settings reach the service, also by a reload. */
START_TEST(pinned_bytes_are_limited) {
        struct fixture *f = fake_begin(BUS_NONE, "[Limits]\nPinnedBytesPerConsumer=8K\n");
        struct client c = client_direct(f);
        _cleanup_close_ int memory = new_memory();
        _cleanup_free_ char *path = init_mediated(&c, "vm");
        uint32_t pasid = alloc_ok(&c, path, 0, 0);

        consumer_ok(&c, NULL, path, "Attach", "u", pasid);
        (void) map_ok(&c, path, pasid, memory, 0, 0x1000, 7);
        (void) map_ok(&c, path, pasid, memory, 0, 0x2000, 7);
        consumer_error(&c, E("QuotaExceeded"), "PinnedBytesPerConsumer", path, "Map", "uhtttu", pasid, memory, 0ULL, PAGE,
                       0x3000ULL, 7U);
        ck_assert_int_eq(daemon_set_config(f->daemon, "[Limits]\nPinnedBytesPerConsumer=0\n"), 0);
        ck_assert_int_eq(kill(f->daemon->pid, SIGHUP), 0);
        ck_assert_int_eq(daemon_wait_notice(f->daemon, "RELOADING=1"), 0);
        ck_assert_int_eq(daemon_wait_notice(f->daemon, "READY=1"), 0);
        (void) map_ok(&c, path, pasid, memory, 0, 0x3000, 7);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* The kernel wants a device back: who subscribed is told, on a bus everybody, and what stays attached is lost in time. */
START_TEST(requested_back) {
        enum bus_kind kind = (enum bus_kind) _i;
        struct signals subscribed = {}, silent = {};
        struct fixture *f;
        struct client c, listener;
        struct timespec now;
        struct heard h;

        SKIP_UNLESS_AVAILABLE(kind);
        f = fake_begin(kind, "[Daemon]\nDeviceReleaseSec=300ms\n");
        c = client_new(f);
        listener = client_new(f);
        signals_listen(&c, &subscribed);
        signals_listen(&listener, &silent);
        manager_ok(&c, NULL, "Subscribe", NULL);
        _cleanup_free_ char *path = init_mediated(&c, "vm");
        uint32_t pasid = alloc_ok(&c, path, 0, 0);
        consumer_ok(&c, NULL, path, "Attach", "u", pasid);

        ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &now), 0);
        fixture_tell_kernel(f, "request", "");
        h = signals_await(&c, &subscribed, "DeviceRequested");
        ck_assert_str_eq(h.path, PASIDD_PATH);
        ck_assert_str_eq(h.subject, FIRST_PATH);
        ck_assert_uint_ge(h.deadline, (uint64_t) now.tv_sec * 1000000 + 300000);
        ck_assert_uint_lt(h.deadline, (uint64_t) now.tv_sec * 1000000 + WAIT_LIMIT_MSEC * 1000);
        if (kind != BUS_NONE)
                (void) signals_await(&listener, &silent, "DeviceRequested");
        h = signals_await(&c, &subscribed, "PasidLost");
        ck_assert_str_eq(h.subject, path);
        ck_assert_uint_eq(h.pasid, pasid);
        ck_assert_str_eq(h.reason, "device-gone");
        ck_assert_str_eq(state_of(&c, path, pasid), "lost");
        ck_assert(daemon_log_has(f->daemon, "wants device " FIRST " back"));
        ck_assert(is_held(&c, FIRST_PATH, ""));
        signals_sync(&listener);
        if (kind == BUS_NONE)
                ck_assert_uint_eq(silent.n, 0);
        client_close(&c);
        client_close(&listener);
        fixture_free(f);
}
END_TEST

/* Nothing is attached, so that there is nothing to wait for; whose device it was is told all the same. */
START_TEST(requested_back_while_idle) {
        struct fixture *f = fake_begin(BUS_NONE, "[Daemon]\nDeviceReleaseSec=5min\n");
        struct client c = client_direct(f);
        struct signals s = {};
        _cleanup_free_ char *path = init_mediated(&c, "vm");
        uint32_t pasid = alloc_ok(&c, path, 0, 0);
        struct timespec now;
        struct heard h;

        signals_listen(&c, &s);
        manager_ok(&c, NULL, "Subscribe", NULL);
        consumer_ok(&c, NULL, path, "Attach", "u", pasid);
        consumer_ok(&c, NULL, path, "Detach", "u", pasid);
        fixture_tell_kernel(f, "request", "");
        h = signals_await(&c, &s, "DeviceRequested");
        ck_assert_str_eq(h.subject, FIRST_PATH);
        ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &now), 0);
        ck_assert_uint_le(h.deadline, ((uint64_t) now.tv_sec + 1) * 1000000);
        h = signals_await(&c, &s, "PasidLost");
        ck_assert_uint_eq(h.pasid, pasid);
        ck_assert(daemon_log_has(f->daemon, "wants device " FIRST " back"));
        ck_assert(is_held(&c, FIRST_PATH, ""));
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* A client that has stopped to take its news hears of the request all the same, past them, or is let go. */
START_TEST(requests_come_before_news) {
        struct fixture *f = fake_begin(BUS_NONE, NULL);
        struct client c = client_direct(f), listener = client_direct(f);
        _cleanup_free_ char *path = init_mediated(&c, "vm"), *plain = init_ok(&c, "plain", 0);

        consumer_ok(&c, NULL, path, "Attach", "u", alloc_ok(&c, path, 0, 0));
        manager_ok(&listener, NULL, "Subscribe", NULL);
        for (unsigned i = 0; i < 20; i++)
                free(alloc_many_ok(&c, plain, 500, 0, 0, 0));
        fixture_tell_kernel(f, "request", "");
        await(daemon_log_has(f->daemon, "wants device"));
        for (;;) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
                int r = sd_bus_process(listener.bus, &m);

                ck_assert_int_ge(r, 0);
                if (m && sd_bus_message_is_signal(m, PASIDD_IFACE_MANAGER, "DeviceRequested"))
                        break;
                if (r == 0)
                        ck_assert_int_gt(sd_bus_wait(listener.bus, WAIT_LIMIT_MSEC * 1000), 0);
        }
        client_close(&c);
        client_close(&listener);
        fixture_free(f);
}
END_TEST

START_TEST(devices_come_and_go) {
        enum bus_kind kind = (enum bus_kind) _i;
        struct signals s = {};
        struct fixture *f;
        struct client c;
        struct heard h;

        SKIP_UNLESS_AVAILABLE(kind);
        f = fake_begin(kind, NULL);
        c = client_new(f);
        signals_listen(&c, &s);
        manager_ok(&c, NULL, "Subscribe", NULL);

        fixture_tell_kernel(f, "devices", FIRST " 1 vfio-pci\n" SECOND " 2 vfio-pci\n" THIRD " 3 idxd\n");
        h = signals_await(&c, &s, "InterfacesAdded");
        ck_assert_str_eq(h.subject, THIRD_PATH);
        ck_assert_uint_eq(property_number(&c, THIRD_PATH, PASIDD_IFACE_DEVICE, "Usable"), 0);

        fixture_tell_kernel(f, "devices", FIRST " 1 vfio-pci\n" SECOND " 2 vfio-pci\n" THIRD " 3 vfio-pci\n");
        do
                h = signals_await(&c, &s, "PropertiesChanged");
        while (strcmp(h.path, THIRD_PATH) != 0);
        ck_assert_msg(strstr(h.subject, "Driver ") && strstr(h.subject, "Usable ") && strstr(h.subject, "Reason "), "'%s'",
                      h.subject);
        ck_assert_uint_eq(property_number(&c, THIRD_PATH, PASIDD_IFACE_DEVICE, "Usable"), 1);

        fixture_tell_kernel(f, "devices", FIRST " 1 vfio-pci\n" THIRD " 3 vfio-pci\n");
        h = signals_await(&c, &s, "InterfacesRemoved");
        ck_assert_str_eq(h.subject, SECOND_PATH);
        signals_sync(&c);
        ck_assert_uint_eq(signals_count(&s, "InterfacesAdded"), 0);
        ck_assert_uint_eq(signals_count(&s, "InterfacesRemoved"), 0);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* What is asked of a device that is being taken away, and of one that is away, says so and what is left to do. */
START_TEST(gone) {
        struct fixture *f = fake_begin(BUS_NONE, "[Daemon]\nDeviceReleaseSec=1min\n");
        struct client c = client_direct(f);
        struct signals s = {};
        _cleanup_free_ char *path = init_mediated(&c, "vm"), *late = init_mediated(&c, "late");
        uint32_t attached = alloc_ok(&c, path, 0, 0), other = alloc_ok(&c, late, 0, 0);

        signals_listen(&c, &s);
        manager_ok(&c, NULL, "Subscribe", NULL);
        consumer_ok(&c, NULL, path, "Attach", "u", attached);
        fixture_tell_kernel(f, "request", "");
        (void) signals_await(&c, &s, "DeviceRequested");
        consumer_error(&c, E("DeviceGone"), "asked for it back", late, "Attach", "u", other);

        fixture_tell_kernel(f, "devices", SECOND " 2 vfio-pci\n");
        (void) signals_await(&c, &s, "PasidLost");
        consumer_error(&c, E("DeviceGone"), "lost with its device; free it", path, "Attach", "u", attached);
        consumer_error(&c, E("DeviceGone"), "lost with its device; free it", late, "Attach", "u", other);
        consumer_error(&c, E("DeviceGone"), "is gone; end the consumer", path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 0);
        free_ok(&c, path, attached);
        exit_ok(&c, path);
        init_error(&c, E("NoSuchDevice"), FIRST, "vm", 1, "devices", "as", 1, FIRST);
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(checked) {
        struct fixture *f = fake_begin(BUS_NONE, NULL);
        struct client c = client_direct(f);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *object, *owner, *kind, *text;
        _cleanup_free_ char *path = init_mediated(&c, "v \"m");
        bool not_in_kernel = false, not_in_table = false;
        uint32_t found, pasid = alloc_ok(&c, path, 0, 0);
        int r;

        consumer_ok(&c, NULL, path, "Attach", "u", pasid);
        manager_ok(&c, &reply, "Check", "a{sv}", 0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "(osuss)"), 0);
        while ((r = sd_bus_message_read(reply, "(osuss)", &object, &owner, &found, &kind, &text)) > 0) {
                ck_assert_msg(strstr(text, FIRST) && text[strlen(text) - 1] == '.', "'%s'", text);
                if (strcmp(kind, "not-in-kernel") == 0) {
                        not_in_kernel = true;
                        ck_assert_str_eq(object, path);
                        ck_assert_ptr_nonnull(strstr(owner, ":v \"m"));
                        ck_assert_uint_eq(found, pasid);
                        ck_assert_ptr_nonnull(strstr(text, "consumer \"v \"m\""));
                } else {
                        ck_assert_str_eq(kind, "not-in-table");
                        not_in_table = true;
                        ck_assert_str_eq(object, FIRST_PATH);
                        ck_assert_str_eq(owner, "");
                        ck_assert_uint_eq(found, 255);
                }
        }
        ck_assert_int_eq(r, 0);
        ck_assert(not_in_kernel && not_in_table);
        ck_assert_int_gt(sd_bus_message_exit_container(reply), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "(ss)"), 0);
        ck_assert_int_ge(sd_bus_message_skip(reply, NULL), 0);
        manager_error(&c, E_ARGS, "mend", "Check", "a{sv}", 1, "mend", "b", 1);
        client_close(&c);
        fixture_free(f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-device");
        TCase *mediated = fixture_add_case(suite, "mediated"), *device = fixture_add_case(suite, "device");

        tcase_add_loop_test(mediated, attach_and_map, 0, TRANSPORTS);
        tcase_add_test(mediated, alloc_attached);
        tcase_add_loop_test(mediated, alloc_mapped_at_once, 0, TRANSPORTS);
        tcase_add_test(mediated, arguments_of_alloc_mapped);
        tcase_add_test(mediated, arguments_of_map);
        tcase_add_test(mediated, pinned_bytes_are_limited);
        tcase_add_test(mediated, checked);
        tcase_add_loop_test(device, requested_back, 0, TRANSPORTS);
        tcase_add_test(device, gone);
        tcase_add_test(device, requested_back_while_idle);
        tcase_add_test(device, requests_come_before_news);
        tcase_add_loop_test(device, devices_come_and_go, 0, TRANSPORTS);
        return fixture_main(suite);
}
