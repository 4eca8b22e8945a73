/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasid_check(): findings and what was skipped, well-formed or not.
 */
#include <stdio.h>

#include "fake-daemon.h"

#define DEVICE PASIDD_DEVICE_PREFIX "/_30000_3a01_3a00_2e0"

static int handler(struct fake *fake, sd_bus_message *call, void *userdata) {
        const char *how = userdata;

        if (strcmp(how, "nothing") == 0)
                return fake_reply(fake, call, "a(osuss)a(ss)", 0, 0);
        if (strcmp(how, "skipped only") == 0)
                return fake_reply(fake, call, "a(osuss)a(ss)", 0, 1, "0000:02:00.0", "No debugfs is mounted.");
        if (strcmp(how, "wrong form") == 0)
                return fake_reply(fake, call, "a(osuss)", 0);
        if (strcmp(how, "no uid") == 0)
                return fake_reply(fake, call, "a(osuss)a(ss)", 1, DEVICE, "vm-1", 17, "not-in-kernel", "x", 0);
        if (strcmp(how, "large uid") == 0)
                return fake_reply(fake, call, "a(osuss)a(ss)", 1, DEVICE, "4294967295:vm-1", 17, "not-in-kernel", "x", 0);
        if (strcmp(how, "refused") == 0)
                return fake_error(fake, call, "org.freedesktop.DBus.Error.AccessDenied", "Only root may check.");
        return fake_reply(fake, call, "a(osuss)a(ss)", 4,
                          DEVICE, "1000:a:b", 17, "not-in-kernel", "PASID 17 is not there.",
                          DEVICE, "", 18, "not-in-table", "PASID 18 is nobody's.",
                          FAKE_CONSUMER_PATH, "1000:vm-1", 0, "device-gone", "A device is gone.",
                          DEVICE, "", 0, "moonstruck", "Something new.",
                          1, "0000:02:00.0", "No debugfs is mounted.");
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

struct seen {
        char text[1024];
        unsigned n, stop_after;
};

static int see(const struct pasid_finding *f, void *userdata) {
        struct seen *seen = userdata;
        size_t n = strlen(seen->text);

        ck_assert_uint_eq(f->size, sizeof(*f));
        ck_assert_int_eq(f->consumer == NULL, f->uid == PASID_UID_SELF);
        (void) snprintf(seen->text + n, sizeof(seen->text) - n, "%s|%s|%d|%s|%u|%s\n", pasid_finding_type_to_string(f->type),
                        f->device ? f->device : "-", (int) f->uid, f->consumer ? f->consumer : "-", f->pasid, f->text);
        return ++seen->n == seen->stop_after ? 7 : 0;
}

START_TEST(findings)
{
        struct seen seen = { .n = 0 };

        start("well");
        ck_assert_int_eq(pasid_check(client, see, &seen), 0);
        assert_call(fake, 0, "Check({})");
        ck_assert_str_eq(seen.text,
                         "not-in-kernel|0000:01:00.0|1000|a:b|17|PASID 17 is not there.\n"
                         "not-in-table|0000:01:00.0|-1|-|18|PASID 18 is nobody's.\n"
                         "device-gone|-|1000|vm-1|0|A device is gone.\n"
                         "unknown|0000:01:00.0|-1|-|0|Something new.\n"
                         "skipped|0000:02:00.0|-1|-|0|No debugfs is mounted.\n");
        for (unsigned i = 1; i <= 5; i++) {
                seen = (struct seen) { .stop_after = i };
                ck_assert_int_eq(pasid_check(client, see, &seen), 7);
                ck_assert_uint_eq(seen.n, i);
        }
        ck_assert_int_eq(pasid_check(client, NULL, NULL), -EINVAL);
        ck_assert_int_eq(pasid_check(NULL, see, NULL), -EINVAL);
        end();
}
END_TEST

START_TEST(others)
{
        static const struct {
                const char *how;
                int r;
                const char *text;
        } cases[] = {
                { "nothing", 0, "" },
                { "skipped only", 0, "skipped|0000:02:00.0|-1|-|0|No debugfs is mounted.\n" },
                { "wrong form", -EBADMSG, "" },
                { "no uid", -EBADMSG, "" },
                { "large uid", -EBADMSG, "" },
                { "refused", -EACCES, "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct seen seen = { .n = 0 };

                start(cases[i].how);
                ck_assert_msg(pasid_check(client, see, &seen) == cases[i].r, "%s", cases[i].how);
                ck_assert_str_eq(seen.text, cases[i].text);
                end();
        }
}
END_TEST

START_TEST(words)
{
        ck_assert_str_eq(pasid_finding_type_to_string(PASID_FINDING_UNKNOWN), "unknown");
        ck_assert_str_eq(pasid_finding_type_to_string(PASID_FINDING_DEVICE_NOT_HELD), "device-not-held");
        ck_assert_str_eq(pasid_finding_type_to_string(PASID_FINDING_NOT_HEALTHY), "not-healthy");
        ck_assert_ptr_null(pasid_finding_type_to_string((enum pasid_finding_type) 99));
        ck_assert_ptr_null(pasid_finding_type_to_string((enum pasid_finding_type) -1));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("lib-check");
        TCase *tc = tcase_create("check");

        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, findings);
        tcase_add_test(tc, others);
        tcase_add_test(tc, words);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
