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

/* One that is over is in the table still; beside it there may be one of the same address that is not, but not for long. */
struct tenant {
        TAILQ_ENTRY(tenant) entry;
        char address[PCI_ADDRESS_MAX];
        uint64_t consumer_id; /* 0: the holder's */
        bool is_over;         /* for good, whatever its consumer does */
        bool is_loaded;       /* given by an earlier pasidd, which may have died before anybody had it */
        char *holder;
        char *next_holder;    /* while it is being renamed */
};

static struct tenant *tenant_free(struct tenant *t) {
        if (!t)
                return NULL;
        free(t->holder);
        free(t->next_holder);
        free(t);
        return NULL;
}

static void drop(struct service *s, struct tenant *t) {
        TAILQ_REMOVE(&s->tenants, t, entry);
        (void) tenant_free(t);
}

static bool is_over(const struct service *s, const struct tenant *t) {
        const struct consumer *c;

        if (t->consumer_id == 0 || t->is_over)
                return t->is_over; /* tenants_holder_gone() tells */
        if (service_is_pending(s))
                return false; /* an end that is not committed yet may be undone */
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

static struct tenant *find_over(const struct service *s) {
        struct tenant *t;

        TAILQ_FOREACH(t, &s->tenants, entry)
                if (is_over(s, t))
                        break;
        return t;
}

/*
 * If the table refuses, the rows are removed with the next one, or by the next start. From the start each time: a commit
 * answers those who waited for it, and may bring other news.
 */
static void forget_over(struct service *s) {
        struct tenant *t;

        if (TAILQ_EMPTY(&s->tenants))
                return;
        (void) service_flush(s);
        while ((t = find_over(s)) && write_down(s, t, write_removal, NULL) >= 0)
                drop(s, t);
}

void tenants_holder_gone(struct service *s, const char *holder) {
        struct tenant *t;

        TAILQ_FOREACH(t, &s->tenants, entry)
                if (t->consumer_id == 0 && strcmp(t->holder, holder) == 0)
                        t->is_over = true;
        forget_over(s);
}

static struct tenant *tenant_new(const char *address, uint64_t consumer_id, const char *holder) {
        struct tenant *t = calloc(1, sizeof(*t));

        if (!t)
                return NULL;
        (void) snprintf(t->address, sizeof(t->address), "%s", address);
        t->consumer_id = consumer_id;
        t->holder = strdup(holder);
        return t->holder ? t : tenant_free(t);
}

int tenants_rename_begin(struct service *s, const char *from, const char *to) {
        struct tenant *t;

        TAILQ_FOREACH(t, &s->tenants, entry) {
                if (strcmp(t->holder, from) != 0)
                        continue;
                free(t->next_holder);
                t->next_holder = strdup(to);
                if (!t->next_holder) {
                        tenants_rename_end(s, false);
                        return -ENOMEM;
                }
        }
        return 0;
}

/* The table may have the old name for longer: a start finds the same process or connection by it. */
void tenants_rename_end(struct service *s, bool is_renamed) {
        struct tenant *t;

        TAILQ_FOREACH(t, &s->tenants, entry) {
                char *next = TAKE_PTR(t->next_holder), *unused = next;

                if (next && is_renamed) {
                        unused = t->holder;
                        t->holder = next;
                }
                free(unused);
        }
}

int tenants_load(struct service *s, const struct store_tenant *row) {
        struct tenant *t = tenant_new(row->address, row->consumer, row->holder);

        if (!t)
                return -ENOMEM;
        t->is_loaded = true;
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

        while ((t = TAILQ_FIRST(&s->tenants)))
                drop(s, t);
}

enum device_held service_device_held(const struct service *s, const char *address) {
        if (held_device_find(s, address))
                return DEVICE_HELD_MEDIATED;
        return tenants_have(s, address) ? DEVICE_HELD_TENANT : DEVICE_HELD_NOT;
}

/* The row of that address is another's now. */
static void drop_over(struct service *s, const char *address) {
        struct tenant *t, *next;

        for (t = TAILQ_FIRST(&s->tenants); t; t = next) {
                next = TAILQ_NEXT(t, entry);
                if (strcmp(t->address, address) == 0)
                        drop(s, t);
        }
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
        drop_over(s, t->address);
        TAILQ_INSERT_TAIL(&s->tenants, t, entry);
        *ret_device = TAKE_FD(device);
        *ret_iommufd = TAKE_FD(iommufd);
        return 0;
}

/* Whose it is may be gone, and that not yet noticed. */
static const struct tenant *find_now(struct service *s, const char *address) {
        forget_over(s);
        if (find(s, address) && reaper_sweep_for_request(s) > 0)
                forget_over(s);
        return find(s, address);
}

static int refuse_second(const struct tenant *t, bool is_same, struct refusal *refusal) {
        if (!is_same)
                return refuse(refusal, EBUSY, "Device %s was given to another holder, and is free when that one is gone.", t->address);
        return refuse(refusal, EBUSY, "Device %s was given to the same holder before; it is free when %s.", t->address,
                      t->consumer_id != 0 ? "the consumer that it was opened for ends" : "the connection that asked for it is closed");
}

int service_open_device(struct service *s, const char *address, const char *holder, const struct consumer *consumer,
                        int *ret_device, int *ret_iommufd, struct refusal *refusal) {
        const struct device_info *info = device_list_find(&s->devices, address);
        uint64_t id = consumer ? consumer->id : 0; /* a sweep may take the consumer away, or a commit */
        const struct tenant *before;
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
        r = service_commit(s, refusal); /* what others wait for is not undone with this, and what has ended has */
        if (r < 0)
                return r;
        before = find_now(s, address);
        if (before) {
                bool is_same = before->consumer_id == id && (id != 0 || strcmp(before->holder, holder) == 0);

                if (!is_same || !before->is_loaded) /* else the kernel knows whether he has it */
                        return refuse_second(before, is_same, refusal);
        }
        t = tenant_new(info->address, id, holder);
        if (t && is_over(s, t))
                r = refuse(refusal, ESRCH, "Device %s was to be opened for a consumer that has ended meanwhile.", address);
        else
                r = t ? give(s, info, t, ret_device, ret_iommufd, refusal) : refuse(refusal, ENOMEM, "Out of memory.");
        if (r < 0)
                (void) tenant_free(t);
        return r;
}

void service_take_back_device(struct service *s, const char *address) {
        struct tenant *t = find(s, address);

        if (t)
                t->is_over = true;
        forget_over(s);
}
