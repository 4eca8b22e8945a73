/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasid_metric_for_each(): samples with their family and labels, well-formed or
 * not.
 */
#include <stdio.h>

#include "fake-daemon.h"

static int handler(struct fake *fake, sd_bus_message *call, void *userdata) {
        const char *how = userdata;

        if (strcmp(how, "nothing") == 0)
                return fake_reply(fake, call, "a(sssa(sa{ss}d))", 0);
        if (strcmp(how, "wrong form") == 0)
                return fake_reply(fake, call, "a(sssa(sa{ss}t))", 0);
        if (strcmp(how, "refused") == 0)
                return fake_error(fake, call, "org.freedesktop.DBus.Error.AccessDenied", "Only the group may ask.");
        return fake_reply(fake, call, "a(sssa(sa{ss}d))", 3,
                          "a", "counter", "A.", 2,
                          "_total", 2, "x", "1", "y", "\"", 3.0,
                          "_total", 0, 4.5,
                          "b", "gauge", "B.", 0,
                          "c", "marvel", "C.", 1,
                          "", 1, "z", "", -1.0);
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

static int see(const struct pasid_metric *m, void *userdata) {
        struct seen *seen = userdata;
        size_t n = strlen(seen->text);

        ck_assert_uint_eq(m->size, sizeof(*m));
        n += (size_t) snprintf(seen->text + n, sizeof(seen->text) - n, "%s|%s|%s|%s", m->family, m->type, m->help, m->suffix);
        for (size_t i = 0; m->labels[i]; i++)
                n += (size_t) snprintf(seen->text + n, sizeof(seen->text) - n, "|%s", m->labels[i]);
        (void) snprintf(seen->text + n, sizeof(seen->text) - n, "=%g\n", m->value);
        return ++seen->n == seen->stop_after ? 7 : 0;
}

START_TEST(samples)
{
        struct seen seen = {}, first = { .stop_after = 1 }, none = {};

        start("well");
        ck_assert_int_eq(pasid_metric_for_each(client, see, &seen), 0);
        assert_call(fake, 0, "GetMetrics()");
        ck_assert_str_eq(seen.text, "a|counter|A.|_total|x|1|y|\"=3\na|counter|A.|_total=4.5\nc|marvel|C.||z|=-1\n");
        ck_assert_int_eq(pasid_metric_for_each(client, see, &first), 7);
        ck_assert_uint_eq(first.n, 1);
        ck_assert_int_eq(pasid_metric_for_each(client, NULL, NULL), -EINVAL);
        ck_assert_int_eq(pasid_metric_for_each(NULL, see, &seen), -EINVAL);
        end();
        start("nothing");
        ck_assert_int_eq(pasid_metric_for_each(client, see, &none), 0);
        ck_assert_uint_eq(none.n, 0);
        end();
}
END_TEST

START_TEST(others)
{
        struct seen seen = {};

        start("wrong form");
        ck_assert_int_eq(pasid_metric_for_each(client, see, &seen), -EBADMSG);
        end();
        start("refused");
        ck_assert_int_eq(pasid_metric_for_each(client, see, &seen), -EACCES);
        ck_assert_str_eq(pasid_strerror_last(client), "Only the group may ask.");
        end();
        ck_assert_uint_eq(seen.n, 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("lib-metrics");
        TCase *tc = tcase_create("metrics");

        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, samples);
        tcase_add_test(tc, others);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
