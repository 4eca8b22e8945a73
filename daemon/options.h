/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's command line.
 */
#pragma once

#include <stdbool.h>

struct options {
        const char *bus;          /* "system", an address, or NULL for none */
        const char *listen_path;  /* NULL: the activated or the standard socket */
        const char *runtime_dir;
        const char *state_dir;
        const char *config;
        bool config_given;
        int log_level;
        const char *sysfs, *procfs;
        const char *cgroupfs;     /* NULL: where the unified tree is mounted */
        const char *debugfs;      /* NULL: where sysfs has it */
};

/* 1: go on; 0: help or version was printed; -EINVAL: told on standard error. */
int options_parse(int argc, char **argv, struct options *ret);
