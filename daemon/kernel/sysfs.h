/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bounded reading of attributes and links in sysfs and procfs. Paths are
 * relative to a directory's fd. "Is not there" (-ENOENT) is told apart from
 * "cannot be read", and both from "makes no sense" (-EBADMSG).
 */
#pragma once

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "internal/cleanup.h"

#define SYSFS_NAME_MAX (NAME_MAX + 1U)

DEFINE_CLEANUP(DIR *, closedir);

/* An fd, or a negative errno; O_PATH would not do for openat() of attributes on all file systems. */
int sysfs_open_dir(int dir_fd, const char *path);
/* For readdir(); the fd stays the caller's. */
int sysfs_list_dir(int dir_fd, const char *path, DIR **ret);

/*
 * The text of an attribute without surrounding white space, always
 * NUL-terminated. -EBADMSG if it does not fit or holds a NUL byte.
 */
int sysfs_read_text(int dir_fd, const char *path, char *ret, size_t size);
/* A hexadecimal number, with or without 0x, up to the first of end (NULL: nothing may follow). */
int sysfs_read_hex(int dir_fd, const char *path, const char *end, uint64_t *ret);
/* The last component of what a symbolic link points at. */
int sysfs_read_link(int dir_fd, const char *path, char ret[static SYSFS_NAME_MAX]);
/* 0 or a negative errno; a dangling link is -ENOENT. */
int sysfs_access(int dir_fd, const char *path);

/* No memory, no fds: says nothing about what was to be read, so that the whole walk has to fail. */
bool sysfs_is_exhaustion(int r);
/* In place: whatever is not printable ASCII becomes '?'. */
char *sysfs_make_printable(char *s);
