/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists: pages, walks that free what they see, values that stop them, a million
 * rows, and daemons whose lists do not end.
 */
#include "fake-daemon.h"

struct table {
        const char *how;
        uint32_t n;       /* numbers 1..n, but those freed */
        bool *freed;
};

static int reply_list(struct fake *fake, sd_bus_message *call, const struct table *t) {
        sd_bus_message *m = NULL;
        uint32_t after, limit, given = 0, i;

        (void) sd_bus_message_read(call, "uu", &after, &limit);
        (void) sd_bus_message_new_method_return(call, &m);
        (void) sd_bus_message_open_container(m, 'a', "(ustu)");
        if (strcmp(t->how, "backwards") == 0)
                (void) sd_bus_message_append(m, "(ustu)(ustu)", 5, "allocated", (uint64_t) 1, 0, 4, "allocated", (uint64_t) 1, 0);
        else if (strcmp(t->how, "too many") == 0)
                limit++;
        for (i = after + 1; i <= t->n && given < limit; i++) {
                if (t->freed && t->freed[i])
                        continue;
                (void) sd_bus_message_append(m, "(ustu)", i, i % 2 == 0 ? "cooling" : "allocated", (uint64_t) i * 10, i % 5);
                given++;
        }
        (void) sd_bus_message_close_container(m);
        (void) sd_bus_message_append(m, "b", i <= t->n || strcmp(t->how, "endless") == 0);
        return fake_send(fake, m);
}

/* Two consumers of n numbers each: next is the row's place in the whole. */
static int reply_host_list(struct fake *fake, sd_bus_message *call, const struct table *t) {
        sd_bus_message *m = NULL;
        uint64_t after;
        uint32_t limit, given = 0;

        (void) sd_bus_message_read(call, "tu", &after, &limit);
        (void) sd_bus_message_new_method_return(call, &m);
        (void) sd_bus_message_open_container(m, 'a', "(uusstu)");
        for (; after < 2 * t->n && given < limit; after++, given++)
                (void) sd_bus_message_append(m, "(uusstu)", (uint32_t) (after % t->n) + 1, (uint32_t) (after / t->n),
                                             after < t->n ? "a" : "b", "reserved", (uint64_t) 5, 0);
        (void) sd_bus_message_close_container(m);
        if (strcmp(t->how, "endless") == 0)
                (void) sd_bus_message_append(m, "tb", (uint64_t) 0, 1);
        else
                (void) sd_bus_message_append(m, "tb", after, after < 2 * t->n);
        return fake_send(fake, m);
}

static int handler(struct fake *fake, sd_bus_message *call, void *userdata) {
        struct table *t = userdata;
        uint32_t pasid;

        if (fake_is(call, "Free")) {
                (void) sd_bus_message_read(call, "u", &pasid);
                if (t->freed)
                        t->freed[pasid] = true;
                return fake_reply(fake, call, NULL);
        }
        if (!fake_is(call, "List"))
                return fake_reply_consumer(fake, call);
        if (strcmp(t->how, "wrong form") == 0)
                return fake_reply(fake, call, "a(ust)b", 0, 0);
        return sd_bus_message_has_signature(call, "tu") ? reply_host_list(fake, call, t) : reply_list(fake, call, t);
}

static struct fake *fake;
static struct pasid_client *client;
static struct pasid_consumer *consumer;
static struct table table;

static void start(const char *how, uint32_t n) {
        table = (struct table) { how, n, calloc(n + 1, sizeof(bool)) };
        fake = fake_new(handler, &table);
        client = fake_client(fake_address(fake), 0);
        consumer = fake_consumer(client);
}

static void end(void) {
        (void) pasid_consumer_free(consumer);
        (void) pasid_client_free(client);
        fake_free(fake);
        free(table.freed);
}

struct seen {
        uint32_t n, stop_at;
        int stop_with;
};

