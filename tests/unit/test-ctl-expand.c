/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is replaced in the arguments of a command, and what is left alone.
 */
#include <errno.h>
#include <stdlib.h>

#include "expand.h"
#include "internal/cleanup.h"
#include "suite.h"

static const struct expansion items[] = {
        { "pasid", "17" },
        { "device", "5" },
        { "device:0000:01:00.0", "6" },
        { "empty", "" },
};

START_TEST(replaced) {
        static const struct {
                const char *text, *result;
        } cases[] = {
                { "", "" },
                { "plain", "plain" },
                { "%{pasid}", "17" },
                { "a%{pasid}b%{device}c", "a17b5c" },
                { "%{pasid}%{pasid}", "1717" },
                { "fd=%{device:0000:01:00.0},x", "fd=6,x" },
                { "<%{empty}>", "<>" },
                /* what else has a % in it */
                { "+%H:%M", "+%H:%M" },
                { "%d%%\\n", "%d%%\\n" },
                { "%", "%" },
                { "100%", "100%" },
                { "%%", "%%" },
                { "%%%", "%%%" },
                { "{pasid}", "{pasid}" },
                { "${pasid}", "${pasid}" },
                { "% {pasid}", "% {pasid}" },
                /* of those before a brace two are one */
                { "%%{pasid}", "%{pasid}" },
                { "%%%{pasid}", "%17" },
                { "%%%%{pasid}", "%%{pasid}" },
                { "%%%%%{pasid}", "%%17" },
                { "%%{", "%{" },
                { "%%{a}%{pasid}", "%{a}17" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *result = NULL, *bad = NULL;

                ck_assert_int_eq(expand(cases[i].text, items, ELEMENTSOF(items), &result, &bad), 0);
                ck_assert_str_eq(result, cases[i].result);
                ck_assert_ptr_null(bad);
        }
}
END_TEST

START_TEST(refused) {
        static const struct {
                const char *text;
                int r;
                const char *bad;
        } cases[] = {
                { "%{", -EINVAL, NULL },
                { "%{pasid", -EINVAL, NULL },
                { "a %%%{pasid", -EINVAL, NULL },
                { "x%{}y", -ENOKEY, "%{}" },
                { "%{pasid}%{pasi}", -ENOKEY, "%{pasi}" },
                { "%{pasids}", -ENOKEY, "%{pasids}" },
                { "%{ pasid}", -ENOKEY, "%{ pasid}" },
                { "%{http_code} %{pasid}", -ENOKEY, "%{http_code}" },
                { "%{device:0000:02:00.0}", -ENOKEY, "%{device:0000:02:00.0}" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *bad = NULL;
                char *result = (char *) "untouched";

                ck_assert_msg(expand(cases[i].text, items, ELEMENTSOF(items), &result, &bad) == cases[i].r, "%s", cases[i].text);
                ck_assert_str_eq(result, "untouched");
                if (cases[i].bad)
                        ck_assert_str_eq(bad, cases[i].bad);
                else
                        ck_assert_ptr_null(bad);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("ctl-expand");
        TCase *tc = tcase_create("expand");

        tcase_add_test(tc, replaced);
        tcase_add_test(tc, refused);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
