/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * News on their way to those who subscribed. One small record each, kept once
 * for all: a subscriber is handed a signal only as fast as it takes them.
 */
#pragma once

#include "bus/link.h"

enum news_kind {
        NEWS_CONSUMER_ADDED,
        NEWS_CONSUMER_REMOVED,
        NEWS_PASID_ALLOCATED,
        NEWS_PASID_FREED,
        NEWS_PASID_LOST,
        NEWS_CONSUMER_CHANGED, /* its counter */
        NEWS_DEVICE_COUNTED,   /* its counters */
        NEWS_DEVICE_ADDED,
        NEWS_DEVICE_REMOVED,
        NEWS_DEVICE_CHANGED,   /* everything else about it */
        NEWS_MANAGER_CHANGED,
};

/* An object path, shared by all records of one object. */
struct news_path {
        unsigned n_refs;
        uint64_t consumer; /* id; 0: a device's path */
        char path[];
};

struct news_path *news_path_new(uint64_t consumer, const char *path);
struct news_path *news_path_ref(struct news_path *path);
struct news_path *news_path_unref(struct news_path *path);

struct news_item {
        struct news_path *path; /* NULL: the manager's */
        uint32_t pasid;
        uint8_t kind;   /* enum news_kind */
        uint8_t reason; /* NEWS_PASID_FREED and NEWS_PASID_LOST; for news_reason() */
};

/* Embedded in a connection that subscribed, and in the message bus. */
struct subscriber {
        TAILQ_ENTRY(subscriber) entry;
        struct link *link;
        uint64_t next; /* number of the record that it gets next */
        uint64_t n_lost;
};

int news_new(struct bus *bus, struct news **ret);
struct news *news_free(struct news *n);

int news_subscribe(struct news *n, struct subscriber *s);
void news_unsubscribe(struct news *n, struct subscriber *s);
/* The message bus has other subscribers than before. */
void news_wanted_changed(struct news *n);
/* Somebody wants news of consumers and devices; of PASIDs and counters. */
bool news_has_subscribers(const struct news *n);
bool news_is_wanted(const struct news *n);

/* path gets a ref. A record that can't be kept is lost, with a line in the log. */
void news_add(struct news *n, enum news_kind kind, struct news_path *path, uint32_t pasid, const char *reason);
const char *news_reason(const struct news *n, const struct news_item *item);

/*
 * Past the ring, for what can neither be late nor lost: to the message bus, and to each direct connection that
 * subscribed. Rare news only: nothing bounds what they make wait.
 */
void news_send_at_once(struct news *n, int (*send)(struct link *link, void *userdata), void *userdata);

/* Sends what the subscriber can take now. */
void news_pump(struct news *n, struct subscriber *s);
void news_pump_all(struct news *n);
