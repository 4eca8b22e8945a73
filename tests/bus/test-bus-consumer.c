/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * org.pasidd1.Consumer of a real daemon on its direct socket: numbers are
 * allocated, described, listed and freed, and every bad request is refused by
 * its own name and changes nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define NO_DELAY "[Daemon]\nReuseDelaySec=0\n"
#define LONG_DELAY "[Daemon]\nReuseDelaySec=3600\n"
#define BIG "[Limits]\nPasidsPerConsumer=1048575\n"

struct test {
        struct fixture *f;
        struct client c;
        char *path; /* of consumer "vm" */
};

static struct test begin(const char *config) {
        struct test t = { .f = fixture_new_started(config) };

        t.c = client_direct(t.f);
        t.path = init_ok(&t.c, "vm", 0);
        return t;
}

static void end(struct test *t) {
        client_close(&t->c);
        fixture_free(t->f);
        free(t->path);
}

static uint32_t allocated(struct test *t) {
        return (uint32_t) property_number(&t->c, t->path, PASIDD_IFACE_CONSUMER, "Allocated");
}

START_TEST(alloc_ranges) {
        struct test t = begin(NULL);

        ck_assert_uint_eq(alloc_ok(&t.c, t.path, 17, 17), 17);
        ck_assert_uint_eq(alloc_ok(&t.c, t.path, NUMBER_MAX, NUMBER_MAX), NUMBER_MAX);
        ck_assert_uint_eq(alloc_ok(&t.c, t.path, 1, 1), 1);
        ck_assert_uint_eq(alloc_ok(&t.c, t.path, 17, 18), 18);
        alloc_error(&t.c, E("InvalidRange"), "0", t.path, 0, 500); /* 0 stands for the whole range only with 0 */
        alloc_error(&t.c, E("InvalidRange"), "0", t.path, 500, 0);
        alloc_error(&t.c, E("InvalidRange"), "20", t.path, 20, 10);
        alloc_error(&t.c, E("InvalidRange"), "1048576", t.path, 1, NUMBER_MAX + 1);
        alloc_error(&t.c, E("InvalidRange"), NULL, t.path, NUMBER_MAX + 1, NUMBER_MAX + 1);
        alloc_error(&t.c, E("InvalidRange"), NULL, t.path, UINT32_MAX, UINT32_MAX);
        alloc_error(&t.c, E("AlreadyAllocated"), "17", t.path, 17, 17);
        alloc_error(&t.c, E("Exhausted"), "17", t.path, 17, 18);
        ck_assert_uint_eq(allocated(&t), 4);
        end(&t);
}
END_TEST

START_TEST(alloc_outside_own_range) {
        struct test t = begin(NULL);
        _cleanup_free_ char *small = init_ok(&t.c, "small", 2, "min", "u", 100U, "max", "u", 102U);

        alloc_error(&t.c, E("OutOfRange"), "99", small, 1, 99);
        alloc_error(&t.c, E("OutOfRange"), "103", small, 103, 103);
        ck_assert_uint_eq(alloc_ok(&t.c, small, 50, 100), 100);
        (void) alloc_ok(&t.c, small, 0, 0);
        (void) alloc_ok(&t.c, small, 0, 0);
        alloc_error(&t.c, E("Exhausted"), NULL, small, 0, 0);
        end(&t);
}
END_TEST

/* Next-fit: a freed number comes back as late as it can. */
START_TEST(alloc_order) {
        struct test t = begin(NO_DELAY);
        _cleanup_free_ char *small = init_ok(&t.c, "small", 2, "min", "u", 11U, "max", "u", 20U);

        for (uint32_t i = 0; i < 35; i++) {
                ck_assert_uint_eq(alloc_ok(&t.c, small, 0, 0), 11 + i % 10);
                free_ok(&t.c, small, 11 + i % 10);
        }
        end(&t);
}
END_TEST

