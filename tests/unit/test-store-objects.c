/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See the header.
 */
#include "test-store-objects.h"

#include <check.h>
#include <string.h>

const struct attached *objects_get(const struct objects *o, uint64_t consumer, uint32_t pasid) {
        for (size_t i = 0; i < o->n_attached; i++)
                if (o->attached[i].consumer == consumer && o->attached[i].pasid == pasid)
                        return &o->attached[i];
        return NULL;
}

const struct store_mapping *objects_get_mapping(const struct objects *o, uint64_t consumer, uint32_t pasid,
                                                uint64_t iova) {
        for (size_t i = 0; i < o->n_mapped; i++)
                if (o->mapped[i].consumer == consumer && o->mapped[i].pasid == pasid && o->mapped[i].iova == iova)
                        return &o->mapped[i];
        return NULL;
}

static bool is_before(const struct store_mapping *a, const struct store_mapping *b) {
        if (a->consumer != b->consumer)
                return a->consumer < b->consumer;
        if (a->pasid != b->pasid)
                return a->pasid < b->pasid;
        return a->iova < b->iova;
}

void objects_attach(struct objects *o, const struct consumer *c, uint32_t pasid, uint32_t first_id) {
        struct attached a = { .consumer = c->id, .pasid = pasid, .ioas = first_id, .n_devices = c->n_devices };
        size_t i = o->n_attached++;

        ck_assert_uint_le(o->n_attached, ATTACHED_MAX);
        ck_assert_uint_ge(c->n_devices, 1);
        ck_assert_uint_le(c->n_devices, ELEMENTSOF(a.devices));
        for (size_t k = 0; k < c->n_devices; k++) {
                strcpy(a.devices[k].address, c->devices[k].address);
                a.devices[k].id = first_id + 1 + (uint32_t) k;
                a.devices[k].hwpt = first_id + 11 + (uint32_t) k;
        }
        for (; i > 0 && (o->attached[i - 1].consumer > a.consumer ||
                         (o->attached[i - 1].consumer == a.consumer && o->attached[i - 1].pasid > pasid)); i--)
                o->attached[i] = o->attached[i - 1];
        o->attached[i] = a;
}

void objects_map(struct objects *o, const struct store_mapping *m) {
        size_t i = o->n_mapped++;

        ck_assert_uint_le(o->n_mapped, MAPPED_MAX);
        for (; i > 0 && is_before(m, &o->mapped[i - 1]); i--)
                o->mapped[i] = o->mapped[i - 1];
        o->mapped[i] = *m;
}

static bool is_of(uint64_t consumer, uint32_t pasid, uint64_t of_consumer, uint32_t of_pasid) {
        return consumer == of_consumer && (of_pasid == 0 || pasid == of_pasid);
}

static void drop_mapping(struct objects *o, size_t i) {
        o->n_mapped--;
        memmove(&o->mapped[i], &o->mapped[i + 1], (o->n_mapped - i) * sizeof(o->mapped[0]));
}

void objects_unmap(struct objects *o, uint64_t consumer, uint32_t pasid, uint64_t iova) {
        const struct store_mapping *m = objects_get_mapping(o, consumer, pasid, iova);

        ck_assert_ptr_nonnull(m);
        drop_mapping(o, (size_t) (m - o->mapped));
}

void objects_detach(struct objects *o, uint64_t consumer, uint32_t pasid) {
        for (size_t i = o->n_mapped; i-- > 0;)
                if (is_of(o->mapped[i].consumer, o->mapped[i].pasid, consumer, pasid))
                        drop_mapping(o, i);
        for (size_t i = o->n_attached; i-- > 0;) {
                if (!is_of(o->attached[i].consumer, o->attached[i].pasid, consumer, pasid))
                        continue;
                o->n_attached--;
                memmove(&o->attached[i], &o->attached[i + 1], (o->n_attached - i) * sizeof(o->attached[0]));
        }
}

