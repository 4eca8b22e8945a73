/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's memory: a file that QEMU maps too. Below 2 GiB a guest physical
 * address of QEMU's q35 machine is the offset in that file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "internal/cleanup.h"

struct guest_ram {
        uint8_t *base;
        size_t size;
};

int guest_ram_open(const char *path, struct guest_ram *ret);
void guest_ram_close(struct guest_ram *ram);

/* Where n bytes from address on are; NULL if not all of them are memory. */
uint8_t *guest_ram_at(const struct guest_ram *ram, uint64_t address, size_t n);

/* False if there is no memory at address. */
bool guest_ram_read64(const struct guest_ram *ram, uint64_t address, uint64_t *ret);
