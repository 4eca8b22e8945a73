/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the IOMMU's own tables say of a device, as debugfs shows it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/refusal.h"

/* Ascending; *ret is the caller's, NULL if there are none. */
int debugfs_list_attached(const char *debugfs, const char *address, uint32_t **ret, size_t *ret_n,
                          struct refusal *refusal);
