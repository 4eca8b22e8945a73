/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checking and cutting of ranges.
 */
#include "core/range.h"

#include <errno.h>
#include <stdio.h>

#include "core/core-internal.h"

const char *range_text(uint32_t min, uint32_t max, char buf[static RANGE_TEXT_MAX]) {
        (void) snprintf(buf, RANGE_TEXT_MAX, min == max ? "PASID %u" : "The range %u..%u", min, max);
        return buf;
}

static int refuse_width(uint32_t pasid, struct refusal *refusal) {
        return refuse(refusal, EDOM, "PASID %u does not fit into %u bits; ask for numbers in %u..%u.",
                      pasid, NUMBER_BITS, NUMBER_MIN, NUMBER_MAX);
}

int range_check(uint32_t min, uint32_t max, struct refusal *refusal) {
        if (min > NUMBER_MAX) /* not called an empty range: max may be what a program adds where none was given */
                return refuse_width(min, refusal);
        if (min > max)
                return refuse(refusal, EDOM, "The range %u..%u is empty, its first PASID is above its last; "
                              "give the lower one first, or 0 and 0 for the whole range.", min, max);
        if (min < NUMBER_MIN)
                return refuse(refusal, EDOM, "The range %u..%u has PASID 0 in it, which is the device's own DMA; "
                              "ask for numbers in %u..%u.", min, max, NUMBER_MIN, NUMBER_MAX);
        if (max > NUMBER_MAX)
                return refuse_width(max, refusal);
        return 0;
}

int range_refuse_hardware(uint32_t min, uint32_t max, const struct consumer_device *device, uint32_t hardware_max,
                          struct refusal *refusal) {
        char text[RANGE_TEXT_MAX];

        return refuse(refusal, ERANGE, "%s is outside %u..%u, what device %s (%d bits wide) can tag; ask for %s in that range.",
                      range_text(min, max, text), NUMBER_MIN, hardware_max, device ? device->address : "any",
                      32 - __builtin_clz(hardware_max | 1), min == max ? "a number" : "numbers");
}

int range_cut(const struct consumer *consumer, uint32_t min, uint32_t max, uint32_t *ret_lo, uint32_t *ret_hi,
              struct refusal *refusal) {
        uint32_t hardware_max = consumer->pool->max, lo, hi;
        char text[RANGE_TEXT_MAX];
        int r;

        if (min == 0 && max == 0) {
                min = consumer->min;
                max = consumer->max;
        } else {
                r = range_check(min, max, refusal);
                if (r < 0)
                        return r;
        }
        if (min > hardware_max)
                return range_refuse_hardware(min, max, consumer_narrowest_device(consumer), hardware_max, refusal);
        lo = min > consumer->min ? min : consumer->min;
        hi = max < consumer->max ? max : consumer->max;
        if (lo > hi)
                return refuse(refusal, ERANGE, "%s is outside %u..%u, the range of consumer \"%s\"; "
                              "ask in that range, or make a consumer with another one.",
                              range_text(min, max, text), consumer->min, consumer->max, consumer->name);
        *ret_lo = lo;
        *ret_hi = hi;
        return 0;
}
