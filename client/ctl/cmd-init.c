/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl init: makes a consumer of the caller's own.
 */
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

static int parse_options(struct ctl *ctl, int argc, char **argv, struct pasid_consumer_options *o, struct arg_list *devices) {
        static const struct option options[] = {
                { "device", required_argument, NULL, OPT_DEVICE },
                { "hold", required_argument, NULL, OPT_HOLD },
                { "min", required_argument, NULL, OPT_MIN },
                { "max", required_argument, NULL, OPT_MAX },
                { "quota", required_argument, NULL, OPT_QUOTA },
                { "mode", required_argument, NULL, OPT_MODE },
                COMMON_OPTIONS
        };
        int c, status = EXIT_SUCCESS;

        while (status == EXIT_SUCCESS && (c = ctl_getopt(ctl, argc, argv, ":h", options)) != -1)
                switch (c) {
                case OPT_DEVICE:
                        status = ctl_add(ctl, devices, optarg);
                        break;
                case OPT_HOLD:
                        status = parse_hold(ctl, optarg, o);
                        break;
                case OPT_MIN:
                        status = ctl_positive(ctl, "min", optarg, &o->min);
                        break;
                case OPT_MAX:
                        status = ctl_positive(ctl, "max", optarg, &o->max);
                        break;
                case OPT_QUOTA:
                        status = ctl_positive(ctl, "quota", optarg, &o->quota);
                        break;
                case OPT_MODE:
                        status = ctl_mode(ctl, optarg, &o->mode);
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

        ctl->may_ask = true;
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
        struct pasid_consumer_options options = PASID_CONSUMER_OPTIONS_INIT;
        struct arg_list devices = {};
        char **args;
        int n, r;

        options.hold = PASID_HOLD_BOOT;
        if (parse_options(ctl, argc, argv, &options, &devices) < 0 || !ctl_arguments(ctl, argc, argv, 1, 1, &args, &n))
                r = ctl->status;
        else {
                options.devices = devices.items;
                r = ctl_new_name(ctl, args[0]);
                if (r == EXIT_SUCCESS)
                        r = init_consumer(ctl, args[0], &options);
        }
        free(devices.items);
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
