/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The walk over the PCI devices of a machine, or of a recorded tree.
 */
#pragma once

#include "core/device.h"
#include "core/refusal.h"
#include "kernel/kernel.h"

/* As kernel_ops.discover(). params: all but pci_ids set. */
int discover_devices(const struct kernel_params *params, struct device_list *ret, struct refusal *refusal);
