/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holders of connection holds of whom nothing can be told: their consumers
 * stay, it shows, and they are asked for again until it can be told.
 */
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client.h"
#include "own-bus.h"

static bool is_state(struct client *c, const char *path, const char *state) {
        _cleanup_free_ char *found = property_string(c, path, PASIDD_IFACE_CONSUMER, "HoldState");

        return strcmp(found, state) == 0;
}

static bool is_told(struct client *c, const char *name) {
        return client_call(c, NULL, NULL, "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", "s", name) >= 0;
}

/* Has the dbus-daemon read it again, and waits until it holds. */
static void let_bus_tell(struct fixture *f, struct client *c, bool told) {
        struct client asking = { .bus = c->bus, .destination = "org.freedesktop.DBus" };
        _cleanup_free_ char *path = NULL, *text = NULL;

        ck_assert_int_ge(asprintf(&path, "%s/bus.conf", f->dir), 0);
        ck_assert_int_ge(asprintf(&text, "<busconfig><listen>%s</listen><auth>EXTERNAL</auth><policy context=\"default\">"
                                  "<allow user=\"*\"/><allow own=\"*\"/><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>"
                                  "<%s send_destination=\"org.freedesktop.DBus\" send_interface=\"org.freedesktop.DBus\" send_member=\"NameHasOwner\"/>"
                                  "</policy></busconfig>\n", f->bus->address, told ? "allow" : "deny"), 0);
        ck_assert_int_ge(write_file(path, text), 0);
        ck_assert_int_eq(kill(f->bus->pid, SIGHUP), 0);
        await(is_told(&asking, "org.freedesktop.DBus") == told);
}

/* The bus refuses to say who is there: of those it is asked again, and those that leave meanwhile are noticed. */
START_TEST(bus_does_not_tell) {
        _cleanup_free_ char *a = NULL, *b = NULL, *d = NULL;
        struct client stays, leaves, leaves_later, c;
        struct fixture *f;

        if (!bus_kind_is_available(BUS_DBUS_DAEMON))
                SKIP("dbus-daemon is not installed");
        f = fixture_new_on_bus(BUS_DBUS_DAEMON, NULL);
        stays = client_on_bus(f);
        leaves = client_on_bus(f);
        leaves_later = client_on_bus(f);
        a = init_ok(&stays, "stays", 0);
        b = init_ok(&leaves, "leaves", 0);
        d = init_ok(&leaves_later, "leaves-later", 0);
        let_bus_tell(f, &stays, false);
        fixture_kill(f);
        client_close(&leaves);
        fixture_start(f);
        c = client_direct(f);
        await(daemon_log_has(f->daemon, "cannot be told"));
        ck_assert(is_state(&c, a, "unknown"));
        ck_assert(is_state(&c, b, "unknown"));
        ck_assert(is_state(&c, d, "unknown"));
        client_close(&leaves_later);
        await(!consumer_exists(&c, geteuid(), "leaves-later", NULL));
        ck_assert(consumer_exists(&c, geteuid(), "leaves", NULL));
        ck_assert(is_state(&c, a, "unknown"));

        let_bus_tell(f, &stays, true);
        await(!consumer_exists(&c, geteuid(), "leaves", NULL));
        await(is_state(&c, a, "watched"));
        client_close(&stays);
        await(!consumer_exists(&c, geteuid(), "stays", NULL));
        client_close(&c);
        fixture_free(f);
}
END_TEST

static void hold(struct child *self, void *userdata) {
        struct fixture *f = userdata;
        struct client c = client_direct(f);
        char name[32];

        (void) snprintf(name, sizeof(name), "vm-%d", getpid());
        free(init_ok(&c, name, 0));
        child_ready(self);
        child_wait(self);
}

#define HOLDERS 60
#define FEW_FILES 80

/* Of those from the first on. */
static unsigned count_unknown(struct client *c, const struct child *children, size_t first) {
        unsigned n = 0;

        for (size_t i = first; i < HOLDERS; i++) {
                char path[128];

                (void) snprintf(path, sizeof(path), PASIDD_CONSUMER_PREFIX "/%u/vm_2d%d", (unsigned) geteuid(), (int) children[i].pid);
                n += is_state(c, path, "unknown");
        }
        return n;
}

