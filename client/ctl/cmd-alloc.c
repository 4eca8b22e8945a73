/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl alloc: numbers that nobody learns of would be lost until the
 * consumer ends, so they are freed again if they can't be printed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "ctl.h"
#include "row.h"

enum {
        OPT_MIN = OPT_OWN,
        OPT_MAX,
        OPT_COUNT,
        OPT_CONTIGUOUS,
        OPT_ALIGN,
        OPT_PRIVATE,
        OPT_TOKEN,
        OPT_ATTACH,
};

struct alloc_arguments {
        struct pasid_alloc_options options;
        bool many; /* an option that pasid_alloc() doesn't know */
        bool attach;
        uint32_t count, min, max;
        const char *private_text;
};

static int parse_options(struct ctl *ctl, int argc, char **argv, struct alloc_arguments *a) {
        static const struct option options[] = {
                { "min", required_argument, NULL, OPT_MIN },
                { "max", required_argument, NULL, OPT_MAX },
                { "count", required_argument, NULL, OPT_COUNT },
                { "contiguous", no_argument, NULL, OPT_CONTIGUOUS },
                { "align", required_argument, NULL, OPT_ALIGN },
                { "private", required_argument, NULL, OPT_PRIVATE },
                { "token", required_argument, NULL, OPT_TOKEN },
                { "attach", no_argument, NULL, OPT_ATTACH },
                COMMON_OPTIONS
        };
        bool has_min = false, has_max = false;
        int c, status = EXIT_SUCCESS;

        while (status == EXIT_SUCCESS && (c = ctl_getopt(ctl, argc, argv, ":h", options)) != -1)
                switch (c) {
                case OPT_MIN:
                        status = ctl_positive(ctl, "min", optarg, &a->min);
                        has_min = true;
                        break;
                case OPT_MAX:
                        status = ctl_positive(ctl, "max", optarg, &a->max);
                        has_max = true;
                        break;
                case OPT_COUNT:
                        status = ctl_number(ctl, "count", optarg, &a->count);
                        a->many = true;
                        break;
                case OPT_CONTIGUOUS:
                        a->options.contiguous = a->many = true;
                        break;
                case OPT_ALIGN:
                        status = ctl_positive(ctl, "align", optarg, &a->options.align);
                        a->many = true;
                        break;
                case OPT_PRIVATE:
                        a->private_text = optarg;
                        break;
                case OPT_TOKEN:
                        a->options.token = optarg;
                        break;
                case OPT_ATTACH:
                        a->attach = true;
                        break;
                default:
                        return -1;
                }
        ctl->status = status;
        if (status != EXIT_SUCCESS)
                return -1;
        /* On the bus a range has two ends, or none: 0, 0. */
        if (has_max && !has_min)
                a->min = PASID_MIN;
        if (has_min && !has_max)
                a->max = PASID_MAX;
        if (a->count < 1 || a->count > PASID_MAX) {
                ctl->status = ctl_usage(ctl, "--count takes 1 to %u.", PASID_MAX);
                return -1;
        }
        return 0;
}

static int print_numbers(struct ctl *ctl, struct pasid_consumer *consumer, const uint32_t *pasids, size_t n) {
        struct json_stream json = { .stream = stdout, .mode = ctl->json };

        errno = 0;
        for (size_t i = 0; i < n; i++) {
                struct json_object *record;
                int r;

                if (ctl->json == JSON_OFF) {
                        if (printf("%u\n", pasids[i]) < 0)
                                return -(errno ?: EIO);
                        continue;
                }
                record = json_record_new();
                json_record_number(&record, "pasid", pasids[i]);
                json_record_text(&record, "consumer", pasid_consumer_get_name(consumer));
                json_record_number(&record, "uid", pasid_consumer_get_uid(consumer));
                r = json_stream_add(&json, record);
                if (r < 0)
                        return r;
        }
        if (ctl->json != JSON_OFF) {
                int r = json_stream_end(&json);

                if (r < 0)
                        return r;
        }
        return fflush(stdout) != 0 ? -(errno ?: EIO) : 0;
}

/* Several are attached one by one: the bus knows no other way. Some may be, since an earlier call with the token. */
static int attach_all(struct pasid_consumer *consumer, const struct alloc_arguments *a, const uint32_t *pasids) {
        for (size_t i = 0; a->attach && a->many && i < a->count; i++) {
                int r = pasid_attach(consumer, pasids[i]);

                if (r < 0 && !(r == -EADDRINUSE && a->options.token))
                        return r;
        }
        return 0;
}

