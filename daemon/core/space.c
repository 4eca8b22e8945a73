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

uint32_t core_space_taken(const struct core *core, int32_t space, uint32_t max) {
        const struct space *found = space_find(core, space);
        uint32_t n = found ? idset_count(&found->taken, NUMBER_MIN, max) : 0;

        /* What is taken on the whole host is taken in each space, and stands there in none. */
        return space == SPACE_HOST ? n : n + idset_count(&core->host->taken, NUMBER_MIN, max);
}

uint32_t core_space_count(const struct core *core, int32_t space, enum row_state state) {
        const struct space *found = space_find(core, space);

        return found && (unsigned) state < ROW_STATE_MAX_ ? found->counts[state] : 0;
}
