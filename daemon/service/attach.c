/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A number gets an address space on its consumer's devices, and loses it. The
 * kernel comes between the core and the table: what it refuses was never
 * there, and what the table refuses is taken out of the kernel again.
 */
#include "service/mediated.h"

#include <errno.h>

#include "log.h"

static int check_mediated(const struct consumer *c, const char *what, struct refusal *refusal) {
        if (c->mode == MODE_MEDIATED)
                return 0;
        return refuse(refusal, EPROTOTYPE, "%s was asked of consumer \"%s\", which is advisory: it attaches by itself, on file "
                      "descriptors of its own. Make it with mode \"mediated\" for pasidd to do it.", what, c->name);
}

/* What is attached, and mapped, in one step. */
struct made {
        struct attachment *attachment;
        struct mapping *mapping; /* NULL: none was asked for */
        uint32_t flags;          /* of that */
};

static int write_mapping(struct store *store, void *userdata, struct refusal *refusal) {
        const struct made *made = userdata;
        const struct store_mapping row = {
                .consumer = made->attachment->mediation->consumer->id,
                .pasid = made->attachment->pasid,
                .iova = made->mapping->iova,
                .length = made->mapping->length,
                .flags = made->flags,
        };

        return store->ops->mapping_add(store, &row, refusal);
}

static int write_made(struct store *store, void *userdata, struct refusal *refusal) {
        const struct made *made = userdata;
        int r = attachment_write(store, made->attachment, refusal);

        return r >= 0 && made->mapping ? write_mapping(store, userdata, refusal) : r;
}

static int make(struct service *s, struct consumer *c, uint32_t pasid, const struct kernel_mapping *map, struct made *ret,
                struct refusal *refusal) {
        struct mediation *m;
        int r;

        r = mediation_get(s, c, &m, refusal);
        if (r >= 0)
                r = attachment_make(m, pasid, &ret->attachment, refusal);
        if (r < 0 || !map)
                return r;
        ret->flags = map->flags;
        r = mappings_make(ret->attachment, map, &ret->mapping, refusal);
        if (r < 0)
                (void) attachment_undo(ret->attachment);
        return r;
}

/* In the reverse order; what stays attached is a remnant. */
static void undo(struct made *made) {
        (void) attachment_cut(made->attachment);
        if (made->mapping)
                mappings_undo_map(made->attachment, made->mapping);
        (void) attachment_undo(made->attachment);
}

static void keep(struct made *made) {
        if (made->mapping)
                mappings_add(made->attachment, made->mapping);
}

/* mark: the first of the core's changes that belong to it. */
static int write_with(struct service *s, struct consumer *c, size_t mark, const void *private_data, const char *reason,
                      struct made *made, struct refusal *refusal) {
        struct extra extra = { write_made, made };
        int r;

        r = service_persist_with(s, service_store_of(s, c), mark, private_data, reason, &extra, refusal);
        return r < 0 ? r : service_commit(s, refusal);
}

/* The row is in the table already: whatever of this a pasidd that dies leaves behind, the next one knows where to look. */
static int attach_in_kernel(struct service *s, struct consumer *c, struct row *row, const struct kernel_mapping *map,
                            struct refusal *refusal) {
        size_t mark = core_mark(s->core);
        struct made made = {};
        struct moment now;
        int r;

        r = make(s, c, row->pasid, map, &made, refusal);
        if (r < 0)
                return r;
        r = attachment_attach(made.attachment, refusal);
        service_get_moment(s, &now);
        if (r >= 0 && core_row_set_state(s->core, row, ROW_ATTACHED, &now) < 0) {
                core_rollback(s->core, mark);
                r = refuse(refusal, ENOMEM, "Out of memory.");
        }
        if (r >= 0)
                r = write_with(s, c, mark, NULL, "attached", &made, refusal);
        if (r < 0)
                undo(&made);
        else
                keep(&made);
        return r;
}

/* Nothing came of it: devices that were opened for it are open for nothing. */
static void drop_if_first(struct consumer *c, bool is_first) {
        if (is_first && mediation_of(c))
                mediation_drop(mediation_of(c));
}

static int attach_row(struct service *s, struct consumer *c, struct row *row, const struct kernel_mapping *map,
                      struct refusal *refusal) {
        bool is_first = !mediation_of(c);
        int r;

        r = attach_in_kernel(s, c, row, map, refusal);
        if (r < 0)
                drop_if_first(c, is_first);
        return r;
}

