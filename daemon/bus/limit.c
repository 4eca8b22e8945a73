/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits of connections that were reached.
 */
#include "bus/limit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "log-ids.h"
#include "log.h"

#define TEXT_MAX 512

const char *connection_limit_to_string(enum connection_limit limit) {
        static const char *const names[CONNECTION_LIMIT_MAX_] = {
                [LIMIT_CONNECTIONS] = "Connections",
                [LIMIT_CONNECTIONS_PER_UID] = "ConnectionsPerUid",
                [LIMIT_QUEUED_BYTES] = "QueuedBytesPerConnection",
        };

        return names[limit];
}

void limit_reached(struct bus *bus, enum connection_limit limit, const struct caller *caller, const char *format, ...) {
        const struct log_subject subject = { .message_id = MESSAGE_LIMIT_HIT, .has_uid = true, .uid = caller->uid,
                                             .reason = "LimitsExceeded", .error = ENOBUFS };
        char text[TEXT_MAX];
        va_list ap;

        bus->n_limited[limit]++;
        if (!audit_may_write(&bus->connection_budgets[limit], caller->uid))
                return;
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        log_about(LOG_NOTICE, &subject, "%s", text);
}
