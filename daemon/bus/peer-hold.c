/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connection holds on the direct socket over a restart of ours. The process is
 * named by pid, start time and the inode of its pidfd, and watched by pidfd while it may come back:
 * its death frees at once, its silence only after ReconnectSec=.
 */
#include "bus/peer-hold.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bus/connection.h"
#include "bus/hold-again.h"
#include "bus/listener.h"
#include "log.h"
#include "service/process.h"

#define PEER_HOLDER_PREFIX "peer:"

struct absent {
        TAILQ_ENTRY(absent) entry;
        struct peer_holds *holds;
        struct caller process; /* what names the process, and holder */
        int pidfd;
        sd_event_source *source; /* NULL: it could not be watched yet */
        bool is_logged;
        bool is_refused; /* the table: the process is, or was, connected */
};

struct peer_holds {
        struct bus *bus;
        TAILQ_HEAD(, absent) absents;
        sd_event_source *timer;
        bool is_over;   /* the time to come back */
        bool has_missed; /* some holder is neither connected nor on the list, for want of memory */
};

int peer_holder_format(const struct caller *caller, uint64_t serial, char **ret) {
        if (asprintf(ret, PEER_HOLDER_PREFIX "%d:%" PRIu64 ":%" PRIu64 ":%" PRIu64, (int) caller->pid, caller->start_time, serial,
                     caller->pidfd_inode) < 0) {
                *ret = NULL;
                return -ENOMEM;
        }
        return 0;
}

bool peer_is_same(const struct caller *a, const struct caller *b) {
        if (a->pid <= 0 || a->pid != b->pid)
                return false;
        if (a->pidfd_inode > 0 && b->pidfd_inode > 0)
                return a->pidfd_inode == b->pidfd_inode;
        return a->start_time > 0 && a->start_time == b->start_time;
}

static struct absent *absent_free(struct absent *a) {
        if (!a)
                return NULL;
        sd_event_source_disable_unref(a->source);
        a->pidfd = close_fd(a->pidfd);
        caller_done(&a->process);
        free(a);
        return NULL;
}
DEFINE_CLEANUP(struct absent *, absent_free);

static void give_up(struct peer_holds *p, struct absent *a, const char *why) {
        int r = service_holder_gone(p->bus->service, a->process.holder, "holder-gone");

        if (r < 0)
                log_error("Consumers of process %d could not be ended: %s", (int) a->process.pid, strerror(-r));
        else if (r > 0)
                log_info("Process %d %s: %d consumer%s ended", (int) a->process.pid, why, r, plural(r));
        TAILQ_REMOVE(&p->absents, a, entry);
        (void) absent_free(a);
}

static int on_exit_of_process(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct absent *a = userdata;

        give_up(a->holds, a, "ended");
        return 0;
}

/* Its process is there, but the table has not taken that yet: see peer_hold_look_again(). */
static struct connection *find_connected(const struct absent *a) {
        struct connection *c;

        TAILQ_FOREACH(c, listener_connections(a->holds->bus->listener), entry)
                if (peer_is_same(&a->process, &c->caller))
                        break;
        return c;
}

static int on_time_over(sd_event_source *source, uint64_t usec, void *userdata) {
        struct peer_holds *p = userdata;
        struct absent *a, *next;

        p->is_over = true;
        for (a = TAILQ_FIRST(&p->absents); a; a = next) {
                next = TAILQ_NEXT(a, entry);
                if (!find_connected(a))
                        give_up(p, a, "did not come back in time");
        }
        return 0;
}

static void watch_later(struct peer_holds *p, struct absent *a, int r) {
        a->pidfd = close_fd(a->pidfd);
        if (!a->is_logged)
                log_warning("Process %d, which holds consumers, cannot be watched: %s; it will be tried again", (int) a->process.pid,
                            strerror(-r));
        a->is_logged = true;
        hold_again_arm(p->bus->hold_again);
}

