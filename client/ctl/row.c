/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows on their way out, as a table or as JSON.
 */
#include "row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"

int rows_begin(struct rows *rows, struct ctl *ctl, const struct table_column *columns, size_t n_columns) {
        int r = 0;

        *rows = (struct rows) { .ctl = ctl, .json = { .stream = stdout, .mode = ctl->json } };
        if (ctl->json == JSON_OFF) {
                const struct table_options options = {
                        .stream = stdout,
                        .legend = ctl->legend,
                        .colour = ctl->colour,
                        .utf8 = ctl->utf8,
                };

                r = table_new(&options, columns, n_columns, &rows->table);
        }
        if (r < 0)
                return ctl_fail(ctl, "%s.", strerror(-r));
        ctl_output(ctl);
        return EXIT_SUCCESS;
}

int rows_add(struct rows *rows, struct json_object *record) {
        rows->r = rows->table ? table_next(rows->table) : json_stream_add(&rows->json, record);
        return rows->r < 0 ? ROWS_STOP : 0;
}

int rows_end(struct rows *rows, int r) {
        if (rows->r == 0)
                rows->r = rows->table ? table_end(rows->table) : r < 0 ? 0 : json_stream_end(&rows->json);
        rows->table = table_free(rows->table);
        if (rows->r < 0)
                return ctl_write_failed(rows->ctl, rows->r);
        return r < 0 ? ctl_refused(rows->ctl, r) : EXIT_SUCCESS;
}

void row_time(struct rows *rows, size_t column, uint64_t usec) {
        char text[TIME_TEXT_MAX];

        table_print(rows->table, column, "%s", format_time(usec, TIME_PEOPLE, text));
}

void row_state(struct rows *rows, size_t column, enum pasid_state state) {
        static const char *const colours[] = {
                [PASID_STATE_ATTACHED] = "green",
                [PASID_STATE_COOLING] = "cyan",
                [PASID_STATE_RESERVED] = "yellow",
                [PASID_STATE_LOST] = "red",
        };

        table_text(rows->table, column, pasid_state_to_string(state));
        if ((size_t) state < ELEMENTSOF(colours))
                table_colour(rows->table, column, colours[state]);
}

void record_time(struct json_object **record, const char *key, uint64_t usec) {
        char text[TIME_TEXT_MAX];

        json_record_text(record, key, format_time(usec, TIME_PROGRAMS, text));
}

struct json_object *consumer_record(const struct pasid_consumer_info *info) {
        struct json_object *record = json_record_new();

        json_record_text(&record, "name", info->name);
        json_record_number(&record, "uid", info->uid);
        json_record_texts(&record, "devices", info->devices);
        json_record_number(&record, "min", info->min);
        json_record_number(&record, "max", info->max);
        json_record_number(&record, "quota", info->quota);
        json_record_number(&record, "allocated", info->allocated);
        json_record_text(&record, "hold", pasid_hold_to_string(info->hold));
        json_record_text(&record, "hold_state", info->hold_is_watched ? "watched" : "unknown");
        json_record_text(&record, "mode", pasid_mode_to_string(info->mode));
        record_time(&record, "since", info->since_usec);
        json_record_number(&record, "pinned_bytes", info->pinned_bytes);
        if (info->offered_to == PASID_UID_NONE)
                json_record_null(&record, "offered_to");
        else
                json_record_number(&record, "offered_to", info->offered_to);
        return record;
}
