/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The judgement over a device: can PASIDs be used on it, and if not, what has
 * to be mended first. A pure function of the facts.
 */
#pragma once

#include "kernel/facts.h"

bool verdict_is_vfio_driver(const char *driver);
/* Whether an administrator would look for the device in the list at all. */
bool verdict_is_listed(const struct device_facts *facts);
/* Fills widths, max_pasid, usable and reason. -ENOMEM. */
int verdict_give(const struct host_facts *host, const struct device_facts *facts, struct device_info *info);
