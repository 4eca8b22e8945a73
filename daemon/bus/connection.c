/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One client on the direct socket: a fair share of the loop, and bounds on
 * what it can make the daemon keep. A client that does not take its replies is
 * not listened to; one that lets too much pile up is let go.
 */
#include "bus/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "bus/busy.h"
#include "bus/limit.h"
#include "bus/listener.h"
#include "bus/peer-hold.h"
#include "bus/polkit.h"
#include "log.h"

#define STEPS_PER_TURN 16
#define USEC_PER_TURN 500
#define SHARE 3 /* while others are at it one client gets a third of the time, counted from so much on: */
#define ALLOWANCE_USEC 1000
#define WAITING_MAX 64
#define SEND_BUFFER (256 * 1024) /* in the kernel; sd-bus would take 8 MB for each client */

static bool has_unsent(const struct connection *c) {
        uint64_t n = 0;

        return sd_bus_get_n_queued_write(c->link.sd, &n) < 0 || n > 0;
}

static bool has_unread(const struct connection *c) {
        uint64_t n = 0;

        return c->parked || (sd_bus_get_n_queued_read(c->link.sd, &n) >= 0 && n > 0);
}

static bool is_blocked(const struct connection *c) {
        return c->n_waiting >= WAITING_MAX || has_unsent(c);
}

/*
 * With nothing to write while calls wait for their commit the socket is left out:
 * a hang-up is reported whatever the mask, and would keep the commit, which
 * has a lower priority, from being made.
 */
static void update_events(struct connection *c) {
        uint32_t events = EPOLLIN;
        int r;

        if (c->is_doomed || c->is_processing || c->is_resting)
                return;
        if (!c->is_ready) {
                r = sd_bus_get_events(c->link.sd);
                events = r > 0 ? (uint32_t) r : EPOLLIN; /* POLLIN and POLLOUT are EPOLLIN and EPOLLOUT */
        } else if (has_unsent(c))
                events = EPOLLOUT;
        else if (c->n_waiting >= WAITING_MAX)
                events = 0;
        else if (has_unread(c))
                connection_wake(c);

        r = poll_set_update(c->link.bus->poll_set, &c->poll, events);
        if (r < 0)
                connection_doom(c, strerror(-r));
}

int connection_admit(struct connection *c, sd_bus_message *m) {
        uint8_t type;

        if (fd_gate_widen(&c->gate))
                fd_gate_note(&c->gate, m);
        c->n_silent = 0;
        c->partial_bytes = 0;
        if (!is_blocked(c) || c->parked || sd_bus_message_get_type(m, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL)
                return 0;
        c->parked = sd_bus_message_ref(m);
        return 1;
}

static uint64_t bytes_received(const struct connection *c) {
        int n = 0;

        return ioctl(c->poll.fd, FIONREAD, &n) < 0 || n < 0 ? 0 : (uint64_t) n;
}

/* A message that waits inside of sd-bus is dispatched without a look at the socket. */
static int open_gate(struct connection *c) {
        uint64_t n = 0;
        int r;

        if (!c->takes_fds || (sd_bus_get_n_queued_read(c->link.sd, &n) >= 0 && n > 0))
                return 0;
        r = fd_gate_narrow(&c->gate, c->poll.fd);
        if (r == -EPROTO)
                connection_doom(c, "it sent more than one file descriptor with a message");
        else if (r < 0)
                connection_doom(c, strerror(-r));
        return r;
}

static int process_once(struct connection *c) {
        int r;

        if (open_gate(c) < 0)
                return 0;
        r = sd_bus_process(c->link.sd, NULL);
        (void) fd_gate_widen(&c->gate);
        if (!fd_gate_settle(&c->gate)) {
                fd_gate_sweep(&c->gate);
                connection_doom(c, "it sent a file descriptor that no argument of a valid message names");
                return 0;
        }
        return r;
}

/* Returns > 0 if there may be more to do, 0 if not now. */
static int step(struct connection *c) {
        uint64_t limit = c->link.bus->limits.queued_bytes, partial, before = 0, after = 0;
        int r;

        /* sd-bus reads one more whenever it can't write; a call that lies ready keeps it from the socket */
        if (c->parked) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = TAKE_PTR(c->parked);

                r = sd_bus_enqueue_for_read(c->link.sd, m);
                if (r < 0)
                        return r;
        }
        /* a message takes two steps, its header and the rest; after more, what comes is added to one not yet complete */
        partial = c->n_silent < 2 ? 0 : bytes_received(c);
        (void) sd_bus_get_n_queued_write(c->link.sd, &before);
        c->n_silent++;
        r = process_once(c);
        if (r < 0 || c->is_doomed)
                return r;
        if (c->n_silent > 0 && sd_bus_get_n_queued_write(c->link.sd, &after) >= 0 && after >= before) {
                c->partial_bytes += partial;
                if (limit > 0 && c->partial_bytes > limit) {
                        connection_doom_at_limit(c, "sent a message that is larger");
                        return 0;
                }
        }
        if (sd_bus_is_open(c->link.sd) <= 0)
                return -ENOTCONN;
        if (!c->is_ready && sd_bus_is_ready(c->link.sd) > 0) {
                c->is_ready = true;
                c->takes_fds = sd_bus_can_send(c->link.sd, SD_BUS_TYPE_UNIX_FD) > 0;
                listener_connection_ready(c->link.bus->listener, c);
        }
        return r;
}

