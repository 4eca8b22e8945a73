/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device as QEMU sees it: what each command of the protocol does to the
 * configuration space and to BAR 0.
 */
#pragma once

#include "engine.h"
#include "message.h"
#include "pci-config.h"

struct device {
        struct pci_config config;
        struct engine engine;
        bool verbose;
        struct message message;
};

/* Serves one peer until it goes: 0; or a negative errno if it speaks nonsense. */
int device_serve(struct device *device, int fd);
