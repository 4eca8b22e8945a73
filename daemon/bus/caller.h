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
        gid_t *groups;       /* owned */
        size_t n_groups;
        char *holder;        /* the name under which it holds consumers; owned */
};

void caller_done(struct caller *caller);
bool caller_in_group(const struct caller *caller, gid_t group);

/* Of the process at the other end of a connected unix socket, as it was when it connected. */
int caller_from_socket(int fd, const char *procfs, struct caller *ret);
/* Field 22 of /proc/<pid>/stat; 0 if it can't be read. Together with the pid it names a process for good. */
uint64_t process_start_time(const char *procfs, pid_t pid);
