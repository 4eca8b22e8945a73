/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls that found a device busy: in reset, for instance, which passes. They
 * are kept, and dispatched again every few milliseconds until it is over or
 * their time is.
 */
#pragma once

#include "bus/call.h"

struct busy;
struct busy_call;

int busy_new(struct bus *bus, struct busy **ret);
struct busy *busy_free(struct busy *b);

/* What is known of a message that is dispatched again; NULL for any other. It is the caller's then. */
struct busy_call *busy_take(struct busy *b, sd_bus_message *m);
struct busy_call *busy_call_free(struct busy_call *c);
/* True: the consumer is the one of the first try, so that what was allowed then is allowed now. NULL is fine. */
bool busy_call_is_of(const struct busy_call *c, const struct consumer *consumer);
/* Calls with that token are not to go on: whoever made them has given up. */
void busy_cancel(struct busy *b, const struct consumer *consumer, const char *token);
bool busy_call_is_cancelled(const struct busy_call *c);
/* Another try later, true, takes call->busy over; false: its time is over, or too many wait. */
bool busy_wait(struct busy *b, struct call *call);
/* The link closes: nobody waits there any more. */
void busy_forget(struct busy *b, const struct link *link);
