/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each request that there is, with what it needs before, for tests that let
 * one fail and ask again; and what daemon, table and kernel know, as text.
 */
#pragma once

#include <sqlite3.h>

#include "fake-devices.h"

#define REQUEST_UNIT "a.service"

struct scene {
        struct fixture *f;      /* on the fake kernel, with the unit, see requests_begin() */
        struct client observer; /* is there all the time */
        struct client c;        /* that asks */
        sqlite3 *tables[2];
        gid_t group;            /* may make consumers */
        unsigned serial;
        char name[16];          /* of the consumer: another each time */
        uid_t uid;              /* its owner's, at first */
        char path[128];         /* its object, there or not */
        uint32_t pasids[4];
        uint64_t iova;
        int memory, holder;     /* file descriptors for Map and for Init */
};

struct request {
        const char *what;
        void (*prepare)(struct scene *s);
        int (*ask)(struct scene *s, sd_bus_error *error); /* >= 0: done */
        bool changes; /* what scene_picture() shows */
        const char *else_told; /* in the log, where a refusal could not be undone for want of memory */
        bool needs_root;
        bool is_of_sd_bus; /* which gives no answer when there is no memory for an error */
        bool is_connect; /* it is the client's own connection that is made */
};

extern const struct request requests[];
extern const size_t n_requests;

void scene_begin(struct scene *s);
/* After the daemon came back. */
void scene_connect(struct scene *s);
void scene_end(struct scene *s);
/* Connects, and returns when the daemon listens. */
void scene_let_in(struct scene *s);
/* A consumer for the request, and what else it needs. False: nothing, the request needs root. */
bool scene_prepare(struct scene *s, const struct request *request);
/* Ends what is left of it. */
void scene_clear(struct scene *s);
/* What there is of the consumer, to be freed; the test fails where daemon, table and kernel do not say the same. */
char *scene_picture(struct scene *s);
