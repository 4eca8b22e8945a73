/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon for the tests of libpasid: a thread that serves one connection at a
 * time on a socket of its own, notes down each call as text, and lets the test
 * answer as it likes, well or badly. It plays a message bus too.
 */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include <pasid/pasid.h>

#include "internal/cleanup.h"
#include "internal/contract.h"
#include "internal/errors.h"
#include "suite.h"

#define FAKE_CONSUMER_PATH PASIDD_CONSUMER_PREFIX "/1000/vm_2d1" /* "vm-1" of uid 1000 */

/* A client's timeout that a test waits for; connecting has to be done within it, on a busy machine too. */
#define SHORT_MSEC 1000

struct fake;

/* Runs in the thread. Negative: the call is answered with that errno; 0: with UnknownMethod; else it was dealt with. */
typedef int (*fake_handler)(struct fake *fake, sd_bus_message *call, void *userdata);

struct fake *fake_new(fake_handler handler, void *userdata);
void fake_free(struct fake *fake);
const char *fake_address(struct fake *fake); /* as PASIDD_ADDRESS */
const char *fake_bus_address(struct fake *fake); /* the same socket as a message bus */
const char *fake_path(struct fake *fake);

/* Clients and a consumer of it, asserted to come about. 0: a timeout that none runs into. */
struct pasid_client *fake_client(const char *address, uint64_t timeout_msec);
struct pasid_consumer *fake_consumer(struct pasid_client *client);

/* For handlers. */
bool fake_is(sd_bus_message *call, const char *member);
int fake_reply(struct fake *fake, sd_bus_message *call, const char *types, ...);
int fake_send(struct fake *fake, sd_bus_message *reply);
int fake_error(struct fake *fake, sd_bus_message *call, const char *name, const char *text);
int fake_signal(struct fake *fake, const char *sender, const char *path, const char *interface, const char *member, const char *types, ...);
void fake_hang_up(struct fake *fake);
void fake_set_name(struct fake *fake, const char *unique_name); /* on the message bus; ":1.1" at first */
/* Answers Init and GetConsumer with FAKE_CONSUMER_PATH. */
int fake_reply_consumer(struct fake *fake, sd_bus_message *call);

/* Waits up to 10 s for the n-th call (from 0), and gives its text: Free(7). NULL: it never came. */
const char *fake_call(struct fake *fake, unsigned n);
unsigned fake_n_calls(struct fake *fake);
/* The token in the text of a call, in a buffer that the next call of it overwrites. */
const char *fake_token(const char *call);

#define assert_call(fake, n, text) ck_assert_pstr_eq(fake_call(fake, n), text)
