/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a tenant wants a device to reach: is it memory, and may the tenant
 * itself do with it what the device shall do?
 */
#pragma once

#include "kernel/kernel.h"

/* -EINVAL with the reason, for all that kernel.h says of map_file(). */
int memory_check(const struct kernel_mapping *m, struct refusal *refusal);
/* Whether both ends are whole pages, there is something between them, and the last byte is below 2^64. */
int memory_check_range(uint64_t iova, uint64_t length, struct refusal *refusal);
