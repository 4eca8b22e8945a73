/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits of connections that were reached: counted, and told the administrator
 * once for each uid, limit and minute.
 */
#pragma once

#include "bus/bus-internal.h"
#include "bus/caller.h"

/* As the setting is called, without "=". */
const char *connection_limit_to_string(enum connection_limit limit);

/* format: what was refused, and by which value of the setting. */
void limit_reached(struct bus *bus, enum connection_limit limit, const struct caller *caller, const char *format, ...) _printf_(4, 5);
