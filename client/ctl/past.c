/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Past holders of a PASID, a row each.
 */
#include "past.h"

#include <stdio.h>
#include <stdlib.h>

#include "row.h"
#include "text.h"

enum {
        COLUMN_CONSUMER,
        COLUMN_UID,
        COLUMN_SINCE,
        COLUMN_UNTIL,
        COLUMN_REASON,
        COLUMN_DEVICES,
};

static const struct table_column columns[] = {
        [COLUMN_CONSUMER] = { "CONSUMER" },
        [COLUMN_UID] = { "UID", .right = true },
        [COLUMN_SINCE] = { "SINCE" },
        [COLUMN_UNTIL] = { "UNTIL" },
        [COLUMN_REASON] = { "REASON" },
        [COLUMN_DEVICES] = { "DEVICES" },
};

struct past {
        struct rows rows;
        uint32_t pasid;
        bool is_any;
};

static struct json_object *past_record(const struct past *past, const struct pasid_past_holder *holder) {
        struct json_object *record = json_record_new();

        json_record_number(&record, "pasid", past->pasid);
        json_record_text(&record, "consumer", holder->consumer);
        json_record_number(&record, "uid", holder->uid);
        record_time(&record, "since", holder->since_usec);
        record_time(&record, "until", holder->until_usec);
        json_record_text(&record, "reason", holder->reason);
        json_record_texts(&record, "devices", holder->devices);
        return record;
}

static int past_cb(const struct pasid_past_holder *holder, void *userdata) {
        _cleanup_free_ char *devices = NULL;
        struct past *past = userdata;
        struct rows *rows = &past->rows;

        past->is_any = true;
        if (!rows->table)
                return rows_add(rows, past_record(past, holder));
        rows->r = text_join(holder->devices, " ", &devices);
        if (rows->r < 0)
                return ROWS_STOP;
        table_text(rows->table, COLUMN_CONSUMER, holder->consumer);
        table_print(rows->table, COLUMN_UID, "%u", holder->uid);
        row_time(rows, COLUMN_SINCE, holder->since_usec);
        row_time(rows, COLUMN_UNTIL, holder->until_usec);
        table_text(rows->table, COLUMN_REASON, holder->reason);
        table_text(rows->table, COLUMN_DEVICES, devices);
        return rows_add(rows, NULL);
}

int find_history(struct ctl *ctl, uint32_t pasid) {
        struct past past = { .pasid = pasid };
        int r;

        r = ctl_connect(ctl);
        if (r != EXIT_SUCCESS)
                return r;
        r = rows_begin(&past.rows, ctl, columns, ELEMENTSOF(columns));
        if (r == EXIT_SUCCESS)
                r = rows_end(&past.rows, pasid_history(ctl->client, pasid, past_cb, &past));
        if (r == EXIT_SUCCESS && !past.is_any && ctl->json == JSON_OFF && ctl->legend)
                printf("Nobody is known to have had PASID %u before.\n", pasid);
        return r;
}