static int see(const struct pasid_info *info, void *userdata) {
        struct seen *seen = userdata;

        seen->n++;
        if (info->size != sizeof(*info) || info->pasid != seen->n || info->since_usec != (uint64_t) seen->n * 10 ||
            info->private_bytes != seen->n % 5 || info->uid != 1000 || strcmp(info->consumer, "vm-1") != 0 ||
            info->state != (seen->n % 2 == 0 ? PASID_STATE_COOLING : PASID_STATE_ALLOCATED))
                return -1;
        return seen->n == seen->stop_at ? seen->stop_with : 0;
}

START_TEST(for_each)
{
        static const uint32_t sizes[] = { 0, 1, LIST_PAGE_MAX - 1, LIST_PAGE_MAX, LIST_PAGE_MAX + 1, 3 * LIST_PAGE_MAX };

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                struct seen seen = { 0, 0, 0 };

                start("well", sizes[i]);
                ck_assert_int_eq(pasid_for_each(consumer, see, &seen), 0);
                ck_assert_uint_eq(seen.n, sizes[i]);
                assert_call(fake, 1, "List(0, 4096)");
                end();
        }
}
END_TEST

START_TEST(stops)
{
        struct seen seen = { 0, 3, 42 };

        start("well", 10000);
        ck_assert_int_eq(pasid_for_each(consumer, see, &seen), 42);
        ck_assert_uint_eq(seen.n, 3);
        seen = (struct seen) { 0, 5000, -7 };
        ck_assert_int_eq(pasid_for_each(consumer, see, &seen), -7);
        ck_assert_uint_eq(seen.n, 5000);
        ck_assert_int_eq(pasid_for_each(consumer, NULL, NULL), -EINVAL);
        ck_assert_int_eq(pasid_for_each(NULL, see, NULL), -EINVAL);
        end();
}
END_TEST

static int free_it(const struct pasid_info *info, void *userdata) {
        uint32_t *n = userdata;

        ++*n;
        /* The present one, and one that is yet to come. */
        ck_assert_int_eq(pasid_free(consumer, info->pasid), 0);
        if (info->pasid == LIST_PAGE_MAX)
                ck_assert_int_eq(pasid_free(consumer, LIST_PAGE_MAX + 1), 0);
        return 0;
}

START_TEST(frees_in_callback)
{
        uint32_t n = 0;

        start("well", LIST_PAGE_MAX + 100);
        ck_assert_int_eq(pasid_for_each(consumer, free_it, &n), 0);
        ck_assert_uint_eq(n, LIST_PAGE_MAX + 99);
        for (uint32_t i = 1; i <= table.n; i++)
                ck_assert(table.freed[i]);
        n = 0;
        ck_assert_int_eq(pasid_for_each(consumer, free_it, &n), 0);
        ck_assert_uint_eq(n, 0);
        end();
}
END_TEST

/* A new connection in the midst does not disturb the walk. */
static int upset(const struct pasid_info *info, void *userdata) {
        return info->pasid % 100 == 0 ? pasid_client_reconnect(client) : 0;
}

START_TEST(reconnect_in_callback)
{
        start("well", 300);
        ck_assert_int_eq(pasid_for_each(consumer, upset, NULL), 0);
        end();
}
END_TEST

START_TEST(million)
{
        struct seen seen = { 0, 0, 0 };

        start("well", PASID_MAX);
        ck_assert_int_eq(pasid_for_each(consumer, see, &seen), 0);
        ck_assert_uint_eq(seen.n, PASID_MAX);
        end();
}
END_TEST

static int go_on(const struct pasid_info *info, void *userdata) {
        return 0;
}

START_TEST(garbage)
{
        static const char *const hows[] = { "backwards", "endless", "wrong form" };
        struct pasid_info infos[2] = { PASID_INFO_INIT };
        size_t n = 7;

        for (size_t i = 0; i < ELEMENTSOF(hows); i++) {
                start(hows[i], 0);
                ck_assert_int_eq(pasid_for_each(consumer, go_on, NULL), -EBADMSG);
                end();
        }
        start("backwards", 0);
        ck_assert_int_eq(pasid_list(consumer, 0, 2, infos, &n, NULL), -EBADMSG);
        end();
        start("too many", 10);
        ck_assert_int_eq(pasid_list(consumer, 0, 2, infos, &n, NULL), -EBADMSG);
        ck_assert_uint_eq(n, 7);
        end();
}
END_TEST

