/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What pasidd has made in the kernel for a number: an IOAS, a page table on
 * each device, the memory in it. A refused operation may have done a part of
 * its work.
 */
#include "store/sqlite-store.h"

static int add_device(struct sqlite_store *s, const struct store_attachment *a, size_t n, struct refusal *refusal) {
        const struct store_attachment_device *device = &a->devices[n];
        struct call call = call_to(s, STATEMENT_ATTACHMENT_DEVICE_ADD);

        call_int(&call, (int64_t) a->consumer);
        call_int(&call, a->pasid);
        call_text(&call, device->address);
        call_int(&call, device->device_id);
        call_int(&call, device->hwpt);
        return call_run(&call, 1, "writing an attachment's device", refusal);
}

int store_attachment_add(struct store *store, const struct store_attachment *a, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call = call_to(s, STATEMENT_ATTACHMENT_ADD);
        int r;

        r = store_need_transaction(s, "writing an attachment", refusal);
        if (r < 0)
                return r;
        call_int(&call, (int64_t) a->consumer);
        call_int(&call, a->pasid);
        call_int(&call, a->ioas);
        r = call_run(&call, 1, "writing an attachment", refusal);
        for (size_t i = 0; r >= 0 && i < a->n_devices; i++)
                r = add_device(s, a, i, refusal);
        return r;
}

/* changes: as of call_run() */
static int remove_of(struct sqlite_store *s, enum statement statement, uint64_t consumer, uint32_t pasid, int changes,
                     const char *doing, struct refusal *refusal) {
        struct call call = call_to(s, statement);

        call_int(&call, (int64_t) consumer);
        call_int(&call, pasid);
        return call_run(&call, changes, doing, refusal);
}

int store_attachment_remove(struct store *store, uint64_t consumer, uint32_t pasid, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        int r;

        r = store_need_transaction(s, "removing an attachment", refusal);
        if (r >= 0)
                r = remove_of(s, STATEMENT_MAPPINGS_REMOVE, consumer, pasid, -1, "removing an attachment's mappings",
                              refusal);
        if (r >= 0)
                r = remove_of(s, STATEMENT_ATTACHMENT_DEVICES_REMOVE, consumer, pasid, -1,
                              "removing an attachment's devices", refusal);
        if (r >= 0)
                r = remove_of(s, STATEMENT_ATTACHMENT_REMOVE, consumer, pasid, 1, "removing an attachment", refusal);
        return r;
}

int store_mapping_add(struct store *store, const struct store_mapping *m, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call = call_to(s, STATEMENT_MAPPING_ADD);
        int r;

        r = store_need_transaction(s, "writing a mapping", refusal);
        if (r < 0)
                return r;
        call_int(&call, (int64_t) m->consumer);
        call_int(&call, m->pasid);
        call_int(&call, (int64_t) m->iova);
        call_int(&call, (int64_t) m->length);
        call_int(&call, m->flags);
        return call_run(&call, 1, "writing a mapping", refusal);
}

int store_mapping_remove(struct store *store, uint64_t consumer, uint32_t pasid, uint64_t iova,
                         struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call = call_to(s, STATEMENT_MAPPING_REMOVE);
        int r;

        r = store_need_transaction(s, "removing a mapping", refusal);
        if (r < 0)
                return r;
        call_int(&call, (int64_t) consumer);
        call_int(&call, pasid);
        call_int(&call, (int64_t) iova);
        return call_run(&call, 1, "removing a mapping", refusal);
}

int store_forget_kernel(struct store *store, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        int r;

        r = store_need_transaction(s, "forgetting all attachments", refusal);
        if (r < 0)
                return r;
        r = sqlite3_exec(s->db, FORGET_KERNEL_SQL, NULL, NULL, NULL);
        return r == SQLITE_OK ? 0 : refuse_work(s, r, "forgetting all attachments", refusal);
}
