/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients that take more than they should, stay silent, never listen or die in
 * mid-call: each is bounded, and an honest one beside them is served as
 * before. And a thousand honest ones at once.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "beside.h"
#include "raw.h"

#define ANN 60001

/* Never authenticating: counted as connections, and closed in time. */
START_TEST(half_open) {
        struct beside t = beside_begin("[Limits]\nConnections=20\n");
        int fd[25];

        for (size_t i = 0; i < ELEMENTSOF(fd); i++) {
                fd[i] = raw_connect(t.f);
                if (i % 2)
                        (void) raw_send(fd[i], "\0AUTH EXTERNAL\r\n", 16);
        }
        for (size_t i = 19; i < ELEMENTSOF(fd); i++) /* beside the honest one 19 have room: these are closed at once */
                ck_assert_int_eq(raw_await_close(fd[i]), 0);
        honest_ok(&t);
        for (size_t i = 0; i < 19; i++)
                ck_assert_msg(raw_await_close(fd[i]) == 0, "connection %zu was never closed", i);
        for (size_t i = 0; i < ELEMENTSOF(fd); i++)
                (void) close_fd(fd[i]);
        struct client c = client_direct(t.f);
        ping_ok(&c);
        client_close(&c);
        beside_end(&t);
}
END_TEST

static bool is_served(struct client *c, int r) {
        return r >= 0 && client_ping(c) >= 0;
}

START_TEST(connection_limit) {
        struct beside t = beside_begin("[Limits]\nConnections=10\n");
        struct client c[9], more = {};

        for (size_t i = 0; i < ELEMENTSOF(c); i++) {
                c[i] = client_direct(t.f);
                ping_ok(&c[i]);
        }
        ck_assert(!is_served(&more, client_connect(t.f->daemon->address, false, &more)));
        client_close(&more);
        honest_ok(&t);
        client_close(&c[3]);
        await(({
                bool served = is_served(&more, client_connect(t.f->daemon->address, false, &more));

                client_close(&more);
                served;
        }));
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                client_close(&c[i]);
        beside_end(&t);
}
END_TEST

START_TEST(connection_limit_per_uid) {
        _cleanup_free_ char *config = NULL;
        struct client c[3], more = {}, root;
        struct beside t;
        gid_t group;

        SKIP_UNLESS_ROOT();
        config = config_with_group("[Limits]\nConnectionsPerUid=3\n", &group);
        t = beside_begin(config);
        for (size_t i = 0; i < ELEMENTSOF(c); i++) {
                c[i] = client_direct_as(t.f, ANN, group);
                ping_ok(&c[i]);
        }
        ck_assert(!is_served(&more, client_try_direct_as(t.f, ANN, group, &more)));
        client_close(&more);
        more = client_direct_as(t.f, ANN + 1, group);
        ping_ok(&more);
        root = client_direct(t.f);
        ping_ok(&root);
        client_close(&root);
        client_close(&more);
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                client_close(&c[i]);
        beside_end(&t);
}
END_TEST

/* 100000 questions with large answers, and no answer is ever read. */
START_TEST(never_reads) {
        struct beside t = beside_begin("[Limits]\nQueuedBytesPerConnection=2M\n");
        int fd = raw_connect_authenticated(t.f), r = 0;
        uint8_t call[RAW_CALL_MAX];

        free(alloc_many_ok(&t.honest, t.path, 10000, 0, 0, 0));
        for (uint32_t i = 1; i <= 100000 && r >= 0; i++) {
                r = raw_send(fd, call, raw_call(call, i, t.path, PASIDD_IFACE_CONSUMER, "List", true));
                if (i % 100 == 0) {
                        honest_ok(&t);
                        beside_memory_ok(&t);
                }
        }
        honest_ok(&t);
        (void) close_fd(fd);
        beside_end(&t);
}
END_TEST

static int on_flood_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        unsigned *n_open = userdata;

        (*n_open)--;
        return 1;
}

