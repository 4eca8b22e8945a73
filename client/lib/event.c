/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's signals as events. Whatever reads from the connection queues
 * them; pasid_client_process() alone calls back, and outside sd-bus, so that
 * the callback may make calls.
 */
#include "libpasid-internal.h"

#define IFACE_OBJECTS "org.freedesktop.DBus.ObjectManager"
#define EVENTS_MAX 65536U

/* Anybody on a message bus can send a signal of any name: only the daemon's own count. */
static bool is_from(struct pasid_client *client, sd_bus_message *m, const char *sender) {
        const char *s = sd_bus_message_get_sender(m);

        return !client->on_bus || (s && sender && strcmp(s, sender) == 0);
}

struct lp_event {
        STAILQ_ENTRY(lp_event) entry;
        enum pasid_event_type type; /* 0: what the message says */
        sd_bus_message *m;
};

static void event_free(struct lp_event *e) {
        (void) sd_bus_message_unref(e->m);
        free(e);
}

static struct lp_event *event_pop(struct pasid_client *client) {
        struct lp_event *e = STAILQ_FIRST(&client->events);

        if (e) {
                STAILQ_REMOVE_HEAD(&client->events, entry);
                client->n_events--;
        }
        return e;
}

static void event_clear(struct pasid_client *client) {
        struct lp_event *e;

        while ((e = event_pop(client)))
                event_free(e);
}

static int event_push(struct pasid_client *client, enum pasid_event_type type, sd_bus_message *m) {
        struct lp_event *e = calloc(1, sizeof(*e));

        if (!e)
                return -ENOMEM;
        /* Who lets so many wait must look anew anyway. */
        if (client->n_events >= EVENTS_MAX) {
                event_clear(client);
                type = PASID_EVENT_OVERFLOW;
                m = NULL;
        }
        e->type = type;
        e->m = sd_bus_message_ref(m);
        STAILQ_INSERT_TAIL(&client->events, e, entry);
        client->n_events++;
        return 0;
}

/* Fills *ret, whose strings live as long as the message and *ret_name. */
static int event_read(sd_bus_message *m, struct pasid_event *ret, char **ret_name) {
        const char *path;
        int r;

        if (sd_bus_message_is_signal(m, PASIDD_IFACE_MANAGER, "DeviceRequested") > 0) {
                ret->type = PASID_EVENT_DEVICE_REQUESTED;
                r = sd_bus_message_read(m, "ot", &path, &ret->deadline_usec);
                if (r < 0)
                        return r;
                r = sd_bus_path_decode(path, PASIDD_DEVICE_PREFIX, ret_name);
                if (r <= 0)
                        return r < 0 ? r : -EBADMSG;
                ret->device = *ret_name;
                return 0;
        }

        if (sd_bus_message_is_signal(m, PASIDD_IFACE_MANAGER, "PasidAllocated") > 0) {
                ret->type = PASID_EVENT_ALLOCATED;
                r = sd_bus_message_read(m, "ou", &path, &ret->pasid);
        } else if (sd_bus_message_is_signal(m, PASIDD_IFACE_MANAGER, "PasidFreed") > 0) {
                ret->type = PASID_EVENT_FREED;
                r = sd_bus_message_read(m, "ous", &path, &ret->pasid, &ret->reason);
        } else if (sd_bus_message_is_signal(m, PASIDD_IFACE_MANAGER, "PasidLost") > 0) {
                ret->type = PASID_EVENT_LOST;
                r = sd_bus_message_read(m, "ous", &path, &ret->pasid, &ret->reason);
        } else if (sd_bus_message_is_signal(m, IFACE_OBJECTS, "InterfacesAdded") > 0) {
                ret->type = PASID_EVENT_CONSUMER_ADDED;
                r = sd_bus_message_read(m, "o", &path);
        } else if (sd_bus_message_is_signal(m, IFACE_OBJECTS, "InterfacesRemoved") > 0) {
                ret->type = PASID_EVENT_CONSUMER_REMOVED;
                r = sd_bus_message_read(m, "o", &path);
        } else
                return -ENOMSG;
        if (r < 0)
                return r;
        /* Devices come and go too, and are no consumers. */
        r = lp_consumer_path_decode(path, &ret->uid, ret_name);
        if (r < 0)
                return r;
        ret->consumer = *ret_name;
        return 0;
}

int lp_event_deliver(struct pasid_client *client) {
        struct pasid_event event = { .size = sizeof(event), .uid = PASID_UID_SELF };
        struct lp_event *e = event_pop(client);
        _cleanup_free_ char *name = NULL;
        int r = 0;

        if (!e)
                return 0;
        event.type = e->type;
        if (!e->m || event_read(e->m, &event, &name) >= 0)
                r = client->event_callback(&event, client->event_userdata);
        event_free(e);
        return r < 0 ? r : 1;
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct pasid_client *client = userdata;
        int r;

        if (!is_from(client, m, client->peer))
                return 0;
        r = event_push(client, 0, m);
        if (r < 0)
                client->event_result = lp_fail(client, r, NULL);
        return 0;
}

