/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl consumers: who uses PASIDs on this host.
 */
#include <stdlib.h>

#include "ctl.h"
#include "row.h"
#include "text.h"

enum {
        COLUMN_NAME,
        COLUMN_UID,
        COLUMN_PASIDS,
        COLUMN_QUOTA,
        COLUMN_MIN,
        COLUMN_MAX,
        COLUMN_HOLD,
        COLUMN_MODE,
        COLUMN_SINCE,
        COLUMN_DEVICES,
};

static const struct table_column columns[] = {
        [COLUMN_NAME] = { "NAME" },
        [COLUMN_UID] = { "UID", .right = true },
        [COLUMN_PASIDS] = { "PASIDS", .right = true },
        [COLUMN_QUOTA] = { "QUOTA", .right = true },
        [COLUMN_MIN] = { "MIN", .right = true },
        [COLUMN_MAX] = { "MAX", .right = true },
        [COLUMN_HOLD] = { "HOLD" },
        [COLUMN_MODE] = { "MODE" },
        [COLUMN_SINCE] = { "SINCE" },
        [COLUMN_DEVICES] = { "DEVICES" },
};

static int consumer_cb(const struct pasid_consumer_info *info, void *userdata) {
        struct rows *rows = userdata;
        _cleanup_free_ char *devices = NULL;

        if (!rows->table)
                return rows_add(rows, consumer_record(info));
        rows->r = text_join(info->devices, " ", &devices);
        if (rows->r < 0)
                return ROWS_STOP;
        table_text(rows->table, COLUMN_NAME, info->name);
        if (info->offered_to == PASID_UID_NONE)
                table_print(rows->table, COLUMN_UID, "%u", info->uid);
        else
                table_print(rows->table, COLUMN_UID, "%u (offered to %u)", info->uid, info->offered_to);
        table_print(rows->table, COLUMN_PASIDS, "%u", info->allocated);
        table_print(rows->table, COLUMN_QUOTA, "%u", info->quota);
        table_print(rows->table, COLUMN_MIN, "%u", info->min);
        table_print(rows->table, COLUMN_MAX, "%u", info->max);
        table_print(rows->table, COLUMN_HOLD, "%s%s", pasid_hold_to_string(info->hold), info->hold_is_watched ? "" : " (unknown)");
        table_text(rows->table, COLUMN_MODE, pasid_mode_to_string(info->mode));
        row_time(rows, COLUMN_SINCE, info->since_usec);
        table_text(rows->table, COLUMN_DEVICES, devices);
        return rows_add(rows, NULL);
}

static int run_consumers(struct ctl *ctl, int argc, char **argv) {
        struct rows rows;
        char **args;
        int n, r;

        if (!ctl_arguments(ctl, argc, argv, 0, 0, &args, &n))
                return ctl->status;
        r = ctl_connect(ctl);
        if (r != EXIT_SUCCESS)
                return r;
        r = rows_begin(&rows, ctl, columns, ELEMENTSOF(columns));
        return r == EXIT_SUCCESS ? rows_end(&rows, pasid_consumer_for_each(ctl->client, consumer_cb, &rows)) : r;
}

const struct verb verb_consumers = {
        .name = "consumers",
        .arguments = "",
        .summary = "List the consumers of the host",
        .options = "",
        .notes =
                "\nExample:\n"
                "  pasidctl consumers --json=short\n",
        .run = run_consumers,
};
