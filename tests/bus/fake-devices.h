/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The devices of a daemon on tests/bus/fake-kernel.c, which are those of
 * tests/data/mk-sysfs.sh by address, and mediated consumers of them.
 */
#pragma once

#include <stdio.h>
#include <string.h>

#include "client.h"

#define FIRST "0000:01:00.0"
#define SECOND "0000:02:00.0"
#define THIRD "0000:03:00.0"
#define FIRST_PATH PASIDD_DEVICE_PREFIX "/_30000_3a01_3a00_2e0"
#define SECOND_PATH PASIDD_DEVICE_PREFIX "/_30000_3a02_3a00_2e0"
#define THIRD_PATH PASIDD_DEVICE_PREFIX "/_30000_3a03_3a00_2e0"

#define device_error(c, error, text, path, member, ...) \
        client_error(__FILE__, __LINE__, c, error, text, path, PASIDD_IFACE_DEVICE, member, __VA_ARGS__)

#define TRANSPORTS BUS_KIND_MAX_

#define SKIP_UNLESS_AVAILABLE(kind)                                              \
        do {                                                                     \
                if (!bus_kind_is_available(kind))                                \
                        SKIP("the program of this message bus is not installed"); \
        } while (0)

/* A running daemon on the fake kernel. */
static inline struct fixture *fake_begin(enum bus_kind kind, const char *config) {
        struct fixture *f = fixture_new(config);

        if (kind != BUS_NONE) {
                ck_assert_int_ge(message_bus_new(kind, f->dir, &f->bus), 0);
                ck_assert_int_ge(daemon_set_bus(f->daemon, f->bus->address), 0);
        }
        fixture_use_fake_kernel(f, "");
        fixture_start(f);
        return f;
}

/* Opening (iommufd, open) or binding (bind) of devices fails that many times from now on. */
static inline void tell_refuse(struct fixture *f, const char *call, int error, unsigned times) {
        char line[48];

        (void) snprintf(line, sizeof(line), "refuse %s %d %u", call, error, times);
        fixture_tell_kernel(f, "refuse", line + strlen("refuse "));
        await(fixture_kernel_did(f, line) == 1);
}

/* Of the first device, and there until Exit; the path is to be freed. */
static inline char *init_mediated(struct client *c, const char *name) {
        return init_ok(c, name, 3, "mode", "s", "mediated", "hold", "s", "boot", "devices", "as", 1, FIRST);
}

/* how: as the property has it, "" for by nobody */
static inline bool is_held(struct client *c, const char *device, const char *how) {
        _cleanup_free_ char *held = property_string(c, device, PASIDD_IFACE_DEVICE, "Held");

        return strcmp(held, how) == 0;
}
