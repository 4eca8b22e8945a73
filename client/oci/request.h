/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a container asks for: read from its state, which the runtime gives on
 * standard input, and from config.json in its bundle.
 */
#pragma once

#include "hook.h"
#include "input.h"

enum request_hold {
        REQUEST_HOLD_AUTO = 0, /* its cgroup if that is its own, else its first process */
        REQUEST_HOLD_CGROUP,
        REQUEST_HOLD_PROCESS,
};

struct request {
        char *id;     /* the container's */
        char *name;   /* the consumer's */
        char *bundle;
        pid_t pid;    /* of the container's first process; 0: there is none */
        /* Only after request_read_config(): */
        bool is_wanted; /* an annotation or a hook's argument asks for PASIDs */
        char *root;     /* an absolute path */
        char *mount_label; /* NULL: none */
        char **devices; /* NULL-terminated */
        size_t n_devices;
        uint32_t count;
        enum pasid_mode mode;
        bool attach;
        bool socket;
        enum request_hold hold;
};

/* Id, name, bundle and pid. */
int request_read_state(struct hook *hook, struct json_object *state, struct request *request);
/* The rest. config: what is in the bundle's config.json. */
int request_read_config(struct hook *hook, struct json_object *state, struct json_object *config, struct request *request);
void request_deinit(struct request *request);