START_TEST(cooling_forever) {
        struct test t = begin(LONG_DELAY);
        _cleanup_free_ char *other = init_ok(&t.c, "other", 0);
        uint32_t *two;

        (void) alloc_ok(&t.c, t.path, 5, 5);
        free_ok(&t.c, t.path, 5);
        ck_assert_str_eq(state_of(&t.c, t.path, 5), "cooling");
        alloc_error(&t.c, E("CoolingDown"), "5", t.path, 5, 5);
        alloc_error(&t.c, E("CoolingDown"), NULL, other, 5, 5);
        consumer_error(&t.c, E("NoSuchPasid"), "5", t.path, "Find", "u", 5U);
        free_error(&t.c, E("NoSuchPasid"), t.path, 5);
        ck_assert_uint_eq(alloc_ok(&t.c, t.path, 5, 6), 6);
        alloc_error(&t.c, E("CoolingDown"), NULL, t.path, 5, 6);
        alloc_many_error(&t.c, E("CoolingDown"), NULL, other, 1, 5, 6, 0);
        alloc_many_error(&t.c, E("Exhausted"), NULL, other, 2, 5, 6, 0); /* time does not help */
        ck_assert_uint_eq(allocated(&t), 1);

        two = alloc_many_ok(&t.c, t.path, 2, 20, 21, 0);
        ck_assert_int_ge(client_call_array(&t.c, NULL, t.path, "FreeMany", two, 2), 0);
        alloc_many_error(&t.c, E("CoolingDown"), NULL, other, 2, 20, 21, 0);
        free(two);
        end(&t);
}
END_TEST

START_TEST(cooling_off) {
        struct test t = begin(NO_DELAY);

        (void) alloc_ok(&t.c, t.path, 5, 5);
        free_ok(&t.c, t.path, 5);
        ck_assert_str_eq(state_of(&t.c, t.path, 5), "");
        ck_assert_uint_eq(alloc_ok(&t.c, t.path, 5, 5), 5);
        end(&t);
}
END_TEST

START_TEST(cooling_ends) {
        struct test t = begin("[Daemon]\nReuseDelaySec=200ms\n");
        _cleanup_free_ char *other = init_ok(&t.c, "other", 0);
        uint64_t begun = monotonic_msec();

        (void) alloc_ok(&t.c, t.path, 5, 5);
        (void) alloc_ok(&t.c, other, 6, 6);
        free_ok(&t.c, t.path, 5);
        exit_ok(&t.c, other);
        await(strcmp(state_of(&t.c, t.path, 5), "") == 0);
        ck_assert_uint_ge(monotonic_msec() - begun, 199);
        ck_assert_uint_eq(alloc_ok(&t.c, t.path, 5, 5), 5);
        await(client_call(&t.c, NULL, NULL, t.path, PASIDD_IFACE_CONSUMER, "Alloc", "uuaya{sv}", 6U, 6U, 0, 0) >= 0);
        end(&t);
}
END_TEST

START_TEST(private_data) {
        static const size_t sizes[] = { 0, 1, 64, PRIVATE_MAX };
        struct test t = begin(NULL);
        uint8_t data[PRIVATE_MAX + 1];
        struct listed row;

        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t) (i * 7 + i / 256); /* NULs too */
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                uint32_t pasid = alloc_private_ok(&t.c, t.path, data, sizes[i]);
                _cleanup_free_ void *found = NULL, *changed = NULL;
                size_t n;

                found = find_ok(&t.c, t.path, pasid, &n);
                ck_assert_uint_eq(n, sizes[i]);
                ck_assert_mem_eq(found, data, n);
                ck_assert_uint_eq(list_page(&t.c, t.path, pasid - 1, 1, &row, 1, NULL), 1);
                ck_assert_uint_eq(row.private_bytes, sizes[i]);

                n = sizes[ELEMENTSOF(sizes) - 1 - i];
                ck_assert_int_ge(client_call_private(&t.c, NULL, t.path, "SetPrivate", &pasid, 1, data + 1, n), 0);
                changed = find_ok(&t.c, t.path, pasid, &n);
                ck_assert_uint_eq(n, sizes[ELEMENTSOF(sizes) - 1 - i]);
                ck_assert_mem_eq(changed, data + 1, n);
        }
        end(&t);
}
END_TEST

