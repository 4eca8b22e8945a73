/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that pasidd has open for its mediated consumers: opened at first
 * need, closed with the last of them, and given back when the kernel asks. An
 * unbind waits in the kernel until every fd of the device is closed, so after
 * a set time it is closed whatever its owners say.
 */
#include "service/mediated.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "log-ids.h"
#include "log.h"

#define ACCURACY_USEC 1000 /* the loop's own would let an unbind wait a quarter of a second longer */

struct held_device *held_device_find(const struct service *s, const char *address) {
        struct held_device *d;

        TAILQ_FOREACH(d, &s->held_devices, entry)
                if (strcmp(d->address, address) == 0 && d->kernel)
                        return d;
        return NULL;
}

/* Names in the fd store have no colons. */
static void format_name(const struct held_device *d, char *ret, size_t size) {
        (void) snprintf(ret, size, "device-%s", d->address);
        for (char *p = ret; *p; p++)
                if (*p == ':')
                        *p = '-';
}

/* Without it a restart detaches what is attached there: worse, and no reason not to serve. */
static void keep(struct held_device *d) {
        struct service *s = d->service;
        char name[PCI_ADDRESS_MAX + 16];
        int iommufd, r = 0;

        if (!s->keeper.keep)
                return;
        if (!s->has_kept_iommufd && s->kernel->ops->get_iommufd(s->kernel, &iommufd, NULL) >= 0) {
                r = s->keeper.keep("iommufd", iommufd, s->keeper.userdata);
                s->has_kept_iommufd = r >= 0;
        }
        format_name(d, name, sizeof(name));
        if (r >= 0)
                r = s->keeper.keep(name, d->kernel->fd, s->keeper.userdata);
        if (r < 0)
                log_warning("Device %s will not outlive a restart of pasidd: %s", d->address, strerror(-r));
}

static void unkeep(const struct held_device *d) {
        struct service *s = d->service;
        char name[PCI_ADDRESS_MAX + 16];

        format_name(d, name, sizeof(name));
        if (!s->keeper.drop)
                return;
        s->keeper.drop(name, s->keeper.userdata);
        s->has_dropped = true;
}

bool held_devices_settle(struct service *s) {
        if (!s->has_dropped || !s->keeper.sync)
                return false;
        s->has_dropped = false;
        s->keeper.sync(s->keeper.userdata);
        return true;
}

/* The one in the fd store first: as long as that is open the kernel waits. */
static void close_device(struct held_device *d) {
        unkeep(d);
        d->request_source = sd_event_source_disable_unref(d->request_source);
        d->deadline_source = sd_event_source_disable_unref(d->deadline_source);
        d->kernel = d->service->kernel->ops->device_close(d->service->kernel, d->kernel);
        audit_device(&d->service->budget, MESSAGE_DEVICE_LET_GO, d->address, "is closed");
}

void held_device_close(struct service *s, const char *address) {
        struct held_device *d = held_device_find(s, address);

        if (d)
                close_device(d);
}

/* The table hears of it later than the kernel: an unbind must not wait for a disk. */
static void let_go(struct held_device *d) {
        struct service *s = d->service;
        char address[PCI_ADDRESS_MAX];

        memcpy(address, d->address, sizeof(address)); /* what follows may free d */
        close_device(d);
        hotplug_device_gone(s, address);
}

static int on_deadline(_unused_ sd_event_source *source, uint64_t usec, void *userdata) {
        let_go(userdata);
        return 0;
}

static void tell_requested(const struct held_device *d, uint64_t release_usec) {
        struct service *s = d->service;
        struct moment now;

        service_get_moment(s, &now);
        if (s->listener.device_requested)
                s->listener.device_requested(d->address, now.realtime_usec + release_usec, s->listener.userdata);
}

static int on_request(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct held_device *d = userdata;
        struct service *s = d->service;

        /* The kernel asks again and again while it waits; once is enough. */
        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        /* Its users lose it all the same, if nobody has anything to detach. */
        if (d->n_attached == 0 ||
            sd_event_add_time_relative(s->event, &d->deadline_source, CLOCK_MONOTONIC, s->limits.release_usec, ACCURACY_USEC,
                                       on_deadline, d) < 0) {
                tell_requested(d, 0);
                let_go(d);
                return 0;
        }
        (void) sd_event_source_get_time(d->deadline_source, &d->deadline_usec);
        tell_requested(d, s->limits.release_usec);
        return 0;
}

void held_device_note_attached(struct held_device *d, int step) {
        d->n_attached += (unsigned) step;
        /*
         * Whoever was asked for it is done with it: the kernel need not wait for the rest of the time, unless what detached
         * is undone. From the loop: the caller is at work with it.
         */
        if (d->deadline_source)
                (void) sd_event_source_set_time(d->deadline_source, d->n_attached == 0 ? 0 : d->deadline_usec);
}

