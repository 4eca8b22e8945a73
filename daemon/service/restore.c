/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After a restart. The descriptors that came back still have everything in the
 * kernel as it was, and DMA goes on while this is done: what is kept is not
 * touched but for an attach to the page table that it has, which does nothing
 * unless an earlier pasidd died between detaching it and saying so, or between
 * writing down a new one and attaching it. What the table does not know of
 * died unacknowledged, and is taken out.
 */
#include "service/restore.h"
#include "service/hold-watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/reconcile.h"
#include "log-ids.h"
#include "log.h"

#define DEVICE_PREFIX "device-"
#define IOMMUFD_NAME "iommufd"
#define IOVA_END (UINT64_C(1) << 57) /* of the widest page tables there are, five levels */
#define OBJECTS_MAX (1U << 24)
#define UNUSED_IDS 1024U             /* so many in a row: there are no objects beyond */

struct work {
        struct service *s;
        struct restore *restore;
        struct stored_fd *stored;
        size_t n_stored;
        bool has_iommufd;
        struct reconcile_device *devices;
        char (*addresses)[PCI_ADDRESS_MAX];
        struct stored_fd **fds; /* of the devices */
        size_t n_devices;
        struct reconcile_attachment *attachments;
        const char **names; /* of all attachments' devices, in order; likewise their ids */
        uint32_t *ids;
};

static void drop(struct service *s, const char *name) {
        if (s->keeper.drop)
                s->keeper.drop(name, s->keeper.userdata);
}

static void close_stored(struct service *s, struct stored_fd *stored) {
        stored->fd = close_fd(stored->fd);
        drop(s, stored->name);
}

/* "device-0000-01-00.0": names in the store have no colons. */
static bool parse_name(const char *name, char *ret_address) {
        struct pci_address pci;
        char text[PCI_ADDRESS_MAX];
        size_t n = strlen(DEVICE_PREFIX);

        if (strncmp(name, DEVICE_PREFIX, n) != 0 || strlen(name + n) >= sizeof(text))
                return false;
        (void) snprintf(text, sizeof(text), "%s", name + n);
        for (char *p = text; *p; p++)
                if (*p == '-')
                        *p = ':';
        if (pci_address_parse(text, &pci) < 0)
                return false;
        pci_address_format(&pci, ret_address);
        return true;
}

static bool is_gone(const char *address, void *userdata) {
        const struct service *s = userdata;
        const struct device_info *info = device_list_find(&s->devices, address);

        return !info || !info->usable;
}

static int prepare(struct work *w) {
        size_t n = 0;

        w->devices = calloc(w->n_stored + 1, sizeof(*w->devices));
        w->addresses = calloc(w->n_stored + 1, sizeof(*w->addresses));
        w->fds = calloc(w->n_stored + 1, sizeof(struct stored_fd *));
        for (size_t i = 0; i < w->restore->n_attachments; i++)
                n += w->restore->attachments[i].n_devices;
        w->attachments = calloc(w->restore->n_attachments + 1, sizeof(*w->attachments));
        w->names = calloc(n + 1, sizeof(const char *));
        w->ids = calloc(n + 1, sizeof(uint32_t));
        if (!w->devices || !w->addresses || !w->fds || !w->attachments || !w->names || !w->ids)
                return -ENOMEM;

        for (size_t i = 0; i < w->n_stored; i++) {
                struct stored_fd *stored = &w->stored[i];
                struct refusal refusal = {};

                if (stored->fd < 0)
                        continue;
                if (strcmp(stored->name, IOMMUFD_NAME) == 0) {
                        if (w->has_iommufd) { /* a second one; to drop its name would drop the first, too */
                                stored->fd = close_fd(stored->fd);
                                continue;
                        }
                        if (w->s->kernel->ops->set_iommufd(w->s->kernel, stored->fd, &refusal) < 0) {
                                log_warning("The iommufd of an earlier pasidd is of no use: %s", refusal.text);
                                close_stored(w->s, stored);
                                continue;
                        }
                        stored->fd = -EBADF;
                        w->has_iommufd = w->s->has_kept_iommufd = true;
                } else if (parse_name(stored->name, w->addresses[w->n_devices])) {
                        w->fds[w->n_devices] = stored;
                        w->devices[w->n_devices] = (struct reconcile_device) {
                                .address = w->addresses[w->n_devices], .is_gone = is_gone(w->addresses[w->n_devices], w->s) };
                        w->n_devices++;
                }
        }
        return 0;
}

static bool has_gone_device(const struct consumer *c) {
        for (size_t i = 0; i < c->n_devices; i++)
                if (c->devices[i].gone)
                        return true;
        return false;
}

