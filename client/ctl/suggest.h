/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What somebody may have meant by a word that is none.
 */
#pragma once

#include <stddef.h>

/* How many letters are added, left out, changed or swapped with their neighbour; above max: max + 1. */
size_t edit_distance(const char *a, const char *b, size_t max);

/*
 * The one word that begins so, or else the nearest, if it is near. words:
 * NULL-terminated. NULL if there is none, or no single best one.
 */
const char *suggest(const char *const *words, const char *typed);
