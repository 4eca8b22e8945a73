/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of the core share: a core with generous limits, consumers on
 * devices of given spaces and widths, and calls that expect one outcome.
 */
#pragma once

#include <stdio.h>
#include <string.h>

#include "suite.h"

#include "core/core-internal.h"

#define SECOND UINT64_C(1000000)
#define DELAY (30 * SECOND)

#define AT(seconds) ((struct moment) { 1000 * SECOND + (seconds) * SECOND, (seconds) * SECOND })

static inline struct core *test_core(uint64_t delay) {
        struct core *core = NULL;

        ck_assert_int_eq(core_new(&(struct core_limits) {
                .pasids_per_uid = 4096, .pasids_per_consumer = 65536, .consumers_per_uid = 64, .reuse_delay_usec = delay },
                &core), 0);
        return core;
}

static inline struct consumer_device test_device(int32_t space, uint32_t max_pasid) {
        struct consumer_device d = { .space = space, .max_pasid = max_pasid };

        (void) snprintf(d.address, sizeof(d.address), "0000:%02x:00.0", (unsigned) space & 0xff);
        return d;
}

/* With a device for each of n spaces; none: a consumer of the whole host. */
static inline struct consumer *test_consumer(struct core *core, uid_t uid, const char *name, const int32_t *spaces, size_t n,
                                             uint32_t max_pasid) {
        struct consumer_device devices[8] = {};
        struct refusal refusal = {};
        struct consumer *c = NULL;
        int r;

        for (size_t i = 0; i < n; i++)
                devices[i] = test_device(spaces[i], max_pasid);
        r = core_consumer_add(core, &(struct consumer_spec) {
                .uid = uid, .name = name, .hold = HOLD_BOOT, .devices = devices, .n_devices = n }, &c, &refusal);
        ck_assert_msg(r == 0, "%s", refusal.text);
        return c;
}
#define ON(...) (const int32_t[]) { __VA_ARGS__ }, sizeof((int32_t[]) { __VA_ARGS__ }) / sizeof(int32_t)

static inline int test_try(struct core *core, struct consumer *c, uint32_t min, uint32_t max, uint32_t *ret,
                           struct refusal *refusal) {
        struct alloc_request q = { .count = 1, .min = min, .max = max, .now = AT(0) };

        return core_alloc(core, c, &q, ret, NULL, refusal);
}

static inline uint32_t test_alloc(struct core *core, struct consumer *c, uint32_t min, uint32_t max) {
        struct refusal refusal = {};
        uint32_t pasid = 0;
        int r = test_try(core, c, min, max, &pasid, &refusal);

        ck_assert_msg(r == 0, "%s", refusal.text);
        return pasid;
}

/* A refusal with this code, whose text has all of the given words and is a whole sentence. */
static inline void check_refusal(int r, const struct refusal *refusal, int code, const char *words) {
        size_t n = strlen(refusal->text);

        ck_assert_int_eq(r, -code);
        ck_assert_int_eq(refusal->code, code);
        ck_assert_msg(strstr(refusal->text, words) != NULL, "\"%s\" lacks \"%s\"", refusal->text, words);
        ck_assert_msg(n > 1 && refusal->text[n - 1] == '.', "\"%s\" is no sentence", refusal->text);
}

static inline void test_refused_alloc(struct core *core, struct consumer *c, uint32_t min, uint32_t max, int code, const char *words) {
        struct refusal refusal = {};
        size_t mark = core_mark(core);
        uint32_t pasid = 77;
        int r = test_try(core, c, min, max, &pasid, &refusal);

        check_refusal(r, &refusal, code, words);
        ck_assert_uint_eq(core_mark(core), mark);
}

static inline void test_free(struct core *core, struct consumer *c, uint32_t pasid, uint64_t second) {
        struct moment now = AT(second);
        struct refusal refusal = {};
        int r = core_free_pasids(core, c, &pasid, 1, &now, &refusal);

        ck_assert_msg(r == 0, "%s", refusal.text);
}
