/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may reach a terminal as it is, and what must not.
 */
#include <stdlib.h>
#include <string.h>

#include "internal/cleanup.h"
#include "suite.h"
#include "text.h"

START_TEST(test_decode) {
        static const struct {
                const char *s;
                size_t length;
                uint32_t c;
        } cases[] = {
                { "a", 1, 'a' },
                { "\xc2\x80", 2, 0x80 },
                { "\xdf\xbf", 2, 0x7ff },
                { "\xe0\xa0\x80", 3, 0x800 },
                { "\xe2\x82\xac", 3, 0x20ac },
                { "\xed\x9f\xbf", 3, 0xd7ff },
                { "\xef\xbf\xbf", 3, 0xffff },
                { "\xf0\x90\x80\x80", 4, 0x10000 },
                { "\xf4\x8f\xbf\xbf", 4, 0x10ffff },
                { "\x80", 0, 0 },             /* a continuation alone */
                { "\xc0\x80", 0, 0 },         /* overlong, here and below */
                { "\xc1\xbf", 0, 0 },
                { "\xe0\x9f\xbf", 0, 0 },
                { "\xf0\x8f\xbf\xbf", 0, 0 },
                { "\xed\xa0\x80", 0, 0 },     /* surrogates */
                { "\xed\xbf\xbf", 0, 0 },
                { "\xf4\x90\x80\x80", 0, 0 }, /* beyond Unicode */
                { "\xf5\x80\x80\x80", 0, 0 },
                { "\xff", 0, 0 },
                { "\xe2\x82", 0, 0 },         /* cut short */
                { "\xe2\x82" "a", 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint32_t c = 0;

                ck_assert_msg(utf8_decode(cases[i].s, strlen(cases[i].s), &c) == cases[i].length, "case %zu", i);
                ck_assert_uint_eq(c, cases[i].c);
        }
        ck_assert_uint_eq(utf8_decode("", 0, &(uint32_t) { 0 }), 0);
        ck_assert_uint_eq(utf8_decode("\0", 1, &(uint32_t) { 0 }), 1);
}
END_TEST

START_TEST(test_printable) {
        static const char yes[] = "tenant 7\n\tGr\xc3\xbc\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x98\x80";
        static const struct {
                const char *s;
                size_t size;
        } no[] = {
                { "a\0b", 3 },
                { "\x1b[2J", 4 },
                { "a\rb", 3 },
                { "\x7f", 1 },
                { "\xc2\x9b" "2J", 4 },     /* CSI as one character */
                { "\xe2\x80\xae" "a", 4 },  /* right-to-left override */
                { "\xe2\x80\x8b", 3 },      /* zero width space */
                { "\xef\xbb\xbf", 3 },      /* byte order mark */
                { "\xef\xbf\xbe", 3 },      /* noncharacter */
                { "\xff", 1 },
                { "ok\xe2\x82", 4 },
        };

        ck_assert(text_is_printable(yes, sizeof(yes) - 1));
        ck_assert(text_is_printable("", 0));
        ck_assert(text_is_printable(NULL, 0));
        for (size_t i = 0; i < ELEMENTSOF(no); i++)
                ck_assert_msg(!text_is_printable(no[i].s, no[i].size), "case %zu", i);
}
END_TEST

START_TEST(test_escape) {
        static const struct {
                const char *s;
                bool utf8;
                const char *text;
        } cases[] = {
                { "vm-1", true, "vm-1" },
                { "", true, "" },
                { "a\nb", true, "a\\x0ab" },
                { "\x1b[31mred\x1b[0m", true, "\\x1b[31mred\\x1b[0m" },
                { "\xc2\x9b" "31m", true, "\\xc2\\x9b31m" },
                { "gr\xc3\xbcn", true, "gr\xc3\xbcn" },
                { "gr\xc3\xbcn", false, "gr\\xc3\\xbcn" },
                { "\xe2\x80\xaegnp.exe", true, "\\xe2\\x80\\xaegnp.exe" },
                { "bad\xff\xfe", true, "bad\\xff\\xfe" },
                { "cut\xe2\x82", true, "cut\\xe2\\x82" },
                { "\\x1b", true, "\\x5cx1b" }, /* so that it can't pass for an escape */
                { "a\\b", true, "a\\b" },
                { "\\", true, "\\" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = text_escape(cases[i].s, strlen(cases[i].s), cases[i].utf8);

                ck_assert_str_eq(text, cases[i].text);
        }
}
END_TEST

START_TEST(test_join) {
        const char *const none[] = { NULL }, *const one[] = { "a", NULL }, *const three[] = { "a", "", "ccc", NULL };
        const char *const *const cases[] = { NULL, none, one, three };
        static const char *const expected[] = { "", "", "a", "a, , ccc" };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = NULL;

                ck_assert_int_eq(text_join(cases[i], ", ", &text), 0);
                ck_assert_str_eq(text, expected[i]);
        }
}
END_TEST

START_TEST(test_wrap) {
        static const struct {
                const char *text;
                size_t width;
                const char *expected;
        } cases[] = {
                { "", 10, "\n" },
                { "one two three", 0, "one two three\n" },
                { "one two three", 13, "one two three\n" },
                { "one two three", 12, "one two\n  three\n" },
                { "one two three", 7, "one two\n  three\n" },
                { "one two three", 3, "one\n  two\n  three\n" },
                { "a verylongword b", 6, "a\n  verylongword\n  b\n" },
                { "gr\xc3\xbcn gr\xc3\xbcn", 9, "gr\xc3\xbcn gr\xc3\xbcn\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = NULL;
                size_t size;
                FILE *f = open_memstream(&text, &size);

                text_wrap(f, cases[i].text, cases[i].width, 2);
                ck_assert_int_eq(fclose(f), 0);
                ck_assert_str_eq(text, cases[i].expected);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("ctl-text");
        TCase *t = tcase_create("text");

        tcase_add_test(t, test_decode);
        tcase_add_test(t, test_printable);
        tcase_add_test(t, test_escape);
        tcase_add_test(t, test_join);
        tcase_add_test(t, test_wrap);
        suite_add_tcase(suite, t);
        return suite_run(suite);
}
