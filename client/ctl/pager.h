/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pager between this process and its terminal.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct pager {
        pid_t pid; /* 0: none */
};

/* stdout goes to the pager from here on; if there is none to be had, it stays where it is. */
void pager_open(struct pager *p);
/* Ends stdout and waits until the reader has left the pager; nothing without one. */
void pager_close(struct pager *p);
