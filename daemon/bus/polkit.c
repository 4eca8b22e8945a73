/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions to polkit. The call that needs the answer is kept and dispatched
 * again when it is there, and finds its answer here then.
 */
#include "bus/polkit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/connection.h"
#include "bus/message-bus.h"
#include "log.h"

#define QUESTIONS_MAX 256
#define QUESTIONS_PER_UID_MAX 16
#define TIMEOUT_USEC (25 * 1000000ULL)
#define TIMEOUT_INTERACTIVE_USEC (120 * 1000000ULL) /* somebody types a password */

enum answer {
        ANSWER_NONE,
        ANSWER_YES,
        ANSWER_NO,
        ANSWER_PASSWORD, /* a no, because nobody could be asked for one */
        ANSWER_FAILED,
};

struct question {
        TAILQ_ENTRY(question) entry;
        struct polkit *polkit;
        struct link *link;
        sd_bus_message *message; /* the call */
        sd_bus_slot *slot;      /* while polkit thinks */
        uint64_t consumer_id;
        const char *token;      /* the call's */
        bool is_cancelled;
        uid_t uid;
        unsigned n_granted, step; /* how many steps are, and the last that was asked about */
        enum answer answer;     /* to that one; NONE again once it was taken */
};

struct polkit {
        struct bus *bus;
        TAILQ_HEAD(, question) questions;
        unsigned n_questions;
};

static struct question *question_free(struct question *q) {
        if (!q)
                return NULL;
        TAILQ_REMOVE(&q->polkit->questions, q, entry);
        q->polkit->n_questions--;
        sd_bus_slot_unref(q->slot);
        sd_bus_message_unref(q->message);
        free(q);
        return NULL;
}

static void dispatch_again(struct question *q) {
        q->slot = sd_bus_slot_unref(q->slot);
        if (link_dispatch_again(q->link, q->message) < 0)
                (void) question_free(q); /* the link is closing */
        else if (q->link->is_direct)
                connection_wait_end(connection_of(q->link));
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *failure = sd_bus_message_get_error(m);
        struct question *q = userdata;
        int is_authorised, is_challenge, r;

        q->answer = ANSWER_FAILED;
        if (failure)
                log_debug("polkit does not answer: %s", failure->message ? failure->message : failure->name);
        else {
                r = sd_bus_message_enter_container(m, 'r', "bba{ss}");
                if (r >= 0)
                        r = sd_bus_message_read(m, "bb", &is_authorised, &is_challenge);
                if (r >= 0)
                        q->answer = is_authorised ? ANSWER_YES : is_challenge ? ANSWER_PASSWORD : ANSWER_NO;
        }
        dispatch_again(q);
        return 1;
}

static struct question *find(const struct polkit *p, const sd_bus_message *m) {
        struct question *q;

        TAILQ_FOREACH(q, &p->questions, entry)
                if (q->message == m)
                        return q;
        return NULL;
}

void polkit_cancel(struct polkit *p, const struct consumer *consumer, const char *token) {
        struct question *q;

        TAILQ_FOREACH(q, &p->questions, entry)
                if (q->consumer_id == consumer->id && q->token && strcmp(q->token, token) == 0)
                        q->is_cancelled = true;
}

bool polkit_is_cancelled(const struct polkit *p, const sd_bus_message *m) {
        const struct question *q = find(p, m);

        return q && q->is_cancelled;
}

static int take_answer(struct question *q, const char **ret_why) {
        static const char *const why[] = {
                [ANSWER_NO] = ", and polkit does not allow it",
                [ANSWER_PASSWORD] = ", and polkit does not allow it without a password",
                [ANSWER_FAILED] = ", and polkit could not be asked",
        };
        enum answer answer = q->answer;

        q->answer = ANSWER_NONE;
        if (answer == ANSWER_YES) {
                q->n_granted = q->step + 1;
                return 1;
        }
        *ret_why = why[answer];
        return -EACCES;
}

static int append_subject(sd_bus_message *m, const struct call *call) {
        const struct caller *caller = call->caller;

        if (!call->link->is_direct)
                return sd_bus_message_append(m, "(sa{sv})", "system-bus-name", 1,
                                             "name", "s", sd_bus_message_get_sender(call->message));
        return sd_bus_message_append(m, "(sa{sv})", "unix-process", 3,
                                     "pid", "u", (uint32_t) caller->pid,
                                     "start-time", "t", caller->start_time,
                                     "uid", "i", (int32_t) caller->uid);
}

static int append_detail(sd_bus_message *m, const char *key, const char *value) {
        return value ? sd_bus_message_append(m, "{ss}", key, value) : 0;
}

