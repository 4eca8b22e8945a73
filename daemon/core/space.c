/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The spaces: one per IOMMU group that a consumer ever had a device in, and
 * that of the whole host.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/core-internal.h"

static struct space *to_space(const struct tree_node *node) {
        return node ? CONTAINER_OF(node, struct space, node) : NULL;
}

static int compare(const void *key, const struct tree_node *node) {
        int32_t a = *(const int32_t *) key, b = to_space(node)->id;

        return a < b ? -1 : a > b;
}

struct space *space_find(const struct core *core, int32_t id) {
        return to_space(tree_find(core->spaces, compare, &id));
}

struct space *space_after(const struct core *core, const struct space *space) {
        int32_t id = space ? space->id : INT32_MIN;

        return to_space(tree_after(core->spaces, compare, &id));
}

int space_get(struct core *core, int32_t id, struct space **ret) {
        struct space *space = space_find(core, id);

        if (!space) {
                space = calloc(1, sizeof(*space));
                if (!space)
                        return -ENOMEM;
                space->id = id;
                tree_insert(&core->spaces, &space->node, compare, &id);
        }
        *ret = space;
        return 0;
}

void space_free_all(struct core *core) {
        struct tree_node *node;

        while ((node = tree_pop(&core->spaces))) {
                struct space *space = to_space(node);

                idset_done(&space->taken);
                idset_done(&space->cooling);
                free(space);
        }
}

bool core_space_next(const struct core *core, int32_t after, int32_t *ret) {
        const struct space *space = to_space(tree_after(core->spaces, compare, &after));

        if (space)
                *ret = space->id;
        return space;
}

uint32_t core_space_taken(const struct core *core, int32_t group, uint32_t max) {
        const struct space *found = space_find(core, group);
        uint32_t n = found ? idset_count(&found->taken, NUMBER_MIN, max) : 0;

        /* What is taken on the whole host is taken in each space, and stands there in none. */
        return n + idset_count(&core->host->taken, NUMBER_MIN, max);
}

/* The union as the host's pool has it, which is not there before somebody wants it. */
uint32_t core_host_taken(const struct core *core) {
        uint32_t n = 0;

        for (uint32_t c = 0; c < IDSET_CHUNKS; c++) {
                struct idset_chunk sum = {};

                for (const struct space *s = space_after(core, NULL); s; s = space_after(core, s))
                        for (uint32_t w = 0; s->taken.chunk[c] && w < ELEMENTSOF(sum.word); w++)
                                sum.word[w] |= s->taken.chunk[c]->word[w];
                for (uint32_t w = 0; w < ELEMENTSOF(sum.word); w++)
                        n += (uint32_t) __builtin_popcountll(sum.word[w]);
        }
        return n;
}

uint32_t core_space_count(const struct core *core, int32_t space, enum row_state state) {
        const struct space *found = space_find(core, space);

        return found && (unsigned) state < ROW_STATE_MAX_ ? found->counts[state] : 0;
}
