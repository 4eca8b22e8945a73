/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices come, go and change hands while pasidd runs. A device that went away
 * takes its consumers' numbers with it: they are lost until they are freed,
 * and one that comes back under the same address revives nothing.
 */
#include "service/mediated.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log-ids.h"
#include "log.h"

#define WALKS_PER_SEC 8
#define SETTLE_USEC (50 * 1000ULL) /* one change of a driver is several pieces of news */

/* Its consumers' rows still say otherwise in the table. */
struct lost_device {
        TAILQ_ENTRY(lost_device) entry;
        char address[PCI_ADDRESS_MAX];
};

static int compare_devices(const struct device_info *a, const struct device_info *b) {
        if (a->iommu_group != b->iommu_group || a->pci_width != b->pci_width || a->iommu_width != b->iommu_width ||
            a->max_pasid != b->max_pasid || a->usable != b->usable || a->vendor != b->vendor || a->device != b->device)
                return 1;
        return strcmp(a->driver, b->driver) != 0 || strcmp(a->cdev, b->cdev) != 0 || strcmp(a->reason, b->reason) != 0;
}

static bool is_same(const struct device_list *a, const struct device_list *b) {
        if (a->n_devices != b->n_devices)
                return false;
        for (size_t i = 0; i < a->n_devices; i++)
                if (strcmp(a->devices[i].address, b->devices[i].address) != 0 || compare_devices(&a->devices[i], &b->devices[i]) != 0)
                        return false;
        return true;
}

