/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers are given, described and taken back, each in memory and table alike.
 */
#include "service/mediated.h"
#include "service/reaper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int check_private(size_t size, struct refusal *refusal) {
        if (size > PRIVATE_MAX)
                return refuse(refusal, EMSGSIZE, "%zu bytes of private data were given; a PASID keeps at most %u. "
                              "Keep what is more elsewhere, and its place here.", size, PRIVATE_MAX);
        return 0;
}

struct row *service_live_row(struct consumer *c, uint32_t pasid) {
        struct row *row = core_row_get(c, pasid);

        return row && row->state != ROW_COOLING ? row : NULL;
}

int service_refuse_no_row(const struct consumer *c, uint32_t pasid, struct refusal *refusal) {
        return refuse(refusal, ENOENT, "PASID %u is not allocated to consumer \"%s\"; `pasidctl list` shows what is.",
                      pasid, c->name);
}

int service_check_devices(const struct consumer *c, struct refusal *refusal) {
        for (size_t i = 0; i < c->n_devices; i++)
                if (c->devices[i].gone)
                        return refuse(refusal, ENXIO, "Device %s of consumer \"%s\" is gone; end the consumer, "
                                                      "and make another with a device that is there.",
                                      c->devices[i].address, c->name);
        return 0;
}

/* Refusals that the end of somebody's cooling, or of somebody, could mend. */
static bool is_shortage(int r) {
        return r == -ENOSPC || r == -EAGAIN || r == -EADDRINUSE || r == -EDQUOT;
}

/* A number that is due in the other table is free as well. That table's turn commits what is pending, and a failure may
 * take the consumer with it. */
static int expire(struct service *s, const struct consumer *c, const struct moment *now, struct refusal *refusal) {
        uint64_t id = c->id;

        service_expire_all(s, now);
        if (core_consumer_by_id(s->core, id))
                return 0;
        return refuse(refusal, ESRCH, "PASIDs were asked for a consumer that is gone, as the table refused to keep "
                                      "it; the journal says why. Make the consumer again when that is mended.");
}

/* Consumers whose holder is gone end now, if that was not noticed yet; the one that asks may be among them. */
static int reap(struct service *s, const struct consumer *c, struct refusal *refusal) {
        uint64_t id = c->id;
        int n = reaper_sweep_for_request(s);

        c = core_consumer_by_id(s->core, id);
        if (c && !c->ended)
                return n > 0; /* those that could not be ended are tried again, and the refusal stands */
        return refuse(refusal, ESRCH, "PASIDs were asked for a consumer that has just ended, as what held it is "
                                      "gone; make it again, with a holder that lives.");
}

static bool is_due(const struct service *s, const struct moment *now) {
        return core_next_expiry(s->core, false) <= now->boottime_usec || core_next_expiry(s->core, true) <= now->boottime_usec;
}

static int pick(struct service *s, struct consumer *c, struct alloc_request *request, uint32_t *pasids, size_t *ret_mark,
                bool *ret_repeated, struct refusal *refusal) {
        service_prepare(s, service_store_of(s, c));
        *ret_mark = core_mark(s->core);
        return core_alloc(s->core, c, request, pasids, ret_repeated, refusal);
}

int service_pick(struct service *s, struct consumer *c, struct alloc_request *request, uint32_t *pasids, size_t *ret_mark,
                 bool *ret_repeated, struct refusal *refusal) {
        struct store *store = service_store_of(s, c);
        int r, n;

        r = check_private(request->private_bytes, refusal);
        if (r >= 0)
                r = service_check_devices(c, refusal);
        if (r < 0)
                return r;
        service_prepare(s, store);
        service_get_moment(s, &request->now);
        r = pick(s, c, request, pasids, ret_mark, ret_repeated, refusal);
        if (is_shortage(r) && is_due(s, &request->now)) {
                r = expire(s, c, &request->now, refusal);
                if (r < 0)
                        return r;
                r = pick(s, c, request, pasids, ret_mark, ret_repeated, refusal);
        }
        if (is_shortage(r)) {
                n = reap(s, c, refusal);
                if (n < 0)
                        return n;
                if (n > 0)
                        r = pick(s, c, request, pasids, ret_mark, ret_repeated, refusal);
        }
        return r;
}

int service_alloc(struct service *s, struct consumer *c, struct alloc_request *request, const void *private_data,
                  uint32_t *pasids, struct refusal *refusal) {
        bool is_repeated;
        size_t mark;
        int r;

        r = service_pick(s, c, request, pasids, &mark, &is_repeated, refusal);
        if (r < 0)
                return r;
        return service_persist(s, service_store_of(s, c), mark, private_data, "allocated", refusal);
}

int service_free_because(struct service *s, struct consumer *c, const uint32_t *pasids, size_t n, const char *reason,
                         struct refusal *refusal) {
        struct store *store = service_store_of(s, c);
        struct ending ending;
        struct moment now;
        size_t mark;
        int r;

        r = ending_begin(s, c, pasids, n, &ending, refusal);
        if (r < 0)
                return r;
        service_prepare(s, store);
        service_get_moment(s, &now);
        mark = core_mark(s->core);
        r = ending_detach_rows(s, &ending, &now, refusal);
        if (r >= 0)
                r = core_free_pasids(s->core, c, pasids, n, &now, refusal);
        return ending_commit(s, &ending, store, mark, reason, r, refusal);
}

int service_free_pasids(struct service *s, struct consumer *c, const uint32_t *pasids, size_t n, struct refusal *refusal) {
        return service_free_because(s, c, pasids, n, "freed", refusal);
}

int service_free_token(struct service *s, struct consumer *c, const char *token, size_t *ret_n, struct refusal *refusal) {
        _cleanup_free_ uint32_t *pasids = NULL;
        size_t n;
        int r;

        r = core_token_pasids(s->core, c, token, &pasids, &n);
        if (r < 0)
                return refuse(refusal, -r, "Could not look up the token: %s.", strerror(-r));
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
        row = service_live_row(c, pasid);
        if (!row)
                return service_refuse_no_row(c, pasid, refusal);
        service_prepare(s, store);
        mark = core_mark(s->core);
        r = core_row_set_private_bytes(s->core, row, (uint16_t) size);
        if (r < 0)
                return refuse(refusal, -r, "Could not keep the private data: %s.", strerror(-r));
        return service_persist(s, store, mark, data, "private", refusal);
}

int service_get_private(struct service *s, struct consumer *c, uint32_t pasid, void **ret, size_t *ret_size,
                        struct refusal *refusal) {
        struct store *store = service_store_of(s, c);
        struct row *row = service_live_row(c, pasid);
        void *data = NULL;
        int r;

        if (!row)
                return service_refuse_no_row(c, pasid, refusal);
        if (row->private_bytes > 0) {
                r = store->ops->row_get_private(store, row, &data, refusal);
                if (r < 0)
                        return r;
        }
        *ret = data;
        *ret_size = row->private_bytes;
        return 0;
}
