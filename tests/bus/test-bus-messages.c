/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages that mean harm, or are broken: each is answered, ignored, or its
 * sender cut off, and nothing that it makes the daemon keep is without bound.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "beside.h"
#include "raw.h"

/* Larger than any bound of ours, but of the right type. */
START_TEST(huge_arrays) {
        static const size_t sizes[] = { 5U << 20, 12U << 20, 40U << 20 };
        struct beside t = beside_begin(NULL);
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
                honest_ok(&t);
        }
        free(numbers);
        beside_end(&t);
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
        struct beside t = beside_begin(NULL);

        for (int i = 0; i < 5; i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
                int r;

                r = sd_bus_message_new_method_call(t.honest.bus, &m, NULL, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Init");
                ck_assert_int_ge(r, 0);
                ck_assert_int_ge(sd_bus_message_append(m, "s", "vm"), 0);
                r = i == 0   ? append_devices(m, 100000)
                    : i == 1 ? append_devices(m, 1000)
                    : i == 2 ? append_options(m, 100000, "colour")
                    : i == 3 ? append_options(m, 100000, "min")
                             : append_nested(m);
                ck_assert_int_ge(r, 0);
                ck_assert_int_lt(sd_bus_call(t.honest.bus, m, 0, &error, NULL), 0);
                ck_assert_msg(sd_bus_error_has_names(&error, E_ARGS, E("NoSuchDevice")), "%d: %s: %s", i, error.name,
                              error.message);
                ck_assert_uint_lt(strlen(error.message), 1024);
        }
        beside_end(&t);
}
END_TEST

/* A number as a client would draw it. */
static uint32_t draw(uint64_t *state) {
        *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
        return (uint32_t) (*state >> 33);
}

START_TEST(random_bytes) {
        struct beside t = beside_begin(NULL);
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
        beside_end(&t);
}
END_TEST

