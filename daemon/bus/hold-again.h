/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holders of connection holds of which it could not be told whether they are
 * there: they are looked at again, soon at first, then each minute.
 */
#pragma once

#include "bus/bus-internal.h"

struct hold_again;

int hold_again_new(struct bus *bus, struct hold_again **ret);
struct hold_again *hold_again_free(struct hold_again *h);

/* There is one. */
void hold_again_arm(struct hold_again *h);
/* They have not been asked for by this connection yet: soon, again. */
void hold_again_begin(struct hold_again *h);
