/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The consumer's name of a container, which has to be one that pasidd takes,
 * whatever the id is.
 */
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "internal/cleanup.h"
#include "name.h"
#include "suite.h"

static char *name_of(const char *id) {
        char *name = NULL;

        ck_assert_int_eq(container_consumer_name(id, &name), 0);
        ck_assert_msg(consumer_name_check(name, NULL) == 0, "\"%s\" gives \"%s\"", id, name);
        return name;
}

START_TEST(test_names) {
        static const struct {
                const char *id, *name;
        } cases[] = {
                { "c1", "c1" },
                { "8e1b0b2d5d7d4f6c", "8e1b0b2d5d7d4f6c" },
                { "with blank and ~", "with blank and ~" },
                { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb3", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb3" },
                { "a%b", "a%25b" },
                { "a\nb\x7f", "a%0Ab%7F" },
                { "\xc2\x85", "%C2%85" },           /* a control character of two bytes */
                { "\xff", "%FF" },
                { "\xc3", "%C3" },                  /* cut short */
                { "\xc0\xaf", "%C0%AF" },           /* longer than need be */
                { "\xe0\x80\x80", "%E0%80%80" },
                { "\xed\xa0\x80", "%ED%A0%80" },    /* a surrogate */
                { "\xf4\x90\x80\x80", "%F4%90%80%80" },
                { "\xf0\x80\x80\x80", "%F0%80%80%80" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *name = name_of(cases[i].id);

                ck_assert_str_eq(name, cases[i].name);
        }
}
END_TEST

START_TEST(test_empty) {
        char *name = NULL;

        ck_assert_int_eq(container_consumer_name("", &name), -EINVAL);
        ck_assert_ptr_null(name);
}
END_TEST

START_TEST(test_long) {
        char id[256];

        for (size_t n = 1; n < sizeof(id); n++) {
                _cleanup_free_ char *name = NULL;

                memset(id, 'x', n);
                id[n] = '\0';
                name = name_of(id);
                if (n <= 128)
                        ck_assert_str_eq(name, id);
                else
                        ck_assert_uint_eq(strlen(name), 128);
        }
        for (size_t n = 1; n < sizeof(id) / 4; n++) {
                _cleanup_free_ char *name = NULL;

                for (size_t i = 0; i < n; i++)
                        memcpy(id + i * 4, i % 2 ? "\xf0\x9f\x90\xb3" : "\n\n\n\n", 4);
                id[n * 4] = '\0';
                name = name_of(id);
                ck_assert_uint_le(strlen(name), 128);
        }
}
END_TEST

START_TEST(test_long_ones_differ) {
        _cleanup_free_ char *first = NULL, *second = NULL;
        char id[200];

        memset(id, 'x', sizeof(id) - 1);
        id[sizeof(id) - 1] = '\0';
        first = name_of(id);
        id[sizeof(id) - 2] = 'y';
        second = name_of(id);
        ck_assert_str_ne(first, second);
        ck_assert_int_eq(strncmp(first, second, 112), 0);
        ck_assert_int_eq(first[111], '~');
}
END_TEST

/* Each byte, alone and behind another. */
START_TEST(test_any_bytes) {
        for (unsigned int a = 1; a < 256; a++)
                for (unsigned int b = 0; b < 256; b++) {
                        char id[3] = { (char) a, (char) b, '\0' };
                        _cleanup_free_ char *name = name_of(id);

                        ck_assert_uint_ge(strlen(name), strlen(id));
                }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("oci-name");
        TCase *tc = tcase_create("oci-name");

        tcase_add_test(tc, test_names);
        tcase_add_test(tc, test_empty);
        tcase_add_test(tc, test_long);
        tcase_add_test(tc, test_long_ones_differ);
        tcase_add_test(tc, test_any_bytes);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
