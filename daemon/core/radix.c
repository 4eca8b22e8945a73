/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The radix tree: four levels of 32 slots. The used bits tell where content
 * is, the holds how long a node stays.
 */
#include "core/radix.h"

#include <errno.h>
#include <stdlib.h>

#define TOP_SHIFT (NUMBER_BITS - RADIX_BITS)

_Static_assert(RADIX_BITS * RADIX_LEVELS == NUMBER_BITS, "levels cover every number");

static uint32_t digit(uint32_t n, unsigned shift) {
        return n >> shift & (RADIX_SLOTS - 1);
}

static uint32_t key_of(uint32_t n) {
        return n >> RADIX_BITS;
}

/* The nodes on the way to n, from the root on; returns how many there are. */
static size_t walk(const struct radix *radix, uint32_t n, struct radix_node *path[static RADIX_LEVELS]) {
        struct radix_node *node = radix->root;
        size_t depth = 0;

        for (unsigned shift = TOP_SHIFT; node; shift -= RADIX_BITS) {
                path[depth++] = node;
                if (shift == 0)
                        break;
                node = node->slot[digit(n, shift)];
        }
        return depth;
}

static unsigned shift_at(size_t depth) {
        return TOP_SHIFT - (unsigned) depth * RADIX_BITS;
}

static struct radix_node *find_leaf(const struct radix *radix, uint32_t n) {
        const struct radix_node *node = radix->root;

        if (radix->leaf && radix->leaf_key == key_of(n))
                return radix->leaf;
        for (unsigned shift = TOP_SHIFT; node && shift > RADIX_BITS; shift -= RADIX_BITS)
                node = node->slot[digit(n, shift)];
        return node ? node->slot[digit(n, RADIX_BITS)] : NULL;
}

/* For those who change it: remembers the leaf. */
static struct radix_node *get_leaf(struct radix *radix, uint32_t n) {
        struct radix_node *leaf = find_leaf(radix, n);

        if (leaf) {
                radix->leaf = leaf;
                radix->leaf_key = key_of(n);
        }
        return leaf;
}

/* Frees what nobody holds on the way to n. */
static void prune(struct radix *radix, uint32_t n) {
        struct radix_node *path[RADIX_LEVELS];
        size_t depth = walk(radix, n, path);

        radix->leaf = NULL;
        while (depth-- > 0 && path[depth]->holds == 0) {
                free(path[depth]);
                if (depth == 0)
                        radix->root = NULL;
                else {
                        path[depth - 1]->slot[digit(n, shift_at(depth - 1))] = NULL;
                        path[depth - 1]->holds--;
                }
        }
}

static int make_leaf(struct radix *radix, uint32_t n) {
        struct radix_node **link = &radix->root, *parent = NULL;

        for (unsigned shift = TOP_SHIFT;; shift -= RADIX_BITS) {
                if (!*link) {
                        *link = calloc(1, sizeof(**link));
                        if (!*link) {
                                prune(radix, n);
                                return -ENOMEM;
                        }
                        if (parent)
                                parent->holds++;
                }
                if (shift == 0)
                        return 0;
                parent = *link;
                link = (struct radix_node **) &parent->slot[digit(n, shift)];
        }
}

int radix_hold(struct radix *radix, uint32_t n) {
        struct radix_node *leaf = get_leaf(radix, n);
        int r;

        if (!leaf) {
                r = make_leaf(radix, n);
                if (r < 0)
                        return r;
                leaf = get_leaf(radix, n);
        }
        leaf->holds++;
        return 0;
}

void radix_drop(struct radix *radix, uint32_t n) {
        struct radix_node *leaf = get_leaf(radix, n);

        if (leaf && --leaf->holds == 0)
                prune(radix, n);
}

void radix_set(struct radix *radix, uint32_t n, void *content) {
        struct radix_node *path[RADIX_LEVELS], *leaf = get_leaf(radix, n);
        uint32_t old = leaf->used, mask = 1U << digit(n, 0);

        leaf->slot[digit(n, 0)] = content;
        leaf->used = content ? old | mask : old & ~mask;
        if ((old == 0) == (leaf->used == 0))
                return;
        /* The leaf was emptied, or got its first: up to where that makes no difference. */
        for (size_t depth = walk(radix, n, path) - 1; depth-- > 0;) {
                old = path[depth]->used;
                mask = 1U << digit(n, shift_at(depth));
                path[depth]->used = content ? old | mask : old & ~mask;
                if ((old == 0) == (path[depth]->used == 0))
                        return;
        }
}

void *radix_get(const struct radix *radix, uint32_t n) {
        const struct radix_node *leaf = find_leaf(radix, n);

        return leaf ? leaf->slot[digit(n, 0)] : NULL;
}

/* At most two children of a node are entered: the one on the way to n, and the next. */
static void *next_below(const struct radix_node *node, uint32_t n, unsigned shift) {
        uint32_t first = digit(n, shift);

        for (uint32_t used = node->used & ~0U << first; used != 0; used &= used - 1) {
                uint32_t i = (uint32_t) __builtin_ctz(used);
                void *found;

                if (shift == 0)
                        return node->slot[i];
                found = next_below(node->slot[i], i == first ? n : 0, shift - RADIX_BITS);
                if (found)
                        return found;
        }
        return NULL;
}

void *radix_next(const struct radix *radix, uint32_t n) {
        const struct radix_node *leaf;
        uint32_t used;

        if (!radix->root || n > NUMBER_MAX)
                return NULL;
        leaf = find_leaf(radix, n);
        used = leaf ? leaf->used & ~0U << digit(n, 0) : 0;
        return used != 0 ? leaf->slot[__builtin_ctz(used)] : next_below(radix->root, n, TOP_SHIFT);
}
