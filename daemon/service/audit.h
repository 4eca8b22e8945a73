/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an administrator wants to find in the journal: who was made, ended,
 * attached, and by whom. So many lines for each uid as a person can read;
 * nobody pushes another's out of the journal.
 */
#pragma once

#include "core/core.h"

#define AUDIT_SLOTS 64U

/* Of max lines for each uid in each stretch of usec. Of so many uids at a time each has its own; those that come then share. */
struct audit_budget {
        unsigned max;
        uint64_t usec;
        struct audit_slot {
                uint64_t until_usec; /* CLOCK_MONOTONIC; 0: free */
                uid_t uid;           /* whose it is; of the rest the last one that wrote */
                unsigned n, n_missed;
        } slots[AUDIT_SLOTS], rest;
};

/* Devices are nobody's. */
#define AUDIT_NOBODY ((uid_t) -1)

/* Of changes: as many as a person can read. */
#define AUDIT_OF_CHANGES { .max = 100, .usec = 60 * 1000000ULL }
/* Of refusals: that there are some, once a minute. */
#define AUDIT_OF_REFUSALS { .max = 1, .usec = 60 * 1000000ULL }

/* Whether one more line about that uid may be written. */
bool audit_may_write(struct audit_budget *budget, uid_t uid);

/* After the commit that made it true; of rows only attachments: allocations come by the million. */
void audit_change(struct audit_budget *budget, const struct change *change, const char *reason);
/* A number that was allocated and attached at once: its change tells of the table only. */
void audit_attached(struct audit_budget *budget, struct consumer *c, uint32_t pasid);
void audit_device(struct audit_budget *budget, const char *message_id, const char *address, const char *what);
