/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that were given away by Open: to one holder at a time, a connection
 * or a consumer. When that is gone the kernel still has the last word: a device
 * whose fds live on in some other process can't be bound again.
 */
#include "service/mediated.h"
#include "service/reaper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tenant {
        TAILQ_ENTRY(tenant) entry;
        char address[PCI_ADDRESS_MAX];
        uint64_t consumer_id; /* 0: the holder's */
        char holder[];
};

static bool is_over(const struct service *s, const struct tenant *t) {
        const struct consumer *c;

        if (t->consumer_id == 0)
                return false; /* tenants_holder_gone() tells */
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

static void forget(struct service *s, struct tenant *t) {
        TAILQ_REMOVE(&s->tenants, t, entry);
        free(t);
}

void tenants_holder_gone(struct service *s, const char *holder) {
        struct tenant *t, *next;

        for (t = TAILQ_FIRST(&s->tenants); t; t = next) {
                next = TAILQ_NEXT(t, entry);
                if (t->consumer_id == 0 && strcmp(t->holder, holder) == 0)
                        forget(s, t);
        }
}

static void forget_ended(struct service *s) {
        struct tenant *t, *next;

        for (t = TAILQ_FIRST(&s->tenants); t; t = next) {
                next = TAILQ_NEXT(t, entry);
                if (is_over(s, t))
                        forget(s, t);
        }
}

int tenants_holder_rename(struct service *s, const char *from, const char *to) {
        size_t size = strlen(to) + 1;
        struct tenant *t, *next;

        for (t = TAILQ_FIRST(&s->tenants); t; t = next) {
                struct tenant *renamed;

                next = TAILQ_NEXT(t, entry);
                if (strcmp(t->holder, from) != 0)
                        continue;
                renamed = malloc(sizeof(*renamed) + size);
                if (!renamed)
                        return -ENOMEM;
                memcpy(renamed->address, t->address, sizeof(t->address));
                renamed->consumer_id = t->consumer_id;
                memcpy(renamed->holder, to, size);
                TAILQ_INSERT_BEFORE(t, renamed, entry);
                forget(s, t);
        }
        return 0;
}

void tenants_done(struct service *s) {
        while (TAILQ_FIRST(&s->tenants))
                forget(s, TAILQ_FIRST(&s->tenants));
}

enum device_held service_device_held(const struct service *s, const char *address) {
        if (held_device_find(s, address))
                return DEVICE_HELD_MEDIATED;
        return tenants_have(s, address) ? DEVICE_HELD_TENANT : DEVICE_HELD_NOT;
}

int service_open_device(struct service *s, const char *address, const char *holder, const struct consumer *consumer,
                        int *ret_device, int *ret_iommufd, struct refusal *refusal) {
        const struct device_info *info = device_list_find(&s->devices, address);
        uint64_t id = consumer ? consumer->id : 0; /* a sweep may take the consumer away */
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
        forget_ended(s);
        /* Whose it is may be gone, and that not yet noticed. */
        if (find(s, address) && (reaper_sweep_for_request(s) <= 0 || find(s, address)))
                return refuse(refusal, EBUSY, "Device %s was given to another holder, and is free when that one is gone.", address);
        t = malloc(sizeof(*t) + strlen(holder) + 1);
        if (!t)
                return refuse(refusal, ENOMEM, "Out of memory.");
        r = s->kernel->ops->open_for_tenant(s->kernel, info, ret_device, ret_iommufd, refusal);
        if (r == -EBUSY && held_devices_settle(s))
                r = s->kernel->ops->open_for_tenant(s->kernel, info, ret_device, ret_iommufd, refusal);
        if (r < 0) {
                free(t);
                return r;
        }
        memcpy(t->address, info->address, sizeof(t->address));
        t->consumer_id = id;
        memcpy(t->holder, holder, strlen(holder) + 1);
        TAILQ_INSERT_TAIL(&s->tenants, t, entry);
        return 0;
}

void service_take_back_device(struct service *s, const char *address) {
        struct tenant *t = find(s, address);

        if (t)
                forget(s, t);
}
