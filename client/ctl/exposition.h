/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What monitoring systems read: OpenMetrics 1.0, or the older text format of
 * Prometheus, which is all that node_exporter's textfile collector knows.
 */
#pragma once

#include <pasid/pasid.h>
#include <stdbool.h>
#include <stdio.h>

struct exposition {
        FILE *stream;
        bool is_prometheus;
        char *head; /* what the last # TYPE was of */
};

/* Those of a family together. 0, -ENOMEM, or why the stream could not be written. */
int exposition_add(struct exposition *e, const struct pasid_metric *metric);
int exposition_end(struct exposition *e);
void exposition_done(struct exposition *e);