static bool can_stay_attached(const struct consumer *c, const struct loaded_attachment *a) {
        const struct row *row = core_row_get(c, a->pasid);

        return row && row->state == ROW_ATTACHED && c->mode == MODE_MEDIATED && a->n_devices == c->n_devices && !has_gone_device(c);
}

/* Connections are told about by the bus layer, later. */
static enum reconcile_holder holder_of(const struct consumer *c) {
        if (c->watch && c->watch->list == &c->watch->service->over_watches)
                return RECONCILE_HOLDER_IS_OVER;
        return c->hold != HOLD_CONNECTION && service_hold_is_watched(c) ? RECONCILE_HOLDER_IS_THERE : RECONCILE_HOLDER_CANNOT_TELL;
}

static void describe(struct work *w) {
        size_t n = 0;

        for (size_t i = 0; i < w->restore->n_attachments; i++) {
                const struct loaded_attachment *a = &w->restore->attachments[i];
                const struct consumer *c = core_consumer_by_id(w->s->core, a->consumer);

                w->attachments[i] = (struct reconcile_attachment) {
                        .devices = w->names + n, .device_ids = w->ids + n, .n_devices = a->n_devices,
                        .is_attached = can_stay_attached(c, a), .holder = holder_of(c) };
                for (size_t k = 0; k < a->n_devices; k++, n++) {
                        w->names[n] = a->devices[k].address;
                        w->ids[n] = a->devices[k].id;
                }
        }
}

/* One that does not come back to life is as one that did not come back, and all is judged anew. */
static bool adopt_devices(struct work *w) {
        for (size_t i = 0; i < w->n_devices; i++) {
                struct refusal refusal = {};

                if (!w->devices[i].is_adopted || held_device_find(w->s, w->devices[i].address))
                        continue;
                if (held_device_adopt(w->s, w->devices[i].address, w->fds[i]->fd, w->devices[i].id, &refusal) >= 0) {
                        w->fds[i]->fd = -EBADF;
                        continue;
                }
                log_warning("Device %s of an earlier pasidd could not be taken over: %s", w->devices[i].address, refusal.text);
                close_stored(w->s, w->fds[i]);
                w->n_devices--;
                w->devices[i] = w->devices[w->n_devices];
                w->fds[i] = w->fds[w->n_devices];
                return false;
        }
        return true;
}

/* Those that nothing is kept for, and with them whatever is attached there: before the table says so, and whatever it says. */
static void close_unwanted(struct work *w) {
        const struct fd_keeper *keeper = &w->s->keeper;
        bool any = false;

        for (size_t i = 0; i < w->n_devices; i++)
                if (w->fds[i]->fd >= 0) {
                        if (held_device_find(w->s, w->devices[i].address)) /* the name is that one's, too */
                                w->fds[i]->fd = close_fd(w->fds[i]->fd);
                        else
                                close_stored(w->s, w->fds[i]);
                        any = true;
                }
        if (any && keeper->sync)
                keeper->sync(keeper->userdata);
}

static struct attached_device *find_attached(struct attachment *a, const char *address) {
        for (size_t i = 0; i < a->n_devices; i++)
                if (strcmp(a->devices[i].device->address, address) == 0)
                        return &a->devices[i];
        return NULL;
}

static bool is_taken_over(const struct reconcile_attachment *a) {
        return a->verdict == RECONCILE_KEEP || a->verdict == RECONCILE_END;
}

static int keep(struct work *w, const struct loaded_attachment *loaded) {
        struct consumer *c = core_consumer_by_id(w->s->core, loaded->consumer);
        struct refusal refusal = {};
        struct mediation *m;
        struct attachment *a;
        int r;

        r = mediation_get(w->s, c, &m, &refusal);
        if (r >= 0)
                r = attachment_adopt(m, loaded->pasid, loaded->ioas, &a);
        if (r < 0)
                return r;
        for (size_t i = 0; i < loaded->n_devices; i++) {
                struct attached_device *ad = find_attached(a, loaded->devices[i].address);

                if (!ad)
                        return -EBADMSG;
                ad->hwpt = loaded->devices[i].hwpt;
        }
        attachment_note_shared(a);
        r = attachment_reattach(a, &refusal);
        if (r < 0)
                log_error("PASID %u of consumer \"%s\" could not be taken over: %s", loaded->pasid, c->name, refusal.text);
        return r;
}

/* No number is said to be detached that is not: a start that can't see to it is none, and the next one tries again. */
static int detach(struct service *s, const char *address, uint32_t pasid, struct refusal *refusal) {
        struct held_device *d = held_device_find(s, address);
        int r = d ? s->kernel->ops->detach(s->kernel, d->kernel, pasid, refusal) : 0;

        return r == -ENXIO ? 0 : r; /* the device is gone, and what was attached there with it */
}

