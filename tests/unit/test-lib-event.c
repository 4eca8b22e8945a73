/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events: from signals, in pasid_client_process() only, from the daemon only;
 * renewed with a connection, and when the daemon restarts on a message bus.
 */
#include <poll.h>

#include "fake-daemon.h"

static struct fake *fake;
static struct pasid_client *client;
static char heard[1024];

#define MANAGER PASIDD_PATH, PASIDD_IFACE_MANAGER
#define OBJECTS PASIDD_PATH, "org.freedesktop.DBus.ObjectManager"

/* What the test makes happen by a call of WhoHas with that number. */
static int happen(uint32_t what, sd_bus_message *call) {
        switch (what) {
        case 1:
                (void) fake_signal(fake, NULL, MANAGER, "PasidAllocated", "ou", FAKE_CONSUMER_PATH, 17);
                (void) fake_signal(fake, NULL, MANAGER, "PasidFreed", "ous", FAKE_CONSUMER_PATH, 17, "freed");
                (void) fake_signal(fake, NULL, OBJECTS, "InterfacesAdded", "oa{sa{sv}}", FAKE_CONSUMER_PATH, 1, PASIDD_IFACE_CONSUMER, 0);
                (void) fake_signal(fake, NULL, OBJECTS, "InterfacesRemoved", "oas", FAKE_CONSUMER_PATH, 1, PASIDD_IFACE_CONSUMER);
                (void) fake_signal(fake, NULL, MANAGER, "PasidLost", "ous", FAKE_CONSUMER_PATH, 18, "device-gone");
                (void) fake_signal(fake, NULL, MANAGER, "DeviceRequested", "ot", PASIDD_DEVICE_PREFIX "/_30000_3a01_3a00_2e0",
                                   (uint64_t) 1700000000000000);
                break;
        case 2: /* nothing that counts */
                (void) fake_signal(fake, NULL, MANAGER, "PasidAllocated", "ou", "/alien", 17);
                (void) fake_signal(fake, NULL, MANAGER, "PasidAllocated", "su", "x", 17);
                (void) fake_signal(fake, NULL, MANAGER, "PasidFreed", "ou", FAKE_CONSUMER_PATH, 17);
                (void) fake_signal(fake, NULL, MANAGER, "PasidPolished", "ou", FAKE_CONSUMER_PATH, 17);
                (void) fake_signal(fake, NULL, MANAGER, "PasidLost", "ou", FAKE_CONSUMER_PATH, 17);
                (void) fake_signal(fake, NULL, MANAGER, "DeviceRequested", "ot", FAKE_CONSUMER_PATH, (uint64_t) 1);
                (void) fake_signal(fake, NULL, MANAGER, "DeviceRequested", "o", PASIDD_DEVICE_PREFIX "/x");
                (void) fake_signal(fake, NULL, "/other", PASIDD_IFACE_MANAGER, "PasidAllocated", "ou", FAKE_CONSUMER_PATH, 17);
                (void) fake_signal(fake, NULL, OBJECTS, "InterfacesAdded", "oa{sa{sv}}", PASIDD_DEVICE_PREFIX "/x", 0);
                (void) fake_signal(fake, NULL, OBJECTS, "InterfacesAdded", NULL);
                break;
        case 3: /* from a stranger on the bus */
                (void) fake_signal(fake, ":1.66", MANAGER, "PasidAllocated", "ou", FAKE_CONSUMER_PATH, 17);
                (void) fake_signal(fake, ":1.66", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged", "sss",
                                   PASIDD_BUS_NAME, ":1.1", ":1.66");
                break;
        case 4: /* the daemon restarts */
                (void) fake_signal(fake, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged",
                                   "sss", "org.example", "", ":1.3");
                (void) fake_signal(fake, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged",
                                   "sss", PASIDD_BUS_NAME, ":1.1", "");
                (void) fake_reply(fake, call, "a(uostas)", 0);
                fake_set_name(fake, ":1.2");
                return fake_signal(fake, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged",
                                   "sss", PASIDD_BUS_NAME, "", ":1.2");
        default: /* the flood */
                for (uint32_t i = 0; i < what; i++)
                        (void) fake_signal(fake, NULL, MANAGER, "PasidAllocated", "ou", FAKE_CONSUMER_PATH, i);
        }
        return fake_reply(fake, call, "a(uostas)", 0);
}

static int handler(struct fake *f, sd_bus_message *call, void *userdata) {
        unsigned *refusals = userdata;
        uint32_t what;

        if (fake_is(call, "Subscribe") && *refusals > 0 && --*refusals == 0)
                return fake_error(f, call, "org.freedesktop.DBus.Error.LimitsExceeded", "Too many subscribers");
        if (fake_is(call, "WhoHas")) {
                (void) sd_bus_message_read(call, "u", &what);
                return happen(what, call);
        }
        return fake_reply(f, call, NULL);
}

