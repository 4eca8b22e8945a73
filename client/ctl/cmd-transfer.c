/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl transfer, accept: a consumer changes hands, when both sides say so.
 */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "ctl.h"

static int run_transfer(struct ctl *ctl, int argc, char **argv) {
        _cleanup_(pasid_consumer_freep) struct pasid_consumer *consumer = NULL;
        uint32_t uid = PASID_UID_NONE;
        char **args;
        int n, r;

        if (!ctl_arguments(ctl, argc, argv, 2, 2, &args, &n))
                return ctl->status;
        if (strcmp(args[1], "none") != 0 && (arg_number(args[1], &uid) < 0 || uid == PASID_UID_NONE))
                return ctl_usage(ctl, "\"%s\" is no uid; a user is named by number, and none withdraws the offer.", args[1]);
        r = ctl_get_consumer(ctl, args[0], &consumer);
        if (r != EXIT_SUCCESS)
                return r;
        r = pasid_consumer_transfer(consumer, uid);
        return r < 0 ? ctl_refused(ctl, r) : EXIT_SUCCESS;
}

const struct verb verb_transfer = {
        .name = "transfer",
        .arguments = "NAME|UID:NAME UID|none",
        .summary = "Offer a consumer to another user",
        .options = "",
        .notes =
                "\nThe user takes it by pasidctl accept. \"none\" withdraws the offer.\n"
                "\nExample:\n"
                "  pasidctl transfer vm-1 1000\n",
        .run = run_transfer,
};

static int take_hold(const struct pasid_consumer_info *info, void *userdata) {
        *(enum pasid_hold *) userdata = info->hold;
        return 0;
}

/* It would be this process's own, which is about to end. */
static int refuse_connection(struct ctl *ctl, const struct arg_consumer *key) {
        _cleanup_(pasid_consumer_freep) struct pasid_consumer *consumer = NULL;
        enum pasid_hold hold = PASID_HOLD_DEFAULT;
        int r;

        r = pasid_consumer_get(ctl->client, key->uid, key->name, &consumer);
        if (r >= 0)
                r = pasid_consumer_describe(consumer, take_hold, &hold);
        if (r < 0)
                return ctl_refused(ctl, r);
        if (hold == PASID_HOLD_CONNECTION)
                return ctl_fail(ctl, "That consumer is held by a connection: accepted here it would end together with pasidctl. Its new "
                                "owner's own program has to accept it.");
        return EXIT_SUCCESS;
}

static int run_accept(struct ctl *ctl, int argc, char **argv) {
        struct arg_consumer key;
        char **args;
        int n, r;

        if (!ctl_arguments(ctl, argc, argv, 1, 1, &args, &n))
                return ctl->status;
        if (arg_consumer(args[0], &key) < 0 || key.uid == PASID_UID_SELF)
                return ctl_usage(ctl, "\"%s\" names no offer; UID:NAME is the consumer as its owner has it.", args[0]);
        ctl->may_ask = true;
        r = ctl_connect(ctl);
        if (r == EXIT_SUCCESS)
                r = refuse_connection(ctl, &key);
        if (r != EXIT_SUCCESS)
                return r;
        r = pasid_consumer_accept(ctl->client, key.uid, key.name, NULL);
        return r < 0 ? ctl_refused(ctl, r) : EXIT_SUCCESS;
}

const struct verb verb_accept = {
        .name = "accept",
        .arguments = "UID:NAME",
        .summary = "Take over a consumer that another user offers",
        .options = "",
        .notes =
                "\nExample:\n"
                "  pasidctl accept 1000:vm-1\n",
        .run = run_accept,
};
