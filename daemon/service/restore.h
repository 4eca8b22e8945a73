/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an earlier pasidd had attached, gathered while the tables are loaded,
 * and taken over, or taken apart, when both are.
 */
#pragma once

#include "service/mediated.h"

struct loaded_device {
        char address[PCI_ADDRESS_MAX];
        uint32_t id, hwpt;
};

struct loaded_attachment {
        uint64_t consumer;
        uint32_t pasid, ioas;
        struct loaded_device *devices;
        size_t n_devices;
};

struct loaded_mapping {
        uint64_t consumer, iova, length;
        uint32_t pasid;
};

struct restore {
        struct loaded_attachment *attachments;
        size_t n_attachments, n_attachments_allocated;
        struct loaded_mapping *mappings;
        size_t n_mappings, n_mappings_allocated;
};

/* For struct store_loader; userdata: the struct restore. */
int restore_attachment(const struct store_attachment *a, void *userdata);
int restore_mapping(const struct store_mapping *m, void *userdata);
void restore_done(struct restore *restore);
int restore_write_removal(struct store *store, void *userdata, struct refusal *refusal); /* of a struct loaded_attachment */

/*
 * Takes over the descriptors that came back and what hangs on them, and brings
 * tables and kernel to agree. Without any, all numbers are allocated only.
 */
int restore_run(struct service *s, struct restore *restore, struct stored_fd *stored, size_t n_stored, struct refusal *refusal);
