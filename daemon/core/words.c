/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contract's words for states, holds and modes.
 */
#include <errno.h>
#include <string.h>

#include "core/core.h"

#define N_WORDS(words) (sizeof(words) / sizeof((words)[0]))

static const char *const state_words[ROW_STATE_MAX_] = {
        [ROW_ALLOCATED] = "allocated",
        [ROW_ATTACHED] = "attached",
        [ROW_COOLING] = "cooling",
        [ROW_RESERVED] = "reserved",
        [ROW_LOST] = "lost",
};

static const char *const hold_words[HOLD_KIND_MAX_] = {
        [HOLD_CONNECTION] = "connection",
        [HOLD_FD] = "fd",
        [HOLD_PROCESS] = "process",
        [HOLD_UNIT] = "unit",
        [HOLD_BOOT] = "boot",
        [HOLD_PERSISTENT] = "persistent",
};

static const char *const mode_words[CONSUMER_MODE_MAX_] = {
        [MODE_ADVISORY] = "advisory",
        [MODE_MEDIATED] = "mediated",
};

static const char *word(const char *const *words, size_t n, unsigned i) {
        return i < n ? words[i] : NULL;
}

static int find_word(const char *const *words, size_t n, const char *s) {
        for (size_t i = 0; s && i < n; i++)
                if (strcmp(words[i], s) == 0)
                        return (int) i;
        return -EINVAL;
}

const char *row_state_to_string(enum row_state state) {
        return word(state_words, N_WORDS(state_words), (unsigned) state);
}

int row_state_from_string(const char *s) {
        return find_word(state_words, N_WORDS(state_words), s);
}

const char *hold_kind_to_string(enum hold_kind kind) {
        return word(hold_words, N_WORDS(hold_words), (unsigned) kind);
}

int hold_kind_from_string(const char *s) {
        return find_word(hold_words, N_WORDS(hold_words), s);
}

const char *consumer_mode_to_string(enum consumer_mode mode) {
        return word(mode_words, N_WORDS(mode_words), (unsigned) mode);
}

int consumer_mode_from_string(const char *s) {
        return find_word(mode_words, N_WORDS(mode_words), s);
}
