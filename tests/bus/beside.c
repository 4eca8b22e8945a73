/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon with one honest client, beside which others misbehave.
 */
#include "beside.h"

#include <stdlib.h>

#define MEMORY_LIMIT_KB (128U * 1024U)

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1 /* as gcc says it */
#endif
#endif

struct beside beside_begin(const char *config) {
        struct beside b = { .f = fixture_new_started(config) };

        b.honest = client_direct(b.f);
        b.path = init_ok(&b.honest, "honest", 0);
        b.n_fds = process_count_fds(b.f->daemon->pid);
        return b;
}

void honest_ok(struct beside *b) {
        uint32_t pasid = alloc_ok(&b->honest, b->path, 0, 0);

        free_ok(&b->honest, b->path, pasid);
}

void beside_memory_ok(const struct beside *b) {
#ifndef __SANITIZE_ADDRESS__
        if (!getenv("PASIDD_WRAPPER"))
                ck_assert_uint_lt(process_memory_kb(b->f->daemon->pid, "VmHWM"), MEMORY_LIMIT_KB);
#endif
}

void beside_end(struct beside *b) {
        honest_ok(b);
        await(process_count_fds(b->f->daemon->pid) <= b->n_fds);
        beside_memory_ok(b);
        client_close(&b->honest);
        fixture_free(b->f);
        free(b->path);
}
