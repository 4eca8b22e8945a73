/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the service manager's watchdog is told: that this pasidd can do its
 * work, not only that its loop turns.
 */
#pragma once

#include <systemd/sd-event.h>

#include "internal/cleanup.h"
#include "service/service.h"

struct health;

/* *ret is NULL if no watchdog waits for us. */
int health_new(sd_event *event, struct service *service, struct health **ret);
struct health *health_free(struct health *h);
DEFINE_CLEANUP(struct health *, health_free);
