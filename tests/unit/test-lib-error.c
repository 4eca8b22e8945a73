/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every error of the contract and of message buses as libpasid gives it, with
 * the daemon's sentence.
 */
#include "fake-daemon.h"

static const struct {
        const char *name;
        int code;
} others[] = {
        { "org.freedesktop.DBus.Error.ServiceUnknown", ECONNREFUSED },
        { "org.freedesktop.DBus.Error.NameHasNoOwner", ECONNREFUSED },
        { "org.freedesktop.DBus.Error.Spawn.ChildExited", ECONNREFUSED },
        { "org.freedesktop.systemd1.UnitMasked", ECONNREFUSED },
        { "org.freedesktop.DBus.Error.UnknownMethod", EOPNOTSUPP },
        { "org.freedesktop.DBus.Error.UnknownInterface", EOPNOTSUPP },
        { "org.freedesktop.DBus.Error.NoReply", ETIMEDOUT },
        { "org.freedesktop.DBus.Error.Timeout", ETIMEDOUT },
        { "org.freedesktop.DBus.Error.Disconnected", ECONNRESET },
        { "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", EACCES },
        { "org.freedesktop.DBus.Error.IOError", EPROTO },
        { "org.freedesktop.DBus.Error.Failed", EPROTO },
        { "System.Error.EIO", EPROTO },
        { "System.Error.ENOSPC", EPROTO },
        { "org.example.Surprise", EPROTO },
        /* the consumer is not there */
        { "org.freedesktop.DBus.Error.UnknownObject", ESRCH },
};

#define N_ERRORS (ERROR_TABLE_SIZE + ELEMENTSOF(others))

static const char *nth_name(unsigned i) {
        return i < ERROR_TABLE_SIZE ? error_table[i].name : others[i - ERROR_TABLE_SIZE].name;
}

static int handler(struct fake *fake, sd_bus_message *call, void *userdata) {
        char text[64];
        uint32_t pasid;

        if (!fake_is(call, "Free"))
                return fake_is(call, "WhoHas") ? fake_error(fake, call, "org.freedesktop.DBus.Error.UnknownObject", "No object")
                                               : fake_reply_consumer(fake, call);
        (void) sd_bus_message_read(call, "u", &pasid);
        (void) snprintf(text, sizeof(text), "Sentence %u, with %%s in it", pasid);
        return fake_error(fake, call, nth_name(pasid), text);
}

static int never(const struct pasid_holder *holder, void *userdata) {
        return 1;
}

START_TEST(remote)
{
        struct fake *fake = fake_new(handler, NULL);
        struct pasid_client *client = fake_client(fake_address(fake), 0);
        struct pasid_consumer *consumer = fake_consumer(client);

        for (unsigned i = 0; i < N_ERRORS; i++) {
                char text[64];
                int r = pasid_free(consumer, i), code = i < ERROR_TABLE_SIZE ? error_table[i].code : others[i - ERROR_TABLE_SIZE].code;

                ck_assert_msg(r == -code, "%s gave %d instead of %d", nth_name(i), r, -code);
                (void) snprintf(text, sizeof(text), "Sentence %u, with %%s in it", i);
                if (i < ERROR_TABLE_SIZE)
                        ck_assert_str_eq(pasid_strerror_last(client), text);
                else
                        ck_assert_str_ne(pasid_strerror_last(client), "");
        }
        /* Only an error that the daemon itself sent may look like one of the contract's. */
        ck_assert_int_eq(pasid_who_has(client, 1, never, NULL), -EOPNOTSUPP);
        (void) pasid_consumer_free(consumer);
        (void) pasid_client_free(client);
        fake_free(fake);
}
END_TEST

START_TEST(texts)
{
        static const int own[] = { ENOTCONN, ECONNRESET, ECONNREFUSED, ETIMEDOUT, EBADMSG, EPROTO, E2BIG, ECHILD };

        for (size_t i = 0; i < ERROR_TABLE_SIZE; i++) {
                ck_assert_str_eq(pasid_strerror(error_table[i].code), error_table[i].text);
                ck_assert_str_eq(pasid_strerror(-error_table[i].code), error_table[i].text);
                ck_assert_str_eq(pasid_error_name(-error_table[i].code), strrchr(error_table[i].name, '.') + 1);
        }
        for (size_t i = 0; i < ELEMENTSOF(own); i++) {
                ck_assert_ptr_nonnull(pasid_strerror(own[i]));
                ck_assert_str_eq(pasid_strerror(own[i]), pasid_strerror(-own[i]));
                ck_assert_ptr_null(pasid_error_name(own[i]));
        }
        ck_assert_str_eq(pasid_error_name(ENOSPC), "Exhausted");
        ck_assert_str_eq(pasid_error_name(-EACCES), "AccessDenied");
        ck_assert_str_eq(pasid_strerror(123456), "unknown error");
        ck_assert_str_eq(pasid_strerror(-2147483647 - 1), "unknown error");
        ck_assert_ptr_nonnull(pasid_strerror(EMFILE));
        ck_assert_ptr_null(pasid_error_name(0));
        ck_assert_ptr_null(pasid_error_name(-2147483647 - 1));
        ck_assert_str_eq(pasid_strerror(0), "unknown error");
}
END_TEST

START_TEST(words)
{
        ck_assert_str_eq(pasid_state_to_string(PASID_STATE_UNKNOWN), "unknown");
        ck_assert_str_eq(pasid_state_to_string(PASID_STATE_ALLOCATED), "allocated");
        ck_assert_str_eq(pasid_state_to_string(PASID_STATE_ATTACHED), "attached");
        ck_assert_str_eq(pasid_state_to_string(PASID_STATE_COOLING), "cooling");
        ck_assert_str_eq(pasid_state_to_string(PASID_STATE_RESERVED), "reserved");
        ck_assert_str_eq(pasid_state_to_string(PASID_STATE_LOST), "lost");
        ck_assert_ptr_null(pasid_state_to_string((enum pasid_state) 6));
        ck_assert_str_eq(pasid_hold_to_string(PASID_HOLD_DEFAULT), "default");
        ck_assert_str_eq(pasid_hold_to_string(PASID_HOLD_PERSISTENT), "persistent");
        ck_assert_ptr_null(pasid_hold_to_string((enum pasid_hold) 7));
        ck_assert_str_eq(pasid_mode_to_string(PASID_MODE_UNKNOWN), "unknown");
        ck_assert_str_eq(pasid_mode_to_string(PASID_MODE_ADVISORY), "advisory");
        ck_assert_str_eq(pasid_mode_to_string(PASID_MODE_MEDIATED), "mediated");
        ck_assert_ptr_null(pasid_mode_to_string((enum pasid_mode) 2));
        ck_assert_ptr_null(pasid_mode_to_string((enum pasid_mode) -2));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("lib-error");
        TCase *tc = tcase_create("error");

        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, remote);
        tcase_add_test(tc, texts);
        tcase_add_test(tc, words);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
