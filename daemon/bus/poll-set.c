/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An epoll instance of our own inside sd-event's. The kernel moves a served
 * socket to the end of its ready list, so that each has its turn.
 */
#include "bus/poll-set.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "internal/cleanup.h"

#define EVENTS_PER_TURN 64

struct poll_set {
        int epoll;
        sd_event_source *source;
};

static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct epoll_event events[EVENTS_PER_TURN];
        int n = epoll_wait(fd, events, EVENTS_PER_TURN, 0);

        for (int i = 0; i < n; i++) {
                struct poll_member *member = events[i].data.ptr;

                if (member->events) /* not taken out by one before it */
                        member->callback(member, events[i].events);
        }
        return 0;
}

int poll_set_new(sd_event *event, struct poll_set **ret) {
        struct poll_set *set;
        int r;

        set = calloc(1, sizeof(*set));
        if (!set)
                return -ENOMEM;
        set->epoll = epoll_create1(EPOLL_CLOEXEC);
        r = set->epoll < 0 ? -errno : sd_event_add_io(event, &set->source, set->epoll, EPOLLIN, on_ready, set);
        if (r < 0) {
                poll_set_free(set);
                return r;
        }
        *ret = set;
        return 0;
}

struct poll_set *poll_set_free(struct poll_set *set) {
        if (!set)
                return NULL;
        sd_event_source_disable_unref(set->source);
        (void) close_fd(set->epoll);
        free(set);
        return NULL;
}

bool poll_set_has_others(struct poll_set *set, const struct poll_member *member) {
        struct epoll_event events[2];
        int n = epoll_wait(set->epoll, events, 2, 0);

        for (int i = 0; i < n; i++)
                if (events[i].data.ptr != member)
                        return true;
        return false;
}

int poll_set_update(struct poll_set *set, struct poll_member *member, uint32_t events) {
        struct epoll_event event = { .events = events, .data.ptr = member };
        int op;

        if (events == member->events)
                return 0;
        op = events == 0 ? EPOLL_CTL_DEL : member->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
        if (epoll_ctl(set->epoll, op, member->fd, &event) < 0)
                return -errno;
        member->events = events;
        return 0;
}
