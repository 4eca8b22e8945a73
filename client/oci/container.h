/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The container as the kernel knows it: its first process, pinned by a pidfd,
 * its cgroup, and the mark by which a consumer is known as this container's.
 */
#pragma once

#include <stdint.h>

#include "hook.h"

struct container {
        int pidfd;
        pid_t pid;
        uint64_t start;  /* of that process, in ticks since boot: with the pid, unique in a boot */
        char *cgroup;    /* its path, if it is this container's alone; else NULL */
};
#define CONTAINER_INIT { .pidfd = -EBADF }

/* pid: as the runtime told. */
int container_open(struct hook *hook, pid_t pid, struct container *ret);
void container_deinit(struct container *container);
/* Its first process; the pid may be another's since. */
bool container_has_ended(const struct container *container);

/*
 * The mark is kept as private data with each of the container's PASIDs. *ret is
 * to be freed with free().
 */
int container_mark_new(const struct container *container, const char *id, char **ret);
/* Whose mark it is; false: it is none, or another container's. */
bool container_mark_read(const void *mark, size_t size, const char *id, pid_t *ret_pid, uint64_t *ret_start);
/* Whether that process is there and not ended; in doubt it is. */
bool container_process_lives(pid_t pid, uint64_t start);
