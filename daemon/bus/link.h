/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A link: one sd-bus connection that carries our objects, be it to a message
 * bus or to one client of the direct socket. Embedded in what owns it.
 */
#pragma once

#include "bus/bus-internal.h"
#include "bus/caller.h"
#include "bus/path.h"

struct link {
        struct bus *bus;
        sd_bus *sd;     /* the owner's */
        bool is_direct; /* embedded in a struct connection, else in a struct message_bus */

        /* What the path of the message at hand names; set by the find callbacks, good until anything is committed. */
        struct consumer *consumer;
        const struct device_info *device;

        /* The last consumer's path, taken apart: clients stay with theirs. */
        char path[CONSUMER_PATH_MAX];
        uid_t uid;
        char name[NAME_LEN_MAX + 1];
};

/* Puts our objects on the connection. To be called before it is started. */
int link_init(struct link *link, struct bus *bus, sd_bus *sd, bool is_direct);

/* Sets link->consumer to the one that a path names, NULL if it ended. 0: no consumer can have that path. */
int link_find_consumer(struct link *link, const char *path);

/* Who sent the message. 0: not known yet, the message will be dispatched again. */
int link_get_caller(struct link *link, sd_bus_message *m, const struct caller **ret, struct refusal *refusal);
/* Whoever is at the other end holds a consumer by this connection from now on. */
void link_note_holder(struct link *link);
/* Commits at once what a client has changed with whom nobody would share the commit. */
void link_commit_if_alone(struct link *link);
/* The same on a message bus, if no other message has come. */
void link_commit_if_quiet(struct link *link);
/* Dispatches a message again that had to wait for something. */
int link_dispatch_again(struct link *link, sd_bus_message *m);
