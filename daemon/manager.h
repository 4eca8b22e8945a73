/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Start and stop of the daemon, in the one right order: settings, tables,
 * devices, memory, objects, holders, and only then the name and READY=1.
 */
#pragma once

#include "core/refusal.h"
#include "options.h"

struct manager;

int manager_new(const struct options *options, struct manager **ret, struct refusal *refusal);
/* Serves until SIGTERM or SIGINT. 0, or the negative errno of a broken event loop. */
int manager_run(struct manager *m);
struct manager *manager_free(struct manager *m);
DEFINE_CLEANUP(struct manager *, manager_free);
