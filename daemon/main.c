/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidd: the authority for PASIDs on this host.
 */
#include <errno.h>
#include <stdlib.h>

#include "log-ids.h"
#include "log.h"
#include "manager.h"

#define EXIT_USAGE 2

static void tell_failure(const struct refusal *refusal) {
        bool is_table = refusal->code == EBADMSG || refusal->code == EPROTONOSUPPORT;
        const struct log_subject subject = { .message_id = is_table ? MESSAGE_TABLE_REFUSED : NULL, .error = refusal->code };

        log_about(LOG_ERR, &subject, "%s", refusal->text);
}

int main(int argc, char **argv) {
        _cleanup_(manager_freep) struct manager *manager = NULL;
        struct refusal refusal = {};
        struct options options;
        int r;

        r = options_parse(argc, argv, &options);
        if (r <= 0)
                return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;
        log_setup(options.log_level);

        r = manager_new(&options, &manager, &refusal);
        if (r < 0) {
                tell_failure(&refusal);
                return EXIT_FAILURE;
        }
        return manager_run(manager) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
