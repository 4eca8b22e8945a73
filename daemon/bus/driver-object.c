/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a broker answers on a message bus, for clients of the direct socket
 * that expect one (busctl --address=).
 */
#include <stdio.h>
#include <string.h>

#include "bus/call.h"
#include "bus/connection.h"
#include "bus/objects.h"

static int driver_hello(struct call *call) {
        const char *serial = strrchr(connection_of(call->link)->caller.holder, ':');
        char name[sizeof(":1.18446744073709551615")];

        (void) snprintf(name, sizeof(name), ":1.%s", serial + 1);
        return sd_bus_reply_method_return(call->message, "s", name);
}
DEFINE_METHOD(driver_hello, 0);

static const sd_bus_vtable driver_vtable[] = {
        SD_BUS_VTABLE_START(SD_BUS_VTABLE_HIDDEN),
        SD_BUS_METHOD_WITH_NAMES("Hello", NULL, , "s", SD_BUS_PARAM(name), on_driver_hello,
                                 SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_HIDDEN),
        SD_BUS_VTABLE_END,
};

int driver_object_add(struct link *link) {
        return sd_bus_add_object_vtable(link->sd, NULL, "/org/freedesktop/DBus", "org.freedesktop.DBus", driver_vtable, link);
}
