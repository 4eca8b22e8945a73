/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many sockets behind one event source. sd-event hears of each ready fd in
 * every turn of its loop and serves one of them, so that a thousand clients
 * who ask at once would be polled a million times.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

struct poll_set;

/* Embedded in what owns the fd. Not to be freed from within a callback of the set. */
struct poll_member {
        int fd;
        uint32_t events; /* EPOLL* that are asked for, 0: none, not even a hang-up */
        void (*callback)(struct poll_member *member, uint32_t revents);
};

int poll_set_new(sd_event *event, struct poll_set **ret);
struct poll_set *poll_set_free(struct poll_set *set);

/* Cheap if nothing changes. */
/* Whether another member is ready, too. */
bool poll_set_has_others(struct poll_set *set, const struct poll_member *member);
int poll_set_update(struct poll_set *set, struct poll_member *member, uint32_t events);
