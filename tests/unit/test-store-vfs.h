/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SQLite's access to files with a fault at a chosen call: of those that can
 * fail when a disk is full or broken, or that a crash can come before.
 */
#pragma once

#include <stdbool.h>

enum fault_mode {
        FAULT_NONE,    /* calls are only counted */
        FAULT_ONCE,    /* one call fails */
        FAULT_FOREVER, /* it and all after it */
        FAULT_KILL,    /* SIGKILL instead of the call */
};

struct fault_plan {
        enum fault_mode mode;
        int code;      /* SQLite's, of a failing write */
        unsigned at;   /* the call, from 1 */
        /* what happened */
        unsigned calls;
        unsigned writes, locks; /* of them; locks can't fail and are no calls */
};

/* Under all connections that are opened from now on. */
void fault_vfs_install(struct fault_plan *plan);
void fault_vfs_remove(void);
/* One more place to be killed at, outside of SQLite. */
void fault_vfs_step(void);
