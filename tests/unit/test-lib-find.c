/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One number: private data both ways, its holders, and answers out of form.
 */
#include "fake-daemon.h"

static int handler(struct fake *fake, sd_bus_message *call, void *userdata) {
        const char *how = userdata;

        if (fake_is(call, "SetPrivate"))
                return strcmp(how, "wrong form") == 0 ? fake_reply(fake, call, "s", "done") : fake_reply(fake, call, NULL);
        if (fake_is(call, "Find")) {
                if (strcmp(how, "wrong type") == 0)
                        return fake_reply(fake, call, "aya{sv}", 0, 1, "since", "s", "yesterday");
                if (strcmp(how, "wrong form") == 0)
                        return fake_reply(fake, call, "s", "x");
                if (strcmp(how, "empty") == 0)
                        return fake_reply(fake, call, "aya{sv}", 0, 0);
                return fake_reply(fake, call, "aya{sv}", 3, 1, 0, 255, 4, "state", "s", "allocated", "since", "t", (uint64_t) 5000,
                                  "private_bytes", "u", 3, "devices", "as", 1, "0000:01:00.0");
        }
        if (fake_is(call, "WhoHas")) {
                if (strcmp(how, "wrong type") == 0)
                        return fake_reply(fake, call, "a(uostas)", 1, 0, "/alien", "allocated", (uint64_t) 1, 0);
                if (strcmp(how, "wrong form") == 0)
                        return fake_reply(fake, call, "a(uosta)", 0);
                if (strcmp(how, "empty") == 0)
                        return fake_reply(fake, call, "a(uostas)", 0);
                return fake_reply(fake, call, "a(uostas)", 2,
                                  1000, FAKE_CONSUMER_PATH, "allocated", (uint64_t) 1, 2, "0000:01:00.0", "0000:02:00.0",
                                  0, PASIDD_CONSUMER_PREFIX "/0/root_27s", "stellar", (uint64_t) 2, 0);
        }
        if (fake_is(call, "History")) {
                if (strcmp(how, "wrong form") == 0)
                        return fake_reply(fake, call, "a(usttsa)", 0);
                if (strcmp(how, "wrong type") == 0)
                        return fake_reply(fake, call, "a(usttss)", 1, 1000, "vm", (uint64_t) 1, (uint64_t) 2, "exit", "none");
                if (strcmp(how, "empty") == 0)
                        return fake_reply(fake, call, "a(usttsas)", 0);
                return fake_reply(fake, call, "a(usttsas)", 2,
                                  1000, "vm-1", (uint64_t) 5, (uint64_t) 9, "exit", 2, "0000:01:00.0", "0000:02:00.0",
                                  0, "root's", (uint64_t) 2, (uint64_t) 3, "stolen", 0);
        }
        return fake_reply_consumer(fake, call);
}

static struct fake *fake;
static struct pasid_client *client;
static struct pasid_consumer *consumer;

static void start(const char *how) {
        fake = fake_new(handler, (void *) how);
        client = fake_client(fake_address(fake), 0);
        consumer = fake_consumer(client);
}

static void end(void) {
        (void) pasid_consumer_free(consumer);
        (void) pasid_client_free(client);
        fake_free(fake);
}

