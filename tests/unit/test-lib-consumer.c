/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Consumers: what Init and GetConsumer send, and how their properties are read,
 * well-formed or not.
 */
#include <fcntl.h>

#include "fake-daemon.h"

static int reply_properties(struct fake *fake, sd_bus_message *call, const char *kind);

static int handler(struct fake *fake, sd_bus_message *call, void *userdata) {
        const char *how = userdata;

        if (fake_is(call, "Exit") || fake_is(call, "Transfer"))
                return fake_reply(fake, call, NULL);
        if (fake_is(call, "Accept") && strcmp(how, "not offered") == 0)
                return fake_error(fake, call, "org.freedesktop.DBus.Error.AccessDenied", "Nothing was offered.");
        if (fake_is(call, "Accept"))
                return fake_reply(fake, call, "o", FAKE_CONSUMER_PATH);
        if (fake_is(call, "GetAll") || fake_is(call, "GetManagedObjects"))
                return reply_properties(fake, call, how);
        if (strcmp(how, "string") == 0)
                return fake_reply(fake, call, "s", FAKE_CONSUMER_PATH);
        if (strcmp(how, "alien path") == 0)
                return fake_reply(fake, call, "o", "/org/pasidd1/device/x");
        if (strcmp(how, "alien uid") == 0)
                return fake_reply(fake, call, "o", PASIDD_CONSUMER_PREFIX "/4294967295/x");
        return fake_reply_consumer(fake, call);
}

static void append_consumer(sd_bus_message *m, const char *how) {
        (void) sd_bus_message_append(m, "a{sv}", 13,
                                     "Name", "s", "vm-1", "Uid", "u", 1000,
                                     "Devices", "ao", 2, PASIDD_DEVICE_PREFIX "/0000_3a01_3a00_2e0", PASIDD_DEVICE_PREFIX "/0000_3a02_3a00_2e1",
                                     "Min", "u", 16, "Max", "u", 255, "Quota", "u", 64, "Allocated", "u", 3,
                                     "Hold", "s", strcmp(how, "newer") == 0 ? "moon" : "boot",
                                     "Mode", "s", strcmp(how, "newer") == 0 ? "tidal" : "advisory",
                                     "Since", "t", (uint64_t) 1700000000000000,
                                     "OfferedTo", "u", strcmp(how, "offered") == 0 ? 1001U : UINT32_MAX,
                                     "PinnedBytes", "t", (uint64_t) 4096, "HoldState", "s", strcmp(how, "newer") == 0 ? "perhaps" : "watched");
}

static int reply_properties(struct fake *fake, sd_bus_message *call, const char *how) {
        sd_bus_message *m = NULL;

        (void) sd_bus_message_new_method_return(call, &m);
        if (fake_is(call, "GetAll")) {
                if (strcmp(how, "wrong type") == 0)
                        (void) sd_bus_message_append(m, "a{sv}", 2, "New", "(sas)", "x", 1, "y", "Min", "s", "16");
                else if (strcmp(how, "wrong device") == 0)
                        (void) sd_bus_message_append(m, "a{sv}", 1, "Devices", "ao", 1, "/somewhere/else");
                else if (strcmp(how, "wrong form") == 0)
                        (void) sd_bus_message_append(m, "a{ss}", 1, "Min", "16");
                else if (strcmp(how, "bare") == 0)
                        (void) sd_bus_message_append(m, "a{sv}", 1, "New", "a(tt)", 1, (uint64_t) 1, (uint64_t) 2);
                else
                        append_consumer(m, how);
                return fake_send(fake, m);
        }
        (void) sd_bus_message_open_container(m, 'a', "{oa{sa{sv}}}");
        (void) sd_bus_message_append(m, "{oa{sa{sv}}}", PASIDD_DEVICE_PREFIX "/x", 1, PASIDD_IFACE_DEVICE, 1, "Name", "s", "a device");
        for (unsigned i = 0; i < 3; i++) {
                char path[128];

                (void) snprintf(path, sizeof(path), PASIDD_CONSUMER_PREFIX "/%u/c%u", i, i);
                (void) sd_bus_message_open_container(m, 'e', "oa{sa{sv}}");
                (void) sd_bus_message_append(m, "o", path);
                (void) sd_bus_message_open_container(m, 'a', "{sa{sv}}");
                (void) sd_bus_message_append(m, "{sa{sv}}", "org.freedesktop.DBus.Peer", 0);
                (void) sd_bus_message_open_container(m, 'e', "sa{sv}");
                (void) sd_bus_message_append(m, "s", PASIDD_IFACE_CONSUMER);
                append_consumer(m, how);
                (void) sd_bus_message_close_container(m);
                (void) sd_bus_message_close_container(m);
                (void) sd_bus_message_close_container(m);
        }
        (void) sd_bus_message_close_container(m);
        return fake_send(fake, m);
}

