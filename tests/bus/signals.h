/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a client hears: the signals of org.pasidd1 that reached it, kept in the
 * order they came.
 */
#pragma once

#include "client.h"

#define HEARD_MAX 64

struct heard {
        char member[32];   /* "PasidAllocated", "PropertiesChanged" ... */
        char path[256];    /* of the object that sent it */
        char subject[256]; /* a consumer's or device's path; of PropertiesChanged the properties' names, each followed by a blank */
        uint32_t pasid;
        char reason[32];
        uint64_t deadline; /* DeviceRequested */
};

struct signals {
        struct heard heard[HEARD_MAX];
        size_t n;
};

/* From now on signals are noted in s while the client waits or calls; on a message bus matches are added. */
void signals_listen(struct client *c, struct signals *s);
/* The first not yet taken of that member, waiting for it if need be; it is taken out. */
struct heard signals_await(struct client *c, struct signals *s, const char *member);
/* Everything that the daemon sent so far has been received: it answers a ping after it. */
void signals_sync(struct client *c);
size_t signals_count(const struct signals *s, const char *member);