/* What is not kept: detached where its device was taken over, its objects destroyed, its row as the verdict says. */
static int let_go(struct work *w, const struct loaded_attachment *loaded, bool is_lost, struct refusal *refusal) {
        struct consumer *c = core_consumer_by_id(w->s->core, loaded->consumer);
        struct service *s = w->s;
        struct attachment *a = mediation_find(c, loaded->pasid);
        struct extra extra = { restore_write_removal, (void *) loaded };
        struct moment now;
        struct row *row;
        size_t mark;
        int r = 0;

        if (a)
                attachment_destroy(a);
        else {
                for (size_t i = 0; r >= 0 && i < loaded->n_devices; i++)
                        r = detach(s, loaded->devices[i].address, loaded->pasid, refusal);
                if (r < 0)
                        return r;
                for (size_t i = 0; w->has_iommufd && i < loaded->n_devices; i++)
                        (void) s->kernel->ops->destroy(s->kernel, loaded->devices[i].hwpt, NULL);
                if (w->has_iommufd)
                        (void) s->kernel->ops->destroy(s->kernel, loaded->ioas, NULL);
        }
        if (s->open_store && s->open_store != service_store_of(s, c)) { /* not service_prepare(): a refusal is the start's */
                r = service_commit(s, refusal);
                if (r < 0)
                        return r;
        }
        service_get_moment(s, &now);
        mark = core_mark(s->core);
        row = core_row_get(c, loaded->pasid);
        is_lost = is_lost || has_gone_device(c);
        if (row && row->state == ROW_ATTACHED)
                r = core_row_set_state(s->core, row, is_lost ? ROW_LOST : ROW_ALLOCATED, &now);
        if (r < 0)
                return refuse(refusal, ENOMEM, "Out of memory.");
        return service_persist_with(s, service_store_of(s, c), mark, NULL, is_lost ? "device-gone" : "detached", &extra, refusal);
}

int restore_write_removal(struct store *store, void *userdata, struct refusal *refusal) {
        const struct loaded_attachment *loaded = userdata;

        return store->ops->attachment_remove(store, loaded->consumer, loaded->pasid, refusal);
}

static int add_mappings(struct work *w) {
        for (size_t i = 0; i < w->restore->n_mappings; i++) {
                const struct loaded_mapping *loaded = &w->restore->mappings[i];
                const struct consumer *c = core_consumer_by_id(w->s->core, loaded->consumer);
                struct attachment *a = c ? mediation_find(c, loaded->pasid) : NULL;
                struct mapping *m;

                if (!a)
                        continue;
                m = calloc(1, sizeof(*m));
                if (!m)
                        return -ENOMEM;
                *m = (struct mapping) { .iova = loaded->iova, .length = loaded->length, .is_restored = true };
                mappings_add(a, m);
        }
        return 0;
}

/* Memory that was mapped and not acknowledged lies between what was. */
static void unmap_gaps(struct attachment *a) {
        struct service *s = a->mediation->service;
        uint64_t from = 0, unmapped;

        for (const struct mapping *m = mappings_first(a); from < IOVA_END; m = m ? mappings_next(a, m) : NULL) {
                uint64_t to = m ? m->iova : IOVA_END;

                if (to > from && s->kernel->ops->unmap(s->kernel, a->ioas, from, to - from, &unmapped, NULL) >= 0)
                        log_info("%llu bytes of PASID %u that an earlier pasidd had begun to map are unmapped",
                                 (unsigned long long) unmapped, a->pasid);
                if (!m)
                        return;
                from = m->iova + m->length;
        }
}

static void note_known(const struct work *w, bool *known) {
        for (size_t i = 0; i < w->restore->n_attachments; i++) {
                const struct loaded_attachment *a = &w->restore->attachments[i];

                if (!is_taken_over(&w->attachments[i]))
                        continue;
                known[a->ioas] = true;
                for (size_t k = 0; k < a->n_devices; k++)
                        known[a->devices[k].id] = known[a->devices[k].hwpt] = true;
        }
}

static uint32_t greatest_id(const struct work *w) {
        uint32_t id = 0;

        for (size_t i = 0; i < w->restore->n_attachments; i++) {
                const struct loaded_attachment *a = &w->restore->attachments[i];

                id = a->ioas > id ? a->ioas : id;
                for (size_t k = 0; k < a->n_devices; k++) {
                        id = a->devices[k].id > id ? a->devices[k].id : id;
                        id = a->devices[k].hwpt > id ? a->devices[k].hwpt : id;
                }
        }
        return id;
}

/*
 * Ids are given from the lowest free one up. Beyond those of the table there may be what was half made, and what an earlier
 * pasidd could not destroy of attachments that it forgot, however many: it ends where there is nothing for a long while.
 */
