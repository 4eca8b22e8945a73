/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whom the administrator lets use a device beside root: AllowUsers= and
 * AllowGroups= of pasidd.conf(5), with names resolved to numbers.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "internal/pci-address.h"

struct device_access {
        char address[PCI_ADDRESS_MAX];
        uid_t *users; /* owned, as is the rest */
        size_t n_users;
        gid_t *groups;
        size_t n_groups;
};

/* A device that is not in it is root's alone. */
struct device_access_list {
        struct device_access *devices;
        size_t n_devices;
};
