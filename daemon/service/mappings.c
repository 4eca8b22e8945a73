/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory that is mapped into an address space, and whose it counts as.
 * With CAP_IPC_LOCK the kernel limits nothing, so the bytes are counted here.
 */
#include "service/mediated.h"

#include <errno.h>
#include <stdlib.h>

#include "log.h"

static int compare_iova(const void *key, const struct tree_node *node) {
        uint64_t a = *(const uint64_t *) key, b = CONTAINER_OF(node, struct mapping, node)->iova;

        return a < b ? -1 : a > b;
}

static struct mapping *first_at(const struct attachment *a, uint64_t iova) {
        struct tree_node *node = tree_find(a->mappings, compare_iova, &iova);

        if (!node)
                node = tree_after(a->mappings, compare_iova, &iova);
        return node ? CONTAINER_OF(node, struct mapping, node) : NULL;
}

struct mapping *mappings_first(const struct attachment *a) {
        return first_at(a, 0);
}

struct mapping *mappings_next(const struct attachment *a, const struct mapping *m) {
        struct tree_node *node = tree_after(a->mappings, compare_iova, &m->iova);

        return node ? CONTAINER_OF(node, struct mapping, node) : NULL;
}

static void count(struct attachment *a, uint64_t bytes) {
        a->pinned += bytes;
        a->mediation->pinned += bytes;
}

uint64_t service_pinned_bytes(const struct service *s, const struct consumer *c) {
        const struct mediation *m = mediation_of(c);

        return (m ? m->pinned : 0) + leftovers_pinned_of(s, c);
}

static int refuse_pinned(const char *whose, const char *setting, uint64_t limit, uint64_t used, uint64_t length,
                         struct refusal *refusal) {
        return refuse(refusal, EDQUOT, "%llu bytes were to be mapped; %s has %llu pinned, and %s=%llu is the limit. Unmap some, "
                      "or have the limit raised.", (unsigned long long) length, whose, (unsigned long long) used, setting,
                      (unsigned long long) limit);
}

static bool is_above(uint64_t used, uint64_t length, uint64_t limit) {
        return limit > 0 && (length > limit || used > limit - length);
}

uint64_t service_pinned_by(const struct service *s, uid_t uid) {
        const struct mediation *m;
        uint64_t pinned = leftovers_pinned_by(s, uid);

        TAILQ_FOREACH(m, &s->mediations, entry)
                if (m->consumer->uid == uid)
                        pinned += m->pinned;
        return pinned;
}

int mappings_check_owner(const struct service *s, const struct consumer *c, uid_t uid, struct refusal *refusal) {
        uint64_t used = service_pinned_by(s, uid), pinned = service_pinned_bytes(s, c);

        if (uid == 0 || pinned == 0 || !is_above(used, pinned, s->limits.pinned_per_uid))
                return 0;
        return refuse(refusal, EDQUOT, "Consumer \"%s\" has %llu bytes pinned, uid %u has %llu already, and PinnedBytesPerUid=%llu "
                      "is the limit. Unmap some, or have the limit raised.", c->name, (unsigned long long) pinned, (unsigned) uid,
                      (unsigned long long) used, (unsigned long long) s->limits.pinned_per_uid);
}

int mappings_check_quota(const struct service *s, const struct consumer *c, uint64_t length, struct refusal *refusal) {
        uint64_t pinned = service_pinned_bytes(s, c), of_uid;

        if (is_above(pinned, length, s->limits.pinned_per_consumer))
                return refuse_pinned("the consumer", "PinnedBytesPerConsumer", s->limits.pinned_per_consumer, pinned, length,
                                     refusal);
        if (c->uid == 0)
                return 0;
        of_uid = service_pinned_by(s, c->uid);
        if (is_above(of_uid, length, s->limits.pinned_per_uid))
                return refuse_pinned("the uid", "PinnedBytesPerUid", s->limits.pinned_per_uid, of_uid, length, refusal);
        return 0;
}

void mappings_add(struct attachment *a, struct mapping *m) {
        tree_insert(&a->mappings, &m->node, compare_iova, &m->iova);
        count(a, m->length);
}

