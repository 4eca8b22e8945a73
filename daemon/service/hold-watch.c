/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all watched holds share: the watch's life beside its consumer's, the
 * event source, the fd store. Whose end it was is settled in reaper.c.
 */
#include "service/hold-watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "log.h"
#include "service/reaper.h"

#define STORE_NAME_MAX sizeof("hold-18446744073709551615")

static const struct hold_ops *ops_of(enum hold_kind hold) {
        switch (hold) {
        case HOLD_FD:
                return &hold_fd_ops;
        case HOLD_PROCESS:
                return &hold_process_ops;
        case HOLD_UNIT:
                return &hold_unit_ops;
        default:
                return NULL;
        }
}

static struct hold_watch *watch_new(struct service *s, const struct hold_ops *ops) {
        struct hold_watch *w = calloc(1, sizeof(*w));

        if (w)
                *w = (struct hold_watch) { .service = s, .ops = ops, .fd = -EBADF };
        return w;
}

static const char *store_name(uint64_t consumer, char buffer[static STORE_NAME_MAX]) {
        (void) snprintf(buffer, STORE_NAME_MAX, "hold-%llu", (unsigned long long) consumer);
        return buffer;
}

static void keep(struct hold_watch *w) {
        const struct fd_keeper *keeper = &w->service->keeper;
        char name[STORE_NAME_MAX];
        int r;

        if (!w->ops->is_storable || w->fd < 0 || w->is_kept || !keeper->keep)
                return;
        r = keeper->keep(store_name(w->id, name), w->fd, keeper->userdata);
        if (r < 0)
                log_warning("What holds consumer \"%s\" of uid %u could not be given to the fd store: %s", w->consumer->name,
                            (unsigned) w->consumer->uid, strerror(-r));
        w->is_kept = r >= 0;
}

static void drop(struct hold_watch *w) {
        const struct fd_keeper *keeper = &w->service->keeper;
        char name[STORE_NAME_MAX];

        if (w->is_kept && keeper->drop)
                keeper->drop(store_name(w->id, name), keeper->userdata);
        w->is_kept = false;
}

void hold_watch_move(struct hold_watch *w, struct hold_watch_list *list) {
        if (w->list)
                TAILQ_REMOVE(w->list, w, entry);
        w->list = list;
        if (list)
                TAILQ_INSERT_TAIL(list, w, entry);
}

static void enter(struct hold_watch *w, struct consumer *c, struct hold_watch_list *list) {
        w->consumer = c;
        w->id = c->id;
        c->watch = w;
        hold_watch_move(w, list);
}

void hold_watch_stop(struct hold_watch *w) {
        w->source = sd_event_source_disable_unref(w->source);
        w->removal_source = sd_event_source_disable_unref(w->removal_source);
}

struct hold_watch *hold_watch_free(struct hold_watch *w) {
        if (!w)
                return NULL;
        drop(w);
        hold_watch_move(w, NULL);
        hold_watch_stop(w);
        (void) close_fd(w->fd);
        free(w);
        return NULL;
}

enum hold_verdict hold_look_at_poll(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        if (poll(&p, 1, 0) < 0 || p.revents & POLLNVAL)
                return HOLD_CANNOT_TELL;
        return p.revents ? HOLD_IS_OVER : HOLD_IS_THERE;
}

static int on_io(_unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t revents, void *userdata) {
        hold_watch_news(userdata);
        return 0;
}

int hold_watch_poll(struct hold_watch *w) {
        /* EPOLLHUP and EPOLLERR are always told [epoll_ctl(2)] */
        return sd_event_add_io(w->service->event, &w->source, w->fd, EPOLLIN, on_io, w);
}

/* In this order: what happens between the two is news of the source already. */
static int start(struct hold_watch *w, enum hold_verdict *ret) {
        int r = w->ops->watch(w);

        if (r < 0) {
                hold_watch_stop(w);
                w->fd = close_fd(w->fd);
                return r;
        }
        (void) sd_event_source_set_description(w->source, "holder");
        *ret = w->ops->look(w->fd);
        return 0;
}

