/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other devices of a device's IOMMU group: a group has one user as a
 * whole, so each of them can stand in the way.
 */
#pragma once

#include "kernel/facts.h"

/* Fills rival and rival_driver, "" if no driver of the group is in the way. device_fd: the device's directory. */
int group_read_rival(int device_fd, struct device_facts *facts);
/* Whether the group has another device than this one. */
int group_has_others(int device_fd, const char *address, bool *ret);
