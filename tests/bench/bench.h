/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the benchmarks share: a daemon of their own on a tmpfs directory, and
 * the arithmetic of medians. A benchmark that can't go on says why and exits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-bus.h>

#include "../bus/message-bus.h"

struct bench_daemon {
        char dir[64];
        char address[128]; /* direct socket */
        const char *bus;   /* message bus address, NULL: none */
        const char *program; /* NULL: $PASIDD */
        char sysfs[96];      /* "": the host's */
        pid_t pid;
};

_Noreturn void bench_fail(const char *what, int r);
double bench_now(void); /* seconds */
double bench_median(double *values, size_t n); /* sorts them */

void bench_daemon_init(struct bench_daemon *d, const char *bus);
/* Returns seconds from exec() to READY=1. */
double bench_daemon_start(struct bench_daemon *d);
void bench_daemon_stop(struct bench_daemon *d);
void bench_daemon_done(struct bench_daemon *d);
/* Resident memory in bytes. */
size_t bench_daemon_memory(const struct bench_daemon *d);

/* A connection to the direct socket (bus false) or to the message bus. */
sd_bus *bench_connect(const struct bench_daemon *d, bool bus);
/* A consumer with a quota over the whole space. *path is the caller's to free(). */
void bench_init(sd_bus *bus, const char *destination, const char *name, char **path);

/* Starts a program in the background that ends with us; its first line of output into line, if that is given. */
pid_t bench_spawn(const char *const *argv, char *line, size_t size);
bool bench_have(const char *program);
/* A message bus of our own; NULL, said in the table: there is no such program. */
struct message_bus *bench_message_bus(enum bus_kind kind);
struct message_bus *bench_message_bus_free(struct message_bus *b);
