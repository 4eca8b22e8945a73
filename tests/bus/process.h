/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Child processes of a test: started with the environment that they need,
 * waited for with a limit, gone with the test. Nothing here sleeps: a wait is
 * for an event, and fails when the event has not come within the limit.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "internal/cleanup.h"

/* Generous: valgrind and sanitizers on a busy machine are slow. */
#define WAIT_LIMIT_MSEC 30000

uint64_t monotonic_msec(void);

/*
 * To be called between fork() and exec(): the child dies with its parent, has
 * default signal handling, standard input from /dev/null, and nothing in its
 * environment that a service manager would have set for the test.
 */
void process_child_setup(void);
/* Opens path for appending, as standard error and, if asked for, standard output. */
int process_child_log(const char *path, bool with_stdout);
/* Does not return. */
/* In a child: finds the program now, so that it can be run after its right to look there is gone. */
void process_child_find(const char **argv);
void process_child_exec(const char *const *argv) __attribute__((noreturn));

/* *ret_status: as waitpid(2) gives it. -ETIMEDOUT: it is still there. */
int process_wait(pid_t pid, uint64_t limit_msec, int *ret_status);
/* SIGKILL, and waits for the end. */
void process_kill(pid_t pid);
/* -ESRCH if there is none. */
int process_pidfd(pid_t pid);
/* Field of /proc/PID/status that is a number of kB, such as "VmHWM"; 0 if it can't be told. */
uint64_t process_memory_kb(pid_t pid, const char *field);
/* How many file descriptors it has open; -errno. */
int process_count_fds(pid_t pid);

/* Removes a directory with all that is in it. */
int remove_tree(const char *path);
int write_file(const char *path, const char *text);