static struct fake *fake;
static struct pasid_client *client;

static void start(const char *how) {
        fake = fake_new(handler, (void *) how);
        client = fake_client(fake_address(fake), 0);
}

static void end(void) {
        (void) pasid_client_free(client);
        fake_free(fake);
}

START_TEST(init_default)
{
        struct pasid_consumer *consumer = NULL;

        start("well");
        ck_assert_int_eq(pasid_consumer_init(client, "vm-1", NULL, &consumer), 0);
        assert_call(fake, 0, "Init(\"vm-1\", {})");
        ck_assert_str_eq(pasid_consumer_get_name(consumer), "vm-1");
        ck_assert_uint_eq(pasid_consumer_get_uid(consumer), 1000);
        ck_assert_int_eq(pasid_consumer_exit(consumer), 0);
        assert_call(fake, 1, "Exit()");
        ck_assert_ptr_null(pasid_consumer_free(consumer));
        ck_assert_int_eq(pasid_consumer_init(client, "vm-1", NULL, NULL), 0);
        ck_assert_ptr_null(pasid_consumer_get_name(NULL));
        ck_assert_uint_eq(pasid_consumer_get_uid(NULL), PASID_UID_SELF);
        end();
}
END_TEST

START_TEST(transfer)
{
        struct pasid_consumer *consumer = NULL, *accepted = NULL;

        start("well");
        ck_assert_int_eq(pasid_consumer_get(client, 1000, "vm-1", &consumer), 0);
        ck_assert_int_eq(pasid_consumer_transfer(consumer, 1001), 0);
        assert_call(fake, 1, "Transfer(1001)");
        ck_assert_int_eq(pasid_consumer_transfer(consumer, PASID_UID_NONE), 0);
        assert_call(fake, 2, "Transfer(4294967295)");
        ck_assert_int_eq(pasid_consumer_accept(client, 1000, "vm-1", &accepted), 0);
        assert_call(fake, 3, "Accept(1000, \"vm-1\")");
        ck_assert_str_eq(pasid_consumer_get_name(accepted), "vm-1");
        ck_assert_int_eq(pasid_consumer_accept(client, 0, "vm-1", NULL), 0);
        assert_call(fake, 4, "Accept(0, \"vm-1\")");
        ck_assert_int_eq(pasid_consumer_transfer(NULL, 1001), -EINVAL);
        ck_assert_int_eq(pasid_consumer_accept(NULL, 1000, "vm-1", &accepted), -EINVAL);
        ck_assert_int_eq(pasid_consumer_accept(client, 1000, NULL, &accepted), -EINVAL);
        ck_assert_int_eq(pasid_consumer_accept(client, PASID_UID_NONE, "vm-1", &accepted), -EINVAL);
        (void) pasid_consumer_free(consumer);
        (void) pasid_consumer_free(accepted);
        end();

        start("not offered");
        accepted = NULL;
        ck_assert_int_eq(pasid_consumer_accept(client, 1000, "vm-1", &accepted), -EACCES);
        ck_assert_ptr_null(accepted);
        ck_assert_str_eq(pasid_strerror_last(client), "Nothing was offered.");
        end();
}
END_TEST

