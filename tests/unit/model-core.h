/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The naive model of the core: plain arrays, every question answered by going
 * through all of them. Copied whole to remember a moment, and copied back to
 * undo, so that it shares no idea with what it checks.
 *
 * Numbers are of two windows: 1..1023, and 512 around the border of a quarter
 * of the whole; all consumers keep to them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"

#define MODEL_SLOTS 20  /* consumers, ended ones too */
#define MODEL_LOW 1023U /* last of the lower window */
#define MODEL_HIGH (262144U - 256)
#define MODEL_HIGH_LAST (MODEL_HIGH + 511)
#define MODEL_NUMBERS (MODEL_LOW + 1 + 512)
#define MODEL_POOLS 64
#define MODEL_GROUPS 4
#define MODEL_HOST 1U /* in a mask of spaces; group g is 1 << g */

struct model_cell {
        uint8_t used;
        uint8_t state;
        uint16_t token; /* 0: none */
        uint16_t private_bytes;
        uint32_t since, freed; /* seconds */
        uint32_t held;         /* of a live one that changed its state: when it was given */
};

struct model_consumer {
        bool exists, ended;
        uint64_t id;
        uid_t uid;
        unsigned name, holder;
        uint32_t mask, hardware_max, min, max, quota, cursor;
        enum consumer_mode mode;
        uint32_t n_live, n_cooling;
};

struct model_pool {
        uint32_t mask, max, cursor;
};

/* What the changes told of by the journal add up to. */
struct model_mirror {
        uint8_t present; /* state + 1 */
        uint16_t private_bytes;
};

struct model {
        struct core_limits limits;
        uint64_t next_id;
        uint32_t now; /* seconds */
        struct model_consumer consumers[MODEL_SLOTS];
        uint32_t holders[MODEL_NUMBERS]; /* a bit a slot */
        struct model_cell cells[MODEL_SLOTS][MODEL_NUMBERS];
        struct model_mirror mirror[MODEL_SLOTS][MODEL_NUMBERS];
        bool mirror_exists[MODEL_SLOTS], mirror_ended[MODEL_SLOTS];
        struct model_pool pools[MODEL_POOLS];
        size_t n_pools, n_cooling;
        uint32_t cooling[MODEL_SLOTS * MODEL_NUMBERS]; /* slot * MODEL_NUMBERS + index, first freed first */
};

uint32_t model_index(uint32_t number);
uint32_t model_number(uint32_t index);
bool model_is_taken(const struct model *m, uint32_t mask, uint32_t index);
int model_slot_of(const struct model *m, uint64_t id);
struct model_pool *model_pool(struct model *m, uint32_t mask, uint32_t max);

/* Each returns what the core must: 0, a count, or a negative errno. */
int model_alloc(struct model *m, int slot, const struct alloc_request *q, unsigned token, uint32_t *pasids, bool *ret_repeated);
int model_free(struct model *m, int slot, const uint32_t *pasids, size_t n);
int model_expire(struct model *m, size_t max);
int model_add(struct model *m, const struct model_consumer *wanted, uint32_t min, uint32_t max, uint32_t quota, int *ret_slot);
void model_end(struct model *m, int slot);
void model_commit(struct model *m);
