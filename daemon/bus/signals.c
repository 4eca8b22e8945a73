/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the service's news to D-Bus signals. Counters change with each PASID:
 * their PropertiesChanged are gathered for a moment and sent once.
 */
#include "bus/signals.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "bus/device-news.h"
#include "log-ids.h"
#include "log.h"

#define GATHER_USEC 100000ULL
#define IFACE_OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

struct signals {
        struct bus *bus;
        struct device_news *device_news;
        struct news_path *last;  /* of the consumer that the last news were of */
        void *changed;           /* tsearch() tree of paths whose counters changed */
        uint64_t noted;          /* id of the consumer that was last put there */
        bool is_gathering;
        sd_event_source *timer;
};

static int compare_paths(const void *a, const void *b) {
        return strcmp(((const struct news_path *) a)->path, ((const struct news_path *) b)->path);
}

/* Borrowed; NULL without memory. */
static struct news_path *path_of(struct signals *s, const struct consumer *c) {
        _cleanup_free_ char *path = NULL;

        if (s->last && s->last->consumer == c->id)
                return s->last;
        s->last = news_path_unref(s->last);
        if (path_of_consumer(c->uid, c->name, &path) >= 0)
                s->last = news_path_new(c->id, path);
        return s->last;
}

static void note_changed(struct signals *s, struct news_path *path) {
        struct news_path **found = tsearch(path, &s->changed, compare_paths);

        if (found && *found == path)
                (void) news_path_ref(path);
}

static void note_device(struct signals *s, const char *address) {
        _cleanup_free_ char *device = NULL;
        struct news_path *path;

        if (path_of_device(address, &device) < 0 || !(path = news_path_new(0, device)))
                return;
        note_changed(s, path);
        news_path_unref(path);
}

/* A device's counters are its IOMMU group's: who shares the group with it has others now, too. */
static void note_group(struct signals *s, int32_t group) {
        const struct device_list *list = service_devices(s->bus->service);

        for (size_t i = 0; i < list->n_devices; i++)
                if (list->devices[i].iommu_group == group)
                        note_device(s, list->devices[i].address);
}

static void note_counters(struct signals *s, const struct consumer *c, struct news_path *path) {
        if (s->noted == c->id)
                return;
        s->noted = c->id;
        note_changed(s, path);
        for (size_t i = 0; i < c->n_devices; i++)
                note_group(s, c->devices[i].space);
}

static void on_consumer_added(const struct consumer *c, void *userdata) {
        struct signals *s = userdata;
        struct news_path *path;

        if (news_has_subscribers(s->bus->news) && (path = path_of(s, c)))
                news_add(s->bus->news, NEWS_CONSUMER_ADDED, path, 0, NULL);
}

static void on_consumer_ended(const struct consumer *c, void *userdata) {
        struct signals *s = userdata;
        struct news_path *path;

        if (news_has_subscribers(s->bus->news) && (path = path_of(s, c)))
                news_add(s->bus->news, NEWS_CONSUMER_REMOVED, path, 0, NULL);
}

/* The path that it had is not there any more, whatever was to be told of it. */
static void on_consumer_moved(const struct consumer *c, uid_t old_uid, void *userdata) {
        _cleanup_free_ char *text = NULL;
        struct signals *s = userdata;
        struct news_path *path, **found;

        s->last = news_path_unref(s->last);
        s->noted = 0;
        if (path_of_consumer(old_uid, c->name, &text) < 0 || !(path = news_path_new(c->id, text)))
                return;
        found = tfind(path, &s->changed, compare_paths);
        if (found) {
                struct news_path *changed = *found;

                (void) tdelete(path, &s->changed, compare_paths);
                news_path_unref(changed);
        }
        if (news_has_subscribers(s->bus->news)) {
                news_add(s->bus->news, NEWS_CONSUMER_REMOVED, path, 0, NULL);
                on_consumer_added(c, s);
        }
        news_path_unref(path);
}

static void on_pasid_allocated(const struct consumer *c, uint32_t pasid, void *userdata) {
        struct signals *s = userdata;
        struct news_path *path = path_of(s, c);

        if (!path)
                return;
        note_counters(s, c, path);
        news_add(s->bus->news, NEWS_PASID_ALLOCATED, path, pasid, NULL);
}

