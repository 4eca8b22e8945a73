/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metrics as text: what has to be escaped, how numbers look, and where the two
 * formats differ.
 */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "exposition.h"
#include "suite.h"

#define LABELS(...) (const char *const[]) { __VA_ARGS__, NULL }

static const struct pasid_metric metrics[] = {
        { .family = "a", .type = "info", .help = "Says \"a\\b\"\nand more.", .suffix = "_info", .labels = LABELS("version", "1\\2\"3\n4"), .value = 1 },
        { .family = "b", .type = "counter", .help = "B.", .suffix = "_total", .labels = LABELS("x", "1", "y", ""), .value = 9007199254740991.0 },
        { .family = "b", .type = "counter", .help = "B.", .suffix = "_total", .labels = LABELS("x", "2", "y", "z"), .value = 0 },
        { .family = "c", .type = "gauge", .help = "C.", .suffix = "", .labels = LABELS(NULL), .value = -1.5 },
        { .family = "d", .type = "histogram", .help = "D.", .suffix = "_bucket", .labels = LABELS("le", "+Inf"), .value = 2 },
        { .family = "d", .type = "histogram", .help = "D.", .suffix = "_count", .labels = LABELS(NULL), .value = 2 },
        { .family = "d", .type = "histogram", .help = "D.", .suffix = "_sum", .labels = LABELS(NULL), .value = 0.25 },
};

static void expect(bool is_prometheus, const char *text) {
        struct exposition e = { .is_prometheus = is_prometheus };
        char *written = NULL;
        size_t size = 0;

        e.stream = open_memstream(&written, &size);
        ck_assert_ptr_nonnull(e.stream);
        for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
                ck_assert_int_eq(exposition_add(&e, &metrics[i]), 0);
        ck_assert_int_eq(exposition_end(&e), 0);
        ck_assert_int_eq(fclose(e.stream), 0);
        ck_assert_str_eq(written, text);
        exposition_done(&e);
        free(written);
}

START_TEST(openmetrics) {
        expect(false,
               "# HELP a Says \\\"a\\\\b\\\"\\nand more.\n# TYPE a info\na_info{version=\"1\\\\2\\\"3\\n4\"} 1\n"
               "# HELP b B.\n# TYPE b counter\nb_total{x=\"1\",y=\"\"} 9007199254740991\nb_total{x=\"2\",y=\"z\"} 0\n"
               "# HELP c C.\n# TYPE c gauge\nc -1.5\n"
               "# HELP d D.\n# TYPE d histogram\nd_bucket{le=\"+Inf\"} 2\nd_count 2\nd_sum 0.25\n"
               "# EOF\n");
}
END_TEST

/* Its names are those of the samples, its help has quotation marks as they are, and it knows no info. */
START_TEST(prometheus) {
        expect(true,
               "# HELP a_info Says \"a\\\\b\"\\nand more.\n# TYPE a_info gauge\na_info{version=\"1\\\\2\\\"3\\n4\"} 1\n"
               "# HELP b_total B.\n# TYPE b_total counter\nb_total{x=\"1\",y=\"\"} 9007199254740991\nb_total{x=\"2\",y=\"z\"} 0\n"
               "# HELP c C.\n# TYPE c gauge\nc -1.5\n"
               "# HELP d D.\n# TYPE d histogram\nd_bucket{le=\"+Inf\"} 2\nd_count 2\nd_sum 0.25\n");
}
END_TEST

START_TEST(numbers) {
        static const struct {
                double value;
                const char *text;
        } cases[] = {
                { INFINITY, "n +Inf\n" }, { -INFINITY, "n -Inf\n" }, { NAN, "n NaN\n" }, { 1e300, "n 1.0000000000000001e+300\n" },
                { 0.1, "n 0.10000000000000001\n" }, { -3, "n -3\n" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct pasid_metric metric = { .family = "n", .type = "gauge", .help = "", .suffix = "", .labels = LABELS(NULL),
                                               .value = cases[i].value };
                struct exposition e = {};
                char *written = NULL;
                size_t size = 0;

                e.stream = open_memstream(&written, &size);
                ck_assert_int_eq(exposition_add(&e, &metric), 0);
                ck_assert_int_eq(fclose(e.stream), 0);
                ck_assert_str_eq(written + sizeof("# HELP n \n# TYPE n gauge\n") - 1, cases[i].text);
                exposition_done(&e);
                free(written);
        }
}
END_TEST

START_TEST(full_disk) {
        struct exposition e = { .stream = fopen("/dev/full", "we") };

        ck_assert_ptr_nonnull(e.stream);
        (void) exposition_add(&e, &metrics[0]);
        ck_assert_int_eq(exposition_end(&e), -ENOSPC);
        exposition_done(&e);
        (void) fclose(e.stream);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("ctl-exposition");
        TCase *tc = tcase_create("exposition");

        tcase_add_test(tc, openmetrics);
        tcase_add_test(tc, prometheus);
        tcase_add_test(tc, numbers);
        tcase_add_test(tc, full_disk);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
