/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tokens: a client's name for one of its requests, so that asking twice gets
 * the same numbers. A token is known while a live row has it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/core-internal.h"

static struct token *to_token(const struct tree_node *node) {
        return node ? CONTAINER_OF(node, struct token, node) : NULL;
}

static int compare(const void *key, const struct tree_node *node) {
        return strcmp(key, to_token(node)->text);
}

static struct token_numbers *numbers_resize(struct token_numbers *numbers, uint32_t n) {
        return realloc(numbers, sizeof(*numbers) + n * sizeof(numbers->pasids[0]));
}

int token_new(const char *text, const uint32_t *pasids, uint32_t n, struct token **ret) {
        size_t size = strlen(text) + 1;
        struct token *token;

        token = malloc(offsetof(struct token, text) + size);
        if (!token)
                return -ENOMEM;
        *token = (struct token) { .refs = 1, .is_many = n != 1 };
        memcpy(token->text, text, size);
        if (n == 1)
                token->one = pasids[0];
        else {
                token->many = numbers_resize(NULL, n);
                if (!token->many) {
                        free(token);
                        return -ENOMEM;
                }
                token->many->n = n;
                memcpy(token->many->pasids, pasids, n * sizeof(*pasids));
        }
        *ret = token;
        return 0;
}

int token_append(struct token *token, uint32_t pasid) {
        struct token_numbers *numbers = token->is_many ? token->many : NULL;
        uint32_t n = numbers ? numbers->n : 1;

        /* Room doubles each time the number is a power of two. */
        if (!numbers || (n & (n - 1)) == 0) {
                struct token_numbers *p = numbers_resize(numbers, n * 2);

                if (!p)
                        return -ENOMEM;
                if (!numbers) {
                        p->n = 1;
                        p->pasids[0] = token->one;
                }
                token->many = p;
                token->is_many = 1;
        }
        token->many->pasids[token->many->n++] = pasid;
        return 0;
}

struct token *token_find(const struct consumer *consumer, const char *text) {
        return to_token(tree_find(consumer->tokens, compare, text));
}

void token_rejoin(struct consumer *consumer, struct token *token) {
        if (token->n_live++ == 0)
                tree_insert(&consumer->tokens, &token->node, compare, token->text);
}

void token_join(struct consumer *consumer, struct token *token) {
        token->refs++;
        token_rejoin(consumer, token);
}

void token_leave(struct consumer *consumer, struct token *token) {
        if (--token->n_live == 0)
                tree_remove(&consumer->tokens, &token->node, compare, token->text);
}

struct token *token_unref(struct token *token) {
        if (token && --token->refs == 0) {
                if (token->is_many)
                        free(token->many);
                free(token);
        }
        return NULL;
}

void token_copy(const struct consumer *consumer, const struct token *token, uint32_t *pasids) {
        const uint32_t *all = token->is_many ? token->many->pasids : &token->one;
        uint32_t n = token->is_many ? token->many->n : 1, k = 0;

        /* A number that left may be somebody else's now, or the same consumer's under another token. */
        for (uint32_t i = 0; i < n; i++) {
                const struct row *row = core_row_get(consumer, all[i]);

                if (row && row_is_live(row) && row->token == token && k < token->n_live)
                        pasids[k++] = all[i];
        }
}

const char *row_token(const struct row *row) {
        return row_is_live(row) && row->token ? row->token->text : NULL;
}

static int compare_numbers(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

int core_token_pasids(struct core *core, struct consumer *consumer, const char *token, uint32_t **ret, size_t *ret_n) {
        const struct token *found = token_find(consumer, token);
        uint32_t *pasids = NULL;

        if (found) {
                pasids = calloc(found->n_live, sizeof(*pasids));
                if (!pasids)
                        return -ENOMEM;
                token_copy(consumer, found, pasids);
                qsort(pasids, found->n_live, sizeof(*pasids), compare_numbers);
        }
        *ret = pasids;
        *ret_n = found ? found->n_live : 0;
        return 0;
}