static void on_pasid_freed(const struct consumer *c, uint32_t pasid, const char *reason, void *userdata) {
        struct signals *s = userdata;
        struct news_path *path = path_of(s, c);

        if (!path)
                return;
        note_counters(s, c, path);
        news_add(s->bus->news, NEWS_PASID_FREED, path, pasid, reason);
}

static void on_pasid_lost(const struct consumer *c, uint32_t pasid, const char *reason, void *userdata) {
        struct signals *s = userdata;
        struct news_path *path = path_of(s, c);

        if (!path)
                return;
        note_counters(s, c, path);
        news_add(s->bus->news, NEWS_PASID_LOST, path, pasid, reason);
}

struct request {
        const char *path;
        uint64_t deadline_usec;
};

static int send_request(struct link *link, void *userdata) {
        const struct request *request = userdata;

        return sd_bus_emit_signal(link->sd, PASIDD_PATH, PASIDD_IFACE_MANAGER, "DeviceRequested", "ot", request->path,
                                  request->deadline_usec);
}

/* The kernel waits, and with it whoever wants the device unbound. */
static void on_device_requested(const char *address, uint64_t deadline_usec, void *userdata) {
        struct request request = { .deadline_usec = deadline_usec };
        _cleanup_free_ char *path = NULL;
        struct signals *s = userdata;

        log_about(LOG_WARNING, &(struct log_subject) { .message_id = MESSAGE_DEVICE_REQUESTED, .device = address },
                  "The kernel wants device %s back; what is attached to it at the deadline is lost", address);
        if (path_of_device(address, &path) < 0)
                return;
        request.path = path;
        news_send_at_once(s->bus->news, send_request, &request);
}

static void on_devices_changed(void *userdata) {
        struct signals *s = userdata;

        device_news_look(s->device_news);
}

static void gather(struct signals *s) {
        if (s->is_gathering || !news_is_wanted(s->bus->news))
                return;
        s->is_gathering = true;
        (void) sd_event_source_set_time_relative(s->timer, GATHER_USEC);
        (void) sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

static void on_counts_changed(void *userdata) {
        struct signals *s = userdata;

        if (!news_has_subscribers(s->bus->news))
                return;
        gather(s);
        news_pump_all(s->bus->news);
}

void signals_note_mediated(struct signals *s, const struct consumer *c) {
        struct news_path *path;

        if (!news_is_wanted(s->bus->news) || !(path = path_of(s, c)))
                return;
        note_counters(s, c, path);
        gather(s);
}

static int on_gathered(sd_event_source *source, uint64_t usec, void *userdata) {
        struct signals *s = userdata;

        s->is_gathering = false;
        s->noted = 0;
        while (s->changed) {
                struct news_path *path = *(struct news_path **) s->changed;

                (void) tdelete(path, &s->changed, compare_paths);
                news_add(s->bus->news, path->consumer ? NEWS_CONSUMER_CHANGED : NEWS_DEVICE_COUNTED, path, 0, NULL);
                news_path_unref(path);
        }
        news_add(s->bus->news, NEWS_MANAGER_CHANGED, NULL, 0, NULL);
        news_pump_all(s->bus->news);
        return 0;
}

static bool is_there(const struct signals *s, const struct news_path *path) {
        const struct consumer *c = core_consumer_by_id(service_core(s->bus->service), path->consumer);
        _cleanup_free_ char *now = NULL;

        return c && !c->ended && path_of_consumer(c->uid, c->name, &now) >= 0 && strcmp(now, path->path) == 0;
}

static bool is_device_there(const struct signals *s, const char *path) {
        _cleanup_free_ char *address = NULL;

        return path_to_device(path, &address) > 0 && device_list_find(service_devices(s->bus->service), address);
}

/* Its members are named here, for the object is gone and sd-bus can't look at it any more. */
static int send_removed(struct link *link, const char *path, const char *interface) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_signal(link->sd, &m, PASIDD_PATH, IFACE_OBJECT_MANAGER, "InterfacesRemoved");
        if (r >= 0)
                r = sd_bus_message_append(m, "oas", path, 4, "org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Introspectable",
                                          "org.freedesktop.DBus.Properties", interface);
        return r < 0 ? r : sd_bus_send(link->sd, m, NULL);
}