static unsigned refusals; /* the n-th Subscribe is refused */

static void start(bool on_bus) {
        heard[0] = '\0';
        fake = fake_new(handler, &refusals);
        client = fake_client(on_bus ? fake_bus_address(fake) : fake_address(fake), 0);
}

static void end(void) {
        (void) pasid_client_free(client);
        fake_free(fake);
}

static int hear(const struct pasid_event *e, void *userdata) {
        size_t n = strlen(heard);

        ck_assert_uint_eq(e->size, sizeof(*e));
        ck_assert_str_eq(userdata, "mine");
        if (e->type != PASID_EVENT_RESTARTED && e->type != PASID_EVENT_DEVICE_REQUESTED) {
                ck_assert_uint_eq(e->uid, 1000);
                ck_assert_str_eq(e->consumer, "vm-1");
        } else {
                ck_assert_uint_eq(e->uid, PASID_UID_SELF);
                ck_assert_ptr_null(e->consumer);
        }
        if (e->type == PASID_EVENT_DEVICE_REQUESTED) {
                ck_assert_str_eq(e->device, "0000:01:00.0");
                ck_assert_uint_eq(e->deadline_usec, 1700000000000000);
        } else {
                ck_assert_ptr_null(e->device);
                ck_assert_uint_eq(e->deadline_usec, 0);
        }
        (void) snprintf(heard + n, sizeof(heard) - n, "%d:%u:%s ", (int) e->type, e->pasid, e->reason ? e->reason : "-");
        return 0;
}

static int no_holder(const struct pasid_holder *h, void *userdata) {
        return 1;
}

static void make_happen(uint32_t what) {
        ck_assert_int_eq(pasid_who_has(client, what, no_holder, NULL), 0);
}

/* As an event loop does, until there was nothing new for a moment or what is expected was heard. */
static int process(const char *expected) {
        for (;;) {
                struct pollfd p = { .fd = pasid_client_get_fd(client), .events = (short) pasid_client_get_events(client) };
                uint64_t usec;
                int r;

                ck_assert_int_eq(pasid_client_get_timeout(client, &usec), 0);
                if (usec == UINT64_MAX && poll(&p, 1, strcmp(heard, expected) == 0 ? 20 : 10000) == 0)
                        return 0;
                r = pasid_client_process(client);
                if (r < 0)
                        return r;
        }
}

#define ALL_OF_THEM "1:17:- 2:17:freed 3:0:- 4:0:- 7:18:device-gone 8:0:- "

START_TEST(events)
{
        for (int on_bus = 0; on_bus < 2; on_bus++) {
                uint64_t usec;

                start(on_bus);
                ck_assert_int_eq(pasid_subscribe(client, hear, (void *) "mine"), 0);
                assert_call(fake, 0, "Subscribe()");
                make_happen(1);
                ck_assert_str_eq(heard, "");
                /* They are here already: a loop that only polled would sleep on them. */
                ck_assert_int_eq(pasid_client_get_timeout(client, &usec), 0);
                ck_assert_uint_eq(usec, 0);
                ck_assert_int_eq(process(ALL_OF_THEM), 0);
                ck_assert_str_eq(heard, ALL_OF_THEM);
                heard[0] = '\0';
                make_happen(2);
                ck_assert_int_eq(process(""), 0);
                ck_assert_str_eq(heard, "");
                ck_assert_int_eq(pasid_unsubscribe(client), 0);
                assert_call(fake, 3, "Unsubscribe()");
                make_happen(1);
                ck_assert_int_eq(process(""), 0);
                ck_assert_str_eq(heard, "");
                ck_assert_int_eq(pasid_unsubscribe(client), 0);
                end();
        }
}
END_TEST

START_TEST(strangers)
{
        start(true);
        ck_assert_int_eq(pasid_subscribe(client, hear, (void *) "mine"), 0);
        make_happen(3);
        ck_assert_int_eq(process(""), 0);
        ck_assert_str_eq(heard, "");
        ck_assert_uint_eq(fake_n_calls(fake), 2);
        end();
}
END_TEST

