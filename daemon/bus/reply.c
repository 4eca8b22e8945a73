/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replies that wait for their commit.
 */
#include "bus/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/connection.h"
#include "bus/error.h"
#include "bus/metrics.h"
#include "bus/path.h"
#include "log.h"

static void reply_free(struct reply *reply) {
        sd_bus_message_unref(reply->call);
        sd_bus_message_unref(reply->message);
        free(reply);
}

static int send_error(sd_bus_message *call, int r, const struct refusal *refusal) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) error_from_refusal(&error, r, refusal);
        r = sd_bus_reply_method_error(call, &error);
        sd_bus_error_free(&error);
        return r;
}

static void on_committed(void *userdata, int r, const struct refusal *refusal) {
        struct reply *reply = userdata;
        struct connection *c = reply->connection;

        if (c)
                TAILQ_REMOVE(&c->replies, reply, entry);
        if (r < 0)
                metrics_count_refusal(reply->bus, r, refusal);
        r = r < 0 ? send_error(reply->call, r, refusal) : sd_bus_send(NULL, reply->message, NULL);
        if (c) {
                if (r < 0)
                        connection_doom(c, NULL);
                connection_wait_end(c);
        } else if (r < 0)
                log_debug("A reply could not be sent: %s", strerror(-r));
        reply_free(reply);
}

int reply_lost(struct call *call, int r) {
        if (service_is_pending(call_service(call))) {
                service_abandon(call_service(call));
                return r;
        }
        if (call->link->is_direct)
                connection_doom(connection_of(call->link), why_no_reply(r));
        else
                log_warning("A reply could not be made: %s", strerror(-r));
        return 0;
}

/* Without memory to wait there is no batch to share. */
static int commit_and_send(struct call *call, sd_bus_message *message) {
        int r = service_flush(call_service(call));

        if (r < 0)
                return r;
        r = sd_bus_send(NULL, message, NULL);
        return r < 0 ? reply_lost(call, r) : 0;
}

int reply_when_committed(struct call *call, sd_bus_message *message) {
        struct reply *reply;
        int r;

        reply = malloc(sizeof(*reply));
        if (!reply)
                return commit_and_send(call, message);
        *reply = (struct reply) {
                .bus = call->link->bus,
                .call = sd_bus_message_ref(call->message),
                .message = sd_bus_message_ref(message),
        };
        if (call->link->is_direct) {
                reply->connection = connection_of(call->link);
                TAILQ_INSERT_TAIL(&reply->connection->replies, reply, entry);
                connection_wait_begin(reply->connection);
        }
        r = service_when_committed(call_service(call), on_committed, reply);
        if (r < 0)
                on_committed(reply, service_flush(call_service(call)), NULL);
        return 0;
}

int reply_new(struct call *call, sd_bus_message **ret) {
        return sd_bus_message_new_method_return(call->message, ret);
}

int reply_new_path(struct call *call, uid_t uid, const char *name, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        r = path_of_consumer(uid, name, &path);
        if (r >= 0)
                r = reply_new(call, &reply);
        if (r >= 0)
                r = sd_bus_message_append_basic(reply, 'o', path);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(reply);
        return 0;
}

int reply_number_when_committed(struct call *call, sd_bus_message *message, char type, const void *number) {
        int r = sd_bus_message_append_basic(message, type, number);

        return r < 0 ? reply_lost(call, r) : reply_when_committed(call, message);
}

void reply_list_forget(struct reply_list *list) {
        struct reply *reply;

        while ((reply = TAILQ_FIRST(list))) {
                TAILQ_REMOVE(list, reply, entry);
                reply->connection = NULL;
        }
}
