/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connection holds on the direct socket over a restart of ours: the holder is
 * "peer:<pid>:<start time>:<serial>:<inode of its pidfd>", and its process has
 * ReconnectSec= to come back.
 */
#pragma once

#include "bus/bus-internal.h"
#include "bus/caller.h"

struct peer_holds;

int peer_holds_new(struct bus *bus, struct peer_holds **ret);
struct peer_holds *peer_holds_free(struct peer_holds *p);
/* Looks at each holder that our table knows: is its process still there? */
int peer_hold_settle(struct peer_holds *p);

int peer_holder_format(const struct caller *caller, uint64_t serial, char **ret);
/* Two connections of the same process. */
bool peer_is_same(const struct caller *a, const struct caller *b);
/* A process connected: true if it came back for consumers, which are caller->holder's now. */
bool peer_hold_return(struct peer_holds *p, const struct caller *caller);
/* By another connection it is there, but its consumers could not be made that one's yet; should it end, they do. */
void peer_hold_watch(struct peer_holds *p, const struct caller *caller);
/* It left again before its time was over: true if its consumers wait on. */
bool peer_hold_wait_again(struct peer_holds *p, const struct caller *caller);
/* Those that could not be watched, or not be given back. */
void peer_hold_look_again(struct peer_holds *p);
/* False: whether its holder is still there can't be told now; true for those with another hold. */
bool peer_hold_is_watched(const struct peer_holds *p, const struct consumer *c);
