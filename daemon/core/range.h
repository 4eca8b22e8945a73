/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ranges of numbers as clients ask for them, and the refusals about them.
 */
#pragma once

#include "core/core.h"

/* InvalidRange: 0, above NUMBER_MAX, or the wrong way round. */
int range_check(uint32_t min, uint32_t max, struct refusal *refusal);
/* OutOfRange: min..max lies above what the device (NULL: any) can tag. */
int range_refuse_hardware(uint32_t min, uint32_t max, const struct consumer_device *device, uint32_t hardware_max,
                          struct refusal *refusal);
/* What is left of min..max (0, 0: all) in the consumer's range; InvalidRange, OutOfRange. */
int range_cut(const struct consumer *consumer, uint32_t min, uint32_t max, uint32_t *ret_lo, uint32_t *ret_hi,
              struct refusal *refusal);
/* "PASID 5", or "The range 5..9". */
#define RANGE_TEXT_MAX sizeof("The range 4294967295..4294967295")
const char *range_text(uint32_t min, uint32_t max, char buf[static RANGE_TEXT_MAX]);
