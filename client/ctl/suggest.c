/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Distances between short words, as typing errors are: a letter too many, one
 * too few, another one, or two in the wrong order (Damerau; Levenshtein).
 */
#include "suggest.h"

#include <stdlib.h>
#include <string.h>

#define WORD_MAX 31U /* longer than any of ours, and no work for what is no word at all */
#define DISTANCE_MAX 2U

static size_t least(size_t a, size_t b) {
        return a < b ? a : b;
}

size_t edit_distance(const char *a, const char *b, size_t max) {
        size_t n = strlen(a), m = strlen(b), rows[3][WORD_MAX + 1];
        size_t *before = rows[0], *above = rows[1], *row = rows[2];

        if (n > WORD_MAX || m > WORD_MAX)
                return max + 1;
        for (size_t k = 0; k <= m; k++)
                above[k] = k;
        for (size_t i = 1; i <= n; i++) {
                size_t *spare = before;

                row[0] = i;
                for (size_t k = 1; k <= m; k++) {
                        row[k] = least(least(above[k], row[k - 1]) + 1, above[k - 1] + (a[i - 1] != b[k - 1]));
                        if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                                row[k] = least(row[k], before[k - 2] + 1);
                }
                before = above;
                above = row;
                row = spare;
        }
        return least(above[m], max + 1);
}

/* The one word that typed begins. */
static const char *by_prefix(const char *const *words, const char *typed) {
        const char *found = NULL;

        for (; *words; words++)
                if (strncmp(*words, typed, strlen(typed)) == 0) {
                        if (found)
                                return NULL;
                        found = *words;
                }
        return found;
}

const char *suggest(const char *const *words, const char *typed) {
        size_t length = strlen(typed), best = length > DISTANCE_MAX ? DISTANCE_MAX + 1 : length;
        const char *found;

        if (length == 0)
                return NULL;
        found = by_prefix(words, typed);
        if (found)
                return found;
        for (; *words; words++) {
                size_t distance = edit_distance(*words, typed, DISTANCE_MAX);

                if (distance < best) {
                        best = distance;
                        found = *words;
                } else if (distance == best)
                        found = NULL;
        }
        return found;
}
