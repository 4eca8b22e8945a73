/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the tables back to memory at start. Devices are matched by address and
 * ids anew; what contradicts itself is refused, never guessed at.
 */
#include "service/restore.h"
#include "service/hold-watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log-ids.h"
#include "log.h"

struct load {
        struct service *service;
        struct refusal *refusal;
        struct restore *restore;
        bool other_boot;    /* the table was written in an earlier boot */
        bool is_persistent; /* the table is the one that outlives it */
        uint64_t last_id;   /* rows of one consumer come together mostly */
        struct consumer *last;
        struct changed_row {
                uint64_t consumer;
                uint32_t pasid;
        } *changed; /* rows whose state is another than the table says */
        size_t n_changed, n_allocated;
        struct known_device {
                uint64_t consumer;
                size_t n; /* of its devices */
        } *known; /* devices whose ids the table does not have */
        size_t n_known, n_known_allocated;
};

static int grow(struct load *load, void **array, size_t n, size_t *allocated, size_t element) {
        size_t wanted = *allocated ? *allocated * 2 : 256;
        void *p;

        if (n < *allocated)
                return 0;
        p = reallocarray(*array, wanted, element);
        if (!p)
                return refuse(load->refusal, ENOMEM, "Out of memory");
        *array = p;
        *allocated = wanted;
        return 0;
}

/* A table of before these were kept: the device that is there now is taken for the one that was meant. */
static int note_ids(struct load *load, uint64_t consumer, size_t n, struct consumer_device *d) {
        const struct device_info *info = device_match_find(&load->service->devices, d);
        int r;

        if (d->gone || d->vendor != 0 || !info || info->vendor == 0)
                return 0;
        r = grow(load, (void **) &load->known, load->n_known, &load->n_known_allocated, sizeof(*load->known));
        if (r < 0)
                return r;
        load->known[load->n_known++] = (struct known_device) { consumer, n };
        d->vendor = info->vendor;
        d->device = info->device;
        return 0;
}