START_TEST(init_options)
{
        static const char *const devices[] = { "0000:01:00.0", "0000:02:00.1", NULL }, *const none[] = { NULL };
        struct pasid_consumer_options o = PASID_CONSUMER_OPTIONS_INIT;

        start("well");
        o.devices = devices;
        o.min = 16;
        o.max = 255;
        o.quota = 64;
        o.hold = PASID_HOLD_BOOT;
        o.mode = PASID_MODE_MEDIATED;
        ck_assert_int_eq(pasid_consumer_init(client, "ü", &o, NULL), 0);
        assert_call(fake, 0, "Init(\"ü\", {\"devices\": as [\"0000:01:00.0\", \"0000:02:00.1\"], \"min\": u 16, \"max\": u 255, "
                             "\"quota\": u 64, \"hold\": s \"boot\", \"mode\": s \"mediated\"})");
        o = (struct pasid_consumer_options) PASID_CONSUMER_OPTIONS_INIT;
        o.devices = none;
        o.hold = PASID_HOLD_PROCESS;
        o.hold_pid = 4711;
        ck_assert_int_eq(pasid_consumer_init(client, "a", &o, NULL), 0);
        assert_call(fake, 1, "Init(\"a\", {\"hold\": s \"process\", \"pid\": u 4711})");
        o.hold = PASID_HOLD_UNIT;
        o.hold_unit = "x.service";
        ck_assert_int_eq(pasid_consumer_init(client, "a", &o, NULL), 0);
        assert_call(fake, 2, "Init(\"a\", {\"hold\": s \"unit\", \"unit\": s \"x.service\"})");
        o.hold = PASID_HOLD_FD;
        o.hold_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(pasid_consumer_init(client, "a", &o, NULL), 0);
        assert_call(fake, 3, "Init(\"a\", {\"hold\": s \"fd\", \"fd\": h fd})");
        ck_assert_int_eq(close(o.hold_fd), 0); /* it stayed ours */
        ck_assert_int_eq(pasid_consumer_init(client, "a", &o, NULL), -EINVAL);
        end();
}
END_TEST

START_TEST(init_refused_here)
{
        struct pasid_consumer_options o = PASID_CONSUMER_OPTIONS_INIT;

        start("well");
        ck_assert_int_eq(pasid_consumer_init(NULL, "a", NULL, NULL), -EINVAL);
        ck_assert_int_eq(pasid_consumer_init(client, NULL, NULL, NULL), -EINVAL);
        ck_assert_int_eq(pasid_consumer_init(client, "\xff", NULL, NULL), -EILSEQ);
        ck_assert_int_eq(pasid_consumer_get(client, 0, "\xff", NULL), -EINVAL);
        o.hold = PASID_HOLD_FD;
        ck_assert_int_eq(pasid_consumer_init(client, "a", &o, NULL), -EINVAL);
        o.hold = PASID_HOLD_PROCESS;
        ck_assert_int_eq(pasid_consumer_init(client, "a", &o, NULL), -EINVAL);
        o.hold = PASID_HOLD_UNIT;
        ck_assert_int_eq(pasid_consumer_init(client, "a", &o, NULL), -EINVAL);
        o.hold_unit = "\xc3(";
        ck_assert_int_eq(pasid_consumer_init(client, "a", &o, NULL), -EINVAL);
        o.hold = (enum pasid_hold) 77;
        ck_assert_int_eq(pasid_consumer_init(client, "a", &o, NULL), -EINVAL);
        o.hold = PASID_HOLD_DEFAULT;
        o.mode = PASID_MODE_UNKNOWN;
        ck_assert_int_eq(pasid_consumer_init(client, "a", &o, NULL), -EINVAL);
        o.mode = PASID_MODE_ADVISORY;
        o.size = 8;
        ck_assert_int_eq(pasid_consumer_init(client, "a", &o, NULL), -EINVAL);
        ck_assert_uint_eq(fake_n_calls(fake), 0);
        end();
}
END_TEST

START_TEST(get)
{
        struct pasid_consumer *consumer = NULL;
        char text[64];

        start("well");
        ck_assert_int_eq(pasid_consumer_get(client, 12, "vm-1", &consumer), 0);
        assert_call(fake, 0, "GetConsumer(12, \"vm-1\")");
        (void) pasid_consumer_free(consumer);
        ck_assert_int_eq(pasid_consumer_get(client, PASID_UID_SELF, "vm-1", &consumer), 0);
        (void) snprintf(text, sizeof(text), "GetConsumer(%u, \"vm-1\")", UINT32_MAX); /* the daemon knows who that is */
        assert_call(fake, 1, text);
        (void) pasid_consumer_free(consumer);
        end();
}
END_TEST

