/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What keeps consumers alive, and what a restart of the daemon, asked for or
 * by SIGKILL, leaves as it was: every row, its private data, its token, and
 * consumers whose holder is still there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define LONG_DELAY "ReuseDelaySec=3600\n"
#define RESTARTS 2 /* loops: 0 by SIGTERM, 1 by SIGKILL */

static void restart(struct fixture *f, int i) {
        if (i == 0)
                fixture_stop(f);
        else
                fixture_kill(f);
        fixture_start(f);
}

START_TEST(connection_ends) {
        enum bus_kind kind = (enum bus_kind) _i;
        struct fixture *f;
        struct client holder, other;

        if (!bus_kind_is_available(kind))
                SKIP("the program of this message bus is not installed");
        f = fixture_new_on_bus(kind, "[Daemon]\n" LONG_DELAY);
        holder = client_new(f);
        other = client_new(f);
        _cleanup_free_ char *a = init_ok(&holder, "a", 0), *b = init_ok(&holder, "b", 1, "hold", "s", "connection");
        _cleanup_free_ char *boot = init_ok(&holder, "boot", 1, "hold", "s", "boot");
        _cleanup_free_ char *persistent = init_ok(&holder, "persistent", 1, "hold", "s", "persistent");
        _cleanup_free_ char *others = init_ok(&other, "others", 0);

        (void) alloc_ok(&holder, a, 5, 5);
        (void) alloc_ok(&holder, b, 6, 6);
        (void) alloc_ok(&other, a, 7, 7); /* whoever asks: the holder is who made it */
        (void) alloc_ok(&holder, boot, 8, 8);
        (void) alloc_ok(&holder, persistent, 9, 9);
        client_close(&holder);
        await(!consumer_exists(&other, geteuid(), "a", NULL) && !consumer_exists(&other, geteuid(), "b", NULL));
        for (uint32_t n = 5; n <= 7; n++)
                alloc_error(&other, E("CoolingDown"), NULL, others, n, n);
        for (uint32_t n = 8; n <= 9; n++)
                alloc_error(&other, E("AlreadyAllocated"), NULL, others, n, n);
        ck_assert(consumer_exists(&other, geteuid(), "boot", NULL));
        ck_assert(consumer_exists(&other, geteuid(), "persistent", NULL));
        client_close(&other);
        fixture_free(f);
}
END_TEST

/* Makes a consumer of its own, held by its connection, and goes on as it is told. */
struct holding {
        struct fixture *f;
        const char *name;
        bool returns; /* to the daemon's next life */
};

static void hold(struct child *self, void *userdata) {
        struct holding *h = userdata;
        struct client c = client_new(h->f);
        _cleanup_free_ char *path = init_ok(&c, h->name, 0);

        (void) alloc_ok(&c, path, 0, 0);
        child_ready(self);
        child_wait(self);
        if (!h->returns)
                return;
        client_close(&c);
        c = client_new(h->f);
        ping_ok(&c);
        child_ready(self);
        child_wait(self);
        client_close(&c);
}

