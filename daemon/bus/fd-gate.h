/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many file descriptors a client can put into this process: one at a time,
 * and only one that some message owns.
 *
 * sd-bus forgets, open, those of a message that it drops as invalid (its header
 * announces another number of them, for instance), and does not tell that it
 * dropped one. Left alone, a client could so use up all that the process may
 * have, 253 a message. So what it reads from the socket is read with the
 * process's own limit lowered to the one number that may be given out; what
 * came under that number is closed unless a message turns up that names it.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <sys/resource.h>

#include <systemd/sd-bus.h>

struct fd_gate {
        struct rlimit usual;
        int slot;       /* while narrow: the only number that the kernel can give out; -EBADF: none */
        int held;       /* came in, and no message that owns it has been seen yet; -EBADF: none */
        bool is_narrow;
        sd_bus_message *message; /* dispatched since, and it is not known whether it owns what is held */
};

#define FD_GATE_INIT { .slot = -EBADF, .held = -EBADF }

/* Notes the usual limit. */
int fd_gate_start(struct fd_gate *gate);

/*
 * To be called before sd-bus reads from the socket. -EPROTO: what comes next has more than one file descriptor, or a
 * second one before the first one's message; nothing was changed then, and nothing must be read.
 */
int fd_gate_narrow(struct fd_gate *gate, int socket);
/* After it has read, and before anything else may open a file; does nothing if it is wide. True if it was narrow. */
bool fd_gate_widen(struct fd_gate *gate);
/* The first message since: it may own what came in. */
void fd_gate_note(struct fd_gate *gate, sd_bus_message *m);
/* Its handler has read this file descriptor from it: so it does, and nobody has to look for it. */
void fd_gate_claim(struct fd_gate *gate, int fd);
/* After the dispatch: false if what came in is in no argument of the message. fd_gate_sweep() is to be called then. */
bool fd_gate_settle(struct fd_gate *gate);
/* Closes what nobody owns: once the message, or the connection, is freed. */
void fd_gate_sweep(struct fd_gate *gate);
