/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Manager.Init: a consumer appears.
 */
#pragma once

#include "bus/call.h"

int manager_init(struct call *call);
