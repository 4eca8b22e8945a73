/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For a child that a test forks and kills. Check's assertions, those that hold
 * too, write to a file which the child shares with the test; a child killed in
 * the middle of a message leaves half of it there, and the runner gives up.
 */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * To be called right after fork(): whatever the child has inherited above
 * standard error, but the two to keep (-1: none), leads nowhere. Its assertions
 * are told by its exit status alone from then on.
 */
static inline void forked_let_go(int keep, int keep_too) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        DIR *fds = opendir("/proc/self/fd");

        if (null < 0 || !fds)
                _exit(EXIT_FAILURE);
        for (struct dirent *entry; (entry = readdir(fds));) {
                int fd = atoi(entry->d_name);

                /* Out of reach are those that valgrind has for itself. */
                if (fd > STDERR_FILENO && fd != null && fd != dirfd(fds) && fd != keep && fd != keep_too)
                        (void) dup3(null, fd, O_CLOEXEC);
        }
        (void) closedir(fds);
        (void) close(null);
}
