/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl attach, detach: has pasidd put PASIDs of a mediated consumer to use
 * on its devices, and the opposite. The bus has one number a call: several are
 * attached all or none here, while what was detached can't be undone, as its
 * mappings are gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "ctl.h"

struct request {
        struct pasid_consumer *consumer;
        uint32_t *items;
        size_t n;
};

static int parse(struct ctl *ctl, int argc, char **argv, struct request *ret) {
        struct arg_numbers numbers;
        char **args;
        int n, r;

        if (!ctl_arguments(ctl, argc, argv, 2, INT32_MAX, &args, &n))
                return ctl->status;
        r = ctl_numbers(ctl, args + 1, (size_t) n - 1, &numbers);
        if (r != EXIT_SUCCESS)
                return r;
        ret->items = numbers.items;
        ret->n = numbers.n;
        return ctl_get_consumer(ctl, args[0], &ret->consumer);
}

static void request_done(struct request *request) {
        (void) pasid_consumer_free(request->consumer);
        free(request->items);
}

static int run_attach(struct ctl *ctl, int argc, char **argv) {
        _cleanup_(request_done) struct request q = {};
        _cleanup_free_ char *why = NULL;
        size_t done, left = 0;
        int r;

        ctl->may_ask = true;
        r = parse(ctl, argc, argv, &q);
        if (r != EXIT_SUCCESS)
                return r;
        for (done = 0; done < q.n; done++) {
                r = pasid_attach(q.consumer, q.items[done]);
                if (r < 0)
                        break;
        }
        if (done == q.n)
                return EXIT_SUCCESS;
        why = strdup(ctl_reason(ctl, r));
        if (!why)
                return ctl_fail(ctl, "Out of memory.");
        while (done > 0)
                left += pasid_detach(q.consumer, q.items[--done]) < 0;
        if (left > 0)
                return ctl_fail(ctl, "%s Of those before it %zu could not be detached again.", why, left);
        return ctl_fail(ctl, "%s", why);
}

static int run_detach(struct ctl *ctl, int argc, char **argv) {
        _cleanup_(request_done) struct request q = {};
        int r;

        r = parse(ctl, argc, argv, &q);
        if (r != EXIT_SUCCESS)
                return r;
        for (size_t done = 0; done < q.n; done++) {
                r = pasid_detach(q.consumer, q.items[done]);
                if (r < 0 && done > 0)
                        return ctl_fail(ctl, "%s Before it %zu PASID%s been detached.", ctl_reason(ctl, r), done,
                                        done == 1 ? " has" : "s have");
                if (r < 0)
                        return ctl_refused(ctl, r);
        }
        return EXIT_SUCCESS;
}

const struct verb verb_attach = {
        .name = "attach",
        .arguments = "NAME|UID:NAME PASID|FIRST-LAST...",
        .summary = "Attach PASIDs of a mediated consumer to its devices",
        .options = "",
        .notes =
                "Each gets an address space of its own, in which nothing is mapped yet. All of\n"
                "them are attached, or none.\n"
                "\nExample:\n"
                "  pasidctl attach vm-1 17\n",
        .run = run_attach,
};

const struct verb verb_detach = {
        .name = "detach",
        .arguments = "NAME|UID:NAME PASID|FIRST-LAST...",
        .summary = "Detach PASIDs from the devices of their consumer",
        .options = "",
        .notes =
                "All that was mapped for them is unmapped. They stay allocated.\n"
                "\nExample:\n"
                "  pasidctl detach vm-1 17 32-63\n",
        .run = run_detach,
};
