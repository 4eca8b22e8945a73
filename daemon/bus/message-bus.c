/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our connection to a message bus. Losing it ends nothing: the direct socket
 * goes on, consumers stay, and the bus is tried again until it is there.
 */
#include "bus/message-bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus-callers.h"
#include "bus/bus-hold.h"
#include "bus/busy.h"
#include "bus/hold-again.h"
#include "bus/polkit.h"
#include "log.h"

#define RETRY_MIN_USEC (1000000ULL / 2)
#define RETRY_MAX_USEC (30 * 1000000ULL)

#define VANISHED_MATCH                                                                              \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"                 \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''"

static const char *address_of(const struct message_bus *mb) {
        return mb->address ? mb->address : "the system bus";
}

static void arm_retry(struct message_bus *mb) {
        (void) sd_event_source_set_time_relative(mb->retry, mb->retry_usec);
        (void) sd_event_source_set_enabled(mb->retry, SD_EVENT_ONESHOT);
        mb->retry_usec = mb->retry_usec * 2 < RETRY_MAX_USEC ? mb->retry_usec * 2 : RETRY_MAX_USEC;
}

/* One match for all: limits on matches are low on some buses, and a name that leaves is rare. */
static int on_name_vanished(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct message_bus *mb = userdata;
        const char *name;

        if (sd_bus_message_read_basic(m, 's', &name) < 0 || name[0] != ':')
                return 0;
        bus_callers_vanished(mb->callers, name);
        bus_hold_vanished(mb, name);
        return 0;
}

static int on_lost(sd_event_source *source, void *userdata) {
        struct message_bus *mb = userdata;

        if (mb->is_ready) {
                log_warning("Lost %s; its consumers stay, and it will be tried again", address_of(mb));
                news_unsubscribe(mb->link.bus->news, &mb->subscriber);
        }
        mb->is_ready = false;
        polkit_bus_lost(mb->link.bus->polkit);
        busy_forget(mb->link.bus->busy, &mb->link);
        mb->callers = bus_callers_free(mb->callers);
        bus_hold_forget(mb);
        mb->link.sd = sd_bus_close_unref(mb->link.sd);
        arm_retry(mb);
        return 0;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct message_bus *mb = userdata;

        (void) sd_event_source_set_enabled(mb->lost, SD_EVENT_ONESHOT); /* not from within its own message */
        return 0;
}

static int become_ready(struct message_bus *mb) {
        sd_id128_t id;
        int r;

        r = sd_bus_get_bus_id(mb->link.sd, &id);
        if (r < 0)
                return r;
        (void) sd_id128_to_string(id, mb->guid);
        mb->is_ready = true;
        mb->retry_usec = RETRY_MIN_USEC;
        hold_again_begin(mb->link.bus->hold_again);
        return news_subscribe(mb->link.bus->news, &mb->subscriber);
}

static int on_named(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        enum { PRIMARY_OWNER = 1, ALREADY_OWNER = 4 }; /* D-Bus specification, RequestName */
        struct message_bus *mb = userdata;
        const sd_bus_error *failure = sd_bus_message_get_error(m);
        uint32_t result = 0;

        if (!failure)
                (void) sd_bus_message_read_basic(m, 'u', &result);
        if (result == PRIMARY_OWNER || result == ALREADY_OWNER) {
                log_notice("Back on %s as " PASIDD_BUS_NAME, address_of(mb));
                return 1;
        }
        log_error("The name " PASIDD_BUS_NAME " cannot be had again on %s: %s; it will be asked for again", address_of(mb),
                  failure ? failure->message : "another owns it");
        mb->retry_usec = RETRY_MAX_USEC;
        arm_retry(mb);
        return 1;
}

static int take_name_again(struct message_bus *mb) {
        return mb->is_named ? sd_bus_request_name_async(mb->link.sd, NULL, PASIDD_BUS_NAME, 0, on_named, mb) : 0;
}

/* After a loss only; at start bus.c goes through the same steps in its own time. */
static int on_connected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct message_bus *mb = userdata;
        int r;

        if (mb->is_ready)
                return 0;
        r = become_ready(mb);
        if (r >= 0)
                r = bus_hold_settle(mb);
        if (r >= 0)
                r = take_name_again(mb);
        if (r < 0) {
                log_error("Could not go on after coming back to %s: %s", address_of(mb), strerror(-r));
                (void) sd_event_source_set_enabled(mb->lost, SD_EVENT_ONESHOT);
        }
        return 0;
}

