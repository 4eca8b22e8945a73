/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A method call on its way through: what is common to all handlers.
 */
#pragma once

#include "bus/link.h"
#include "core/refusal.h"

enum {
        CALL_READS = 1 << 0,    /* changes nothing; what is pending is committed first, so that the answer is the truth */
        CALL_CALLER = 1 << 1,   /* the handler needs to know who calls */
        CALL_CONSUMER = 1 << 2, /* on a consumer's object */
        CALL_OWNER = 1 << 3,    /* the consumer's owner or the privileged only */
        CALL_PATIENT = 1 << 4,  /* a busy device is worth another try a little later */
        CALL_PATIENT_IF_PASSING = 1 << 5, /* it is if the kernel says that it is, in a reset say, and not in somebody's hands */
};

struct call {
        struct link *link;
        sd_bus_message *message;
        const struct caller *caller; /* CALL_CALLER */
        struct consumer *consumer;   /* CALL_CONSUMER */
        struct busy_call *busy;      /* CALL_PATIENT...: it was tried before and found a device busy */
        const char *token;           /* the message's, of an allocation; NULL: none */
        struct refusal refusal;
};

/* Returns 0 once it has answered or will answer, or a negative errno, with call->refusal where it can say more. */
typedef int (*call_method_t)(struct call *call);

/* To be returned from the sd-bus handler. */
int call_answer(sd_bus_message *m, struct link *link, sd_bus_error *error, unsigned flags, call_method_t method);

/*
 * A message that waited for something ended without its handler: what is kept for it is of no use any more. May be
 * given any message.
 */
void call_abandon(struct link *link, sd_bus_message *m);
/* What the current message asks for is not there: its refusal is noted, and sd-bus answers with the error. */
int call_refuse_object(struct link *link, const char *path, int r, const struct refusal *refusal, sd_bus_error *error);
/* For connection_doom(): a client that has gone before its reply is no news. */
const char *why_no_reply(int r);
/* There is no memory to look for an object; sd-bus would look for some for an error, and leave the client waiting. */
int call_cannot_find(struct link *link, int r);
/*
 * Calls that wait keep the file descriptors that came with them, up to 253 each, and sd-bus does not tell how many.
 * False when they would leave too few for the other clients.
 */
bool call_may_wait(void);

/* Reads the basic or array arguments that come next; a failure is the caller's. */
#define call_read(call, ...) call_check_read(call, sd_bus_message_read((call)->message, __VA_ARGS__))
int call_check_read(struct call *call, int r);
/* The message's, read from it; negative: none was. */
void call_claim_fd(struct call *call, int fd);
int call_read_private(struct call *call, const void **ret, size_t *ret_size);
/* InvalidRange for numbers that no PASID can have. */
int call_check_pasid(struct call *call, uint32_t pasid);

static inline struct service *call_service(const struct call *call) {
        return call->link->bus->service;
}

/* Defines the sd-bus handler on_METHOD for a method. */
#define DEFINE_METHOD(method, flags)                                                                \
        static int on_##method(sd_bus_message *m, void *userdata, sd_bus_error *error) {            \
                return call_answer(m, userdata, error, flags, method);                              \
        }                                                                                           \
        struct __useless_struct_to_allow_trailing_semicolon__