static int lose_rows(struct service *s, struct consumer *c, const struct moment *now) {
        for (struct row *row = core_row_next(c, 0); row; row = core_row_next(c, row->pasid)) {
                if (row->state == ROW_COOLING)
                        continue;
                if (core_row_set_state(s->core, row, ROW_LOST, now) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* On its other devices the consumer's numbers are detached: a number that is lost is so as a whole. */
static int lose_consumer(struct service *s, struct consumer *c, struct refusal *refusal) {
        struct store *store = service_store_of(s, c);
        struct ending ending;
        struct moment now;
        size_t mark;
        int r;

        r = ending_begin(s, c, NULL, 0, &ending, refusal);
        if (r < 0)
                return r;
        service_prepare(s, store);
        service_get_moment(s, &now);
        mark = core_mark(s->core);
        r = lose_rows(s, c, &now);
        if (r < 0)
                r = refuse(refusal, ENOMEM, "Out of memory.");
        r = ending_commit(s, &ending, store, mark, "device-gone", r, refusal);
        return r < 0 ? r : service_commit(s, refusal);
}

static struct consumer_device *find_device(const struct consumer *c, const char *address) {
        for (size_t i = 0; !c->ended && i < c->n_devices; i++)
                if (strcmp(c->devices[i].address, address) == 0)
                        return &c->devices[i];
        return NULL;
}

/* Whom it concerns, once: a consumer that is made later has whatever is there then under the address. */
static void mark_gone(struct service *s, const char *address) {
        for (struct consumer *c = core_consumer_next(s->core, NULL); c; c = core_consumer_next(s->core, c)) {
                struct consumer_device *d = find_device(c, address);

                /* One that attaches by itself has lost it only if it is not there at all. */
                if (!d || d->gone || (c->mode == MODE_ADVISORY && !device_match_is_gone(s, d)))
                        continue;
                d->gone = true;
                if (c->n_live > 0)
                        log_about(LOG_WARNING, &(struct log_subject) { .message_id = MESSAGE_PASIDS_LOST, .device = address,
                                  .consumer = c->name, .has_uid = true, .uid = c->uid, .reason = "device-gone" },
                                  "Device %s is gone; the %u PASIDs of consumer \"%s\" of uid %u are lost", address,
                                  c->n_live, c->name, (unsigned) c->uid);
        }
}

static int lose_device(struct service *s, const char *address) {
        struct refusal refusal = {};
        int result = 0;

        for (struct consumer *c = core_consumer_next(s->core, NULL); c; c = core_consumer_next(s->core, c)) {
                const struct consumer_device *d = find_device(c, address);
                int r;

                if (!d || !d->gone || c->n_live == 0)
                        continue;
                r = lose_consumer(s, c, &refusal);
                if (r < 0) {
                        log_error("That consumer \"%s\" of uid %u has lost device %s could not be written: %s", c->name,
                                  (unsigned) c->uid, address, refusal.text);
                        result = r;
                }
        }
        return result;
}

static void lose_all(struct service *s) {
        struct lost_device *lost, *next;

        for (lost = TAILQ_FIRST(&s->lost_devices); lost; lost = next) {
                next = TAILQ_NEXT(lost, entry);
                if (lose_device(s, lost->address) < 0)
                        continue;
                TAILQ_REMOVE(&s->lost_devices, lost, entry);
                free(lost);
        }
        if (!TAILQ_EMPTY(&s->lost_devices) && sd_event_source_set_time_relative(s->lost_source, s->retry_usec) >= 0)
                (void) sd_event_source_set_enabled(s->lost_source, SD_EVENT_ONESHOT);
}

static int on_lost(_unused_ sd_event_source *source, uint64_t usec, void *userdata) {
        lose_all(userdata);
        return 0;
}

void hotplug_device_gone(struct service *s, const char *address) {
        struct lost_device *lost = calloc(1, sizeof(*lost));

        (void) service_flush(s); /* what is done from here on takes no consumer away when it is undone */
        mark_gone(s, address);
        if (!lost) {
                (void) lose_device(s, address);
                return;
        }
        (void) snprintf(lost->address, sizeof(lost->address), "%s", address);
        TAILQ_INSERT_TAIL(&s->lost_devices, lost, entry);
        lose_all(s);
}

/* Consumers whose device went while nobody asked for it: an unplug without warning, a driver's own doing. */
static void note_gone(struct service *s) {
        for (;;) {
                const struct consumer_device *found = NULL;
                char address[sizeof(found->address)];

                for (struct consumer *c = core_consumer_next(s->core, NULL); c && !found; c = core_consumer_next(s->core, c))
                        for (size_t i = 0; !c->ended && i < c->n_devices && !found; i++)
                                if (!c->devices[i].gone && device_match_is_gone(s, &c->devices[i]))
                                        found = &c->devices[i];
                if (!found)
                        return;
                memcpy(address, found->address, sizeof(address));
                held_device_close(s, address); /* what is there now, if anything, is another */
                hotplug_device_gone(s, address); /* marks it in each consumer */
        }
}

int service_rediscover(struct service *s, struct refusal *refusal) {
        struct device_list found = {};
        bool is_news;
        int r;

        r = s->kernel->ops->discover(s->kernel, &found, refusal);
        if (r < 0)
                return r;
        is_news = !is_same(&s->devices, &found);
        device_list_done(&s->devices);
        s->devices = found;
        if (!is_news || !s->news_source) /* at start nobody listens, and the tables are not loaded */
                return 0;
        note_gone(s);
        if (s->listener.devices_changed)
                s->listener.devices_changed(s->listener.userdata);
        return 0;
}

/* A look is at every function of the machine, and anybody who may make consumers can ask for it by a name that is none. */
int service_rediscover_for_request(struct service *s, struct refusal *refusal) {
        uint64_t now = 0;

        (void) sd_event_now(s->event, CLOCK_MONOTONIC, &now);
        if (now - s->walks_usec >= 1000000) {
                s->walks_usec = now;
                s->n_walks = 0;
        }
        return s->n_walks++ < WALKS_PER_SEC ? service_rediscover(s, refusal) : 0;
}

static int on_settled(_unused_ sd_event_source *source, uint64_t usec, void *userdata) {
        struct service *s = userdata;
        struct refusal refusal = {};

        if (service_rediscover(s, &refusal) < 0)
                log_warning("The devices could not be looked at: %s", refusal.text);
        return 0;
}

static void on_kernel_news(void *userdata) {
        struct service *s = userdata;
        int enabled = SD_EVENT_OFF;

        /* From the first of them on: news that never stop must not put it off for ever. */
        if (sd_event_source_get_enabled(s->news_source, &enabled) > 0 ||
            sd_event_source_set_time_relative(s->news_source, SETTLE_USEC) < 0)
                return;
        (void) sd_event_source_set_enabled(s->news_source, SD_EVENT_ONESHOT);
}

static int add_timer(struct service *s, sd_event_source **ret, sd_event_time_handler_t handler, const char *what,
                     struct refusal *refusal) {
        int r;

        r = sd_event_add_time(s->event, ret, CLOCK_MONOTONIC, 0, 0, handler, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
        if (r < 0)
                return refuse(refusal, -r, "Could not set up the timers: %s.", strerror(-r));
        (void) sd_event_source_set_description(*ret, what);
        return 0;
}

int hotplug_init(struct service *s, struct refusal *refusal) {
        struct refusal why = {};
        int r;

        r = add_timer(s, &s->lost_source, on_lost, "lost-devices", refusal);
        if (r >= 0)
                r = add_timer(s, &s->news_source, on_settled, "device-news", refusal);
        if (r < 0)
                return r;
        /* Without the kernel's news a device's end is seen when something fails on it: worse, but no reason not to serve. */
        if (s->kernel->ops->watch(s->kernel, s->event, on_kernel_news, s, &why) < 0)
                log_warning("Devices that come and go will not be noticed: %s", why.text);
        return 0;
}

void hotplug_done(struct service *s) {
        struct lost_device *lost;

        while ((lost = TAILQ_FIRST(&s->lost_devices))) {
                TAILQ_REMOVE(&s->lost_devices, lost, entry);
                free(lost);
        }
        s->lost_source = sd_event_source_disable_unref(s->lost_source);
        s->news_source = sd_event_source_disable_unref(s->news_source);
}
