/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What changed about the machine's devices since it was told last: the facts
 * that clients are shown, kept as text, against those of now.
 */
#include "bus/device-news.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/news.h"
#include "log-ids.h"
#include "log.h"
#include "service/audit.h"

struct known_device {
        char address[PCI_ADDRESS_MAX];
        char *facts;
};

struct known_devices {
        struct known_device *devices; /* by address, as the service has them */
        size_t n_devices;
};

struct device_news {
        struct bus *bus;
        struct known_devices known;
        struct audit_budget budget;
};

static void known_devices_done(struct known_devices *known) {
        for (size_t i = 0; i < known->n_devices; i++)
                free(known->devices[i].facts);
        free(known->devices);
        *known = (struct known_devices) {};
}

static int describe(const struct device_info *d, char **ret) {
        if (asprintf(ret, "%s\n%s\n%d\n%u\n%u\n%u\n%d\n%s\n%s", d->name ?: "", d->driver ?: "", (int) d->iommu_group,
                     (unsigned) d->pci_width, (unsigned) d->iommu_width, d->max_pasid, d->usable, d->reason ?: "",
                     d->cdev ?: "") < 0) {
                *ret = NULL;
                return -ENOMEM;
        }
        return 0;
}

static int known_devices_read(const struct device_list *list, struct known_devices *ret) {
        struct known_devices known = {};
        int r = 0;

        known.devices = calloc(list->n_devices ?: 1, sizeof(*known.devices));
        if (!known.devices)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < list->n_devices; i++, known.n_devices++) {
                memcpy(known.devices[i].address, list->devices[i].address, PCI_ADDRESS_MAX);
                r = describe(&list->devices[i], &known.devices[i].facts);
        }
        if (r < 0) {
                known_devices_done(&known);
                return r;
        }
        *ret = known;
        return 0;
}

static void tell(struct device_news *d, enum news_kind kind, const struct known_device *device) {
        _cleanup_free_ char *path = NULL;
        struct news_path *p;

        if (!news_has_subscribers(d->bus->news) || path_of_device(device->address, &path) < 0)
                return;
        p = news_path_new(0, path);
        if (p)
                news_add(d->bus->news, kind, p, 0, NULL);
        news_path_unref(p);
}

/* Both lists have one order: what is in one only came or went. */
static void compare(struct device_news *d, const struct known_devices *old, const struct known_devices *new) {
        size_t i = 0, k = 0;

        while (i < old->n_devices || k < new->n_devices) {
                int order = i == old->n_devices ? 1 : k == new->n_devices ? -1
                                                : strcmp(old->devices[i].address, new->devices[k].address);

                if (order < 0) {
                        audit_device(&d->budget, MESSAGE_DEVICE_GONE, old->devices[i].address, "is gone");
                        tell(d, NEWS_DEVICE_REMOVED, &old->devices[i++]);
                } else if (order > 0) {
                        audit_device(&d->budget, MESSAGE_DEVICE_CAME, new->devices[k].address, "is there");
                        tell(d, NEWS_DEVICE_ADDED, &new->devices[k++]);
                } else if (strcmp(old->devices[i++].facts, new->devices[k++].facts) != 0) {
                        audit_device(&d->budget, MESSAGE_DEVICE_CHANGED, new->devices[k - 1].address, "is not as it was");
                        tell(d, NEWS_DEVICE_CHANGED, &new->devices[k - 1]);
                }
        }
}

static int compare_devices(const void *a, const void *b) {
        return strcmp(((const struct known_device *) a)->address, ((const struct known_device *) b)->address);
}

static int look(struct device_news *d, struct known_devices *ret) {
        int r = known_devices_read(service_devices(d->bus->service), ret);

        if (r >= 0)
                qsort(ret->devices, ret->n_devices, sizeof(*ret->devices), compare_devices);
        return r;
}

void device_news_look(struct device_news *d) {
        struct known_devices now;
        int r = look(d, &now);

        if (r < 0) {
                log_warning("Changes of devices are not told: %s", strerror(-r)); /* but with those of the next time */
                return;
        }
        compare(d, &d->known, &now);
        known_devices_done(&d->known);
        d->known = now;
        news_pump_all(d->bus->news);
}

int device_news_new(struct bus *bus, struct device_news **ret) {
        struct device_news *d;
        int r;

        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        d->bus = bus;
        d->budget = (struct audit_budget) AUDIT_OF_CHANGES;
        r = look(d, &d->known);
        if (r < 0) {
                free(d);
                return r;
        }
        *ret = d;
        return 0;
}

struct device_news *device_news_free(struct device_news *d) {
        if (!d)
                return NULL;
        known_devices_done(&d->known);
        free(d);
        return NULL;
}
