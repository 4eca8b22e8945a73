/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The same objects over each way in: the direct socket, dbus-daemon,
 * dbus-broker, and two at a time; sockets that are passed, stale or served
 * already; a bus whose name is taken, that is not there, or that restarts.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

#define SKIP_UNLESS_AVAILABLE(kind)                                               \
        do {                                                                      \
                if (!bus_kind_is_available(kind))                                 \
                        SKIP("the program of this message bus is not installed"); \
        } while (0)

START_TEST(core_calls) {
        enum bus_kind kind = (enum bus_kind) _i;
        struct fixture *f;
        struct client c;
        struct listed rows[4];
        size_t size;

        SKIP_UNLESS_AVAILABLE(kind);
        f = fixture_new_on_bus(kind, NULL);
        c = client_new(f);
        ping_ok(&c);
        _cleanup_free_ char *path = init_ok(&c, "vm-1", 1, "quota", "u", 10U), *found = NULL;
        uint32_t pasid = alloc_private_ok(&c, path, "data", 4), token = alloc_token_ok(&c, path, "t");
        _cleanup_free_ uint32_t *many = alloc_many_ok(&c, path, 2, 0, 0, 1, "contiguous", "b", 1);
        _cleanup_free_ void *data = find_ok(&c, path, pasid, &size);

        ck_assert_uint_eq(size, 4);
        ck_assert_mem_eq(data, "data", 4);
        ck_assert_uint_eq(alloc_token_ok(&c, path, "t"), token);
        ck_assert_uint_eq(list_page(&c, path, 0, 0, rows, ELEMENTSOF(rows), NULL), 4);
        ck_assert(consumer_exists(&c, geteuid(), "vm-1", &found));
        ck_assert_str_eq(found, path);
        manager_ok(&c, NULL, "WhoHas", "u", pasid);
        manager_ok(&c, NULL, "List", "tu", (uint64_t) 0, 0U);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Allocated"), 4);
        alloc_error(&c, E("InvalidRange"), NULL, path, 2, 1);
        free_ok(&c, path, pasid);
        consumer_ok(&c, NULL, path, "FreeMany", "au", 2, many[0], many[1]);
        consumer_ok(&c, NULL, path, "FreeToken", "s", "t");
        exit_ok(&c, path);
        assert_gone(&c, path);
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(direct_and_bus) {
        enum bus_kind kind = (enum bus_kind) (BUS_DBUS_DAEMON + _i);
        struct fixture *f;
        struct client direct, bus;

        SKIP_UNLESS_AVAILABLE(kind);
        f = fixture_new_on_bus(kind, NULL);
        direct = client_direct(f);
        bus = client_on_bus(f);
        _cleanup_free_ char *a = init_ok(&direct, "a", 0), *b = init_ok(&bus, "b", 0);

        (void) alloc_ok(&bus, a, 7, 7);
        alloc_error(&direct, E("AlreadyAllocated"), "7", b, 7, 7);
        init_error(&bus, E("ConsumerExists"), NULL, "a", 0);
        client_close(&direct); /* ends what that connection holds, and no more */
        await(!consumer_exists(&bus, geteuid(), "a", NULL));
        ck_assert(consumer_exists(&bus, geteuid(), "b", NULL));
        client_close(&bus);
        fixture_free(f);
}
END_TEST

START_TEST(bus_name_taken) {
        enum bus_kind kind = (enum bus_kind) (BUS_DBUS_DAEMON + _i);
        struct fixture *f, *second;
        struct client c;

        SKIP_UNLESS_AVAILABLE(kind);
        f = fixture_new_on_bus(kind, NULL);
        second = fixture_new(NULL);
        ck_assert_int_ge(daemon_set_bus(second->daemon, f->bus->address), 0);
        fixture_start_refused(second, PASIDD_BUS_NAME);
        c = client_on_bus(f);
        ping_ok(&c);
        client_close(&c);
        fixture_free(second);
        fixture_free(f);
}
END_TEST

START_TEST(no_such_bus) {
        struct fixture *f = fixture_new(NULL);

        ck_assert_int_ge(daemon_set_bus(f->daemon, "unix:path=/nonexistent/bus"), 0);
        fixture_start_refused(f, "/nonexistent/bus");
        ck_assert_int_ge(daemon_set_bus(f->daemon, "nonsense"), 0);
        fixture_start_refused(f, "nonsense");
        fixture_free(f);
}
END_TEST

/* The bus is gone for a while: the direct socket goes on, and the name is back with the bus. */
START_TEST(bus_restarts) {
        enum bus_kind kind = (enum bus_kind) (BUS_DBUS_DAEMON + _i);
        struct fixture *f;
        struct client direct, bus;

        SKIP_UNLESS_AVAILABLE(kind);
        f = fixture_new_on_bus(kind, NULL);
        direct = client_direct(f);
        bus = client_on_bus(f);
        free(init_ok(&bus, "of-bus", 0));
        _cleanup_free_ char *path = init_ok(&direct, "of-direct", 0);
        for (int round = 0; round < 2; round++) {
                f->bus = message_bus_free(f->bus);
                client_close(&bus);
                (void) alloc_ok(&direct, path, 0, 0);
                ck_assert_int_ge(message_bus_new(kind, f->dir, &f->bus), 0);
                bus = client_on_bus(f);
                await(client_ping(&bus) >= 0);
                free(init_ok(&bus, "again", 0));
        }
        /* whoever held it by the old bus can't come back */
        await(!consumer_exists(&direct, geteuid(), "of-bus", NULL));
        ck_assert_uint_eq(property_number(&direct, path, PASIDD_IFACE_CONSUMER, "Allocated"), 2);
        client_close(&direct);
        client_close(&bus);
        fixture_free(f);
}
END_TEST

/* The socket is the service manager's: it stays over a restart, and so do those who wait at it. */
START_TEST(socket_activation) {
        struct fixture *f = fixture_new(NULL);
        struct client early, c;

        ck_assert_int_ge(daemon_listen(f->daemon, 0600), 0);
        early = client_direct(f); /* before the daemon is there */
        fixture_start(f);
        ping_ok(&early);
        client_close(&early);
        fixture_stop(f);
        ck_assert_int_eq(access(f->daemon->socket_path, F_OK), 0);
        c = client_direct(f);
        fixture_start(f);
        ping_ok(&c);
        free(init_ok(&c, "vm", 0));
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(own_socket_is_removed) {
        struct fixture *f = fixture_new_started(NULL);

        ck_assert_int_eq(access(f->daemon->socket_path, F_OK), 0);
        fixture_stop(f);
        ck_assert_int_ne(access(f->daemon->socket_path, F_OK), 0);
        fixture_free(f);
}
END_TEST

START_TEST(stale_socket_is_replaced) {
        struct fixture *f = fixture_new_started(NULL);
        struct client c;

        fixture_kill(f);
        ck_assert_int_eq(access(f->daemon->socket_path, F_OK), 0);
        fixture_start(f);
        c = client_direct(f);
        ping_ok(&c);
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(live_socket_is_refused) {
        struct fixture *f = fixture_new_started(NULL), *second = fixture_new(NULL);
        struct client c;

        ck_assert_int_ge(daemon_add_option(second->daemon, "--listen=%s", f->daemon->address), 0);
        fixture_start_refused(second, f->daemon->socket_path);
        c = client_direct(f);
        ping_ok(&c);
        client_close(&c);
        fixture_free(second);
        fixture_free(f);
}
END_TEST

START_TEST(other_files_are_not_replaced) {
        struct fixture *f = fixture_new(NULL);
        struct stat st;

        ck_assert_int_ge(write_file(f->daemon->socket_path, "precious"), 0);
        fixture_start_refused(f, f->daemon->socket_path);
        ck_assert_int_eq(stat(f->daemon->socket_path, &st), 0);
        ck_assert_int_eq(st.st_size, 8);
        fixture_free(f);
}
END_TEST

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        unsigned *outcomes = userdata;

        outcomes[sd_bus_message_is_method_error(m, NULL) ? 1 : 0]++;
        return 1;
}

/* What was asked before SIGTERM is either answered or not done at all. */
START_TEST(stop_with_calls_waiting) {
        struct fixture *f = fixture_new_started("[Daemon]\nReuseDelaySec=3600\n");
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm", 1, "hold", "s", "boot");
        unsigned outcomes[2] = {}, n = 0;
        uint64_t kept;
        int r = 1;

        for (; n < 500; n++)
                consumer_async(&c, on_reply, outcomes, path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 0);
        ck_assert_int_eq(kill(f->daemon->pid, SIGTERM), 0);
        while (outcomes[0] + outcomes[1] < n && r >= 0) {
                r = sd_bus_process(c.bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(c.bus, WAIT_LIMIT_MSEC * 1000ULL);
        }
        ck_assert_int_ge(daemon_wait_end(f->daemon), 0);
        ck_assert_int_eq(f->daemon->status, 0);
        client_close(&c);
        fixture_start(f);
        c = client_direct(f);
        kept = property_number(&c, path, PASIDD_IFACE_CONSUMER, "Allocated");
        ck_assert_uint_eq(kept, outcomes[0]);
        client_close(&c);
        fixture_free(f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-transport");
        TCase *ways = fixture_add_case(suite, "ways"), *sockets = fixture_add_case(suite, "sockets");

        tcase_add_loop_test(ways, core_calls, 0, BUS_KIND_MAX_);
        tcase_add_loop_test(ways, direct_and_bus, 0, MESSAGE_BUSES);
        tcase_add_loop_test(ways, bus_name_taken, 0, MESSAGE_BUSES);
        tcase_add_test(ways, no_such_bus);
        tcase_add_loop_test(ways, bus_restarts, 0, MESSAGE_BUSES);
        tcase_add_test(sockets, socket_activation);
        tcase_add_test(sockets, own_socket_is_removed);
        tcase_add_test(sockets, stale_socket_is_replaced);
        tcase_add_test(sockets, live_socket_is_refused);
        tcase_add_test(sockets, other_files_are_not_replaced);
        tcase_add_test(sockets, stop_with_calls_waiting);
        return fixture_main(suite);
}
