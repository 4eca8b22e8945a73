/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Common options, help, messages and the connection.
 */
#include "ctl.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suggest.h"
#include "text.h"

#define COMMON_HELP                                                                    \
        "  --address=ADDRESS   where the daemon is: system, bus:ADDRESS, or the D-Bus\n" \
        "                      address of its socket, like unix:path=PATH\n"            \
        "  --json=MODE         JSON for programs: short or pretty\n"                    \
        "  --no-legend         no line with the names of the columns\n"                 \
        "  --no-pager          no pager, also on a terminal\n"                          \
        "  --no-ask-password   ask for no password, also on a terminal\n"               \
        "  -h, --help          this text\n"                                             \
        "  --version           the version\n"

void ctl_help_verb(const struct verb *verb) {
        printf("Usage: pasidctl %s [OPTION]...%s%s\n\n%s.\n", verb->name, verb->arguments[0] ? " " : "", verb->arguments,
               verb->summary);
        if (verb->options[0] != '\0')
                printf("\nOptions:\n%s", verb->options);
        printf("\nCommon options:\n" COMMON_HELP "%s%s", verb->notes[0] == '\n' ? "" : "\n", verb->notes);
}

#define USUAL_PLACES "/run/pasidd/pasidd.sock or on the system bus"

/* Messages are one line whatever they quote. */
static void _printf_(2, 0) say(struct ctl *ctl, const char *format, va_list ap) {
        _cleanup_free_ char *text = NULL, *line = NULL;
        int n = vasprintf(&text, format, ap);

        pager_close(&ctl->pager);
        (void) fflush(stdout);
        if (n < 0) {
                text = NULL;
                fputs("pasidctl: Out of memory.\n", stderr);
                return;
        }
        line = text_escape(text, (size_t) n, ctl->utf8);
        fprintf(stderr, "pasidctl: %s\n", line ?: "Out of memory.");
}

int ctl_usage(struct ctl *ctl, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        say(ctl, format, ap);
        va_end(ap);
        return EXIT_USAGE;
}

int ctl_fail(struct ctl *ctl, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        say(ctl, format, ap);
        va_end(ap);
        return EXIT_FAILURE;
}

const char *ctl_reason(struct ctl *ctl, int r) {
        const char *text = ctl->client ? pasid_strerror_last(ctl->client) : "";
        size_t n;

        if (text[0] == '\0')
                text = pasid_strerror(r);
        n = strlen(text);
        if (n > 0 && text[n - 1] == '.')
                return text;
        /* A short text, not a sentence. */
        free(ctl->reason);
        if (asprintf(&ctl->reason, "%s.", text) < 0)
                ctl->reason = NULL;
        return ctl->reason ?: text;
}

int ctl_refused(struct ctl *ctl, int r) {
        return ctl_fail(ctl, "%s", ctl_reason(ctl, r));
}

int ctl_write_failed(struct ctl *ctl, int r) {
        if (r == -EPIPE) {
                /* Whoever closed the pager has seen enough; a reader of a pipe that left is told in the usual way. */
                if (ctl->pager.pid > 0)
                        return EXIT_SUCCESS;
                (void) signal(SIGPIPE, SIG_DFL);
                (void) raise(SIGPIPE);
        }
        return ctl_fail(ctl, "The output cannot be written: %s.", strerror(-r));
}

/* What getopt_long() would say by itself, in the words of the other messages. */
static int refuse_option(struct ctl *ctl, char **argv, const struct option *options, bool lacks_value) {
        const char *const of = ctl->verb ? ctl->verb->name : "", *near, *names[32] = { NULL };
        _cleanup_free_ char *typed = NULL;
        size_t n = 0, n_begin = 0;

        /* A short one of several in a word: there is only -h. */
        if (optopt > 0 && optopt < OPT_ADDRESS)
                return ctl_usage(ctl, "\"-%c\" is no option; pasidctl %s%s--help has them.", optopt, of,
                                 of[0] ? " " : "");
        typed = strndup(argv[optind - 1], strcspn(argv[optind - 1], "="));
        if (!typed)
                return ctl_fail(ctl, "Out of memory.");
        if (lacks_value)
                return ctl_usage(ctl, "\"%s\" takes a value.", typed);
        if (optopt > 0)
                return ctl_usage(ctl, "\"%s\" takes no value.", typed);
        for (; options[n].name && n + 1 < ELEMENTSOF(names); n++) {
                names[n] = options[n].name;
                n_begin += strstr(names[n], typed + 2) == names[n];
        }
        if (n_begin > 1)
                return ctl_usage(ctl, "\"%s\" can be more than one option; write more of it.", typed);
        near = suggest(names, typed + 2);
        if (near)
                return ctl_usage(ctl, "\"%s\" is no option; did you mean \"--%s\"?", typed, near);
        return ctl_usage(ctl, "\"%s\" is no option; pasidctl %s%s--help has them.", typed, of, of[0] ? " " : "");
}