static int open_bus(struct message_bus *mb, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *sd = NULL;
        const char *address = mb->address;
        int r;

        if (!address)
                address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
        r = sd_bus_new(&sd);
        if (r >= 0)
                r = sd_bus_set_address(sd, address ? address : "unix:path=/run/dbus/system_bus_socket");
        if (r >= 0)
                r = sd_bus_set_bus_client(sd, true);
        if (r >= 0)
                r = sd_bus_negotiate_fds(sd, true);
        if (r >= 0)
                r = sd_bus_set_connected_signal(sd, true);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(sd);
        return 0;
}

static int start(struct message_bus *mb) {
        struct bus *bus = mb->link.bus;
        _cleanup_(sd_bus_close_unrefp) sd_bus *sd = NULL;
        int r;

        r = open_bus(mb, &sd);
        if (r >= 0)
                r = link_init(&mb->link, bus, sd, false);
        if (r >= 0)
                r = sd_bus_match_signal(sd, NULL, NULL, "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                        "Disconnected", on_disconnected, mb);
        if (r >= 0)
                r = sd_bus_match_signal(sd, NULL, NULL, "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                        "Connected", on_connected, mb);
        if (r >= 0)
                r = bus_callers_new(mb, &mb->callers);
        if (r >= 0)
                r = sd_bus_start(sd);
        if (r >= 0)
                r = sd_bus_add_match_async(sd, NULL, VANISHED_MATCH, on_name_vanished, NULL, mb);
        if (r >= 0)
                r = sd_bus_attach_event(sd, bus->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0) {
                mb->callers = bus_callers_free(mb->callers);
                mb->link.sd = NULL;
                return r;
        }
        mb->link.sd = TAKE_PTR(sd);
        return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        struct message_bus *mb = userdata;
        int r;

        if (mb->is_ready) {
                (void) take_name_again(mb);
                return 0;
        }
        r = start(mb);
        if (r < 0) {
                log_debug("%s is not there yet: %s", address_of(mb), strerror(-r));
                arm_retry(mb);
        }
        return 0;
}

int message_bus_take_name(struct message_bus *mb, struct refusal *refusal) {
        int r = sd_bus_request_name(mb->link.sd, PASIDD_BUS_NAME, 0);

        if (r == -EEXIST)
                return refuse(refusal, EEXIST, "Another pasidd owns " PASIDD_BUS_NAME " on %s; "
                                                 "stop that one first, or use another bus.", address_of(mb));
        if (r == -EACCES || r == -EPERM)
                return refuse(refusal, -r, "The policy of %s does not let uid %u own " PASIDD_BUS_NAME "; "
                                             "is org.pasidd1.conf installed?",
                              address_of(mb), (unsigned) mb->link.bus->own_uid);
        if (r < 0)
                return refuse(refusal, -r, "Could not take the name " PASIDD_BUS_NAME " on %s: %s.",
                              address_of(mb), strerror(-r));
        mb->is_named = true;
        return 0;
}

int message_bus_subscribe(struct message_bus *mb, sd_bus_message *m, bool wanted, struct refusal *refusal) {
        return bus_callers_subscribe(mb->callers, m, wanted, refusal);
}

int message_bus_new(struct bus *bus, const char *address, struct message_bus **ret, struct refusal *refusal) {
        struct message_bus *mb;
        int r;

        mb = calloc(1, sizeof(*mb));
        if (!mb)
                return refuse(refusal, ENOMEM, "Out of memory.");
        mb->link.bus = bus;
        TAILQ_INIT(&mb->questions);
        mb->subscriber.link = &mb->link;
        mb->address = strcmp(address, "system") == 0 ? NULL : address;
        mb->retry_usec = RETRY_MIN_USEC;

        r = sd_event_add_defer(bus->event, &mb->lost, on_lost, mb);
        if (r >= 0)
                r = sd_event_source_set_enabled(mb->lost, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(bus->event, &mb->retry, CLOCK_MONOTONIC, 0, 0, on_retry, mb);
        if (r >= 0)
                r = sd_event_source_set_enabled(mb->retry, SD_EVENT_OFF);
        if (r >= 0)
                r = start(mb);
        if (r >= 0)
                r = become_ready(mb);
        if (r < 0) {
                (void) refuse(refusal, -r, "Could not connect to %s: %s; --bus=none serves the direct socket alone.",
                              address_of(mb), strerror(-r));
                (void) message_bus_free(mb);
                return r;
        }
        *ret = mb;
        return 0;
}

struct message_bus *message_bus_free(struct message_bus *mb) {
        if (!mb)
                return NULL;
        if (mb->is_ready)
                news_unsubscribe(mb->link.bus->news, &mb->subscriber);
        mb->callers = bus_callers_free(mb->callers);
        busy_forget(mb->link.bus->busy, &mb->link);
        bus_hold_forget(mb);
        sd_bus_close_unref(mb->link.sd);
        sd_event_source_disable_unref(mb->lost);
        sd_event_source_disable_unref(mb->retry);
        free(mb);
        return NULL;
}
