/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names and tokens that are accepted and refused, and the contract's words.
 */
#include "test-core-common.h"

static const char *const good_names[] = {
        "a", "vm-1", "a b", "Grüße", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xef\xbf\xbf", "\xed\x9f\xbf", "/../", "\"",
        "\xc2\xa0",
};

START_TEST(test_good_name) {
        ck_assert_int_eq(consumer_name_check(good_names[_i], NULL), 0);
}
END_TEST

static const struct {
        const char *name, *words;
} bad_names[] = {
        { NULL, "empty" },
        { "", "empty" },
        { "a\nb", "U+000A at byte 2" },
        { "\x7f", "U+007F at byte 1" },
        { "x\xc2\x85", "U+0085 at byte 2" },
        { "\xc2\x9f", "U+009F" },
        { "ab\x80", "UTF-8 at byte 3" },
        { "\xc3", "UTF-8" },
        { "\xc0\x80", "UTF-8" },             /* over-long NUL */
        { "\xc1\xbf", "UTF-8" },
        { "\xe0\x9f\xbf", "UTF-8" },         /* over-long */
        { "\xed\xa0\x80", "UTF-8" },         /* surrogate */
        { "\xf0\x8f\xbf\xbf", "UTF-8" },     /* over-long */
        { "\xf4\x90\x80\x80", "UTF-8" },     /* above U+10FFFF */
        { "\xf5\x80\x80\x80", "UTF-8" },
        { "\xe2\x82", "UTF-8" },             /* cut off */
        { "\xff", "UTF-8" },
};

START_TEST(test_bad_name) {
        struct refusal refusal = {};
        int r = consumer_name_check(bad_names[_i].name, &refusal);

        check_refusal(r, &refusal, EILSEQ, bad_names[_i].words);
        /* What was refused for its bytes is not repeated. */
        for (const char *p = refusal.text; *p; p++)
                ck_assert_msg(*p >= 0x20 && *p < 0x7f, "byte %d", *p);
}
END_TEST

START_TEST(test_name_length) {
        char name[200];
        struct refusal refusal = {};

        memset(name, 'x', sizeof(name));
        name[NAME_LEN_MAX] = '\0';
        ck_assert_int_eq(consumer_name_check(name, NULL), 0);
        name[NAME_LEN_MAX] = 'x';
        name[NAME_LEN_MAX + 1] = '\0';
        check_refusal(consumer_name_check(name, &refusal), &refusal, EILSEQ, "longer than 128 bytes");
}
END_TEST

START_TEST(test_token) {
        struct refusal refusal = {};
        char token[100];

        ck_assert_int_eq(token_check("a ~", NULL), 0);
        memset(token, 'x', sizeof(token));
        token[TOKEN_LEN_MAX] = '\0';
        ck_assert_int_eq(token_check(token, NULL), 0);
        token[TOKEN_LEN_MAX] = 'x';
        token[TOKEN_LEN_MAX + 1] = '\0';
        check_refusal(token_check(token, &refusal), &refusal, EINVAL, "1 to 64");
        check_refusal(token_check("", &refusal), &refusal, EINVAL, "none");
        check_refusal(token_check("a\tb", &refusal), &refusal, EINVAL, "byte 2");
        check_refusal(token_check("\xc3\xbc", &refusal), &refusal, EINVAL, "byte 1");
        check_refusal(token_check("\x7f", &refusal), &refusal, EINVAL, "byte 1");
}
END_TEST

START_TEST(test_words) {
        for (int i = 0; i < ROW_STATE_MAX_; i++)
                ck_assert_int_eq(row_state_from_string(row_state_to_string((enum row_state) i)), i);
        for (int i = 0; i < HOLD_KIND_MAX_; i++)
                ck_assert_int_eq(hold_kind_from_string(hold_kind_to_string((enum hold_kind) i)), i);
        for (int i = 0; i < CONSUMER_MODE_MAX_; i++)
                ck_assert_int_eq(consumer_mode_from_string(consumer_mode_to_string((enum consumer_mode) i)), i);
        ck_assert_str_eq(row_state_to_string(ROW_COOLING), "cooling");
        ck_assert_str_eq(hold_kind_to_string(HOLD_PERSISTENT), "persistent");
        ck_assert_str_eq(consumer_mode_to_string(MODE_ADVISORY), "advisory");
        ck_assert_int_eq(row_state_from_string("Cooling"), -EINVAL);
        ck_assert_int_eq(hold_kind_from_string(""), -EINVAL);
        ck_assert_int_eq(consumer_mode_from_string(NULL), -EINVAL);
        ck_assert_ptr_null(row_state_to_string(ROW_STATE_MAX_));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("core-name");
        TCase *tc = tcase_create("name");

        tcase_add_loop_test(tc, test_good_name, 0, sizeof(good_names) / sizeof(good_names[0]));
        tcase_add_loop_test(tc, test_bad_name, 0, sizeof(bad_names) / sizeof(bad_names[0]));
        tcase_add_test(tc, test_name_length);
        tcase_add_test(tc, test_token);
        tcase_add_test(tc, test_words);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
