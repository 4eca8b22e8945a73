/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The direct socket: clients are counted before they are listened to, and a
 * process that is out of file descriptors turns them away instead of spinning.
 */
#include "bus/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "bus/connection.h"
#include "bus/limit.h"
#include "bus/listen-socket.h"
#include "bus/peer-hold.h"
#include "log.h"

#define ACCEPTS_PER_TURN 16
/*
 * Of the time while many come in at once: as much goes to letting go of those who leave at once, and twice both to those
 * who are in. Counted from so much on, so that a few who come now and then do not wait.
 */
#define SHARE 6
#define ALLOWANCE_USEC 2000
#define HALF_OPEN_USEC (10 * 1000000ULL)
#define PAUSE_USEC 1000000ULL       /* of accepting, after a failure that is not the client's */
#define COMPLAIN_USEC (10 * 1000000ULL)

struct door {
        struct listener *listener;
        struct listen_socket socket;
        sd_event_source *source;
};

struct listener {
        struct bus *bus;
        struct door doors[BUS_LISTEN_FDS_MAX + 1];
        size_t n_doors;
        struct connection_list half_open; /* by the time they have left */
        struct connection_list connections;
        struct connection_list doomed;
        size_t n_connections; /* half-open ones too */
        uint64_t next_serial;
        int spare_fd;         /* given up for a moment to turn a client away when there are no fds left */
        uint64_t complained_usec;
        uint64_t paid_until;  /* CLOCK_MONOTONIC: for the time that accepting took */
        uint64_t n_messages;  /* of all clients, when that was looked at last */
        sd_event_source *half_open_timer;
        sd_event_source *pause_timer; /* nobody is accepted until then */
        sd_event_source *reaper; /* defer: frees the doomed */
};

static uint64_t now_usec(struct listener *l) {
        uint64_t usec = 0;

        (void) sd_event_now(l->bus->event, CLOCK_MONOTONIC, &usec);
        return usec;
}

/* Of what is nobody's doing, and would come again each time. */
static bool may_complain(struct listener *l) {
        uint64_t usec = now_usec(l);

        if (l->complained_usec && usec - l->complained_usec < COMPLAIN_USEC)
                return false;
        l->complained_usec = usec;
        return true;
}

const struct connection_list *listener_connections(const struct listener *l) {
        return &l->connections;
}

bool listener_has_holder(const struct listener *l, const char *holder) {
        const struct connection *c;

        TAILQ_FOREACH(c, &l->connections, entry)
                if (strcmp(c->caller.holder, holder) == 0)
                        return true;
        TAILQ_FOREACH(c, &l->doomed, entry)
                if (strcmp(c->caller.holder, holder) == 0)
                        return true;
        return false;
}

/* Ends what a closed connection held, unless its process is still there by another. */
static void release_holder(struct listener *l, const struct connection *gone) {
        struct bus *bus = l->bus;
        struct connection *c;
        int r;

        if (!gone->is_holder)
                return;
        if (gone->is_heir) {
                TAILQ_FOREACH(c, &l->connections, entry)
                        if (peer_is_same(&c->caller, &gone->caller))
                                break;
                if (c) {
                        c->is_holder = c->is_heir = true;
                        r = service_holder_rename(bus->service, gone->caller.holder, c->caller.holder);
                        if (r < 0) {
                                log_error("Consumers of process %d of uid %u could not be given to its other connection, "
                                          "which is tried again: %s", (int) gone->caller.pid, (unsigned) gone->caller.uid, strerror(-r));
                                peer_hold_watch(bus->peer_holds, &gone->caller);
                        }
                        return;
                }
                if (peer_hold_wait_again(bus->peer_holds, &gone->caller))
                        return;
        }
        r = service_holder_gone(bus->service, gone->caller.holder, "holder-gone");
        if (r > 0)
                log_info("Process %d of uid %u closed its connection: %d consumer%s ended", (int) gone->caller.pid,
                         (unsigned) gone->caller.uid, r, plural(r));
        else if (r < 0)
                log_error("Consumers of process %d of uid %u could not be ended: %s", (int) gone->caller.pid,
                          (unsigned) gone->caller.uid, strerror(-r));
}