START_TEST(daemon_restarts)
{
        start(true);
        ck_assert_int_eq(pasid_subscribe(client, hear, (void *) "mine"), 0);
        make_happen(4);
        ck_assert_int_eq(process("5:0:- "), 0);
        ck_assert_str_eq(heard, "5:0:- ");
        assert_call(fake, 2, "Subscribe()");
        heard[0] = '\0';
        make_happen(1);
        ck_assert_int_eq(process(ALL_OF_THEM), 0);
        ck_assert_str_eq(heard, ALL_OF_THEM);
        end();
        /* and refuses */
        refusals = 2;
        start(true);
        ck_assert_int_eq(pasid_subscribe(client, hear, (void *) "mine"), 0);
        make_happen(4);
        ck_assert_int_eq(process("never"), -ENOBUFS);
        ck_assert_ptr_nonnull(strstr(pasid_strerror_last(client), "Too many subscribers"));
        end();
}
END_TEST

START_TEST(renewed_with_connection)
{
        for (int on_bus = 0; on_bus < 2; on_bus++) {
                start(on_bus);
                ck_assert_int_eq(pasid_subscribe(client, hear, (void *) "mine"), 0);
                ck_assert_int_eq(pasid_client_reconnect(client), 0);
                assert_call(fake, 1, "Subscribe()");
                make_happen(1);
                ck_assert_int_eq(process(ALL_OF_THEM), 0);
                ck_assert_str_eq(heard, ALL_OF_THEM);
                refusals = 1;
                ck_assert_int_eq(pasid_client_reconnect(client), -ENOBUFS);
                ck_assert_int_eq(pasid_client_get_fd(client), -ENOTCONN);
                ck_assert_int_eq(pasid_client_reconnect(client), 0);
                make_happen(2);
                end();
        }
}
END_TEST

START_TEST(refused)
{
        refusals = 1;
        start(false);
        ck_assert_int_eq(pasid_subscribe(client, hear, (void *) "mine"), -ENOBUFS);
        make_happen(1);
        ck_assert_int_eq(process(""), 0);
        ck_assert_str_eq(heard, "");
        ck_assert_int_eq(pasid_subscribe(client, NULL, NULL), -EINVAL);
        ck_assert_int_eq(pasid_subscribe(NULL, hear, NULL), -EINVAL);
        end();
}
END_TEST

static int act(const struct pasid_event *e, void *userdata) {
        int *what = userdata;

        switch (*what) {
        case 0:
                return -ENOTTY;
        case 1: /* from within */
                ck_assert_int_eq(pasid_client_process(client), -EBUSY);
                make_happen(2);
                return 5; /* positive: ignored */
        case 2:
                ck_assert_int_eq(pasid_unsubscribe(client), 0);
                return 0;
        default:
                ck_assert_int_eq(pasid_client_reconnect(client), 0);
                return 0;
        }
}

START_TEST(callbacks)
{
        int what = 0;

        start(false);
        ck_assert_int_eq(pasid_subscribe(client, hear, (void *) "mine"), 0);
        ck_assert_int_eq(pasid_subscribe(client, act, &what), 0); /* instead */
        ck_assert_uint_eq(fake_n_calls(fake), 1);
        make_happen(1);
        ck_assert_int_eq(process("never"), -ENOTTY);
        for (int i = 1; i <= 3; i++) {
                what = i;
                (void) pasid_unsubscribe(client);
                ck_assert_int_eq(pasid_subscribe(client, act, &what), 0);
                make_happen(1);
                ck_assert_int_eq(process(""), 0);
        }
        ck_assert_str_eq(heard, "");
        end();
}
END_TEST

#define OVERFLOWN 1000000U

static int count(const struct pasid_event *e, void *userdata) {
        *(unsigned *) userdata += e->type == PASID_EVENT_OVERFLOW ? OVERFLOWN : 1;
        return 0;
}

START_TEST(flood)
{
        unsigned n = 0;
        int r;

        start(false);
        ck_assert_int_eq(pasid_subscribe(client, count, &n), 0);
        make_happen(20000);
        do
                r = pasid_client_process(client);
        while (r > 0);
        ck_assert_int_eq(r, 0);
        ck_assert_uint_eq(n, 20000);
        /* More than is kept: one event that says so, and what came after. */
        n = 0;
        make_happen(70000);
        do
                r = pasid_client_process(client);
        while (r > 0);
        ck_assert_int_eq(r, 0);
        ck_assert_uint_eq(n, OVERFLOWN + 70000 - 65537);
        end();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("lib-event");
        TCase *tc = tcase_create("event");

        tcase_set_timeout(tc, 120);
        tcase_add_test(tc, events);
        tcase_add_test(tc, strangers);
        tcase_add_test(tc, daemon_restarts);
        tcase_add_test(tc, renewed_with_connection);
        tcase_add_test(tc, refused);
        tcase_add_test(tc, callbacks);
        tcase_add_test(tc, flood);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