static int on_resubscribed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct pasid_client *client = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(m);
        int r;

        client->resubscribe_slot = sd_bus_slot_unref(client->resubscribe_slot);
        if (error) {
                client->event_result = lp_fail_bus(client, PASIDD_PATH, "Subscribe", error);
                return 0;
        }
        lp_token_heard(client, sd_bus_message_get_sender(m));
        r = event_push(client, PASID_EVENT_RESTARTED, NULL);
        if (r < 0)
                client->event_result = lp_fail(client, r, NULL);
        return 0;
}

/* A restarted daemon does not know its subscribers. */
static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct pasid_client *client = userdata;
        const char *name, *old_owner, *new_owner;
        int r;

        if (!is_from(client, m, "org.freedesktop.DBus"))
                return 0;
        if (sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner) < 0 || strcmp(name, PASIDD_BUS_NAME) != 0 || !*new_owner)
                return 0;
        client->resubscribe_slot = sd_bus_slot_unref(client->resubscribe_slot);
        r = sd_bus_call_method_async(client->bus, &client->resubscribe_slot, PASIDD_BUS_NAME, PASIDD_PATH, PASIDD_IFACE_MANAGER,
                                     "Subscribe", on_resubscribed, client, "");
        if (r < 0)
                client->event_result = lp_fail(client, lp_local_error(r), NULL);
        return 0;
}

static int match(struct pasid_client *client, unsigned slot, const char *sender, const char *path, const char *interface,
                 const char *member, sd_bus_message_handler_t handler) {
        int r;

        /* On a message bus this is a call, which a signal handler may interrupt; a match made twice is one. */
        do
                r = sd_bus_match_signal(client->bus, &client->event_slots[slot], client->on_bus ? sender : NULL, path, interface, member,
                                        handler, client);
        while (r == -EINTR);
        if (r < 0)
                return lp_fail(client, r == -ETIMEDOUT || r == -ECONNRESET || r == -ENOTCONN ? r : lp_local_error(r),
                               "No signals can be had from the message bus %s: %s", client->address, pasid_strerror(r));
        return 0;
}

static int call_plain(struct pasid_client *client, const char *member) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = lp_call_new(client, PASIDD_PATH, PASIDD_IFACE_MANAGER, member, &call);
        if (r < 0)
                return r;
        return lp_call(client, call, "", NULL);
}

void lp_event_drop(struct pasid_client *client) {
        for (size_t i = 0; i < ELEMENTSOF(client->event_slots); i++)
                client->event_slots[i] = sd_bus_slot_unref(client->event_slots[i]);
        client->resubscribe_slot = sd_bus_slot_unref(client->resubscribe_slot);
        event_clear(client);
}

int lp_event_renew(struct pasid_client *client) {
        int r;

        if (!client->event_callback)
                return 0;
        /* Listening first: nothing is missed between. */
        r = match(client, 0, PASIDD_BUS_NAME, PASIDD_PATH, PASIDD_IFACE_MANAGER, NULL, on_signal);
        if (r < 0)
                return r;
        r = match(client, 1, PASIDD_BUS_NAME, PASIDD_PATH, IFACE_OBJECTS, NULL, on_signal);
        if (r < 0)
                return r;
        if (client->on_bus) {
                r = match(client, 2, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged",
                          on_owner);
                if (r < 0)
                        return r;
        }
        return call_plain(client, "Subscribe");
}

_public_ int pasid_subscribe(struct pasid_client *client, pasid_event_cb callback, void *userdata) {
        bool was_subscribed;
        int r;

        if (!client || !callback)
                return lp_fail(client, EINVAL, "A callback is needed.");
        r = lp_client_check(client);
        if (r < 0)
                return r;
        was_subscribed = client->event_callback;
        client->event_callback = callback;
        client->event_userdata = userdata;
        if (was_subscribed)
                return 0;
        r = lp_event_renew(client);
        if (r < 0) {
                lp_event_drop(client);
                client->event_callback = NULL;
        }
        return r;
}

_public_ int pasid_unsubscribe(struct pasid_client *client) {
        int r;

        if (!client)
                return -EINVAL;
        if (!client->event_callback)
                return 0;
        client->event_callback = NULL;
        r = lp_client_check(client);
        if (r == -ECHILD)
                return r;
        lp_event_drop(client);
        return r < 0 ? r : call_plain(client, "Unsubscribe");
}
