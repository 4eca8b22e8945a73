/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables: alignment within and across blocks, escaping, colours, and
 * memory that does not grow with the rows.
 */
#include <errno.h>
#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "table.h"

static const struct table_column columns[] = {
        { "PASID", .right = true },
        { "CONSUMER" },
        { "NOTE" },
};

struct output {
        char *text;
        size_t size;
        struct table_options options;
        struct table *table;
};

static void begin(struct output *o, struct table_options options) {
        *o = (struct output) { .options = options };
        o->options.stream = open_memstream(&o->text, &o->size);
        ck_assert_ptr_nonnull(o->options.stream);
        ck_assert_int_eq(table_new(&o->options, columns, ELEMENTSOF(columns), &o->table), 0);
}

static void row(struct output *o, unsigned pasid, const char *consumer, const char *note) {
        table_print(o->table, 0, "%u", pasid);
        table_text(o->table, 1, consumer);
        table_text(o->table, 2, note);
        ck_assert_int_eq(table_next(o->table), 0);
}

static void end(struct output *o, const char *expected) {
        ck_assert_int_eq(table_end(o->table), 0);
        o->table = table_free(o->table);
        ck_assert_int_eq(fclose(o->options.stream), 0);
        ck_assert_str_eq(o->text, expected);
        free(o->text);
}

START_TEST(test_plain) {
        struct output o;

        begin(&o, (struct table_options) { .legend = true });
        row(&o, 7, "vm-1", "a");
        row(&o, 1048575, "a-longer-name", NULL);
        end(&o,
            "  PASID CONSUMER      NOTE\n"
            "      7 vm-1          a\n"
            "1048575 a-longer-name -\n");
}
END_TEST

START_TEST(test_no_legend) {
        struct output o;

        begin(&o, (struct table_options) { .legend = false });
        row(&o, 7, "vm-1", "");
        end(&o, "7 vm-1 -\n");
        begin(&o, (struct table_options) { .legend = true });
        end(&o, "");
}
END_TEST

/* A block keeps the widths of those before it, and widens them if it must; the header comes once. */
START_TEST(test_blocks) {
        struct output o;

        begin(&o, (struct table_options) { .legend = true, .block_rows = 2 });
        row(&o, 100000, "first-name", "a");
        row(&o, 2, "b", "b");
        row(&o, 3, "c", "c");
        row(&o, 4, "d", "d");
        row(&o, 1000000, "e", "e");
        row(&o, 6, "f", "f");
        end(&o,
            " PASID CONSUMER   NOTE\n"
            "100000 first-name a\n"
            "     2 b          b\n"
            "     3 c          c\n"
            "     4 d          d\n"
            "1000000 e          e\n"
            "      6 f          f\n");
}
END_TEST

/* Cells narrower than the header, and of one character: the least widths of the library. */
START_TEST(test_blocks_narrow) {
        struct output o;

        begin(&o, (struct table_options) { .legend = true, .block_rows = 1 });
        row(&o, 1, "a", "a");
        row(&o, 2, "b", "b");
        row(&o, 3, "cccccccccc", "c");
        row(&o, 4, "d", "d");
        end(&o,
            "PASID CONSUMER NOTE\n"
            "    1 a        a\n"
            "    2 b        b\n"
            "    3 cccccccccc c\n"
            "    4 d          d\n");
}
END_TEST

START_TEST(test_escaped) {
        struct output o;

        begin(&o, (struct table_options) { .utf8 = false });
        row(&o, 1, "\x1b]0;owned\x07", "\\x41 gr\xc3\xbcn");
        end(&o, "1 \\x1b]0;owned\\x07 \\x5cx41 gr\\xc3\\xbcn\n");
        if (!setlocale(LC_CTYPE, "C.UTF-8"))
                return;
        begin(&o, (struct table_options) { .utf8 = true });
        row(&o, 1, "gr\xc3\xbcn", "a");
        row(&o, 2, "green", "\xc2\x9b" "1m");
        end(&o,
            "1 gr\xc3\xbcn  a\n"
            "2 green \\xc2\\x9b1m\n");
}
END_TEST

START_TEST(test_colour) {
        struct output o;

        begin(&o, (struct table_options) { .colour = true });
        table_print(o.table, 0, "1");
        table_text(o.table, 1, "x");
        table_colour(o.table, 1, "red");
        table_text(o.table, 2, "y");
        ck_assert_int_eq(table_next(o.table), 0);
        ck_assert_int_eq(table_end(o.table), 0);
        o.table = table_free(o.table);
        ck_assert_int_eq(fclose(o.options.stream), 0);
        ck_assert_ptr_nonnull(strstr(o.text, "1 \033[31mx"));
        ck_assert_ptr_nonnull(strstr(o.text, "\033[0m"));
        free(o.text);
        begin(&o, (struct table_options) { .colour = false });
        table_print(o.table, 0, "1");
        table_text(o.table, 1, "x");
        table_colour(o.table, 1, "red");
        table_text(o.table, 2, "y");
        ck_assert_int_eq(table_next(o.table), 0);
        end(&o, "1 x y\n");
}
END_TEST

START_TEST(test_memory) {
        struct table_options options = { .stream = fopen("/dev/null", "we"), .legend = true };
        struct table *table;
        size_t early = 0;

        ck_assert_int_eq(table_new(&options, columns, ELEMENTSOF(columns), &table), 0);
        for (unsigned i = 0; i < 50000; i++) {
                table_print(table, 0, "%u", i);
                table_text(table, 1, "consumer");
                table_text(table, 2, "note");
                ck_assert_int_eq(table_next(table), 0);
                if (i == 5000)
                        early = mallinfo2().uordblks;
        }
        ck_assert_uint_lt(mallinfo2().uordblks, early + 512 * 1024);
        ck_assert_int_eq(table_end(table), 0);
        table_free(table);
        (void) fclose(options.stream);
}
END_TEST

START_TEST(test_full_disk) {
        struct table_options options = { .stream = fopen("/dev/full", "we"), .block_rows = 1 };
        struct table *table;
        int r = 0;

        ck_assert_int_eq(table_new(&options, columns, ELEMENTSOF(columns), &table), 0);
        for (unsigned i = 0; i < 10000 && r == 0; i++) {
                table_print(table, 0, "%u", i);
                table_text(table, 1, "consumer");
                table_text(table, 2, "note");
                r = table_next(table);
        }
        ck_assert_int_eq(r, -ENOSPC);
        ck_assert_int_eq(table_end(table), -ENOSPC);
        table_free(table);
        (void) fclose(options.stream);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("ctl-table");
        TCase *t = tcase_create("table");

        tcase_add_test(t, test_plain);
        tcase_add_test(t, test_no_legend);
        tcase_add_test(t, test_blocks);
        tcase_add_test(t, test_blocks_narrow);
        tcase_add_test(t, test_escaped);
        tcase_add_test(t, test_colour);
        tcase_add_test(t, test_memory);
        tcase_add_test(t, test_full_disk);
        suite_add_tcase(suite, t);
        return suite_run(suite);
}
