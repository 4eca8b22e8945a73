/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that were given away by Open: to one holder at a time, a connection
 * or a consumer, and over a restart of ours, as it is in the boot's table. When
 * that is gone the kernel still has the last word: a device whose fds live on
 * in some other process can't be bound again.
 */
#include "service/mediated.h"
#include "service/reaper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tenant {
        TAILQ_ENTRY(tenant) entry;
        char address[PCI_ADDRESS_MAX];
        uint64_t consumer_id; /* 0: the holder's */
        bool is_over;         /* it is in the table still, which could not be written */
        char holder[];
};

static bool is_over(const struct service *s, const struct tenant *t) {
        const struct consumer *c;

        if (t->consumer_id == 0 || t->is_over)
                return t->is_over; /* tenants_holder_gone() tells */
        c = core_consumer_by_id(s->core, t->consumer_id);
        return !c || c->ended;
}

/* What its consumer had, whichever way that ended, is looked for no earlier than somebody asks. */
static struct tenant *find(const struct service *s, const char *address) {
        struct tenant *t;

        TAILQ_FOREACH(t, &s->tenants, entry)
                if (strcmp(t->address, address) == 0 && !is_over(s, t))
                        return t;
        return NULL;
}

bool tenants_have(const struct service *s, const char *address) {
        return find(s, address);
}

static int write_set(struct store *store, void *userdata, struct refusal *refusal) {
        const struct tenant *t = userdata;

        return store->ops->tenant_set(store, &(struct store_tenant) { t->address, t->consumer_id, t->holder }, refusal);
}

static int write_removal(struct store *store, void *userdata, struct refusal *refusal) {
        return store->ops->tenant_remove(store, ((const struct tenant *) userdata)->address, refusal);
}

/* At once, as what the kernel has a part in. */
static int write_down(struct service *s, struct tenant *t, int (*write)(struct store *, void *, struct refusal *),
                      struct refusal *refusal) {
        struct extra extra = { write, t, false };
        int r;

        service_prepare(s, s->runtime_store);
        r = service_persist_with(s, s->runtime_store, core_mark(s->core), NULL, "opened", &extra, refusal);
        return r < 0 ? r : service_commit(s, refusal);
}

/* If the table refuses, its row is removed with the next one, or by the next start. */
static int forget(struct service *s, struct tenant *t) {
        int r;

        t->is_over = true;
        r = write_down(s, t, write_removal, NULL);
        if (r < 0)
                return r;
        TAILQ_REMOVE(&s->tenants, t, entry);
        free(t);
        return 0;
}

/* From the start each time: a commit answers those who waited for it, and may bring other news. */
static void forget_over(struct service *s) {
        struct tenant *t;

        do {
                TAILQ_FOREACH(t, &s->tenants, entry)
                        if (is_over(s, t))
                                break;
        } while (t && forget(s, t) >= 0);
}

void tenants_holder_gone(struct service *s, const char *holder) {
        struct tenant *t;

        TAILQ_FOREACH(t, &s->tenants, entry)
                if (t->consumer_id == 0 && strcmp(t->holder, holder) == 0)
                        t->is_over = true;
        forget_over(s);
}

static struct tenant *tenant_new(const char *address, uint64_t consumer_id, const char *holder) {
        struct tenant *t = calloc(1, sizeof(*t) + strlen(holder) + 1);

        if (!t)
                return NULL;
        (void) snprintf(t->address, sizeof(t->address), "%s", address);
        t->consumer_id = consumer_id;
        memcpy(t->holder, holder, strlen(holder) + 1);
        return t;
}

/* The table may have the old name for longer: a start finds the same process or connection by it. */
int tenants_holder_rename(struct service *s, const char *from, const char *to) {
        struct tenant *t, *next;

        for (t = TAILQ_FIRST(&s->tenants); t; t = next) {
                struct tenant *renamed;

                next = TAILQ_NEXT(t, entry);
                if (strcmp(t->holder, from) != 0)
                        continue;
                renamed = tenant_new(t->address, t->consumer_id, to);
                if (!renamed)
                        return -ENOMEM;
                renamed->is_over = t->is_over;
                TAILQ_INSERT_BEFORE(t, renamed, entry);
                TAILQ_REMOVE(&s->tenants, t, entry);
                free(t);
        }
        return 0;
}