/*
 * Each microsecond of work is paid with three, of which two are for others, if there are any. A page of a list, or a
 * large array, takes longer than a hundred small calls: by turns alone its sender would have half of the time, or more.
 */
static void settle_turn(struct connection *c, uint64_t begin) {
        uint64_t end = exact_usec();

        c->paid_until = (c->paid_until > begin ? c->paid_until : begin) + (end - begin) * SHARE;
        if (c->paid_until <= end + ALLOWANCE_USEC ||
            (c->link.bus->n_waiting <= c->n_waiting && !poll_set_has_others(c->link.bus->poll_set, &c->poll)))
                return;
        if (sd_event_source_set_time(c->again, c->paid_until) < 0 || sd_event_source_set_enabled(c->again, SD_EVENT_ONESHOT) < 0 ||
            poll_set_update(c->link.bus->poll_set, &c->poll, 0) < 0)
                return;
        c->is_resting = true;
}

static void process(struct connection *c, bool can_write) {
        uint64_t begin = exact_usec(), end = begin + USEC_PER_TURN;
        int r = 1;

        c->is_processing = true;
        for (unsigned i = 0; i < STEPS_PER_TURN && r > 0 && !c->is_doomed; i++) {
                if (c->is_ready && is_blocked(c)) {
                        if (!can_write || !has_unsent(c))
                                break;
                        can_write = false;
                }
                r = step(c);
                if (r == 0 && c->is_ready)
                        c->is_drained = true;
                if (r > 0 && c->n_silent == 0 && c->is_drained) { /* a message was dispatched */
                        if (!has_unread(c) && bytes_received(c) == 0)
                                r = 0; /* a client that waits for its reply: asking the socket again would delay it */
                        else if (exact_usec() >= end || poll_set_has_others(c->link.bus->poll_set, &c->poll))
                                break;
                }
        }
        if (r == 0 && !c->is_doomed)
                link_commit_if_alone(&c->link);
        c->is_processing = false;

        if (r < 0 && !c->is_doomed)
                connection_doom(c, NULL);
        if (c->is_doomed)
                return;
        if (c->is_subscribed && !has_unsent(c))
                news_pump(c->link.bus->news, &c->subscriber);
        if (!c->is_drained && r > 0 && !is_blocked(c))
                connection_wake(c); /* what came along with the authentication is in sd-bus, not in the socket */
        if (c->is_ready)
                settle_turn(c, begin);
        update_events(c);
}

static void on_io(struct poll_member *member, uint32_t revents) {
        struct connection *c = (struct connection *) ((char *) member - offsetof(struct connection, poll));

        if (c->is_doomed)
                return;
        if (revents & (EPOLLHUP | EPOLLERR) && c->is_ready && is_blocked(c)) {
                connection_doom(c, NULL); /* nobody will take what waits to be sent */
                return;
        }
        process(c, revents & EPOLLOUT);
}

static int on_again(sd_event_source *source, uint64_t usec, void *userdata) {
        struct connection *c = userdata;

        if (c->is_resting) {
                c->is_resting = false;
                (void) sd_event_source_set_time(source, 0);
                if (has_unsent(c)) {
                        update_events(c);
                        return 0;
                }
        }
        if (!c->is_doomed)
                process(c, false);
        return 0;
}

