/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who calls on the direct socket: SO_PEERCRED and its kin.
 */
#include "bus/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "internal/cleanup.h"
#include "service/process.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

#define GROUPS_FIRST_TRY 32

void caller_done(struct caller *caller) {
        free(caller->groups);
        free(caller->holder);
        *caller = (struct caller) {};
}

bool caller_in_group(const struct caller *caller, gid_t group) {
        if (group == (gid_t) -1)
                return false;
        for (size_t i = 0; i < caller->n_groups; i++)
                if (caller->groups[i] == group)
                        return true;
        return false;
}

/* Supplementary groups, and the primary one at the end. */
static int peer_groups(int fd, gid_t primary, gid_t **ret, size_t *ret_n) {
        socklen_t size = GROUPS_FIRST_TRY * sizeof(gid_t);

        for (;;) {
                _cleanup_free_ gid_t *groups = malloc(size + sizeof(gid_t));

                if (!groups)
                        return -ENOMEM;
                if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) >= 0) {
                        size_t n = size / sizeof(gid_t);

                        groups[n++] = primary;
                        *ret = TAKE_PTR(groups);
                        *ret_n = n;
                        return 0;
                }
                if (errno != ERANGE) /* then the kernel has put the size needed into size */
                        return -errno;
        }
}

void caller_identify(struct caller *caller, const char *procfs, int pidfd) {
        struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
        uint64_t start = process_start_time(procfs, caller->pid);

        caller->start_time = poll(&poll_fd, 1, 0) == 0 ? start : 0;
        caller->pidfd_inode = pidfd_inode(pidfd);
}

static void identify_peer(int fd, const char *procfs, struct caller *caller) {
        _cleanup_close_ int pidfd = -EBADF;
        socklen_t size = sizeof(pidfd);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) >= 0)
                caller_identify(caller, procfs, pidfd);
        else {
                pidfd = -EBADF;
                caller->start_time = errno == ENOPROTOOPT ? process_start_time(procfs, caller->pid) : 0;
        }
}

int caller_from_socket(int fd, const char *procfs, struct caller *ret) {
        socklen_t size = sizeof(struct ucred);
        struct caller caller = {};
        struct ucred ucred;
        int r;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &size) < 0)
                return -errno;
        r = peer_groups(fd, ucred.gid, &caller.groups, &caller.n_groups);
        if (r < 0)
                return r;
        caller.uid = ucred.uid;
        caller.pid = ucred.pid;
        identify_peer(fd, procfs, &caller);
        *ret = caller;
        return 0;
}
