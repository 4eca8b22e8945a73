/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of libpasid share. Names begin with lp_, so that they clash
 * with nothing in a program that links the static library.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include <pasid/pasid.h>

#include "internal/cleanup.h"
#include "internal/contract.h"
#include "internal/errors.h"

/* Everything else is hidden by -fvisibility=hidden. */
#define _public_ __attribute__((visibility("default")))

DEFINE_CLEANUP(struct pasid_consumer *, pasid_consumer_free);

#define TIMEOUT_DEFAULT_USEC (25 * UINT64_C(1000000))
#define TIMEOUT_INTERACTIVE_USEC (150 * UINT64_C(1000000)) /* the daemon gives who types a password 120 s */
#define TOKEN_PREFIX_SIZE sizeof("0123456789abcdef.")

/* An allocation whose outcome is unknown: what its token got must go back. */
struct lp_late {
        TAILQ_ENTRY(lp_late) entry;
        struct pasid_consumer *consumer; /* a reference */
        uint64_t generation;             /* of the daemon that was told; 0: none was */
        char token[TOKEN_LEN_MAX + 1];
};

struct pasid_client {
        unsigned n_ref; /* the program's one, and one for each consumer handle */
        pid_t pid;      /* who made it: a child of fork() must not use it */
        sd_bus *bus;    /* NULL: not connected */
        int fd;         /* the bus's, for a child to close */
        bool on_bus;    /* a message bus, not the daemon's own socket */
        bool processing;
        char *address;
        uint64_t timeout_usec;
        uint64_t interactive_usec; /* the same for calls at which somebody may be asked for a password; 0: no call may */

        int last_error;  /* positive, 0 before the first */
        char *last_text; /* NULL: lp_text(last_error) */

        char *peer;          /* on a message bus: who answered last, by unique name */
        uint64_t generation; /* counts the daemons we talked to, from 1 */

        char token_prefix[TOKEN_PREFIX_SIZE];
        uint64_t token_counter;
        struct lp_late *spare; /* so that remembering an allocation can't fail */
        TAILQ_HEAD(, lp_late) late;

        pasid_event_cb event_callback; /* NULL: not subscribed */
        void *event_userdata;
        STAILQ_HEAD(, lp_event) events; /* received, not yet delivered */
        unsigned n_events;
        int event_result; /* what pasid_client_process() is to return */
        sd_bus_slot *event_slots[3];
        sd_bus_slot *resubscribe_slot;

        sd_bus_message *status; /* owns the strings of pasid_get_status() */
};

struct pasid_consumer {
        unsigned n_ref;
        struct pasid_client *client; /* a reference */
        uid_t uid;
        char *name;
        char path[];
};

/* client.c */
struct pasid_client *lp_client_ref(struct pasid_client *client);
struct pasid_client *lp_client_unref(struct pasid_client *client);
/* 0 if calls can be made; -EINVAL, -ECHILD, -ENOTCONN */
int lp_client_check(struct pasid_client *client);

/* connect.c: a ready connection to the client's address, or the first default one that works */
int lp_connect(const char *address, uint64_t timeout_usec, sd_bus **ret, char **ret_address, bool *ret_on_bus);

/* error.c: all return the negative errno that they note down with its sentence */
int lp_fail(struct pasid_client *client, int error, const char *format, ...) _printf_(3, 4);
/* For a call of member on the object at path. */
int lp_fail_bus(struct pasid_client *client, const char *path, const char *member, const sd_bus_error *error);
/* An errno of the system that would be taken for one of the contract's becomes -EPROTO. */
int lp_local_error(int error);

/* call.c */
int lp_call_new(struct pasid_client *client, const char *path, const char *interface, const char *member, sd_bus_message **ret);
/* signature: of the answer, which is -EBADMSG if it differs. ret_reply may be NULL. */
int lp_call(struct pasid_client *client, sd_bus_message *call, const char *signature, sd_bus_message **ret_reply);
/* call.c: for failures of sd_bus_message_append() and sd_bus_message_read() */
int lp_fail_append(struct pasid_client *client, int r);
int lp_fail_read(struct pasid_client *client, int r);

struct lp_property {
        const char *name;
        const char *type; /* "s", "u", "t", "b" (bool *), "as" and "ao" (char ***, array to be freed with free()), "(uuu)" (uint32_t [3]) */
        void *dest;
};
/* Reads an a{sv}; unknown keys are skipped, and the strings belong to the message. -EBADMSG for a wrong type. */
int lp_read_properties(sd_bus_message *m, const struct lp_property *properties, size_t n);
/* An array of strings or object paths, NULL-terminated; the strings belong to the message. */
int lp_read_strings(sd_bus_message *m, const char *type, char ***ret);
/* Properties.GetAll on an object; the answer stands before the a{sv}. */
int lp_get_all(struct pasid_client *client, const char *path, const char *interface, sd_bus_message **ret);
/* func for each managed object with that interface; it must read the a{sv} that m stands before. */
typedef int (*lp_object_cb)(struct pasid_client *client, const char *path, sd_bus_message *m, void *userdata);
int lp_objects_for_each(struct pasid_client *client, const char *interface, lp_object_cb func, void *userdata);

/* struct.c: the rules for structs with a size, as pasid.h states them */
#define lp_struct_read(given, own) lp_struct_read_(given, own, sizeof(*(own)))
int lp_struct_read_(const void *given, void *own, size_t own_size);
#define lp_struct_check(given) lp_struct_check_(given, sizeof(*(given)))
int lp_struct_check_(const void *given, size_t own_size);
/* Fills one that was checked; its size member stays. */
#define lp_struct_write(given, size, own) lp_struct_write_(given, size, own, sizeof(*(own)))
void lp_struct_write_(void *given, size_t size, const void *own, size_t own_size);
enum pasid_state lp_state_from_string(const char *s);
enum pasid_hold lp_hold_from_string(const char *s);
enum pasid_mode lp_mode_from_string(const char *s);
enum pasid_finding_type lp_finding_from_string(const char *s);

/* mediated.c: whether a message failed to take this fd; F_DUPFD_CLOEXEC gives EBADF, and EINVAL for numbers below 0 */
bool lp_is_bad_fd(int r, int fd);

/* consumer.c */
int lp_consumer_check(struct pasid_consumer *consumer);
struct pasid_consumer *lp_consumer_ref(struct pasid_consumer *consumer);
int lp_consumer_call_new(struct pasid_consumer *consumer, const char *member, sd_bus_message **ret);
/* The two halves of the key; *ret_name is to be freed. -EBADMSG for any other path. */
int lp_consumer_path_decode(const char *path, uid_t *ret_uid, char **ret_name);

/* token.c */
int lp_token_make(struct pasid_client *client, char token[static TOKEN_LEN_MAX + 1]);
/* Asks the daemon to free what an allocation of unknown outcome got, and keeps asking. */
void lp_token_give_back(struct pasid_consumer *consumer, const char *token);
/* Each answer to a call: says that those told before it are done, and tells a daemon that is new. */
void lp_token_heard(struct pasid_client *client, const char *sender);
/* A new connection: tells them all again. */
void lp_token_resend(struct pasid_client *client);
void lp_token_forget(struct pasid_client *client);

/* event.c */
int lp_event_renew(struct pasid_client *client);
/* The first of the queue. 1 if there was one, or what the callback returned below 0. */
int lp_event_deliver(struct pasid_client *client);
void lp_event_drop(struct pasid_client *client);
