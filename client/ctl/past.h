/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl find --history: who held a PASID before.
 */
#pragma once

#include "ctl.h"

/* Returns the exit status. */
int find_history(struct ctl *ctl, uint32_t pasid);
