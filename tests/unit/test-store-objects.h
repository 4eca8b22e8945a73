/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A model of what is attached and mapped: small, in the order in which a table
 * is loaded, and to be copied for what a rollback brings back.
 */
#pragma once

#include <stdio.h>

#include "store/store.h"

#define ATTACHED_MAX 64
#define MAPPED_MAX 128

struct attached {
        uint64_t consumer;
        uint32_t pasid, ioas;
        size_t n_devices;
        struct {
                char address[24];
                uint32_t id, hwpt;
        } devices[4];
};

struct objects {
        struct attached attached[ATTACHED_MAX];
        size_t n_attached;
        struct store_mapping mapped[MAPPED_MAX];
        size_t n_mapped;
};

/* NULL: none. */
const struct attached *objects_get(const struct objects *o, uint64_t consumer, uint32_t pasid);
const struct store_mapping *objects_get_mapping(const struct objects *o, uint64_t consumer, uint32_t pasid,
                                                uint64_t iova);
/* On all devices of the consumer, with object ids from first_id on. */
void objects_attach(struct objects *o, const struct consumer *c, uint32_t pasid, uint32_t first_id);
void objects_map(struct objects *o, const struct store_mapping *m);
void objects_unmap(struct objects *o, uint64_t consumer, uint32_t pasid, uint64_t iova);
/* With its mappings; none is fine. pasid 0: all of the consumer. */
void objects_detach(struct objects *o, uint64_t consumer, uint32_t pasid);

/* What a loader's callbacks tell is appended. */
void objects_take_attachment(struct objects *o, const struct store_attachment *a);
void objects_take_mapping(struct objects *o, const struct store_mapping *m);

void objects_describe(const struct objects *o, FILE *out);

/* Writes what is in only one of them into the open transaction: first what goes, then what comes. */
int objects_write_gone(struct store *s, const struct objects *from, const struct objects *to, struct refusal *refusal);
int objects_write_new(struct store *s, const struct objects *from, const struct objects *to, struct refusal *refusal);
int objects_write_attachment(struct store *s, const struct attached *a, struct refusal *refusal);
