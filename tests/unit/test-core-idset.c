/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hierarchical bitmap against a plain array: every search from random
 * places, at the borders of words, chunks and summaries, in sparse, dense and
 * patterned sets.
 */
#include "test-core-quick.h"

#include <stdio.h>
#include <string.h>

#include "core/idset.h"

#define SIZE (NUMBER_MAX + 1)

static bool plain[SIZE];
static struct idset set;
static uint32_t random_state = 2463534242;

static uint32_t next_random(void) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 17;
        random_state ^= random_state << 5;
        return random_state;
}

static void put(uint32_t n, bool taken) {
        plain[n] = taken;
        if (taken) {
                SAME(idset_reserve(&set, n), 0);
                idset_set(&set, n);
        } else
                idset_clear(&set, n);
}

static void clear_all(void) {
        idset_done(&set);
        memset(plain, 0, sizeof(plain));
}

static uint32_t naive_next(uint32_t from, uint32_t to, bool taken) {
        for (uint32_t n = from; n <= to; n++)
                if (plain[n] == taken)
                        return n;
        return IDSET_NONE;
}

static uint32_t naive_run(uint32_t from, uint32_t to, uint32_t count, uint32_t align) {
        uint32_t length = 0;

        /* By the lengths of runs, so that it is plain and yet not quadratic. */
        for (uint32_t n = from; n <= to; n++) {
                uint32_t first = n - length, start;

                if (plain[n]) {
                        length = 0;
                        continue;
                }
                length++;
                start = (first + align - 1) / align * align;
                if (n >= start && n - start + 1 >= count)
                        return start;
        }
        return IDSET_NONE;
}

static uint32_t naive_count(uint32_t from, uint32_t to) {
        uint32_t count = 0;

        for (uint32_t n = from; n <= to; n++)
                count += plain[n];
        return count;
}

static void compare(uint32_t from, uint32_t to) {
        static const uint32_t counts[] = { 1, 2, 3, 5, 31, 32, 33, 62, 63, 64, 65, 100, 127, 128, 129, 1000, 4096, 5000 };
        uint32_t count = counts[next_random() % (sizeof(counts) / sizeof(counts[0]))], align = 1U << next_random() % 10;

        SAME(idset_next_clear(&set, from, to), naive_next(from, to, false));
        SAME(idset_next_set(&set, from, to), naive_next(from, to, true));
        SAME(idset_count(&set, from, to), naive_count(from, to));
        SAME(idset_find_run(&set, from, to, count, align), naive_run(from, to, count, align));
        SAME(idset_has(&set, from), plain[from]);
}

static void compare_some(uint32_t lowest, uint32_t highest, int rounds) {
        for (int i = 0; i < rounds; i++) {
                uint32_t from = lowest + next_random() % (highest - lowest + 1);

                compare(from, from + next_random() % (highest - from + 1));
        }
        compare(lowest, highest);
}

/* Random fills of a part that lies over the borders of all levels. */
START_TEST(test_random) {
        static const uint32_t places[] = { 0, 4096 - 300, 262144 - 700, SIZE - 9000 };
        uint32_t lowest = places[_i % 4], highest = lowest + 8999;
        uint32_t per_mille[] = { 1, 20, 500, 980, 999 };

        for (size_t p = 0; p < 5; p++) {
                for (uint32_t n = lowest; n <= highest; n++)
                        put(n, next_random() % 1000 < per_mille[p]);
                compare_some(lowest, highest, 100);
                /* in blocks */
                for (uint32_t n = lowest; n <= highest;) {
                        bool taken = next_random() % 1000 < per_mille[p];

                        for (uint32_t k = next_random() % 200; n <= highest && k > 0; k--)
                                put(n++, taken);
                }
                compare_some(lowest, highest, 100);
        }
        clear_all();
}
END_TEST

START_TEST(test_periods) {
        for (uint32_t period = 2; period < 140; period += 1 + period / 8) {
                for (uint32_t n = 0; n < 9000; n++)
                        put(n, n % period == period - 1);
                compare_some(0, 8999, 60);
                for (uint32_t n = 0; n < 9000; n++)
                        put(n, n % period != period - 1);
                compare_some(0, 8999, 60);
        }
        clear_all();
}
END_TEST

