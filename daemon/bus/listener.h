/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The direct socket: who may connect, how many, and the list of those who are.
 */
#pragma once

#include "bus/bus-internal.h"

struct listener;

/* Takes over params->listen_fds, also on failure. Without any socket there is still the list. */
int listener_new(struct bus *bus, const struct bus_params *params, struct listener **ret, struct refusal *refusal);
/* Closes all; those who hold consumers keep them, for it is we who go. */
struct listener *listener_free(struct listener *l);

/* Connected clients, in the order they came; half-open ones are not among them. */
const struct connection_list *listener_connections(const struct listener *l);

/* Whose each connection is that counts as ConnectionsPerUid= does, ascending; *ret is the caller's to free(). */
int listener_uids(const struct listener *l, uid_t **ret, size_t *ret_n);
/* Of one that is connected, or about to be let go with what it holds. */
bool listener_has_holder(const struct listener *l, const char *holder);

/* Called by connections. */
void listener_connection_ready(struct listener *l, struct connection *c);
void listener_connection_doomed(struct listener *l, struct connection *c);
