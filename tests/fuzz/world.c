/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole pasidd in this process.
 */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal/errors.h"

#define GROUP 4242
#define TURNS_MAX 100000 /* to come to rest in; some hundreds are usual */
#define RESTS_MAX 200 /* of so many microseconds at most */
#define REST_USEC 10000
#define RELEASE_USEC (3600 * 1000000ULL)

static uid_t connecting_uid; /* of who is at the other end of the connection that is accepted next */

/*
 * Linked in place of getsockopt(): one process is all users here. The last of
 * them is not in pasidd's group, and for its root only uid 0 is root.
 */
int __real_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
uid_t __wrap_geteuid(void);

uid_t __wrap_geteuid(void) {
        return 0;
}

int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size) {
        static const gid_t group = GROUP;

        if (level != SOL_SOCKET)
                return __real_getsockopt(fd, level, option, value, size);
        if (option == SO_PEERCRED) {
                *(struct ucred *) value = (struct ucred) { .pid = getpid(), .uid = connecting_uid, .gid = connecting_uid };
                return 0;
        }
        if (option == SO_PEERGROUPS) {
                *size = connecting_uid == FUZZ_UID(FUZZ_CLIENTS - 1) ? 0 : sizeof(group);
                memcpy(value, &group, *size);
                return 0;
        }
        return __real_getsockopt(fd, level, option, value, size);
}

static void start(struct world *w) {
        static const struct device_access_list access = { .devices = NULL };
        struct bus_params params = {
                .event = w->fixture.event,
                .listen_path = w->socket,
                .group = GROUP,
                .group_name = "pasid",
                .access = &access,
                .limits = { .connections = 64, .connections_per_uid = 16, .queued_bytes = 1 << 20 },
                .reconnect_usec = RELEASE_USEC,
                .version = "0",
                .boot_id = w->fixture.boot_id,
                .table_path = "/table",
        };
        struct refusal refusal = {};
        int r;

        fuzz_check(fixture_start(&w->fixture) == 0, "no start: %s", w->fixture.refusal.text);
        params.service = w->fixture.service;
        r = bus_new(&params, &w->bus, &refusal);
        fuzz_check(r >= 0, "no bus: %s", refusal.text);
        fuzz_check(bus_settle_holders(w->bus) >= 0, "holders are not asked");
}

static void stop(struct world *w) {
        (void) service_flush(w->fixture.service);
        w->bus = bus_free(w->bus);
        fixture_stop(&w->fixture);
}

static void make_fds(struct world *w) {
        static const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
        int ends[2];

        w->fds.memory = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        w->fds.other = eventfd(0, EFD_CLOEXEC);
        fuzz_check(w->fds.memory >= 0 && ftruncate(w->fds.memory, 1 << 20) == 0 && fcntl(w->fds.memory, F_ADD_SEALS, seals) == 0 &&
                   w->fds.other >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0,
                   "no file descriptors: %s", strerror(errno));
        w->fds.hold_end = ends[0];
        w->hold_end = ends[1];
}

/* The fixture's own directory is on a disk. */
static void set_directory(struct fixture *f, const char *name) {
        (void) rmdir(f->dir);
        (void) snprintf(f->dir, sizeof(f->dir), "%s/%s", fuzz_directory(), name);
        fuzz_check(mkdir(f->dir, 0700) == 0, "no directory: %s", strerror(errno));
}

/* Empty tables, made once: to make them takes as long as all else of a start. */
static const uint8_t *get_empty_table(size_t *ret_size) {
        static uint8_t table[1 << 16];
        static ssize_t size;

        if (size == 0) {
                struct fixture f;
                char path[128];
                int fd;

                fixture_init(&f);
                set_directory(&f, "empty");
                fuzz_check(fixture_start(&f) == 0, "no start: %s", f.refusal.text);
                fixture_stop(&f);
                (void) snprintf(path, sizeof(path), "%s/run/pasidd.db", f.dir);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                size = fd < 0 ? -1 : read(fd, table, sizeof(table));
                fuzz_check(size > 0 && size < (ssize_t) sizeof(table), "%s could not be read", path);
                (void) close_fd(fd);
                fixture_done(&f);
        }
        *ret_size = (size_t) size;
        return table;
}

static void make_tables(const struct world *w) {
        static const char *const names[] = { "run", "lib" };
        size_t size;
        const uint8_t *table = get_empty_table(&size);

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_close_ int fd = -EBADF;
                char path[128];

                (void) snprintf(path, sizeof(path), "%s/%s", w->fixture.dir, names[i]);
                fuzz_check(mkdir(path, 0755) == 0, "%s could not be made", path);
                (void) snprintf(path, sizeof(path), "%s/%s/pasidd.db", w->fixture.dir, names[i]);
                fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                fuzz_check(fd >= 0 && write(fd, table, size) == (ssize_t) size, "%s could not be written", path);
        }
}

void world_begin(struct world *w) {
        fixture_init(&w->fixture);
        set_directory(&w->fixture, "world");
        make_tables(w);
        (void) snprintf(w->socket, sizeof(w->socket), "%s/socket", w->fixture.dir);
        /* The event loop's clocks are real ones: what waits for a time waits for longer than this lasts. */
        w->fixture.now.boottime_usec = 1000000000000000;
        w->fixture.service_limits.release_usec = RELEASE_USEC;
        w->fixture.limits.pasids_per_uid = 300;
        w->fixture.limits.consumers_per_uid = 4;
        make_fds(w);
        start(w);
        for (unsigned i = 0; i < FUZZ_CLIENTS; i++)
                world_connect(w, i);
}

