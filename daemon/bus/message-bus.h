/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our connection to a message bus (dbus-daemon, dbus-broker), and what we know
 * of those who call over it.
 */
#pragma once

#include "bus/link.h"
#include "bus/news.h"

struct bus_callers;
struct question;

struct message_bus {
        struct link link;
        const char *address;    /* NULL: the system bus */
        char guid[SD_ID128_STRING_MAX];
        bool is_ready;          /* connected, and known there */
        bool is_named;          /* our name was taken once: it is asked for again after a loss */
        uint64_t retry_usec;
        sd_event_source *retry; /* timer: connect again */
        sd_event_source *lost;  /* defer: clean up after a loss */
        struct bus_callers *callers;
        TAILQ_HEAD(, question) questions; /* whether holders are there, see bus-hold.c */
        bool has_missed;        /* somebody's leaving, for want of memory */
        struct subscriber subscriber;
        unsigned n_subscribed;  /* callers that want all signals */
};

static inline struct message_bus *message_bus_of(struct link *link) {
        return (struct message_bus *) ((char *) link - offsetof(struct message_bus, link));
}

/* address "system": the system bus. Waits until it is connected. */
int message_bus_new(struct bus *bus, const char *address, struct message_bus **ret, struct refusal *refusal);
struct message_bus *message_bus_free(struct message_bus *mb);
/* Waits for the answer: for the start only. */
int message_bus_take_name(struct message_bus *mb, struct refusal *refusal);

int message_bus_subscribe(struct message_bus *mb, sd_bus_message *m, bool wanted, struct refusal *refusal);
static inline bool message_bus_is_system(const struct message_bus *mb) {
        return !mb->address;
}
