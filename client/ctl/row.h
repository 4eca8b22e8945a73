/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What verbs print one after the other: the rows of a table or the objects of
 * a JSON array, and a description of a consumer, which two verbs give.
 */
#pragma once

#include <pasid/pasid.h>

#include "ctl.h"
#include "table.h"

/* Handed to the library's callbacks. A callback returns ROWS_STOP once r is set. */
struct rows {
        struct ctl *ctl;
        struct json_stream json;
        struct table *table; /* NULL with --json */
        int r;               /* why the output failed */
};
#define ROWS_STOP 1

/* Starts the pager as well. Returns an exit status. */
int rows_begin(struct rows *rows, struct ctl *ctl, const struct table_column *columns, size_t n_columns);
/* Completes a row; record only with --json. For callbacks: 0 or ROWS_STOP. */
int rows_add(struct rows *rows, struct json_object *record);
/* r: what the library returned. Returns the exit status. */
int rows_end(struct rows *rows, int r);

/* since and state as every verb shows them. */
void row_time(struct rows *rows, size_t column, uint64_t usec);
void row_state(struct rows *rows, size_t column, enum pasid_state state);
void record_time(struct json_object **record, const char *key, uint64_t usec);

struct json_object *consumer_record(const struct pasid_consumer_info *info);
