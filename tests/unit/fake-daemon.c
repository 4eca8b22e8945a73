/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread behind fake-daemon.h. It owns the server's side of the
 * connection; the test's thread sees the noted calls only, under the lock.
 */
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fake-daemon.h"

#define CALLS_MAX 2048
#define WAIT_SEC 10
#define PATIENCE_MSEC 600000 /* of a client that has no timeout of its own: there are slow machines, and slow tools */

struct fake {
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        char *calls[CALLS_MAX];
        unsigned n_calls;

        fake_handler handler;
        void *userdata;
        sd_bus *bus;
        bool hang_up;
        const char *name;

        int listen_fd, stop_fd;
        char dir[32], path[64], address[96], bus_address[104];
};

static void dump_basic(FILE *out, sd_bus_message *m, char type) {
        union {
                uint8_t y;
                int b;
                uint32_t u;
                uint64_t t;
                const char *s;
        } v;

        if (sd_bus_message_read_basic(m, type, &v) <= 0)
                return;
        switch (type) {
        case 'y':
                fprintf(out, "0x%02x", v.y);
                break;
        case 'b':
                fputs(v.b ? "true" : "false", out);
                break;
        case 'h':
                fputs("fd", out);
                break;
        case 'u':
        case 'i':
                fprintf(out, "%u", v.u);
                break;
        case 't':
        case 'x':
                fprintf(out, "%llu", (unsigned long long) v.t);
                break;
        default:
                fprintf(out, "\"%s\"", v.s);
        }
}

/* What follows in the present container. */
static void dump(FILE *out, sd_bus_message *m, const char *separator) {
        const char *contents;
        char type;

        for (const char *s = ""; sd_bus_message_peek_type(m, &type, &contents) > 0; s = separator) {
                fputs(s, out);
                if (!contents) {
                        dump_basic(out, m, type);
                        continue;
                }
                (void) sd_bus_message_enter_container(m, type, contents);
                switch (type) {
                case 'a':
                        fputc(contents[0] == '{' ? '{' : '[', out);
                        dump(out, m, ", ");
                        fputc(contents[0] == '{' ? '}' : ']', out);
                        break;
                case 'v':
                        fprintf(out, "%s ", contents);
                        dump(out, m, ", ");
                        break;
                case 'e':
                        dump(out, m, ": ");
                        break;
                default:
                        fputc('(', out);
                        dump(out, m, ", ");
                        fputc(')', out);
                }
                (void) sd_bus_message_exit_container(m);
        }
}

static void note_down(struct fake *fake, sd_bus_message *m) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        fprintf(out, "%s(", sd_bus_message_get_member(m));
        dump(out, m, ", ");
        fputs(")", out);
        (void) fclose(out);
        (void) sd_bus_message_rewind(m, 1);

        (void) pthread_mutex_lock(&fake->lock);
        if (fake->n_calls < CALLS_MAX)
                fake->calls[fake->n_calls++] = text;
        else
                free(text);
        (void) pthread_cond_broadcast(&fake->changed);
        (void) pthread_mutex_unlock(&fake->lock);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct fake *fake = userdata;
        const char *destination = sd_bus_message_get_destination(m);
        int r;

        if (sd_bus_message_is_method_call(m, NULL, NULL) <= 0)
                return 0;
        if (destination && strcmp(destination, "org.freedesktop.DBus") == 0)
                return fake_is(m, "Hello") ? sd_bus_reply_method_return(m, "s", ":1.7") : sd_bus_reply_method_return(m, NULL);
        note_down(fake, m);
        r = fake->handler(fake, m, fake->userdata);
        if (r < 0)
                return sd_bus_reply_method_errno(m, r, NULL);
        return r;
}

static int serve_start(struct fake *fake, int fd) {
        sd_id128_t id;

        (void) sd_id128_randomize(&id);
        if (sd_bus_new(&fake->bus) < 0 ||
            sd_bus_set_fd(fake->bus, fd, fd) < 0 ||
            sd_bus_set_server(fake->bus, 1, id) < 0 ||
            sd_bus_add_filter(fake->bus, NULL, on_message, fake) < 0)
                return -EIO;
        return sd_bus_start(fake->bus);
}

