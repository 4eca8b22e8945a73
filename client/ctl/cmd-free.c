/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl free: gives PASIDs back, all or none.
 */
#include <stdlib.h>

#include "args.h"
#include "ctl.h"

static int run_free(struct ctl *ctl, int argc, char **argv) {
        _cleanup_(pasid_consumer_freep) struct pasid_consumer *consumer = NULL;
        _cleanup_free_ uint32_t *items = NULL;
        struct arg_numbers numbers;
        char **args;
        int n, r;

        if (!ctl_arguments(ctl, argc, argv, 2, INT32_MAX, &args, &n))
                return ctl->status;
        r = ctl_numbers(ctl, args + 1, (size_t) n - 1, &numbers);
        if (r != EXIT_SUCCESS)
                return r;
        items = numbers.items;
        r = ctl_get_consumer(ctl, args[0], &consumer);
        if (r != EXIT_SUCCESS)
                return r;
        r = numbers.n == 1 ? pasid_free(consumer, items[0]) : pasid_free_many(consumer, items, numbers.n);
        return r < 0 ? ctl_refused(ctl, r) : EXIT_SUCCESS;
}

const struct verb verb_free = {
        .name = "free",
        .arguments = "NAME|UID:NAME PASID|FIRST-LAST...",
        .summary = "Give PASIDs back, all of them or none",
        .options = "",
        .notes =
                "\nExample:\n"
                "  pasidctl free vm-1 17 32-63\n",
        .run = run_free,
};