void world_settle(struct world *w) {
        unsigned n = 0;
        bool is_busy = true;

        while (is_busy) {
                is_busy = false;
                while (sd_event_run(w->fixture.event, 0) > 0) {
                        is_busy = true;
                        fuzz_check(n++ < TURNS_MAX, "pasidd does not come to rest");
                }
                for (unsigned i = 0; i < FUZZ_CLIENTS; i++) {
                        while (w->clients[i].sd && sd_bus_process(w->clients[i].sd, NULL) > 0) {
                                is_busy = true;
                                fuzz_check(n++ < TURNS_MAX, "client %u does not come to rest", i);
                        }
                }
        }
}

void world_connect(struct world *w, unsigned client) {
        struct fuzz_client *c = &w->clients[client];
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int r;

        fuzz_check(strlen(w->socket) < sizeof(address.sun_path), "the socket's path is too long");
        memcpy(address.sun_path, w->socket, strlen(w->socket) + 1);
        *c = (struct fuzz_client) { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) };
        fuzz_check(c->fd >= 0 && connect(c->fd, (const struct sockaddr *) &address, sizeof(address)) == 0, "no connection: %s",
                   strerror(errno));
        r = sd_bus_new(&c->sd);
        if (r >= 0)
                r = sd_bus_set_fd(c->sd, c->fd, c->fd);
        if (r >= 0)
                r = sd_bus_negotiate_fds(c->sd, true);
        if (r >= 0)
                r = sd_bus_start(c->sd);
        fuzz_check(r >= 0, "no client: %s", strerror(-r));
        connecting_uid = FUZZ_UID(client);
        world_settle(w);
        /* The door rests for a moment, too, when many have come in. */
        for (unsigned n = 0; n < RESTS_MAX && sd_bus_is_ready(c->sd) <= 0; n++) {
                (void) sd_event_run(w->fixture.event, REST_USEC);
                world_settle(w);
        }
        fuzz_check(sd_bus_is_ready(c->sd) > 0, "client %u is not let in", client);
}

void world_disconnect(struct world *w, unsigned client) {
        struct fuzz_client *c = &w->clients[client];

        sd_bus_close(c->sd);
        c->sd = sd_bus_unref(c->sd);
        world_settle(w);
}

void world_restart(struct world *w) {
        world_settle(w);
        (void) service_flush(w->fixture.service);
        if (!w->is_harmed)
                fixture_expect_consistent(&w->fixture);
        stop(w);
        for (unsigned i = 0; i < FUZZ_CLIENTS; i++) {
                sd_bus_close(w->clients[i].sd);
                w->clients[i].sd = sd_bus_unref(w->clients[i].sd);
        }
        start(w);
        for (unsigned i = 0; i < FUZZ_CLIENTS; i++)
                world_connect(w, i);
}

/* Whatever goes wrong has a name of the contract, or of sd-bus's own for what never came to pasidd, and a sentence. */
static void check_error(const sd_bus_error *error) {
        bool is_standard = strncmp(error->name, "org.freedesktop.DBus.Error.", strlen("org.freedesktop.DBus.Error.")) == 0;

        fuzz_check(is_standard || error_by_name(error->name), "an error is called %s: %s", error->name, error->message);
        fuzz_check(error->message && error->message[0] != '\0', "an error %s says nothing", error->name);
        if (strncmp(error->name, PASIDD_ERROR_PREFIX, strlen(PASIDD_ERROR_PREFIX)) == 0)
                fuzz_check(error->message[strlen(error->message) - 1] == '.', "an error is no sentence: %s", error->message);
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct fuzz_client *c = userdata;

        c->n_answers++;
        if (sd_bus_is_open(c->sd) > 0 && sd_bus_message_is_method_error(m, NULL))
                check_error(sd_bus_message_get_error(m));
        return 1;
}

void world_call(struct world *w, unsigned client, sd_bus_message *m) {
        struct fuzz_client *c = &w->clients[client];

        if (sd_bus_call_async(c->sd, NULL, m, on_answer, c, 0) >= 0)
                c->n_calls++;
}

void world_hang_up(struct world *w) {
        w->hold_end = close_fd(w->hold_end);
}

static bool is_answered(const struct world *w) {
        for (unsigned i = 0; i < FUZZ_CLIENTS; i++) {
                const struct fuzz_client *c = &w->clients[i];

                if (c->sd && sd_bus_is_open(c->sd) > 0 && c->n_calls != c->n_answers)
                        return false;
        }
        return true;
}

/* A client that has had more than its share rests for a moment. */
static void await_answers(struct world *w) {
        for (unsigned n = 0; n < RESTS_MAX && !w->is_delayed && !is_answered(w); n++) {
                (void) sd_event_run(w->fixture.event, REST_USEC);
                world_settle(w);
        }
}

void world_end(struct world *w) {
        world_settle(w);
        await_answers(w);
        for (unsigned i = 0; i < FUZZ_CLIENTS; i++) {
                struct fuzz_client *c = &w->clients[i];

                fuzz_check(w->is_delayed || !c->sd || sd_bus_is_open(c->sd) <= 0 || c->n_calls == c->n_answers,
                           "of %u calls of client %u %u are answered", c->n_calls, i, c->n_answers);
        }
        fuzz_check(service_flush(w->fixture.service) >= 0 || w->is_harmed, "the last commit is refused");
        if (!w->is_harmed)
                fixture_expect_consistent(&w->fixture);
        for (unsigned i = 0; i < FUZZ_CLIENTS; i++)
                world_disconnect(w, i);
        if (!w->is_harmed)
                fixture_expect_consistent(&w->fixture);
        stop(w);
        fixture_done(&w->fixture);
        (void) close_fd(w->fds.memory);
        (void) close_fd(w->fds.other);
        (void) close_fd(w->fds.hold_end);
        (void) close_fd(w->hold_end);
}