static int on_reap(sd_event_source *source, void *userdata) {
        struct listener *l = userdata;
        struct connection *c;

        while ((c = TAILQ_FIRST(&l->doomed))) {
                TAILQ_REMOVE(&l->doomed, c, entry);
                l->n_connections--;
                reply_list_forget(&c->replies);
                release_holder(l, c);
                (void) connection_free(c);
        }
        return 0;
}

void listener_connection_doomed(struct listener *l, struct connection *c) {
        TAILQ_REMOVE(c->is_ready ? &l->connections : &l->half_open, c, entry);
        TAILQ_INSERT_TAIL(&l->doomed, c, entry);
        (void) sd_event_source_set_enabled(l->reaper, SD_EVENT_ONESHOT);
}

void listener_connection_ready(struct listener *l, struct connection *c) {
        TAILQ_REMOVE(&l->half_open, c, entry);
        TAILQ_INSERT_TAIL(&l->connections, c, entry);
        if (peer_hold_return(l->bus->peer_holds, &c->caller))
                c->is_holder = c->is_heir = true;
}

static void arm_half_open(struct listener *l) {
        struct connection *first = TAILQ_FIRST(&l->half_open);

        if (first) {
                (void) sd_event_source_set_time(l->half_open_timer, first->half_open_until);
                (void) sd_event_source_set_enabled(l->half_open_timer, SD_EVENT_ONESHOT);
        }
}

static int on_half_open(sd_event_source *source, uint64_t usec, void *userdata) {
        struct listener *l = userdata;
        struct connection *c;

        while ((c = TAILQ_FIRST(&l->half_open)) && c->half_open_until <= usec)
                connection_doom(c, "it did not authenticate in time");
        arm_half_open(l);
        return 0;
}

static size_t count_of_uid(const struct listener *l, uid_t uid) {
        const struct connection *c;
        size_t n = 0;

        TAILQ_FOREACH(c, &l->connections, entry)
                n += c->caller.uid == uid;
        TAILQ_FOREACH(c, &l->half_open, entry)
                n += c->caller.uid == uid;
        return n;
}

static int compare_uids(const void *a, const void *b) {
        uid_t x = *(const uid_t *) a, y = *(const uid_t *) b;

        return (x > y) - (x < y);
}

int listener_uids(const struct listener *l, uid_t **ret, size_t *ret_n) {
        uid_t *uids = calloc(l->n_connections + 1, sizeof(*uids));
        const struct connection *c;
        size_t n = 0;

        if (!uids)
                return -ENOMEM;
        TAILQ_FOREACH(c, &l->connections, entry)
                uids[n++] = c->caller.uid;
        TAILQ_FOREACH(c, &l->half_open, entry)
                uids[n++] = c->caller.uid;
        qsort(uids, n, sizeof(*uids), compare_uids);
        *ret = uids;
        *ret_n = n;
        return 0;
}

static bool is_welcome(struct listener *l, const struct caller *caller) {
        const struct bus_limits *limits = &l->bus->limits;

        if (limits->connections > 0 && l->n_connections >= limits->connections) {
                limit_reached(l->bus, LIMIT_CONNECTIONS, caller, "A connection of uid %u was refused: there are %zu, and Connections=%u "
                              "allows no more; raise it in pasidd.conf, or have some closed", (unsigned) caller->uid, l->n_connections,
                              limits->connections);
                return false;
        }
        if (limits->connections_per_uid == 0 || caller->uid == 0 || caller->uid == l->bus->own_uid)
                return true;
        if (count_of_uid(l, caller->uid) >= limits->connections_per_uid) {
                limit_reached(l->bus, LIMIT_CONNECTIONS_PER_UID, caller, "A connection of uid %u was refused: that uid has as many as "
                              "ConnectionsPerUid=%u allows; raise it in pasidd.conf, or have some closed", (unsigned) caller->uid,
                              limits->connections_per_uid);
                return false;
        }
        return true;
}

