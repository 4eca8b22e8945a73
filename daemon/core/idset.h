/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set of numbers below 2^20: a bitmap in chunks of 4096 numbers, made when a
 * number in them is first set, under two summaries: which words are full (to
 * find a free number) and which are used (to find a taken one). Each search
 * takes a few words, however many numbers are set.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "internal/contract.h"

#define IDSET_NONE UINT32_MAX
#define IDSET_CHUNK_BITS 12
#define IDSET_CHUNKS (1U << (NUMBER_BITS - IDSET_CHUNK_BITS))

struct idset_chunk {
        uint64_t word[64];
        uint32_t count;
};

struct idset {
        struct idset_chunk *chunk[IDSET_CHUNKS];
        uint64_t full[IDSET_CHUNKS]; /* a bit a word of the chunk */
        uint64_t used[IDSET_CHUNKS];
        uint64_t full_top[IDSET_CHUNKS / 64]; /* a bit a chunk */
        uint64_t used_top[IDSET_CHUNKS / 64];
};

/* All zeroes is an empty set. */
void idset_done(struct idset *set);
/* After it, setting n can't fail. The room stays until idset_done(), so what was once set can be set again. */
int idset_reserve_chunk(struct idset *set, uint32_t n);
void idset_set(struct idset *set, uint32_t n);
void idset_clear(struct idset *set, uint32_t n);
/* Adds all of src. After -ENOMEM the set holds a part of it. */
int idset_add_set(struct idset *set, const struct idset *src);

/* The first number that isn't (is) in the set, from..to both included; IDSET_NONE without one. */
uint32_t idset_next_clear(const struct idset *set, uint32_t from, uint32_t to);
uint32_t idset_next_set(const struct idset *set, uint32_t from, uint32_t to);
/* The lowest multiple of align (a power of two) that starts count numbers not in the set, all of them in from..to. */
uint32_t idset_find_run(const struct idset *set, uint32_t from, uint32_t to, uint32_t count, uint32_t align);
/* How many of from..to are in the set. */
uint32_t idset_count(const struct idset *set, uint32_t from, uint32_t to);

static inline uint64_t idset_word(const struct idset *set, uint32_t n) {
        const struct idset_chunk *chunk = set->chunk[n >> IDSET_CHUNK_BITS];

        return chunk ? chunk->word[n >> 6 & 63] : 0;
}

static inline bool idset_has(const struct idset *set, uint32_t n) {
        return idset_word(set, n) >> (n & 63) & 1;
}

static inline int idset_reserve(struct idset *set, uint32_t n) {
        return set->chunk[n >> IDSET_CHUNK_BITS] ? 0 : idset_reserve_chunk(set, n);
}
