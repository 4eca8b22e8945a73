/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core's life, limits and statistics.
 */
#include "core/core.h"

#include <errno.h>
#include <stdlib.h>

#include "core/core-internal.h"

int core_new(const struct core_limits *limits, struct core **ret) {
        _cleanup_(core_freep) struct core *core = calloc(1, sizeof(*core));
        int r;

        if (!core)
                return -ENOMEM;
        core->limits = *limits;
        core->next_id = 1;
        TAILQ_INIT(&core->pools);
        TAILQ_INIT(&core->cooling[0]);
        TAILQ_INIT(&core->cooling[1]);
        r = space_get(core, SPACE_HOST, &core->host);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(core);
        return 0;
}

/* Without the care for accounts and pools that a single row's end takes: they go too. */
static void free_rows(struct core *core, struct consumer *c) {
        for (struct row *row = core_row_next(c, 0), *next; row; row = next) {
                next = core_row_next(c, row->pasid);
                radix_set(&c->rows, row->pasid, NULL);
                row_dispose(core, row);
        }
}

struct core *core_free(struct core *core) {
        struct consumer *c;

        if (!core)
                return NULL;
        core_commit(core);
        while ((c = core_consumer_next(core, NULL))) {
                free_rows(core, c);
                consumer_unlist(core, c);
                consumer_dispose(core, c);
        }
        pool_free_all(core);
        space_free_all(core);
        free(core->journal.entries);
        free(core);
        return NULL;
}

void core_start_in_upper_half(struct core *core) {
        core->starts_in_upper_half = true;
}

void core_set_limits(struct core *core, const struct core_limits *limits) {
        core->limits = *limits;
}

const struct core_limits *core_get_limits(const struct core *core) {
        return &core->limits;
}

void core_get_stats(const struct core *core, struct core_stats *ret) {
        *ret = core->stats;
}