static void admit(struct listener *l, int fd) {
        struct caller caller = {};
        struct connection *c;
        int r;

        r = caller_from_socket(fd, l->bus->procfs, &caller);
        if (r < 0 || !is_welcome(l, &caller)) {
                if (r < 0 && may_complain(l))
                        log_warning("A connection was refused: its credentials could not be read: %s", strerror(-r));
                caller_done(&caller);
                (void) close_fd(fd);
                return;
        }
        r = connection_new(l->bus, fd, &caller, l->next_serial++, &c);
        if (r < 0) {
                if (may_complain(l))
                        log_warning("A connection could not be set up: %s", strerror(-r));
                return;
        }
        c->half_open_until = now_usec(l) + HALF_OPEN_USEC;
        TAILQ_INSERT_TAIL(&l->half_open, c, entry);
        l->n_connections++;
        if (TAILQ_FIRST(&l->half_open) == c)
                arm_half_open(l);
}

static void set_doors(struct listener *l, int enabled) {
        for (size_t i = 0; i < l->n_doors; i++)
                (void) sd_event_source_set_enabled(l->doors[i].source, enabled);
}

static int on_pause_over(sd_event_source *source, uint64_t usec, void *userdata) {
        struct listener *l = userdata;

        if (l->spare_fd < 0)
                l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        set_doors(l, SD_EVENT_ON);
        return 0;
}

static void pause_accepting(struct listener *l, uint64_t until) {
        if (sd_event_source_set_time(l->pause_timer, until) < 0 ||
            sd_event_source_set_enabled(l->pause_timer, SD_EVENT_ONESHOT) < 0)
                return;
        set_doors(l, SD_EVENT_OFF);
}

/* Who connects without end has a share of the loop, as who asks without end has one; all of it, if nobody asks. */
static void settle_turn(struct listener *l, uint64_t begin) {
        uint64_t end = exact_usec();

        l->paid_until = (l->paid_until > begin ? l->paid_until : begin) + (end - begin) * SHARE;
        if (l->paid_until <= end + ALLOWANCE_USEC)
                return;
        if (l->n_messages != l->bus->n_messages)
                pause_accepting(l, l->paid_until);
        else
                l->paid_until = end + ALLOWANCE_USEC;
        l->n_messages = l->bus->n_messages;
}

/* A client left in the queue would keep the socket readable and the loop spinning. */
static void turn_away(struct listener *l, int listen_fd, int error) {
        if (may_complain(l))
                log_error("A connection could not be accepted: %s", strerror(error));
        if ((error == EMFILE || error == ENFILE) && l->spare_fd >= 0) {
                l->spare_fd = close_fd(l->spare_fd);
                (void) close_fd(accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC));
                l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        }
        if (l->spare_fd < 0 || (error != EMFILE && error != ENFILE))
                pause_accepting(l, now_usec(l) + PAUSE_USEC);
}

static int on_connect(sd_event_source *source, int listen_fd, uint32_t revents, void *userdata) {
        struct door *door = userdata;
        struct bus *bus = door->listener->bus;
        uint64_t begin;

        /* The commit has a lower priority than we have: who comes and goes without end would keep it from being made. */
        (void) service_flush(bus->service);
        begin = exact_usec();
        for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
                int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd >= 0)
                        admit(door->listener, fd);
                else if (errno == EAGAIN)
                        break;
                else if (errno != EINTR && errno != ECONNABORTED) {
                        turn_away(door->listener, listen_fd, errno);
                        return 0; /* which may have a pause of its own */
                }
                if (poll_set_has_others(bus->poll_set, NULL))
                        break; /* those who are in do not wait for all who come */
        }
        settle_turn(door->listener, begin);
        return 0;
}

