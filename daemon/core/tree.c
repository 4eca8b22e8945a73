/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The treap. A node's heap priority is a hash of its address: random enough
 * for a depth of O(log n) whatever keys a client chooses, and kept nowhere.
 */
#include "core/tree.h"

#include <stdint.h>

static uint64_t priority(const struct tree_node *node) {
        uint64_t x = (uint64_t) (uintptr_t) node >> 4;

        x *= UINT64_C(0x9e3779b97f4a7c15);
        x ^= x >> 32;
        return x * UINT64_C(0xd6e8feb86659fd93);
}

struct tree_node *tree_find(struct tree_node *root, TREE_COMPARE(compare), const void *key) {
        while (root) {
                int c = compare(key, root);

                if (c == 0)
                        return root;
                root = c < 0 ? root->left : root->right;
        }
        return NULL;
}

struct tree_node *tree_after(struct tree_node *root, TREE_COMPARE(compare), const void *key) {
        struct tree_node *best = NULL;

        while (root)
                if (compare(key, root) < 0) {
                        best = root;
                        root = root->left;
                } else
                        root = root->right;
        return best;
}

void tree_insert(struct tree_node **root, struct tree_node *node, TREE_COMPARE(compare), const void *key) {
        struct tree_node **left = &node->left, **right = &node->right, *t;
        uint64_t p = priority(node);

        while (*root && priority(*root) > p)
                root = compare(key, *root) < 0 ? &(*root)->left : &(*root)->right;

        /* What hangs here goes below the node, split at its key. */
        t = *root;
        *root = node;
        while (t)
                if (compare(key, t) < 0) {
                        *right = t;
                        right = &t->left;
                        t = t->left;
                } else {
                        *left = t;
                        left = &t->right;
                        t = t->right;
                }
        *left = *right = NULL;
}

static void merge(struct tree_node **link, struct tree_node *a, struct tree_node *b) {
        while (a && b)
                if (priority(a) > priority(b)) {
                        *link = a;
                        link = &a->right;
                        a = a->right;
                } else {
                        *link = b;
                        link = &b->left;
                        b = b->left;
                }
        *link = a ? a : b;
}

void tree_remove(struct tree_node **root, struct tree_node *node, TREE_COMPARE(compare), const void *key) {
        while (*root && *root != node)
                root = compare(key, *root) < 0 ? &(*root)->left : &(*root)->right;
        if (*root)
                merge(root, node->left, node->right);
        node->left = node->right = NULL;
}

struct tree_node *tree_pop(struct tree_node **root) {
        struct tree_node *node = *root;

        if (node) {
                merge(root, node->left, node->right);
                node->left = node->right = NULL;
        }
        return node;
}