int ctl_getopt(struct ctl *ctl, int argc, char **argv, const char *short_options, const struct option *options) {
        int c;

        opterr = 0;
        for (;;) {
                c = getopt_long(argc, argv, short_options, options, NULL);
                switch (c) {
                case OPT_ADDRESS:
                        ctl->address = optarg;
                        break;
                case OPT_JSON:
                        if (json_mode_from_string(optarg, &ctl->json) < 0) {
                                ctl->status = ctl_usage(ctl, "--json takes short or pretty, not \"%s\".", optarg);
                                return OPT_JSON;
                        }
                        break;
                case OPT_NO_LEGEND:
                        ctl->legend = false;
                        break;
                case OPT_NO_PAGER:
                        ctl->use_pager = false;
                        break;
                case OPT_NO_ASK_PASSWORD:
                        ctl->ask_password = false;
                        break;
                case 'h':
                case OPT_HELP:
                        ctl->status = EXIT_SUCCESS;
                        if (ctl->verb)
                                ctl_help_verb(ctl->verb);
                        else
                                ctl_help(ctl);
                        return OPT_HELP;
                case OPT_VERSION:
                        ctl->status = EXIT_SUCCESS;
                        printf("pasidctl %s\n", PACKAGE_VERSION);
                        return OPT_VERSION;
                case ':':
                case '?':
                        ctl->status = refuse_option(ctl, argv, options, c == ':');
                        return '?';
                default:
                        return c;
                }
        }
}

bool ctl_arguments(struct ctl *ctl, int argc, char **argv, int min, int max, char ***ret_args, int *ret_n) {
        static const struct option options[] = { COMMON_OPTIONS };
        int n;

        if (optind == 0 && ctl_getopt(ctl, argc, argv, ":h", options) != -1)
                return false;
        n = argc - optind;
        if (n < min || n > max) {
                const char *arguments = ctl->verb->arguments[0] ? ctl->verb->arguments : "no arguments";

                ctl->status = n < min ? ctl_usage(ctl, "%s takes %s; pasidctl %s --help has an example.", ctl->verb->name, arguments,
                                                  ctl->verb->name)
                                      : ctl_usage(ctl, "%s takes %s; what is \"%s\"?", ctl->verb->name, arguments,
                                                  argv[optind + max]);
                return false;
        }
        *ret_args = argv + optind;
        *ret_n = n;
        return true;
}

int ctl_connect(struct ctl *ctl) {
        struct pasid_client_options options = PASID_CLIENT_OPTIONS_INIT;
        const char *address;
        int r;

        if (ctl->client)
                return EXIT_SUCCESS;
        options.address = ctl->address;
        options.interactive = ctl->may_ask && ctl->ask_password && isatty(STDIN_FILENO);
        if (options.interactive)
                agent_open(&ctl->agent);
        r = pasid_client_new(&options, &ctl->client);
        if (r >= 0)
                return EXIT_SUCCESS;
        address = ctl->address ?: getenv("PASIDD_ADDRESS");
        if (!address || address[0] == '\0')
                address = USUAL_PLACES;
        if (r == -ECONNREFUSED)
                return ctl_fail(ctl, "There is no pasidd at %s; is it running%s, or at another --address?", address,
                                strcmp(address, USUAL_PLACES) == 0 ? " (systemctl start pasidd.socket)" : "");
        if (r == -EACCES)
                return ctl_fail(ctl, "There is no permission to connect to pasidd at %s; root and the members of group pasid may, "
                                "or of the one that Group= in pasidd.conf names.", address);
        if (r == -EINVAL)
                return ctl_usage(ctl, "\"%s\" is no address; system, bus:ADDRESS and unix:path=PATH are.", address);
        return ctl_fail(ctl, "pasidd at %s cannot be connected to: %s.", address, pasid_strerror(r));
}

