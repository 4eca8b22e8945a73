/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hierarchical bitmap. Three levels: 64 numbers a word, 64 words a chunk,
 * 256 chunks; the summaries of the upper two are kept up to date by the few
 * changes that fill or empty a word.
 */
#include "core/idset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE (1U << IDSET_CHUNK_BITS)
#define ALL (~UINT64_C(0))

static uint64_t bit(uint32_t n) {
        return UINT64_C(1) << (n & 63);
}

/* Bits at and above n & 63. */
static uint64_t from_bit(uint32_t n) {
        return ALL << (n & 63);
}

static uint64_t above_bit(uint32_t n) {
        return (n & 63) == 63 ? 0 : ALL << ((n & 63) + 1);
}

void idset_done(struct idset *set) {
        for (uint32_t c = 0; c < IDSET_CHUNKS; c++)
                free(set->chunk[c]);
        memset(set, 0, sizeof(*set));
}

int idset_reserve_chunk(struct idset *set, uint32_t n) {
        struct idset_chunk **chunk = &set->chunk[n >> IDSET_CHUNK_BITS];

        if (!*chunk)
                *chunk = calloc(1, sizeof(**chunk));
        return *chunk ? 0 : -ENOMEM;
}

/* Brings the summaries in line after a word went from old to now. */
static void summarize(struct idset *set, uint32_t c, uint32_t w, uint64_t old, uint64_t now) {
        if (old == 0) {
                set->used[c] |= bit(w);
                set->used_top[c >> 6] |= bit(c);
        } else if (now == 0) {
                set->used[c] &= ~bit(w);
                if (set->used[c] == 0)
                        set->used_top[c >> 6] &= ~bit(c);
        }
        if (now == ALL) {
                set->full[c] |= bit(w);
                if (set->full[c] == ALL)
                        set->full_top[c >> 6] |= bit(c);
        } else if (old == ALL) {
                set->full[c] &= ~bit(w);
                set->full_top[c >> 6] &= ~bit(c);
        }
}

void idset_set(struct idset *set, uint32_t n) {
        uint32_t c = n >> IDSET_CHUNK_BITS, w = n >> 6 & 63;
        struct idset_chunk *chunk = set->chunk[c];
        uint64_t old = chunk->word[w], now = old | bit(n);

        if (now == old)
                return;
        chunk->word[w] = now;
        chunk->count++;
        if (old == 0 || now == ALL)
                summarize(set, c, w, old, now);
}

void idset_clear(struct idset *set, uint32_t n) {
        uint32_t c = n >> IDSET_CHUNK_BITS, w = n >> 6 & 63;
        struct idset_chunk *chunk = set->chunk[c];
        uint64_t old, now;

        if (!chunk)
                return;
        old = chunk->word[w];
        now = old & ~bit(n);
        if (now == old)
                return;
        chunk->word[w] = now;
        chunk->count--;
        if (now == 0 || old == ALL)
                summarize(set, c, w, old, now);
}

int idset_add_set(struct idset *set, const struct idset *src) {
        int r;

        for (uint32_t c = 0; c < IDSET_CHUNKS; c++) {
                const struct idset_chunk *from = src->chunk[c];

                if (!from || from->count == 0)
                        continue;
                r = idset_reserve(set, c << IDSET_CHUNK_BITS);
                if (r < 0)
                        return r;
                for (uint32_t w = 0; w < 64; w++) {
                        uint64_t old = set->chunk[c]->word[w], now = old | from->word[w];

                        if (now == old)
                                continue;
                        set->chunk[c]->word[w] = now;
                        set->chunk[c]->count += (uint32_t) __builtin_popcountll(now & ~old);
                        summarize(set, c, w, old, now);
                }
        }
        return 0;
}

uint32_t idset_next_clear(const struct idset *set, uint32_t from, uint32_t to) {
        uint32_t c = from >> IDSET_CHUNK_BITS, w = from >> 6 & 63, n;
        uint64_t m;

        if (from > to)
                return IDSET_NONE;
        if (!set->chunk[c])
                return from;
        m = ~set->chunk[c]->word[w] & from_bit(from);
        if (m == 0) {
                m = ~set->full[c] & above_bit(w);
                if (m == 0) {
                        uint32_t t = c >> 6;

                        m = ~set->full_top[t] & above_bit(c);
                        while (m == 0) {
                                if (++t == IDSET_CHUNKS / 64)
                                        return IDSET_NONE;
                                m = ~set->full_top[t];
                        }
                        c = t << 6 | (uint32_t) __builtin_ctzll(m);
                        m = ~set->full[c];
                }
                w = (uint32_t) __builtin_ctzll(m);
                m = set->chunk[c] ? ~set->chunk[c]->word[w] : ALL;
        }
        n = c << IDSET_CHUNK_BITS | w << 6 | (uint32_t) __builtin_ctzll(m);
        return n <= to ? n : IDSET_NONE;
}

