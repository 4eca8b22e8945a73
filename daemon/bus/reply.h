/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replies that wait for their commit: nothing is acknowledged before it is in
 * the table.
 */
#pragma once

#include "bus/call.h"

struct connection;

struct reply {
        TAILQ_ENTRY(reply) entry;
        struct bus *bus;
        struct connection *connection; /* NULL: of the message bus, or of a connection that is gone */
        sd_bus_message *call;
        sd_bus_message *message; /* what is sent once the commit is made */
};

TAILQ_HEAD(reply_list, reply);

/* To be made before anything is changed: without memory for a reply nothing was. With the path of a consumer, or nothing yet. */
int reply_new(struct call *call, sd_bus_message **ret);
int reply_new_path(struct call *call, uid_t uid, const char *name, sd_bus_message **ret);
/* Sends message (a ref is taken) after the commit of what the call changed, or the error if that fails. */
int reply_when_committed(struct call *call, sd_bus_message *message);
/* The same with a number that was not known before. */
int reply_number_when_committed(struct call *call, sd_bus_message *message, char type, const void *number);
/*
 * What the call changed can't be told. Before its commit it is undone, with all that shares the commit; after it no answer
 * is given, since none would be true, and a direct connection ends, which has its client look for itself.
 */
int reply_lost(struct call *call, int r);
/* A connection goes: its replies stay only until their commit. */
void reply_list_forget(struct reply_list *list);
