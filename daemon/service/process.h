/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes, and how they are told apart: a pid alone names nobody for long.
 * procfs: NULL for "/proc".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Field 22 of /proc/<pid>/stat, in clock ticks since boot; 0 if it can't be read. With the pid it names a process for good. */
uint64_t process_start_time(const char *procfs, pid_t pid);
/* The same, if the process is that user's; 0: it is another's, or can't be told. */
uint64_t process_start_time_of(const char *procfs, pid_t pid, uid_t uid);
/* Whose /proc/<pid> is: the process's effective uid, or root where nobody may trace it. */
int process_owner(const char *procfs, pid_t pid, uid_t *ret);
/* 1: it lives in a pid namespace below ours, where pids are other numbers; -errno: that cannot be told. */
int process_is_nested(const char *procfs, pid_t pid);
/* Its path in the unified cgroup tree, from the root of ours; to be freed. */
int process_cgroup(const char *procfs, pid_t pid, char **ret);

/* As pidfd_open(2): -ESRCH if there is no such process, -EINVAL or -ENOENT for a thread. */
int pidfd_open_process(pid_t pid);
/* Of no other process of this boot; 0 before Linux 6.9, where all pidfds have one inode. */
uint64_t pidfd_inode(int pidfd);
