/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts of the whole host that decide over PASIDs on each of its devices.
 */
#pragma once

#include "kernel/facts.h"

/* Fails on exhaustion only: a fact that can't be read stays unknown, or "not there". */
int host_read_facts(int sysfs_fd, int procfs_fd, int dev_fd, struct host_facts *ret);
/* struct kernel_ops's gives_pasids; what can't be read says no. */
bool host_gives_pasids(const char *sysfs, const char *procfs);
/* The IOMMU's words on a kernel command line; a later word beats an earlier one, as in the kernel. */
void host_parse_command_line(char *line, struct host_facts *facts);
