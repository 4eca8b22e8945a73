/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration space of a PCI Express endpoint that may have the PASID
 * capability, 4096 bytes with a mask of what may be written.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCI_CONFIG_SIZE 4096U

/* Red Hat's vendor id, whose range for tests QEMU's own documentation names; the device id is nobody's. */
#define PCI_CONFIG_VENDOR 0x1b36U
#define PCI_CONFIG_DEVICE 0x5a51U

struct pci_config {
        uint8_t bytes[PCI_CONFIG_SIZE];
        uint8_t writable[PCI_CONFIG_SIZE];
        uint8_t initial[PCI_CONFIG_SIZE];
        size_t pasid; /* where its PASID capability is; 0: it has none */
        unsigned int width;
};

/* width: of the PASIDs, 1..20; 0: without the capability */
void pci_config_init(struct pci_config *config, unsigned int width);

void pci_config_reset(struct pci_config *config);
void pci_config_write(struct pci_config *config, size_t offset, const uint8_t *data, size_t n);

bool pci_config_is_master(const struct pci_config *config);
bool pci_config_has_pasid_enabled(const struct pci_config *config);
