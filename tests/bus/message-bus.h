/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A message bus of a test's own, that lets everybody do everything: served by
 * dbus-daemon, or by dbus-broker with the test for its launcher.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "process.h"

enum bus_kind {
        BUS_NONE,
        BUS_DBUS_DAEMON,
        BUS_DBUS_BROKER,
        BUS_KIND_MAX_,
};

#define MESSAGE_BUSES (BUS_KIND_MAX_ - BUS_DBUS_DAEMON)

struct message_bus {
        enum bus_kind kind;
        char *dir;       /* socket and log */
        char *address;
        pid_t pid;
        sd_bus *controller; /* dbus-broker only; the broker ends with it */
};

const char *bus_kind_to_string(enum bus_kind kind);
/* The program is here. */
bool bus_kind_is_available(enum bus_kind kind);

/* In dir, which must exist; ready when this returns. A second one on the same directory has the same address. */
int message_bus_new(enum bus_kind kind, const char *dir, struct message_bus **ret);
/* Kills it. */
struct message_bus *message_bus_free(struct message_bus *b);
DEFINE_CLEANUP(struct message_bus *, message_bus_free);