/* Numbers of a token of the caller's may be from an earlier call, and in use. */
static int give_back(struct ctl *ctl, struct pasid_consumer *consumer, const struct alloc_arguments *a, const uint32_t *pasids,
                     const char *why) {
        size_t n = a->count;
        int r;

        if (a->options.token)
                return ctl_fail(ctl, "%s The token keeps %s; repeat the command with it.", why, n == 1 ? "it" : "them");
        r = pasid_free_many(consumer, pasids, n);
        if (r < 0)
                return ctl_fail(ctl, "%s Nor could %s be freed again: %s", why, n == 1 ? "it" : "they",
                                ctl_reason(ctl, r));
        return ctl_fail(ctl, "%s So %s freed again.", why, n == 1 ? "it was" : "they were");
}

static int alloc_and_print(struct ctl *ctl, struct pasid_consumer *consumer, struct alloc_arguments *a,
                           const void *private_data, size_t private_size) {
        _cleanup_free_ uint32_t *pasids = calloc(a->count, sizeof(*pasids));
        _cleanup_free_ char *why = NULL;
        int r;

        if (!pasids)
                return ctl_fail(ctl, "Out of memory.");
        a->options.attach = a->attach && !a->many;
        r = a->many ? pasid_alloc_many(consumer, a->count, a->min, a->max, private_data, private_size, &a->options, pasids)
                    : pasid_alloc(consumer, a->min, a->max, private_data, private_size, &a->options, pasids);
        if (r < 0)
                return ctl_refused(ctl, r);
        r = attach_all(consumer, a, pasids);
        if (r < 0) {
                why = strdup(ctl_reason(ctl, r));
                return give_back(ctl, consumer, a, pasids, why ?: "Out of memory.");
        }
        r = print_numbers(ctl, consumer, pasids, a->count);
        if (r == 0)
                return EXIT_SUCCESS;
        if (asprintf(&why, "The PASID%s cannot be printed: %s.", a->count == 1 ? "" : "s", strerror(-r)) < 0)
                why = NULL;
        return give_back(ctl, consumer, a, pasids, why ?: "Out of memory.");
}

static int run_alloc(struct ctl *ctl, int argc, char **argv) {
        _cleanup_(pasid_consumer_freep) struct pasid_consumer *consumer = NULL;
        _cleanup_free_ void *private_data = NULL;
        struct alloc_arguments a = { .options = PASID_ALLOC_OPTIONS_INIT, .count = 1 };
        size_t private_size = 0;
        char **args;
        int n, r;

        if (parse_options(ctl, argc, argv, &a) < 0 || !ctl_arguments(ctl, argc, argv, 1, 1, &args, &n))
                return ctl->status;
        r = a.private_text ? ctl_private(ctl, a.private_text, &private_data, &private_size) : EXIT_SUCCESS;
        if (r != EXIT_SUCCESS)
                return r;
        ctl->may_ask = a.attach;
        r = ctl_get_consumer(ctl, args[0], &consumer);
        if (r != EXIT_SUCCESS)
                return r;
        return alloc_and_print(ctl, consumer, &a, private_size > 0 ? private_data : NULL, private_size);
}

const struct verb verb_alloc = {
        .name = "alloc",
        .arguments = "NAME|UID:NAME",
        .summary = "Allocate PASIDs and print them, one a line",
        .options =
                "  --min=N, --max=N    the range to allocate from; the consumer's if not given\n"
                "  --count=N           so many, or none at all\n"
                "  --contiguous        one behind the other\n"
                "  --align=N           the first one a multiple of N, a power of two;\n"
                "                      with --contiguous\n"
                "  --private=DATA      up to 4096 bytes to keep with each: TEXT, @FILE, or @- for\n"
                "                      standard input\n"
                "  --token=TOKEN       a repeated call with the same token gives the same PASIDs\n"
                "  --attach            also attach them to the devices of the consumer, which has\n"
                "                      to be mediated\n",
        .notes =
                "If they cannot be attached or printed they are freed again; with --token they\n"
                "stay, for the command to be repeated.\n"
                "\nExample:\n"
                "  pasidctl alloc vm-1 --count 4 --contiguous --align 4\n",
        .run = run_alloc,
};
