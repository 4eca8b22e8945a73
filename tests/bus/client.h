/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the daemon, on its direct socket or on a message bus: bare
 * sd-bus, so that wrong and malformed calls can be made as well as good ones.
 * What ends in _ok or _error asserts the outcome, and names file and line of
 * the test in what it prints.
 */
#pragma once

#include <check.h>
#include <stdarg.h>
#include <systemd/sd-bus.h>

#include "fixture.h"
#include "internal/contract.h"
#include "internal/errors.h"

#define E(name) PASIDD_ERROR_PREFIX name
#define E_ACCESS SD_BUS_ERROR_ACCESS_DENIED
#define E_ARGS SD_BUS_ERROR_INVALID_ARGS
#define E_LIMITS SD_BUS_ERROR_LIMITS_EXCEEDED

struct client {
        sd_bus *bus;
        const char *destination; /* NULL on a direct connection */
};

/* A direct connection says no Hello and names no destination. -errno if it can't be made. */
int client_connect(const char *address, bool is_message_bus, struct client *ret);
struct client client_direct(const struct fixture *f);
struct client client_on_bus(const struct fixture *f);
/* On the bus if the fixture has one, else direct. */
struct client client_new(const struct fixture *f);
/* Direct, seen by the daemon as another user: the credentials of a socket are those of its connect(2). */
struct client client_direct_as(const struct fixture *f, uid_t uid, gid_t gid);
/* The same, where it may be refused: -errno. */
int client_try_direct_as(const struct fixture *f, uid_t uid, gid_t gid, struct client *ret);
/* The same, with one supplementary group. */
struct client client_direct_as_member(const struct fixture *f, uid_t uid, gid_t gid, gid_t group);
void client_close(struct client *c);

int client_call(struct client *c, sd_bus_error *error, sd_bus_message **ret, const char *path, const char *interface,
                const char *member, const char *types, ...);

/* types and what follows as in sd_bus_call_method(3). */
#define manager_ok(c, reply, member, ...) \
        client_ok(__FILE__, __LINE__, c, reply, PASIDD_PATH, PASIDD_IFACE_MANAGER, member, __VA_ARGS__)
#define manager_error(c, error, text, member, ...) \
        client_error(__FILE__, __LINE__, c, error, text, PASIDD_PATH, PASIDD_IFACE_MANAGER, member, __VA_ARGS__)
#define consumer_ok(c, reply, path, member, ...) \
        client_ok(__FILE__, __LINE__, c, reply, path, PASIDD_IFACE_CONSUMER, member, __VA_ARGS__)
#define consumer_error(c, error, text, path, member, ...) \
        client_error(__FILE__, __LINE__, c, error, text, path, PASIDD_IFACE_CONSUMER, member, __VA_ARGS__)
/* reply: NULL if it does not matter. */
void client_ok(const char *file, int line, struct client *c, sd_bus_message **reply, const char *path, const char *interface,
               const char *member, const char *types, ...);
/* text: what the message must have in it; NULL: anything but nothing. */
void client_error(const char *file, int line, struct client *c, const char *error, const char *text, const char *path,
                  const char *interface, const char *member, const char *types, ...);

/* Sends a call; its reply goes to the callback from within client_wait(). */
#define manager_async(c, callback, userdata, member, ...) \
        client_async(c, callback, userdata, PASIDD_PATH, PASIDD_IFACE_MANAGER, member, __VA_ARGS__)
#define consumer_async(c, callback, userdata, path, member, ...) \
        client_async(c, callback, userdata, path, PASIDD_IFACE_CONSUMER, member, __VA_ARGS__)
void client_async(struct client *c, sd_bus_message_handler_t callback, void *userdata, const char *path, const char *interface,
                  const char *member, const char *types, ...);
/* Handles what has come, or waits until something does. */
void client_wait(struct client *c);

/* Init with n options, each a key, a type and a value. The path is to be freed. */
#define init_ok(c, name, ...) client_init(__FILE__, __LINE__, c, name, "a{sv}", __VA_ARGS__)
#define init_error(c, error, text, name, ...) manager_error(c, error, text, "Init", "sa{sv}", name, __VA_ARGS__)
char *client_init(const char *file, int line, struct client *c, const char *name, const char *types, ...);

#define alloc_ok(c, path, min, max) client_alloc(__FILE__, __LINE__, c, path, min, max, NULL, 0, NULL)
#define alloc_token_ok(c, path, token) client_alloc(__FILE__, __LINE__, c, path, 0, 0, NULL, 0, token)
#define alloc_private_ok(c, path, data, size) client_alloc(__FILE__, __LINE__, c, path, 0, 0, data, size, NULL)
#define alloc_error(c, error, text, path, min, max) \
        consumer_error(c, error, text, path, "Alloc", "uuaya{sv}", (uint32_t) (min), (uint32_t) (max), 0, 0)
uint32_t client_alloc(const char *file, int line, struct client *c, const char *path, uint32_t min, uint32_t max,
                      const void *data, size_t size, const char *token);

/* AllocMany with n options; the numbers are to be freed, and there are exactly count. */
#define alloc_many_ok(c, path, count, min, max, ...) \
        client_alloc_many(__FILE__, __LINE__, c, path, count, min, max, "a{sv}", __VA_ARGS__)
#define alloc_many_error(c, error, text, path, count, min, max, ...)                                    \
        consumer_error(c, error, text, path, "AllocMany", "uuuaya{sv}", (uint32_t) (count), (uint32_t) (min), \
                       (uint32_t) (max), 0, __VA_ARGS__)
uint32_t *client_alloc_many(const char *file, int line, struct client *c, const char *path, uint32_t count, uint32_t min,
                            uint32_t max, const char *types, ...);

#define free_ok(c, path, pasid) consumer_ok(c, NULL, path, "Free", "u", (uint32_t) (pasid))
#define free_error(c, error, path, pasid) consumer_error(c, error, NULL, path, "Free", "u", (uint32_t) (pasid))
#define exit_ok(c, path) consumer_ok(c, NULL, path, "Exit", NULL)
/* Of FreeMany and others that take numbers; the outcome is the caller's to judge. */
int client_call_array(struct client *c, sd_bus_error *error, const char *path, const char *member, const uint32_t *pasids,
                      size_t n);
int client_call_private(struct client *c, sd_bus_error *error, const char *path, const char *member, const uint32_t *numbers,
                        size_t n_numbers, const void *data, size_t size);

/* The private data of a number, to be freed. */
void *find_ok(struct client *c, const char *path, uint32_t pasid, size_t *ret_size);

/* Consumer.List */
struct listed {
        uint32_t pasid;
        char state[16];
        uint64_t since;
        uint32_t private_bytes;
};
/* One page into rows, which has room for n_rows; returns how many. */
size_t list_page(struct client *c, const char *path, uint32_t after, uint32_t limit, struct listed *rows, size_t n_rows,
                 bool *ret_more);
/* The state of a number, or "" if it is not listed; static strings. */
const char *state_of(struct client *c, const char *path, uint32_t pasid);

/* True if there is a consumer of that key; the path to be freed, ret may be NULL. */
bool consumer_exists(struct client *c, uid_t uid, const char *name, char **ret);

/* A call to it fails as to one that never was. */
void assert_gone(struct client *c, const char *path);

uint64_t property_number(struct client *c, const char *path, const char *interface, const char *name);
/* To be freed. */
char *property_string(struct client *c, const char *path, const char *interface, const char *name);

/* Peer.Ping. */
void ping_ok(struct client *c);
int client_ping(struct client *c);