/* A timer that is over at once. A defer source would always come before those that became ready since. */
void connection_wake(struct connection *c) {
        if (!c->is_doomed)
                (void) sd_event_source_set_enabled(c->again, SD_EVENT_ONESHOT);
}

void connection_sent(struct connection *c) {
        update_events(c);
}

bool connection_can_take(const struct connection *c) {
        return c->is_ready && !c->is_doomed;
}

void connection_wait_begin(struct connection *c) {
        c->n_waiting++;
        c->link.bus->n_waiting++;
}

void connection_wait_end(struct connection *c) {
        c->n_waiting--;
        c->link.bus->n_waiting--;
        update_events(c);
}

void connection_doom(struct connection *c, const char *reason) {
        if (c->is_doomed)
                return;
        c->is_doomed = true;
        if (reason && audit_may_write(&c->link.bus->closing_budget, c->caller.uid))
                log_warning("The connection of process %d of uid %u is closed: %s", (int) c->caller.pid,
                            (unsigned) c->caller.uid, reason);
        (void) poll_set_update(c->link.bus->poll_set, &c->poll, 0);
        (void) sd_event_source_set_enabled(c->again, SD_EVENT_OFF);
        listener_connection_doomed(c->link.bus->listener, c);
}

void connection_doom_at_limit(struct connection *c, const char *what) {
        if (!c->is_doomed)
                limit_reached(c->link.bus, LIMIT_QUEUED_BYTES, &c->caller, "The connection of process %d of uid %u is closed: it %s than "
                              "QueuedBytesPerConnection=%llu allows; raise that in pasidd.conf if it has to be", (int) c->caller.pid,
                              (unsigned) c->caller.uid, what, (unsigned long long) c->link.bus->limits.queued_bytes);
        connection_doom(c, NULL);
}

static int start(struct connection *c, int fd) {
        static const int send_buffer = SEND_BUFFER;
        struct bus *bus = c->link.bus;
        sd_bus *sd;
        int r;

        r = sd_bus_new(&c->link.sd);
        if (r >= 0)
                r = sd_bus_set_fd(c->link.sd, fd, fd);
        if (r < 0) {
                (void) close_fd(fd);
                return r;
        }
        sd = c->link.sd;
        r = sd_bus_set_server(sd, true, bus->server_id);
        if (r >= 0)
                r = fd_gate_start(&c->gate);
        if (r >= 0)
                r = sd_bus_negotiate_fds(sd, true);
        if (r >= 0)
                r = link_init(&c->link, bus, sd, true);
        if (r >= 0)
                r = sd_event_add_time(bus->event, &c->again, CLOCK_MONOTONIC, 0, 1, on_again, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->again, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_bus_start(sd);
        if (r < 0)
                return r;
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
        r = sd_bus_get_events(sd);
        return poll_set_update(bus->poll_set, &c->poll, r > 0 ? (uint32_t) r : EPOLLIN);
}

int connection_new(struct bus *bus, int fd, struct caller *caller, uint64_t serial, struct connection **ret) {
        struct connection *c;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c) {
                caller_done(caller);
                (void) close_fd(fd);
                return -ENOMEM;
        }
        c->link.bus = bus;
        c->poll = (struct poll_member) { .fd = fd, .callback = on_io };
        c->caller = *caller;
        *caller = (struct caller) {};
        TAILQ_INIT(&c->replies);
        c->gate = (struct fd_gate) FD_GATE_INIT;
        c->subscriber.link = &c->link;

        r = peer_holder_format(&c->caller, serial, &c->caller.holder);
        if (r < 0)
                (void) close_fd(fd);
        else
                r = start(c, fd);
        if (r < 0) {
                (void) connection_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

struct connection *connection_free(struct connection *c) {
        if (!c)
                return NULL;
        if (c->is_subscribed)
                news_unsubscribe(c->link.bus->news, &c->subscriber);
        polkit_forget(c->link.bus->polkit, &c->link);
        busy_forget(c->link.bus->busy, &c->link);
        reply_list_forget(&c->replies);
        (void) poll_set_update(c->link.bus->poll_set, &c->poll, 0);
        c->link.bus->n_waiting -= c->n_waiting;
        sd_event_source_disable_unref(c->again);
        sd_bus_message_unref(c->parked);
        sd_bus_close_unref(c->link.sd);
        fd_gate_sweep(&c->gate);
        caller_done(&c->caller);
        free(c);
        return NULL;
}
