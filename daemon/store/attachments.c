/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What pasidd has made in the kernel for a number: an IOAS, a page table on
 * each device, the memory in it. A refused operation may have done a part of
 * its work.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite-store.h"

#define NUMBERS_MAX sizeof(", " ATTACHMENT_DEVICE ATTACHMENT_HWPT "42949672954294967295")

/* "0000:01:00.0 device 3 hwpt 5, ..." */
static char *format_devices(const struct store_attachment *a) {
        size_t size = 1, n = 0;
        char *text;

        for (size_t i = 0; i < a->n_devices; i++)
                size += strlen(a->devices[i].address) + NUMBERS_MAX;
        text = malloc(size);
        if (!text)
                return NULL;
        text[0] = '\0';
        for (size_t i = 0; i < a->n_devices; i++)
                n += (size_t) snprintf(text + n, size - n, "%s%s" ATTACHMENT_DEVICE "%u" ATTACHMENT_HWPT "%u", i > 0 ? ", " : "",
                                       a->devices[i].address, a->devices[i].device_id, a->devices[i].hwpt);
        return text;
}

int store_attachment_add(struct store *store, const struct store_attachment *a, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call = call_to(s, STATEMENT_ATTACHMENT_ADD);
        _cleanup_free_ char *devices = NULL;
        int r;

        r = store_need_transaction(s, "writing an attachment", refusal);
        if (r < 0)
                return r;
        devices = format_devices(a);
        if (!devices)
                return refuse_errno(refusal, ENOMEM, s->path, "writing an attachment");
        call_int(&call, (int64_t) a->consumer);
        call_int(&call, a->pasid);
        call_int(&call, a->ioas);
        call_text(&call, devices);
        return call_run(&call, 1, "writing an attachment", refusal);
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
