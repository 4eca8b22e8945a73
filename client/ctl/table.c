/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libsmartcols computes widths over the lines it has, so each block hands the
 * widths it came to on to the next as the least ones.
 */
#include "table.h"

#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define BLOCK_ROWS 512U
#define HEADER_COLOUR "\033[4m"

struct table {
        struct table_options options;
        struct libscols_table *scols; /* the block being filled */
        struct libscols_line *line;   /* the row being filled; the library's */
        size_t n_columns;
        size_t n_blocks; /* printed */
        int r;           /* the first failure */
        struct {
                struct table_column spec;
                size_t width; /* of the blocks so far */
        } columns[];
};

struct table *table_free(struct table *t) {
        if (!t)
                return NULL;
        scols_unref_table(t->scols);
        free(t);
        return NULL;
}

/*
 * A width hint binds only columns with SCOLS_FL_STRICTWIDTH, and those only if
 * the header is narrower: so blocks after the first have no names. Without a
 * legend there are none either, as they would count for widths (until 2.40).
 */
static int add_column(struct table *t, size_t i) {
        const struct table_column *spec = &t->columns[i].spec;
        bool first = t->n_blocks == 0, named = first && t->options.legend;
        int flags = (spec->right ? SCOLS_FL_RIGHT : 0) | (first ? 0 : SCOLS_FL_STRICTWIDTH);
        struct libscols_column *column;

        column = scols_table_new_column(t->scols, named ? spec->name : "", (double) t->columns[i].width, flags);
        if (!column)
                return -ENOMEM;
        if (t->options.colour && scols_cell_set_color(scols_column_get_header(column), HEADER_COLOUR) < 0)
                return -ENOMEM;
        return 0;
}

static int begin_block(struct table *t) {
        const struct table_options *options = &t->options;

        scols_unref_table(t->scols);
        t->scols = scols_new_table();
        if (!t->scols)
                return -ENOMEM;
        for (size_t i = 0; i < t->n_columns; i++) {
                int r = add_column(t, i);

                if (r < 0)
                        return r;
        }
        (void) scols_table_set_stream(t->scols, options->stream);
        (void) scols_table_enable_noheadings(t->scols, !options->legend || t->n_blocks > 0);
        (void) scols_table_enable_colors(t->scols, options->colour);
        /* The cells are escaped here already; a second time would show backslashes. */
        (void) scols_table_enable_noencoding(t->scols, 1);
        /* Nothing is cut to fit a terminal: the pager can scroll, and what is cut can't be copied. */
        (void) scols_table_set_termforce(t->scols, SCOLS_TERMFORCE_NEVER);
        return 0;
}

int table_new(const struct table_options *options, const struct table_column *columns, size_t n_columns, struct table **ret) {
        _cleanup_(table_freep) struct table *t = calloc(1, sizeof(*t) + n_columns * sizeof(t->columns[0]));
        int r;

        if (!t)
                return -ENOMEM;
        t->options = *options;
        if (t->options.block_rows == 0)
                t->options.block_rows = BLOCK_ROWS;
        t->n_columns = n_columns;
        for (size_t i = 0; i < n_columns; i++)
                t->columns[i].spec = columns[i];
        r = begin_block(t);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

static struct libscols_line *current_line(struct table *t) {
        if (t->r == 0 && !t->line) {
                t->line = scols_table_new_line(t->scols, NULL);
                if (!t->line)
                        t->r = -ENOMEM;
        }
        return t->r == 0 ? t->line : NULL;
}

/* Takes data over. */
static void set_cell(struct table *t, size_t column, char *data) {
        struct libscols_line *line = current_line(t);

        if (!data)
                t->r = t->r ?: -ENOMEM;
        if (!line || !data || scols_line_refer_data(line, column, data) < 0) {
                free(data);
                t->r = t->r ?: -ENOMEM;
        }
}

void table_text(struct table *t, size_t column, const char *text) {
        if (!text || text[0] == '\0')
                text = "-";
        set_cell(t, column, text_escape(text, strlen(text), t->options.utf8));
}

void table_print(struct table *t, size_t column, const char *format, ...) {
        char *text;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        set_cell(t, column, n < 0 ? NULL : text);
}

void table_colour(struct table *t, size_t column, const char *colour) {
        struct libscols_line *line = current_line(t);

        if (colour && line && scols_cell_set_color(scols_line_get_cell(line, column), colour) < 0)
                t->r = -ENOMEM;
}

static int print_block(struct table *t) {
        if (t->r < 0 || scols_table_get_nlines(t->scols) == 0)
                return t->r;
        errno = 0;
        if (scols_print_table(t->scols) != 0)
                t->r = -(errno ?: ENOMEM);
        else if (ferror(t->options.stream))
                t->r = -(errno ?: EIO);
        for (size_t i = 0; i < t->n_columns; i++)
                t->columns[i].width = scols_column_get_width(scols_table_get_column(t->scols, i));
        t->n_blocks++;
        t->line = NULL;
        if (t->r == 0)
                t->r = begin_block(t);
        return t->r;
}

int table_next(struct table *t) {
        t->line = NULL;
        return t->r == 0 && scols_table_get_nlines(t->scols) >= t->options.block_rows ? print_block(t) : t->r;
}

int table_end(struct table *t) {
        return print_block(t);
}
