/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the daemon.
 */
#include "client.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALL_LIMIT_USEC (WAIT_LIMIT_MSEC * 2000ULL)

int client_connect(const char *address, bool is_message_bus, struct client *ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, is_message_bus);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, true);
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(bus, CALL_LIMIT_USEC);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = (struct client) { .bus = TAKE_PTR(bus), .destination = is_message_bus ? PASIDD_BUS_NAME : NULL };
        return 0;
}

static struct client connect_ok(const char *address, bool is_message_bus) {
        struct client c;
        int r;

        r = client_connect(address, is_message_bus, &c);
        ck_assert_msg(r >= 0, "no connection to %s: %s", address, strerror(-r));
        return c;
}

struct client client_direct(const struct fixture *f) {
        return connect_ok(f->daemon->address, false);
}

struct client client_on_bus(const struct fixture *f) {
        return connect_ok(f->bus->address, true);
}

struct client client_new(const struct fixture *f) {
        return f->bus ? client_on_bus(f) : client_direct(f);
}

static int connect_as(const struct fixture *f, uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups, struct client *ret) {
        int r;

        ck_assert_int_eq(setgroups(n_groups, groups), 0);
        ck_assert_int_eq(setegid(gid), 0);
        ck_assert_int_eq(seteuid(uid), 0);
        r = client_connect(f->daemon->address, false, ret);
        ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(setegid(0), 0);
        return r;
}

static struct client connect_as_ok(const struct fixture *f, uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups) {
        struct client c;
        int r = connect_as(f, uid, gid, groups, n_groups, &c);

        ck_assert_msg(r >= 0, "no connection as uid %u: %s", uid, strerror(-r));
        return c;
}

int client_try_direct_as(const struct fixture *f, uid_t uid, gid_t gid, struct client *ret) {
        return connect_as(f, uid, gid, NULL, 0, ret);
}

struct client client_direct_as(const struct fixture *f, uid_t uid, gid_t gid) {
        return connect_as_ok(f, uid, gid, NULL, 0);
}

struct client client_direct_as_member(const struct fixture *f, uid_t uid, gid_t gid, gid_t group) {
        return connect_as_ok(f, uid, gid, &group, 1);
}

void client_close(struct client *c) {
        c->bus = sd_bus_close_unref(c->bus);
}

static int call_message(struct client *c, sd_bus_error *error, sd_bus_message **ret, sd_bus_message *m) {
        return sd_bus_call(c->bus, m, 0, error, ret);
}

static int new_call(struct client *c, sd_bus_message **ret, const char *path, const char *interface, const char *member) {
        return sd_bus_message_new_method_call(c->bus, ret, c->destination, path, interface, member);
}

static int call_v(struct client *c, sd_bus_error *error, sd_bus_message **ret, const char *path, const char *interface,
                  const char *member, const char *types, va_list ap) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = new_call(c, &m, path, interface, member);
        if (r >= 0 && types)
                r = sd_bus_message_appendv(m, types, ap);
        return r < 0 ? r : call_message(c, error, ret, m);
}

int client_call(struct client *c, sd_bus_error *error, sd_bus_message **ret, const char *path, const char *interface,
                const char *member, const char *types, ...) {
        va_list ap;
        int r;

        va_start(ap, types);
        r = call_v(c, error, ret, path, interface, member, types, ap);
        va_end(ap);
        return r;
}

static void assert_ok(const char *file, int line, const char *member, int r, const sd_bus_error *error) {
        ck_assert_msg(r >= 0, "%s:%d: %s failed: %s: %s", file, line, member, error->name ?: strerror(-r), error->message ?: "");
}

void client_ok(const char *file, int line, struct client *c, sd_bus_message **reply, const char *path, const char *interface,
               const char *member, const char *types, ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        va_list ap;
        int r;

        va_start(ap, types);
        r = call_v(c, &error, reply, path, interface, member, types, ap);
        va_end(ap);
        assert_ok(file, line, member, r, &error);
}

void client_error(const char *file, int line, struct client *c, const char *name, const char *text, const char *path,
                  const char *interface, const char *member, const char *types, ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        va_list ap;
        int r;

        va_start(ap, types);
        r = call_v(c, &error, NULL, path, interface, member, types, ap);
        va_end(ap);
        ck_assert_msg(r < 0, "%s:%d: %s succeeded; it should have failed with %s", file, line, member, name);
        ck_assert_msg(sd_bus_error_has_name(&error, name), "%s:%d: %s failed with %s (%s), not %s", file, line, member,
                      error.name ?: strerror(-r), error.message ?: "", name);
        ck_assert_msg(error.message && error.message[0] && (!text || strstr(error.message, text)),
                      "%s:%d: %s: '%s' should have '%s' in it", file, line, member, error.message ?: "", text ?: "");
}

