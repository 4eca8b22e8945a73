/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions to polkit, asked over the system bus without waiting.
 */
#pragma once

#include "bus/call.h"

struct polkit;

int polkit_new(struct bus *bus, struct polkit **ret);
struct polkit *polkit_free(struct polkit *p);

/* A call may need several answers, one after the other; step counts them. */
struct polkit_question {
        const char *action;
        const char *consumer; /* its name, shown to whoever is asked for a password, as is the next; NULL: none */
        const char *device;   /* address; NULL: none */
        uint64_t consumer_id; /* answers are for this one, not for the next of that name; 0: it does not matter */
        unsigned step;
};

/*
 * 1: granted; 0: asked, the message will be dispatched again; -EACCES, with *ret_why in words that go on after a
 * comma, "" if polkit is not to be asked here; LimitsExceeded when too many questions are open.
 */
int polkit_ask(struct polkit *p, struct call *call, const struct polkit_question *question, const char **ret_why);
/* Calls with that token are not to go on: whoever made them has given up. */
void polkit_cancel(struct polkit *p, const struct consumer *consumer, const char *token);
bool polkit_is_cancelled(const struct polkit *p, const sd_bus_message *m);
/* Answers of this message are needed no more. */
void polkit_done(struct polkit *p, sd_bus_message *m);
/* The link closes: whoever asked there is not there any more. */
void polkit_forget(struct polkit *p, const struct link *link);
/* The system bus is gone, and with it all answers. */
void polkit_bus_lost(struct polkit *p);
