/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A link: one sd-bus connection that carries our objects.
 */
#include "bus/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "bus/bus-callers.h"
#include "bus/connection.h"
#include "bus/message-bus.h"
#include "bus/objects.h"

/*
 * The commit has a lower priority than the links, so that those who ask at the
 * same time share it. A crowd that only asks, and never stops, would keep it
 * from ever being made: after so many messages it is made at once.
 */
#define MESSAGES_BEFORE_COMMIT 256

/* Two clients that are at it take turns long before one comes that often. */
#define ALONE_AFTER 16

/* One that has much to say does not keep those who have spoken from their answers. */
#define IN_A_ROW_BEFORE_OTHERS 4

#define STANDARD_PREFIX "org.freedesktop.DBus."

/* Properties, ObjectManager and Introspectable are answered by sd-bus from what the getters say. */
static bool is_standard_read(sd_bus_message *m) {
        const char *interface = sd_bus_message_get_interface(m);

        if (!interface)
                return true;
        return strncmp(interface, STANDARD_PREFIX, strlen(STANDARD_PREFIX)) == 0 &&
               strcmp(interface, STANDARD_PREFIX "Peer") != 0;
}

static bool do_others_wait(struct link *link) {
        unsigned own = link->is_direct ? connection_of(link)->n_waiting : 0;

        return link->bus->n_in_a_row > IN_A_ROW_BEFORE_OTHERS && link->bus->n_waiting > own;
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct link *link = userdata;
        struct bus *bus = link->bus;

        if (link->is_direct && connection_admit(connection_of(link), m) > 0)
                return 1;
        if (bus->last_link != link) {
                bus->last_link = link;
                bus->n_in_a_row = 0;
        }
        bus->n_in_a_row++;
        bus->n_messages++;
        if (!service_is_pending(bus->service))
                bus->n_since_commit = 0;
        else if (++bus->n_since_commit > MESSAGES_BEFORE_COMMIT || is_standard_read(m) || do_others_wait(link)) {
                bus->n_since_commit = 0;
                (void) service_flush(bus->service); /* those who waited for it are told how it went */
        }
        return 0;
}

void link_commit_if_alone(struct link *link) {
        struct bus *bus = link->bus;

        if (bus->last_link == link && bus->n_in_a_row > ALONE_AFTER && service_is_pending(bus->service))
                (void) service_flush(bus->service); /* those who waited for it are told how it went */
}

/* On a message bus many clients are one link; what they have sent is all in its queue or its socket. */
void link_commit_if_quiet(struct link *link) {
        uint64_t queued = 0;
        int received = 0;

        if (!service_is_pending(link->bus->service))
                return;
        if (sd_bus_get_n_queued_read(link->sd, &queued) < 0 || queued > 0)
                return;
        if (ioctl(sd_bus_get_fd(link->sd), FIONREAD, &received) >= 0 && received == 0)
                link_commit_if_alone(link);
}

int link_init(struct link *link, struct bus *bus, sd_bus *sd, bool is_direct) {
        int r;

        link->bus = bus;
        link->sd = sd;
        link->is_direct = is_direct;

        r = sd_bus_add_filter(sd, NULL, on_message, link);
        if (r >= 0)
                r = sd_bus_add_object_manager(sd, NULL, PASIDD_PATH);
        if (r >= 0)
                r = manager_object_add(link);
        if (r >= 0)
                r = consumer_object_add(link);
        if (r >= 0)
                r = device_object_add(link);
        if (r >= 0 && is_direct)
                r = driver_object_add(link);
        /*
         * Out of memory between two nodes of a path, sd-bus (252) keeps the first one, and aborts the process when it is to free
         * a bus that has one: this reference is never given back.
         */
        if (r < 0)
                (void) sd_bus_ref(sd);
        return r;
}

/* Takes the path apart, unless it is the same as before. */
static int decode(struct link *link, const char *path) {
        _cleanup_free_ char *name = NULL;
        uid_t uid;
        int r;

        if (strcmp(path, link->path) == 0)
                return 1;
        r = path_to_consumer(path, &uid, &name);
        if (r <= 0 || strlen(path) >= sizeof(link->path) || strlen(name) >= sizeof(link->name) || name[0] == '\0')
                return r < 0 ? r : 0;
        memcpy(link->path, path, strlen(path) + 1);
        memcpy(link->name, name, strlen(name) + 1);
        link->uid = uid;
        return 1;
}

int link_find_consumer(struct link *link, const char *path) {
        int r = decode(link, path);

        if (r > 0)
                link->consumer = core_consumer_get(service_core(link->bus->service), link->uid, link->name);
        return r;
}

int link_get_caller(struct link *link, sd_bus_message *m, const struct caller **ret, struct refusal *refusal) {
        if (link->is_direct) {
                *ret = &connection_of(link)->caller;
                return 1;
        }
        return bus_callers_get(message_bus_of(link)->callers, m, ret, refusal);
}

void link_note_holder(struct link *link) {
        if (link->is_direct)
                connection_of(link)->is_holder = true;
}

int link_dispatch_again(struct link *link, sd_bus_message *m) {
        int r = sd_bus_enqueue_for_read(link->sd, m);

        if (r >= 0 && link->is_direct)
                connection_wake(connection_of(link));
        return r;
}
