/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client's life: addresses, timeouts, connections that fail or end, fork,
 * signals, the event loop's view, and structs of other versions.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake-daemon.h"

static int handler(struct fake *fake, sd_bus_message *call, void *userdata) {
        if (fake_is(call, "Free"))
                return 1; /* never answered */
        if (fake_is(call, "Exit")) {
                fake_hang_up(fake);
                return 1;
        }
        if (fake_is(call, "SetPrivate"))
                return fake_reply(fake, call, NULL);
        return fake_reply_consumer(fake, call);
}

static int try_address(const char *address, uint64_t timeout_msec) {
        struct pasid_client_options options = PASID_CLIENT_OPTIONS_INIT;
        struct pasid_client *client = (void *) 1;
        int r;

        options.address = address;
        options.timeout_usec = timeout_msec * 1000;
        r = pasid_client_new(&options, &client);
        if (r < 0)
                ck_assert_ptr_eq(client, (void *) 1);
        else
                (void) pasid_client_free(client);
        return r;
}

START_TEST(addresses)
{
        struct fake *fake = fake_new(handler, NULL);
        struct pasid_client *client;

        client = fake_client(fake_address(fake), 0);
        ck_assert_str_eq(pasid_client_get_address(client), fake_address(fake));
        ck_assert_str_eq(pasid_strerror_last(client), "");
        ck_assert_ptr_null(pasid_client_free(client));

        client = fake_client(fake_bus_address(fake), 0);
        ck_assert_str_eq(pasid_client_get_address(client), fake_bus_address(fake));
        (void) pasid_client_free(client);

        ck_assert_int_eq(setenv("PASIDD_ADDRESS", fake_address(fake), 1), 0);
        client = fake_client(NULL, 0);
        ck_assert_str_eq(pasid_client_get_address(client), fake_address(fake));
        (void) pasid_client_free(client);
        ck_assert_int_eq(pasid_client_new(NULL, &client), 0);
        (void) pasid_client_free(client);

        ck_assert_int_eq(setenv("DBUS_SYSTEM_BUS_ADDRESS", fake_address(fake), 1), 0);
        client = fake_client("system", 0);
        ck_assert_str_eq(pasid_client_get_address(client), "system");
        (void) pasid_client_free(client);
        fake_free(fake);
}
END_TEST

/* Without an address: the standard socket is not there in a test, so the system bus it is. */
START_TEST(default_address)
{
        struct fake *fake = fake_new(handler, NULL);
        struct pasid_client *client;

        if (access(PASIDD_SOCKET, F_OK) == 0) {
                fake_free(fake);
                return;
        }
        ck_assert_int_eq(setenv("DBUS_SYSTEM_BUS_ADDRESS", fake_address(fake), 1), 0);
        ck_assert_int_eq(setenv("PASIDD_ADDRESS", "", 1), 0);
        ck_assert_int_eq(pasid_client_new(NULL, &client), 0);
        ck_assert_str_eq(pasid_client_get_address(client), "system");
        (void) pasid_client_free(client);
        fake_free(fake);

        ck_assert_int_eq(pasid_client_new(NULL, &client), -ECONNREFUSED);
}
END_TEST

START_TEST(addresses_that_fail)
{
        struct fake *fake = fake_new(handler, NULL);

        ck_assert_int_eq(try_address("", 0), -EINVAL);
        ck_assert_int_eq(try_address("bus:", 0), -EINVAL);
        ck_assert_int_eq(try_address("nonsense", 0), -EINVAL);
        ck_assert_int_eq(try_address("/run/pasidd/pasidd.sock", 0), -EINVAL);
        ck_assert_int_eq(try_address("unix:path=/nonexistent/socket", 0), -ECONNREFUSED);
        ck_assert_int_eq(try_address("bus:unix:path=/nonexistent/socket", 0), -ECONNREFUSED);
        ck_assert_int_eq(try_address("unix:path=/dev/null/socket", 0), -ECONNREFUSED);
        ck_assert_int_eq(try_address("unix:path=/dev/null", 0), -ECONNREFUSED);
        ck_assert_int_eq(pasid_client_new(NULL, NULL), -EINVAL);
        if (geteuid() == 0) {
                ck_assert_int_eq(seteuid(65534), 0);
                ck_assert_int_eq(try_address(fake_address(fake), 0), -EACCES);
                ck_assert_int_eq(seteuid(0), 0);
        }
        fake_free(fake);
}
END_TEST

