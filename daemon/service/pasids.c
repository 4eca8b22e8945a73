/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers are given, described and taken back, each in memory and table alike.
 */
#include "service/service-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EXPIRE_BEFORE_ALLOC 64 /* a request helps a little; the timer does the rest */

static int check_private(size_t size, struct refusal *refusal) {
        if (size > PRIVATE_MAX)
                return refuse(refusal, EMSGSIZE, "%zu bytes of private data were given; a PASID keeps at most %u",
                              size, PRIVATE_MAX);
        return 0;
}

static struct row *live_row(struct consumer *c, uint32_t pasid) {
        struct row *row = core_row_get(c, pasid);

        return row && row->state != ROW_COOLING ? row : NULL;
}

static int refuse_no_row(const struct consumer *c, uint32_t pasid, struct refusal *refusal) {
        return refuse(refusal, ENOENT, "PASID %u is not allocated to consumer '%s'; `pasidctl list` shows what is",
                      pasid, c->name);
}

static int check_devices(const struct consumer *c, struct refusal *refusal) {
        for (size_t i = 0; i < c->n_devices; i++)
                if (c->devices[i].gone)
                        return refuse(refusal, ENXIO, "Device %s of consumer '%s' is gone; end the consumer, "
                                                      "and make another with a device that is there",
                                      c->devices[i].address, c->name);
        return 0;
}

/* Refusals that the end of somebody's cooling could mend. */
static bool is_shortage(int r) {
        return r == -ENOSPC || r == -EAGAIN || r == -EADDRINUSE || r == -EDQUOT;
}

int service_alloc(struct service *s, struct consumer *c, struct alloc_request *request, const void *private_data,
                  uint32_t *pasids, struct refusal *refusal) {
        struct store *store = service_store_of(s, c);
        size_t mark;
        int r;

        r = check_private(request->private_bytes, refusal);
        if (r >= 0)
                r = check_devices(c, refusal);
        if (r < 0)
                return r;
        service_prepare(s, store);
        service_get_moment(s, &request->now);
        /* a table that can't be written keeps its numbers cooling; the timer tries again */
        (void) service_expire(s, &request->now, EXPIRE_BEFORE_ALLOC);

        service_prepare(s, store);
        mark = core_mark(s->core);
        r = core_alloc(s->core, c, request, pasids, NULL, refusal);
        if (is_shortage(r) && core_next_expiry(s->core) <= request->now.boottime_usec) {
                (void) service_expire(s, &request->now, SIZE_MAX);
                service_prepare(s, store);
                mark = core_mark(s->core);
                r = core_alloc(s->core, c, request, pasids, NULL, refusal);
        }
        if (r < 0)
                return r;
        return service_persist(s, store, mark, private_data, "allocated", refusal);
}

int service_free_pasids(struct service *s, struct consumer *c, const uint32_t *pasids, size_t n, struct refusal *refusal) {
        struct store *store = service_store_of(s, c);
        struct moment now;
        size_t mark;
        int r;

        service_prepare(s, store);
        service_get_moment(s, &now);
        mark = core_mark(s->core);
        r = core_free_pasids(s->core, c, pasids, n, &now, refusal);
        if (r < 0)
                return r;
        return service_persist(s, store, mark, NULL, "freed", refusal);
}

int service_free_token(struct service *s, struct consumer *c, const char *token, size_t *ret_n, struct refusal *refusal) {
        _cleanup_free_ uint32_t *pasids = NULL;
        size_t n;
        int r;

        r = core_token_pasids(s->core, c, token, &pasids, &n);
        if (r < 0)
                return refuse(refusal, -r, "Could not look up the token: %s", strerror(-r));
        if (n > 0) {
                r = service_free_pasids(s, c, pasids, n, refusal);
                if (r < 0)
                        return r;
        }
        *ret_n = n;
        return 0;
}

int service_set_private(struct service *s, struct consumer *c, uint32_t pasid, const void *data, size_t size,
                        struct refusal *refusal) {
        struct store *store = service_store_of(s, c);
        struct row *row;
        size_t mark;
        int r;

        r = check_private(size, refusal);
        if (r < 0)
                return r;
        row = live_row(c, pasid);
        if (!row)
                return refuse_no_row(c, pasid, refusal);
        service_prepare(s, store);
        mark = core_mark(s->core);
        r = core_row_set_private_bytes(s->core, row, (uint16_t) size);
        if (r < 0)
                return refuse(refusal, -r, "Could not keep the private data: %s", strerror(-r));
        return service_persist(s, store, mark, data, "private", refusal);
}

int service_get_private(struct service *s, struct consumer *c, uint32_t pasid, void **ret, size_t *ret_size,
                        struct refusal *refusal) {
        struct store *store = service_store_of(s, c);
        struct row *row = live_row(c, pasid);
        void *data = NULL;
        int r;

        if (!row)
                return refuse_no_row(c, pasid, refusal);
        if (row->private_bytes > 0) {
                r = store->ops->row_get_private(store, row, &data, refusal);
                if (r < 0)
                        return r;
        }
        *ret = data;
        *ret_size = row->private_bytes;
        return 0;
}