START_TEST(find)
{
        struct pasid_info info = PASID_INFO_INIT;
        void *data = NULL;
        size_t size = 0;

        start("well");
        ck_assert_int_eq(pasid_find(consumer, 17, &data, &size, &info), 0);
        assert_call(fake, 1, "Find(17)");
        ck_assert_uint_eq(size, 3);
        ck_assert_mem_eq(data, "\x01\x00\xff", 3);
        free(data);
        ck_assert_uint_eq(info.size, sizeof(info));
        ck_assert_uint_eq(info.pasid, 17);
        ck_assert_int_eq(info.state, PASID_STATE_ALLOCATED);
        ck_assert_uint_eq(info.since_usec, 5000);
        ck_assert_uint_eq(info.private_bytes, 3);
        ck_assert_uint_eq(info.uid, 1000);
        ck_assert_str_eq(info.consumer, "vm-1");
        ck_assert_int_eq(pasid_find(consumer, 17, NULL, NULL, NULL), 0);
        ck_assert_int_eq(pasid_find(consumer, 17, &data, NULL, NULL), -EINVAL);
        ck_assert_int_eq(pasid_find(consumer, 17, NULL, &size, NULL), -EINVAL);
        ck_assert_int_eq(pasid_find(NULL, 17, NULL, NULL, NULL), -EINVAL);
        end();

        start("empty");
        ck_assert_int_eq(pasid_find(consumer, 17, &data, &size, &info), 0);
        ck_assert_ptr_null(data);
        ck_assert_uint_eq(size, 0);
        ck_assert_int_eq(info.state, PASID_STATE_UNKNOWN);
        end();
}
END_TEST

START_TEST(find_garbage)
{
        static const char *const hows[] = { "wrong type", "wrong form" };
        struct pasid_info info = PASID_INFO_INIT;
        void *data = &info;
        size_t size = 12;

        for (size_t i = 0; i < ELEMENTSOF(hows); i++) {
                start(hows[i]);
                ck_assert_int_eq(pasid_find(consumer, 17, &data, &size, &info), -EBADMSG);
                ck_assert_ptr_eq(data, &info);
                ck_assert_uint_eq(size, 12);
                ck_assert_uint_eq(info.pasid, 0);
                end();
        }
}
END_TEST

START_TEST(find_sizes)
{
        struct {
                struct pasid_info known;
                uint64_t unknown, guard;
        } newer = { PASID_INFO_INIT, 1, 2 };
        struct pasid_info info = { 0 };

        start("well");
        newer.known.size = offsetof(__typeof__(newer), guard);
        ck_assert_int_eq(pasid_find(consumer, 17, NULL, NULL, &newer.known), 0);
        ck_assert_uint_eq(newer.known.size, offsetof(__typeof__(newer), guard));
        ck_assert_uint_eq(newer.known.pasid, 17);
        ck_assert_uint_eq(newer.unknown, 0);
        ck_assert_uint_eq(newer.guard, 2);
        ck_assert_int_eq(pasid_find(consumer, 17, NULL, NULL, &info), -EINVAL);
        info.size = sizeof(info) - 1;
        ck_assert_int_eq(pasid_find(consumer, 17, NULL, NULL, &info), -EINVAL);
        end();
}
END_TEST

START_TEST(set_private)
{
        static const char data[PASID_PRIVATE_MAX + 1];

        start("well");
        ck_assert_int_eq(pasid_set_private(consumer, 17, "\x07", 1), 0);
        assert_call(fake, 1, "SetPrivate(17, [0x07])");
        ck_assert_int_eq(pasid_set_private(consumer, 17, NULL, 0), 0);
        assert_call(fake, 2, "SetPrivate(17, [])");
        ck_assert_int_eq(pasid_set_private(consumer, 17, data, PASID_PRIVATE_MAX), 0);
        ck_assert_int_eq(pasid_set_private(consumer, 17, data, sizeof(data)), -EMSGSIZE);
        ck_assert_int_eq(pasid_set_private(consumer, 17, NULL, 1), -EINVAL);
        ck_assert_int_eq(pasid_set_private(NULL, 17, NULL, 0), -EINVAL);
        ck_assert_uint_eq(fake_n_calls(fake), 4);
        end();
        start("wrong form");
        ck_assert_int_eq(pasid_set_private(consumer, 17, NULL, 0), -EBADMSG);
        end();
}
END_TEST

