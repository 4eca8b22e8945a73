/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients that mean harm, or are broken: each is answered or cut off, nothing
 * that it makes the daemon keep is without bound, and an honest client beside
 * it is served as before.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "raw.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1 /* as gcc says it */
#endif
#endif

#define ANN 60001
#define MEMORY_LIMIT_KB (128U * 1024U)

struct test {
        struct fixture *f;
        struct client honest;
        char *path;
        int n_fds; /* the daemon's, before the others came */
};

static struct test begin(const char *config) {
        struct test t = { .f = fixture_new_started(config) };

        t.honest = client_direct(t.f);
        t.path = init_ok(&t.honest, "honest", 0);
        t.n_fds = process_count_fds(t.f->daemon->pid);
        return t;
}

static void assert_honest_served(struct test *t) {
        uint32_t pasid = alloc_ok(&t->honest, t->path, 0, 0);

        free_ok(&t->honest, t->path, pasid);
}

/* What a checker of memory needs itself is not counted. */
static void assert_memory_bounded(const struct test *t) {
#ifndef __SANITIZE_ADDRESS__
        if (!getenv("PASIDD_WRAPPER"))
                ck_assert_uint_lt(process_memory_kb(t->f->daemon->pid, "VmHWM"), MEMORY_LIMIT_KB);
#endif
}

/* The others are gone, and nothing of them is left. */
static void end(struct test *t) {
        assert_honest_served(t);
        await(process_count_fds(t->f->daemon->pid) <= t->n_fds);
        assert_memory_bounded(t);
        client_close(&t->honest);
        fixture_free(t->f);
        free(t->path);
}

/* Larger than any bound of ours, but of the right type. */
START_TEST(huge_arrays) {
        static const size_t sizes[] = { 5U << 20, 12U << 20, 40U << 20 };
        struct test t = begin(NULL);
        uint32_t *numbers = calloc(sizes[2], 1);

        ck_assert_ptr_nonnull(numbers);
        for (size_t i = 0; i < sizes[2] / sizeof(*numbers); i++)
                numbers[i] = (uint32_t) (i % NUMBER_MAX + 1);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                struct client c = client_direct(t.f);
                uint32_t range[2] = { 0, 0 };

                ck_assert_int_lt(client_call_array(&c, NULL, t.path, "FreeMany", numbers, sizes[i] / sizeof(*numbers)), 0);
                client_close(&c);
                c = client_direct(t.f);
                ck_assert_int_lt(client_call_private(&c, NULL, t.path, "Alloc", range, 2, numbers, sizes[i]), 0);
                client_close(&c);
                assert_honest_served(&t);
        }
        free(numbers);
        end(&t);
}
END_TEST