/* Calls without end, hundreds of them under way at a time. */
static void flood(struct child *self, void *userdata) {
        struct fixture *f = userdata;
        struct client c = client_direct(f);
        _cleanup_free_ char *name = NULL, *path = NULL;
        unsigned n_open = 0;

        ck_assert_int_ge(asprintf(&name, "flood-%d", getpid()), 0);
        path = init_ok(&c, name, 0);
        child_ready(self);
        for (;;) {
                for (; n_open < 500; n_open += 2) {
                        consumer_async(&c, on_flood_reply, &n_open, path, "List", "uu", 0U, 0U);
                        consumer_async(&c, on_flood_reply, &n_open, path, "AllocMany", "uuuaya{sv}", 3U, 0U, 0U, 0, 0);
                }
                client_wait(&c);
        }
}

START_TEST(endless_calls) {
        struct beside t = beside_begin(NULL);
        struct child floods[3];
        uint64_t worst = 0;

        for (size_t i = 0; i < ELEMENTSOF(floods); i++)
                floods[i] = child_start(flood, t.f);
        for (size_t i = 0; i < ELEMENTSOF(floods); i++)
                child_await_ready(&floods[i]);
        for (int i = 0; i < 100; i++) {
                uint64_t begun = monotonic_msec();

                honest_ok(&t);
                worst = monotonic_msec() - begun > worst ? monotonic_msec() - begun : worst;
        }
        ck_assert_msg(worst < 5000, "the honest client waited %u ms", (unsigned) worst);
        for (size_t i = 0; i < ELEMENTSOF(floods); i++)
                child_kill(&floods[i]); /* in mid-call */
        beside_end(&t);
}
END_TEST

static void come_and_go(struct child *self, void *userdata) {
        const struct fixture *f = userdata;
        struct sockaddr_un sa = { .sun_family = AF_UNIX };

        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", f->daemon->socket_path);
        child_ready(self);
        for (;;) {
                int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

                if (fd < 0 || connect(fd, (const struct sockaddr *) &sa, sizeof(sa)) < 0)
                        break; /* the daemon is gone */
                (void) close(fd);
        }
}

/* There is always one more at the door: what waits for the commit gets it all the same. */
START_TEST(endless_connections) {
        struct beside t = beside_begin(NULL);
        struct child storms[3];

        for (size_t i = 0; i < ELEMENTSOF(storms); i++)
                storms[i] = child_start(come_and_go, t.f);
        for (size_t i = 0; i < ELEMENTSOF(storms); i++)
                child_await_ready(&storms[i]);
        for (int i = 0; i < 20; i++)
                honest_ok(&t);
        for (size_t i = 0; i < ELEMENTSOF(storms); i++)
                child_kill(&storms[i]);
        beside_end(&t);
}
END_TEST