/* There are too few file descriptors to watch them all by: they are watched once others are gone. */
START_TEST(peers_cannot_be_watched) {
        const struct rlimit few = { .rlim_cur = FEW_FILES, .rlim_max = FEW_FILES };
        struct child children[HOLDERS];
        struct fixture *f;
        struct client c;

        if (!bus_kind_is_available(BUS_DBUS_DAEMON))
                SKIP("dbus-daemon is not installed");
        f = fixture_new_on_bus(BUS_DBUS_DAEMON, "[Daemon]\nReconnectSec=3600\n");
        c = client_on_bus(f); /* over a connection that the daemon has already */
        for (size_t i = 0; i < HOLDERS; i++) {
                children[i] = child_start(hold, f);
                child_await_ready(&children[i]);
        }
        fixture_kill(f);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0); /* the daemon inherits it */
        ck_assert_int_ge(daemon_spawn(f->daemon), 0);
        await(daemon_log_has(f->daemon, "Ready: ")); /* a notice would take a file descriptor */
        ck_assert(daemon_log_has(f->daemon, "cannot be watched"));
        ck_assert_uint_gt(count_unknown(&c, children, 0), 0);
        ck_assert_uint_lt(count_unknown(&c, children, 0), HOLDERS / 2);
        for (size_t i = 0; i < HOLDERS / 2; i++)
                child_kill(&children[i]);
        await(count_unknown(&c, children, HOLDERS / 2) == 0);
        ck_assert_uint_eq(property_number(&c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers"), HOLDERS / 2);
        for (size_t i = HOLDERS / 2; i < HOLDERS; i++)
                child_kill(&children[i]);
        await(property_number(&c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers") == 0);
        client_close(&c);
        fixture_free(f);
}
END_TEST

static void set_holders(const struct fixture *f, const char *sql, int n) {
        _cleanup_free_ char *path = NULL;
        sqlite3 *db;

        ck_assert_int_ge(asprintf(&path, "%s/run/pasidd.db", f->dir), 0);
        ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
        ck_assert_int_eq(sqlite3_changes(db), n);
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

/* Of another version's making, say; and a process that has no pid here. */
START_TEST(unreadable_holders) {
        struct fixture *f = fixture_new_started("[Daemon]\nReconnectSec=1\n");
        struct client c = client_direct(f);
        _cleanup_free_ char *junk = init_ok(&c, "junk", 0);

        free(init_ok(&c, "no-pid", 0));
        fixture_stop(f);
        client_close(&c);
        set_holders(f, "UPDATE consumer SET holder = iif(name = 'junk', 'peer:junk', 'peer:0:0:1:0')", 2);
        fixture_start(f);
        ck_assert(daemon_log_has(f->daemon, "holder \"peer:junk\" is unreadable"));
        c = client_direct(f);
        ck_assert(is_state(&c, junk, "unknown"));
        await(!consumer_exists(&c, geteuid(), "no-pid", NULL)); /* it did not come back in time */
        ck_assert(is_state(&c, junk, "unknown"));
        exit_ok(&c, junk);
        client_close(&c);
        fixture_free(f);
}
END_TEST

#define SLOW_HOLDER ":1.77"

/* A bus that takes its time over whether somebody is there. */
struct slow_bus {
        struct child *self;
        sd_bus_message *asked; /* and not answered */
};

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct slow_bus *slow = userdata;

        if (!sd_bus_message_is_method_call(m, NULL, "NameHasOwner"))
                return own_bus_answer(m);
        slow->asked = sd_bus_message_ref(m);
        child_ready(slow->self);
        return 1;
}

/* Tells when it is asked, and answers, at the test's word, that nobody is there. */
static void serve_slowly(struct child *self, void *userdata) {
        struct slow_bus slow = { .self = self };
        sd_bus *bus = own_bus_accept(self, userdata);
        int r = 1;

        ck_assert_int_ge(sd_bus_add_filter(bus, NULL, on_call, &slow), 0);
        ck_assert_int_ge(sd_bus_start(bus), 0);
        while (r >= 0) {
                struct pollfd p[2] = { { .fd = sd_bus_get_fd(bus) }, { .fd = self->from, .events = slow.asked ? POLLIN : 0 } };

                r = sd_bus_process(bus, NULL);
                if (r != 0)
                        continue;
                p[0].events = (short) sd_bus_get_events(bus);
                ck_assert_int_gt(poll(p, ELEMENTSOF(p), -1), 0);
                if (p[1].revents & POLLIN) {
                        child_wait(self);
                        ck_assert_int_ge(sd_bus_reply_method_return(slow.asked, "b", false), 0);
                        slow.asked = sd_bus_message_unref(slow.asked);
                }
        }
        sd_bus_unref(bus);
}

/* Neither name nor READY before the bus has answered (0), or had its time to (1). */
START_TEST(answers_are_awaited) {
        struct fixture *f = fixture_new_started(NULL);
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm", 0), *socket_path = NULL;
        struct child bus;

        fixture_stop(f);
        client_close(&c);
        set_holders(f, "UPDATE consumer SET holder = 'bus:" OWN_BUS_ID ":" SLOW_HOLDER "'", 1);
        socket_path = own_bus_choose(f);
        bus = child_start(serve_slowly, socket_path);
        child_await_ready(&bus);
        ck_assert_int_ge(daemon_spawn(f->daemon), 0);
        child_await_ready(&bus);
        ck_assert(!daemon_log_has(f->daemon, "Ready: "));
        if (_i == 0)
                child_release(&bus);
        ck_assert_int_ge(daemon_wait_ready(f->daemon), 0);
        c = client_direct(f);
        if (_i == 0)
                ck_assert(daemon_log_has(f->daemon, "Ready: 0 consumers"));
        else {
                ck_assert(daemon_log_has(f->daemon, "has not told in time"));
                ck_assert(daemon_log_has(f->daemon, "Ready: 1 consumers"));
                ck_assert(is_state(&c, path, "unknown"));
                child_release(&bus);
        }
        await(!consumer_exists(&c, geteuid(), "vm", NULL));
        client_close(&c);
        child_kill(&bus);
        fixture_free(f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-untold");
        TCase *bus = fixture_add_case(suite, "bus"), *peers = fixture_add_case(suite, "peers");

        tcase_add_test(bus, bus_does_not_tell);
        tcase_add_loop_test(bus, answers_are_awaited, 0, 2);
        tcase_add_test(peers, peers_cannot_be_watched);
        tcase_add_test(peers, unreadable_holders);
        return fixture_main(suite);
}
