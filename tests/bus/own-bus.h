/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A message bus with the daemon alone on it, played by a test: for what no
 * program of a bus here can be made to do.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "fixture.h"

#define OWN_BUS_ID "0123456789abcdef0123456789abcdef" /* of holders on it */

/* In a child: listens at path, says that it is ready, and waits for the daemon. To be started. */
sd_bus *own_bus_accept(struct child *self, const char *path);
/* Answers what the daemon asks of any bus; 0: it is something else. */
int own_bus_answer(sd_bus_message *m);
/* The daemon's --bus= is the one at that path, which is to be freed. */
char *own_bus_choose(struct fixture *f);
