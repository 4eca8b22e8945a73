/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl status: the daemon itself.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "row.h"

static int print_status(struct ctl *ctl, const struct pasid_status *status) {
        int r;

        if ((r = ctl_print_field(ctl, "version:", "%s", status->version)) < 0 ||
            (r = ctl_print_field(ctl, "address:", "%s", pasid_client_get_address(ctl->client))) < 0 ||
            (r = ctl_print_field(ctl, "pasids:", "%u", status->pasids)) < 0 ||
            (r = ctl_print_field(ctl, "consumers:", "%u", status->consumers)) < 0 ||
            (r = ctl_print_field(ctl, "boot_id:", "%s", status->boot_id)) < 0 ||
            (r = ctl_print_field(ctl, "table:", "%s", status->table)) < 0 ||
            (r = ctl_print_field(ctl, "restored:", "%u kept, %u detached, %u lost", status->restored_kept,
                                 status->restored_detached, status->restored_lost)) < 0)
                return ctl_write_failed(ctl, r);
        return EXIT_SUCCESS;
}

static int print_json(struct ctl *ctl, const struct pasid_status *status) {
        struct json_object *record = json_record_new();
        struct rows rows;
        int r;

        json_record_text(&record, "version", status->version);
        json_record_text(&record, "address", pasid_client_get_address(ctl->client));
        json_record_number(&record, "pasids", status->pasids);
        json_record_number(&record, "consumers", status->consumers);
        json_record_text(&record, "boot_id", status->boot_id);
        json_record_text(&record, "table", status->table);
        json_record_number(&record, "restored_kept", status->restored_kept);
        json_record_number(&record, "restored_detached", status->restored_detached);
        json_record_number(&record, "restored_lost", status->restored_lost);
        r = rows_begin(&rows, ctl, NULL, 0);
        if (r != EXIT_SUCCESS) {
                json_object_put(record);
                return r;
        }
        return rows_end(&rows, rows_add(&rows, record));
}

static int run_status(struct ctl *ctl, int argc, char **argv) {
        struct pasid_status status = PASID_STATUS_INIT;
        char **args;
        int n, r;

        if (!ctl_arguments(ctl, argc, argv, 0, 0, &args, &n))
                return ctl->status;
        r = ctl_connect(ctl);
        if (r != EXIT_SUCCESS)
                return r;
        r = pasid_get_status(ctl->client, &status);
        if (r < 0)
                return ctl_refused(ctl, r);
        return ctl->json == JSON_OFF ? print_status(ctl, &status) : print_json(ctl, &status);
}

const struct verb verb_status = {
        .name = "status",
        .arguments = "",
        .summary = "Show the daemon's version, table and counts",
        .options = "",
        .notes =
                "\nExample:\n"
                "  pasidctl status\n",
        .run = run_status,
};
