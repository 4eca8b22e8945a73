/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A terminal, for what asks whether there is one.
 */
#pragma once

#include <stdbool.h>

/*
 * Puts pasidctl into the directory's bin, as another user may be barred from the build's directory, and beside it what stands
 * in for pkttyagent(1): it notes down that it was started, says that it is ready, and stays.
 */
void terminal_prepare(const char *dir);
/* In that directory: whether an agent was started since this was last asked; none may be left. */
bool terminal_had_agent(void);
/* Runs a shell command on a terminal of its own: its exit status, or -1 if a signal ended it. */
int terminal_run(const char *command);
