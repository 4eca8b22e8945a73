/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasid-libvirt-hook: as /etc/libvirt/hooks/qemu.d/pasidd it has PASIDs
 * reserved for a domain before it starts, and given back after it has ended.
 * libvirt runs it as "HOOK GUEST OPERATION SUB-OPERATION EXTRA", the domain's
 * XML on standard input, and shows its standard error if it refuses a start.
 * What it would print on standard output libvirt would take for another XML.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domain.h"
#include "notes.h"
#include "reserve.h"

DEFINE_CLEANUP(struct pasid_client *, pasid_client_free);

#define EXIT_USAGE 2

static const char help[] =
        "Usage: pasid-libvirt-hook GUEST OPERATION SUB-OPERATION [EXTRA]\n\n"
        "Reserves PASIDs for a libvirt domain, whose XML is on standard input, at\n"
        "\"prepare begin\", and gives them back at \"release end\". To be installed as\n"
        "/etc/libvirt/hooks/qemu.d/pasidd; see pasid-libvirt-hook(8).\n";

enum action { ACTION_NONE, ACTION_RESERVE, ACTION_RECONNECT, ACTION_RELEASE };

/* One line, whatever it quotes. */
static void _printf_(2, 3) say(const char *guest, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0)
                text = NULL;
        for (char *p = text; p && *p; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        *p = '?';
        fprintf(stderr, "pasid-libvirt-hook: %s%s%s\n", guest, guest[0] ? ": " : "", text ?: "Out of memory.");
}

static enum action find_action(const char *operation, const char *sub_operation) {
        static const struct {
                const char *operation, *sub_operation;
                enum action action;
        } actions[] = {
                { "prepare", "begin", ACTION_RESERVE },
                { "reconnect", "begin", ACTION_RECONNECT },
                { "release", "end", ACTION_RELEASE },
        };

        for (size_t i = 0; i < ELEMENTSOF(actions); i++)
                if (strcmp(actions[i].operation, operation) == 0 && strcmp(actions[i].sub_operation, sub_operation) == 0)
                        return actions[i].action;
        return ACTION_NONE; /* "start", "started", "stopped", "migrate", "restore", "attach", and what is to come */
}

/* One byte more than is allowed tells that it is too long. */
static int read_input(char **ret, size_t *ret_size) {
        _cleanup_free_ char *data = NULL;
        size_t size = 0, room = 0;

        for (;;) {
                ssize_t n;

                if (size == room) {
                        char *grown;

                        if (size > DOMAIN_XML_MAX)
                                break;
                        room = room ? room * 2 : 65536;
                        if (room > DOMAIN_XML_MAX)
                                room = DOMAIN_XML_MAX + 1;
                        grown = realloc(data, room);
                        if (!grown)
                                return -ENOMEM;
                        data = grown;
                }
                n = read(STDIN_FILENO, data + size, room - size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t) n;
        }
        *ret = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}

static int read_domain(const char *guest, struct domain **ret) {
        _cleanup_free_ char *xml = NULL;
        struct domain_error error = {};
        size_t size = 0;
        int r;

        r = read_input(&xml, &size);
        if (r < 0) {
                say(guest, "The domain's XML cannot be read from standard input: %s.", strerror(-r));
                return r;
        }
        r = domain_parse(xml, size, ret, &error);
        if (r < 0)
                say(guest, "The domain's XML on standard input is not as it should be. %s", r == -ENOMEM ? "Out of memory." : error.text);
        return r;
}

static int connect_daemon(const char *guest, struct pasid_client **ret) {
        int r = pasid_client_new(NULL, ret);

        if (r == -ECONNREFUSED)
                say(guest, "There is no pasidd to ask for PASIDs; is it running (systemctl start pasidd.socket)?");
        else if (r == -EACCES)
                say(guest, "There is no permission to connect to pasidd; root and the members of group pasid may, or of the one "
                    "that Group= in pasidd.conf names.");
        else if (r < 0)
                say(guest, "pasidd cannot be asked for PASIDs: %s.", pasid_strerror(r));
        return r;
}

static const char *reason(struct pasid_client *client, int r) {
        const char *why = pasid_strerror_last(client);

        return why[0] ? why : pasid_strerror(r);
}

