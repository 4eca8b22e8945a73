/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metrics as text. The daemon says of each number what it is; here it only gets
 * its form.
 */
#include "exposition.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE_MAX 9007199254740992.0 /* 2^53 */

/* In label values " too; OpenMetrics escapes it in help as well, Prometheus does not. */
static void print_escaped(FILE *stream, const char *text, bool is_quoted) {
        for (; *text; text++)
                switch (*text) {
                case '\\':
                        (void) fputs("\\\\", stream);
                        break;
                case '\n':
                        (void) fputs("\\n", stream);
                        break;
                case '"':
                        (void) fputs(is_quoted ? "\\\"" : "\"", stream);
                        break;
                default:
                        (void) fputc(*text, stream);
                }
}

/* Whole numbers as such, up to where a double has them all. */
static void print_value(FILE *stream, double value) {
        if (__builtin_isnan(value))
                (void) fputs("NaN", stream);
        else if (__builtin_isinf(value))
                (void) fputs(value > 0 ? "+Inf" : "-Inf", stream);
        else if (value > -WHOLE_MAX && value < WHOLE_MAX && value == (double) (int64_t) value)
                (void) fprintf(stream, "%lld", (long long) value);
        else
                (void) fprintf(stream, "%.17g", value);
}

/* Prometheus names what the samples are called, and has no info; a histogram's samples are the family's in both. */
static int print_head(struct exposition *e, const struct pasid_metric *metric) {
        bool is_info = strcmp(metric->type, "info") == 0;
        const char *suffix = e->is_prometheus && (is_info || strcmp(metric->type, "counter") == 0) ? metric->suffix : "";
        char *head;

        if (asprintf(&head, "%s%s", metric->family, suffix) < 0)
                return -ENOMEM;
        if (e->head && strcmp(e->head, head) == 0) {
                free(head);
                return 0;
        }
        free(e->head);
        e->head = head;
        (void) fprintf(e->stream, "# HELP %s ", head);
        print_escaped(e->stream, metric->help, !e->is_prometheus);
        (void) fprintf(e->stream, "\n# TYPE %s %s\n", head, e->is_prometheus && is_info ? "gauge" : metric->type);
        return 0;
}

int exposition_add(struct exposition *e, const struct pasid_metric *metric) {
        int r;

        errno = 0;
        r = print_head(e, metric);
        if (r < 0)
                return r;
        (void) fprintf(e->stream, "%s%s", metric->family, metric->suffix);
        for (size_t i = 0; metric->labels[i]; i += 2) {
                (void) fprintf(e->stream, "%s%s=\"", i == 0 ? "{" : ",", metric->labels[i]);
                print_escaped(e->stream, metric->labels[i + 1], true);
                (void) fputs(metric->labels[i + 2] ? "\"" : "\"}", e->stream);
        }
        (void) fputc(' ', e->stream);
        print_value(e->stream, metric->value);
        (void) fputc('\n', e->stream);
        return ferror(e->stream) ? -(errno ?: EIO) : 0;
}

int exposition_end(struct exposition *e) {
        errno = 0;
        if ((!e->is_prometheus && fputs("# EOF\n", e->stream) < 0) || fflush(e->stream) != 0)
                return -(errno ?: EIO);
        return 0;
}

void exposition_done(struct exposition *e) {
        free(e->head);
        e->head = NULL;
}
