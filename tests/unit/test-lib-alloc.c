/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drawing numbers and giving them back; above all that no number is leaked by
 * an answer that comes late or never.
 */
#include "fake-daemon.h"

enum how {
        WELL,
        SILENT,     /* no answer */
        LATE,       /* the answer comes with the FreeToken */
        HANG_UP,
        WRONG_TYPE,
        TOO_FEW,
        REFUSE,
        LIMITS,
};

struct script {
        enum how how; /* of the next allocation; then all is well */
        const char *rename_to; /* the daemon's unique name after it */
        sd_bus_message *late;
};

static struct fake *fake;
static struct pasid_client *client;
static struct pasid_consumer *consumer;
static struct script script;

static int reply_numbers(sd_bus_message *call, uint32_t count) {
        sd_bus_message *m = NULL;

        (void) sd_bus_message_new_method_return(call, &m);
        (void) sd_bus_message_open_container(m, 'a', "u");
        for (uint32_t i = 1; i <= count; i++)
                (void) sd_bus_message_append(m, "u", i);
        (void) sd_bus_message_close_container(m);
        return fake_send(fake, m);
}

static int on_alloc(sd_bus_message *call, struct script *s) {
        bool many = fake_is(call, "AllocMany");
        enum how how = s->how;
        uint32_t count = 0;

        s->how = WELL;
        if (many)
                (void) sd_bus_message_read(call, "u", &count);
        switch (how) {
        case SILENT:
                if (s->rename_to)
                        fake_set_name(fake, s->rename_to);
                return 1;
        case LATE:
                s->late = sd_bus_message_ref(call);
                return 1;
        case HANG_UP:
                fake_hang_up(fake);
                return 1;
        case WRONG_TYPE:
                return fake_reply(fake, call, "s", "seventeen");
        case TOO_FEW:
                return reply_numbers(call, count - 1);
        case REFUSE:
                return fake_error(fake, call, PASIDD_ERROR_PREFIX "Exhausted", "All 5 numbers of 1..5 are taken");
        case LIMITS:
                return fake_error(fake, call, "org.freedesktop.DBus.Error.LimitsExceeded", "Too much");
        default:
                return many ? reply_numbers(call, count) : fake_reply(fake, call, "u", 17);
        }
}

static int handler(struct fake *f, sd_bus_message *call, void *userdata) {
        struct script *s = userdata;

        if (fake_is(call, "Alloc") || fake_is(call, "AllocMany"))
                return on_alloc(call, s);
        if (fake_is(call, "FreeToken")) {
                if (s->late) {
                        (void) fake_reply(f, s->late, "u", 17);
                        s->late = sd_bus_message_unref(s->late);
                }
                return 1; /* no reply is expected */
        }
        if (fake_is(call, "Free") || fake_is(call, "FreeMany"))
                return fake_reply(f, call, NULL);
        return fake_reply_consumer(f, call);
}

static void start(enum how how, bool on_bus, uint64_t timeout_msec) {
        script = (struct script) { .how = how };
        fake = fake_new(handler, &script);
        client = fake_client(on_bus ? fake_bus_address(fake) : fake_address(fake), timeout_msec);
        consumer = fake_consumer(client); /* call 0 */
}

static void end(void) {
        (void) pasid_consumer_free(consumer);
        (void) pasid_client_free(client);
        fake_free(fake);
}

START_TEST(arguments)
{
        struct pasid_alloc_options o = PASID_ALLOC_OPTIONS_INIT;
        uint32_t pasid = 0, many[3] = { 0, 0, 0 };

        start(WELL, false, 0);
        o.token = "mine";
        ck_assert_int_eq(pasid_alloc(consumer, 5, 9, "ab", 2, &o, &pasid), 0);
        ck_assert_uint_eq(pasid, 17);
        assert_call(fake, 1, "Alloc(5, 9, [0x61, 0x62], {\"token\": s \"mine\"})");
        o.attach = true;
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, &o, &pasid), 0);
        assert_call(fake, 2, "Alloc(0, 0, [], {\"token\": s \"mine\", \"attach\": b true})");
        o.attach = false;
        o.contiguous = true;
        o.align = 4;
        ck_assert_int_eq(pasid_alloc_many(consumer, 3, 1, 100, "x", 1, &o, many), 0);
        ck_assert_uint_eq(many[0], 1);
        ck_assert_uint_eq(many[2], 3);
        assert_call(fake, 3, "AllocMany(3, 1, 100, [0x78], {\"token\": s \"mine\", \"contiguous\": b true, \"align\": u 4})");
        ck_assert_int_eq(pasid_free(consumer, 17), 0);
        assert_call(fake, 4, "Free(17)");
        ck_assert_int_eq(pasid_free_many(consumer, many, 3), 0);
        assert_call(fake, 5, "FreeMany([1, 2, 3])");
        ck_assert_int_eq(pasid_free_many(consumer, NULL, 0), 0);
        ck_assert_uint_eq(fake_n_calls(fake), 6);
        end();
}
END_TEST