void mappings_undo_map(struct attachment *a, struct mapping *m) {
        struct service *s = a->mediation->service;
        struct refusal refusal = {};
        uint64_t unmapped;

        if (s->kernel->ops->unmap(s->kernel, a->ioas, m->iova, m->length, &unmapped, &refusal) >= 0) {
                free(m);
                return;
        }
        /* It stays pinned, so it stays counted, until Unmap or Detach. */
        log_error("The memory of PASID %u at %#llx stays mapped: %s", a->pasid, (unsigned long long) m->iova, refusal.text);
        m->is_unwritten = true;
        mappings_add(a, m);
}

static bool is_inside(const struct unmapping *u, const struct mapping *m) {
        return m && m->iova >= u->iova && m->iova - u->iova < u->length;
}

static int compare_inside(const void *key, const struct tree_node *node) {
        const struct mapping *m = CONTAINER_OF(node, struct mapping, node);
        uint64_t iova = *(const uint64_t *) key;

        if (iova < m->iova)
                return -1;
        return iova - m->iova >= m->length;
}

static int refuse_part(const struct attachment *a, const struct mapping *m, struct refusal *refusal) {
        return refuse(refusal, EINVAL, "Only a part of the mapping of PASID %u at %#llx was to be unmapped; it has %llu bytes, and "
                      "can only go as a whole.", a->pasid, (unsigned long long) m->iova, (unsigned long long) m->length);
}

/* Whole mappings only, as the kernel: known beforehand, so that no part is done. */
static int check_range(const struct unmapping *u, struct refusal *refusal) {
        const struct attachment *a = u->attachment;
        const struct tree_node *node;
        const struct mapping *m;

        if (u->length == 0 || u->iova + (u->length - 1) < u->iova)
                return refuse(refusal, EINVAL, "%llu bytes from %#llx are no range of addresses to unmap.",
                              (unsigned long long) u->length, (unsigned long long) u->iova);
        node = tree_find(a->mappings, compare_inside, &u->iova);
        if (node && CONTAINER_OF(node, const struct mapping, node)->iova < u->iova)
                return refuse_part(a, CONTAINER_OF(node, const struct mapping, node), refusal);
        m = first_at(a, u->iova);
        if (!is_inside(u, m))
                return refuse(refusal, EINVAL, "Nothing begins in the %llu bytes from %#llx of PASID %u; unmap what Map gave, from "
                              "its first address on.", (unsigned long long) u->length, (unsigned long long) u->iova, a->pasid);
        for (; is_inside(u, m); m = mappings_next(a, m))
                if (m->length > u->length - (m->iova - u->iova))
                        return refuse_part(a, m, refusal);
        return 0;
}

int mappings_unmap(struct unmapping *u, struct refusal *refusal) {
        struct attachment *a = u->attachment;
        struct service *s = a->mediation->service;
        int r;

        r = check_range(u, refusal);
        for (struct mapping *m = first_at(a, u->iova); r >= 0 && is_inside(u, m); m = mappings_next(a, m)) {
                uint64_t unmapped;

                if (m->is_unmapped)
                        continue; /* the table refused after an earlier try */
                r = s->kernel->ops->unmap(s->kernel, a->ioas, m->iova, m->length, &unmapped, refusal);
                if (r == -EINVAL && m->is_restored)
                        r = 0; /* it was unmapped already */
                if (r >= 0) {
                        m->is_unmapped = true;
                        a->n_stale++;
                }
        }
        return r;
}

/* The kernel gave these addresses, so what the table still has there of an earlier pasidd is unmapped. */
static void note_replaced(struct attachment *a, uint64_t iova, uint64_t length) {
        const struct unmapping u = { .attachment = a, .iova = iova, .length = length };
        struct tree_node *node = tree_find(a->mappings, compare_inside, &iova);
        struct mapping *m = node ? CONTAINER_OF(node, struct mapping, node) : first_at(a, iova);

        for (; m && (m->iova < iova || is_inside(&u, m)); m = mappings_next(a, m))
                if (m->is_restored && !m->is_unmapped) {
                        m->is_unmapped = true;
                        a->n_stale++;
                }
}