/* One bit of a good message is wrong: answered, ignored or cut off. */
START_TEST(flipped_bits) {
        struct beside t = beside_begin(NULL);
        uint8_t call[RAW_CALL_MAX], bad[RAW_CALL_MAX];
        size_t n = raw_call(call, 1, PASIDD_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", false);

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
        beside_end(&t);
}
END_TEST

START_TEST(truncated_messages) {
        struct beside t = beside_begin(NULL);
        uint8_t call[RAW_CALL_MAX];
        size_t n = raw_call(call, 1, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Subscribe", false);

        for (size_t k = 1; k < n; k += 5) {
                int fd = raw_connect_authenticated(t.f);

                ck_assert_int_eq(raw_send(fd, call, k), 0);
                (void) close_fd(fd);
        }
        /* it would be whole one day: nothing is waited for */
        int fd = raw_connect_authenticated(t.f);
        ck_assert_int_eq(raw_send(fd, call, n - 1), 0);
        honest_ok(&t);
        (void) close_fd(fd);
        beside_end(&t);
}
END_TEST

/* Messages that say they have 100 MB and never send them; and a large one that trickles in, for as long as it is listened to. */
START_TEST(announced_giants) {
        static const uint32_t giant = 100U << 20, large = 6U << 20;
        static const uint8_t zeros[65536];
        struct beside t = beside_begin("[Limits]\nQueuedBytesPerConnection=1M\n");
        uint8_t call[RAW_CALL_MAX];
        size_t n = raw_call(call, 1, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Subscribe", false), sent = 0;
        uint64_t end = monotonic_msec() + WAIT_LIMIT_MSEC;
        int fd[10], r = 0;

        for (size_t i = 0; i < ELEMENTSOF(fd); i++) {
                memcpy(call + 4, i > 0 ? &giant : &large, sizeof(giant));
                fd[i] = raw_connect_authenticated(t.f);
                ck_assert_int_eq(raw_send(fd[i], call, n), 0);
        }
        while (r != -EPIPE && sent < large && monotonic_msec() < end) {
                r = raw_send(fd[0], zeros, sizeof(zeros));
                sent += r == 0 ? sizeof(zeros) : 0; /* on a slow machine it may take some time until it takes more */
                ping_ok(&t.honest); /* and has been looked at by now */
        }
        ck_assert_msg(r == -EPIPE, "it was listened to until the end");
        honest_ok(&t);
        for (size_t i = 0; i < ELEMENTSOF(fd); i++)
                (void) close_fd(fd[i]);
        beside_end(&t);
}
END_TEST

/* File descriptors that come with calls are not kept. */
START_TEST(passed_descriptors) {
        struct beside t = beside_begin(NULL);
        int before = process_count_fds(t.f->daemon->pid);

        for (int i = 0; i < 100; i++) {
                init_error(&t.honest, E_ARGS, "hold", "vm", 2, "hold", "s", "boot", "fd", "h", STDERR_FILENO);
                init_error(&t.honest, E_ARGS, "min", "vm", 1, "min", "h", STDERR_FILENO);
        }
        await(process_count_fds(t.f->daemon->pid) == before);
        beside_end(&t);
}
END_TEST

/* One that no argument names ends the connection; none that an argument could name, or one that was not agreed on, is an error. */
START_TEST(surplus_descriptors) {
        struct beside t = beside_begin(NULL);
        uint8_t call[RAW_CALL_MAX];
        int fd = raw_connect_for_fds(t.f), before;
        size_t n;

        ping_ok(&t.honest);
        before = process_count_fds(t.f->daemon->pid);
        for (uint32_t i = 1; i < 20; i++) {
                n = raw_map(call, i, t.path, 1, 0);
                raw_send_fds(fd, call, n, STDERR_FILENO, 1);
                ck_assert(raw_answer_has(fd, E("NotMediated")));
        }
        n = raw_map(call, 21, t.path, 0, 0);
        ck_assert_int_eq(raw_send(fd, call, n), 0);
        ck_assert(raw_answer_has(fd, E_ARGS));
        n = raw_map(call, 22, t.path, 1, 7);
        raw_send_fds(fd, call, n, STDERR_FILENO, 1);
        ck_assert_int_eq(raw_await_close(fd), 0);
        await(process_count_fds(t.f->daemon->pid) <= before);

        (void) close_fd(fd);
        fd = raw_connect_authenticated(t.f); /* it said nothing of file descriptors */
        raw_send_fds(fd, call, n, STDERR_FILENO, 1);
        ck_assert_int_eq(raw_await_close(fd), 0);
        (void) close_fd(fd);
        beside_end(&t);
}
END_TEST

/* Nobody waits for these answers. */
START_TEST(no_reply_expected) {
        struct beside t = beside_begin(NULL);

        for (int i = 0; i < 10; i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

                ck_assert_int_ge(sd_bus_message_new_method_call(t.honest.bus, &m, NULL, t.path, PASIDD_IFACE_CONSUMER, "Alloc"), 0);
                ck_assert_int_ge(sd_bus_message_append(m, "uuaya{sv}", 0U, 0U, 0, 0), 0);
                ck_assert_int_ge(sd_bus_message_set_expect_reply(m, 0), 0);
                ck_assert_int_ge(sd_bus_send(t.honest.bus, m, NULL), 0);
        }
        ck_assert_uint_eq(property_number(&t.honest, t.path, PASIDD_IFACE_CONSUMER, "Allocated"), 10);
        /* nor does anybody listen to a client's signals */
        ck_assert_int_ge(sd_bus_emit_signal(t.honest.bus, PASIDD_PATH, PASIDD_IFACE_MANAGER, "PasidFreed", "ous", t.path, 1U,
                                            "freed"), 0);
        beside_end(&t);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-messages");
        TCase *tcase = fixture_add_case(suite, "messages");

        tcase_add_test(tcase, huge_arrays);
        tcase_add_test(tcase, huge_options);
        tcase_add_test(tcase, random_bytes);
        tcase_add_test(tcase, flipped_bits);
        tcase_add_test(tcase, truncated_messages);
        tcase_add_test(tcase, announced_giants);
        tcase_add_test(tcase, passed_descriptors);
        tcase_add_test(tcase, surplus_descriptors);
        tcase_add_test(tcase, no_reply_expected);
        return fixture_main(suite);
}
