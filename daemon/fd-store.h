/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service manager's fd store, and whatever else it passed us at start.
 */
#pragma once

#include <stddef.h>

#include "core/refusal.h"
#include "service/service.h"

/* What was passed at start, told apart by name and kind. */
struct passed_fds {
        int *sockets; /* listening ones */
        size_t n_sockets;
        struct stored_fd *stored; /* what an earlier pasidd had kept */
        size_t n_stored;
        char **names; /* theirs */
};

int fd_store_take(struct passed_fds *ret, struct refusal *refusal);
/* Closes what nobody has taken over, and drops it from the store: the start is over. */
void fd_store_settle(struct passed_fds *fds);
/* Frees; what is in the store stays there for the next start. */
void fd_store_done(struct passed_fds *fds);

/* On the service manager that started us; does nothing without one. */
extern const struct fd_keeper fd_store_keeper;
