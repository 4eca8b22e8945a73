/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A terminal, for what asks whether there is one.
 */
#pragma once

/* Runs a shell command on a terminal of its own: its exit status, or -1 if a signal ended it. */
int terminal_run(const char *command);