/* A socket that listens, and nobody behind it: first nobody answers, then the queue is full. */
START_TEST(nobody_accepts)
{
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        char dir[] = "/tmp/test-lib-XXXXXX", address[128];
        int fd, fds[64];
        size_t n = 0;

        ck_assert_ptr_nonnull(mkdtemp(dir));
        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/socket", dir);
        (void) snprintf(address, sizeof(address), "unix:path=%s", sa.sun_path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        ck_assert_int_eq(listen(fd, 1), 0);
        ck_assert_int_eq(try_address(address, 50), -ETIMEDOUT);
        do {
                ck_assert_uint_lt(n, ELEMENTSOF(fds));
                fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        } while (connect(fds[n++], (struct sockaddr *) &sa, sizeof(sa)) == 0);
        ck_assert_int_eq(errno, EAGAIN);
        ck_assert_int_eq(try_address(address, 50), -ETIMEDOUT);
        (void) close(fd);
        while (n > 0)
                (void) close(fds[--n]);
        ck_assert_int_eq(try_address(address, 50), -ECONNREFUSED);
        (void) unlink(sa.sun_path);
        (void) rmdir(dir);
}
END_TEST

START_TEST(timeout)
{
        struct fake *fake = fake_new(handler, NULL);
        struct pasid_client *client = fake_client(fake_address(fake), SHORT_MSEC);
        struct pasid_consumer *consumer = fake_consumer(client);

        ck_assert_int_eq(pasid_free(consumer, 7), -ETIMEDOUT);
        ck_assert_ptr_nonnull(strstr(pasid_strerror_last(client), "Free was not answered"));
        /* The next call is not disturbed by it, and leaves the sentence. */
        ck_assert_int_eq(pasid_set_private(consumer, 7, "x", 1), 0);
        ck_assert_ptr_nonnull(strstr(pasid_strerror_last(client), "Free was not answered"));
        (void) pasid_consumer_free(consumer);
        (void) pasid_client_free(client);
        fake_free(fake);
}
END_TEST

static void on_alarm(int number) {
}

/* Signals that interrupt the wait change nothing, neither its result nor its length. */
START_TEST(interrupted)
{
        struct fake *fake = fake_new(handler, NULL);
        struct itimerval every = { { 0, 5000 }, { 0, 5000 } }, never = { { 0, 0 }, { 0, 0 } };
        struct sigaction sa = { .sa_handler = on_alarm };
        struct pasid_client *client;
        struct pasid_consumer *consumer;
        struct timespec before, after;

        ck_assert_int_eq(sigaction(SIGALRM, &sa, NULL), 0);
        client = fake_client(fake_address(fake), SHORT_MSEC);
        consumer = fake_consumer(client);
        (void) clock_gettime(CLOCK_MONOTONIC, &before);
        ck_assert_int_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
        ck_assert_int_eq(pasid_free(consumer, 7), -ETIMEDOUT);
        ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
        (void) clock_gettime(CLOCK_MONOTONIC, &after);
        ck_assert_int_ge((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000, SHORT_MSEC - 1);
        (void) pasid_consumer_free(consumer);
        (void) pasid_client_free(client);
        fake_free(fake);
}
END_TEST

START_TEST(connection_lost)
{
        struct fake *fake = fake_new(handler, NULL);
        struct pasid_client *client = fake_client(fake_address(fake), 0);
        struct pasid_consumer *consumer = fake_consumer(client);
        uint64_t usec;

        ck_assert_int_eq(pasid_consumer_exit(consumer), -ECONNRESET);
        ck_assert_ptr_nonnull(strstr(pasid_strerror_last(client), "lost during Exit"));
        ck_assert_int_eq(pasid_free(consumer, 7), -ENOTCONN);
        ck_assert_int_eq(pasid_client_get_fd(client), -ENOTCONN);
        ck_assert_int_eq(pasid_client_get_events(client), -ENOTCONN);
        ck_assert_int_eq(pasid_client_get_timeout(client, &usec), -ENOTCONN);
        ck_assert_int_eq(pasid_client_process(client), -ENOTCONN);
        ck_assert_str_eq(pasid_consumer_get_name(consumer), "vm-1");

        ck_assert_int_eq(pasid_client_reconnect(client), 0);
        ck_assert_int_eq(pasid_set_private(consumer, 7, NULL, 0), 0);
        assert_call(fake, 2, "SetPrivate(7, [])");
        /* A whole connection can be changed for another too. */
        ck_assert_int_eq(pasid_client_reconnect(client), 0);
        ck_assert_int_eq(pasid_set_private(consumer, 8, NULL, 0), 0);
        fake_free(fake);

        ck_assert_int_eq(pasid_client_reconnect(client), -ECONNREFUSED);
        ck_assert_int_eq(pasid_set_private(consumer, 8, NULL, 0), -ENOTCONN);
        (void) pasid_client_free(client);
        (void) pasid_consumer_free(consumer);
}
END_TEST

START_TEST(lost_while_waiting)
{
        struct fake *fake = fake_new(handler, NULL);
        struct pasid_client *client = fake_client(fake_address(fake), 0);
        struct pollfd p = { .events = POLLIN };
        int r;

        fake_free(fake);
        p.fd = pasid_client_get_fd(client);
        ck_assert_int_ge(p.fd, 0);
        ck_assert_int_eq(poll(&p, 1, 10000), 1);
        do
                r = pasid_client_process(client);
        while (r > 0);
        ck_assert_int_eq(r, -ECONNRESET);
        ck_assert_int_eq(pasid_client_process(client), -ENOTCONN);
        (void) pasid_client_free(client);
}
END_TEST

START_TEST(event_loop)
{
        struct fake *fake = fake_new(handler, NULL);
        struct pasid_client *client = fake_client(fake_address(fake), 0);
        uint64_t usec = 1;

        ck_assert_int_ge(pasid_client_get_fd(client), 0);
        ck_assert_int_eq(fcntl(pasid_client_get_fd(client), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        ck_assert_int_eq(pasid_client_get_events(client), POLLIN);
        while (pasid_client_process(client) > 0)
                ;
        ck_assert_int_eq(pasid_client_get_timeout(client, &usec), 0);
        ck_assert_uint_eq(usec, UINT64_MAX);
        ck_assert_int_eq(pasid_client_process(client), 0);
        (void) pasid_client_free(client);
        fake_free(fake);
}
END_TEST

/* sd-bus frees nothing in a child: a success goes out by exec, past the leak checkers. */
static void child_end(int r) {
        if (r == 0)
                (void) execlp("true", "true", (char *) NULL);
        _exit(r == 0 ? 127 : r);
}

/* The child can use nothing of it, free it, and make one of its own; the parent does not notice. */
START_TEST(forked)
{
        struct fake *fake = fake_new(handler, NULL);
        struct pasid_client *client = fake_client(fake_address(fake), 0);
        struct pasid_consumer *consumer = fake_consumer(client);
        int status = 0;
        pid_t pid;

        pid = fork();
        if (pid == 0) {
                int fd = pasid_client_get_fd(client), r = 0;

                r |= fd != -ECHILD;
                r |= (pasid_free(consumer, 7) != -ECHILD) << 1;
                r |= (pasid_client_reconnect(client) != -ECHILD) << 2;
                r |= (pasid_client_process(client) != -ECHILD) << 3;
                r |= (pasid_unsubscribe(client) != 0) << 4;
                r |= (pasid_client_free(client) != NULL) << 5;
                r |= (pasid_consumer_free(consumer) != NULL) << 6;
                child_end(r);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        ck_assert_int_eq(pasid_set_private(consumer, 7, NULL, 0), 0);
        (void) pasid_consumer_free(consumer);
        (void) pasid_client_free(client);
        fake_free(fake);
}
END_TEST

/* A child that freed the client keeps no socket open: the daemon sees the parent's end. */
START_TEST(forked_child_lets_go)
{
        struct fake *fake = fake_new(handler, NULL);
        struct pasid_client *client = fake_client(fake_address(fake), 0);
        int fd = pasid_client_get_fd(client), status = 0;
        pid_t pid;

        pid = fork();
        if (pid == 0) {
                (void) pasid_client_free(client);
                child_end(fcntl(fd, F_GETFD) == -1 && errno == EBADF ? 0 : 1);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        (void) pasid_client_free(client);
        fake_free(fake);
}
END_TEST

START_TEST(struct_sizes)
{
        struct fake *fake = fake_new(handler, NULL);
        struct {
                struct pasid_client_options known;
                uint64_t unknown;
        } newer = { .known = PASID_CLIENT_OPTIONS_INIT };
        struct pasid_client_options older = PASID_CLIENT_OPTIONS_INIT;
        struct pasid_client *client = NULL;

        newer.known.size = sizeof(newer);
        newer.known.address = older.address = fake_address(fake);
        ck_assert_int_eq(pasid_client_new(&newer.known, &client), 0);
        (void) pasid_client_free(client);
        newer.unknown = UINT64_C(1) << 63;
        ck_assert_int_eq(pasid_client_new(&newer.known, &client), -E2BIG);
        older.size--;
        ck_assert_int_eq(pasid_client_new(&older, &client), -EINVAL);
        older.size = 0;
        ck_assert_int_eq(pasid_client_new(&older, &client), -EINVAL);
        fake_free(fake);
}
END_TEST

static int interactive_handler(struct fake *fake, sd_bus_message *call, void *userdata) {
        bool *is_allowed = userdata;

        *is_allowed = sd_bus_message_get_allow_interactive_authorization(call) > 0;
        if (fake_is(call, "Attach"))
                return 1; /* somebody types */
        if (fake_is(call, "Free"))
                return fake_reply(fake, call, NULL);
        return fake_reply_consumer(fake, call);
}

/* Of each client, which calls may lead to a password. */
START_TEST(interactive)
{
        bool is_allowed = false;
        struct fake *fake = fake_new(interactive_handler, &is_allowed);
        struct pasid_client_options options = PASID_CLIENT_OPTIONS_INIT;

        options.address = fake_address(fake);
        options.timeout_usec = SHORT_MSEC * 1000;
        for (int i = 0; i < 2; i++) {
                struct pasid_consumer *consumer = NULL;
                struct pasid_client *client = NULL;

                options.interactive = i == 1;
                ck_assert_int_eq(pasid_client_new(&options, &client), 0);
                ck_assert_int_eq(pasid_consumer_init(client, "vm-1", NULL, &consumer), 0);
                ck_assert_int_eq(is_allowed, i);
                ck_assert_int_eq(pasid_free(consumer, 1), 0);
                ck_assert(!is_allowed);
                /* A timeout of the program's own holds for a password too. */
                ck_assert_int_eq(pasid_attach(consumer, 1), -ETIMEDOUT);
                ck_assert_int_eq(is_allowed, i);
                (void) pasid_consumer_free(consumer);
                (void) pasid_client_free(client);
        }
        fake_free(fake);
}
END_TEST

START_TEST(no_client)
{
        uint64_t usec;

        ck_assert_ptr_null(pasid_client_free(NULL));
        ck_assert_ptr_null(pasid_consumer_free(NULL));
        ck_assert_int_eq(pasid_client_reconnect(NULL), -EINVAL);
        ck_assert_int_eq(pasid_client_get_fd(NULL), -EINVAL);
        ck_assert_int_eq(pasid_client_get_events(NULL), -EINVAL);
        ck_assert_int_eq(pasid_client_get_timeout(NULL, &usec), -EINVAL);
        ck_assert_int_eq(pasid_client_process(NULL), -EINVAL);
        ck_assert_ptr_null(pasid_client_get_address(NULL));
        ck_assert_str_ne(pasid_strerror_last(NULL), "");
        ck_assert_int_eq(pasid_unsubscribe(NULL), -EINVAL);
        ck_assert_int_eq(pasid_free(NULL, 1), -EINVAL);
        ck_assert_int_eq(pasid_consumer_exit(NULL), -EINVAL);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("lib-client");
        TCase *tc = tcase_create("client");

        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, addresses);
        tcase_add_test(tc, default_address);
        tcase_add_test(tc, addresses_that_fail);
        tcase_add_test(tc, nobody_accepts);
        tcase_add_test(tc, timeout);
        tcase_add_test(tc, interrupted);
        tcase_add_test(tc, connection_lost);
        tcase_add_test(tc, lost_while_waiting);
        tcase_add_test(tc, event_loop);
        tcase_add_test(tc, forked);
        tcase_add_test(tc, forked_child_lets_go);
        tcase_add_test(tc, struct_sizes);
        tcase_add_test(tc, interactive);
        tcase_add_test(tc, no_client);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