static void private_refused(struct test *t, const char *error_name, const char *member, const uint32_t *numbers, size_t n_numbers,
                            size_t size) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ uint8_t *data = calloc(1, size + 1);

        ck_assert_int_lt(client_call_private(&t->c, &error, t->path, member, numbers, n_numbers, data, size), 0);
        ck_assert_str_eq(error.name, error_name);
        ck_assert_msg(size <= PRIVATE_MAX || strstr(error.message, "at most 4096. Keep "), "%s", error.message);
}

START_TEST(private_too_large) {
        struct test t = begin(NULL);
        uint32_t pasid = alloc_private_ok(&t.c, t.path, "kept", 4), none = 999999, range[] = { 0, 0 }, many[] = { 3, 0, 0 };
        _cleanup_free_ void *found = NULL;
        size_t n;

        private_refused(&t, E("PrivateTooLarge"), "Alloc", range, 2, PRIVATE_MAX + 1);
        private_refused(&t, E("PrivateTooLarge"), "Alloc", range, 2, 65535);
        private_refused(&t, E("PrivateTooLarge"), "Alloc", range, 2, 65536);
        private_refused(&t, E("PrivateTooLarge"), "Alloc", range, 2, 10U << 20);
        private_refused(&t, E("PrivateTooLarge"), "AllocMany", many, 3, PRIVATE_MAX + 1);
        private_refused(&t, E("PrivateTooLarge"), "SetPrivate", &pasid, 1, PRIVATE_MAX + 1);
        private_refused(&t, E("PrivateTooLarge"), "SetPrivate", &pasid, 1, 65536);
        private_refused(&t, E("NoSuchPasid"), "SetPrivate", &none, 1, 1);
        found = find_ok(&t.c, t.path, pasid, &n);
        ck_assert_uint_eq(n, 4);
        ck_assert_mem_eq(found, "kept", 4);
        ck_assert_uint_eq(allocated(&t), 1);
        end(&t);
}
END_TEST

START_TEST(find_info) {
        struct test t = begin(NULL);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint32_t pasid = alloc_private_ok(&t.c, t.path, "abc", 3), bytes = 0;
        const char *key, *state = "";
        uint64_t since = 0;
        bool devices = false;

        consumer_ok(&t.c, &reply, t.path, "Find", "u", pasid);
        ck_assert_str_eq(sd_bus_message_get_signature(reply, 1), "aya{sv}");
        ck_assert_int_ge(sd_bus_message_skip(reply, "ay"), 0);
        ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                ck_assert_int_gt(sd_bus_message_read(reply, "s", &key), 0);
                if (strcmp(key, "state") == 0)
                        ck_assert_int_gt(sd_bus_message_read(reply, "v", "s", &state), 0);
                else if (strcmp(key, "since") == 0)
                        ck_assert_int_gt(sd_bus_message_read(reply, "v", "t", &since), 0);
                else if (strcmp(key, "private_bytes") == 0)
                        ck_assert_int_gt(sd_bus_message_read(reply, "v", "u", &bytes), 0);
                else {
                        ck_assert_str_eq(key, "devices");
                        ck_assert_int_gt(sd_bus_message_skip(reply, "v"), 0);
                        devices = true;
                }
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }
        ck_assert_str_eq(state, "allocated");
        ck_assert_uint_gt(since, 0);
        ck_assert_uint_eq(bytes, 3);
        ck_assert(devices);
        end(&t);
}
END_TEST

