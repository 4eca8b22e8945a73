/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Init by somebody who is neither root nor of the group, and Attach and Open by
 * somebody whom a device is not for: polkit is asked, on the system bus, which
 * is one of the test's own here, and so is polkit. Needs root, for the other
 * user.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake-devices.h"
#include "terminal.h"

#define POLKIT "org.freedesktop.PolicyKit1"
#define HELD_MAX 8

/*
 * Answers by the name of the consumer: "yes-", "no-", "error-"; "wait-" waits for the next "go-"; "once-" is a yes, and a
 * no from then on; "ask-" is a yes for who may be asked for a password. Of "half-", and where
 * there is no consumer, the first device alone is granted; the third is as "once-".
 */
struct polkit_mock {
        sd_bus_message *held[HELD_MAX];
        size_t n_held;
        bool is_over; /* of "once-" */
};

struct asked {
        const char *action, *consumer, *device;
};

static void read_details(sd_bus_message *m, struct asked *asked) {
        const char *key, *value;
        int r;

        ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "{ss}"), 0);
        while ((r = sd_bus_message_read(m, "{ss}", &key, &value)) > 0) {
                ck_assert_msg(strcmp(key, "consumer") == 0 || strcmp(key, "device") == 0, "'%s'", key);
                *(key[0] == 'c' ? &asked->consumer : &asked->device) = value;
        }
        ck_assert_int_eq(r, 0);
        ck_assert_int_gt(sd_bus_message_exit_container(m), 0);
}

static int answer(sd_bus_message *m, int is_authorised) {
        return sd_bus_reply_method_return(m, "(bba{ss})", is_authorised, 0, 0);
}