int ctl_get_consumer(struct ctl *ctl, const char *text, struct pasid_consumer **ret) {
        struct arg_consumer consumer;
        int r;

        if (arg_consumer(text, &consumer) < 0)
                return ctl_usage(ctl, "\"%s\" names no consumer; NAME is one's own, UID:NAME anybody's.", text);
        r = ctl_connect(ctl);
        if (r != EXIT_SUCCESS)
                return r;
        r = pasid_consumer_get(ctl->client, consumer.uid, consumer.name, ret);
        return r < 0 ? ctl_refused(ctl, r) : EXIT_SUCCESS;
}

int ctl_numbers(struct ctl *ctl, char *const *args, size_t n, struct arg_numbers *ret) {
        const char *bad = NULL;

        switch (arg_numbers(args, n, ret, &bad)) {
        case 0:
                return EXIT_SUCCESS;
        case -E2BIG:
                return ctl_usage(ctl, "There are %u PASIDs in all; \"%s\" makes it more.", PASID_MAX, bad);
        case -ENOMEM:
                return ctl_fail(ctl, "Out of memory.");
        default:
                return ctl_usage(ctl, "\"%s\" is neither a PASID nor a range FIRST-LAST.", bad);
        }
}

int ctl_number(struct ctl *ctl, const char *option, const char *s, uint32_t *ret) {
        return arg_number(s, ret) < 0 ? ctl_usage(ctl, "--%s takes a number, not \"%s\".", option, s) : EXIT_SUCCESS;
}

int ctl_positive(struct ctl *ctl, const char *option, const char *s, uint32_t *ret) {
        int r = ctl_number(ctl, option, s, ret);

        if (r != EXIT_SUCCESS || *ret > 0)
                return r;
        return ctl_usage(ctl, "--%s takes a number from 1 on, not \"%s\"; leave it out for the default.", option, s);
}

int ctl_mode(struct ctl *ctl, const char *s, enum pasid_mode *ret) {
        if (strcmp(s, "advisory") == 0)
                *ret = PASID_MODE_ADVISORY;
        else if (strcmp(s, "mediated") == 0)
                *ret = PASID_MODE_MEDIATED;
        else
                return ctl_usage(ctl, "--mode takes advisory or mediated, not \"%s\".", s);
        return EXIT_SUCCESS;
}

int ctl_new_name(struct ctl *ctl, const char *name) {
        struct arg_consumer consumer;

        if (arg_consumer(name, &consumer) < 0 || consumer.uid == PASID_UID_SELF)
                return EXIT_SUCCESS; /* whether it is a name at all is for the daemon to say */
        return ctl_usage(ctl, "\"%s\" would read as consumer \"%s\" of uid %u later on; %s makes one's own and takes a plain name.",
                         name, consumer.name, consumer.uid, ctl->verb->name);
}

int ctl_private(struct ctl *ctl, const char *s, void **ret, size_t *ret_size) {
        int r = arg_private(s, ret, ret_size);

        if (r == -EINVAL)
                return ctl_usage(ctl, "--private takes TEXT, @FILE, or @- for standard input.");
        if (r == -EMSGSIZE)
                return ctl_fail(ctl, "\"%s\" has more than the %u bytes that are kept with a PASID.", s + 1, PASID_PRIVATE_MAX);
        return r < 0 ? ctl_fail(ctl, "\"%s\" cannot be read: %s.", s + 1, strerror(-r)) : EXIT_SUCCESS;
}

int ctl_add(struct ctl *ctl, struct arg_list *list, const char *s) {
        return arg_list_add(list, s) < 0 ? ctl_fail(ctl, "Out of memory.") : EXIT_SUCCESS;
}

void ctl_output(struct ctl *ctl) {
        if (ctl->use_pager && ctl->is_terminal)
                pager_open(&ctl->pager);
}

int ctl_print_field(struct ctl *ctl, const char *key, const char *format, ...) {
        _cleanup_free_ char *text = NULL, *line = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0) {
                text = NULL;
                return -ENOMEM;
        }
        line = text_escape(text, (size_t) n, ctl->utf8);
        if (!line)
                return -ENOMEM;
        return printf("%-14s %s\n", key, line) < 0 ? -(errno ?: EIO) : 0;
}
