/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holds whose holder the service itself watches: "fd", "process" and "unit".
 * One watch for each such consumer, from Init, or from the start that found it
 * in the table, until the commit that ends it.
 *
 * The consumer's holder is what a later start can check: "fd:<consumer id>",
 * "process:<pid>:<inode of its pidfd, or 0>:<start time>" or
 * "unit:<cgroup id>:<path>".
 */
#pragma once

#include "service/service-internal.h"

enum hold_verdict {
        HOLD_IS_THERE,
        HOLD_IS_OVER,
        HOLD_CANNOT_TELL, /* which frees nothing */
};

struct hold_watch {
        TAILQ_ENTRY(hold_watch) entry;
        struct hold_watch_list *list; /* of the service's, the one that it is in */
        struct service *service;
        struct consumer *consumer;    /* NULL before it is in a list */
        uint64_t id;                  /* the consumer's, who may be gone first */
        const struct hold_ops *ops;
        int fd;                       /* of the holder; -EBADF while that is out of sight */
        sd_event_source *source;
        sd_event_source *removal_source; /* of a unit's cgroup */
        bool is_kept;                 /* in the fd store */
};

struct hold_ops {
        /*
         * For Init: whether the caller may, and what to look at from now on. *ret_holder is to be freed.
         * InvalidArgs, AccessDenied; LimitsExceeded: no file descriptors left; Unsupported: by this kernel.
         */
        int (*open)(struct service *s, const struct init_request *request, int *ret_fd, char **ret_holder, struct refusal *refusal);
        /* After a restart: by the consumer's holder. *fd: as the fd store had it, or -EBADF, then as to be looked at. */
        enum hold_verdict (*find)(struct service *s, const struct consumer *c, int *fd);
        /* Has the event loop say when to look. */
        int (*watch)(struct hold_watch *w);
        enum hold_verdict (*look)(int fd);
        const char *over; /* what an Init whose holder is over already is told */
        bool is_storable; /* its fd goes to the fd store */
};

extern const struct hold_ops hold_fd_ops, hold_process_ops, hold_unit_ops;

/* For a consumer yet to be made; *ret is NULL for kinds that are not watched here. */
int hold_watch_open(struct service *s, const struct init_request *request, struct hold_watch **ret, char **ret_holder,
                    struct refusal *refusal);
/* The consumer is made, if not yet committed. */
void hold_watch_assign(struct hold_watch *w, struct consumer *c);
void hold_watch_move(struct hold_watch *w, struct hold_watch_list *list);
/* At start, with both tables loaded: a watch for each consumer that needs one; those whose holder is gone are noted for reaper_start(). */
int hold_watches_load(struct service *s, struct stored_fd *stored, size_t n_stored);
/* The event loop says no more of it. */
void hold_watch_stop(struct hold_watch *w);
/* NULL is fine. */
struct hold_watch *hold_watch_free(struct hold_watch *w);
DEFINE_CLEANUP(struct hold_watch *, hold_watch_free);

/* One whose holder is out of sight: looks for it again. */
enum hold_verdict hold_watch_find(struct hold_watch *w, int stored_fd);
enum hold_verdict hold_watch_look(const struct hold_watch *w);

/* For "fd" and "process": readable or hung up is the end, and the event loop tells of both. */
enum hold_verdict hold_look_at_poll(int fd);
int hold_watch_poll(struct hold_watch *w);
/* What a source's callback calls; may free the watch. */
void hold_watch_news(struct hold_watch *w);
