/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A radix tree over numbers below 2^20: number -> pointer, ascending walk.
 *
 * Room and content are apart: radix_hold() makes the path to a slot and counts
 * its user, radix_set() fills or empties a held slot and can't fail, and
 * radix_drop() gives the room back. An emptied slot that is still held can be
 * filled again without memory, which is what an undo needs.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "internal/contract.h"

#define RADIX_BITS 5
#define RADIX_SLOTS (1U << RADIX_BITS)
#define RADIX_LEVELS (NUMBER_BITS / RADIX_BITS)

struct radix_node {
        uint32_t holds; /* users of a leaf's slots, children of an inner node */
        uint32_t used;  /* slots with content at or below them */
        void *slot[RADIX_SLOTS];
};

/* All zeroes is an empty tree. */
struct radix {
        struct radix_node *root;
        struct radix_node *leaf; /* the one used last: one change takes several steps, mostly near the last change */
        uint32_t leaf_key;
};

int radix_hold(struct radix *radix, uint32_t n);
void radix_drop(struct radix *radix, uint32_t n);
/* The slot is held; NULL empties it. */
void radix_set(struct radix *radix, uint32_t n, void *content);
void *radix_get(const struct radix *radix, uint32_t n);
/* The content of the first used slot at or above n, NULL without one. */
void *radix_next(const struct radix *radix, uint32_t n);
