/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Init by somebody who is neither root nor of the group: polkit is asked, on
 * the system bus, which is one of the test's own here, and so is polkit. Needs
 * root, for the other user.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define POLKIT "org.freedesktop.PolicyKit1"
#define HELD_MAX 8

/* Answers by the name of the consumer: "yes-", "no-", "error-"; "wait-" waits for the next "go-". */
struct polkit_mock {
        sd_bus_message *held[HELD_MAX];
        size_t n_held;
};

static int read_consumer(sd_bus_message *m, const char **ret) {
        const char *key;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{ss}");
        if (r >= 0)
                r = sd_bus_message_read(m, "{ss}", &key, ret);
        ck_assert_int_gt(r, 0);
        ck_assert_str_eq(key, "consumer");
        return sd_bus_message_exit_container(m);
}

static int answer(sd_bus_message *m, int is_authorised) {
        return sd_bus_reply_method_return(m, "(bba{ss})", is_authorised, 0, 0);
}

static int method_check(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct polkit_mock *mock = userdata;
        const char *kind, *action, *consumer;

        ck_assert_int_ge(sd_bus_message_enter_container(m, 'r', "sa{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_read(m, "s", &kind), 0);
        ck_assert_msg(strcmp(kind, "system-bus-name") == 0 || strcmp(kind, "unix-process") == 0, "'%s'", kind);
        ck_assert_int_ge(sd_bus_message_skip(m, "a{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
        ck_assert_int_ge(sd_bus_message_read(m, "s", &action), 0);
        ck_assert_str_eq(action, "org.pasidd1.init");
        ck_assert_int_ge(read_consumer(m, &consumer), 0);

        if (strncmp(consumer, "error-", 6) == 0)
                return sd_bus_error_set(error, POLKIT ".Error.Failed", "no mood for questions");
        if (strncmp(consumer, "wait-", 5) == 0) {
                ck_assert_uint_lt(mock->n_held, HELD_MAX);
                mock->held[mock->n_held++] = sd_bus_message_ref(m);
                return 1;
        }
        if (strncmp(consumer, "go-", 3) == 0)
                while (mock->n_held > 0) {
                        sd_bus_message *held = mock->held[--mock->n_held];

                        ck_assert_int_ge(answer(held, 1), 0);
                        sd_bus_message_unref(held);
                }
        return answer(m, strncmp(consumer, "no-", 3) != 0);
}

static const sd_bus_vtable authority[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", method_check, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END
};

static void serve_polkit(struct child *self, void *userdata) {
        const struct fixture *f = userdata;
        struct client c = client_on_bus(f);
        struct polkit_mock mock = {};
        int r = 0;

        ck_assert_int_ge(sd_bus_add_object_vtable(c.bus, NULL, "/org/freedesktop/PolicyKit1/Authority", POLKIT ".Authority",
                                                  authority, &mock), 0);
        ck_assert_int_ge(sd_bus_request_name(c.bus, POLKIT, 0), 0);
        child_ready(self);
        while (r >= 0) {
                r = sd_bus_process(c.bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(c.bus, UINT64_MAX);
        }
}

struct test {
        struct fixture *f;
        struct child polkit;
        struct client root;
        uid_t user;
};

/* Everybody reaches the socket, as with a policy of the service manager's. */
static struct test begin(bool with_polkit) {
        struct test t = { .f = fixture_new(NULL) };

        ck_assert(find_user(&t.user));
        ck_assert_int_ge(message_bus_new(BUS_DBUS_DAEMON, t.f->dir, &t.f->bus), 0);
        ck_assert_int_eq(setenv("DBUS_SYSTEM_BUS_ADDRESS", t.f->bus->address, 1), 0);
        ck_assert_int_ge(daemon_set_bus(t.f->daemon, "system"), 0);
        ck_assert_int_ge(daemon_listen(t.f->daemon, 0666), 0);
        if (with_polkit) {
                t.polkit = child_start(serve_polkit, t.f);
                child_await_ready(&t.polkit);
        }
        fixture_start(t.f);
        t.root = client_on_bus(t.f);
        return t;
}

static void end(struct test *t) {
        client_close(&t->root);
        if (t->polkit.pid > 0)
                child_kill(&t->polkit);
        fixture_free(t->f);
}

#define SKIP_UNLESS_POSSIBLE()                                \
        do {                                                  \
                SKIP_UNLESS_ROOT();                           \
                if (!bus_kind_is_available(BUS_DBUS_DAEMON))  \
                        SKIP("dbus-daemon is not installed"); \
        } while (0)

static void ask_all(struct client *c) {
        _cleanup_free_ char *path = init_ok(c, "yes-1", 0);

        (void) alloc_ok(c, path, 0, 0);
        init_error(c, E_ACCESS, "polkit does not allow", "no-1", 0);
        init_error(c, E_ACCESS, "could not be asked", "error-1", 0);
        exit_ok(c, path);
}

static void ask_all_on_bus(void *userdata) {
        struct client c = client_on_bus(userdata);

        ask_all(&c);
        client_close(&c);
}

START_TEST(on_the_bus) {
        struct test t;

        SKIP_UNLESS_POSSIBLE();
        t = begin(true);
        run_as(t.user, 60003, ask_all_on_bus, t.f);
        free(init_ok(&t.root, "no-root", 0)); /* root is not asked about */
        end(&t);
}
END_TEST

START_TEST(on_the_socket) {
        struct test t;
        struct client c;

        SKIP_UNLESS_POSSIBLE();
        t = begin(true);
        c = client_direct_as(t.f, t.user, 60003);
        ask_all(&c);
        client_close(&c);
        end(&t);
}
END_TEST

static int on_init(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        unsigned *n_done = userdata;

        ck_assert_msg(!e, "%s: %s", e ? e->name : "", e ? e->message : "");
        (*n_done)++;
        return 1;
}

/* While polkit thinks, nobody else waits; and who asked may leave. */
START_TEST(nobody_waits) {
        struct test t;
        struct client patient, leaver, other;
        unsigned n_done = 0;

        SKIP_UNLESS_POSSIBLE();
        t = begin(true);
        patient = client_direct_as(t.f, t.user, 60003);
        leaver = client_direct_as(t.f, t.user, 60003);
        other = client_direct_as(t.f, t.user, 60003);
        manager_async(&patient, on_init, &n_done, "Init", "sa{sv}", "wait-1", 0);
        manager_async(&leaver, on_init, &n_done, "Init", "sa{sv}", "wait-2", 0);
        ck_assert_int_ge(sd_bus_flush(patient.bus), 0);
        ck_assert_int_ge(sd_bus_flush(leaver.bus), 0);
        ping_ok(&leaver); /* its question is on its way */
        client_close(&leaver);
        ping_ok(&other);
        ping_ok(&patient);
        ck_assert_uint_eq(n_done, 0);
        free(init_ok(&other, "go-1", 0));
        while (n_done == 0)
                client_wait(&patient);
        ck_assert(consumer_exists(&other, t.user, "wait-1", NULL));
        ck_assert(!consumer_exists(&other, t.user, "wait-2", NULL));
        client_close(&patient);
        client_close(&other);
        end(&t);
}
END_TEST

START_TEST(no_polkit) {
        struct test t;
        struct client c;

        SKIP_UNLESS_POSSIBLE();
        t = begin(false);
        c = client_direct_as(t.f, t.user, 60003);
        init_error(&c, E_ACCESS, NULL, "yes-1", 0);
        client_close(&c);
        end(&t);
}
END_TEST

/* Nobody can be polkit but on the system bus. */
static void be_refused_on_bus(void *userdata) {
        struct client c = client_on_bus(userdata);

        init_error(&c, E_ACCESS, NULL, "yes-1", 0);
        client_close(&c);
}

START_TEST(other_buses_are_not_asked) {
        struct child polkit;
        struct fixture *f;
        uid_t user = 0;

        SKIP_UNLESS_POSSIBLE();
        ck_assert(find_user(&user));
        f = fixture_new_on_bus(BUS_DBUS_DAEMON, NULL);
        polkit = child_start(serve_polkit, f);
        child_await_ready(&polkit);
        run_as(user, 60003, be_refused_on_bus, f);
        child_kill(&polkit);
        fixture_free(f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-polkit");
        TCase *tcase = fixture_add_case(suite, "polkit");

        tcase_add_test(tcase, on_the_bus);
        tcase_add_test(tcase, on_the_socket);
        tcase_add_test(tcase, nobody_waits);
        tcase_add_test(tcase, no_polkit);
        tcase_add_test(tcase, other_buses_are_not_asked);
        return fixture_main(suite);
}
