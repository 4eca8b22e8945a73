/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl metrics: what the daemon measures, as monitoring systems read it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "exposition.h"
#include "row.h"

enum { OPT_FORMAT = OPT_OWN };

struct metrics {
        struct rows rows; /* of JSON */
        struct ctl *ctl;
        struct exposition exposition;
        int r; /* why the output failed */
};

static struct json_object *metric_record(const struct pasid_metric *metric) {
        struct json_object *record = json_record_new(), *labels = json_record_new();
        _cleanup_free_ char *name = NULL;

        if (!record || !labels || asprintf(&name, "%s%s", metric->family, metric->suffix) < 0) {
                json_object_put(record);
                json_object_put(labels);
                name = NULL;
                return NULL;
        }
        for (size_t i = 0; metric->labels[i]; i += 2)
                json_record_text(&labels, metric->labels[i], metric->labels[i + 1]);
        json_record_text(&record, "name", name);
        json_record_text(&record, "type", metric->type);
        json_record_object(&record, "labels", labels);
        json_record_double(&record, "value", metric->value);
        return record;
}

static int metric_cb(const struct pasid_metric *metric, void *userdata) {
        struct metrics *metrics = userdata;

        if (metrics->ctl->json != JSON_OFF)
                return rows_add(&metrics->rows, metric_record(metric));
        metrics->r = exposition_add(&metrics->exposition, metric);
        return metrics->r < 0 ? ROWS_STOP : 0;
}

static int print_all(struct metrics *metrics) {
        struct ctl *ctl = metrics->ctl;
        int r;

        if (ctl->json != JSON_OFF) {
                r = rows_begin(&metrics->rows, ctl, NULL, 0);
                return r == EXIT_SUCCESS ? rows_end(&metrics->rows, pasid_metric_for_each(ctl->client, metric_cb, metrics)) : r;
        }
        r = pasid_metric_for_each(ctl->client, metric_cb, metrics);
        if (metrics->r < 0)
                return ctl_write_failed(ctl, metrics->r);
        if (r < 0)
                return ctl_refused(ctl, r);
        r = exposition_end(&metrics->exposition);
        return r < 0 ? ctl_write_failed(ctl, r) : EXIT_SUCCESS;
}

static int run_metrics(struct ctl *ctl, int argc, char **argv) {
        static const struct option options[] = {
                { "format", required_argument, NULL, OPT_FORMAT },
                COMMON_OPTIONS
        };
        struct metrics metrics = { .ctl = ctl, .exposition = { .stream = stdout } };
        char **args;
        int c, n, r;

        while ((c = ctl_getopt(ctl, argc, argv, ":h", options)) != -1) {
                if (c != OPT_FORMAT)
                        return ctl->status;
                metrics.exposition.is_prometheus = strcmp(optarg, "prometheus") == 0;
                if (!metrics.exposition.is_prometheus && strcmp(optarg, "openmetrics") != 0)
                        return ctl_usage(ctl, "--format takes openmetrics or prometheus, not \"%s\".", optarg);
        }
        if (!ctl_arguments(ctl, argc, argv, 0, 0, &args, &n))
                return ctl->status;
        r = ctl_connect(ctl);
        if (r == EXIT_SUCCESS)
                r = print_all(&metrics);
        exposition_done(&metrics.exposition);
        return r;
}

const struct verb verb_metrics = {
        .name = "metrics",
        .arguments = "",
        .summary = "Print what the daemon measures, for monitoring systems",
        .options =
                "  --format=FORMAT     openmetrics (the default), or prometheus: the older text\n"
                "                      format, which node_exporter's textfile collector reads\n",
        .notes =
                "For root and members of the daemon's group.\n"
                "\nExample:\n"
                "  pasidctl metrics | grep pasidd_free_numbers\n",
        .run = run_metrics,
};
