/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole pasidd in this process: bus layer and service on a kernel in memory,
 * on tables on tmpfs, and clients of several users beside it, all turned by
 * hand. Nothing outlives an input, so that each does the same whenever it is run.
 */
#pragma once

#include "../unit/service-fixture.h"
#include "bus/bus.h"
#include "script.h"
#include "values.h"

struct fuzz_client {
        sd_bus *sd; /* NULL: could not connect */
        int fd;     /* the sd-bus's */
        unsigned n_calls, n_answers;
};

struct world {
        struct fixture fixture;
        struct bus *bus;
        char socket[128];
        struct fuzz_client clients[FUZZ_CLIENTS];
        struct fuzz_fds fds;
        int hold_end;      /* the other one of what is held by */
        bool is_harmed;    /* something was refused that a user can't have refused: what is left over may be told later */
        bool is_delayed;   /* an answer may take its time */
};

void world_begin(struct world *w);
/* Until nobody has anything to do. */
void world_settle(struct world *w);
void world_connect(struct world *w, unsigned client);
void world_disconnect(struct world *w, unsigned client);
void world_restart(struct world *w);
/* Sends a call, and counts its answer. */
void world_call(struct world *w, unsigned client, sd_bus_message *m);
void world_hang_up(struct world *w);
/* All calls are answered, and memory, tables and kernel are one. */
void world_end(struct world *w);
