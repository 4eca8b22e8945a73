/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client without a D-Bus library: a socket, and bytes that need not mean anything.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fixture.h"

/* Connects and says nothing. */
int raw_connect(const struct fixture *f);
/* Connects and authenticates: what comes next are messages. */
int raw_connect_authenticated(const struct fixture *f);
/* As much as the other side takes without waiting for long; false: it has closed. */
bool raw_send(int fd, const void *data, size_t size);
/* Reads and drops what comes until the other side closes. -ETIMEDOUT */
int raw_await_close(int fd);
/* A method call without arguments, marshalled; returns its size. */
size_t raw_call(uint8_t buffer[static 256], uint32_t serial, const char *path, const char *interface, const char *member);