static int send_question(struct question *q, const struct call *call, const struct polkit_question *question) {
        bool may_ask = sd_bus_message_get_allow_interactive_authorization(call->message) > 0;
        sd_bus *sd = q->polkit->bus->message_bus->link.sd;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(sd, &m, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
                                           "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
        if (r >= 0)
                r = append_subject(m, call);
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', question->action);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{ss}");
        if (r >= 0)
                r = append_detail(m, "consumer", question->consumer);
        if (r >= 0)
                r = append_detail(m, "device", question->device);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "us", (uint32_t) may_ask, "");
        if (r >= 0)
                r = sd_bus_call_async(sd, &q->slot, m, on_answer, q, may_ask ? TIMEOUT_INTERACTIVE_USEC : TIMEOUT_USEC);
        return r;
}

/* Only what answers on the system bus is polkit; and a process that can't be told for sure is not asked about. */
static bool can_ask(const struct polkit *p, const struct call *call) {
        const struct message_bus *mb = p->bus->message_bus;

        if (!mb || !mb->is_ready || !message_bus_is_system(mb))
                return false;
        return !call->link->is_direct || (call->caller->pid > 0 && call->caller->start_time > 0);
}

static unsigned count_of_uid(const struct polkit *p, uid_t uid) {
        const struct question *q;
        unsigned n = 0;

        TAILQ_FOREACH(q, &p->questions, entry)
                n += q->uid == uid;
        return n;
}

static int question_new(struct polkit *p, const struct call *call, uint64_t consumer_id, struct question **ret,
                        struct refusal *refusal) {
        struct question *q;

        if (p->n_questions >= QUESTIONS_MAX || count_of_uid(p, call->caller->uid) >= QUESTIONS_PER_UID_MAX ||
            !call_may_wait())
                return refuse(refusal, ENOBUFS, "Too many questions to polkit are open already; answer those first.");
        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        *q = (struct question) {
                .polkit = p,
                .link = call->link,
                .message = sd_bus_message_ref(call->message),
                .consumer_id = consumer_id,
                .token = call->token,
                .uid = call->caller->uid,
        };
        TAILQ_INSERT_TAIL(&p->questions, q, entry);
        p->n_questions++;
        *ret = q;
        return 0;
}

/* What is kept of earlier steps goes with a refusal. */
static int ask(struct polkit *p, struct call *call, const struct polkit_question *question, struct question *q,
               const char **ret_why) {
        int r;

        *ret_why = "";
        if (!can_ask(p, call))
                return -EACCES;
        if (!q) {
                r = question_new(p, call, question->consumer_id, &q, &call->refusal);
                if (r < 0)
                        return r;
        }
        q->step = question->step;
        q->answer = ANSWER_NONE;
        r = send_question(q, call, question);
        if (r < 0) {
                log_warning("polkit could not be asked: %s", strerror(-r));
                *ret_why = ", and polkit could not be asked";
                return -EACCES;
        }
        if (call->link->is_direct)
                connection_wait_begin(connection_of(call->link));
        return 0;
}

int polkit_ask(struct polkit *p, struct call *call, const struct polkit_question *question, const char **ret_why) {
        struct question *q = find(p, call->message);
        int r;

        if (q && q->slot)
                return 0;
        if (q && q->consumer_id != question->consumer_id)
                q = question_free(q);
        if (q && question->step < q->n_granted)
                return 1;
        if (q && q->answer != ANSWER_NONE && question->step == q->step)
                r = take_answer(q, ret_why);
        else
                r = ask(p, call, question, q, ret_why);
        if (r < 0)
                polkit_done(p, call->message);
        return r;
}

void polkit_done(struct polkit *p, sd_bus_message *m) {
        (void) question_free(find(p, m));
}

void polkit_forget(struct polkit *p, const struct link *link) {
        struct question *q, *next;

        for (q = TAILQ_FIRST(&p->questions); q; q = next) {
                next = TAILQ_NEXT(q, entry);
                if (q->link == link)
                        (void) question_free(q);
        }
}

void polkit_bus_lost(struct polkit *p) {
        struct question *q, *next;

        for (q = TAILQ_FIRST(&p->questions); q; q = next) {
                next = TAILQ_NEXT(q, entry);
                if (!q->link->is_direct)
                        (void) question_free(q); /* who asked is gone with the bus */
                else if (q->answer == ANSWER_NONE) {
                        q->answer = ANSWER_FAILED;
                        dispatch_again(q);
                }
        }
}

int polkit_new(struct bus *bus, struct polkit **ret) {
        struct polkit *p;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->bus = bus;
        TAILQ_INIT(&p->questions);
        *ret = p;
        return 0;
}

struct polkit *polkit_free(struct polkit *p) {
        struct question *q;

        if (!p)
                return NULL;
        while ((q = TAILQ_FIRST(&p->questions)))
                (void) question_free(q);
        free(p);
        return NULL;
}
