/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bus layer: the objects of org.pasidd1 on a message bus and on the direct
 * socket, at the same time. Start order: bus_new(), bus_settle_holders(),
 * bus_take_name(); nothing is served before the event loop runs.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "bus/device-access.h"
#include "core/refusal.h"
#include "service/service.h"

#define BUS_LISTEN_FDS_MAX 8

/* SPEC rule 9; 0: no limit. */
struct bus_limits {
        uint32_t connections;         /* of the direct socket */
        uint32_t connections_per_uid; /* root and the daemon's own uid are exempt */
        uint64_t queued_bytes;        /* that one connection may keep waiting */
};

/* Strings and pointers must outlive the bus. */
struct bus_params {
        sd_event *event;
        struct service *service;
        const char *bus;            /* "system", an address, or NULL for none */
        const char *listen_path;    /* own direct socket; NULL: none */
        int listen_fds[BUS_LISTEN_FDS_MAX]; /* direct sockets that listen already; taken over, also on failure */
        size_t n_listen_fds;
        gid_t group;                /* may reach listen_path and Init; (gid_t) -1: nobody */
        const char *group_name;
        const struct device_access_list *access; /* looked at for each call: it may change meanwhile */
        struct bus_limits limits;
        uint64_t reconnect_usec;    /* for holders on the direct socket to come back after our restart */
        const char *version, *boot_id, *table_path;
        const char *procfs;         /* NULL: "/proc" */
};

struct bus;

/* Connects and listens. -EADDRINUSE: another daemon serves listen_path. */
int bus_new(const struct bus_params *params, struct bus **ret, struct refusal *refusal);
struct bus *bus_free(struct bus *bus);
/*
 * Asks for each connection-held consumer that was loaded whether its holder lives, and waits for what the bus says, some
 * seconds at most. "Cannot tell" frees nothing.
 */
int bus_settle_holders(struct bus *bus);
/* -EEXIST: another pasidd owns the name. Does nothing without a message bus. */
int bus_take_name(struct bus *bus, struct refusal *refusal);
/* Lowering a limit closes nothing. */
void bus_set_limits(struct bus *bus, const struct bus_limits *limits);
