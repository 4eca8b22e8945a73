/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl list: the PASIDs of a consumer or of the whole host, printed as the
 * library brings them.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "row.h"

enum {
        OPT_STATE = OPT_OWN,
};

enum {
        COLUMN_PASID,
        COLUMN_CONSUMER,
        COLUMN_UID,
        COLUMN_STATE,
        COLUMN_SINCE,
        COLUMN_PRIVATE,
};

static const struct table_column columns[] = {
        [COLUMN_PASID] = { "PASID", .right = true },
        [COLUMN_CONSUMER] = { "CONSUMER" },
        [COLUMN_UID] = { "UID", .right = true },
        [COLUMN_STATE] = { "STATE" },
        [COLUMN_SINCE] = { "SINCE" },
        [COLUMN_PRIVATE] = { "PRIVATE", .right = true },
};

struct list {
        struct rows rows;
        const char *state; /* NULL: any */
};

static int list_cb(const struct pasid_info *info, void *userdata) {
        struct list *list = userdata;
        struct rows *rows = &list->rows;
        struct json_object *record = NULL;
        const char *state = pasid_state_to_string(info->state);

        if (list->state && strcmp(list->state, state ?: "") != 0)
                return 0;
        if (rows->table) {
                table_print(rows->table, COLUMN_PASID, "%u", info->pasid);
                table_text(rows->table, COLUMN_CONSUMER, info->consumer);
                table_print(rows->table, COLUMN_UID, "%u", info->uid);
                row_state(rows, COLUMN_STATE, info->state);
                row_time(rows, COLUMN_SINCE, info->since_usec);
                table_print(rows->table, COLUMN_PRIVATE, "%u", info->private_bytes);
        } else {
                record = json_record_new();
                json_record_number(&record, "pasid", info->pasid);
                json_record_text(&record, "consumer", info->consumer);
                json_record_number(&record, "uid", info->uid);
                json_record_text(&record, "state", state);
                record_time(&record, "since", info->since_usec);
                json_record_number(&record, "private_bytes", info->private_bytes);
        }
        return rows_add(rows, record);
}

static bool is_state(const char *s) {
        for (int state = PASID_STATE_ALLOCATED; state <= PASID_STATE_LOST; state++)
                if (strcmp(pasid_state_to_string((enum pasid_state) state), s) == 0)
                        return true;
        return false;
}

static int run_list(struct ctl *ctl, int argc, char **argv) {
        static const struct option options[] = {
                { "state", required_argument, NULL, OPT_STATE },
                COMMON_OPTIONS
        };
        _cleanup_(pasid_consumer_freep) struct pasid_consumer *consumer = NULL;
        struct list list = {};
        const char *state = NULL;
        char **args;
        int c, n, r;

        while ((c = ctl_getopt(ctl, argc, argv, ":h", options)) != -1) {
                if (c != OPT_STATE)
                        return ctl->status;
                if (!is_state(optarg))
                        return ctl_usage(ctl, "--state takes allocated, attached, cooling, reserved or lost, "
                                         "not \"%s\".", optarg);
                state = optarg;
        }
        if (!ctl_arguments(ctl, argc, argv, 0, 1, &args, &n))
                return ctl->status;
        r = n > 0 ? ctl_get_consumer(ctl, args[0], &consumer) : ctl_connect(ctl);
        if (r != EXIT_SUCCESS)
                return r;
        r = rows_begin(&list.rows, ctl, columns, ELEMENTSOF(columns));
        if (r != EXIT_SUCCESS)
                return r;
        list.state = state;
        r = consumer ? pasid_for_each(consumer, list_cb, &list) : pasid_client_for_each(ctl->client, list_cb, &list);
        return rows_end(&list.rows, r);
}

const struct verb verb_list = {
        .name = "list",
        .arguments = "[NAME|UID:NAME]",
        .summary = "List the PASIDs of a consumer, or of all of them",
        .options =
                "  --state=STATE       only those that are allocated, attached, cooling, reserved\n"
                "                      or lost\n",
        .notes =
                "PRIVATE is the size of the data kept with a PASID; others' is not shown (0).\n"
                "\nExample:\n"
                "  pasidctl list vm-1 --json=pretty\n",
        .run = run_list,
};