START_TEST(refused_here)
{
        static const char data[PASID_PRIVATE_MAX + 1];
        struct pasid_alloc_options o = PASID_ALLOC_OPTIONS_INIT;
        uint32_t pasid = 5;

        start(WELL, false, 0);
        ck_assert_int_eq(pasid_alloc(NULL, 0, 0, NULL, 0, NULL, &pasid), -EINVAL);
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, NULL, NULL), -EINVAL);
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 1, NULL, &pasid), -EINVAL);
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, data, sizeof(data), NULL, &pasid), -EMSGSIZE);
        ck_assert_int_eq(pasid_alloc_many(consumer, 1, 0, 0, data, sizeof(data), NULL, &pasid), -EMSGSIZE);
        ck_assert_int_eq(pasid_alloc_many(consumer, 0, 0, 0, NULL, 0, NULL, &pasid), -EINVAL);
        ck_assert_int_eq(pasid_alloc_many(consumer, PASID_MAX + 1, 0, 0, NULL, 0, NULL, &pasid), -EINVAL);
        ck_assert_int_eq(pasid_free_many(consumer, NULL, 1), -EINVAL);
        ck_assert_int_eq(pasid_free_many(consumer, &pasid, (size_t) PASID_MAX + 1), -EINVAL);
        o.align = 2;
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, &o, &pasid), -EINVAL);
        o.align = 0;
        o.contiguous = true;
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, &o, &pasid), -EINVAL);
        o.contiguous = false;
        o.token = "\xff";
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, &o, &pasid), -EINVAL);
        o.size = 1;
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, &o, &pasid), -EINVAL);
        ck_assert_uint_eq(pasid, 5);
        ck_assert_uint_eq(fake_n_calls(fake), 1);
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, data, PASID_PRIVATE_MAX, NULL, &pasid), 0);
        end();
}
END_TEST

START_TEST(tokens_differ)
{
        char first[TOKEN_LEN_MAX + 1];
        struct pasid_client *other;
        struct pasid_consumer *same;
        uint32_t pasid;

        start(WELL, false, 0);
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, NULL, &pasid), 0);
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, NULL, &pasid), 0);
        (void) snprintf(first, sizeof(first), "%s", fake_token(fake_call(fake, 1)));
        ck_assert_uint_gt(strlen(first), 16);
        ck_assert_str_ne(fake_token(fake_call(fake, 2)), first);
        /* the fake serves one after another */
        (void) pasid_consumer_free(consumer);
        (void) pasid_client_free(client);
        other = fake_client(fake_address(fake), 0);
        same = fake_consumer(other);
        ck_assert_int_eq(pasid_alloc(same, 0, 0, NULL, 0, NULL, &pasid), 0);
        ck_assert_str_ne(fake_token(fake_call(fake, 4)), first);
        consumer = same;
        client = other;
        end();
}
END_TEST

static void assert_token_freed(unsigned alloc, unsigned free_token) {
        char token[TOKEN_LEN_MAX + 1];

        (void) snprintf(token, sizeof(token), "%s", fake_token(fake_call(fake, alloc)));
        ck_assert_str_ne(token, "");
        ck_assert_pstr_eq(fake_call(fake, free_token) ? "there" : NULL, "there");
        ck_assert_int_eq(strncmp(fake_call(fake, free_token), "FreeToken", 9), 0);
        ck_assert_str_eq(fake_token(fake_call(fake, free_token)), token);
}

/* Answered too late, or with nonsense, or not at all: the same token goes back at once. */
START_TEST(given_back)
{
        static const struct {
                enum how how;
                bool many;
                int r;
        } cases[] = {
                { SILENT, false, -ETIMEDOUT }, { SILENT, true, -ETIMEDOUT }, { LATE, false, -ETIMEDOUT },
                { WRONG_TYPE, false, -EBADMSG }, { WRONG_TYPE, true, -EBADMSG }, { TOO_FEW, true, -EBADMSG },
                { LIMITS, false, -ENOBUFS },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint32_t pasids[4] = { 99, 99, 99, 99 };

                start(cases[i].how, false, SHORT_MSEC);
                ck_assert_int_eq(cases[i].many ? pasid_alloc_many(consumer, 4, 0, 0, NULL, 0, NULL, pasids)
                                               : pasid_alloc(consumer, 0, 0, NULL, 0, NULL, pasids), cases[i].r);
                ck_assert_uint_eq(pasids[0], 99);
                assert_token_freed(1, 2);
                /* Once, for the next answer shows that it got there. */
                ck_assert_int_eq(pasid_free(consumer, 1), 0);
                ck_assert_int_eq(pasid_free(consumer, 2), 0);
                ck_assert_int_eq(pasid_client_reconnect(client), 0);
                ck_assert_int_eq(pasid_free(consumer, 3), 0);
                assert_call(fake, 5, "Free(3)");
                ck_assert_uint_eq(fake_n_calls(fake), 6);
                end();
        }
}
END_TEST

