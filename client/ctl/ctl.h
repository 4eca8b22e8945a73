/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every verb of pasidctl shares: its entry in the table of verbs, the
 * common options, the connection, and the one way to say that something failed.
 */
#pragma once

#include <getopt.h>
#include <pasid/pasid.h>
#include <stdbool.h>

#include "agent.h"
#include "args.h"
#include "internal/cleanup.h"
#include "json.h"
#include "pager.h"

DEFINE_CLEANUP(struct pasid_client *, pasid_client_free);
DEFINE_CLEANUP(struct pasid_consumer *, pasid_consumer_free);

/* Exit statuses: EXIT_SUCCESS, EXIT_FAILURE for refused or failed, and this. */
#define EXIT_USAGE 2

struct ctl;

struct verb {
        const char *name;
        const char *arguments; /* "[NAME|UID:NAME]", "" for none */
        const char *summary;   /* one line, no final stop */
        const char *options;   /* the lines of its own options, "" for none */
        const char *notes;     /* what to know, then an example */
        int (*run)(struct ctl *ctl, int argc, char **argv); /* returns the exit status */
};

extern const struct verb verb_accept, verb_alloc, verb_attach, verb_cdi, verb_check, verb_consumers, verb_detach,
        verb_devices, verb_exit, verb_find, verb_free, verb_init, verb_list, verb_metrics, verb_monitor, verb_run,
        verb_status, verb_transfer;

struct ctl {
        const struct verb *verb; /* NULL before it is known */
        const char *address;     /* NULL: the library's choice */
        enum json_mode json;
        bool legend;
        bool use_pager;
        bool ask_password; /* if polkit wants one, and somebody is there */
        bool may_ask;      /* set by verbs that polkit may be asked about, before they connect */
        bool is_terminal; /* stdout, before a pager took it */
        bool colour;
        bool utf8;      /* the locale can show it */
        void (*sigpipe)(int signal); /* what was to be done about SIGPIPE */
        size_t columns; /* width of the terminal; 0: none */
        int status;     /* what to exit with when ctl_getopt() ended the verb */
        struct pager pager;
        struct agent agent;
        struct pasid_client *client;
        char *reason; /* of ctl_reason() */
};

/* Values of the common options; a verb's own begin at OPT_OWN. */
enum {
        OPT_ADDRESS = 0x100,
        OPT_JSON,
        OPT_NO_LEGEND,
        OPT_NO_PAGER,
        OPT_NO_ASK_PASSWORD,
        OPT_HELP,
        OPT_VERSION,
        OPT_OWN,
};

#define COMMON_OPTIONS                                           \
        { "address", required_argument, NULL, OPT_ADDRESS },     \
        { "json", required_argument, NULL, OPT_JSON },           \
        { "no-legend", no_argument, NULL, OPT_NO_LEGEND },       \
        { "no-pager", no_argument, NULL, OPT_NO_PAGER },         \
        { "no-ask-password", no_argument, NULL, OPT_NO_ASK_PASSWORD }, \
        { "help", no_argument, NULL, OPT_HELP },                 \
        { "version", no_argument, NULL, OPT_VERSION },           \
        { NULL, 0, NULL, 0 }

/*
 * The next option of the verb's own, or -1 after the last: then argv[optind]
 * is the first argument. Any other value means that the verb is over (help was
 * printed, or the usage is wrong) and ctl->status is its exit status.
 */
int ctl_getopt(struct ctl *ctl, int argc, char **argv, const char *short_options, const struct option *options);
/* For verbs without options of their own, and checks the number of arguments: *ret_args has *ret_n of them. */
bool ctl_arguments(struct ctl *ctl, int argc, char **argv, int min, int max, char ***ret_args, int *ret_n);
void ctl_help(const struct ctl *ctl);
void ctl_help_verb(const struct verb *verb);

/* Each prints one line to stderr, with the pager out of the way, and returns the exit status. */
int ctl_usage(struct ctl *ctl, const char *format, ...) _printf_(2, 3);
int ctl_fail(struct ctl *ctl, const char *format, ...) _printf_(2, 3);
/* r: what a function of the library returned; the daemon's own sentence if there is one. */
int ctl_refused(struct ctl *ctl, int r);
/* That sentence, until the next one is asked for. */
const char *ctl_reason(struct ctl *ctl, int r);
/* r: why stdout could not be written. */
int ctl_write_failed(struct ctl *ctl, int r);

/* Both print the error themselves and return the exit status then. */
int ctl_connect(struct ctl *ctl);
/* text: NAME or UID:NAME. */
int ctl_get_consumer(struct ctl *ctl, const char *text, struct pasid_consumer **ret);
/* Prints the error itself too: n arguments, each a PASID or a range of them; ret->items are the caller's to free(). */
int ctl_numbers(struct ctl *ctl, char *const *args, size_t n, struct arg_numbers *ret);

/* The value of an option; each prints the error itself and returns the exit status then. */
int ctl_number(struct ctl *ctl, const char *option, const char *s, uint32_t *ret);
/* 0 is refused: to the daemon it would mean that the option was not given. */
int ctl_positive(struct ctl *ctl, const char *option, const char *s, uint32_t *ret);
int ctl_mode(struct ctl *ctl, const char *s, enum pasid_mode *ret);
/* The name of a consumer that is to be made. */
int ctl_new_name(struct ctl *ctl, const char *name);
/* Of --private; *ret is to be freed. */
int ctl_private(struct ctl *ctl, const char *s, void **ret, size_t *ret_size);
/* Appends to an array that ends with NULL, and is to be freed. */
int ctl_add(struct ctl *ctl, struct arg_list *list, const char *s);

/* Starts what is printed for people or programs: the pager if one is wanted. */
void ctl_output(struct ctl *ctl);
/* "key: value" with an untrusted value. */
int ctl_print_field(struct ctl *ctl, const char *key, const char *format, ...) _printf_(3, 4);
