/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon counts, for monitoring: Manager.GetMetrics.
 */
#pragma once

#include "bus/call.h"

uint64_t metrics_now(void); /* CLOCK_REALTIME in microseconds */
/* Each error that a caller is answered with. */
void metrics_count_refusal(struct bus *bus, int r, const struct refusal *refusal);
int manager_get_metrics(struct call *call);
