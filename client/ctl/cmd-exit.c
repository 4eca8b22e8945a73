/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl exit: ends a consumer.
 */
#include <stdlib.h>

#include "ctl.h"

static int run_exit(struct ctl *ctl, int argc, char **argv) {
        _cleanup_(pasid_consumer_freep) struct pasid_consumer *consumer = NULL;
        char **args;
        int n, r;

        if (!ctl_arguments(ctl, argc, argv, 1, 1, &args, &n))
                return ctl->status;
        r = ctl_get_consumer(ctl, args[0], &consumer);
        if (r != EXIT_SUCCESS)
                return r;
        r = pasid_consumer_exit(consumer);
        return r < 0 ? ctl_refused(ctl, r) : EXIT_SUCCESS;
}

const struct verb verb_exit = {
        .name = "exit",
        .arguments = "NAME|UID:NAME",
        .summary = "End a consumer and free all its PASIDs",
        .options = "",
        .notes =
                "\nExample:\n"
                "  pasidctl exit vm-1\n",
        .run = run_exit,
};