static int write_removal(struct store *store, const struct attachment *a, const struct mapping *m, struct refusal *refusal) {
        return m->is_unwritten ? 0 :
                store->ops->mapping_remove(store, a->mediation->consumer->id, a->pasid, m->iova, refusal);
}

int mappings_write_unmapping(struct store *store, void *userdata, struct refusal *refusal) {
        const struct unmapping *u = userdata;
        const struct attachment *a = u->attachment;
        int r = 0;

        for (const struct mapping *m = first_at(a, u->iova); r >= 0 && is_inside(u, m); m = mappings_next(a, m))
                r = write_removal(store, a, m, refusal);
        return r;
}

int mappings_write_stale(struct store *store, void *userdata, struct refusal *refusal) {
        const struct attachment *a = userdata;
        int r = 0;

        for (const struct mapping *m = first_at(a, 0); r >= 0 && m; m = mappings_next(a, m))
                if (m->is_unmapped)
                        r = write_removal(store, a, m, refusal);
        return r;
}

static uint64_t forget(struct attachment *a, struct mapping *m) {
        uint64_t bytes = m->length;

        tree_remove(&a->mappings, &m->node, compare_iova, &m->iova);
        count(a, -bytes);
        a->n_stale -= m->is_unmapped;
        free(m);
        return bytes;
}

void mappings_forget_stale(struct attachment *a) {
        struct mapping *next;

        for (struct mapping *m = first_at(a, 0); m; m = next) {
                next = mappings_next(a, m);
                if (m->is_unmapped)
                        (void) forget(a, m);
        }
}

/* The kernel may give addresses again that the table still has, since it refused to forget them. */
static int settle(struct attachment *a, struct refusal *refusal) {
        struct service *s = a->mediation->service;
        struct extra extra = { mappings_write_stale, a };
        int r;

        if (a->n_stale == 0)
                return 0;
        r = service_persist_with(s, service_store_of(s, a->mediation->consumer), core_mark(s->core), NULL, "unmapped", &extra,
                                 refusal);
        if (r >= 0)
                r = service_commit(s, refusal);
        if (r >= 0)
                mappings_forget_stale(a);
        return r;
}

int mappings_make(struct attachment *a, const struct kernel_mapping *m, struct mapping **ret, struct refusal *refusal) {
        struct service *s = a->mediation->service;
        struct mapping *mapping;
        uint64_t iova = 0;
        int r;

        r = settle(a, refusal);
        if (r >= 0)
                r = mappings_check_quota(s, a->mediation->consumer, m->length, refusal);
        if (r < 0)
                return r;
        mapping = calloc(1, sizeof(*mapping));
        if (!mapping)
                return refuse(refusal, ENOMEM, "Out of memory.");
        r = s->kernel->ops->map_file(s->kernel, a->ioas, m, &iova, refusal);
        if (r < 0) {
                free(mapping);
                return r;
        }
        *mapping = (struct mapping) { .iova = iova, .length = m->length };
        note_replaced(a, iova, m->length);
        r = settle(a, refusal);
        if (r < 0) {
                mappings_undo_map(a, mapping);
                return r;
        }
        *ret = mapping;
        return 0;
}

const struct mapping *mappings_find(const struct attachment *a, uint64_t iova, uint64_t length) {
        const struct mapping *m = first_at(a, iova);

        return m && m->iova == iova && m->length == length && !m->is_unmapped ? m : NULL;
}

uint64_t mappings_forget(struct unmapping *u) {
        struct attachment *a = u->attachment;
        uint64_t bytes = 0;
        struct mapping *m;

        while (is_inside(u, m = first_at(a, u->iova)))
                bytes += forget(a, m);
        return bytes;
}

void mappings_free(struct attachment *a) {
        struct tree_node *node;

        while ((node = tree_pop(&a->mappings)))
                free(CONTAINER_OF(node, struct mapping, node));
        count(a, -a->pinned);
}