START_TEST(bad_numbers) {
        static const uint32_t numbers[] = { 0, NUMBER_MAX + 1, UINT32_MAX };
        struct test t = begin(NULL);

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                uint32_t n = numbers[i];

                consumer_error(&t.c, E("InvalidRange"), NULL, t.path, "Free", "u", n);
                consumer_error(&t.c, E("InvalidRange"), NULL, t.path, "Find", "u", n);
                consumer_error(&t.c, E("InvalidRange"), NULL, t.path, "SetPrivate", "uay", n, 0);
                consumer_error(&t.c, E("InvalidRange"), NULL, t.path, "FreeMany", "au", 1, n);
        }
        free_error(&t.c, E("NoSuchPasid"), t.path, 5);
        consumer_error(&t.c, E("NoSuchPasid"), "5", t.path, "Find", "u", 5U);
        end(&t);
}
END_TEST

START_TEST(free_many) {
        struct test t = begin(NO_DELAY);
        _cleanup_free_ uint32_t *pasids = alloc_many_ok(&t.c, t.path, 3, 10, 20, 0);

        consumer_error(&t.c, E("NoSuchPasid"), "19", t.path, "FreeMany", "au", 3, pasids[0], pasids[1], 19U);
        consumer_error(&t.c, E_ARGS, "twice", t.path, "FreeMany", "au", 3, pasids[0], pasids[1], pasids[0]);
        ck_assert_uint_eq(allocated(&t), 3);
        consumer_ok(&t.c, NULL, t.path, "FreeMany", "au", 0);
        consumer_ok(&t.c, NULL, t.path, "FreeMany", "au", 3, pasids[2], pasids[0], pasids[1]);
        ck_assert_uint_eq(allocated(&t), 0);
        end(&t);
}
END_TEST

START_TEST(alloc_many_bad) {
        struct test t = begin(BIG);

        alloc_many_error(&t.c, E_ARGS, "0", t.path, 0, 0, 0, 0);
        alloc_many_error(&t.c, E_ARGS, "1048576", t.path, NUMBER_MAX + 1, 0, 0, 0);
        alloc_many_error(&t.c, E_ARGS, NULL, t.path, UINT32_MAX, 0, 0, 0);
        alloc_many_error(&t.c, E("InvalidRange"), NULL, t.path, 5, 20, 10, 0);
        alloc_many_error(&t.c, E("InvalidRange"), "11", t.path, 12, 10, 20, 0);
        alloc_many_error(&t.c, E_ARGS, "align", t.path, 2, 0, 0, 1, "align", "u", 4U);
        alloc_many_error(&t.c, E_ARGS, "3", t.path, 2, 0, 0, 2, "contiguous", "b", 1, "align", "u", 3U);
        alloc_many_error(&t.c, E_ARGS, "contiguous", t.path, 2, 0, 0, 1, "contiguous", "u", 1U);
        alloc_many_error(&t.c, E_ARGS, "colour", t.path, 2, 0, 0, 1, "colour", "u", 1U);
        ck_assert_uint_eq(allocated(&t), 0);
        end(&t);
}
END_TEST

START_TEST(alloc_bad_options) {
        struct test t = begin(NULL);

        consumer_error(&t.c, E_ARGS, "colour", t.path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "colour", "s", "red");
        consumer_error(&t.c, E_ARGS, "token", t.path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "token", "u", 1U);
        consumer_error(&t.c, E_ARGS, "contiguous", t.path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "contiguous", "b", 1);
        consumer_error(&t.c, E("NotMediated"), "mediated", t.path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "attach", "b", 1);
        consumer_ok(&t.c, NULL, t.path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "attach", "b", 0);
        ck_assert_uint_eq(allocated(&t), 1);
        end(&t);
}
END_TEST

START_TEST(contiguous) {
        struct test t = begin(NULL);
        _cleanup_free_ uint32_t *run = NULL, *aligned = NULL;

        (void) alloc_ok(&t.c, t.path, 103, 103);
        run = alloc_many_ok(&t.c, t.path, 5, 100, 110, 1, "contiguous", "b", 1);
        for (size_t i = 0; i < 5; i++)
                ck_assert_uint_eq(run[i], 104 + i);
        alloc_many_error(&t.c, E("Exhausted"), NULL, t.path, 4, 100, 110, 1, "contiguous", "b", 1);
        aligned = alloc_many_ok(&t.c, t.path, 16, 0, 0, 2, "contiguous", "b", 1, "align", "u", 64U);
        ck_assert_uint_eq(aligned[0] % 64, 0);
        for (uint32_t i = 0; i < 16; i++)
                ck_assert_uint_eq(aligned[i], aligned[0] + i);
        end(&t);
}
END_TEST

