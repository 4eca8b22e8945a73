/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the bus layer share.
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>
#include <time.h>

#include <systemd/sd-bus.h>

#include "bus/bus.h"
#include "internal/errors.h"
#include "service/audit.h"

struct busy;
struct connection;
struct hold_again;
struct link;
struct listener;
struct message_bus;
struct news;
struct peer_holds;
struct polkit;
struct poll_set;
struct signals;

TAILQ_HEAD(connection_list, connection);

/* CLOCK_MONOTONIC as it is; that of the event loop stands still for a turn. */
static inline uint64_t exact_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

/* "1 consumer", "2 consumers" */
static inline const char *plural(int n) {
        return n == 1 ? "" : "s";
}

enum connection_limit {
        LIMIT_CONNECTIONS,
        LIMIT_CONNECTIONS_PER_UID,
        LIMIT_QUEUED_BYTES,
        CONNECTION_LIMIT_MAX_,
};

struct bus {
        sd_event *event;
        struct service *service;
        struct bus_limits limits;
        gid_t group;
        const char *group_name;
        const struct device_access_list *access;
        uid_t own_uid;
        const char *version, *boot_id, *table_path, *procfs;
        uint64_t reconnect_usec;
        sd_id128_t server_id;    /* the direct socket's side of each connection */
        unsigned n_since_commit; /* messages dispatched while changes wait for their commit */
        const struct link *last_link; /* that a message came from; only to be compared */
        unsigned n_in_a_row;     /* messages that came from it and from no other */
        uint64_t n_messages;     /* of all links */
        unsigned n_waiting;      /* calls of direct clients that wait for their answer */

        struct message_bus *message_bus; /* NULL: none */
        struct poll_set *poll_set; /* of the direct connections */
        struct listener *listener;
        struct peer_holds *peer_holds;
        struct hold_again *hold_again;
        struct polkit *polkit;
        struct busy *busy;
        struct news *news;
        uint64_t start_usec;                        /* CLOCK_REALTIME */
        uint64_t n_refused[ERROR_TABLE_SIZE + 1];   /* in that table's order; those that are in none last */
        uint64_t n_drift, drift_usec;               /* what the last Check found, and when; 0: never */
        uint64_t n_limited[CONNECTION_LIMIT_MAX_];  /* connections that were refused or closed */
        struct audit_budget policy_budget, limit_budget; /* of lines about refusals */
        struct audit_budget connection_budgets[CONNECTION_LIMIT_MAX_], closing_budget; /* of those about connections */
        struct signals *signals;
};
