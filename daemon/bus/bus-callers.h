/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Callers over a message bus: their credentials are asked of it once for each
 * unique name, which a bus never gives to another while it lives.
 */
#pragma once

#include "bus/message-bus.h"

int bus_callers_new(struct message_bus *mb, struct bus_callers **ret);
struct bus_callers *bus_callers_free(struct bus_callers *callers);

/* 1: known; 0: asked, the message will be dispatched again. */
int bus_callers_get(struct bus_callers *callers, sd_bus_message *m, const struct caller **ret, struct refusal *refusal);
/* Turns the sender's wish for signals on or off, and counts it in mb->n_subscribed. */
int bus_callers_subscribe(struct bus_callers *callers, sd_bus_message *m, bool wanted, struct refusal *refusal);
/* A name left the bus. */
void bus_callers_vanished(struct bus_callers *callers, const char *name);