/* All that there are, in one call. */
START_TEST(whole_space) {
        struct test t = begin(BIG NO_DELAY);
        _cleanup_free_ uint32_t *all = alloc_many_ok(&t.c, t.path, NUMBER_MAX, 0, 0, 0);
        _cleanup_free_ uint8_t *seen = calloc(NUMBER_MAX + 1, 1);

        for (size_t i = 0; i < NUMBER_MAX; i++) {
                assert_quick(all[i] >= NUMBER_MIN && all[i] <= NUMBER_MAX, "%u is no PASID", all[i]);
                assert_quick(seen[all[i]]++ == 0, "%u was given twice", all[i]);
        }
        alloc_error(&t.c, E("QuotaExceeded"), NULL, t.path, 0, 0);
        ck_assert_uint_eq(allocated(&t), NUMBER_MAX);

        /* the one that is free is found */
        free_ok(&t.c, t.path, 777777);
        ck_assert_uint_eq(alloc_ok(&t.c, t.path, 0, 0), 777777);
        ck_assert_int_ge(client_call_array(&t.c, NULL, t.path, "FreeMany", all, NUMBER_MAX), 0);
        ck_assert_uint_eq(allocated(&t), 0);
        end(&t);
}
END_TEST

START_TEST(quota) {
        struct test t = begin("[Limits]\nPasidsPerConsumer=10\n" LONG_DELAY);
        _cleanup_free_ uint32_t *eight = alloc_many_ok(&t.c, t.path, 8, 0, 0, 0), *two = NULL;

        alloc_many_error(&t.c, E("QuotaExceeded"), "10", t.path, 3, 0, 0, 0);
        alloc_many_error(&t.c, E("QuotaExceeded"), NULL, t.path, 11, 0, 0, 0);
        ck_assert_uint_eq(allocated(&t), 8);
        two = alloc_many_ok(&t.c, t.path, 2, 0, 0, 0);
        alloc_error(&t.c, E("QuotaExceeded"), "10", t.path, 0, 0);
        free_ok(&t.c, t.path, eight[0]); /* cooling ones don't count */
        (void) alloc_ok(&t.c, t.path, 0, 0);
        alloc_error(&t.c, E("QuotaExceeded"), NULL, t.path, 0, 0);
        end(&t);
}
END_TEST

START_TEST(tokens) {
        struct test t = begin(NO_DELAY);
        _cleanup_free_ char *other = init_ok(&t.c, "other", 0);
        uint32_t first = alloc_token_ok(&t.c, t.path, "request-1"), second = alloc_token_ok(&t.c, t.path, "request-2");
        _cleanup_free_ uint32_t *many = NULL, *again = NULL;

        ck_assert_uint_ne(first, second);
        ck_assert_uint_eq(alloc_token_ok(&t.c, t.path, "request-1"), first);
        ck_assert_uint_ne(alloc_token_ok(&t.c, other, "request-1"), first);
        ck_assert_uint_eq(allocated(&t), 2);
        free_ok(&t.c, t.path, first);
        ck_assert_uint_ne(alloc_token_ok(&t.c, t.path, "request-1"), second);

        many = alloc_many_ok(&t.c, t.path, 4, 0, 0, 1, "token", "s", "many");
        again = alloc_many_ok(&t.c, t.path, 4, 0, 0, 1, "token", "s", "many");
        ck_assert_mem_eq(many, again, 4 * sizeof(*many));
        alloc_many_error(&t.c, E_ARGS, "many", t.path, 5, 0, 0, 1, "token", "s", "many");
        ck_assert_uint_eq(allocated(&t), 6);
        end(&t);
}
END_TEST

