/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A table of whatever contents, and what becomes of a pasidd that starts on it.
 */
#pragma once

#include "fuzz.h"

/* Which of the two tables it is, and whether it is of this boot. */
struct table_kind {
        bool is_persistent;
        bool is_of_other_boot;
};

/* A directory for a table, its file's path, and the whole of a good one; all good until the process ends. */
const char *table_directory(const struct table_kind *kind);
const char *table_path(const struct table_kind *kind);
void table_get_good(const struct table_kind *kind, const uint8_t **ret_data, size_t *ret_size);

/* Puts a file there; nothing of an earlier one is left. */
void table_write(const struct table_kind *kind, const void *data, size_t size);
/* It is refused with a sentence, or all that is in it is one with itself and stays so. */
void table_check(const struct table_kind *kind);