/* True if the process is known to be gone. */
static bool watch(struct peer_holds *p, struct absent *a) {
        uint64_t start, inode;
        int r;

        if (a->process.pid <= 0)
                return false;
        r = pidfd_open_process(a->process.pid);
        if (r == -ESRCH)
                return true;
        if (r < 0) {
                watch_later(p, a, r);
                return false;
        }
        a->pidfd = r;
        inode = pidfd_inode(a->pidfd);
        if (inode > 0 && a->process.pidfd_inode > 0 && inode != a->process.pidfd_inode)
                return true;
        /* read after the pidfd was made: the same pid with another start is another process */
        start = process_start_time(p->bus->procfs, a->process.pid);
        if (start > 0 && a->process.start_time > 0 && start != a->process.start_time)
                return true;
        r = sd_event_add_io(p->bus->event, &a->source, a->pidfd, EPOLLIN, on_exit_of_process, a);
        if (r < 0)
                watch_later(p, a, r);
        return false;
}

static int absent_add(struct peer_holds *p, const struct caller *process, struct absent **ret) {
        _cleanup_(absent_freep) struct absent *a = NULL;

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        *a = (struct absent) {
                .holds = p,
                .pidfd = -EBADF,
                .process = { .pid = process->pid, .start_time = process->start_time, .pidfd_inode = process->pidfd_inode,
                             .holder = strdup(process->holder) },
        };
        if (!a->process.holder)
                return -ENOMEM;
        TAILQ_INSERT_TAIL(&p->absents, a, entry);
        *ret = TAKE_PTR(a);
        return 0;
}

static void wait_for(struct peer_holds *p, struct absent *a) {
        if (watch(p, a))
                give_up(p, a, "is gone");
}

static struct absent *find(const struct peer_holds *p, const char *holder) {
        struct absent *a;

        TAILQ_FOREACH(a, &p->absents, entry)
                if (strcmp(a->process.holder, holder) == 0)
                        return a;
        return NULL;
}

static bool is_peer(const char *holder) {
        return strncmp(holder, PEER_HOLDER_PREFIX, strlen(PEER_HOLDER_PREFIX)) == 0;
}

static bool is_held_by_peer(const struct consumer *c) {
        return c->hold == HOLD_CONNECTION && is_peer(c->holder);
}

/* Without the inode they are of an earlier pasidd. */
static bool read_holder(const char *holder, struct caller *ret) {
        return sscanf(holder, PEER_HOLDER_PREFIX "%d:%" SCNu64 ":%*u:%" SCNu64, &ret->pid, &ret->start_time, &ret->pidfd_inode) >= 2;
}

bool peer_hold_is_watched(const struct peer_holds *p, const struct consumer *c) {
        const struct absent *a;

        if (!is_held_by_peer(c))
                return true;
        if (!read_holder(c->holder, &(struct caller) {}))
                return false;
        a = find(p, c->holder);
        if (a)
                return a->source != NULL;
        return !p->has_missed || listener_has_holder(p->bus->listener, c->holder);
}

static int list_holder(struct peer_holds *p, const char *holder) {
        _cleanup_free_ char *copy = NULL;
        struct caller process = {};
        struct absent *a;

        if (find(p, holder) || listener_has_holder(p->bus->listener, holder))
                return 0;
        if (!read_holder(holder, &process)) {
                log_warning("The holder \"%s\" is unreadable; what it holds stays until Exit", holder);
                return 0;
        }
        copy = strdup(holder);
        process.holder = copy;
        return copy ? absent_add(p, &process, &a) : -ENOMEM;
}

