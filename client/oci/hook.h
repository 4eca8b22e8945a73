/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasid-oci-hook: what its parts share. A container runtime runs it for one
 * container and one occasion; why it failed is one sentence, which the runtime
 * shows.
 */
#pragma once

#include <pasid/pasid.h>

#include "internal/cleanup.h"

#define HOOK_PROGRAM "pasid-oci-hook"
/* Where a container finds what it was given. */
#define HOOK_DIRECTORY "run/pasidd" /* below the container's root */
#define HOOK_FILE "pasids.json"
#define HOOK_SOCKET "pasidd.sock" /* where libpasid looks first */

DEFINE_CLEANUP(struct pasid_client *, pasid_client_free);
DEFINE_CLEANUP(struct pasid_consumer *, pasid_consumer_free);

struct hook {
        const char *address;        /* of pasidd; NULL: libpasid's choice */
        const char *const *devices; /* of --device=, NULL-terminated */
        bool no_socket;
        char *error; /* the first sentence that hook_fail() was given */
};

/* Keeps the sentence, if it is the first, and returns r. */
int hook_fail(struct hook *hook, int r, const char *format, ...) _printf_(3, 4);
int hook_oom(struct hook *hook);
/* The same with what libpasid says of r; client may be NULL. */
int hook_refused(struct hook *hook, struct pasid_client *client, int r);