void client_async(struct client *c, sd_bus_message_handler_t callback, void *userdata, const char *path, const char *interface,
                  const char *member, const char *types, ...) {
        va_list ap;
        int r;

        va_start(ap, types);
        r = sd_bus_call_method_asyncv(c->bus, NULL, c->destination, path, interface, member, callback, userdata, types, ap);
        va_end(ap);
        ck_assert_msg(r >= 0, "%s could not be sent: %s", member, strerror(-r));
}

void client_wait(struct client *c) {
        int r = sd_bus_process(c->bus, NULL);

        ck_assert_int_ge(r, 0);
        if (r == 0)
                ck_assert_int_gt(sd_bus_wait(c->bus, WAIT_LIMIT_MSEC * 1000ULL), 0);
}

char *client_init(const char *file, int line, struct client *c, const char *name, const char *types, ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *path;
        va_list ap;
        int r;

        r = new_call(c, &m, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Init");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        va_start(ap, types);
        if (r >= 0)
                r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        if (r >= 0)
                r = call_message(c, &error, &reply, m);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        assert_ok(file, line, "Init", r, &error);
        return strdup(path);
}

uint32_t client_alloc(const char *file, int line, struct client *c, const char *path, uint32_t min, uint32_t max,
                      const void *data, size_t size, const char *token) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        uint32_t pasid = 0;
        int r;

        r = new_call(c, &m, path, PASIDD_IFACE_CONSUMER, "Alloc");
        if (r >= 0)
                r = sd_bus_message_append(m, "uu", min, max);
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', data, size);
        if (r >= 0)
                r = token ? sd_bus_message_append(m, "a{sv}", 1, "token", "s", token) : sd_bus_message_append(m, "a{sv}", 0);
        if (r >= 0)
                r = call_message(c, &error, &reply, m);
        if (r >= 0)
                r = sd_bus_message_read(reply, "u", &pasid);
        assert_ok(file, line, "Alloc", r, &error);
        ck_assert_uint_ge(pasid, NUMBER_MIN);
        ck_assert_uint_le(pasid, NUMBER_MAX);
        return pasid;
}

uint32_t *client_alloc_many(const char *file, int line, struct client *c, const char *path, uint32_t count, uint32_t min,
                            uint32_t max, const char *types, ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const void *array = NULL;
        uint32_t *pasids;
        size_t size = 0;
        va_list ap;
        int r;

        r = new_call(c, &m, path, PASIDD_IFACE_CONSUMER, "AllocMany");
        if (r >= 0)
                r = sd_bus_message_append(m, "uuuay", count, min, max, 0);
        va_start(ap, types);
        if (r >= 0)
                r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        if (r >= 0)
                r = call_message(c, &error, &reply, m);
        if (r >= 0)
                r = sd_bus_message_read_array(reply, 'u', &array, &size);
        assert_ok(file, line, "AllocMany", r, &error);
        ck_assert_uint_eq(size, count * sizeof(uint32_t));
        pasids = malloc(size);
        ck_assert_ptr_nonnull(pasids);
        return memcpy(pasids, array, size);
}

int client_call_array(struct client *c, sd_bus_error *error, const char *path, const char *member, const uint32_t *pasids,
                      size_t n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = new_call(c, &m, path, PASIDD_IFACE_CONSUMER, member);
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'u', pasids, n * sizeof(*pasids));
        return r < 0 ? r : call_message(c, error, NULL, m);
}

int client_call_private(struct client *c, sd_bus_error *error, const char *path, const char *member, const uint32_t *numbers,
                        size_t n_numbers, const void *data, size_t size) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = new_call(c, &m, path, PASIDD_IFACE_CONSUMER, member);
        for (size_t i = 0; i < n_numbers && r >= 0; i++)
                r = sd_bus_message_append(m, "u", numbers[i]);
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', data, size);
        if (r >= 0 && strncmp(member, "Alloc", strlen("Alloc")) == 0)
                r = sd_bus_message_append(m, "a{sv}", 0);
        return r < 0 ? r : call_message(c, error, NULL, m);
}

void *find_ok(struct client *c, const char *path, uint32_t pasid, size_t *ret_size) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const void *data;
        void *copy;

        consumer_ok(c, &reply, path, "Find", "u", pasid);
        ck_assert_int_ge(sd_bus_message_read_array(reply, 'y', &data, ret_size), 0);
        copy = malloc(*ret_size + 1);
        ck_assert_ptr_nonnull(copy);
        if (*ret_size > 0)
                memcpy(copy, data, *ret_size);
        return copy;
}

