/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One client on the direct socket.
 *
 * Its sd-bus is driven from a poll set of our own: sd_bus_attach_event() would
 * have each of a thousand connections called in each turn of the loop.
 */
#pragma once

#include "bus/fd-gate.h"
#include "bus/link.h"
#include "bus/news.h"
#include "bus/poll-set.h"
#include "bus/reply.h"

struct connection {
        struct link link;
        struct caller caller;
        TAILQ_ENTRY(connection) entry;
        struct poll_member poll;
        sd_event_source *again;  /* timer: more to do that the socket won't tell of */
        sd_bus_message *parked;  /* a call that was read while the client had not yet taken its replies */
        struct reply_list replies; /* that wait for their commit */
        unsigned n_waiting;      /* those, and calls that wait for polkit */
        uint64_t paid_until;     /* CLOCK_MONOTONIC, at which its work so far is paid by time left to others */
        uint64_t half_open_until; /* CLOCK_MONOTONIC, until it has authenticated */
        uint64_t partial_bytes;  /* of a message that is still being received */
        unsigned n_silent;       /* steps since a message was dispatched */
        struct subscriber subscriber;
        struct fd_gate gate;
        bool is_ready;           /* authenticated */
        bool takes_fds;          /* has agreed with it on passing file descriptors */
        bool is_drained;         /* what came along with the authentication is done with */
        bool is_doomed;          /* on the listener's list of those to be freed */
        bool is_processing;
        bool is_resting;         /* until paid_until: not listened to */
        bool is_subscribed;
        bool is_holder;          /* holds consumers */
        bool is_heir;            /* holds some that another connection of its process made */
};

static inline struct connection *connection_of(struct link *link) {
        return (struct connection *) ((char *) link - offsetof(struct connection, link));
}

/* Takes over fd and caller, also on failure. */
int connection_new(struct bus *bus, int fd, struct caller *caller, uint64_t serial, struct connection **ret);
/* Frees nothing that it holds: that is the listener's to decide. */
struct connection *connection_free(struct connection *c);
/* It will be closed once the event loop gets there; safe from anywhere. reason: for the log, NULL if it just ended. */
void connection_doom(struct connection *c, const char *reason);
/* The same for QueuedBytesPerConnection=. what: "does more", and the log goes on with "than ... allows". */
void connection_doom_at_limit(struct connection *c, const char *what);

/* A message came in: 0: dispatch it; 1: it was put aside. */
int connection_admit(struct connection *c, sd_bus_message *m);
/* One more, or one fewer, call that has no reply yet. */
void connection_wait_begin(struct connection *c);
void connection_wait_end(struct connection *c);
/* There is something to do that the socket won't tell of. */
void connection_wake(struct connection *c);
/* Something was sent from outside of its own turn. */
void connection_sent(struct connection *c);
bool connection_can_take(const struct connection *c);
