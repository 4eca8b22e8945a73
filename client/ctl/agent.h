/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * polkit's agent for terminals, pkttyagent(1): where there is no other it asks
 * for the password that polkit wants, for as long as pasidctl waits.
 */
#pragma once

#include <sys/types.h>

struct agent {
        pid_t pid; /* 0: none */
};

/* Returns when it can be asked; without it the agent of a desktop, if there is one, still can. */
void agent_open(struct agent *a);
void agent_close(struct agent *a);