static int add_door(struct listener *l, const struct listen_socket *socket) {
        struct door *door = &l->doors[l->n_doors++];
        int flags;

        *door = (struct door) { .listener = l, .socket = *socket };
        flags = fcntl(socket->fd, F_GETFL);
        if (flags < 0 || fcntl(socket->fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(socket->fd, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;
        return sd_event_add_io(l->bus->event, &door->source, socket->fd, EPOLLIN, on_connect, door);
}

static int open_doors(struct listener *l, const struct bus_params *params, struct refusal *refusal) {
        int r = 0;

        for (size_t i = 0; i < params->n_listen_fds; i++) {
                int q = add_door(l, &(struct listen_socket) { .fd = params->listen_fds[i] });

                r = q < 0 ? q : r;
        }
        if (r >= 0 && params->listen_path) {
                struct listen_socket socket;

                r = listen_socket_open(params->listen_path, params->group, &socket, refusal);
                if (r < 0)
                        return r;
                r = add_door(l, &socket);
        }
        if (r < 0)
                return refuse(refusal, -r, "Could not listen: %s.", strerror(-r));
        return 0;
}

static int add_timer(sd_event *event, sd_event_source **ret, sd_event_time_handler_t handler, void *userdata) {
        int r = sd_event_add_time(event, ret, CLOCK_MONOTONIC, 0, 0, handler, userdata);

        return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

int listener_new(struct bus *bus, const struct bus_params *params, struct listener **ret, struct refusal *refusal) {
        struct listener *l;
        struct timespec ts;
        int r;

        l = calloc(1, sizeof(*l));
        if (!l) {
                for (size_t i = 0; i < params->n_listen_fds; i++)
                        (void) close_fd(params->listen_fds[i]);
                return refuse(refusal, ENOMEM, "Out of memory.");
        }
        l->bus = bus;
        TAILQ_INIT(&l->half_open);
        TAILQ_INIT(&l->connections);
        TAILQ_INIT(&l->doomed);
        l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        /* holders of before our restart are known by serials too: these can't be the same */
        (void) clock_gettime(CLOCK_BOOTTIME, &ts);
        l->next_serial = (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;

        r = open_doors(l, params, refusal);
        if (r >= 0) {
                r = add_timer(bus->event, &l->half_open_timer, on_half_open, l);
                if (r >= 0)
                        r = add_timer(bus->event, &l->pause_timer, on_pause_over, l);
                if (r >= 0) /* the loop's own would make a rest of a quarter of a second of each */
                        r = sd_event_source_set_time_accuracy(l->pause_timer, 1);
                if (r >= 0)
                        r = sd_event_add_defer(bus->event, &l->reaper, on_reap, l);
                if (r >= 0)
                        r = sd_event_source_set_enabled(l->reaper, SD_EVENT_OFF);
                if (r < 0)
                        (void) refuse(refusal, -r, "Could not set up the direct socket: %s.", strerror(-r));
        }
        if (r < 0) {
                (void) listener_free(l);
                return r;
        }
        *ret = l;
        return 0;
}

static void free_list(struct connection_list *list) {
        struct connection *c;

        while ((c = TAILQ_FIRST(list))) {
                TAILQ_REMOVE(list, c, entry);
                (void) connection_free(c);
        }
}

struct listener *listener_free(struct listener *l) {
        if (!l)
                return NULL;
        free_list(&l->half_open);
        free_list(&l->connections);
        free_list(&l->doomed);
        for (size_t i = 0; i < l->n_doors; i++) {
                sd_event_source_disable_unref(l->doors[i].source);
                listen_socket_close(&l->doors[i].socket);
        }
        sd_event_source_disable_unref(l->half_open_timer);
        sd_event_source_disable_unref(l->pause_timer);
        sd_event_source_disable_unref(l->reaper);
        l->spare_fd = close_fd(l->spare_fd);
        free(l);
        return NULL;
}
