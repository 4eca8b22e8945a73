/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may what (SPEC rule 8).
 */
#pragma once

#include "bus/call.h"

/* Root, or the uid that the daemon itself runs as. */
bool is_privileged(const struct bus *bus, const struct caller *caller);
/* Owner of the consumer, or privileged. */
bool is_owner(const struct bus *bus, const struct caller *caller, const struct consumer *c);

/* AccessDenied unless the call's consumer is the caller's. */
int authorise_owner(struct call *call);
/* Root, the group, or polkit. 1: go on; 0: polkit is asked, and the message will be dispatched again. */
int authorise_init(struct call *call, const char *name);
