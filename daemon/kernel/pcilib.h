/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libpci, tamed: its sysfs back-end on a given tree, without its habits of
 * exiting, printing, and looking for names in the network or in caches.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "internal/cleanup.h"
#include "internal/pci-address.h"
#include "kernel/facts.h"

#define PCILIB_NAME_MAX 256U
#define PCILIB_SYSFS_MAX 512U /* libpci's own paths end at 1024 bytes */

struct pcilib;

/* pci_ids: NULL for the system's data base. -ENAMETOOLONG for paths that libpci has no room for. */
int pcilib_new(const char *sysfs, const char *pci_ids, struct pcilib **ret);
struct pcilib *pcilib_free(struct pcilib *lib);
DEFINE_CLEANUP(struct pcilib *, pcilib_free);

/* Vendor and device in words where the data base knows them, else in numbers; printable. */
void pcilib_lookup_name(struct pcilib *lib, uint16_t vendor, uint16_t device, char ret[static PCILIB_NAME_MAX]);
/* config_size: of the device's file in sysfs. What can't be read is a state, not a failure: that is -ENOMEM only. */
int pcilib_read_capability(struct pcilib *lib, const struct pci_address *address, uint64_t config_size,
                           struct capability_facts *ret);