START_TEST(killed_in_mid_call) {
        struct beside t = beside_begin("[Daemon]\nReuseDelaySec=0\n");

        for (int i = 0; i < 20; i++) {
                struct child child = child_start(flood, t.f);

                child_await_ready(&child);
                child_kill(&child);
        }
        await(property_number(&t.honest, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers") == 1);
        ck_assert_uint_eq(property_number(&t.honest, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Pasids"), 0);
        beside_end(&t);
}
END_TEST

/* A thousand at once: each makes a consumer and allocates, one call at a time. */
#define CLIENTS 1000
#define ROUNDS 10

struct one {
        struct client c;
        char *path;
        unsigned n_done;
        struct crowd *crowd;
};

struct crowd {
        struct one clients[CLIENTS];
        struct pollfd polls[CLIENTS];
        unsigned n_ready, n_finished;
        unsigned least_at_first_finish;
};

static void ask_next(struct one *one);

static int on_alloc(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct one *one = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);

        ck_assert_msg(!e, "%s: %s", e ? e->name : "", e ? e->message : "");
        if (++one->n_done < ROUNDS)
                ask_next(one);
        else if (one->crowd->n_finished++ == 0) {
                unsigned least = ROUNDS;

                for (size_t i = 0; i < CLIENTS; i++)
                        least = one->crowd->clients[i].n_done < least ? one->crowd->clients[i].n_done : least;
                one->crowd->least_at_first_finish = least;
        }
        return 1;
}

static void ask_next(struct one *one) {
        consumer_async(&one->c, on_alloc, one, one->path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 0);
}

static int on_init(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct one *one = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        const char *path;

        ck_assert_msg(!e, "%s: %s", e ? e->name : "", e ? e->message : "");
        ck_assert_int_gt(sd_bus_message_read(m, "o", &path), 0);
        one->path = strdup(path);
        if (++one->crowd->n_ready == CLIENTS) /* all at once from here on */
                for (size_t i = 0; i < CLIENTS; i++)
                        ask_next(&one->crowd->clients[i]);
        return 1;
}

static void run_crowd(struct crowd *crowd) {
        uint64_t end = monotonic_msec() + 2 * WAIT_LIMIT_MSEC;

        while (crowd->n_finished < CLIENTS) {
                for (size_t i = 0; i < CLIENTS; i++)
                        crowd->polls[i] = (struct pollfd) { .fd = sd_bus_get_fd(crowd->clients[i].c.bus),
                                                            .events = (short) sd_bus_get_events(crowd->clients[i].c.bus) };
                ck_assert_int_gt(poll(crowd->polls, CLIENTS, WAIT_LIMIT_MSEC), 0);
                ck_assert_msg(monotonic_msec() < end, "%u of %u were served", crowd->n_finished, CLIENTS);
                for (size_t i = 0; i < CLIENTS; i++) {
                        int r = crowd->polls[i].revents ? 1 : 0;

                        while (r > 0)
                                r = sd_bus_process(crowd->clients[i].c.bus, NULL);
                        ck_assert_msg(r >= 0, "client %zu: %s", i, strerror(-r));
                }
        }
}

START_TEST(thousand_clients) {
        struct rlimit limit;
        struct crowd *crowd = calloc(1, sizeof(*crowd));
        struct beside t;

        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = limit.rlim_max; /* the daemon inherits it */
        if (limit.rlim_max < CLIENTS + 100) {
                free(crowd);
                SKIP("the limit on file descriptors is too low");
        }
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        t = beside_begin(NULL);
        for (unsigned i = 0; i < CLIENTS; i++) {
                struct one *one = &crowd->clients[i];
                char name[16];

                (void) snprintf(name, sizeof(name), "vm-%u", i);
                one->crowd = crowd;
                one->c = client_direct(t.f);
                manager_async(&one->c, on_init, one, "Init", "sa{sv}", name, 0);
        }
        run_crowd(crowd);
        ck_assert_uint_eq(property_number(&t.honest, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Pasids"), CLIENTS * ROUNDS);
        ck_assert_uint_eq(property_number(&t.honest, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers"), CLIENTS + 1);
        ck_assert_msg(crowd->least_at_first_finish > 0, "one had no answer yet when another had %u", ROUNDS);
        for (size_t i = 0; i < CLIENTS; i++) {
                client_close(&crowd->clients[i].c);
                free(crowd->clients[i].path);
        }
        await(property_number(&t.honest, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers") == 1);
        free(crowd);
        beside_end(&t);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-hostile");
        TCase *tcase = fixture_add_case(suite, "clients");

        tcase_add_test(tcase, half_open);
        tcase_add_test(tcase, connection_limit);
        tcase_add_test(tcase, connection_limit_per_uid);
        tcase_add_test(tcase, never_reads);
        tcase_add_test(tcase, endless_calls);
        tcase_add_test(tcase, endless_connections);
        tcase_add_test(tcase, killed_in_mid_call);
        tcase_add_test(tcase, thousand_clients);
        return fixture_main(suite);
}
