/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who was given a device to attach by himself. Only the boot's table has such
 * rows: the file descriptors that were given do not outlive it.
 */
#include <string.h>

#include "internal/pci-address.h"
#include "store/sqlite-store.h"

int store_tenant_set(struct store *store, const struct store_tenant *t, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call = call_to(s, STATEMENT_TENANT_SET);
        int r;

        r = store_need_transaction(s, "writing who has a device", refusal);
        if (r < 0)
                return r;
        call_text(&call, t->address);
        call_int(&call, (int64_t) t->consumer);
        call_text(&call, t->holder);
        return call_run(&call, 1, "writing who has a device", refusal);
}

int store_tenant_remove(struct store *store, const char *address, struct refusal *refusal) {
        struct sqlite_store *s = sqlite_store(store);
        struct call call = call_to(s, STATEMENT_TENANT_REMOVE);
        int r;

        r = store_need_transaction(s, "removing who has a device", refusal);
        if (r < 0)
                return r;
        call_text(&call, address);
        return call_run(&call, -1, "removing who has a device", refusal);
}

static int read_tenant(struct sqlite_store *s, sqlite3_stmt *stmt, const struct store_loader *loader, struct refusal *refusal) {
        struct store_tenant t = {
                .address = column_text(stmt, 0),
                .consumer = (uint64_t) sqlite3_column_int64(stmt, 1),
                .holder = column_text(stmt, 2),
        };

        if (!t.address || strlen(t.address) >= PCI_ADDRESS_MAX || t.consumer > INT64_MAX || !t.holder)
                return refuse_corrupt(refusal, s->path, "who was given a device makes no sense");
        return loader->tenant ? loader->tenant(&t, loader->userdata) : 0;
}

int load_tenants(struct sqlite_store *s, const struct store_loader *loader, struct refusal *refusal) {
        _cleanup_statement_ sqlite3_stmt *stmt = NULL;
        int r;

        r = sqlite3_prepare_v2(s->db, "SELECT address, consumer, holder FROM tenant ORDER BY address", -1, &stmt, NULL);
        if (r == SQLITE_OK)
                while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
                        r = read_tenant(s, stmt, loader, refusal);
                        if (r < 0)
                                return r;
                }
        return r == SQLITE_DONE ? 0 : refuse_opening(refusal, s->db, r, s->path, "loading who has devices");
}