static uint32_t find_end(const struct service *s, uint32_t end) {
        for (uint32_t id = end + 1; id - end <= UNUSED_IDS && id < OBJECTS_MAX; id++) {
                int r = leftovers_have(s, id) ? -EBUSY : s->kernel->ops->destroy(s->kernel, id, NULL);

                if (r == 0 || r == -EBUSY)
                        end = id;
        }
        return end;
}

/* Page tables first: they hold their address space. */
static void destroy_orphans(struct work *w) {
        uint32_t end = greatest_id(w);
        _cleanup_free_ bool *known = NULL;
        struct service *s = w->s;

        if (!w->has_iommufd || end >= OBJECTS_MAX) /* of a damaged table it may be anything */
                return;
        end = find_end(s, end);
        known = calloc((size_t) end + 1, sizeof(*known));
        if (!known)
                return; /* they are pasidd's own, and reach nobody's memory */
        note_known(w, known);
        for (int round = 0; round < 2; round++)
                for (uint32_t id = end; id > 0; id--)
                        if (!known[id] && !leftovers_have(s, id)) /* those are tried again, and have their owner */
                                (void) s->kernel->ops->destroy(s->kernel, id, NULL); /* most of them do not exist */
}

/* An attach that was not acknowledged may have come as far as the kernel, for a number that is allocated. */
static int detach_half_made(struct service *s, struct refusal *refusal) {
        int r = 0;

        for (struct consumer *c = core_consumer_next(s->core, NULL); c; c = core_consumer_next(s->core, c)) {
                for (size_t i = 0; c->mode == MODE_MEDIATED && i < c->n_devices; i++) {
                        if (!held_device_find(s, c->devices[i].address))
                                continue;
                        for (const struct row *row = core_row_next(c, 0); r >= 0 && row; row = core_row_next(c, row->pasid))
                                if (row->state != ROW_ATTACHED)
                                        r = detach(s, c->devices[i].address, row->pasid, refusal);
                }
        }
        return r;
}

static int settle(struct work *w, struct refusal *refusal) {
        unsigned n_kept = 0, n_detached = 0, n_lost = 0;
        int r = 0;

        for (size_t i = 0; i < w->restore->n_attachments; i++) {
                struct reconcile_attachment *verdict = &w->attachments[i];

                if (is_taken_over(verdict) && keep(w, &w->restore->attachments[i]) < 0)
                        verdict->verdict = RECONCILE_DETACH;
        }
        r = add_mappings(w);
        if (r < 0)
                return refuse(refusal, ENOMEM, "Out of memory.");
        for (size_t i = 0; r >= 0 && i < w->restore->n_attachments; i++) {
                const struct loaded_attachment *loaded = &w->restore->attachments[i];
                enum reconcile_verdict verdict = w->attachments[i].verdict;

                *(verdict == RECONCILE_KEEP ? &n_kept : verdict == RECONCILE_LOSE ? &n_lost : &n_detached) += 1;
                if (is_taken_over(&w->attachments[i]))
                        unmap_gaps(mediation_find(core_consumer_by_id(w->s->core, loaded->consumer), loaded->pasid));
                else
                        r = let_go(w, loaded, verdict == RECONCILE_LOSE, refusal);
        }
        if (r < 0)
                return r;
        r = detach_half_made(w->s, refusal);
        if (r < 0)
                return r;
        leftovers_retry(w->s);
        destroy_orphans(w);
        w->s->restored = (struct service_restored) { .kept = n_kept, .detached = n_detached, .lost = n_lost };
        if (n_kept + n_detached + n_lost > 0)
                log_about(LOG_NOTICE, &(struct log_subject) { .message_id = MESSAGE_RESTORED }, "Of an earlier pasidd's attachments %u are kept, %u are detached, %u are lost",
                          n_kept, n_detached, n_lost);
        return service_commit(w->s, refusal);
}

int restore_run(struct service *s, struct restore *restore, struct stored_fd *stored, size_t n_stored, struct refusal *refusal) {
        struct work w = { .s = s, .restore = restore, .stored = stored, .n_stored = n_stored };
        int r;

        r = prepare(&w);
        if (r < 0)
                r = refuse(refusal, ENOMEM, "Out of memory.");
        else {
                describe(&w);
                do
                        reconcile(w.has_iommufd, w.devices, w.n_devices, w.attachments, restore->n_attachments, is_gone, s);
                while (!adopt_devices(&w));
                close_unwanted(&w);
                r = settle(&w, refusal);
        }
        if (r >= 0) /* a start that fails leaves them to the next */
                held_devices_close_unused(s);
        free(w.devices);
        free(w.addresses);
        free(w.fds);
        free(w.attachments);
        free(w.names);
        free(w.ids);
        return r;
}
