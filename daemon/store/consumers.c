/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows of consumers and of their devices.
 */
#include "store/sqlite-store.h"

static int add_device(struct sqlite_store *s, const struct consumer *c, size_t n, struct refusal *refusal) {
        struct call call = call_to(s, STATEMENT_DEVICE_ADD);

        call_int(&call, (int64_t) c->id);
        call_int(&call, (int64_t) n);
        call_text(&call, c->devices[n].address);
        call_int(&call, c->devices[n].space);
        call_int(&call, c->devices[n].max_pasid);
        call_int(&call, c->devices[n].vendor);
        call_int(&call, c->devices[n].device);
        return call_run(&call, 1, "writing a consumer's device", refusal);
}

int store_consumer_add(struct store *store, const struct consumer *c, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call = call_to(s, STATEMENT_CONSUMER_ADD);
        int r;

        r = store_need_transaction(s, "writing a consumer", refusal);
        if (r < 0)
                return r;
        call_int(&call, (int64_t) c->id);
        call_int(&call, c->uid);
        call_text(&call, c->name);
        call_int(&call, c->min);
        call_int(&call, c->max);
        call_int(&call, c->quota);
        call_text(&call, hold_kind_to_string(c->hold));
        call_text(&call, c->holder ? c->holder : "");
        call_text(&call, consumer_mode_to_string(c->mode));
        call_int(&call, (int64_t) c->since_usec);
        call_int(&call, c->ended);
        call_int(&call, consumer_home_space(c));
        r = call_run(&call, 1, "writing a consumer", refusal);
        for (size_t i = 0; r >= 0 && i < c->n_devices; i++)
                r = add_device(s, c, i, refusal);
        return r;
}

int store_consumer_update(struct store *store, const struct consumer *c, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call = call_to(s, STATEMENT_CONSUMER_UPDATE);
        int r;

        r = store_need_transaction(s, "changing a consumer", refusal);
        if (r < 0)
                return r;
        call_int(&call, c->ended);
        call_text(&call, c->holder ? c->holder : "");
        call_int(&call, c->uid);
        call_int(&call, (int64_t) c->id);
        return call_run(&call, 1, "changing a consumer", refusal);
}

int store_device_update(struct store *store, const struct consumer *c, size_t n, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call = call_to(s, STATEMENT_DEVICE_UPDATE);
        int r;

        r = store_need_transaction(s, "changing a consumer's device", refusal);
        if (r < 0)
                return r;
        call_int(&call, c->devices[n].vendor);
        call_int(&call, c->devices[n].device);
        call_int(&call, (int64_t) c->id);
        call_int(&call, (int64_t) n);
        return call_run(&call, 1, "changing a consumer's device", refusal);
}

int store_consumer_remove(struct store *store, uint64_t id, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call = call_to(s, STATEMENT_DEVICES_REMOVE);
        int r;

        r = store_need_transaction(s, "removing a consumer", refusal);
        if (r < 0)
                return r;
        call_int(&call, (int64_t) id);
        r = call_run(&call, -1, "removing a consumer's devices", refusal);
        if (r < 0)
                return r;
        call = call_to(s, STATEMENT_CONSUMER_REMOVE);
        call_int(&call, (int64_t) id);
        return call_run(&call, 1, "removing a consumer", refusal);
}
