/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Manager.Check: the table against what is held and what the IOMMU has.
 */
#pragma once

#include "bus/call.h"

int manager_check(struct call *call);
