/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A service on a kernel of the test's own making, on real tables in a
 * directory of its own, and on a clock that the test moves. The stores can be
 * told to refuse.
 */
#pragma once

#include "service/service.h"

struct fault_store;

struct fixture {
        char dir[64];
        sd_event *event;
        struct service *service;
        struct fault_store *runtime, *persistent; /* live as long as the service */
        struct moment now;
        /* what the fake machine has */
        struct fake_device {
                const char *address;
                int32_t group;
                uint8_t width; /* 0: not usable */
        } devices[4];
        size_t n_devices;
        struct core_limits limits;
        char boot_id[33];
        unsigned fail_start_at; /* the n-th change of the persistent table at the next start is refused */
};

void fixture_init(struct fixture *f);
/* Starts the service on the directory; the refusal's errno if it can't. */
int fixture_start(struct fixture *f);
void fixture_stop(struct fixture *f);
void fixture_done(struct fixture *f);

/* The n-th call from now on of a changing operation is refused with code (1: the next). 0: none. */
void fault_store_fail(struct fault_store *store, unsigned n, int code);

struct consumer *fixture_consumer(struct fixture *f, const char *name, const char *device, enum hold_kind hold);