static int append_devices(sd_bus_message *m, size_t n) {
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "devices");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; i < n && r >= 0; i++)
                r = sd_bus_message_append(m, "s", "0000:00:00.0");
        for (size_t i = 0; i < 4 && r >= 0; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_options(sd_bus_message *m, size_t n, const char *key) {
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        for (size_t i = 0; i < n && r >= 0; i++)
                r = sd_bus_message_append(m, "{sv}", key, "u", 1U);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_nested(sd_bus_message *m) {
        enum { DEPTH = 60 };
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "min");
        for (size_t i = 0; i < DEPTH && r >= 0; i++)
                r = sd_bus_message_open_container(m, 'v', i + 1 < DEPTH ? "v" : "u");
        if (r >= 0)
                r = sd_bus_message_append(m, "u", 1U);
        for (size_t i = 0; i < DEPTH + 2 && r >= 0; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

START_TEST(huge_options) {
        struct test t = begin(NULL);

        for (int i = 0; i < 5; i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
                int r;

                ck_assert_int_ge(sd_bus_message_new_method_call(t.honest.bus, &m, NULL, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Init"), 0);
                ck_assert_int_ge(sd_bus_message_append(m, "s", "vm"), 0);
                r = i == 0 ? append_devices(m, 100000) : i == 1 ? append_devices(m, 1000) : i == 2 ? append_options(m, 100000, "colour") :
                    i == 3 ? append_options(m, 100000, "min") : append_nested(m);
                ck_assert_int_ge(r, 0);
                ck_assert_int_lt(sd_bus_call(t.honest.bus, m, 0, &error, NULL), 0);
                ck_assert_msg(sd_bus_error_has_names(&error, E_ARGS, E("NoSuchDevice")), "%d: %s: %s", i, error.name, error.message);
                ck_assert_uint_lt(strlen(error.message), 1024);
        }
        end(&t);
}
END_TEST

/* A number as a client would draw it. */
static uint32_t draw(uint64_t *state) {
        *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
        return (uint32_t) (*state >> 33);
}

START_TEST(random_bytes) {
        struct test t = begin(NULL);
        uint64_t state = 1;
        uint8_t noise[2048];

        for (int i = 0; i < 150; i++) {
                int fd = i % 3 == 2 ? raw_connect_authenticated(t.f) : raw_connect(t.f);

                for (size_t k = 0; k < sizeof(noise); k++)
                        noise[k] = (uint8_t) draw(&state);
                if (i % 3 == 1)
                        (void) raw_send(fd, "\0AUTH ", 6);
                else if (i % 6 == 2) { /* looks like a header */
                        noise[0] = 'l';
                        noise[1] = (uint8_t) (1 + i / 6 % 4);
                        noise[3] = 1;
                        noise[7] = noise[15] = 0;
                }
                (void) raw_send(fd, noise, draw(&state) % sizeof(noise) + 1);
                (void) shutdown(fd, SHUT_WR);
                ck_assert_msg(raw_await_close(fd) == 0, "round %d: the connection was not closed", i);
                (void) close_fd(fd);
        }
        end(&t);
}
END_TEST

/* One bit of a good message is wrong: answered, ignored or cut off. */
START_TEST(flipped_bits) {
        struct test t = begin(NULL);
        uint8_t call[256], bad[256];
        size_t n = raw_call(call, 1, PASIDD_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");

        for (size_t bit = 0; bit < n * 8; bit += 3) {
                int fd = raw_connect_authenticated(t.f);

                memcpy(bad, call, n);
                bad[bit / 8] ^= (uint8_t) (1U << bit % 8);
                (void) raw_send(fd, bad, n);
                (void) raw_send(fd, call, n);
                (void) shutdown(fd, SHUT_WR);
                ck_assert_msg(raw_await_close(fd) == 0, "bit %zu: the connection was not closed", bit);
                (void) close_fd(fd);
        }
        end(&t);
}
END_TEST

START_TEST(truncated_messages) {
        struct test t = begin(NULL);
        uint8_t call[256];
        size_t n = raw_call(call, 1, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Subscribe");

        for (size_t k = 1; k < n; k += 5) {
                int fd = raw_connect_authenticated(t.f);

                ck_assert(raw_send(fd, call, k));
                (void) close_fd(fd);
        }
        /* it would be whole one day: nothing is waited for */
        int fd = raw_connect_authenticated(t.f);
        ck_assert(raw_send(fd, call, n - 1));
        assert_honest_served(&t);
        (void) close_fd(fd);
        end(&t);
}
END_TEST

/* Messages that say they have 100 MB and never send them; and one of 24 MB, which is sent as long as it is listened to. */
START_TEST(announced_giants) {
        static const uint32_t giant = 100U << 20, large = 24U << 20;
        static const uint8_t zeros[65536];
        struct test t = begin(NULL);
        uint8_t call[256];
        size_t n = raw_call(call, 1, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Subscribe"), sent = 0;
        bool open = true;
        int fd[10];

        for (size_t i = 0; i < ELEMENTSOF(fd); i++) {
                memcpy(call + 4, i > 0 ? &giant : &large, sizeof(giant));
                fd[i] = raw_connect_authenticated(t.f);
                ck_assert(raw_send(fd[i], call, n));
        }
        for (; open && sent < large; sent += sizeof(zeros))
                open = raw_send(fd[0], zeros, sizeof(zeros));
        ck_assert_msg(!open, "it was listened to until the end");
        assert_honest_served(&t);
        for (size_t i = 0; i < ELEMENTSOF(fd); i++)
                (void) close_fd(fd[i]);
        end(&t);
}
END_TEST

/* Never authenticating: counted as connections, and closed in time. */
START_TEST(half_open) {
        struct test t = begin("[Limits]\nConnections=20\n");
        int fd[25];

        for (size_t i = 0; i < ELEMENTSOF(fd); i++) {
                fd[i] = raw_connect(t.f);
                if (i % 2)
                        (void) raw_send(fd[i], "\0AUTH EXTERNAL\r\n", 16);
        }
        for (size_t i = 19; i < ELEMENTSOF(fd); i++) /* beside the honest one 19 have room: these are closed at once */
                ck_assert_int_eq(raw_await_close(fd[i]), 0);
        assert_honest_served(&t);
        for (size_t i = 0; i < 19; i++)
                ck_assert_msg(raw_await_close(fd[i]) == 0, "connection %zu was never closed", i);
        for (size_t i = 0; i < ELEMENTSOF(fd); i++)
                (void) close_fd(fd[i]);
        struct client c = client_direct(t.f);
        ping_ok(&c);
        client_close(&c);
        end(&t);
}
END_TEST

static bool is_served(struct client *c, int r) {
        return r >= 0 && client_ping(c) >= 0;
}

START_TEST(connection_limit) {
        struct test t = begin("[Limits]\nConnections=10\n");
        struct client c[9], more = {};

        for (size_t i = 0; i < ELEMENTSOF(c); i++) {
                c[i] = client_direct(t.f);
                ping_ok(&c[i]);
        }
        ck_assert(!is_served(&more, client_connect(t.f->daemon->address, false, &more)));
        client_close(&more);
        assert_honest_served(&t);
        client_close(&c[3]);
        await(({
                bool served = is_served(&more, client_connect(t.f->daemon->address, false, &more));

                client_close(&more);
                served;
        }));
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                client_close(&c[i]);
        end(&t);
}
END_TEST

START_TEST(connection_limit_per_uid) {
        _cleanup_free_ char *config = NULL;
        struct client c[3], more, root;
        const char *name;
        struct test t;
        gid_t group;

        SKIP_UNLESS_ROOT();
        ck_assert(find_group(&group, &name));
        ck_assert_int_ge(asprintf(&config, "[Daemon]\nGroup=%s\n[Limits]\nConnectionsPerUid=3\n", name), 0);
        t = begin(config);
        for (size_t i = 0; i < ELEMENTSOF(c); i++) {
                c[i] = client_direct_as(t.f, ANN, group);
                ping_ok(&c[i]);
        }
        more = client_direct_as(t.f, ANN, group);
        ck_assert_int_lt(client_ping(&more), 0);
        client_close(&more);
        more = client_direct_as(t.f, ANN + 1, group);
        ping_ok(&more);
        root = client_direct(t.f);
        ping_ok(&root);
        client_close(&root);
        client_close(&more);
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                client_close(&c[i]);
        end(&t);
}
END_TEST

/* 100000 questions with large answers, and no answer is ever read. */
START_TEST(never_reads) {
        struct test t = begin("[Limits]\nPasidsPerConsumer=1048575\nQueuedBytesPerConnection=2M\n");
        int fd = raw_connect_authenticated(t.f);
        uint64_t end_msec = monotonic_msec() + 3000;
        uint8_t call[256];

        free(alloc_many_ok(&t.honest, t.path, 10000, 0, 0, 0));
        for (uint32_t i = 1; i <= 100000 && monotonic_msec() < end_msec; i++) {
                size_t n = raw_call(call, i, PASIDD_PATH, "org.freedesktop.DBus.Introspectable", "Introspect");

                if (!raw_send(fd, call, n))
                        break;
                if (i % 1000 == 0)
                        assert_honest_served(&t);
        }
        assert_honest_served(&t);
        assert_memory_bounded(&t);
        (void) close_fd(fd);
        end(&t);
}
END_TEST

/* The same through a library that keeps sending for as long as the socket takes it. */
START_TEST(never_reads_lists) {
        struct test t = begin("[Limits]\nPasidsPerConsumer=1048575\n");
        struct client c = client_direct(t.f);

        free(alloc_many_ok(&t.honest, t.path, 10000, 0, 0, 0));
        ping_ok(&c);
        for (uint32_t i = 0; i < 100000; i++) {
                if (sd_bus_call_method_async(c.bus, NULL, NULL, t.path, PASIDD_IFACE_CONSUMER, "List", NULL, NULL, "uu", 0U, 0U) < 0)
                        break;
                if (i % 10000 == 0)
                        assert_honest_served(&t);
        }
        assert_honest_served(&t);
        assert_memory_bounded(&t);
        client_close(&c);
        end(&t);
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
                int r = 1;

                for (; n_open < 500; n_open++)
                        if (sd_bus_call_method_async(c.bus, NULL, NULL, path, PASIDD_IFACE_CONSUMER, n_open % 2 ? "List" : "AllocMany",
                                                     on_flood_reply, &n_open, n_open % 2 ? "uu" : "uuuaya{sv}", n_open % 2 ? 0U : 3U, 0U, 0U, 0, 0) < 0)
                                return;
                while (r > 0)
                        r = sd_bus_process(c.bus, NULL);
                if (r < 0 || sd_bus_wait(c.bus, UINT64_MAX) < 0)
                        return;
        }
}

START_TEST(endless_calls) {
        struct test t = begin(NULL);
        struct child floods[3];
        uint64_t worst = 0;

        for (size_t i = 0; i < ELEMENTSOF(floods); i++)
                floods[i] = child_start(flood, t.f);
        for (size_t i = 0; i < ELEMENTSOF(floods); i++)
                child_await_ready(&floods[i]);
        for (int i = 0; i < 100; i++) {
                uint64_t begun = monotonic_msec();

                assert_honest_served(&t);
                worst = monotonic_msec() - begun > worst ? monotonic_msec() - begun : worst;
        }
        ck_assert_msg(worst < 5000, "the honest client waited %u ms", (unsigned) worst);
        for (size_t i = 0; i < ELEMENTSOF(floods); i++)
                child_kill(&floods[i]); /* in mid-call */
        end(&t);
}
END_TEST

START_TEST(killed_in_mid_call) {
        struct test t = begin("[Daemon]\nReuseDelaySec=0\n");

        for (int i = 0; i < 20; i++) {
                struct child child = child_start(flood, t.f);

                child_await_ready(&child);
                child_kill(&child);
        }
        await(property_number(&t.honest, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers") == 1);
        ck_assert_uint_eq(property_number(&t.honest, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Pasids"), 0);
        end(&t);
}
END_TEST

/* File descriptors that come with calls are not kept. */
START_TEST(passed_descriptors) {
        struct test t = begin(NULL);
        int before = process_count_fds(t.f->daemon->pid);

        for (int i = 0; i < 100; i++) {
                init_error(&t.honest, E("Unsupported"), NULL, "vm", 2, "hold", "s", "fd", "fd", "h", STDERR_FILENO);
                init_error(&t.honest, E_ARGS, "min", "vm", 1, "min", "h", STDERR_FILENO);
        }
        await(process_count_fds(t.f->daemon->pid) == before);
        end(&t);
}
END_TEST

/* Nobody waits for these answers. */
START_TEST(no_reply_expected) {
        struct test t = begin(NULL);

        for (int i = 0; i < 10; i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

                ck_assert_int_ge(sd_bus_message_new_method_call(t.honest.bus, &m, NULL, t.path, PASIDD_IFACE_CONSUMER, "Alloc"), 0);
                ck_assert_int_ge(sd_bus_message_append(m, "uuaya{sv}", 0U, 0U, 0, 0), 0);
                ck_assert_int_ge(sd_bus_message_set_expect_reply(m, 0), 0);
                ck_assert_int_ge(sd_bus_send(t.honest.bus, m, NULL), 0);
        }
        ck_assert_uint_eq(property_number(&t.honest, t.path, PASIDD_IFACE_CONSUMER, "Allocated"), 10);
        ck_assert_int_ge(sd_bus_emit_signal(t.honest.bus, PASIDD_PATH, PASIDD_IFACE_MANAGER, "PasidFreed", "ous", t.path, 1U, "freed"), 0);
        end(&t);
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
        ck_assert_int_ge(sd_bus_call_method_async(one->c.bus, NULL, NULL, one->path, PASIDD_IFACE_CONSUMER, "Alloc", on_alloc, one,
                                                  "uuaya{sv}", 0U, 0U, 0, 0), 0);
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
        struct test t;

        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = limit.rlim_max; /* the daemon inherits it */
        if (limit.rlim_max < CLIENTS + 100) {
                free(crowd);
                SKIP("the limit on file descriptors is too low");
        }
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        t = begin(NULL);
        for (unsigned i = 0; i < CLIENTS; i++) {
                struct one *one = &crowd->clients[i];
                char name[16];

                (void) snprintf(name, sizeof(name), "vm-%u", i);
                one->crowd = crowd;
                one->c = client_direct(t.f);
                ck_assert_int_ge(sd_bus_call_method_async(one->c.bus, NULL, NULL, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Init", on_init, one,
                                                          "sa{sv}", name, 0), 0);
        }
        run_crowd(crowd);
        ck_assert_uint_eq(property_number(&t.honest, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Pasids"), CLIENTS * ROUNDS);
        ck_assert_uint_eq(property_number(&t.honest, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers"), CLIENTS + 1);
        ck_assert_msg(crowd->least_at_first_finish >= ROUNDS / 2, "one had %u answers when another had %u",
                      crowd->least_at_first_finish, ROUNDS);
        for (size_t i = 0; i < CLIENTS; i++) {
                client_close(&crowd->clients[i].c);
                free(crowd->clients[i].path);
        }
        await(property_number(&t.honest, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers") == 1);
        free(crowd);
        end(&t);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-hostile");
        TCase *messages = fixture_add_case(suite, "messages"), *clients = fixture_add_case(suite, "clients");

        tcase_add_test(messages, huge_arrays);
        tcase_add_test(messages, huge_options);
        tcase_add_test(messages, random_bytes);
        tcase_add_test(messages, flipped_bits);
        tcase_add_test(messages, truncated_messages);
        tcase_add_test(messages, announced_giants);
        tcase_add_test(messages, passed_descriptors);
        tcase_add_test(messages, no_reply_expected);
        tcase_add_test(clients, half_open);
        tcase_add_test(clients, connection_limit);
        tcase_add_test(clients, connection_limit_per_uid);
        tcase_add_test(clients, never_reads);
        tcase_add_test(clients, never_reads_lists);
        tcase_add_test(clients, endless_calls);
        tcase_add_test(clients, killed_in_mid_call);
        tcase_add_test(clients, thousand_clients);
        return fixture_main(suite);
}