static int present_devices(struct load *load, const struct consumer_spec *spec, struct consumer_device **ret) {
        _cleanup_free_ struct consumer_device *devices = NULL;
        int r;

        devices = calloc(spec->n_devices + 1, sizeof(*devices));
        if (!devices)
                return refuse(load->refusal, ENOMEM, "Out of memory");
        for (size_t i = 0; i < spec->n_devices; i++) {
                devices[i] = spec->devices[i];
                devices[i].gone = device_match_is_gone(load->service, &devices[i]);
                r = note_ids(load, spec->id, i, &devices[i]);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(devices);
        return 0;
}

static int load_consumer(const struct consumer_spec *spec, void *userdata) {
        _cleanup_free_ struct consumer_device *devices = NULL;
        struct load *load = userdata;
        struct consumer_spec present = *spec;
        struct consumer *c;
        int r;

        /* Its changes would go to the other table, which knows nothing of it. */
        if ((spec->hold == HOLD_PERSISTENT) != load->is_persistent)
                return refuse(load->refusal, EBADMSG, "The %s table has consumer \"%s\" of uid %u with hold \"%s\", which "
                              "belongs in the other; put each back in its place from a backup, or start with a new one.",
                              load->is_persistent ? "persistent" : "boot's", spec->name, (unsigned) spec->uid,
                              hold_kind_to_string(spec->hold));
        r = present_devices(load, spec, &devices);
        if (r < 0)
                return r;
        present.devices = devices;
        return core_consumer_add(load->service->core, &present, &c, load->refusal);
}

static bool is_lost(const struct consumer *c) {
        for (size_t i = 0; i < c->n_devices; i++)
                if (c->devices[i].gone)
                        return true;
        return false;
}

static int note_changed(struct load *load, const struct store_row *row) {
        int r = grow(load, (void **) &load->changed, load->n_changed, &load->n_allocated, sizeof(*load->changed));

        if (r < 0)
                return r;
        load->changed[load->n_changed++] = (struct changed_row) { row->consumer, row->pasid };
        return 0;
}

static int load_row(const struct store_row *row, void *userdata) {
        struct load *load = userdata;
        enum row_state state = row->state;
        uint64_t freed_usec = row->freed_usec;

        if (!load->last || load->last_id != row->consumer) {
                load->last_id = row->consumer;
                load->last = core_consumer_by_id(load->service->core, row->consumer);
        }
        if (!load->last)
                return refuse(load->refusal, EBADMSG, "The table holds PASID %u of a consumer that it does not hold", row->pasid);

        if (state != ROW_COOLING) {
                if (is_lost(load->last)) {
                        state = ROW_LOST;
                        load->last->has_losses |= row->state != ROW_LOST;
                } else if (load->other_boot)
                        state = ROW_RESERVED;
        }
        /* Whether it still is, and what becomes of it if not, is settled when both tables are loaded. */
        if (row->state == ROW_ATTACHED && !load->other_boot)
                state = ROW_ATTACHED;
        /* Its time was told by the clock of a boot that no DMA survived. */
        if (state == ROW_COOLING && load->other_boot)
                freed_usec = 0;
        /* Nobody asks again by the token of a number that was freed; memory drops it, and so does the table. */
        if (state != row->state || freed_usec != row->freed_usec || (state == ROW_COOLING && row->token)) {
                int r = note_changed(load, row);

                if (r < 0)
                        return r;
        }
        return core_load_row(load->service->core, load->last, row->pasid, state, row->since_usec, freed_usec,
                             row->private_bytes, row->token, load->refusal);
}

/*
 * What memory knows better than the table by now is written back, and with it
 * that the table is of this boot: a second start must not undo it, nor one
 * after a start that failed half-way take it for done.
 */
static int write_back(struct service *s, const struct load *load, struct store *store, struct refusal *refusal) {
        int r;

        if (load->n_changed + load->n_known == 0 && !load->other_boot)
                return 0;
        r = store->ops->begin(store, refusal);
        if (r < 0)
                return r;
        for (size_t i = 0; r >= 0 && i < load->n_changed; i++) {
                const struct consumer *c = core_consumer_by_id(s->core, load->changed[i].consumer);

                r = store->ops->row_update(store, core_row_get(c, load->changed[i].pasid), refusal);
        }
        for (size_t i = 0; r >= 0 && i < load->n_known; i++)
                r = store->ops->device_update(store, core_consumer_by_id(s->core, load->known[i].consumer), load->known[i].n,
                                              refusal);
        if (r >= 0 && load->other_boot)
                r = store->ops->enter_boot(store, refusal);
        if (r >= 0)
                r = store->ops->commit(store, refusal);
        if (r < 0)
                store->ops->rollback(store);
        return r;
}

static int on_attachment(const struct store_attachment *a, void *userdata) {
        return restore_attachment(a, ((struct load *) userdata)->restore);
}

static int on_mapping(const struct store_mapping *m, void *userdata) {
        return restore_mapping(m, ((struct load *) userdata)->restore);
}

static int on_tenant(const struct store_tenant *t, void *userdata) {
        return tenants_load(((struct load *) userdata)->service, t);
}

/* Of another boot nothing is in the kernel. */
static int load_store(struct service *s, struct store *store, bool other_boot, struct restore *restore, struct refusal *refusal) {
        struct load load = { .service = s, .refusal = refusal, .other_boot = other_boot, .restore = restore,
                             .is_persistent = store == s->persistent_store };
        struct store_loader loader = {
                .consumer = load_consumer, .row = load_row, .userdata = &load,
                .attachment = other_boot ? NULL : on_attachment, .mapping = other_boot ? NULL : on_mapping, .tenant = on_tenant,
        };
        int r = 0;

        if (other_boot)
                r = service_remap(s, store, refusal);
        if (r >= 0) {
                core_load_begin(s->core);
                r = store->ops->load(store, &loader, refusal);
                core_load_end(s->core);
        }
        if (r >= 0)
                r = write_back(s, &load, store, refusal);
        free(load.changed);
        free(load.known);
        return r;
}

static void tell_losses(const struct service *s) {
        for (const struct consumer *c = core_consumer_next(s->core, NULL); c; c = core_consumer_next(s->core, c)) {
                const struct consumer_device *d = c->devices;
                char why[DEVICE_MATCH_TEXT_MAX];

                if (!c->has_losses)
                        continue;
                while (!d->gone)
                        d++;
                device_match_explain(s, d, why);
                log_about(LOG_WARNING, &(struct log_subject) { .message_id = MESSAGE_PASIDS_LOST, .device = d->address,
                          .consumer = c->name, .has_uid = true, .uid = c->uid, .reason = "device-gone" },
                          "%s; the %u PASIDs of consumer \"%s\" of uid %u are lost", why, c->n_live, c->name, (unsigned) c->uid);
        }
}

int service_load(struct service *s, bool persistent_other_boot, struct stored_fd *stored, size_t n_stored, struct refusal *refusal) {
        struct restore restore = {};
        int r;

        r = load_store(s, s->persistent_store, persistent_other_boot, &restore, refusal);
        if (r >= 0)
                r = load_store(s, s->runtime_store, false, &restore, refusal);
        if (r >= 0 && hold_watches_load(s, stored, n_stored) < 0)
                r = refuse(refusal, ENOMEM, "Could not look at the holders: out of memory.");
        if (r >= 0)
                r = restore_run(s, &restore, stored, n_stored, refusal);
        restore_done(&restore);
        if (r >= 0) {
                tell_losses(s);
                tenants_settle(s);
        }
        return r;
}