static int holder(const struct pasid_holder *h, void *userdata) {
        unsigned *n = userdata;

        ck_assert_uint_eq(h->size, sizeof(*h));
        if (*n == 0) {
                ck_assert_uint_eq(h->uid, 1000);
                ck_assert_str_eq(h->consumer, "vm-1");
                ck_assert_int_eq(h->state, PASID_STATE_ALLOCATED);
                ck_assert_uint_eq(h->since_usec, 1);
                ck_assert_str_eq(h->devices[1], "0000:02:00.0");
                ck_assert_ptr_null(h->devices[2]);
        } else {
                ck_assert_uint_eq(h->uid, 0);
                ck_assert_str_eq(h->consumer, "root's");
                ck_assert_int_eq(h->state, PASID_STATE_UNKNOWN);
                ck_assert_ptr_null(h->devices[0]);
        }
        ++*n;
        return 0;
}

static int stop(const struct pasid_holder *h, void *userdata) {
        return 3;
}

START_TEST(who_has)
{
        static const char *const hows[] = { "wrong type", "wrong form" };
        unsigned n = 0;

        start("well");
        ck_assert_int_eq(pasid_who_has(client, 17, holder, &n), 0);
        ck_assert_uint_eq(n, 2);
        assert_call(fake, 1, "WhoHas(17)");
        ck_assert_int_eq(pasid_who_has(client, 17, stop, NULL), 3);
        ck_assert_int_eq(pasid_who_has(client, 17, NULL, NULL), -EINVAL);
        end();
        start("empty");
        ck_assert_int_eq(pasid_who_has(client, 17, stop, NULL), 0);
        end();
        for (size_t i = 0; i < ELEMENTSOF(hows); i++) {
                start(hows[i]);
                ck_assert_int_eq(pasid_who_has(client, 17, stop, NULL), -EBADMSG);
                end();
        }
}
END_TEST

static int past_holder(const struct pasid_past_holder *holder, void *userdata) {
        unsigned *n = userdata;

        ck_assert_uint_eq(holder->size, sizeof(*holder));
        if ((*n)++ == 0) {
                ck_assert_uint_eq(holder->uid, 1000);
                ck_assert_str_eq(holder->consumer, "vm-1");
                ck_assert_uint_eq(holder->since_usec, 5);
                ck_assert_uint_eq(holder->until_usec, 9);
                ck_assert_str_eq(holder->reason, "exit");
                ck_assert_str_eq(holder->devices[0], "0000:01:00.0");
                ck_assert_str_eq(holder->devices[1], "0000:02:00.0");
                ck_assert_ptr_null(holder->devices[2]);
        } else {
                ck_assert_uint_eq(holder->uid, 0);
                ck_assert_str_eq(holder->consumer, "root's");
                ck_assert_str_eq(holder->reason, "stolen");
                ck_assert_ptr_null(holder->devices[0]);
        }
        return 0;
}

static int stop_at_past(const struct pasid_past_holder *holder, void *userdata) {
        return 4;
}

START_TEST(history)
{
        static const char *const hows[] = { "wrong type", "wrong form" };
        unsigned n = 0;

        start("well");
        ck_assert_int_eq(pasid_history(client, 17, past_holder, &n), 0);
        ck_assert_uint_eq(n, 2);
        assert_call(fake, 1, "History(17)");
        ck_assert_int_eq(pasid_history(client, 17, stop_at_past, NULL), 4);
        ck_assert_int_eq(pasid_history(client, 17, NULL, NULL), -EINVAL);
        ck_assert_int_eq(pasid_history(NULL, 17, past_holder, &n), -EINVAL);
        end();
        start("empty");
        ck_assert_int_eq(pasid_history(client, 17, stop_at_past, NULL), 0);
        end();
        for (size_t i = 0; i < ELEMENTSOF(hows); i++) {
                start(hows[i]);
                ck_assert_int_eq(pasid_history(client, 17, stop_at_past, NULL), -EBADMSG);
                end();
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("lib-find");
        TCase *tc = tcase_create("find");

        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, find);
        tcase_add_test(tc, find_garbage);
        tcase_add_test(tc, find_sizes);
        tcase_add_test(tc, set_private);
        tcase_add_test(tc, who_has);
        tcase_add_test(tc, history);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
