/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client without a D-Bus library: a socket, and bytes that need not mean anything.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fixture.h"

#define RAW_CALL_MAX 320

/* Connects and says nothing. */
int raw_connect(const struct fixture *f);
/* Connects and authenticates: what comes next are messages. */
int raw_connect_authenticated(const struct fixture *f);
/* The same, with file descriptors negotiated. */
int raw_connect_for_fds(const struct fixture *f);
/* The same, but for the last line, which raw_begin() sends. */
int raw_connect_to_begin(const struct fixture *f);
void raw_begin(int fd);
/* Sends data with n_fds duplicates of a file descriptor. */
void raw_send_fds(int fd, const void *data, size_t size, int passed, size_t n_fds);
/* Waits for the next answer; true if those bytes are in it. */
bool raw_answer_has(int fd, const char *text);
/* All of it: 0; -EPIPE: the other side has closed; -EAGAIN: it takes no more, for some time now. */
int raw_send(int fd, const void *data, size_t size);
/* Reads and drops what comes until the other side closes. -ETIMEDOUT */
int raw_await_close(int fd);
/* Consumer.Map of PASID 1, which says that announced file descriptors come along and that the memory is the index-th. */
size_t raw_map(uint8_t buffer[static RAW_CALL_MAX], uint32_t serial, const char *path, uint32_t announced, uint32_t index);
/* A method call, marshalled; with_range: two numbers as arguments, both 0. Returns its size. */
size_t raw_call(uint8_t buffer[static RAW_CALL_MAX], uint32_t serial, const char *path, const char *interface,
                const char *member, bool with_range);