/* Each holder that is not connected. */
static int list_absents(struct peer_holds *p) {
        struct service *service = p->bus->service;
        struct core *core = service_core(service);
        const char *holder;
        int r;

        for (struct consumer *c = core_consumer_next(core, NULL); c; c = core_consumer_next(core, c)) {
                r = c->ended || !is_held_by_peer(c) ? 0 : list_holder(p, c->holder);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; (holder = service_tenant_holder(service, i)); i++) {
                r = is_peer(holder) ? list_holder(p, holder) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

int peer_hold_settle(struct peer_holds *p) {
        struct absent *a, *next;
        int r;

        r = list_absents(p);
        if (r < 0)
                return r;
        /* The end of one may commit, which frees consumers that the list was made from. */
        for (a = TAILQ_FIRST(&p->absents); a; a = next) {
                next = TAILQ_NEXT(a, entry);
                wait_for(p, a);
        }
        if (TAILQ_EMPTY(&p->absents)) {
                p->is_over = true;
                return 0;
        }
        return sd_event_add_time_relative(p->bus->event, &p->timer, CLOCK_MONOTONIC, p->bus->reconnect_usec, 1000,
                                          on_time_over, p);
}

/* If the table refuses they keep the name that they have, by which the process is watched, and it is tried again. */
static bool give_back(struct peer_holds *p, struct absent *a, const struct caller *caller) {
        int r = service_holder_rename(p->bus->service, a->process.holder, caller->holder);

        if (r < 0) {
                if (!a->is_refused)
                        log_error("Consumers of process %d could not be given back to it, which is tried again: %s", (int) caller->pid,
                                  strerror(-r));
                a->is_refused = true;
                hold_again_arm(p->bus->hold_again);
                return false;
        }
        log_info("Process %d came back, which holds %d consumer%s", (int) caller->pid, r, plural(r));
        TAILQ_REMOVE(&p->absents, a, entry);
        (void) absent_free(a);
        return true;
}

bool peer_hold_return(struct peer_holds *p, const struct caller *caller) {
        struct absent *a, *next;
        bool returned = false;

        for (a = TAILQ_FIRST(&p->absents); a; a = next) {
                next = TAILQ_NEXT(a, entry);
                if (peer_is_same(&a->process, caller) && give_back(p, a, caller))
                        returned = true;
        }
        return returned;
}

void peer_hold_watch(struct peer_holds *p, const struct caller *caller) {
        struct absent *a;

        hold_again_arm(p->bus->hold_again);
        if (absent_add(p, caller, &a) >= 0) {
                a->is_refused = true;
                wait_for(p, a);
                return;
        }
        log_warning("Process %d, which holds consumers, cannot be watched: out of memory; it will be tried again", (int) caller->pid);
        p->has_missed = true;
}

/* True: it is an absent no more. */
static bool look_again(struct peer_holds *p, struct absent *a) {
        struct connection *c = a->is_refused ? find_connected(a) : NULL;

        if (!c || !give_back(p, a, &c->caller))
                return false;
        c->is_holder = c->is_heir = true;
        return true;
}

void peer_hold_look_again(struct peer_holds *p) {
        struct absent *a, *next;

        if (p->has_missed) {
                p->has_missed = list_absents(p) < 0;
                if (p->has_missed)
                        hold_again_arm(p->bus->hold_again);
        }
        for (a = TAILQ_FIRST(&p->absents); a; a = next) {
                next = TAILQ_NEXT(a, entry);
                if (!look_again(p, a) && !a->source)
                        wait_for(p, a);
        }
}

bool peer_hold_wait_again(struct peer_holds *p, const struct caller *caller) {
        struct absent *a;

        if (p->is_over || absent_add(p, caller, &a) < 0)
                return false;
        wait_for(p, a);
        return true;
}

int peer_holds_new(struct bus *bus, struct peer_holds **ret) {
        struct peer_holds *p;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->bus = bus;
        TAILQ_INIT(&p->absents);
        *ret = p;
        return 0;
}

struct peer_holds *peer_holds_free(struct peer_holds *p) {
        struct absent *a;

        if (!p)
                return NULL;
        while ((a = TAILQ_FIRST(&p->absents))) {
                TAILQ_REMOVE(&p->absents, a, entry);
                (void) absent_free(a);
        }
        sd_event_source_disable_unref(p->timer);
        free(p);
        return NULL;
}