START_TEST(tokens_bad) {
        struct test t = begin(NULL);
        char token[TOKEN_LEN_MAX + 2];
        static const char *const bad[] = { "", "a\nb", "\x7f", "\xc3\xa9" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                consumer_error(&t.c, E_ARGS, NULL, t.path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "token", "s", bad[i]);
        memset(token, 'x', sizeof(token));
        token[TOKEN_LEN_MAX + 1] = '\0';
        consumer_error(&t.c, E_ARGS, "64", t.path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "token", "s", token);
        token[TOKEN_LEN_MAX] = '\0';
        ck_assert_uint_eq(alloc_token_ok(&t.c, t.path, token), alloc_token_ok(&t.c, t.path, token));
        ck_assert_uint_eq(allocated(&t), 1);
        end(&t);
}
END_TEST

static uint32_t free_token(struct test *t, const char *token) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint32_t freed = UINT32_MAX;

        consumer_ok(&t->c, &reply, t->path, "FreeToken", "s", token);
        ck_assert_int_gt(sd_bus_message_read(reply, "u", &freed), 0);
        return freed;
}

START_TEST(tokens_freed) {
        struct test t = begin(NULL);
        _cleanup_free_ uint32_t *many = alloc_many_ok(&t.c, t.path, 3, 0, 0, 1, "token", "s", "many");

        (void) alloc_token_ok(&t.c, t.path, "one");
        ck_assert_uint_eq(free_token(&t, "none"), 0);
        ck_assert_uint_eq(free_token(&t, "many"), 3);
        ck_assert_uint_eq(free_token(&t, "many"), 0);
        ck_assert_uint_eq(free_token(&t, "one"), 1);
        ck_assert_uint_eq(allocated(&t), 0);
        ck_assert_str_eq(state_of(&t.c, t.path, many[0]), "cooling");
        end(&t);
}
END_TEST

START_TEST(list_pages) {
        struct test t = begin(LONG_DELAY);
        _cleanup_free_ struct listed *rows = calloc(LIST_PAGE_MAX, sizeof(*rows));
        _cleanup_free_ uint32_t *pasids = NULL;
        bool more;

        ck_assert_uint_eq(list_page(&t.c, t.path, 0, 0, rows, LIST_PAGE_MAX, &more), 0);
        ck_assert(!more);
        pasids = alloc_many_ok(&t.c, t.path, 5000, 1, 5000, 0);
        free_ok(&t.c, t.path, 4);

        ck_assert_uint_eq(list_page(&t.c, t.path, 0, 3, rows, LIST_PAGE_MAX, &more), 3);
        ck_assert(more);
        ck_assert_uint_eq(rows[2].pasid, 3);
        ck_assert_str_eq(rows[2].state, "allocated");
        ck_assert_uint_eq(list_page(&t.c, t.path, 3, 1, rows, LIST_PAGE_MAX, &more), 1);
        ck_assert_uint_eq(rows[0].pasid, 4);
        ck_assert_str_eq(rows[0].state, "cooling");
        ck_assert_uint_eq(list_page(&t.c, t.path, 0, 0, rows, LIST_PAGE_MAX, &more), LIST_PAGE_MAX);
        ck_assert(more);
        ck_assert_uint_eq(list_page(&t.c, t.path, 0, UINT32_MAX, rows, LIST_PAGE_MAX, &more), LIST_PAGE_MAX);
        ck_assert_uint_eq(list_page(&t.c, t.path, LIST_PAGE_MAX, 0, rows, LIST_PAGE_MAX, &more), 5000 - LIST_PAGE_MAX);
        ck_assert(!more);
        ck_assert_uint_eq(list_page(&t.c, t.path, 4998, 2, rows, LIST_PAGE_MAX, &more), 2);
        ck_assert(!more);
        ck_assert_uint_eq(list_page(&t.c, t.path, 5000, 0, rows, LIST_PAGE_MAX, &more), 0);
        ck_assert_uint_eq(list_page(&t.c, t.path, UINT32_MAX, 0, rows, LIST_PAGE_MAX, &more), 0);
        ck_assert(!more);
        end(&t);
}
END_TEST