int tenants_load(struct service *s, const struct store_tenant *row) {
        struct tenant *t = tenant_new(row->address, row->consumer, row->holder);

        if (!t)
                return -ENOMEM;
        TAILQ_INSERT_TAIL(&s->tenants, t, entry);
        return 0;
}

void tenants_settle(struct service *s) {
        forget_over(s);
}

const char *service_tenant_holder(const struct service *s, size_t n) {
        const struct tenant *t;

        TAILQ_FOREACH(t, &s->tenants, entry)
                if (t->consumer_id == 0 && !t->is_over && n-- == 0)
                        return t->holder;
        return NULL;
}

void tenants_done(struct service *s) {
        struct tenant *t;

        while ((t = TAILQ_FIRST(&s->tenants))) {
                TAILQ_REMOVE(&s->tenants, t, entry);
                free(t);
        }
}

enum device_held service_device_held(const struct service *s, const char *address) {
        if (held_device_find(s, address))
                return DEVICE_HELD_MEDIATED;
        return tenants_have(s, address) ? DEVICE_HELD_TENANT : DEVICE_HELD_NOT;
}

/* Whoever gets it, it is in the table before. */
static int give(struct service *s, const struct device_info *info, struct tenant *t, int *ret_device, int *ret_iommufd,
                struct refusal *refusal) {
        _cleanup_close_ int device = -EBADF, iommufd = -EBADF;
        int r;

        r = s->kernel->ops->open_for_tenant(s->kernel, info, &device, &iommufd, refusal);
        if (r == -EBUSY && held_devices_settle(s))
                r = s->kernel->ops->open_for_tenant(s->kernel, info, &device, &iommufd, refusal);
        if (r >= 0)
                r = write_down(s, t, write_set, refusal);
        if (r < 0)
                return r;
        TAILQ_INSERT_TAIL(&s->tenants, t, entry);
        *ret_device = TAKE_FD(device);
        *ret_iommufd = TAKE_FD(iommufd);
        return 0;
}

int service_open_device(struct service *s, const char *address, const char *holder, const struct consumer *consumer,
                        int *ret_device, int *ret_iommufd, struct refusal *refusal) {
        const struct device_info *info = device_list_find(&s->devices, address);
        uint64_t id = consumer ? consumer->id : 0; /* a sweep may take the consumer away, or a commit */
        struct tenant *t;
        int r;

        if (!info)
                return refuse(refusal, ENODEV, "There is no device %s here that could use PASIDs; `pasidctl devices` lists those "
                              "there are.", address);
        if (!info->usable)
                return refuse(refusal, EMEDIUMTYPE, "Device %s cannot use PASIDs: %s", address, info->reason);
        if (held_device_find(s, address))
                return refuse(refusal, EBUSY, "Device %s is open in pasidd itself, for mediated consumers; it can be given away when "
                              "the last of them has ended.", address);
        forget_over(s);
        /* Whose it is may be gone, and that not yet noticed. */
        if (find(s, address) && (reaper_sweep_for_request(s) <= 0 || find(s, address)))
                return refuse(refusal, EBUSY, "Device %s was given to another holder, and is free when that one is gone.", address);
        r = service_commit(s, refusal); /* what others wait for is not undone with this */
        if (r < 0)
                return r;
        t = tenant_new(info->address, id, holder);
        r = t ? give(s, info, t, ret_device, ret_iommufd, refusal) : refuse(refusal, ENOMEM, "Out of memory.");
        if (r < 0)
                free(t);
        return r;
}

void service_take_back_device(struct service *s, const char *address) {
        struct tenant *t = find(s, address);

        if (t)
                (void) forget(s, t);
}