START_TEST(get_garbage)
{
        static const char *const hows[] = { "string", "alien path", "alien uid" };
        struct pasid_consumer *consumer = (void *) 1;

        for (size_t i = 0; i < ELEMENTSOF(hows); i++) {
                start(hows[i]);
                ck_assert_int_eq(pasid_consumer_get(client, 12, "vm-1", &consumer), -EBADMSG);
                ck_assert_ptr_eq(consumer, (void *) 1);
                end();
        }
}
END_TEST

static int check_info(const struct pasid_consumer_info *info, void *userdata) {
        const char *how = userdata;

        ck_assert_uint_eq(info->size, sizeof(*info));
        ck_assert_str_eq(info->name, "vm-1");
        ck_assert_uint_eq(info->uid, 1000);
        ck_assert_ptr_nonnull(info->devices);
        if (strcmp(how, "bare") == 0) {
                ck_assert_ptr_null(info->devices[0]);
                return 9;
        }
        ck_assert_str_eq(info->devices[0], "0000:01:00.0");
        ck_assert_str_eq(info->devices[1], "0000:02:00.1");
        ck_assert_ptr_null(info->devices[2]);
        ck_assert_uint_eq(info->min, 16);
        ck_assert_uint_eq(info->max, 255);
        ck_assert_uint_eq(info->quota, 64);
        ck_assert_uint_eq(info->allocated, 3);
        ck_assert_int_eq(info->hold, strcmp(how, "newer") == 0 ? PASID_HOLD_DEFAULT : PASID_HOLD_BOOT);
        ck_assert_int_eq(info->mode, strcmp(how, "newer") == 0 ? PASID_MODE_UNKNOWN : PASID_MODE_ADVISORY);
        ck_assert_uint_eq(info->since_usec, 1700000000000000);
        ck_assert_uint_eq(info->pinned_bytes, 4096);
        ck_assert_int_eq(info->hold_is_watched, strcmp(how, "newer") != 0);
        ck_assert_uint_eq(info->offered_to, strcmp(how, "offered") == 0 ? 1001 : PASID_UID_NONE);
        return 9;
}

START_TEST(describe)
{
        static const char *const good[] = { "well", "newer", "offered", "bare" }, *const bad[] = { "wrong type", "wrong device", "wrong form" };
        struct pasid_consumer *consumer;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                start(good[i]);
                consumer = fake_consumer(client);
                ck_assert_int_eq(pasid_consumer_describe(consumer, check_info, (void *) good[i]), 9);
                assert_call(fake, 1, "GetAll(\"org.pasidd1.Consumer\")");
                ck_assert_int_eq(pasid_consumer_describe(consumer, NULL, NULL), -EINVAL);
                (void) pasid_consumer_free(consumer);
                end();
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                start(bad[i]);
                consumer = fake_consumer(client);
                ck_assert_int_eq(pasid_consumer_describe(consumer, check_info, (void *) bad[i]), -EBADMSG);
                (void) pasid_consumer_free(consumer);
                end();
        }
}
END_TEST

struct seen {
        unsigned n, stop_at;
};

static int count(const struct pasid_consumer_info *info, void *userdata) {
        struct seen *seen = userdata;
        char name[8];

        (void) snprintf(name, sizeof(name), "c%u", seen->n);
        ck_assert_str_eq(info->name, name);
        ck_assert_uint_eq(info->uid, seen->n);
        /* Another call in the midst of it. */
        ck_assert_int_eq(pasid_consumer_init(client, "x", NULL, NULL), 0);
        return ++seen->n == seen->stop_at ? -77 : 0;
}

START_TEST(for_each)
{
        struct seen seen = { 0, 0 };

        start("well");
        ck_assert_int_eq(pasid_consumer_for_each(client, count, &seen), 0);
        ck_assert_uint_eq(seen.n, 3);
        seen = (struct seen) { 0, 2 };
        ck_assert_int_eq(pasid_consumer_for_each(client, count, &seen), -77);
        ck_assert_uint_eq(seen.n, 2);
        ck_assert_int_eq(pasid_consumer_for_each(client, NULL, NULL), -EINVAL);
        end();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("lib-consumer");
        TCase *tc = tcase_create("consumer");

        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, init_default);
        tcase_add_test(tc, transfer);
        tcase_add_test(tc, init_options);
        tcase_add_test(tc, init_refused_here);
        tcase_add_test(tc, get);
        tcase_add_test(tc, get_garbage);
        tcase_add_test(tc, describe);
        tcase_add_test(tc, for_each);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
