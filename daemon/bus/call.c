/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A method call on its way through: truth, caller, right, method, error.
 */
#include "bus/call.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "bus/authorise.h"
#include "bus/busy.h"
#include "bus/error.h"
#include "bus/caller.h"
#include "bus/connection.h"
#include "bus/metrics.h"
#include "bus/polkit.h"
#include "log-ids.h"
#include "log.h"

/* 1: go on; 0: the message will be dispatched again. */
static int prepare(struct call *call, unsigned flags) {
        int r;

        if (flags & CALL_READS)
                (void) service_flush(call_service(call)); /* those who waited for it are told how it went */
        if (flags & CALL_CONSUMER) {
                /* Once more: the flush may have ended it, and with its news have asked this link for other consumers. */
                r = link_find_consumer(call->link, sd_bus_message_get_path(call->message));
                if (r < 0)
                        return r;
                call->consumer = call->link->consumer;
                if (!call->consumer)
                        return refuse(&call->refusal, ESRCH, "Consumer \"%s\" of uid %u has just ended; make it again by Init.",
                                      call->link->name, (unsigned) call->link->uid);
        }
        if (flags & (CALL_CALLER | CALL_OWNER)) {
                r = link_get_caller(call->link, call->message, &call->caller, &call->refusal);
                if (r <= 0)
                        return r;
        }
        if (flags & CALL_OWNER) {
                r = authorise_owner(call);
                if (r < 0)
                        return r;
        }
        return 1;
}

/* What the administrator may want to change: once for each uid and minute. */
static void tell_refusal(const struct call *call, int r) {
        bool is_limit = r == -EDQUOT;
        struct bus *bus = call->link->bus;
        struct log_subject subject = {
                .message_id = is_limit ? MESSAGE_LIMIT_HIT : MESSAGE_REFUSED_BY_POLICY,
                .reason = is_limit ? "QuotaExceeded" : "AccessDenied",
                .error = -r,
        };

        if ((r != -EACCES && !is_limit) || !call->caller || call->refusal.code == 0)
                return;
        subject.has_uid = true;
        subject.uid = call->caller->uid;
        if (audit_may_write(is_limit ? &bus->limit_budget : &bus->policy_budget, subject.uid))
                log_about(LOG_NOTICE, &subject, "Refused to uid %u: %s", (unsigned) subject.uid, call->refusal.text);
}

const char *why_no_reply(int r) {
        return r == -ENOMEM ? "there is no memory for a reply" : NULL;
}

/* sd-bus itself would not mind that there is no memory for an error, and leave the client waiting. */
static int send_error(struct link *link, sd_bus_message *m, sd_bus_error *error, int r) {
        r = sd_bus_reply_method_errno(m, r, error);
        if (r < 0)
                connection_doom(connection_of(link), why_no_reply(r));
        sd_bus_error_free(error);
        return 1;
}

static bool is_worth_another_try(const struct call *call, unsigned flags, int r) {
        return r == -EBUSY && (flags & CALL_PATIENT || (flags & CALL_PATIENT_IF_PASSING && call->refusal.is_passing));
}

int call_answer(sd_bus_message *m, struct link *link, sd_bus_error *error, unsigned flags, call_method_t method) {
        struct call call;
        int r;

        if (flags & CALL_READS && sd_bus_message_get_expect_reply(m) == 0)
                return 1; /* nobody wants to know */
        call.link = link;
        call.message = m;
        call.caller = NULL;
        call.consumer = NULL;
        call.token = NULL;
        call.busy = flags & (CALL_PATIENT | CALL_PATIENT_IF_PASSING) ? busy_take(link->bus->busy, m) : NULL;
        call.refusal.code = 0; /* its text is written only if there is one */
        call.refusal.is_passing = false;

        r = prepare(&call, flags);
        if (r > 0)
                r = method(&call);
        if (is_worth_another_try(&call, flags, r) && busy_wait(link->bus->busy, &call))
                return 1;
        (void) busy_call_free(call.busy);
        if (r < 0) {
                polkit_done(link->bus->polkit, m);
                tell_refusal(&call, r);
                metrics_count_refusal(link->bus, r, &call.refusal);
                r = error_from_refusal(error, r, &call.refusal);
                return link->is_direct ? send_error(link, m, error, r) : r;
        }
        if (!link->is_direct) /* a direct connection has its own end of a turn */
                link_commit_if_quiet(link);
        return 1;
}

void call_abandon(struct link *link, sd_bus_message *m) {
        if (!m)
                return;
        (void) busy_call_free(busy_take(link->bus->busy, m));
        polkit_done(link->bus->polkit, m);
}

/* It is looked for when a signal of it is made, too, in the midst of whatever other message. */
int call_refuse_object(struct link *link, const char *path, int r, const struct refusal *refusal, sd_bus_error *error) {
        sd_bus_message *m = sd_bus_get_current_message(link->sd);
        const char *asked = m ? sd_bus_message_get_path(m) : NULL;

        if (asked && strcmp(asked, path) == 0)
                metrics_count_refusal(link->bus, r, refusal);
        call_abandon(link, m);
        return error_from_refusal(error, r, refusal);
}

int call_cannot_find(struct link *link, int r) {
        if (link->is_direct)
                connection_doom(connection_of(link), "what it asks for could not be looked up");
        return r;
}

/* The lowest free one is told by the kernel, and all below it are in use. */
bool call_may_wait(void) {
        struct rlimit limit;
        int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        bool is_low;

        is_low = fd >= 0 && getrlimit(RLIMIT_NOFILE, &limit) >= 0 && (rlim_t) fd < limit.rlim_cur / 4 * 3;
        (void) close_fd(fd);
        return is_low;
}

int call_check_read(struct call *call, int r) {
        if (r < 0)
                return refuse(&call->refusal, EINVAL, "The arguments could not be read: %s.", strerror(-r));
        return 0;
}

void call_claim_fd(struct call *call, int fd) {
        if (call->link->is_direct)
                fd_gate_claim(&connection_of(call->link)->gate, fd);
}

int call_read_private(struct call *call, const void **ret, size_t *ret_size) {
        int r = call_check_read(call, sd_bus_message_read_array(call->message, 'y', ret, ret_size));

        if (r < 0)
                return r;
        if (*ret_size > PRIVATE_MAX)
                return refuse(&call->refusal, EMSGSIZE, "%zu bytes of private data were given; a PASID keeps at most %u. "
                              "Keep what is more elsewhere, and its place here.", *ret_size, PRIVATE_MAX);
        return 0;
}

int call_check_pasid(struct call *call, uint32_t pasid) {
        if (pasid < NUMBER_MIN || pasid > NUMBER_MAX)
                return refuse(&call->refusal, EDOM, "%u is no PASID that can be held; they go from %u to %u.", pasid,
                              NUMBER_MIN, NUMBER_MAX);
        return 0;
}
