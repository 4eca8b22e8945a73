/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The accounts: what each uid has, for the limits per uid.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/core-internal.h"

static struct owner *to_owner(const struct tree_node *node) {
        return node ? CONTAINER_OF(node, struct owner, node) : NULL;
}

static int compare(const void *key, const struct tree_node *node) {
        uid_t a = *(const uid_t *) key, b = to_owner(node)->uid;

        return a < b ? -1 : a > b;
}

struct owner *owner_find(const struct core *core, uid_t uid) {
        return to_owner(tree_find(core->owners, compare, &uid));
}

int owner_get(struct core *core, uid_t uid, struct owner **ret) {
        struct owner *owner = owner_find(core, uid);

        if (!owner) {
                owner = calloc(1, sizeof(*owner));
                if (!owner)
                        return -ENOMEM;
                owner->uid = uid;
                tree_insert(&core->owners, &owner->node, compare, &uid);
        }
        owner->refs++;
        *ret = owner;
        return 0;
}

void owner_put(struct core *core, struct owner *owner) {
        if (--owner->refs > 0)
                return;
        tree_remove(&core->owners, &owner->node, compare, &owner->uid);
        free(owner);
}

bool core_usage_next(const struct core *core, const struct core_usage *after, struct core_usage *ret) {
        const struct owner *owner = after ? to_owner(tree_after(core->owners, compare, &after->uid)) : NULL;

        if (!after) {
                const uid_t lowest = 0;

                owner = owner_find(core, lowest);
                if (!owner)
                        owner = to_owner(tree_after(core->owners, compare, &lowest));
        }
        if (!owner)
                return false;
        *ret = (struct core_usage) {
                .uid = owner->uid, .n_consumers = owner->n_consumers, .n_live = owner->n_live, .n_cooling = owner->n_cooling };
        return true;
}
