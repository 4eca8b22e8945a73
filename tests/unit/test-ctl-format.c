/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moments and bytes as text, against values that others computed.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "format.h"
#include "internal/cleanup.h"
#include "suite.h"

START_TEST(test_time_programs) {
        char buf[TIME_TEXT_MAX];

        setenv("TZ", "Asia/Kolkata", 1);
        tzset();
        ck_assert_str_eq(format_time(0, TIME_PROGRAMS, buf), "1970-01-01T00:00:00.000000Z");
        ck_assert_str_eq(format_time(1700000000000042, TIME_PROGRAMS, buf), "2023-11-14T22:13:20.000042Z");
        ck_assert_str_eq(format_time(1709210096999999, TIME_PROGRAMS, buf), "2024-02-29T12:34:56.999999Z");
}
END_TEST

START_TEST(test_time_people) {
        static const struct {
                const char *zone; /* as POSIX writes them: no need for a database */
                const char *text;
        } cases[] = {
                { "UTC0", "2023-11-14T22:13:20+00:00" },
                { "CET-1CEST,M3.5.0,M10.5.0/3", "2023-11-14T23:13:20+01:00" },
                { "<+0530>-5:30", "2023-11-15T03:43:20+05:30" },
                { "<-0330>3:30", "2023-11-14T18:43:20-03:30" },
                { "<-0030>0:30", "2023-11-14T21:43:20-00:30" },
        };
        char buf[TIME_TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                setenv("TZ", cases[i].zone, 1);
                tzset();
                ck_assert_str_eq(format_time(1700000000999999, TIME_PEOPLE, buf), cases[i].text);
        }
}
END_TEST

START_TEST(test_time_far) {
        char buf[TIME_TEXT_MAX];

        setenv("TZ", "UTC0", 1);
        tzset();
        ck_assert_str_eq(format_time(UINT64_MAX, TIME_PROGRAMS, buf), "586524-01-19T08:01:49.551615Z");
        ck_assert_uint_lt(strlen(format_time(UINT64_MAX, TIME_PEOPLE, buf)), TIME_TEXT_MAX);
}
END_TEST

/* RFC 4648, section 10, and the two digits that are neither letter nor number. */
START_TEST(test_base64) {
        static const struct {
                const char *data;
                size_t size;
                const char *text;
        } cases[] = {
                { "", 0, "" },
                { "f", 1, "Zg==" },
                { "fo", 2, "Zm8=" },
                { "foo", 3, "Zm9v" },
                { "foob", 4, "Zm9vYg==" },
                { "fooba", 5, "Zm9vYmE=" },
                { "foobar", 6, "Zm9vYmFy" },
                { "\0", 1, "AA==" },
                { "\xfb\xff\xfe", 3, "+//+" },
                { "\xff\xff\xff\xff", 4, "/////w==" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = format_base64(cases[i].data, cases[i].size);

                ck_assert_str_eq(text, cases[i].text);
        }
}
END_TEST

START_TEST(test_hex_line) {
        char buf[HEX_LINE_MAX];

        ck_assert_str_eq(format_hex_line("0123456789abcdef", 16, 0, buf),
                         "0000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef");
        ck_assert_str_eq(format_hex_line("a\0\x1b\x7f\xff", 5, 4080, buf),
                         "0ff0  61 00 1b 7f ff                                   a....");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("ctl-format");
        TCase *t = tcase_create("format");

        tcase_add_test(t, test_time_programs);
        tcase_add_test(t, test_time_people);
        tcase_add_test(t, test_time_far);
        tcase_add_test(t, test_base64);
        tcase_add_test(t, test_hex_line);
        suite_add_tcase(suite, t);
        return suite_run(suite);
}
