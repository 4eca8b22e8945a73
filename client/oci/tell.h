/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Telling the workload: a small file system over /run/pasidd of the container,
 * read-only, with pasids.json and, where asked, pasidd's socket.
 */
#pragma once

#include "container.h"
#include "hook.h"

struct tidings {
        const char *root;        /* the container's, as seen from its mount namespace */
        const char *mount_label; /* of SELinux; NULL: none */
        const char *text;        /* what pasids.json is to say */
        const char *socket;      /* path of the socket on the host; NULL: none */
};

/*
 * Enters the container's mount namespace, and stays in it. The same tidings
 * again do nothing.
 */
int tell_container(struct hook *hook, const struct container *container, const struct tidings *tidings);