int hold_watch_open(struct service *s, const struct init_request *request, struct hold_watch **ret, char **ret_holder,
                    struct refusal *refusal) {
        const struct hold_ops *ops = ops_of(request->hold);
        _cleanup_(hold_watch_freep) struct hold_watch *w = NULL;
        _cleanup_free_ char *holder = NULL;
        enum hold_verdict verdict;
        int r;

        if (!ops) {
                *ret = NULL;
                *ret_holder = NULL;
                return 0;
        }
        w = watch_new(s, ops);
        if (!w)
                return refuse(refusal, ENOMEM, "Out of memory.");
        r = ops->open(s, request, &w->fd, &holder, refusal);
        if (r < 0)
                return r;
        r = start(w, &verdict);
        if (r < 0) /* ENOSPC and its like are limits of the kernel's on watches, and no shortage of PASIDs */
                return refuse(refusal, r == -ENOMEM ? ENOMEM : ENOBUFS, "Consumer \"%s\" cannot be held so: its holder could not "
                              "be watched: %s.", request->name, strerror(-r));
        if (verdict == HOLD_IS_OVER)
                return refuse(refusal, EINVAL, "Consumer \"%s\" cannot be held so: %s.", request->name, ops->over);
        if (verdict == HOLD_CANNOT_TELL)
                return refuse(refusal, EINVAL, "Consumer \"%s\" cannot be held so: what was given does not tell whether it is over.",
                              request->name);
        *ret = TAKE_PTR(w);
        *ret_holder = TAKE_PTR(holder);
        return 0;
}

void hold_watch_assign(struct hold_watch *w, struct consumer *c) {
        enter(w, c, &w->service->new_watches);
        keep(w); /* before the reply: a number given out must not outlive its holder unseen */
}

enum hold_verdict hold_watch_find(struct hold_watch *w, int stored_fd) {
        enum hold_verdict verdict;
        int r, fd = stored_fd;

        w->is_kept = w->is_kept || stored_fd >= 0;
        verdict = w->ops->find(w->service, w->consumer, &fd);
        w->fd = fd;
        if (w->fd != stored_fd && stored_fd >= 0)
                drop(w); /* the store had another */
        if (verdict != HOLD_IS_THERE) {
                w->fd = close_fd(w->fd);
                return verdict;
        }
        r = start(w, &verdict);
        if (r < 0) {
                log_warning("The holder of consumer \"%s\" of uid %u could not be watched: %s", w->consumer->name,
                            (unsigned) w->consumer->uid, strerror(-r));
                return HOLD_CANNOT_TELL;
        }
        keep(w);
        return verdict;
}

enum hold_verdict hold_watch_look(const struct hold_watch *w) {
        return w->fd >= 0 ? w->ops->look(w->fd) : HOLD_CANNOT_TELL;
}

void hold_watch_news(struct hold_watch *w) {
        if (hold_watch_look(w) == HOLD_IS_OVER)
                reaper_take(w);
}

bool service_hold_is_watched(const struct consumer *c) {
        return !ops_of(c->hold) || (c->watch && c->watch->fd >= 0);
}

/* Of a consumer that the table has; takes the fd over. */
static int load_one(struct service *s, struct consumer *c, int stored_fd) {
        struct hold_watch *w = watch_new(s, ops_of(c->hold));

        if (!w) {
                (void) close_fd(stored_fd);
                return -ENOMEM;
        }
        enter(w, c, &s->watches);
        switch (hold_watch_find(w, stored_fd)) {
        case HOLD_IS_THERE:
                break;
        case HOLD_IS_OVER:
                reaper_note(w);
                break;
        case HOLD_CANNOT_TELL:
                log_warning("Whether \"%s\" is still there, which holds consumer \"%s\" of uid %u, cannot be told; the consumer "
                            "stays", c->holder, c->name, (unsigned) c->uid);
                break;
        }
        return 0;
}

static bool is_to_load(const struct consumer *c) {
        return c && !c->ended && !c->watch && ops_of(c->hold);
}

int hold_watches_load(struct service *s, struct stored_fd *stored, size_t n_stored) {
        int r;

        for (size_t i = 0; i < n_stored; i++) {
                unsigned long long id;
                struct consumer *c;

                if (stored[i].fd < 0 || sscanf(stored[i].name, "hold-%llu", &id) != 1)
                        continue;
                c = core_consumer_by_id(s->core, id);
                if (!is_to_load(c) || !ops_of(c->hold)->is_storable)
                        continue;
                r = load_one(s, c, TAKE_FD(stored[i].fd));
                if (r < 0)
                        return r;
        }
        for (struct consumer *c = core_consumer_next(s->core, NULL); c; c = core_consumer_next(s->core, c)) {
                r = is_to_load(c) ? load_one(s, c, -EBADF) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}
