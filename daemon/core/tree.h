/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A treap: a search tree whose links lie in its members. Beside tsearch(3) it
 * saves an allocation a member, and putting a member back can't fail, which
 * is what an undo needs.
 */
#pragma once

#include <stddef.h>

struct tree_node {
        struct tree_node *left, *right;
};

/* Below, at or above 0 as the key stands to the node's. */
#define TREE_COMPARE(name) int (*name)(const void *key, const struct tree_node *node)

struct tree_node *tree_find(struct tree_node *root, TREE_COMPARE(compare), const void *key);
/* The first node above the key. */
struct tree_node *tree_after(struct tree_node *root, TREE_COMPARE(compare), const void *key);
/* The key is the node's own, and not in the tree. */
void tree_insert(struct tree_node **root, struct tree_node *node, TREE_COMPARE(compare), const void *key);
/* The node is in the tree; key is its own. */
void tree_remove(struct tree_node **root, struct tree_node *node, TREE_COMPARE(compare), const void *key);
/* Takes some node out, in no order; NULL once there is none. For taking a whole tree apart. */
struct tree_node *tree_pop(struct tree_node **root);

#define CONTAINER_OF(pointer, type, member) ((type *) ((char *) (pointer) - offsetof(type, member)))