size_t list_page(struct client *c, const char *path, uint32_t after, uint32_t limit, struct listed *rows, size_t n_rows,
                 bool *ret_more) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *state;
        uint32_t last = after;
        int more, r;
        size_t n = 0;

        consumer_ok(c, &reply, path, "List", "uu", after, limit);
        ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "(ustu)"), 0);
        for (;; n++) {
                struct listed row = {};

                r = sd_bus_message_read(reply, "(ustu)", &row.pasid, &state, &row.since, &row.private_bytes);
                assert_quick(r >= 0, "List: %s", strerror(-r));
                if (r == 0)
                        break;
                assert_quick(row.pasid > last, "%u after %u: not ascending", row.pasid, last);
                assert_quick(strlen(state) < sizeof(row.state), "'%s' is no state", state);
                assert_quick(n < n_rows, "more than %zu entries", n_rows);
                last = row.pasid;
                strcpy(row.state, state);
                rows[n] = row;
        }
        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        ck_assert_int_gt(sd_bus_message_read(reply, "b", &more), 0);
        if (ret_more)
                *ret_more = more;
        return n;
}

const char *state_of(struct client *c, const char *path, uint32_t pasid) {
        static const char *const states[] = { "allocated", "attached", "cooling", "reserved", "lost" };
        struct listed row;

        if (list_page(c, path, pasid - 1, 1, &row, 1, NULL) == 0 || row.pasid != pasid)
                return "";
        for (size_t i = 0; i < ELEMENTSOF(states); i++)
                if (strcmp(row.state, states[i]) == 0)
                        return states[i];
        ck_abort_msg("'%s' is no state", row.state);
}

bool consumer_exists(struct client *c, uid_t uid, const char *name, char **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *path;
        int r;

        r = client_call(c, &error, &reply, PASIDD_PATH, PASIDD_IFACE_MANAGER, "GetConsumer", "us", (uint32_t) uid, name);
        if (r < 0) {
                ck_assert_msg(sd_bus_error_has_name(&error, E("NoSuchConsumer")), "GetConsumer failed: %s: %s",
                              error.name ?: strerror(-r), error.message ?: "");
                return false;
        }
        ck_assert_int_ge(sd_bus_message_read(reply, "o", &path), 0);
        if (ret)
                *ret = strdup(path);
        return true;
}

void assert_gone(struct client *c, const char *path) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = client_call(c, &error, NULL, path, PASIDD_IFACE_CONSUMER, "List", "uu", 0U, 1U);

        ck_assert_msg(r < 0, "%s is still there", path);
        ck_assert_msg(sd_bus_error_has_names(&error, E("NoSuchConsumer"), SD_BUS_ERROR_UNKNOWN_OBJECT), "%s: %s: %s", path,
                      error.name ?: strerror(-r), error.message ?: "");
}

uint64_t property_number(struct client *c, const char *path, const char *interface, const char *name) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *contents;
        uint32_t u = 0;
        uint64_t t = 0;
        char type;
        int b = 0, r;

        r = client_call(c, &error, &reply, path, "org.freedesktop.DBus.Properties", "Get", "ss", interface, name);
        assert_ok(name, 0, "Get", r, &error);
        ck_assert_int_ge(sd_bus_message_peek_type(reply, &type, &contents), 0);
        ck_assert_int_ge(sd_bus_message_enter_container(reply, 'v', contents), 0);
        if (strcmp(contents, "t") == 0)
                ck_assert_int_ge(sd_bus_message_read(reply, "t", &t), 0);
        else if (strcmp(contents, "b") == 0)
                ck_assert_int_ge(sd_bus_message_read(reply, "b", &b), 0);
        else
                ck_assert_int_ge(sd_bus_message_read(reply, "u", &u), 0);
        return t + u + (b ? 1 : 0);
}

char *property_string(struct client *c, const char *path, const char *interface, const char *name) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *s;
        int r;

        r = client_call(c, &error, &reply, path, "org.freedesktop.DBus.Properties", "Get", "ss", interface, name);
        assert_ok(name, 0, "Get", r, &error);
        ck_assert_int_ge(sd_bus_message_read(reply, "v", "s", &s), 0);
        return strdup(s);
}

int client_ping(struct client *c) {
        return client_call(c, NULL, NULL, PASIDD_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL);
}

void ping_ok(struct client *c) {
        int r = client_ping(c);

        ck_assert_msg(r >= 0, "no answer to a ping: %s", strerror(-r));
}
