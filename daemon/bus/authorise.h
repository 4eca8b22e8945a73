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
/* These may have to ask polkit. 1: go on; 0: it is asked, and the message will be dispatched again. */
/* Root and the group. */
int authorise_init(struct call *call, const char *name);
/* Root and those whom each of the devices of the call's consumer is for. */
int authorise_attach(struct call *call);
/* Taking over an offered consumer: who may Init, and attach to its devices if pasidd does that for it. */
int authorise_accept(struct call *call, const struct consumer *c);
/* Attaching, for one device. */
int authorise_open(struct call *call, const char *address);
