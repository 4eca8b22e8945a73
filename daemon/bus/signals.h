/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the service's news to D-Bus signals.
 */
#pragma once

#include "bus/news.h"

struct signals;

/* Becomes the service's listener. */
int signals_new(struct bus *bus, struct signals **ret);
struct signals *signals_free(struct signals *s);

/* Attach, Detach, Map and Unmap change counters of a consumer and its devices, and nothing else that the service tells of. */
void signals_note_mediated(struct signals *s, const struct consumer *c);
/* Sends one record as the signal it is. Objects that are gone by now are passed over. */
int signals_send(struct signals *s, struct link *link, const struct news_item *item);