START_TEST(refusal_gives_nothing_back)
{
        uint32_t pasid = 99;

        start(REFUSE, false, 0);
        ck_assert_int_eq(pasid_alloc(consumer, 1, 5, NULL, 0, NULL, &pasid), -ENOSPC);
        ck_assert_str_eq(pasid_strerror_last(client), "All 5 numbers of 1..5 are taken");
        ck_assert_uint_eq(pasid, 99);
        ck_assert_int_eq(pasid_free(consumer, 1), 0);
        assert_call(fake, 2, "Free(1)");
        end();
}
END_TEST

START_TEST(own_token_is_left_alone)
{
        struct pasid_alloc_options o = PASID_ALLOC_OPTIONS_INIT;
        uint32_t pasid;

        start(WELL, false, SHORT_MSEC);
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, NULL, &pasid), 0);
        script.how = SILENT;
        o.token = "mine";
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, &o, &pasid), -ETIMEDOUT);
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, &o, &pasid), 0);
        ck_assert_uint_eq(fake_n_calls(fake), 4);
        ck_assert_str_eq(fake_call(fake, 3), "Alloc(0, 0, [], {\"token\": s \"mine\"})");
        end();
}
END_TEST

START_TEST(lost_in_mid_call)
{
        uint32_t pasid;

        start(HANG_UP, false, 0);
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, NULL, &pasid), -ECONNRESET);
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, NULL, &pasid), -ENOTCONN);
        ck_assert_uint_eq(fake_n_calls(fake), 2);
        ck_assert_int_eq(pasid_client_reconnect(client), 0);
        assert_token_freed(1, 2);
        ck_assert_int_eq(pasid_free(consumer, 1), 0);
        ck_assert_uint_eq(fake_n_calls(fake), 4);
        /* and is done with */
        ck_assert_int_eq(pasid_client_reconnect(client), 0);
        ck_assert_int_eq(pasid_free(consumer, 1), 0);
        ck_assert_uint_eq(fake_n_calls(fake), 5);
        end();
}
END_TEST

/* On a message bus the next answer may come from a daemon that was never told. */
START_TEST(other_daemon_is_told_too)
{
        uint32_t pasid;

        start(SILENT, true, SHORT_MSEC);
        script.rename_to = ":1.99";
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, NULL, &pasid), -ETIMEDOUT);
        assert_token_freed(1, 2);
        ck_assert_int_eq(pasid_free(consumer, 1), 0);
        assert_token_freed(1, 4);
        ck_assert_int_eq(pasid_free(consumer, 2), 0);
        ck_assert_int_eq(pasid_free(consumer, 3), 0);
        assert_call(fake, 5, "Free(2)");
        assert_call(fake, 6, "Free(3)");
        end();
}
END_TEST

/* The client goes with requests unsettled, the consumer's handle after it. */
START_TEST(freed_while_unsettled)
{
        uint32_t pasid;

        start(SILENT, false, SHORT_MSEC);
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, NULL, &pasid), -ETIMEDOUT);
        client = pasid_client_free(client);
        ck_assert_int_eq(pasid_free(consumer, 1), -ENOTCONN);
        ck_assert_str_eq(pasid_consumer_get_name(consumer), "vm-1");
        end();
}
END_TEST

START_TEST(whole_space)
{
        static uint32_t pasids[PASID_MAX];

        start(WELL, false, 0);
        ck_assert_int_eq(pasid_alloc_many(consumer, PASID_MAX, 0, 0, NULL, 0, NULL, pasids), 0);
        ck_assert_uint_eq(pasids[0], 1);
        ck_assert_uint_eq(pasids[PASID_MAX - 1], PASID_MAX);
        ck_assert_int_eq(pasid_free_many(consumer, pasids, PASID_MAX), 0);
        end();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("lib-alloc");
        TCase *tc = tcase_create("alloc");

        tcase_set_timeout(tc, 120);
        tcase_add_test(tc, arguments);
        tcase_add_test(tc, refused_here);
        tcase_add_test(tc, tokens_differ);
        tcase_add_test(tc, given_back);
        tcase_add_test(tc, refusal_gives_nothing_back);
        tcase_add_test(tc, own_token_is_left_alone);
        tcase_add_test(tc, lost_in_mid_call);
        tcase_add_test(tc, other_daemon_is_told_too);
        tcase_add_test(tc, freed_while_unsettled);
        tcase_add_test(tc, whole_space);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