START_TEST(test_empty_and_full) {
        SAME(idset_next_clear(&set, 1, NUMBER_MAX), 1);
        SAME(idset_next_set(&set, 0, NUMBER_MAX), IDSET_NONE);
        SAME(idset_find_run(&set, 1, NUMBER_MAX, NUMBER_MAX, 1), 1);
        SAME(idset_find_run(&set, 0, NUMBER_MAX, SIZE, 1), 0);
        SAME(idset_find_run(&set, 1, NUMBER_MAX, SIZE, 1), IDSET_NONE);
        SAME(idset_find_run(&set, 1, NUMBER_MAX, 2, 1U << 19), 1U << 19);
        SAME(idset_next_clear(&set, 5, 4), IDSET_NONE);
        SAME(idset_count(&set, 0, NUMBER_MAX), 0);
        idset_clear(&set, 17);

        for (uint32_t n = 0; n < SIZE; n++)
                put(n, true);
        SAME(idset_count(&set, 0, NUMBER_MAX), SIZE);
        SAME(idset_next_clear(&set, 0, NUMBER_MAX), IDSET_NONE);
        SAME(idset_find_run(&set, 0, NUMBER_MAX, 1, 1), IDSET_NONE);

        /* One hole is found from everywhere before it, and by nobody after it. */
        for (int i = 0; i < 200; i++) {
                uint32_t hole = next_random() % SIZE, from = next_random() % SIZE;

                put(hole, false);
                SAME(idset_next_clear(&set, 0, NUMBER_MAX), hole);
                SAME(idset_next_clear(&set, from, NUMBER_MAX), from <= hole ? hole : IDSET_NONE);
                SAME(idset_find_run(&set, 0, NUMBER_MAX, 1, 1), hole);
                put(hole, true);
        }
        for (uint32_t n = 0; n < SIZE; n++)
                put(n, false);
        SAME(idset_next_set(&set, 0, NUMBER_MAX), IDSET_NONE);
        for (int i = 0; i < 200; i++) {
                uint32_t one = next_random() % SIZE, from = next_random() % SIZE;

                put(one, true);
                SAME(idset_next_set(&set, from, NUMBER_MAX), from <= one ? one : IDSET_NONE);
                SAME(idset_next_set(&set, 0, one), one);
                put(one, false);
        }
        clear_all();
}
END_TEST

START_TEST(test_add_set) {
        struct idset other = {};

        for (int i = 0; i < 20000; i++) {
                uint32_t n = next_random() % 40000;

                put(n, true);
                n = i < 10000 ? next_random() % 40000 + 20000 : (uint32_t) i;
                SAME(idset_reserve(&other, n), 0);
                idset_set(&other, n);
        }
        SAME(idset_add_set(&set, &other), 0);
        for (uint32_t n = 0; n < 60000; n++)
                plain[n] |= idset_has(&other, n);
        compare_some(0, 60000, 200);
        /* the summaries too: emptied and filled again they still find everything */
        for (uint32_t n = 0; n < 60000; n++)
                if (plain[n])
                        put(n, false);
        SAME(idset_next_set(&set, 0, NUMBER_MAX), IDSET_NONE);
        idset_done(&other);
        clear_all();
}
END_TEST

START_TEST(test_small_when_empty) {
        uint32_t chunks = 0;

        put(5, true);
        put(70, true);
        put(500000, true);
        for (uint32_t c = 0; c < IDSET_CHUNKS; c++)
                chunks += set.chunk[c] != NULL;
        SAME(chunks, 2);
        HOLDS(sizeof(set) < 8192);
        clear_all();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("core-idset");
        TCase *tc = tcase_create("idset");

        tcase_set_timeout(tc, 120);
        tcase_add_loop_test(tc, test_random, 0, 4);
        tcase_add_test(tc, test_periods);
        tcase_add_test(tc, test_empty_and_full);
        tcase_add_test(tc, test_add_set);
        tcase_add_test(tc, test_small_when_empty);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