static int attach_number(struct service *s, struct consumer *c, uint32_t pasid, const struct kernel_mapping *map,
                         struct refusal *refusal) {
        struct attachment *a;
        struct row *row;
        int r;

        /* What others asked for is not undone with this; a refusal of it may take the consumer along. */
        r = service_commit(s, refusal);
        if (r < 0)
                return r;
        row = service_live_row(c, pasid);
        if (!row)
                return service_refuse_no_row(c, pasid, refusal);
        if (row->state == ROW_LOST)
                return refuse(refusal, ENXIO, "PASID %u of consumer \"%s\" was lost with its device; free it.", pasid, c->name);
        a = mediation_find(c, pasid);
        if (a && a->is_stuck && !attachment_undo(a))
                return refuse(refusal, EBUSY, "PASID %u of consumer \"%s\" is still attached to what is left of an attempt that "
                              "failed, and the kernel refuses to detach it; try again.", pasid, c->name);
        if (attachment_is_whole(mediation_find(c, pasid)))
                return refuse(refusal, EADDRINUSE, "PASID %u of consumer \"%s\" is attached already; detach it first to begin "
                              "anew.", pasid, c->name);
        r = service_check_devices(c, refusal);
        if (r < 0)
                return r;
        return attach_row(s, c, row, map, refusal);
}

int service_attach(struct service *s, struct consumer *c, uint32_t pasid, struct refusal *refusal) {
        int r = check_mediated(c, "Attach", refusal);

        return r < 0 ? r : attach_number(s, c, pasid, NULL, refusal);
}

/*
 * What an earlier request with the same token has mapped is there. Which memory it was nobody knows any more; whether
 * the kernel still has what an earlier pasidd mapped, only the kernel.
 */
static int map_again(struct service *s, struct consumer *c, uint32_t pasid, const struct kernel_mapping *map,
                     struct refusal *refusal) {
        const struct mapping *m = mappings_find(mediation_find(c, pasid), map->iova, map->length);
        bool is_known = m;
        uint64_t iova;
        int r;

        if (m && !m->is_restored)
                return 0;
        r = service_map(s, c, pasid, map, &iova, refusal);
        return r == -EADDRINUSE && is_known ? 0 : r;
}

static int repeat(struct service *s, struct consumer *c, uint32_t pasid, const struct kernel_mapping *map,
                  struct refusal *refusal) {
        if (!attachment_is_whole(mediation_find(c, pasid)))
                return attach_number(s, c, pasid, map, refusal);
        return map ? map_again(s, c, pasid, map, refusal) : 0;
}

static int write_removal(struct store *store, void *userdata, struct refusal *refusal) {
        const struct attachment *a = userdata;

        return store->ops->attachment_remove(store, a->mediation->consumer->id, a->pasid, refusal);
}

/* The table has it as attached, and the kernel refuses. */
static int unwrite(struct service *s, struct consumer *c, struct attachment *a, struct refusal *refusal) {
        struct extra extra = { write_removal, a, true };
        size_t mark = core_mark(s->core);
        struct moment now;
        int r;

        service_get_moment(s, &now);
        if (core_row_set_state(s->core, core_row_get(c, a->pasid), ROW_ALLOCATED, &now) < 0)
                return refuse(refusal, ENOMEM, "Out of memory.");
        r = service_persist_with(s, service_store_of(s, c), mark, NULL, REASON_ATTACH_FAILED, &extra, refusal);
        return r < 0 ? r : service_commit(s, refusal);
}

/* Whoever asked was refused, and doesn't know of the number. */
static void take_back(struct service *s, struct consumer *c, struct made *made, bool is_first) {
        uint32_t pasid = made->attachment->pasid;
        struct refusal refusal = {};
        int r;

        r = unwrite(s, c, made->attachment, &refusal);
        if (r < 0)
                keep(made); /* the table has it, and so has a Free or Detach to come */
        else {
                undo(made);
                drop_if_first(c, is_first);
                r = service_free_because(s, c, &pasid, 1, REASON_ATTACH_FAILED, &refusal);
        }
        if (r >= 0)
                r = service_commit(s, &refusal);
        if (r < 0)
                log_warning("PASID %u of consumer \"%s\" could not be attached, and stays allocated: %s", pasid, c->name,
                            refusal.text);
}

/*
 * A number that is new, from mark on in the core's journal. The table has it, as attached, before the kernel attaches it:
 * so nothing is ever attached that the table doesn't know of, and a pasidd that comes after one that died in between
 * attaches it.
 */
static int attach_new(struct service *s, struct consumer *c, uint32_t pasid, size_t mark, const void *private_data,
                      const struct kernel_mapping *map, struct refusal *refusal) {
        bool is_first = !mediation_of(c);
        struct made made = {};
        int r;

        r = map ? mappings_check_quota(s, c, map->length, refusal) : 0;
        if (r >= 0)
                r = make(s, c, pasid, map, &made, refusal);
        if (r < 0)
                core_rollback(s->core, mark);
        else {
                r = write_with(s, c, mark, private_data, "allocated", &made, refusal);
                if (r < 0)
                        undo(&made);
        }
        if (r < 0) {
                drop_if_first(c, is_first);
                return r;
        }
        r = attachment_attach(made.attachment, refusal);
        if (r < 0) {
                take_back(s, c, &made, is_first);
                return r;
        }
        keep(&made);
        audit_attached(&s->budget, c, pasid);
        return 0;
}

