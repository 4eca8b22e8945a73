/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the XML of a libvirt domain says about PASIDs: one element in the
 * metadata, in a namespace of pasidd's.
 *
 *   <pasid:reserve xmlns:pasid="https://pasidd.org/libvirt/1" count="4" min="16" max="255" private="TEXT">
 *     <pasid:device>0000:01:00.0</pasid:device>
 *   </pasid:reserve>
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "internal/cleanup.h"

#define DOMAIN_NAMESPACE "https://pasidd.org/libvirt/1"
#define DOMAIN_XML_MAX (16U * 1024 * 1024)

struct domain {
        char *name;
        char *uuid;
        bool wants_pasids; /* the rest is of no meaning without */
        uint32_t count;
        uint32_t min, max; /* 0, 0: no bounds */
        char *private_text; /* NULL: none */
        char **devices;    /* ends with NULL; NULL: none */
        size_t n_devices;
};

/* What is wrong with the XML, as a sentence. */
struct domain_error {
        char text[256];
};

/* *ret is to be freed with domain_free(). -EINVAL with the error, -ENOMEM. Nothing but the XML itself is read. */
int domain_parse(const char *xml, size_t size, struct domain **ret, struct domain_error *error);
struct domain *domain_free(struct domain *d);
DEFINE_CLEANUP(struct domain *, domain_free);
