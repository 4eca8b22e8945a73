/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DMA engine behind BAR 0.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "guest-ram.h"
#include "pci-config.h"
#include "registers.h"

struct engine {
        uint8_t bar[ENGINE_BAR_SIZE];
        const struct guest_ram *ram;
        const struct pci_config *config;
        uint16_t rid; /* bus << 8 | device << 3 | function, by which the IOMMU knows it */
};

/* ram, config: outlive it */
void engine_init(struct engine *engine, const struct guest_ram *ram, const struct pci_config *config, uint16_t rid);

void engine_reset(struct engine *engine);

/* The caller has checked that this lies within the BAR. */
void engine_write(struct engine *engine, size_t offset, const uint8_t *data, size_t n);