START_TEST(exit_frees) {
        struct test t = begin(LONG_DELAY);
        _cleanup_free_ char *again = NULL;
        struct listed row;

        (void) alloc_ok(&t.c, t.path, 5, 5);
        exit_ok(&t.c, t.path);
        assert_gone(&t.c, t.path);
        again = init_ok(&t.c, "vm", 0);
        ck_assert_uint_eq(list_page(&t.c, again, 0, 0, &row, 1, NULL), 0);
        alloc_error(&t.c, E("CoolingDown"), "5", again, 5, 5);
        end(&t);
}
END_TEST

/* Calls of another connection that are on their way when the consumer ends: each is answered, one way or the other. */
static int on_outcome(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        unsigned *outcomes = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);

        if (e && !sd_bus_error_has_names(e, E("NoSuchConsumer"), SD_BUS_ERROR_UNKNOWN_OBJECT))
                ck_abort_msg("%s: %s", e->name, e->message);
        outcomes[e != NULL]++;
        return 1;
}

START_TEST(exit_beside_calls) {
        struct test t = begin(LONG_DELAY);
        struct client other = client_direct(t.f);
        unsigned outcomes[2] = {};

        ping_ok(&other);
        for (unsigned i = 0; i < 200; i++) {
                consumer_async(&other, on_outcome, outcomes, t.path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 0);
                ck_assert_int_ge(sd_bus_flush(other.bus), 0);
                if (i == 100)
                        exit_ok(&t.c, t.path);
        }
        while (outcomes[0] + outcomes[1] < 200)
                client_wait(&other);
        ck_assert_uint_ge(outcomes[1], 1);
        ck_assert_uint_eq(property_number(&t.c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Pasids"), 0);
        client_close(&other);
        end(&t);
}
END_TEST

START_TEST(not_mediated) {
        struct test t = begin(NULL);
        uint32_t pasid = alloc_ok(&t.c, t.path, 0, 0);

        consumer_error(&t.c, E("NotMediated"), NULL, t.path, "Attach", "u", pasid);
        consumer_error(&t.c, E("NotMediated"), NULL, t.path, "Detach", "u", pasid);
        consumer_error(&t.c, E("NotMediated"), NULL, t.path, "Map", "uhtttu", pasid, STDERR_FILENO, (uint64_t) 0,
                       (uint64_t) 4096, (uint64_t) 0, 3U);
        consumer_error(&t.c, E("NotMediated"), NULL, t.path, "Unmap", "utt", pasid, (uint64_t) 0, (uint64_t) 4096);
        end(&t);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-consumer");
        TCase *alloc = fixture_add_case(suite, "alloc"), *many = fixture_add_case(suite, "many");
        TCase *rest = fixture_add_case(suite, "rest");

        tcase_add_test(alloc, alloc_ranges);
        tcase_add_test(alloc, alloc_outside_own_range);
        tcase_add_test(alloc, alloc_order);
        tcase_add_test(alloc, alloc_bad_options);
        tcase_add_test(alloc, cooling_forever);
        tcase_add_test(alloc, cooling_off);
        tcase_add_test(alloc, cooling_ends);
        tcase_add_test(alloc, private_data);
        tcase_add_test(alloc, private_too_large);
        tcase_add_test(alloc, quota);
        tcase_add_test(alloc, tokens);
        tcase_add_test(alloc, tokens_bad);
        tcase_add_test(alloc, tokens_freed);
        tcase_add_test(many, alloc_many_bad);
        tcase_add_test(many, contiguous);
        tcase_add_test(many, whole_space);
        tcase_add_test(many, free_many);
        tcase_add_test(rest, find_info);
        tcase_add_test(rest, bad_numbers);
        tcase_add_test(rest, list_pages);
        tcase_add_test(rest, exit_frees);
        tcase_add_test(rest, exit_beside_calls);
        tcase_add_test(rest, not_mediated);
        return fixture_main(suite);
}