START_TEST(holder_killed) {
        enum bus_kind kind = (enum bus_kind) _i;
        struct fixture *f;
        struct client c;
        struct child child;

        if (!bus_kind_is_available(kind))
                SKIP("the program of this message bus is not installed");
        f = fixture_new_on_bus(kind, NULL);
        c = client_new(f);
        child = child_start(hold, &(struct holding) { f, "held", false });
        child_await_ready(&child);
        ck_assert(consumer_exists(&c, geteuid(), "held", NULL));
        child_kill(&child);
        await(!consumer_exists(&c, geteuid(), "held", NULL));
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* One process, two connections: each holds its own. */
START_TEST(connections_are_apart) {
        struct fixture *f = fixture_new_started(NULL);
        struct client a = client_direct(f), b = client_direct(f);

        free(init_ok(&a, "a", 0));
        free(init_ok(&b, "b", 0));
        client_close(&a);
        await(!consumer_exists(&b, geteuid(), "a", NULL));
        ck_assert(consumer_exists(&b, geteuid(), "b", NULL));
        client_close(&b);
        fixture_free(f);
}
END_TEST

static void assert_same_list(struct client *c, const char *path, const struct listed *before, size_t n) {
        struct listed rows[16] = {};

        ck_assert_uint_eq(list_page(c, path, 0, 0, rows, ELEMENTSOF(rows), NULL), n);
        for (size_t i = 0; i < n; i++) {
                ck_assert_uint_eq(rows[i].pasid, before[i].pasid);
                ck_assert_str_eq(rows[i].state, before[i].state);
                ck_assert_uint_eq(rows[i].since, before[i].since);
                ck_assert_uint_eq(rows[i].private_bytes, before[i].private_bytes);
        }
}

/* Of kind "boot" and "persistent": everything is as it was, but for the connection. */
static void restart_with_hold(int i, const char *kind) {
        struct fixture *f = fixture_new_started("[Daemon]\n" LONG_DELAY);
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm-1", 4, "hold", "s", kind, "min", "u", 10U, "max", "u", 500U, "quota", "u", 8U);
        _cleanup_free_ char *found = NULL, *hold_kind = NULL, *other = NULL;
        uint32_t with_data, with_token, freed, since;
        struct listed before[16] = {};
        _cleanup_free_ void *data = NULL;
        size_t n, size;

        with_data = alloc_private_ok(&c, path, "\0\1\2data", 7);
        with_token = alloc_token_ok(&c, path, "request-1");
        freed = alloc_ok(&c, path, 0, 0);
        free_ok(&c, path, freed);
        since = (uint32_t) (property_number(&c, path, PASIDD_IFACE_CONSUMER, "Since") / 1000000);
        n = list_page(&c, path, 0, 0, before, ELEMENTSOF(before), NULL);
        ck_assert_uint_eq(n, 3);
        client_close(&c);

        for (int rounds = 0; rounds < 2; rounds++)
                restart(f, i);
        c = client_direct(f);
        ck_assert(consumer_exists(&c, geteuid(), "vm-1", &found));
        ck_assert_str_eq(found, path);
        assert_same_list(&c, path, before, n);
        hold_kind = property_string(&c, path, PASIDD_IFACE_CONSUMER, "Hold");
        ck_assert_str_eq(hold_kind, kind);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Min"), 10);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Max"), 500);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Quota"), 8);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Since") / 1000000, since);
        data = find_ok(&c, path, with_data, &size);
        ck_assert_uint_eq(size, 7);
        ck_assert_mem_eq(data, "\0\1\2data", 7);
        ck_assert_uint_eq(alloc_token_ok(&c, path, "request-1"), with_token);
        alloc_error(&c, E("CoolingDown"), NULL, path, freed, freed);
        other = init_ok(&c, "other", 0);
        alloc_error(&c, E("AlreadyAllocated"), NULL, other, with_data, with_data);
        init_error(&c, E("ConsumerExists"), NULL, "vm-1", 0);
        ck_assert_uint_ne(alloc_ok(&c, path, 0, 0), freed);
        client_close(&c);
        fixture_free(f);
}

START_TEST(restart_keeps_boot) {
        restart_with_hold(_i, "boot");
}
END_TEST

START_TEST(restart_keeps_persistent) {
        restart_with_hold(_i, "persistent");
}
END_TEST