/* Until the client goes, or the test is over (true). */
static bool serve(struct fake *fake) {
        for (;;) {
                struct pollfd p[2] = { { .fd = fake->stop_fd, .events = POLLIN } };
                uint64_t usec;
                int r;

                r = sd_bus_process(fake->bus, NULL);
                if (fake->hang_up || r < 0)
                        return false;
                if (r > 0)
                        continue;
                if (sd_bus_get_timeout(fake->bus, &usec) < 0)
                        return false;
                p[1] = (struct pollfd) { .fd = sd_bus_get_fd(fake->bus), .events = (short) sd_bus_get_events(fake->bus) };
                (void) poll(p, 2, usec == UINT64_MAX ? -1 : 0);
                if (p[0].revents)
                        return true;
        }
}

static void *thread_main(void *userdata) {
        struct fake *fake = userdata;
        bool over = false;

        while (!over) {
                struct pollfd p[2] = { { .fd = fake->stop_fd, .events = POLLIN }, { .fd = fake->listen_fd, .events = POLLIN } };
                int fd;

                (void) poll(p, 2, -1);
                if (p[0].revents)
                        break;
                fd = accept4(fake->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (fd < 0)
                        continue;
                fake->hang_up = false;
                over = serve_start(fake, fd) < 0 || serve(fake);
                if (fake->hang_up)
                        (void) sd_bus_flush(fake->bus);
                fake->bus = sd_bus_close_unref(fake->bus);
        }
        return NULL;
}

struct fake *fake_new(fake_handler handler, void *userdata) {
        struct fake *fake = calloc(1, sizeof(*fake));
        struct sockaddr_un sa = { .sun_family = AF_UNIX };

        ck_assert_ptr_nonnull(fake);
        fake->handler = handler;
        fake->userdata = userdata;
        fake->name = ":1.1";
        (void) snprintf(fake->dir, sizeof(fake->dir), "/tmp/test-lib-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(fake->dir));
        (void) snprintf(fake->path, sizeof(fake->path), "%s/socket", fake->dir);
        (void) snprintf(fake->address, sizeof(fake->address), "unix:path=%s", fake->path);
        (void) snprintf(fake->bus_address, sizeof(fake->bus_address), "bus:%s", fake->address);
        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", fake->path);
        fake->stop_fd = eventfd(0, EFD_CLOEXEC);
        fake->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        ck_assert_int_ge(fake->listen_fd, 0);
        ck_assert_int_eq(bind(fake->listen_fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        ck_assert_int_eq(listen(fake->listen_fd, 8), 0);
        ck_assert_int_eq(pthread_mutex_init(&fake->lock, NULL), 0);
        ck_assert_int_eq(pthread_cond_init(&fake->changed, NULL), 0);
        ck_assert_int_eq(pthread_create(&fake->thread, NULL, thread_main, fake), 0);
        return fake;
}

void fake_free(struct fake *fake) {
        uint64_t one = 1;

        ck_assert_int_eq(write(fake->stop_fd, &one, sizeof(one)), sizeof(one));
        (void) pthread_join(fake->thread, NULL);
        (void) close(fake->listen_fd);
        (void) close(fake->stop_fd);
        (void) unlink(fake->path);
        (void) rmdir(fake->dir);
        (void) pthread_cond_destroy(&fake->changed);
        (void) pthread_mutex_destroy(&fake->lock);
        for (unsigned i = 0; i < fake->n_calls; i++)
                free(fake->calls[i]);
        free(fake);
}

const char *fake_address(struct fake *fake) {
        return fake->address;
}

const char *fake_bus_address(struct fake *fake) {
        return fake->bus_address;
}

const char *fake_path(struct fake *fake) {
        return fake->path;
}

struct pasid_client *fake_client(const char *address, uint64_t timeout_msec) {
        struct pasid_client_options options = PASID_CLIENT_OPTIONS_INIT;
        struct pasid_client *client = NULL;

        options.address = address;
        options.timeout_usec = (timeout_msec > 0 ? timeout_msec : PATIENCE_MSEC) * 1000;
        ck_assert_int_eq(pasid_client_new(&options, &client), 0);
        ck_assert_ptr_nonnull(client);
        return client;
}

struct pasid_consumer *fake_consumer(struct pasid_client *client) {
        struct pasid_consumer *consumer = NULL;

        ck_assert_int_eq(pasid_consumer_get(client, 1000, "vm-1", &consumer), 0);
        return consumer;
}

bool fake_is(sd_bus_message *call, const char *member) {
        return strcmp(sd_bus_message_get_member(call), member) == 0;
}

/* With the name of who sends it, as a message bus would set it. */
int fake_send(struct fake *fake, sd_bus_message *reply) {
        (void) sd_bus_message_set_sender(reply, fake->name);
        (void) sd_bus_send(fake->bus, reply, NULL);
        sd_bus_message_unref(reply);
        return 1;
}

int fake_reply(struct fake *fake, sd_bus_message *call, const char *types, ...) {
        sd_bus_message *reply = NULL;
        va_list ap;

        if (sd_bus_message_new_method_return(call, &reply) < 0)
                return -ENOMEM;
        va_start(ap, types);
        if (types)
                (void) sd_bus_message_appendv(reply, types, ap);
        va_end(ap);
        return fake_send(fake, reply);
}

int fake_error(struct fake *fake, sd_bus_message *call, const char *name, const char *text) {
        sd_bus_error error = { name, text, 0 };
        sd_bus_message *reply = NULL;

        if (sd_bus_message_new_method_error(call, &reply, &error) < 0)
                return -ENOMEM;
        return fake_send(fake, reply);
}

int fake_signal(struct fake *fake, const char *sender, const char *path, const char *interface, const char *member, const char *types, ...) {
        sd_bus_message *m = NULL;
        va_list ap;

        if (sd_bus_message_new_signal(fake->bus, &m, path, interface, member) < 0)
                return -ENOMEM;
        va_start(ap, types);
        if (types)
                (void) sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        (void) sd_bus_message_set_sender(m, sender ? sender : fake->name);
        (void) sd_bus_send(fake->bus, m, NULL);
        sd_bus_message_unref(m);
        return 1;
}

void fake_hang_up(struct fake *fake) {
        fake->hang_up = true;
}

void fake_set_name(struct fake *fake, const char *unique_name) {
        fake->name = unique_name;
}

int fake_reply_consumer(struct fake *fake, sd_bus_message *call) {
        if (!fake_is(call, "Init") && !fake_is(call, "GetConsumer"))
                return 0;
        return fake_reply(fake, call, "o", FAKE_CONSUMER_PATH);
}

const char *fake_call(struct fake *fake, unsigned n) {
        struct timespec limit;
        const char *text = NULL;
        int r = 0;

        (void) clock_gettime(CLOCK_REALTIME, &limit);
        limit.tv_sec += WAIT_SEC;
        (void) pthread_mutex_lock(&fake->lock);
        while (fake->n_calls <= n && r == 0)
                r = pthread_cond_timedwait(&fake->changed, &fake->lock, &limit);
        if (fake->n_calls > n)
                text = fake->calls[n];
        (void) pthread_mutex_unlock(&fake->lock);
        return text;
}

unsigned fake_n_calls(struct fake *fake) {
        unsigned n;

        (void) pthread_mutex_lock(&fake->lock);
        n = fake->n_calls;
        (void) pthread_mutex_unlock(&fake->lock);
        return n;
}

const char *fake_token(const char *call) {
        static char token[TOKEN_LEN_MAX + 1];
        const char *from = call ? strstr(call, "\"token\": s \"") : NULL;

        if (from)
                from += sizeof("\"token\": s \"") - 1;
        else if (call && strncmp(call, "FreeToken(\"", 11) == 0)
                from = call + 11;
        if (!from)
                return "";
        (void) snprintf(token, sizeof(token), "%.*s", (int) strcspn(from, "\""), from);
        return token;
}