int signals_send(struct signals *s, struct link *link, const struct news_item *item) {
        const char *path = item->path ? item->path->path : PASIDD_PATH;
        int r = 0;

        switch ((enum news_kind) item->kind) {
        case NEWS_CONSUMER_ADDED:
                if (is_there(s, item->path))
                        r = sd_bus_emit_object_added(link->sd, path);
                break;
        case NEWS_CONSUMER_REMOVED:
                r = send_removed(link, path, PASIDD_IFACE_CONSUMER);
                break;
        case NEWS_DEVICE_ADDED:
                if (is_device_there(s, path))
                        r = sd_bus_emit_object_added(link->sd, path);
                break;
        case NEWS_DEVICE_REMOVED:
                r = send_removed(link, path, PASIDD_IFACE_DEVICE);
                break;
        case NEWS_PASID_ALLOCATED:
                r = sd_bus_emit_signal(link->sd, PASIDD_PATH, PASIDD_IFACE_MANAGER, "PasidAllocated", "ou", path, item->pasid);
                break;
        case NEWS_PASID_FREED:
                r = sd_bus_emit_signal(link->sd, PASIDD_PATH, PASIDD_IFACE_MANAGER, "PasidFreed", "ous", path, item->pasid,
                                       news_reason(s->bus->news, item));
                break;
        case NEWS_PASID_LOST:
                r = sd_bus_emit_signal(link->sd, PASIDD_PATH, PASIDD_IFACE_MANAGER, "PasidLost", "ous", path, item->pasid,
                                       news_reason(s->bus->news, item));
                break;
        case NEWS_CONSUMER_CHANGED:
                if (is_there(s, item->path))
                        r = sd_bus_emit_properties_changed(link->sd, path, PASIDD_IFACE_CONSUMER, "Allocated", "PinnedBytes",
                                                           NULL);
                break;
        case NEWS_DEVICE_COUNTED:
                if (is_device_there(s, path))
                        r = sd_bus_emit_properties_changed(link->sd, path, PASIDD_IFACE_DEVICE, "Allocated", "Attached",
                                                           NULL);
                break;
        case NEWS_DEVICE_CHANGED:
                if (is_device_there(s, path))
                        r = sd_bus_emit_properties_changed(link->sd, path, PASIDD_IFACE_DEVICE, "Driver", "IommuGroup",
                                                           "IommuWidth", "MaxPasid", "Usable", "Reason", "Cdev",
                                                           "Allocated", "Attached", NULL);
                break;
        case NEWS_MANAGER_CHANGED:
                r = sd_bus_emit_properties_changed(link->sd, path, PASIDD_IFACE_MANAGER, "Consumers", "Pasids", NULL);
                break;
        }
        if (r < 0)
                log_debug("A signal of %s could not be sent: %s", path, strerror(-r));
        return r;
}

int signals_new(struct bus *bus, struct signals **ret) {
        struct signals *s;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->bus = bus;
        r = device_news_new(bus, &s->device_news);
        if (r >= 0)
                r = sd_event_add_time(bus->event, &s->timer, CLOCK_MONOTONIC, 0, 1000, on_gathered, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
        if (r < 0) {
                (void) signals_free(s);
                return r;
        }
        service_set_listener(bus->service, &(struct service_listener) {
                .consumer_added = on_consumer_added,
                .consumer_ended = on_consumer_ended,
                .consumer_moved = on_consumer_moved,
                .pasid_allocated = on_pasid_allocated,
                .pasid_freed = on_pasid_freed,
                .pasid_lost = on_pasid_lost,
                .device_requested = on_device_requested,
                .devices_changed = on_devices_changed,
                .counts_changed = on_counts_changed,
                .userdata = s,
        });
        *ret = s;
        return 0;
}

static void unref_path(void *path) {
        news_path_unref(path);
}

struct signals *signals_free(struct signals *s) {
        if (!s)
                return NULL;
        service_set_listener(s->bus->service, NULL);
        tdestroy(s->changed, unref_path);
        news_path_unref(s->last);
        sd_event_source_disable_unref(s->timer);
        (void) device_news_free(s->device_news);
        free(s);
        return NULL;
}
