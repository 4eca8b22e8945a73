/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A message bus that is played by a test.
 */
#include "own-bus.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

sd_bus *own_bus_accept(struct child *self, const char *path) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
        sd_bus *bus;
        sd_id128_t id;

        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
        ck_assert_int_eq(bind(listening, (struct sockaddr *) &sa, sizeof(sa)), 0);
        ck_assert_int_eq(listen(listening, 1), 0);
        child_ready(self);
        fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        ck_assert_int_ge(fd, 0);
        (void) close_fd(listening);
        ck_assert_int_ge(sd_id128_from_string(OWN_BUS_ID, &id), 0);
        ck_assert_int_ge(sd_bus_new(&bus), 0);
        ck_assert_int_ge(sd_bus_set_fd(bus, fd, fd), 0);
        ck_assert_int_ge(sd_bus_set_server(bus, true, id), 0);
        ck_assert_int_ge(sd_bus_negotiate_fds(bus, true), 0);
        return bus;
}

int own_bus_answer(sd_bus_message *m) {
        if (sd_bus_message_is_method_call(m, NULL, "Hello"))
                return sd_bus_reply_method_return(m, "s", ":1.1");
        if (sd_bus_message_is_method_call(m, NULL, "AddMatch"))
                return sd_bus_reply_method_return(m, NULL);
        if (sd_bus_message_is_method_call(m, NULL, "RequestName"))
                return sd_bus_reply_method_return(m, "u", 1U);
        return 0;
}

char *own_bus_choose(struct fixture *f) {
        _cleanup_free_ char *address = NULL;
        char *path;

        ck_assert_int_ge(asprintf(&path, "%s/bus.sock", f->dir), 0);
        ck_assert_int_ge(asprintf(&address, "unix:path=%s", path), 0);
        ck_assert_int_ge(daemon_set_bus(f->daemon, address), 0);
        return path;
}
