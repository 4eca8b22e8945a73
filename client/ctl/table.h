/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables for people, aligned by libsmartcols and printed in blocks of rows, so
 * that any number of rows needs the memory of one block. Columns are as wide
 * as the blocks so far needed: they may grow on the way, never shrink.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "internal/cleanup.h"

struct table_column {
        const char *name;
        bool right; /* numbers */
};

struct table_options {
        FILE *stream;
        bool legend; /* print the names of the columns */
        bool colour;
        bool utf8;
        size_t block_rows; /* 0: the default */
};

struct table;

struct table *table_free(struct table *t);
DEFINE_CLEANUP(struct table *, table_free);
int table_new(const struct table_options *options, const struct table_column *columns, size_t n_columns, struct table **ret);

/* The first failure stays: table_next() and table_end() report it. */
void table_text(struct table *t, size_t column, const char *text); /* untrusted; NULL or empty: "-" */
void table_print(struct table *t, size_t column, const char *format, ...) _printf_(3, 4);
void table_colour(struct table *t, size_t column, const char *colour); /* of libsmartcols; NULL: none */
/* The row is complete. 0, -ENOMEM, or why the stream could not be written. */
int table_next(struct table *t);
/* Prints what is left. */
int table_end(struct table *t);
