/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * News that some PCI or VFIO device has come, gone or changed its driver.
 */
#pragma once

#include "kernel/kernel.h"

struct monitor;

/* There while systemd-udevd runs. */
#define MONITOR_UDEV_CONTROL "/run/udev/control"

/* udev_control: whether udevd's news or the kernel's own are followed depends on its being there. */
int monitor_new(sd_event *event, const char *udev_control, kernel_changed_t callback, void *userdata,
                struct monitor **ret, struct refusal *refusal);
struct monitor *monitor_free(struct monitor *m);
