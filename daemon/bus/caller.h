/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who calls: the credentials that decisions are made from, taken from the
 * kernel or from the message bus, never from the caller's own words.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct caller {
        uid_t uid;
        pid_t pid;           /* 0: of another pid namespace, or not told */
        uint64_t start_time; /* of that process, in clock ticks since boot; 0: could not be told */
        uint64_t pidfd_inode; /* of that process and no other of this boot; 0: not told (before Linux 6.9) */
        gid_t *groups;       /* owned */
        size_t n_groups;
        char *holder;        /* the name under which it holds consumers; owned */
};

void caller_done(struct caller *caller);
bool caller_in_group(const struct caller *caller, gid_t group);

/*
 * By a pidfd, which is of the process that connected, whatever its pid names by now: it tells whether /proc was read of that
 * process, too.
 */
void caller_identify(struct caller *caller, const char *procfs, int pidfd);

/* Of the process at the other end of a connected unix socket, as it was when it connected. */
int caller_from_socket(int fd, const char *procfs, struct caller *ret);
