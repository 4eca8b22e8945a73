/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Consumer.Transfer and Manager.Accept: a consumer changes hands.
 */
#pragma once

#include "bus/call.h"

int consumer_method_transfer(struct call *call);
int manager_accept(struct call *call);
