/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that runs out in a running tests/bus/pasidd-fake: at a chosen
 * allocation of the daemon, of sd-bus or of SQLite. The plan is the file
 * "memory" in the directory of --sysfs=, which test and daemon map.
 */
#pragma once

#include "../short-memory.h"

/* A file of that name is the plan from now on, if there is one. */
void short_of_follow(const char *directory);
