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

uint64_t process_start_time(const char *procfs, pid_t pid) {
        char path[256], stat[1024];
        _cleanup_close_ int fd = -EBADF;
        unsigned long long start;
        const char *p;
        ssize_t n;

        if (pid <= 0)
                return 0;
        (void) snprintf(path, sizeof(path), "%s/%d/stat", procfs ? procfs : "/proc", (int) pid);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return 0;
        n = read(fd, stat, sizeof(stat) - 1);
        if (n <= 0)
                return 0;
        stat[n] = '\0';

        /* field 2, the command, may itself hold blanks and brackets */
        p = strrchr(stat, ')');
        if (!p || sscanf(p + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &start) != 1)
                return 0;
        return start;
}

/* The kernel's own handle on the peer tells whether its pid was another process's by the time that /proc was read. */
static uint64_t peer_start_time(int fd, const char *procfs, pid_t pid) {
        _cleanup_close_ int pidfd = -EBADF;
        socklen_t size = sizeof(pidfd);
        uint64_t start = process_start_time(procfs, pid);
        struct pollfd poll_fd;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0) {
                pidfd = -EBADF;
                return errno == ENOPROTOOPT ? start : 0;
        }
        poll_fd = (struct pollfd) { .fd = pidfd, .events = POLLIN };
        return poll(&poll_fd, 1, 0) == 0 ? start : 0;
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
        caller.start_time = peer_start_time(fd, procfs, ucred.pid);
        *ret = caller;
        return 0;
}
