/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See the header.
 */
#include "fault-store.h"

#include <check.h>
#include <stdlib.h>

void fault_store_fail(struct fault_store *store, unsigned n, int code) {
        store->fail_at = n;
        store->code = code;
}

static struct fault_store *fault(struct store *s) {
        return (struct fault_store *) s;
}

static bool is_refused(struct store *s, struct refusal *refusal) {
        struct fault_store *f = fault(s);

        if (f->fail_at == 0 || --f->fail_at > 0)
                return false;
        (void) refuse(refusal, f->code, "The test refused this step.");
        return true;
}

#define PASS_ON(name, params, args)                              \
        static int name##_or_fail params {                       \
                struct store *real = fault(s)->real;             \
                                                                 \
                if (is_refused(s, refusal))                      \
                        return -fault(s)->code;                  \
                return real->ops->name args;                     \
        }

PASS_ON(begin, (struct store *s, struct refusal *refusal), (real, refusal))
PASS_ON(savepoint, (struct store *s, struct refusal *refusal), (real, refusal))
PASS_ON(release, (struct store *s, struct refusal *refusal), (real, refusal))
PASS_ON(consumer_add, (struct store *s, const struct consumer *c, struct refusal *refusal), (real, c, refusal))
PASS_ON(consumer_update, (struct store *s, const struct consumer *c, struct refusal *refusal), (real, c, refusal))
PASS_ON(device_update, (struct store *s, const struct consumer *c, size_t n, struct refusal *refusal), (real, c, n, refusal))
PASS_ON(consumer_remove, (struct store *s, uint64_t id, struct refusal *refusal), (real, id, refusal))
PASS_ON(row_add, (struct store *s, const struct row *row, const void *data, struct refusal *refusal), (real, row, data, refusal))
PASS_ON(row_update, (struct store *s, const struct row *row, struct refusal *refusal), (real, row, refusal))
PASS_ON(row_set_private, (struct store *s, const struct row *row, const void *data, struct refusal *refusal), (real, row, data, refusal))
PASS_ON(row_remove, (struct store *s, const struct row *row, struct refusal *refusal), (real, row, refusal))
PASS_ON(attachment_add, (struct store *s, const struct store_attachment *a, struct refusal *refusal), (real, a, refusal))
PASS_ON(attachment_remove, (struct store *s, uint64_t consumer, uint32_t pasid, struct refusal *refusal),
        (real, consumer, pasid, refusal))
PASS_ON(mapping_add, (struct store *s, const struct store_mapping *m, struct refusal *refusal), (real, m, refusal))
PASS_ON(mapping_remove, (struct store *s, uint64_t consumer, uint32_t pasid, uint64_t iova, struct refusal *refusal),
        (real, consumer, pasid, iova, refusal))
PASS_ON(tenant_set, (struct store *s, const struct store_tenant *t, struct refusal *refusal), (real, t, refusal))
PASS_ON(tenant_remove, (struct store *s, const char *address, struct refusal *refusal), (real, address, refusal))
PASS_ON(history_add, (struct store *s, const struct store_history *h, uint32_t per_pasid, struct refusal *refusal),
        (real, h, per_pasid, refusal))
PASS_ON(history_trim, (struct store *s, uint32_t entries, struct refusal *refusal), (real, entries, refusal))
PASS_ON(history_read, (struct store *s, uint32_t pasid, uint32_t max, store_history_cb callback, void *userdata,
                       struct refusal *refusal), (real, pasid, max, callback, userdata, refusal))
PASS_ON(forget_kernel, (struct store *s, struct refusal *refusal), (real, refusal))
PASS_ON(remap_spaces, (struct store *s, const struct space_map *maps, size_t n, struct refusal *refusal), (real, maps, n, refusal))
PASS_ON(probe, (struct store *s, struct refusal *refusal), (real, refusal))
PASS_ON(enter_boot, (struct store *s, struct refusal *refusal), (real, refusal))

static int commit_or_fail(struct store *s, struct refusal *refusal) {
        if (fault(s)->commit_code != 0)
                return refuse(refusal, fault(s)->commit_code, "The test refuses every commit.");
        if (is_refused(s, refusal))
                return -fault(s)->code;
        return fault(s)->real->ops->commit(fault(s)->real, refusal);
}

static void rollback(struct store *s) {
        fault(s)->real->ops->rollback(fault(s)->real);
}

static int rollback_to(struct store *s) {
        if (fault(s)->is_dropping)
                return -EIO; /* the caller rolls the rest back */
        return fault(s)->real->ops->rollback_to(fault(s)->real);
}

static int row_get_private(struct store *s, const struct row *row, void **ret, struct refusal *refusal) {
        return fault(s)->real->ops->row_get_private(fault(s)->real, row, ret, refusal);
}

static int load(struct store *s, const struct store_loader *loader, struct refusal *refusal) {
        return fault(s)->real->ops->load(fault(s)->real, loader, refusal);
}

static int checkpoint(struct store *s, struct refusal *refusal) {
        return fault(s)->real->ops->checkpoint(fault(s)->real, refusal);
}

static struct store *free_store(struct store *s) {
        fault(s)->real->ops->free(fault(s)->real);
        free(s);
        return NULL;
}

static const struct store_ops fault_ops = {
        .begin = begin_or_fail,
        .commit = commit_or_fail,
        .rollback = rollback,
        .savepoint = savepoint_or_fail,
        .release = release_or_fail,
        .rollback_to = rollback_to,
        .consumer_add = consumer_add_or_fail,
        .consumer_update = consumer_update_or_fail,
        .device_update = device_update_or_fail,
        .consumer_remove = consumer_remove_or_fail,
        .row_add = row_add_or_fail,
        .row_update = row_update_or_fail,
        .row_set_private = row_set_private_or_fail,
        .row_remove = row_remove_or_fail,
        .row_get_private = row_get_private,
        .attachment_add = attachment_add_or_fail,
        .attachment_remove = attachment_remove_or_fail,
        .mapping_add = mapping_add_or_fail,
        .mapping_remove = mapping_remove_or_fail,
        .tenant_set = tenant_set_or_fail,
        .tenant_remove = tenant_remove_or_fail,
        .history_add = history_add_or_fail,
        .history_trim = history_trim_or_fail,
        .history_read = history_read_or_fail,
        .forget_kernel = forget_kernel_or_fail,
        .remap_spaces = remap_spaces_or_fail,
        .enter_boot = enter_boot_or_fail,
        .load = load,
        .checkpoint = checkpoint,
        .probe = probe_or_fail,
        .free = free_store,
};

struct fault_store *fault_store_new(struct store *real) {
        struct fault_store *s = calloc(1, sizeof(*s));

        ck_assert_ptr_nonnull(s);
        s->store.ops = &fault_ops;
        s->real = real;
        return s;
}
