/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon with one honest client, beside which others misbehave: the honest
 * one is to be served all the time, and in the end nothing is left of the rest.
 */
#pragma once

#include "client.h"

struct beside {
        struct fixture *f;
        struct client honest;
        char *path; /* of its consumer */
        int n_fds;  /* the daemon's, before the others came */
};

struct beside beside_begin(const char *config);
/* The others are gone by now. */
void beside_end(struct beside *b);
/* The honest client allocates and frees. */
void honest_ok(struct beside *b);
/* What the daemon needed at most was little; under a checker of memory nothing is measured. */
void beside_memory_ok(const struct beside *b);