static struct held_device *device_new(struct service *s, const struct device_info *info) {
        const char *iommu = info->iommu ?: "";
        struct held_device *d;

        d = calloc(1, sizeof(*d) + strlen(iommu) + 1);
        if (!d)
                return NULL;
        d->service = s;
        memcpy(d->address, info->address, sizeof(d->address));
        memcpy(d->iommu, iommu, strlen(iommu) + 1);
        return d;
}

/* Once it is open: watched, and in the list. */
static int enter(struct held_device *d, struct refusal *refusal) {
        struct service *s = d->service;
        int r;

        if (d->kernel->request_fd >= 0) {
                r = sd_event_add_io(s->event, &d->request_source, d->kernel->request_fd, EPOLLIN, on_request, d);
                if (r < 0)
                        return refuse(refusal, ENOMEM, "Device %s could not be watched: %s.", d->address, strerror(-r));
                (void) sd_event_source_set_description(d->request_source, "device-request");
        }
        TAILQ_INSERT_TAIL(&s->held_devices, d, entry);
        return 0;
}

static int open_device(struct service *s, const struct device_info *info, struct held_device **ret, struct refusal *refusal) {
        struct held_device *d = device_new(s, info);
        int r;

        if (!d)
                return refuse(refusal, ENOMEM, "Out of memory.");
        r = s->kernel->ops->device_open(s->kernel, info, &d->kernel, refusal);
        if (r == -EBUSY && held_devices_settle(s))
                r = s->kernel->ops->device_open(s->kernel, info, &d->kernel, refusal);
        if (r >= 0) {
                r = enter(d, refusal);
                if (r < 0)
                        close_device(d);
        }
        if (r < 0) {
                free(d);
                return r;
        }
        keep(d);
        audit_device(&s->budget, MESSAGE_DEVICE_HELD, d->address, "is open, to attach to it");
        *ret = d;
        return 0;
}

int held_device_adopt(struct service *s, const char *address, int fd, uint32_t id, struct refusal *refusal) {
        const struct device_info *info = device_list_find(&s->devices, address);
        struct held_device *d;
        int r;

        if (!info)
                return refuse(refusal, ENXIO, "Device %s was open before the restart and is gone; what was attached to it is "
                              "lost, until it is freed.", address);
        d = device_new(s, info);
        if (!d)
                return refuse(refusal, ENOMEM, "Out of memory.");
        r = s->kernel->ops->device_adopt(s->kernel, fd, id, &d->kernel, refusal);
        if (r < 0) {
                free(d);
                return r;
        }
        if (enter(d, NULL) < 0) /* it can be used, and an unbind of it waits until it is let go */
                TAILQ_INSERT_TAIL(&s->held_devices, d, entry);
        return 0;
}

void held_devices_close_unused(struct service *s) {
        struct held_device *d, *next;

        for (d = TAILQ_FIRST(&s->held_devices); d; d = next) {
                next = TAILQ_NEXT(d, entry);
                if (d->n_users > 0)
                        continue;
                d->n_users = 1;
                held_device_put(d);
        }
}

int held_device_get(struct service *s, const char *address, struct held_device **ret, struct refusal *refusal) {
        const struct device_info *info = device_list_find(&s->devices, address);
        struct held_device *d = held_device_find(s, address);
        int r;

        if (d && d->deadline_source)
                return refuse(refusal, ENXIO, "Device %s cannot be attached to, as the kernel has asked for it back, for an unbind "
                              "or a removal; detach what is attached to it, and ask again when it is back.", address);
        if (!d) {
                if (!info)
                        return refuse(refusal, ENXIO, "Device %s is gone; end the consumer, and make another with a device that "
                                      "is there.", address);
                if (!info->usable)
                        return refuse(refusal, EMEDIUMTYPE, "Device %s cannot use PASIDs: %s", address, info->reason);
                if (tenants_have(s, address))
                        return refuse(refusal, EBUSY, "Device %s was opened by somebody who attaches by himself; pasidd "
                                      "attaches there again when that one is gone.", address);
                r = open_device(s, info, &d, refusal);
                if (r < 0)
                        return r;
        }
        d->n_users++;
        *ret = d;
        return 0;
}

void held_device_put(struct held_device *d) {
        if (--d->n_users > 0)
                return;
        if (d->kernel)
                close_device(d);
        TAILQ_REMOVE(&d->service->held_devices, d, entry);
        free(d);
}

void held_devices_done(struct service *s) {
        struct mediation *m;

        while ((m = TAILQ_FIRST(&s->mediations))) {
                struct attachment *a;

                /* In memory only: closing the fds is the end of what hangs on them. */
                while ((a = mediation_next(m->consumer, 0)))
                        attachment_forget(a);
                m->consumer->userdata = NULL;
                mediation_free(m);
        }
        held_devices_close_unused(s); /* those that a start which failed had taken over */
}