/* Numbers of a consumer that ended keep cooling through a restart. */
START_TEST(restart_keeps_cooling_of_ended) {
        struct fixture *f = fixture_new_started("[Daemon]\n" LONG_DELAY);
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm", 0), *other = NULL;

        (void) alloc_ok(&c, path, 5, 5);
        exit_ok(&c, path);
        client_close(&c);
        restart(f, _i);
        c = client_direct(f);
        ck_assert(!consumer_exists(&c, geteuid(), "vm", NULL));
        other = init_ok(&c, "vm", 0);
        alloc_error(&c, E("CoolingDown"), NULL, other, 5, 5);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* Two holders on direct connections; one comes back, the other does not, and loses when its time is over. */
START_TEST(direct_holder_returns) {
        struct fixture *f = fixture_new_started("[Daemon]\nReconnectSec=2\n");
        struct child back = child_start(hold, &(struct holding) { f, "back", true });
        struct child away = child_start(hold, &(struct holding) { f, "away", false });
        struct client c;

        child_await_ready(&back);
        child_await_ready(&away);
        restart(f, _i);
        child_release(&back);
        c = client_direct(f);
        ck_assert(consumer_exists(&c, geteuid(), "back", NULL));
        ck_assert(consumer_exists(&c, geteuid(), "away", NULL));
        child_await_ready(&back);
        await(!consumer_exists(&c, geteuid(), "away", NULL));
        ck_assert(consumer_exists(&c, geteuid(), "back", NULL));
        child_finish(&back);
        await(!consumer_exists(&c, geteuid(), "back", NULL));
        child_finish(&away);
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(direct_holder_gone_meanwhile) {
        struct fixture *f = fixture_new_started("[Daemon]\nReconnectSec=3600\n");
        struct child stays = child_start(hold, &(struct holding) { f, "stays", true });
        struct child gone = child_start(hold, &(struct holding) { f, "gone", false });
        struct child dies = child_start(hold, &(struct holding) { f, "dies", false });
        struct client c;

        child_await_ready(&stays);
        child_await_ready(&gone);
        child_await_ready(&dies);
        if (_i == 0)
                fixture_stop(f);
        else
                fixture_kill(f);
        child_kill(&gone);
        fixture_start(f);
        c = client_direct(f);
        ck_assert(!consumer_exists(&c, geteuid(), "gone", NULL));
        ck_assert(consumer_exists(&c, geteuid(), "stays", NULL));
        ck_assert(consumer_exists(&c, geteuid(), "dies", NULL));
        child_kill(&dies); /* its death is noticed, however long it might have had */
        await(!consumer_exists(&c, geteuid(), "dies", NULL));
        ck_assert(consumer_exists(&c, geteuid(), "stays", NULL));
        child_kill(&stays);
        client_close(&c);
        fixture_free(f);
}
END_TEST

static bool has_owner(struct client *c, const char *name) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int there;

        ck_assert_int_ge(sd_bus_call_method(c->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                            "NameHasOwner", NULL, &reply, "s", name), 0);
        ck_assert_int_gt(sd_bus_message_read(reply, "b", &there), 0);
        return there;
}

/* On a bus nobody has to come back: the unique name is asked for. */
static void bus_restart(enum bus_kind kind, int i) {
        struct fixture *f = fixture_new_on_bus(kind, NULL);
        struct client stays = client_on_bus(f), leaves = client_on_bus(f);
        _cleanup_free_ char *a = init_ok(&stays, "stays", 0), *b = init_ok(&leaves, "leaves", 0), *name = NULL;
        const char *unique;

        (void) alloc_ok(&leaves, b, 5, 5);
        if (i == 0)
                fixture_stop(f);
        else
                fixture_kill(f);
        ck_assert_int_ge(sd_bus_get_unique_name(leaves.bus, &unique), 0);
        name = strdup(unique);
        client_close(&leaves);
        await(!has_owner(&stays, name));
        fixture_start(f);
        ck_assert(consumer_exists(&stays, geteuid(), "stays", NULL));
        ck_assert(!consumer_exists(&stays, geteuid(), "leaves", NULL));
        alloc_error(&stays, E("CoolingDown"), NULL, a, 5, 5);

        leaves = client_direct(f);
        client_close(&stays); /* and from now on it is noticed */
        await(!consumer_exists(&leaves, geteuid(), "stays", NULL));
        client_close(&leaves);
        fixture_free(f);
}

START_TEST(dbus_daemon_holder) {
        if (!bus_kind_is_available(BUS_DBUS_DAEMON))
                SKIP("dbus-daemon is not installed");
        bus_restart(BUS_DBUS_DAEMON, _i);
}
END_TEST

START_TEST(dbus_broker_holder) {
        if (!bus_kind_is_available(BUS_DBUS_BROKER))
                SKIP("dbus-broker is not installed");
        bus_restart(BUS_DBUS_BROKER, _i);
}
END_TEST

/* Who cannot be asked about is kept, and it shows. */
START_TEST(bus_is_lost) {
        _cleanup_free_ char *path = NULL, *state = NULL;
        struct client holder, c;
        struct fixture *f;

        if (!bus_kind_is_available(BUS_DBUS_DAEMON))
                SKIP("no dbus-daemon");
        f = fixture_new_on_bus(BUS_DBUS_DAEMON, NULL);
        holder = client_on_bus(f);
        c = client_direct(f);
        path = init_ok(&holder, "vm", 0);
        state = property_string(&c, path, PASIDD_IFACE_CONSUMER, "HoldState");
        ck_assert_str_eq(state, "watched");
        f->bus = message_bus_free(f->bus);
        do {
                free(state);
                state = property_string(&c, path, PASIDD_IFACE_CONSUMER, "HoldState");
        } while (strcmp(state, "watched") == 0);
        ck_assert_str_eq(state, "unknown");
        ck_assert(consumer_exists(&c, geteuid(), "vm", NULL));
        client_close(&holder);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* Another life of the bus gives the same unique names to others. */
START_TEST(bus_holder_of_another_life) {
        struct fixture *f;
        struct client c, others[4];
        _cleanup_free_ char *name = NULL;
        const char *unique;
        bool is_given_again = false;

        if (!bus_kind_is_available(BUS_DBUS_DAEMON))
                SKIP("dbus-daemon is not installed");
        f = fixture_new_on_bus(BUS_DBUS_DAEMON, NULL);
        c = client_on_bus(f);
        free(init_ok(&c, "held", 0));
        ck_assert_int_ge(sd_bus_get_unique_name(c.bus, &unique), 0);
        name = strdup(unique);
        fixture_stop(f);
        message_bus_free(f->bus);
        client_close(&c);
        ck_assert_int_ge(message_bus_new(BUS_DBUS_DAEMON, f->dir, &f->bus), 0);
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                others[i] = client_on_bus(f);
                ck_assert_int_ge(sd_bus_get_unique_name(others[i].bus, &unique), 0);
                is_given_again = is_given_again || strcmp(unique, name) == 0;
        }
        ck_assert_msg(is_given_again, "nobody has the name %s now: this test tests nothing", name);
        fixture_start(f);
        ck_assert(!consumer_exists(&others[0], geteuid(), "held", NULL));
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                client_close(&others[i]);
        fixture_free(f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-hold");
        TCase *live = fixture_add_case(suite, "live"), *again = fixture_add_case(suite, "restart");

        tcase_add_loop_test(live, connection_ends, 0, BUS_KIND_MAX_);
        tcase_add_loop_test(live, holder_killed, 0, BUS_KIND_MAX_);
        tcase_add_test(live, connections_are_apart);
        tcase_add_test(live, bus_is_lost);
        tcase_add_loop_test(again, restart_keeps_boot, 0, RESTARTS);
        tcase_add_loop_test(again, restart_keeps_persistent, 0, RESTARTS);
        tcase_add_loop_test(again, restart_keeps_cooling_of_ended, 0, RESTARTS);
        tcase_add_loop_test(again, direct_holder_returns, 0, RESTARTS);
        tcase_add_loop_test(again, direct_holder_gone_meanwhile, 0, RESTARTS);
        tcase_add_loop_test(again, dbus_daemon_holder, 0, RESTARTS);
        tcase_add_loop_test(again, dbus_broker_holder, 0, RESTARTS);
        tcase_add_test(again, bus_holder_of_another_life);
        return fixture_main(suite);
}
