/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connection holds over a message bus: the holder is "bus:<guid>:<unique name>".
 */
#pragma once

#include "bus/message-bus.h"

#define BUS_HOLDER_PREFIX "bus:"

int bus_holder_format(const struct message_bus *mb, const char *name, char **ret);
/* Asks the bus for each holder on it that our table knows; those of another bus's life are gone. */
int bus_hold_settle(struct message_bus *mb);
/* Until the bus has answered all that was asked, or for so long; what comes later is taken when it comes. */
void bus_hold_await(struct message_bus *mb, uint64_t usec);
/* Those that the bus did not tell of. */
void bus_hold_ask_again(struct message_bus *mb);
/* What was asked goes with the connection that it was asked by. */
void bus_hold_forget(struct message_bus *mb);
/* False: its holder is on a bus that we are not on at present, or that did not tell whether it is there. */
bool bus_hold_is_watched(const struct bus *bus, const struct consumer *c);
/* A name left the bus. */
void bus_hold_vanished(struct message_bus *mb, const char *name);
