/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pasidd of a test's own: the real program on directories of its own, with
 * the test for its service manager. It is started, asked to stop, killed, and
 * started again on the same directories.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "process.h"

#define DAEMON_EXTRA_MAX 8

struct daemon {
        char *dir;         /* run/, lib/, pasidd.sock, pasidd.conf, log */
        char *program;     /* $PASIDD, or pasidd of $top_builddir */
        char *socket_path;
        char *address;     /* D-Bus address of the direct socket */
        char *log_path;
        char *bus;         /* of --bus=; NULL: none */
        char *extra[DAEMON_EXTRA_MAX + 1]; /* further options */
        int listen_fd;     /* passed as by socket activation; -EBADF: it makes its own socket */
        unsigned watchdog_usec; /* its WATCHDOG_USEC; 0: none */
        uid_t uid;         /* to run it as; 0: the test's own */
        bool to_journal;   /* it logs there, see tests/journal.h */
        int notify_fd;     /* notices, each as struct notice */
        pid_t notify_pid;  /* the process that takes them from the daemon */
        pid_t pid;         /* 0: not running */
        long log_start;    /* where the lines of the last one that was started begin */
        int status;        /* of the last one that ended, as waitpid(2) gives it */
};

/* Makes the directories inside dir, which must exist. config: text of pasidd.conf. */
int daemon_new(const char *dir, const char *config, struct daemon **ret);
/* Kills what is still running; the directories stay. */
struct daemon *daemon_free(struct daemon *d);
DEFINE_CLEANUP(struct daemon *, daemon_free);

int daemon_set_config(struct daemon *d, const char *config);
int daemon_set_bus(struct daemon *d, const char *address);
int daemon_add_option(struct daemon *d, const char *format, ...) _printf_(2, 3);
/* A listening socket of ours at socket_path, for the daemon to take over. */
int daemon_listen(struct daemon *d, mode_t mode);

/* Does not wait. */
int daemon_spawn(struct daemon *d);
/* Waits for READY=1. -ECHILD: it ended instead (see status); -ETIMEDOUT. */
int daemon_wait_ready(struct daemon *d);
int daemon_start(struct daemon *d);
/* Waits for the next notice that has a line of that start, such as "RELOADING=". */
int daemon_wait_notice(struct daemon *d, const char *line);
/* -ETIMEDOUT: it is still there. */
int daemon_wait_end(struct daemon *d);
/* SIGTERM; -ECHILD: it did not exit with 0. */
int daemon_stop(struct daemon *d);
void daemon_kill(struct daemon *d);
/* A line of the log since the last start has that text. */
bool daemon_log_has(const struct daemon *d, const char *text);
