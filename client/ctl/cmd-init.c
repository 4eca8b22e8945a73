/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl init: makes a consumer of the caller's own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "ctl.h"
#include "row.h"

enum {
        OPT_DEVICE = OPT_OWN,
        OPT_HOLD,
        OPT_MIN,
        OPT_MAX,
        OPT_QUOTA,
        OPT_MODE,
};

struct init_arguments {
        struct pasid_consumer_options options;
        const char **devices;
        size_t n_devices;
};

static int add_device(struct init_arguments *arguments, const char *device) {
        const char **grown = reallocarray(arguments->devices, arguments->n_devices + 2, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        grown[arguments->n_devices++] = device;
        grown[arguments->n_devices] = NULL;
        arguments->devices = grown;
        arguments->options.devices = grown;
        return 0;
}

static int parse_hold(struct ctl *ctl, const char *s, struct pasid_consumer_options *options) {
        uint32_t pid;

        if (strcmp(s, "boot") == 0)
                options->hold = PASID_HOLD_BOOT;
        else if (strcmp(s, "persistent") == 0)
                options->hold = PASID_HOLD_PERSISTENT;
        else if (strncmp(s, "pid=", 4) == 0) {
                if (arg_number(s + 4, &pid) < 0 || pid == 0 || pid > INT32_MAX)
                        return ctl_usage(ctl, "\"%s\" is no process id.", s + 4);
                options->hold = PASID_HOLD_PROCESS;
                options->hold_pid = (pid_t) pid;
        } else if (strncmp(s, "unit=", 5) == 0 && s[5] != '\0') {
                options->hold = PASID_HOLD_UNIT;
                options->hold_unit = s + 5;
        } else if (strcmp(s, "connection") == 0)
                return ctl_usage(ctl, "--hold=connection would end the consumer together with pasidctl; "
                                 "boot and persistent last.");
        else
                return ctl_usage(ctl, "--hold takes boot, persistent, pid=N or unit=NAME, not \"%s\".", s);
        return EXIT_SUCCESS;
}

static int parse_number(struct ctl *ctl, const char *option, const char *s, uint32_t *ret) {
        return arg_number(s, ret) < 0 ? ctl_usage(ctl, "--%s takes a number, not \"%s\".", option, s) : EXIT_SUCCESS;
}

static int parse_mode(struct ctl *ctl, const char *s, enum pasid_mode *ret) {
        if (strcmp(s, "advisory") == 0)
                *ret = PASID_MODE_ADVISORY;
        else if (strcmp(s, "mediated") == 0)
                *ret = PASID_MODE_MEDIATED;
        else
                return ctl_usage(ctl, "--mode takes advisory or mediated, not \"%s\".", s);
        return EXIT_SUCCESS;
}

static int parse_options(struct ctl *ctl, int argc, char **argv, struct init_arguments *arguments) {
        static const struct option options[] = {
                { "device", required_argument, NULL, OPT_DEVICE },
                { "hold", required_argument, NULL, OPT_HOLD },
                { "min", required_argument, NULL, OPT_MIN },
                { "max", required_argument, NULL, OPT_MAX },
                { "quota", required_argument, NULL, OPT_QUOTA },
                { "mode", required_argument, NULL, OPT_MODE },
                COMMON_OPTIONS
        };
        struct pasid_consumer_options *o = &arguments->options;
        int c, status = EXIT_SUCCESS;

        while (status == EXIT_SUCCESS && (c = ctl_getopt(ctl, argc, argv, ":h", options)) != -1)
                switch (c) {
                case OPT_DEVICE:
                        if (add_device(arguments, optarg) < 0)
                                status = ctl_fail(ctl, "Out of memory.");
                        break;
                case OPT_HOLD:
                        status = parse_hold(ctl, optarg, o);
                        break;
                case OPT_MIN:
                        status = parse_number(ctl, "min", optarg, &o->min);
                        break;
                case OPT_MAX:
                        status = parse_number(ctl, "max", optarg, &o->max);
                        break;
                case OPT_QUOTA:
                        status = parse_number(ctl, "quota", optarg, &o->quota);
                        break;
                case OPT_MODE:
                        status = parse_mode(ctl, optarg, &o->mode);
                        break;
                default:
                        return -1;
                }
        ctl->status = status;
        return status == EXIT_SUCCESS ? 0 : -1;
}

static int describe_cb(const struct pasid_consumer_info *info, void *userdata) {
        return rows_add(userdata, consumer_record(info));
}

static int init_consumer(struct ctl *ctl, const char *name, const struct pasid_consumer_options *options) {
        _cleanup_(pasid_consumer_freep) struct pasid_consumer *consumer = NULL;
        struct rows rows;
        int r;

        r = ctl_connect(ctl);
        if (r != EXIT_SUCCESS)
                return r;
        r = pasid_consumer_init(ctl->client, name, options, &consumer);
        if (r < 0)
                return ctl_refused(ctl, r);
        if (ctl->json == JSON_OFF)
                return EXIT_SUCCESS;
        r = rows_begin(&rows, ctl, NULL, 0);
        return r == EXIT_SUCCESS ? rows_end(&rows, pasid_consumer_describe(consumer, describe_cb, &rows)) : r;
}

static int run_init(struct ctl *ctl, int argc, char **argv) {
        struct init_arguments arguments = { .options = PASID_CONSUMER_OPTIONS_INIT };
        struct arg_consumer consumer;
        char **args;
        int n, r;

        arguments.options.hold = PASID_HOLD_BOOT;
        if (parse_options(ctl, argc, argv, &arguments) < 0 || !ctl_arguments(ctl, argc, argv, 1, 1, &args, &n))
                r = ctl->status;
        else if (arg_consumer(args[0], &consumer) == 0 && consumer.uid != PASID_UID_SELF)
                r = ctl_usage(ctl, "\"%s\" would read as consumer \"%s\" of uid %u later on; "
                              "init makes one's own and takes a plain name.", args[0], consumer.name, consumer.uid);
        else
                r = init_consumer(ctl, args[0], &arguments.options);
        free(arguments.devices);
        return r;
}

const struct verb verb_init = {
        .name = "init",
        .arguments = "NAME",
        .summary = "Make a consumer, which can then be given PASIDs",
        .options =
                "  --device=ADDRESS    a PCI device that it uses, like 0000:01:00.0; repeat for\n"
                "                      more. Without one its PASIDs are unique on the whole host\n"
                "  --hold=HOLD         what keeps it: boot (until exit or reboot, the default),\n"
                "                      persistent (also after a reboot; root only), pid=N (until\n"
                "                      that process ends) or unit=NAME (until that unit or\n"
                "                      cgroup has no process)\n"
                "  --min=N, --max=N    the range that its PASIDs come from\n"
                "  --quota=N           how many PASIDs it may have\n"
                "  --mode=MODE         who attaches its PASIDs to the devices: advisory (itself,\n"
                "                      the default) or mediated (pasidd; needs a device)\n",
        .notes =
                "Nothing is printed but with --json, which describes the consumer.\n"
                "\nExample:\n"
                "  pasidctl init vm-1 --device 0000:01:00.0 --quota 16\n",
        .run = run_init,
};
