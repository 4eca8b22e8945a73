/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The unified cgroup tree (cgroups(7)). Paths are as in /proc/<pid>/cgroup:
 * absolute, from the root of the tree that we see.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUP_PATH_MAX 4096

/* root: where it is mounted, or NULL to look there where it is on most systems. -ENOENT: no unified tree. */
int cgroup_open_root(const char *root);
/* "/a/b" without "", "." and ".." */
bool cgroup_path_is_valid(const char *path);
/* -ENOENT: it is not there. */
int cgroup_open(int root_fd, const char *path);
/* The kernel's number of a cgroup, which no later one gets in this boot. */
int cgroup_get_id(int cgroup_fd, uint64_t *ret);
/* True for the cgroup itself, and for those below it. */
bool cgroup_path_contains(const char *cgroup, const char *path);

/* An open cgroup.events; what it says stays of that cgroup whatever is made under its path later. */
int cgroup_open_events(int cgroup_fd);
/* 1: it has a process, or one below it has; 0: not, or the cgroup is gone. -ENODATA: it doesn't say. */
int cgroup_is_populated(int events_fd);

/*
 * The cgroup of a unit of the system's manager: units lie in slices, and slices in slices (systemd.slice(5)), so that
 * what a unit makes inside of its own cgroup is never taken for one. *ret is to be freed. -ENOENT; -ENOTUNIQ, with two
 * of them in *ret, as "A and B"; -E2BIG: too many to look at.
 */
int cgroup_find_unit(int root_fd, const char *unit, char **ret);
