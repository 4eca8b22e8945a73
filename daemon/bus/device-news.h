/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What changed about the machine's devices since it was told last.
 */
#pragma once

#include "bus/bus-internal.h"

struct device_news;

/* What there is now is known and no news. */
int device_news_new(struct bus *bus, struct device_news **ret);
struct device_news *device_news_free(struct device_news *d);

/* Adds the records of devices that came, went or are not as they were. */
void device_news_look(struct device_news *d);
