/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The objects that each link carries; each is put there with the link as its
 * userdata.
 */
#pragma once

#include "bus/link.h"

int manager_object_add(struct link *link);
int consumer_object_add(struct link *link);
int device_object_add(struct link *link);
/* What a broker would answer on a message bus: Hello. */
int driver_object_add(struct link *link);
