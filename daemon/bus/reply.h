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

/* Sends message (a ref is taken) after the commit of what the call changed, or the error if that fails. */
int reply_when_committed(struct call *call, sd_bus_message *message);
/* The same for a method that returns nothing. */
int reply_empty_when_committed(struct call *call);
/* A connection goes: its replies stay only until their commit. */
void reply_list_forget(struct reply_list *list);