START_TEST(page)
{
        struct newer {
                struct pasid_info known;
                uint64_t unknown;
        } infos[4] = { { PASID_INFO_INIT, 0 } };
        bool more = false;
        size_t n = 0;

        start("well", 5);
        infos[0].known.size = sizeof(infos[0]);
        infos[1].unknown = 77;
        ck_assert_int_eq(pasid_list(consumer, 1, 3, &infos[0].known, &n, &more), 0);
        assert_call(fake, 1, "List(1, 3)");
        ck_assert_uint_eq(n, 3);
        ck_assert(more);
        for (uint32_t i = 0; i < 3; i++) {
                ck_assert_uint_eq(infos[i].known.size, sizeof(infos[0]));
                ck_assert_uint_eq(infos[i].known.pasid, i + 2);
                ck_assert_str_eq(infos[i].known.consumer, "vm-1");
                ck_assert_uint_eq(infos[i].unknown, 0);
        }
        ck_assert_int_eq(pasid_list(consumer, 4, 4, &infos[0].known, &n, &more), 0);
        ck_assert_uint_eq(n, 1);
        ck_assert(!more);
        ck_assert_int_eq(pasid_list(consumer, 5, 4, &infos[0].known, &n, NULL), 0);
        ck_assert_uint_eq(n, 0);
        ck_assert_int_eq(pasid_list(consumer, 0, 0, &infos[0].known, &n, NULL), -EINVAL);
        ck_assert_int_eq(pasid_list(consumer, 0, 4, NULL, &n, NULL), -EINVAL);
        ck_assert_int_eq(pasid_list(consumer, 0, 4, &infos[0].known, NULL, NULL), -EINVAL);
        infos[0].known.size = 3;
        ck_assert_int_eq(pasid_list(consumer, 0, 4, &infos[0].known, &n, NULL), -EINVAL);
        end();
}
END_TEST

static int see_host(const struct pasid_info *info, void *userdata) {
        struct seen *seen = userdata;

        ck_assert_uint_eq(info->pasid, seen->n % table.n + 1);
        ck_assert_uint_eq(info->uid, seen->n / table.n);
        ck_assert_str_eq(info->consumer, seen->n < table.n ? "a" : "b");
        ck_assert_int_eq(info->state, PASID_STATE_RESERVED);
        seen->n++;
        return seen->n == seen->stop_at ? seen->stop_with : 0;
}

START_TEST(host)
{
        struct seen seen = { 0, 0, 0 };

        start("well", 5000);
        ck_assert_int_eq(pasid_client_for_each(client, see_host, &seen), 0);
        ck_assert_uint_eq(seen.n, 10000);
        assert_call(fake, 2, "List(4096, 4096)");
        seen = (struct seen) { 0, 5001, 6 };
        ck_assert_int_eq(pasid_client_for_each(client, see_host, &seen), 6);
        ck_assert_int_eq(pasid_client_for_each(client, NULL, NULL), -EINVAL);
        end();
        start("endless", 0);
        ck_assert_int_eq(pasid_client_for_each(client, see_host, &seen), -EBADMSG);
        end();
        start("wrong form", 0);
        ck_assert_int_eq(pasid_client_for_each(client, see_host, &seen), -EBADMSG);
        end();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("lib-list");
        TCase *tc = tcase_create("list");

        tcase_set_timeout(tc, 300);
        tcase_add_test(tc, for_each);
        tcase_add_test(tc, stops);
        tcase_add_test(tc, frees_in_callback);
        tcase_add_test(tc, reconnect_in_callback);
        tcase_add_test(tc, million);
        tcase_add_test(tc, garbage);
        tcase_add_test(tc, page);
        tcase_add_test(tc, host);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
