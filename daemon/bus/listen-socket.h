/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A listening unix socket of our own making.
 */
#pragma once

#include <sys/types.h>

#include "core/refusal.h"

struct listen_socket {
        int fd;
        const char *path; /* NULL: of the service manager's making */
        dev_t device;     /* of the file that we bound, to unlink no other */
        ino_t inode;
};

/* Replaces a stale socket; -EADDRINUSE where one answers. 0660 for root and the group; (gid_t) -1: 0600. */
int listen_socket_open(const char *path, gid_t group, struct listen_socket *ret, struct refusal *refusal);
void listen_socket_close(struct listen_socket *s);
