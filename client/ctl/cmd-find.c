/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl find: everything about one's own PASID, its private data too, and
 * what all may know about others'. Who had it before is in past.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "ctl.h"
#include "format.h"
#include "past.h"
#include "row.h"
#include "text.h"

struct find {
        struct rows rows; /* of JSON */
        struct ctl *ctl;
        uint32_t pasid;
        bool has_private;
        void *private_data;
        size_t private_size;
        struct pasid_info info;
        unsigned n_printed;
        int r; /* why the output failed */
};

/* What the first look at the holders found out. */
struct holders {
        unsigned n, n_own;
        FILE *names;  /* of one's own ones, for the message that there are several */
        char *own;    /* the first of them */
        bool no_memory;
};

static int print_private(const struct find *find) {
        const char *data = find->private_data, *key = "private:";
        char line[HEX_LINE_MAX];
        size_t n;
        int r = 0;

        if (text_is_printable(data, find->private_size)) {
                for (size_t i = 0; r == 0 && i < find->private_size; i += n + 1, key = "") {
                        const char *newline = memchr(data + i, '\n', find->private_size - i);

                        n = newline ? (size_t) (newline - data) - i : find->private_size - i;
                        r = ctl_print_field(find->ctl, key, "%.*s", (int) n, data + i);
                }
                return r;
        }
        for (size_t i = 0; r == 0 && i < find->private_size; i += n, key = "") {
                n = find->private_size - i < HEX_LINE_BYTES ? find->private_size - i : HEX_LINE_BYTES;
                r = ctl_print_field(find->ctl, key, "%s", format_hex_line(data + i, n, i, line));
        }
        return r;
}

static int print_fields(struct find *find, const char *const *devices) {
        const struct pasid_info *info = &find->info;
        _cleanup_free_ char *joined = NULL;
        char time[TIME_TEXT_MAX];
        int r;

        r = text_join(devices, ", ", &joined);
        if (r < 0)
                return r;
        if (find->n_printed++ > 0 && putchar('\n') < 0)
                return -(errno ?: EIO);
        if ((r = ctl_print_field(find->ctl, "pasid:", "%u", find->pasid)) < 0 ||
            (r = ctl_print_field(find->ctl, "consumer:", "%s", info->consumer)) < 0 ||
            (r = ctl_print_field(find->ctl, "uid:", "%u", info->uid)) < 0 ||
            (r = ctl_print_field(find->ctl, "state:", "%s", pasid_state_to_string(info->state))) < 0 ||
            (r = ctl_print_field(find->ctl, "since:", "%s", format_time(info->since_usec, TIME_PEOPLE, time))) < 0 ||
            (r = ctl_print_field(find->ctl, "devices:", "%s", joined[0] ? joined : "-")) < 0 || !find->has_private)
                return r;
        r = ctl_print_field(find->ctl, "private_bytes:", "%zu", find->private_size);
        return r < 0 ? r : print_private(find);
}

static struct json_object *find_record(const struct find *find, const char *const *devices) {
        struct json_object *record = json_record_new();
        _cleanup_free_ char *base64 = NULL, *text = NULL;

        json_record_number(&record, "pasid", find->pasid);
        json_record_text(&record, "consumer", find->info.consumer);
        json_record_number(&record, "uid", find->info.uid);
        json_record_text(&record, "state", pasid_state_to_string(find->info.state));
        record_time(&record, "since", find->info.since_usec);
        json_record_texts(&record, "devices", devices);
        if (!find->has_private)
                return record;
        base64 = format_base64(find->private_data, find->private_size);
        text = strndup(find->private_data ?: "", find->private_size);
        if (!base64 || !text) {
                json_object_put(record);
                return NULL;
        }
        json_record_number(&record, "private_bytes", find->private_size);
        json_record_text(&record, "private_base64", base64);
        if (text_is_printable(find->private_data, find->private_size))
                json_record_text(&record, "private_text", text);
        return record;
}

static int print(struct find *find, const char *const *devices) {
        if (find->ctl->json != JSON_OFF)
                return rows_add(&find->rows, find_record(find, devices));
        find->r = print_fields(find, devices);
        return find->r < 0 ? ROWS_STOP : 0;
}

static int consumer_cb(const struct pasid_consumer_info *info, void *userdata) {
        return print(userdata, info->devices);
}

static int holder_cb(const struct pasid_holder *holder, void *userdata) {
        struct find *find = userdata;

        find->info.uid = holder->uid;
        find->info.consumer = holder->consumer;
        find->info.state = holder->state;
        find->info.since_usec = holder->since_usec;
        return print(find, holder->devices);
}

