/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions to polkit, asked over the system bus without waiting.
 */
#pragma once

#include "bus/call.h"

struct polkit;

int polkit_new(struct bus *bus, struct polkit **ret);
struct polkit *polkit_free(struct polkit *p);

/*
 * 1: granted; 0: asked, the message will be dispatched again; AccessDenied, or
 * LimitsExceeded when too many questions are open. The consumer's name is
 * shown to whoever is asked for a password.
 */
int polkit_ask(struct polkit *p, struct call *call, const char *action, const char *consumer);
/* The link closes: whoever asked there is not there any more. */
void polkit_forget(struct polkit *p, const struct link *link);
/* The system bus is gone, and with it all answers. */
void polkit_bus_lost(struct polkit *p);