static int open_notes(const char *guest, int *ret) {
        int r = notes_open(ret);

        if (r == -EPERM)
                say(guest, "Directory %s, for notes of PASIDs to be given back, is not this user's alone; remove it, or make it so.",
                    notes_directory());
        else if (r < 0)
                say(guest, "Directory %s, for notes of PASIDs to be given back, cannot be opened or made: %s.", notes_directory(), strerror(-r));
        return r;
}

struct work {
        const char *guest;
        struct pasid_client *client;
        const char *consumer; /* the domain's own */
};

/* Of other domains: the own consumer is somebody's business already. */
static bool end_noted(const char *consumer, void *userdata) {
        const struct work *work = userdata;
        int r;

        if (strcmp(consumer, work->consumer) == 0)
                return false;
        r = release(work->client, consumer);
        if (r < 0)
                say(work->guest, "PASIDs of consumer \"%s\", whose domain has ended, could not be given back: %s", consumer,
                    reason(work->client, r));
        return r >= 0;
}

static bool is_own(const char *consumer, void *userdata) {
        const struct work *work = userdata;

        return strcmp(consumer, work->consumer) == 0;
}

static int each_note(const char *guest, int notes, note_func_t func, struct work *work) {
        int r = notes < 0 ? 0 : notes_each(notes, func, work);

        if (r < 0)
                say(guest, "The notes of PASIDs to be given back, in %s, cannot be read or removed: %s.", notes_directory(), strerror(-r));
        return r;
}

/* The domain runs, or is about to: nobody may take its PASIDs for those of one that has ended. */
static int start(const char *guest, const struct domain *d, bool is_running) {
        _cleanup_(pasid_client_freep) struct pasid_client *client = NULL;
        struct work work = { .guest = guest };
        char name[CONSUMER_NAME_MAX + 1];
        _cleanup_close_ int notes = -EBADF;
        int r;

        r = connect_daemon(guest, &client);
        if (r >= 0)
                r = open_notes(guest, &notes);
        if (r < 0)
                return r;
        format_consumer(d, name);
        work.consumer = name;
        work.client = client;
        (void) each_note(guest, notes, end_noted, &work);
        r = reserve(client, d, is_running);
        if (r < 0)
                say(guest, "PASIDs could not be reserved: %s", reason(client, r));
        return r < 0 ? r : each_note(guest, notes, is_own, &work);
}

/* Noted before it is done, whatever comes in between. */
static void finish(const char *guest, const struct domain *d) {
        _cleanup_(pasid_client_freep) struct pasid_client *client = NULL;
        struct work work = { .guest = guest };
        char name[CONSUMER_NAME_MAX + 1];
        _cleanup_close_ int notes = -EBADF;
        int r;

        format_consumer(d, name);
        work.consumer = name;
        if (open_notes(guest, &notes) >= 0) {
                r = notes_add(notes, d->uuid, name);
                if (r < 0)
                        say(guest, "That PASIDs of consumer \"%s\" are to be given back cannot be noted in %s: %s.", name, notes_directory(),
                            strerror(-r));
        }
        if (connect_daemon(guest, &client) < 0)
                return;
        work.client = client;
        (void) each_note(guest, notes, end_noted, &work);
        r = release(client, name);
        if (r < 0)
                say(guest, "PASIDs could not be given back: %s", reason(client, r));
        else
                (void) each_note(guest, notes, is_own, &work);
}

/* There is nothing to refuse after the end. */
static int act(const char *guest, enum action action, const struct domain *d) {
        if (action != ACTION_RELEASE)
                return start(guest, d, action == ACTION_RECONNECT);
        finish(guest, d);
        return 0;
}

int main(int argc, char **argv) {
        _cleanup_(domain_freep) struct domain *d = NULL;
        enum action action;
        int r;

        if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
                return fputs(help, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (argc == 2 && strcmp(argv[1], "--version") == 0)
                return printf("pasid-libvirt-hook %s\n", PACKAGE_VERSION) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (argc < 4) {
                say("", "It takes GUEST OPERATION SUB-OPERATION, as libvirt runs its hooks; --help tells more.");
                return EXIT_USAGE;
        }
        (void) signal(SIGPIPE, SIG_IGN);
        action = find_action(argv[2], argv[3]);
        if (action == ACTION_NONE)
                return EXIT_SUCCESS;
        r = read_domain(argv[1], &d);
        if (r >= 0 && d->wants_pasids)
                r = act(argv[1], action, d);
        /* libvirt kills a running domain whose reconnect is refused. */
        return r < 0 && action == ACTION_RESERVE ? EXIT_FAILURE : EXIT_SUCCESS;
}