/* consumer: NULL for what all may know. */
static int show(struct ctl *ctl, uint32_t pasid, struct pasid_consumer *consumer) {
        struct find find = { .ctl = ctl, .pasid = pasid, .info = PASID_INFO_INIT, .has_private = consumer };
        int r;

        if (consumer) {
                r = pasid_find(consumer, pasid, &find.private_data, &find.private_size, &find.info);
                if (r < 0)
                        return ctl_refused(ctl, r);
        }
        if (ctl->json == JSON_OFF)
                ctl_output(ctl);
        else {
                r = rows_begin(&find.rows, ctl, NULL, 0);
                if (r != EXIT_SUCCESS) {
                        free(find.private_data);
                        return r;
                }
        }
        r = consumer ? pasid_consumer_describe(consumer, consumer_cb, &find)
                     : pasid_who_has(ctl->client, pasid, holder_cb, &find);
        free(find.private_data);
        if (ctl->json != JSON_OFF)
                return rows_end(&find.rows, r);
        if (find.r < 0)
                return ctl_write_failed(ctl, find.r);
        return r < 0 ? ctl_refused(ctl, r) : EXIT_SUCCESS;
}

static int count_cb(const struct pasid_holder *holder, void *userdata) {
        struct holders *holders = userdata;

        holders->n++;
        /* A cooling number is its consumer's no longer. */
        if (holder->uid != geteuid() || holder->state == PASID_STATE_COOLING)
                return 0;
        if (holders->n_own++ == 0) {
                holders->own = strdup(holder->consumer);
                holders->no_memory = !holders->own;
        }
        fprintf(holders->names, "%s\"%s\"", holders->n_own > 1 ? ", " : "", holder->consumer);
        return 0;
}

static int find_holder(struct ctl *ctl, uint32_t pasid) {
        _cleanup_(pasid_consumer_freep) struct pasid_consumer *consumer = NULL;
        _cleanup_free_ char *names = NULL, *own = NULL;
        struct holders holders = {};
        size_t size;
        int r;

        r = ctl_connect(ctl);
        if (r != EXIT_SUCCESS)
                return r;
        holders.names = open_memstream(&names, &size);
        if (!holders.names)
                return ctl_fail(ctl, "Out of memory.");
        r = pasid_who_has(ctl->client, pasid, count_cb, &holders);
        own = holders.own;
        if (fclose(holders.names) != 0 || holders.no_memory)
                return ctl_fail(ctl, "Out of memory.");
        if (r < 0)
                return ctl_refused(ctl, r);
        if (holders.n == 0)
                return ctl_fail(ctl, "PASID %u is not allocated to anybody; `pasidctl find %u --history` tells who had it, if it is known.", pasid, pasid);
        if (holders.n_own > 1)
                return ctl_fail(ctl, "PASID %u is held by several consumers (%s); name one: pasidctl find %u NAME.",
                                pasid, names, pasid);
        if (holders.n_own == 0)
                return show(ctl, pasid, NULL);
        r = pasid_consumer_get(ctl->client, PASID_UID_SELF, own, &consumer);
        return r < 0 ? ctl_refused(ctl, r) : show(ctl, pasid, consumer);
}

static int run_find(struct ctl *ctl, int argc, char **argv) {
        static const struct option options[] = { { "history", no_argument, NULL, OPT_OWN }, COMMON_OPTIONS };
        _cleanup_(pasid_consumer_freep) struct pasid_consumer *consumer = NULL;
        bool wants_history = false;
        uint32_t pasid;
        char **args;
        int c, n, r;

        while ((c = ctl_getopt(ctl, argc, argv, ":h", options)) != -1) {
                if (c != OPT_OWN)
                        return ctl->status;
                wants_history = true;
        }
        if (!ctl_arguments(ctl, argc, argv, 1, 2, &args, &n))
                return ctl->status;
        if (arg_number(args[0], &pasid) < 0)
                return ctl_usage(ctl, "\"%s\" is no PASID; find takes %s.", args[0], ctl->verb->arguments);
        if (wants_history && n > 1)
                return ctl_usage(ctl, "--history is about all who had PASID %u; leave \"%s\" out.", pasid, args[1]);
        if (wants_history)
                return find_history(ctl, pasid);
        if (n == 1)
                return find_holder(ctl, pasid);
        r = ctl_get_consumer(ctl, args[1], &consumer);
        return r == EXIT_SUCCESS ? show(ctl, pasid, consumer) : r;
}

const struct verb verb_find = {
        .name = "find",
        .arguments = "PASID [NAME|UID:NAME]",
        .summary = "Show a PASID: who holds it, and its private data",
        .options =
                "  --history           who had it before, the last one first\n",
        .notes =
                "Without a name it is looked for among one's own consumers, and if none has it,\n"
                "what all may know about its holders is shown. Private data that is not text is\n"
                "shown as a dump; with --json as private_base64.\n"
                "\nExample:\n"
                "  pasidctl find 17 vm-1\n"
                "  pasidctl find 17 --history\n",
        .run = run_find,
};
