/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The consumer of a domain. It is held by the boot: a domain has no unit yet
 * when libvirt prepares it, and libvirt says when it is over, even if it was
 * itself away at that moment.
 */
#include "reserve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

DEFINE_CLEANUP(struct pasid_consumer *, pasid_consumer_free);

#define PREFIX "libvirt-"

void format_consumer(const struct domain *d, char ret[static CONSUMER_NAME_MAX + 1]) {
        bool fits = strlen(PREFIX) + strlen(d->name) <= CONSUMER_NAME_MAX;

        (void) snprintf(ret, CONSUMER_NAME_MAX + 1, "%s%.*s", PREFIX, CONSUMER_NAME_MAX - (int) strlen(PREFIX), fits ? d->name : d->uuid);
}

static int init(struct pasid_client *client, const char *name, const struct domain *d, struct pasid_consumer **ret) {
        struct pasid_consumer_options options = PASID_CONSUMER_OPTIONS_INIT;

        options.devices = (const char *const *) d->devices;
        options.hold = PASID_HOLD_BOOT;
        return pasid_consumer_init(client, name, &options, ret);
}

static size_t private_size(const struct domain *d) {
        return d->private_text ? strlen(d->private_text) : 0;
}

static int allocate(struct pasid_consumer *consumer, const struct domain *d) {
        size_t size = private_size(d);
        const void *data = size > 0 ? d->private_text : NULL;
        uint32_t *pasids, one;
        int r;

        if (d->count == 1) /* whose refusal can speak of the one number */
                return pasid_alloc(consumer, d->min, d->max, data, size, NULL, &one);
        pasids = calloc(d->count <= PASID_MAX ? d->count : 1, sizeof(*pasids));
        if (!pasids)
                return -ENOMEM;
        r = pasid_alloc_many(consumer, d->count, d->min, d->max, data, size, NULL, pasids);
        free(pasids);
        return r;
}

struct comparison {
        const struct domain *domain;
        struct pasid_consumer *consumer;
        uint32_t n;
};

/* With what init() asks for. As all callbacks here: 0: the same, 1: not. */
static int compare_consumer(const struct pasid_consumer_info *info, void *userdata) {
        const struct domain *d = userdata;
        size_t n = 0;

        if (info->hold != PASID_HOLD_BOOT || info->mode != PASID_MODE_ADVISORY)
                return 1;
        while (n < d->n_devices && info->devices[n] && strcmp(info->devices[n], d->devices[n]) == 0)
                n++;
        return n < d->n_devices || info->devices[n];
}

static int compare_private(struct pasid_consumer *consumer, const struct pasid_info *info, const struct domain *d) {
        size_t wanted = private_size(d), size = 0;
        _cleanup_free_ void *data = NULL;
        int r;

        if (info->private_bytes != wanted)
                return 1;
        if (wanted == 0)
                return 0;
        r = pasid_find(consumer, info->pasid, &data, &size, NULL);
        if (r < 0)
                return r == -ENOENT ? 1 : r;
        return size != wanted || memcmp(data, d->private_text, wanted) != 0;
}

static int compare_pasid(const struct pasid_info *info, void *userdata) {
        struct comparison *c = userdata;
        const struct domain *d = c->domain;

        if (info->state == PASID_STATE_COOLING)
                return 0;
        c->n++;
        /* One that is lost stays so, its device come back or not. */
        if (info->state != PASID_STATE_ALLOCATED || c->n > d->count)
                return 1;
        if (d->min > 0 && (info->pasid < d->min || info->pasid > d->max))
                return 1;
        return compare_private(c->consumer, info, d);
}

/* 1: what was left of an earlier start is what is wanted now; 0: it is not. */
static int is_as_wanted(struct pasid_consumer *consumer, const struct domain *d) {
        struct comparison c = { .domain = d, .consumer = consumer };
        int r;

        r = pasid_consumer_describe(consumer, compare_consumer, (void *) d);
        if (r == 0)
                r = pasid_for_each(consumer, compare_pasid, &c);
        return r < 0 ? r : r == 0 && c.n == d->count;
}

/* There is a consumer of that name: libvirt was killed, or the hook was away, when the domain ended. */
static int take_over(struct pasid_client *client, const char *name, const struct domain *d, struct pasid_consumer **ret) {
        _cleanup_(pasid_consumer_freep) struct pasid_consumer *consumer = NULL;
        int r;

        r = pasid_consumer_get(client, PASID_UID_SELF, name, &consumer);
        if (r >= 0)
                r = is_as_wanted(consumer, d);
        if (r != 0)
                return r;
        r = pasid_consumer_exit(consumer);
        return r < 0 ? r : init(client, name, d, ret);
}

int reserve(struct pasid_client *client, const struct domain *d, bool is_running) {
        _cleanup_(pasid_consumer_freep) struct pasid_consumer *consumer = NULL;
        char name[CONSUMER_NAME_MAX + 1];
        int r;

        format_consumer(d, name);
        r = init(client, name, d, &consumer);
        if (r == -EEXIST && is_running)
                return 0;
        if (r == -EEXIST) {
                r = take_over(client, name, d, &consumer);
                if (r > 0)
                        return 0;
        }
        if (r < 0)
                return r;
        r = allocate(consumer, d);
        if (r < 0)
                (void) pasid_consumer_exit(consumer); /* of no number, or of all */
        return r;
}

int release(struct pasid_client *client, const char *name) {
        _cleanup_(pasid_consumer_freep) struct pasid_consumer *consumer = NULL;
        int r;

        r = pasid_consumer_get(client, PASID_UID_SELF, name, &consumer);
        if (r >= 0)
                r = pasid_consumer_exit(consumer);
        return r == -ESRCH ? 0 : r;
}