void objects_take_attachment(struct objects *o, const struct store_attachment *a) {
        struct attached *taken = &o->attached[o->n_attached++];

        ck_assert_uint_le(o->n_attached, ATTACHED_MAX);
        ck_assert_uint_le(a->n_devices, ELEMENTSOF(taken->devices));
        *taken = (struct attached) { a->consumer, a->pasid, a->ioas, a->n_devices, {} };
        for (size_t i = 0; i < a->n_devices; i++) {
                ck_assert_uint_lt(strlen(a->devices[i].address), sizeof(taken->devices[i].address));
                strcpy(taken->devices[i].address, a->devices[i].address);
                taken->devices[i].id = a->devices[i].device_id;
                taken->devices[i].hwpt = a->devices[i].hwpt;
        }
}

void objects_take_mapping(struct objects *o, const struct store_mapping *m) {
        ck_assert_uint_lt(o->n_mapped, MAPPED_MAX);
        o->mapped[o->n_mapped++] = *m;
}

void objects_describe(const struct objects *o, FILE *out) {
        for (size_t i = 0; i < o->n_attached; i++) {
                const struct attached *a = &o->attached[i];

                fprintf(out, "%llu %u ioas %u on", (unsigned long long) a->consumer, a->pasid, a->ioas);
                for (size_t k = 0; k < a->n_devices; k++)
                        fprintf(out, " %s/%u/%u", a->devices[k].address, a->devices[k].id, a->devices[k].hwpt);
                fputc('\n', out);
        }
        for (size_t i = 0; i < o->n_mapped; i++)
                fprintf(out, "%llu %u maps %llx+%llx flags %u\n", (unsigned long long) o->mapped[i].consumer,
                        o->mapped[i].pasid, (unsigned long long) o->mapped[i].iova,
                        (unsigned long long) o->mapped[i].length, o->mapped[i].flags);
}

int objects_write_attachment(struct store *s, const struct attached *a, struct refusal *refusal) {
        struct store_attachment_device devices[ELEMENTSOF(a->devices)] = {};

        for (size_t i = 0; i < a->n_devices; i++)
                devices[i] = (struct store_attachment_device) {
                        a->devices[i].address, a->devices[i].id, a->devices[i].hwpt };
        return s->ops->attachment_add(s, &(struct store_attachment) {
                a->consumer, a->pasid, a->ioas, devices, a->n_devices }, refusal);
}

/* The same object, not one that was made anew under its name. */
static const struct attached *find_same(const struct objects *o, const struct attached *a) {
        const struct attached *found = objects_get(o, a->consumer, a->pasid);

        return found && found->ioas == a->ioas ? found : NULL;
}

static bool has_mapping(const struct objects *o, const struct store_mapping *m) {
        const struct store_mapping *found = objects_get_mapping(o, m->consumer, m->pasid, m->iova);

        return found && found->length == m->length && found->flags == m->flags;
}

/* Mappings of an attachment that goes or comes do so with it. */
static bool is_kept(const struct objects *from, const struct objects *to, const struct store_mapping *m) {
        const struct attached *a = objects_get(from, m->consumer, m->pasid);

        return a && find_same(to, a);
}

int objects_write_gone(struct store *s, const struct objects *from, const struct objects *to, struct refusal *refusal) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < from->n_mapped; i++)
                if (is_kept(from, to, &from->mapped[i]) && !has_mapping(to, &from->mapped[i]))
                        r = s->ops->mapping_remove(s, from->mapped[i].consumer, from->mapped[i].pasid,
                                                   from->mapped[i].iova, refusal);
        for (size_t i = 0; r >= 0 && i < from->n_attached; i++)
                if (!find_same(to, &from->attached[i]))
                        r = s->ops->attachment_remove(s, from->attached[i].consumer, from->attached[i].pasid, refusal);
        return r;
}

int objects_write_new(struct store *s, const struct objects *from, const struct objects *to, struct refusal *refusal) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < to->n_attached; i++)
                if (!find_same(from, &to->attached[i]))
                        r = objects_write_attachment(s, &to->attached[i], refusal);
        for (size_t i = 0; r >= 0 && i < to->n_mapped; i++)
                if (!is_kept(from, to, &to->mapped[i]) || !has_mapping(from, &to->mapped[i]))
                        r = s->ops->mapping_add(s, &to->mapped[i], refusal);
        return r;
}
