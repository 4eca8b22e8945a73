/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is suggested for a mistyped word, and when nothing is.
 */
#include <stdio.h>
#include <string.h>

#include "internal/cleanup.h"
#include "suggest.h"
#include "suite.h"

START_TEST(test_distance) {
        static const struct {
                const char *a, *b;
                size_t distance;
        } cases[] = {
                { "", "", 0 },
                { "alloc", "alloc", 0 },
                { "alloc", "aloc", 1 },
                { "alloc", "allloc", 1 },
                { "alloc", "allox", 1 },
                { "alloc", "laloc", 1 }, /* swapped */
                { "alloc", "allco", 1 },
                { "ab", "ba", 1 },
                { "abc", "ca", 3 },      /* a swap, and then one between the two: not in this distance */
                { "", "ab", 2 },
                { "ab", "", 2 },
                { "monitor", "mnoitro", 2 },
                { "abcdef", "fedcba", 4 }, /* above the limit: one more than it */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ck_assert_msg(edit_distance(cases[i].a, cases[i].b, 3) == cases[i].distance, "case %zu: %zu", i,
                              edit_distance(cases[i].a, cases[i].b, 3));
                ck_assert_uint_eq(edit_distance(cases[i].b, cases[i].a, 3), cases[i].distance);
        }
}
END_TEST

START_TEST(test_long) {
        char word[200];

        memset(word, 'a', sizeof(word) - 1);
        word[sizeof(word) - 1] = '\0';
        ck_assert_uint_eq(edit_distance(word, word, 2), 3);
        word[31] = '\0';
        ck_assert_uint_eq(edit_distance(word, word, 2), 0);
        ck_assert_uint_eq(edit_distance(word, word + 2, 2), 2);
        ck_assert_uint_eq(edit_distance(word, "b", 2), 3);
}
END_TEST

START_TEST(test_suggest) {
        static const char *const words[] = { "init", "exit", "alloc", "attach", "detach", "devices", "list", "no-pager", "no-legend", NULL };
        static const struct {
                const char *typed, *word;
        } cases[] = {
                { "aloc", "alloc" },
                { "allcoate", NULL },
                { "allo", "alloc" },
                { "dettach", "detach" },
                { "device", "devices" },
                { "dev", "devices" },
                { "de", NULL },     /* two begin so */
                { "no-", NULL },
                { "lsit", "list" },
                { "ls", NULL },     /* as many letters wrong as right */
                { "iit", "init" },
                { "eit", "exit" },
                { "xit", "exit" },
                { "eint", NULL },   /* as near to init as to exit */
                { "frobnicate", NULL },
                { "x", NULL },
                { "", NULL },
                { "INIT", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *word = suggest(words, cases[i].typed);

                ck_assert_msg(cases[i].word ? word && strcmp(word, cases[i].word) == 0 : !word, "'%s': '%s'", cases[i].typed,
                              word ? word : "(none)");
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("ctl-suggest");
        TCase *t = tcase_create("suggest");

        tcase_add_test(t, test_distance);
        tcase_add_test(t, test_long);
        tcase_add_test(t, test_suggest);
        suite_add_tcase(suite, t);
        return suite_run(suite);
}