static int method_check(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct polkit_mock *mock = userdata;
        struct asked asked = { .consumer = "half-" };
        const char *kind, *consumer;
        uint32_t flags;

        ck_assert_int_ge(sd_bus_message_enter_container(m, 'r', "sa{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_read(m, "s", &kind), 0);
        ck_assert_msg(strcmp(kind, "system-bus-name") == 0 || strcmp(kind, "unix-process") == 0, "'%s'", kind);
        ck_assert_int_ge(sd_bus_message_skip(m, "a{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
        ck_assert_int_ge(sd_bus_message_read(m, "s", &asked.action), 0);
        read_details(m, &asked);
        ck_assert_int_ge(sd_bus_message_read(m, "u", &flags), 0);
        if (asked.device)
                ck_assert_str_eq(asked.action, "org.pasidd1.attach");
        else
                ck_assert_str_eq(asked.action, "org.pasidd1.init");
        consumer = asked.consumer;

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
        if (strncmp(consumer, "once-", 5) == 0 || (asked.device && strcmp(asked.device, THIRD) == 0)) {
                bool is_over = mock->is_over;

                mock->is_over = true;
                return answer(m, !is_over);
        }
        if (strncmp(consumer, "ask-", 4) == 0)
                return flags == 1 ? answer(m, 1) : sd_bus_reply_method_return(m, "(bba{ss})", 0, 1, 0);
        ck_assert_uint_eq(flags, 0);
        if (strncmp(consumer, "half-", 5) == 0)
                return answer(m, strcmp(asked.device ?: FIRST, FIRST) == 0);
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
static struct test begin_with(bool with_polkit, const char *config) {
        struct test t = { .f = fixture_new(config) };

        ck_assert(find_user(&t.user));
        ck_assert_int_ge(message_bus_new(BUS_DBUS_DAEMON, t.f->dir, &t.f->bus), 0);
        ck_assert_int_eq(setenv("DBUS_SYSTEM_BUS_ADDRESS", t.f->bus->address, 1), 0);
        ck_assert_int_ge(daemon_set_bus(t.f->daemon, "system"), 0);
        ck_assert_int_ge(daemon_listen(t.f->daemon, 0666), 0);
        if (with_polkit) {
                t.polkit = child_start(serve_polkit, t.f);
                child_await_ready(&t.polkit);
        }
        fixture_use_fake_kernel(t.f, THIRD " 3 vfio-pci\n");
        fixture_start(t.f);
        t.root = client_on_bus(t.f);
        return t;
}

static struct test begin(bool with_polkit) {
        return begin_with(with_polkit, NULL);
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

        init_error(c, E_ACCESS, "not allow it without a password", "ask-1", 0);
        ck_assert_int_ge(sd_bus_set_allow_interactive_authorization(c->bus, 1), 0);
        free(init_ok(c, "ask-1", 0));
        ck_assert_int_ge(sd_bus_set_allow_interactive_authorization(c->bus, 0), 0);
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

static char *init_of_both(struct client *c, const char *name) {
        return init_ok(c, name, 2, "mode", "s", "mediated", "devices", "as", 2, FIRST, SECOND);
}

/* By the group for Init, so that only devices are asked about. */
static struct test begin_attach(gid_t *ret_group, const char *more) {
        _cleanup_free_ char *config = config_with_group(more, ret_group);

        return begin_with(true, config);
}

static void attach_all(struct client *c) {
        _cleanup_free_ char *yes = init_of_both(c, "yes-1"), *no = init_mediated(c, "no-1");
        _cleanup_free_ char *half = init_of_both(c, "half-1"), *error = init_mediated(c, "error-1");
        uint32_t pasid = alloc_ok(c, yes, 0, 0);
        _cleanup_close_ int memory = memfd_create("memory", MFD_CLOEXEC);

        consumer_ok(c, NULL, yes, "Attach", "u", pasid);
        consumer_ok(c, NULL, yes, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "attach", "b", 1);
        consumer_ok(c, NULL, yes, "Alloc", "uuaya{sv}", 0U, 0U, 0, 2, "attach", "b", 1, "map", "(htttu)", memory, 0ULL, 4096ULL, 4096ULL,
                    7U); /* kept while polkit thinks */
        consumer_error(c, E_ACCESS, "polkit does not allow", no, "Attach", "u", alloc_ok(c, no, 0, 0));
        consumer_error(c, E_ACCESS, SECOND, half, "Attach", "u", alloc_ok(c, half, 0, 0));
        consumer_error(c, E_ACCESS, "could not be asked", error, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "attach", "b", 1);
        ck_assert_str_eq(state_of(c, yes, pasid), "attached");
        ck_assert_uint_eq(property_number(c, half, PASIDD_IFACE_CONSUMER, "Allocated"), 1);
        exit_ok(c, yes);
        exit_ok(c, half);

        client_ok(__FILE__, __LINE__, c, NULL, FIRST_PATH, PASIDD_IFACE_DEVICE, "Open", "a{sv}", 0);
        client_error(__FILE__, __LINE__, c, E_ACCESS, "polkit does not allow", SECOND_PATH, PASIDD_IFACE_DEVICE, "Open", "a{sv}", 0);
}

static void attach_all_on_bus(void *userdata) {
        struct client c = client_on_bus(userdata);

        attach_all(&c);
        client_close(&c);
}

START_TEST(attach_on_the_bus) {
        struct test t;
        gid_t group;

        SKIP_UNLESS_POSSIBLE();
        t = begin_attach(&group, "");
        run_as(t.user, group, attach_all_on_bus, t.f);
        end(&t);
}
END_TEST

START_TEST(attach_on_the_socket) {
        struct test t;
        struct client c;
        gid_t group;

        SKIP_UNLESS_POSSIBLE();
        t = begin_attach(&group, "");
        c = client_direct_as(t.f, t.user, group);
        attach_all(&c);
        client_close(&c);
        end(&t);
}
END_TEST

/* The device's own list comes first: what is granted there is not asked about. */
START_TEST(lists_come_before_polkit) {
        _cleanup_free_ char *list = NULL;
        struct test t;
        struct client c;
        uid_t user = 0;
        gid_t group;

        SKIP_UNLESS_POSSIBLE();
        ck_assert(find_user(&user));
        ck_assert_int_ge(asprintf(&list, "[Device " SECOND "]\nAllowUsers=%u\n", (unsigned) user), 0);
        t = begin_attach(&group, list);
        c = client_direct_as(t.f, t.user, group);
        _cleanup_free_ char *half = init_of_both(&c, "half-1");
        consumer_ok(&c, NULL, half, "Attach", "u", alloc_ok(&c, half, 0, 0));
        client_close(&c);
        end(&t);
}
END_TEST

static int on_end(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);

        (void) snprintf(userdata, 64, "%s", e ? e->name : "done");
        return 1;
}

/* What polkit allows a consumer is not for another that has its name by then, with other devices. */
START_TEST(consumer_changes_meanwhile) {
        struct test t;
        struct client c, other;
        char outcome[64] = "";
        uint32_t pasid;
        gid_t group;

        SKIP_UNLESS_POSSIBLE();
        t = begin_attach(&group, "");
        c = client_direct_as(t.f, t.user, group);
        other = client_direct_as(t.f, t.user, group);
        _cleanup_free_ char *path = init_mediated(&other, "wait-1"), *go = init_mediated(&other, "go-1");
        pasid = alloc_ok(&other, path, 100, 100);
        consumer_async(&c, on_end, outcome, path, "Attach", "u", pasid);
        ck_assert_int_ge(sd_bus_flush(c.bus), 0);
        ping_ok(&c);
        exit_ok(&other, path);
        free(init_ok(&other, "wait-1", 2, "mode", "s", "mediated", "devices", "as", 1, SECOND));
        ck_assert_uint_eq(alloc_ok(&other, path, 100, 100), pasid);

        /* answers the first question; the call asks another, for the other device, which nobody answers yet */
        consumer_ok(&other, NULL, go, "Attach", "u", alloc_ok(&other, go, 0, 0));
        ping_ok(&c);
        ck_assert_str_eq(state_of(&other, path, pasid), "allocated");
        ck_assert_uint_eq(fixture_kernel_did(t.f, "open " SECOND), 0);
        await(({
                consumer_ok(&other, NULL, go, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "attach", "b", 1);
                client_ping(&c);
                sd_bus_process(c.bus, NULL);
                outcome[0] != '\0';
        }));
        ck_assert_str_eq(outcome, "done");
        ck_assert_str_eq(state_of(&other, path, pasid), "attached");

        /* and one that is gone altogether gets nothing */
        outcome[0] = '\0';
        pasid = alloc_ok(&other, path, 0, 0);
        consumer_async(&c, on_end, outcome, path, "Attach", "u", pasid);
        ck_assert_int_ge(sd_bus_flush(c.bus), 0);
        ping_ok(&c);
        exit_ok(&other, path);
        consumer_ok(&other, NULL, go, "Attach", "u", alloc_ok(&other, go, 0, 0));
        while (outcome[0] == '\0')
                client_wait(&c);
        ck_assert_str_eq(outcome, E("NoSuchConsumer"));
        client_close(&c);
        client_close(&other);
        end(&t);
}
END_TEST

/* Who gives up on an allocation that waits, gives up what it would have got. */
START_TEST(token_freed_meanwhile) {
        struct test t;
        struct client c;
        char outcome[64] = "";
        gid_t group;

        SKIP_UNLESS_POSSIBLE();
        t = begin_attach(&group, "");
        c = client_direct_as(t.f, t.user, group);
        _cleanup_free_ char *path = init_mediated(&c, "wait-1"), *go = init_mediated(&c, "go-1");
        consumer_async(&c, on_end, outcome, path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 2, "attach", "b", 1, "token", "s", "t");
        consumer_ok(&c, NULL, path, "FreeToken", "s", "t");
        consumer_ok(&c, NULL, go, "Attach", "u", alloc_ok(&c, go, 0, 0));
        while (outcome[0] == '\0')
                client_wait(&c);
        ck_assert_str_eq(outcome, E_ACCESS);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Allocated"), 0);
        client_close(&c);
        end(&t);
}
END_TEST

/* A device that is busy is tried again with the same answer; but not for another consumer of that name. */
START_TEST(busy_is_asked_once) {
        char outcome[64] = "";
        struct test t;
        struct client c;
        uint32_t pasid;
        gid_t group;

        SKIP_UNLESS_POSSIBLE();
        t = begin_attach(&group, "");
        c = client_direct_as(t.f, t.user, group);
        _cleanup_free_ char *path = init_mediated(&c, "once-1");
        pasid = alloc_ok(&c, path, 100, 100);
        fixture_tell_kernel(t.f, "busy", "1000000\n");
        await(fixture_kernel_did(t.f, "busy 1000000") > 0);
        consumer_async(&c, on_end, outcome, path, "Attach", "u", pasid);
        while (fixture_kernel_did(t.f, "busy") < 3)
                ping_ok(&c);
        fixture_tell_kernel(t.f, "busy", "0\n");
        while (outcome[0] == '\0')
                client_wait(&c);
        ck_assert_str_eq(outcome, "done");
        exit_ok(&c, path);

        outcome[0] = '\0';
        _cleanup_free_ char *again = init_mediated(&c, "half-1");
        pasid = alloc_ok(&c, again, 101, 101);
        fixture_tell_kernel(t.f, "busy", "1000001\n");
        await(fixture_kernel_did(t.f, "busy 1000001") > 0);
        consumer_async(&c, on_end, outcome, again, "Attach", "u", pasid);
        while (fixture_kernel_did(t.f, "busy") < 6)
                ping_ok(&c);
        ck_assert_str_eq(outcome, "");
        exit_ok(&t.root, again);
        free(init_ok(&c, "half-1", 2, "mode", "s", "mediated", "devices", "as", 1, SECOND));
        ck_assert_uint_eq(alloc_ok(&c, again, 101, 101), pasid);
        fixture_tell_kernel(t.f, "busy", "0\n");
        while (outcome[0] == '\0')
                client_wait(&c);
        ck_assert_str_ne(outcome, "done");
        ck_assert_str_eq(state_of(&t.root, again, pasid), "allocated");
        client_close(&c);
        end(&t);
}
END_TEST

/* Open of a device in reset, likewise: who was allowed is not asked about again while he waits, but when he comes again. */
START_TEST(reset_is_asked_once) {
        struct test t;
        struct client c;
        gid_t group;

        SKIP_UNLESS_POSSIBLE();
        t = begin_attach(&group, "");
        c = client_direct_as(t.f, t.user, group);
        tell_refuse(t.f, "bind", EAGAIN, 5);
        client_ok(__FILE__, __LINE__, &c, NULL, THIRD_PATH, PASIDD_IFACE_DEVICE, "Open", "a{sv}", 0);
        ck_assert_uint_eq(fixture_kernel_did(t.f, "refused"), 5);
        device_error(&c, E_ACCESS, "polkit does not allow", THIRD_PATH, "Open", "a{sv}", 0);
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

/* More often than questions of a user may be open at once. */
static void leave_unanswered(void *userdata) {
        struct fixture *f = userdata;

        for (unsigned i = 0; i < 20; i++) {
                struct client leaver = client_on_bus(f), other = client_on_bus(f);
                unsigned n_done = 0;

                manager_async(&leaver, on_init, &n_done, "Init", "sa{sv}", "wait-leaver", 0);
                ck_assert_int_ge(sd_bus_flush(leaver.bus), 0);
                init_error(&other, E_ACCESS, "polkit does not allow", "no-other", 0); /* asked after that one */
                client_close(&leaver);
                free(init_ok(&other, "go-other", 0));
                client_close(&other);
        }
}

/* Who left before polkit answered is forgotten with the answer. */
START_TEST(leavers_are_forgotten) {
        struct test t;

        SKIP_UNLESS_POSSIBLE();
        t = begin(true);
        run_as(t.user, 60003, leave_unanswered, t.f);
        end(&t);
}
END_TEST

static void pasidctl_at_a_terminal(void *userdata) {
        const struct fixture *f = userdata;

        ck_assert_int_eq(chdir(f->dir), 0);
        ck_assert_int_eq(setenv("PATH", "bin:/usr/bin:/bin", 1), 0);
        ck_assert_int_eq(setenv("LD_LIBRARY_PATH", "bin", 1), 0);
        ck_assert_int_eq(setenv("PASIDD_ADDRESS", "unix:path=pasidd.sock", 1), 0);
        ck_assert_int_eq(terminal_run("pasidctl init ask-1"), 0);
        ck_assert(terminal_had_agent());
        ck_assert_int_eq(terminal_run("pasidctl exit ask-1"), 0);
        ck_assert(!terminal_had_agent()); /* nobody can be asked about that */
        ck_assert_int_eq(terminal_run("pasidctl --no-ask-password init ask-2"), 1);
        ck_assert(!terminal_had_agent());
        ck_assert_int_eq(terminal_run("pasidctl init ask-3 </dev/null"), 1);
        ck_assert(!terminal_had_agent());
        /* The command that pasidctl becomes has no child that it does not know. */
        ck_assert_int_eq(terminal_run("pasidctl run --name=ask-4 -- sh -c '! kill -0 $(cat asked) && exit 7'"), 7);
        ck_assert(terminal_had_agent());
        ck_assert_int_eq(terminal_run("PATH=/nowhere bin/pasidctl init ask-5"), 0); /* by the agent of a session, then */
}

START_TEST(on_a_terminal) {
        struct test t;

        SKIP_UNLESS_POSSIBLE();
        t = begin(true);
        terminal_prepare(t.f->dir);
        run_as(t.user, 60003, pasidctl_at_a_terminal, t.f);
        end(&t);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-polkit");
        TCase *tcase = fixture_add_case(suite, "polkit");

        tcase_add_test(tcase, on_the_bus);
        tcase_add_test(tcase, on_the_socket);
        tcase_add_test(tcase, nobody_waits);
        tcase_add_test(tcase, no_polkit);
        tcase_add_test(tcase, attach_on_the_bus);
        tcase_add_test(tcase, attach_on_the_socket);
        tcase_add_test(tcase, lists_come_before_polkit);
        tcase_add_test(tcase, consumer_changes_meanwhile);
        tcase_add_test(tcase, token_freed_meanwhile);
        tcase_add_test(tcase, busy_is_asked_once);
        tcase_add_test(tcase, reset_is_asked_once);
        tcase_add_test(tcase, other_buses_are_not_asked);
        tcase_add_test(tcase, leavers_are_forgotten);
        tcase_add_test(tcase, on_a_terminal);
        return fixture_main(suite);
}
