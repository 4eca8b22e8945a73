/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reaper: consumers whose watched holder is gone end, detached first, and
 * again and again until the table has it. Told by an event, by a look whenever
 * a request would be refused for want of something, and by a sweep each minute.
 */
#pragma once

#include "service/hold-watch.h"

int reaper_init(struct service *s);
/* Ends what the start found without a holder; to be called once everything else runs. */
void reaper_start(struct service *s);
void reaper_done(struct service *s);

/* The holder is gone: its consumer ends. May free the watch. */
void reaper_take(struct hold_watch *w);
/* The same, but nothing is done before the next reaper_run(). */
void reaper_note(struct hold_watch *w);

/* Looks at each holder, and ends the consumers of those that are gone. Returns how many ended. */
int reaper_sweep(struct service *s);
/* The same for a request that would be refused; may do nothing, if it was asked for a moment ago. */
int reaper_sweep_for_request(struct service *s);

/* What transaction.c tells. A consumer's end is about to be final: */
void reaper_consumer_ended(struct consumer *c);
void reaper_committed(struct service *s);
void reaper_abandoned(struct service *s);