int service_alloc_mapped(struct service *s, struct consumer *c, struct alloc_request *request, const void *private_data,
                         const struct kernel_mapping *map, uint32_t *ret, struct refusal *refusal) {
        bool is_repeated;
        uint32_t pasid;
        size_t mark;
        int r;

        r = check_mediated(c, "Alloc with the option \"attach\"", refusal);
        if (r < 0)
                return r;
        r = service_commit(s, refusal);
        if (r < 0)
                return r;
        request->is_attached = true;
        r = service_pick(s, c, request, &pasid, &mark, &is_repeated, refusal);
        if (r >= 0)
                r = is_repeated ? repeat(s, c, pasid, map, refusal) :
                        attach_new(s, c, pasid, mark, private_data, map, refusal);
        if (r >= 0)
                *ret = pasid;
        return r;
}

int service_detach(struct service *s, struct consumer *c, uint32_t pasid, struct refusal *refusal) {
        struct store *store = service_store_of(s, c);
        struct ending ending;
        struct moment now;
        size_t mark;
        int r;

        r = check_mediated(c, "Detach", refusal);
        if (r < 0)
                return r;
        r = service_commit(s, refusal);
        if (r < 0)
                return r;
        if (!service_live_row(c, pasid))
                return service_refuse_no_row(c, pasid, refusal);
        if (!mediation_find(c, pasid))
                return refuse(refusal, ENOLINK, "PASID %u of consumer \"%s\" was to be detached and is not attached; it can be "
                              "attached, or freed as it is.", pasid, c->name);
        r = ending_begin(s, c, &pasid, 1, &ending, refusal);
        if (r < 0)
                return r;
        service_get_moment(s, &now);
        mark = core_mark(s->core);
        r = ending_detach_rows(s, &ending, &now, refusal);
        return ending_commit(s, &ending, store, mark, "detached", r, refusal);
}

static struct attachment *get_attachment(struct consumer *c, uint32_t pasid, const char *what, int *ret_error,
                                         struct refusal *refusal) {
        struct attachment *a = mediation_find(c, pasid);

        *ret_error = check_mediated(c, what, refusal);
        if (*ret_error < 0)
                return NULL;
        if (!service_live_row(c, pasid))
                *ret_error = service_refuse_no_row(c, pasid, refusal);
        else if (!attachment_is_whole(a))
                *ret_error = refuse(refusal, ENOLINK, "PASID %u of consumer \"%s\" is not attached, so it has no address space; "
                                    "attach it first.", pasid, c->name);
        return a;
}

int service_map(struct service *s, struct consumer *c, uint32_t pasid, const struct kernel_mapping *m, uint64_t *ret_iova,
                struct refusal *refusal) {
        struct made made = { .flags = m->flags };
        struct extra extra = { write_mapping, &made };
        int r;

        r = service_commit(s, refusal);
        if (r < 0)
                return r;
        made.attachment = get_attachment(c, pasid, "Map", &r, refusal);
        if (r < 0)
                return r;
        r = mappings_make(made.attachment, m, &made.mapping, refusal);
        if (r < 0)
                return r;
        r = service_persist_with(s, service_store_of(s, c), core_mark(s->core), NULL, "mapped", &extra, refusal);
        if (r >= 0)
                r = service_commit(s, refusal);
        if (r < 0) {
                mappings_undo_map(made.attachment, made.mapping);
                return r;
        }
        mappings_add(made.attachment, made.mapping);
        *ret_iova = made.mapping->iova;
        return 0;
}

int service_unmap(struct service *s, struct consumer *c, uint32_t pasid, uint64_t iova, uint64_t length, uint64_t *ret_unmapped,
                  struct refusal *refusal) {
        struct attachment *a;
        struct unmapping u;
        struct extra extra = { mappings_write_unmapping, &u };
        int r;

        r = service_commit(s, refusal);
        if (r < 0)
                return r;
        a = get_attachment(c, pasid, "Unmap", &r, refusal);
        if (r < 0)
                return r;
        u = (struct unmapping) { .attachment = a, .iova = iova, .length = length };
        r = mappings_unmap(&u, refusal);
        if (r < 0)
                return r;
        r = service_persist_with(s, service_store_of(s, c), core_mark(s->core), NULL, "unmapped", &extra, refusal);
        if (r >= 0)
                r = service_commit(s, refusal);
        if (r < 0)
                return r; /* asked again it goes on from here: the kernel's part is done and noted */
        *ret_unmapped = mappings_forget(&u);
        return 0;
}
