/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl check: where pasidd's table and the kernel differ, and whether
 * pasidd is well.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "row.h"
#include "text.h"

struct check {
        struct ctl *ctl;
        struct rows rows; /* of JSON */
        size_t n_findings, n_faults, n_skipped;
        int r; /* why the output failed */
};

static struct json_object *finding_record(const struct pasid_finding *finding) {
        struct json_object *record = json_record_new();

        json_record_text(&record, "kind", pasid_finding_type_to_string(finding->type));
        json_record_text(&record, "device", finding->device);
        json_record_text(&record, "consumer", finding->consumer);
        if (finding->consumer)
                json_record_number(&record, "uid", finding->uid);
        else
                json_record_null(&record, "uid");
        if (finding->pasid > 0)
                json_record_number(&record, "pasid", finding->pasid);
        else
                json_record_null(&record, "pasid");
        json_record_text(&record, "text", finding->text);
        return record;
}

static int print_line(const struct check *check, const struct pasid_finding *finding) {
        _cleanup_free_ char *text = text_escape(finding->text, strlen(finding->text), check->ctl->utf8), *device = NULL;

        if (!text)
                return -ENOMEM;
        /* The sentence of a finding names all that it is about. */
        if (finding->type != PASID_FINDING_SKIPPED)
                return printf("%s: %s\n", pasid_finding_type_to_string(finding->type), text) < 0 ? -(errno ?: EIO) : 0;
        device = text_escape(finding->device, strlen(finding->device), check->ctl->utf8);
        if (!device)
                return -ENOMEM;
        return printf("skipped: %s: %s\n", device, text) < 0 ? -(errno ?: EIO) : 0;
}

static int finding_cb(const struct pasid_finding *finding, void *userdata) {
        struct check *check = userdata;

        if (finding->type == PASID_FINDING_SKIPPED)
                check->n_skipped++;
        else if (finding->type == PASID_FINDING_NOT_HEALTHY)
                check->n_faults++;
        else
                check->n_findings++;
        if (check->ctl->json != JSON_OFF)
                return rows_add(&check->rows, finding_record(finding));
        errno = 0;
        check->r = print_line(check, finding);
        return check->r < 0 ? ROWS_STOP : 0;
}

static const char *what_agrees(const struct check *check) {
        return check->n_skipped > 0 ? "what could be looked at" : "the kernel";
}

/* The last line is one for people, as the heading of a table is. */
static int verdict(struct ctl *ctl, const struct check *check) {
        int r = EXIT_SUCCESS;

        errno = 0;
        if (fflush(stdout) != 0 || ferror(stdout))
                r = ctl_write_failed(ctl, -(errno ?: EIO));
        if (r != EXIT_SUCCESS)
                return r;
        if (check->n_findings > 0)
                return ctl_fail(ctl, "There %s %zu difference%s between pasidd's table and the kernel; "
                                "pasidctl(1) has what each kind means.", check->n_findings == 1 ? "is" : "are",
                                check->n_findings, check->n_findings == 1 ? "" : "s");
        if (check->n_faults > 0)
                return ctl_fail(ctl, "pasidd is not healthy, though its table agrees with %s; its log may tell more.",
                                what_agrees(check));
        if (ctl->json != JSON_OFF || !ctl->legend)
                return EXIT_SUCCESS;
        if (printf("pasidd's table agrees with %s.\n", what_agrees(check)) < 0)
                return ctl_write_failed(ctl, -(errno ?: EIO));
        return EXIT_SUCCESS;
}

static int run_check(struct ctl *ctl, int argc, char **argv) {
        struct check check = { .ctl = ctl };
        char **args;
        int n, r;

        if (!ctl_arguments(ctl, argc, argv, 0, 0, &args, &n))
                return ctl->status;
        r = ctl_connect(ctl);
        if (r != EXIT_SUCCESS)
                return r;
        if (ctl->json == JSON_OFF)
                ctl_output(ctl);
        else {
                r = rows_begin(&check.rows, ctl, NULL, 0);
                if (r != EXIT_SUCCESS)
                        return r;
        }
        r = pasid_check(ctl->client, finding_cb, &check);
        if (ctl->json != JSON_OFF)
                r = rows_end(&check.rows, r);
        else if (check.r < 0)
                r = ctl_write_failed(ctl, check.r);
        else
                r = r < 0 ? ctl_refused(ctl, r) : EXIT_SUCCESS;
        return r == EXIT_SUCCESS ? verdict(ctl, &check) : r;
}

const struct verb verb_check = {
        .name = "check",
        .arguments = "",
        .summary = "Compare pasidd's table with the kernel; 1 if they differ",
        .options = "",
        .notes =
                "For root. Prints a line for each difference or fault, and one that begins with\n"
                "skipped for each device that could not be looked at. The IOMMU's own tables can\n"
                "be seen only where the kernel shows them in debugfs.\n"
                "\nExample:\n"
                "  pasidctl check\n",
        .run = run_check,
};