uint32_t idset_next_set(const struct idset *set, uint32_t from, uint32_t to) {
        uint32_t c = from >> IDSET_CHUNK_BITS, w = from >> 6 & 63, n;
        uint64_t m;

        if (from > to)
                return IDSET_NONE;
        m = idset_word(set, from) & from_bit(from);
        if (m == 0) {
                m = set->used[c] & above_bit(w);
                if (m == 0) {
                        uint32_t t = c >> 6;

                        m = set->used_top[t] & above_bit(c);
                        while (m == 0) {
                                if (++t == IDSET_CHUNKS / 64)
                                        return IDSET_NONE;
                                m = set->used_top[t];
                        }
                        c = t << 6 | (uint32_t) __builtin_ctzll(m);
                        m = set->used[c];
                }
                w = (uint32_t) __builtin_ctzll(m);
                m = set->chunk[c]->word[w];
        }
        n = c << IDSET_CHUNK_BITS | w << 6 | (uint32_t) __builtin_ctzll(m);
        return n <= to ? n : IDSET_NONE;
}

/* The start of a run of count in [run, end), or IDSET_NONE. */
static uint32_t fit(uint32_t run, uint32_t end, uint32_t count, uint32_t align) {
        uint64_t start = ((uint64_t) run + align - 1) & ~((uint64_t) align - 1);

        return start + count <= end ? (uint32_t) start : IDSET_NONE;
}

/* How to find the positions that start count set bits within a word: by doubling, in as many steps for every word. */
struct doubling {
        uint8_t shift[6];
        unsigned n;
};

static struct doubling doubling_for(uint32_t count) {
        struct doubling d = {};

        for (uint32_t have = 1; have < count && count < 64; have += d.shift[d.n++])
                d.shift[d.n] = (uint8_t) (have < count - have ? have : count - have);
        return d;
}

static uint64_t starts_within(uint64_t free, const struct doubling *d) {
        for (unsigned i = 0; i < d->n; i++)
                free &= free >> d->shift[i];
        return free;
}

/*
 * One pass over the words of the range, whole chunks at a time where they are
 * empty or full. run is where the free run that reaches up to the present word
 * began; runs inside one word are found for all its positions at once, so that
 * no pattern of short gaps makes it slow.
 */
uint32_t idset_find_run(const struct idset *set, uint32_t from, uint32_t to, uint32_t count, uint32_t align) {
        struct doubling doubling = doubling_for(count);
        uint64_t aligned = 0;
        uint32_t run = from, n, base = from & ~63U;

        if (from > to || count == 0 || count > to - from + 1)
                return IDSET_NONE;
        for (uint32_t b = 0; b < 64 && align <= 64; b += align)
                aligned |= bit(b);

        while (base <= to) {
                const struct idset_chunk *chunk = set->chunk[base >> IDSET_CHUNK_BITS];
                uint64_t word;

                if ((base & (CHUNK_SIZE - 1)) == 0 && base + CHUNK_SIZE - 1 <= to) {
                        if (!chunk || chunk->count == 0) {
                                base += CHUNK_SIZE;
                                n = fit(run, base, count, align);
                                if (n != IDSET_NONE)
                                        return n;
                                continue;
                        }
                        if (chunk->count == CHUNK_SIZE) {
                                n = fit(run, base, count, align);
                                if (n != IDSET_NONE)
                                        return n;
                                base += CHUNK_SIZE;
                                run = base;
                                continue;
                        }
                }

                word = chunk ? chunk->word[base >> 6 & 63] : 0;
                if (base < from)
                        word |= ~from_bit(from);
                if (to - base < 63)
                        word |= above_bit(to);

                n = fit(run, word == 0 ? base + 64 : base + (uint32_t) __builtin_ctzll(word), count, align);
                if (n != IDSET_NONE)
                        return n;
                if (word != 0) {
                        if (count < 64 && word != ALL) {
                                uint64_t starts = starts_within(~word, &doubling) & aligned;

                                if (starts != 0)
                                        return base + (uint32_t) __builtin_ctzll(starts);
                        }
                        run = base + 64 - (uint32_t) __builtin_clzll(word);
                }
                base += 64;
        }
        return IDSET_NONE;
}

uint32_t idset_count(const struct idset *set, uint32_t from, uint32_t to) {
        uint32_t count = 0;

        while (from <= to) {
                const struct idset_chunk *chunk = set->chunk[from >> IDSET_CHUNK_BITS];
                uint32_t end = from | (CHUNK_SIZE - 1); /* the chunk's last number */

                if (!chunk || chunk->count == 0) {
                        from = end + 1;
                        continue;
                }
                if ((from & (CHUNK_SIZE - 1)) == 0 && end <= to) {
                        count += chunk->count;
                        from = end + 1;
                        continue;
                }
                for (end = end < to ? end : to; from <= end; from = (from | 63) + 1) {
                        uint64_t word = chunk->word[from >> 6 & 63] & from_bit(from);

                        if ((from | 63) > end)
                                word &= ~above_bit(end);
                        count += (uint32_t) __builtin_popcountll(word);
                }
        }
        return count;
}
