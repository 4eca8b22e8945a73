/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Refusals as D-Bus errors.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "core/refusal.h"

/*
 * Sets *error from the refusal, or from the negative errno r where no refusal
 * was filled in. Returns a negative errno, for handlers to return.
 */
int error_from_refusal(sd_bus_error *error, int r, const struct refusal *refusal);
