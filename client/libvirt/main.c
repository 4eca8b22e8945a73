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

/* After any of these the next call would fail likewise, if only after as long again. */
static bool is_unreachable(int r) {
        return r == -ETIMEDOUT || r == -ECONNRESET || r == -ENOTCONN || r == -ECONNREFUSED;
}

static const char *notes_reason(int r) {
        return r == -ETIMEDOUT ? "somebody keeps it locked" : strerror(-r);
}

static int open_notes(const char *guest, struct notes *ret) {
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
        struct notes notes;
};

static void work_deinit(struct work *work) {
        notes_close(&work->notes);
        (void) pasid_client_free(work->client);
}

static int say_notes(const struct work *work, int r) {
        if (r < 0)
                say(work->guest, "The notes of PASIDs to be given back, in %s, cannot be read or removed: %s.", notes_directory(),
                    notes_reason(r));
        return r;
}

static enum notes_next end_noted(const char *consumer, void *userdata) {
        const struct work *work = userdata;
        int r = release(work->client, consumer);

        if (r >= 0)
                return NOTES_REMOVE;
        say(work->guest, "PASIDs of consumer \"%s\", whose domain has ended, could not be given back: %s", consumer,
            reason(work->client, r));
        return is_unreachable(r) ? NOTES_STOP : NOTES_KEEP;
}

/* Of other domains: the own consumer is somebody's business already. */
static int end_others(struct work *work) {
        return say_notes(work, notes_each(&work->notes, work->consumer, end_noted, work));
}

/* Under a claim: another call may be about to end what was left of the domain's last run. */
static int start_own(struct work *work, const struct domain *d, bool is_running) {
        int r = notes_claim(&work->notes, work->consumer);

        if (r == -ETIMEDOUT)
                say(work->guest, "PASIDs of consumer \"%s\", from when the domain ran before, are being given back by another call "
                    "of the hook, which does not come to an end.", work->consumer);
        if (r < 0)
                return r == -ETIMEDOUT ? r : say_notes(work, r);
        r = reserve(work->client, d, is_running);
        if (r < 0)
                say(work->guest, "PASIDs could not be reserved: %s", reason(work->client, r));
        return r < 0 ? r : say_notes(work, notes_remove(&work->notes, work->consumer));
}

/* The domain runs, or is about to: nobody may take its PASIDs for those of one that has ended. */
static int start(const char *guest, const struct domain *d, bool is_running) {
        _cleanup_(work_deinit) struct work work = { .guest = guest, .notes = NOTES_INIT };
        char name[CONSUMER_NAME_MAX + 1];
        int r;

        format_consumer(d, name);
        work.consumer = name;
        r = connect_daemon(guest, &work.client);
        if (r >= 0)
                r = open_notes(guest, &work.notes);
        if (r < 0)
                return r;
        r = end_others(&work);
        return r == -ETIMEDOUT ? r : start_own(&work, d, is_running);
}

/* 0: and claimed; -EBUSY: another call ends the consumer; others: it will not be remembered. */
static int note_own(struct work *work, const struct domain *d) {
        int r = open_notes(work->guest, &work->notes);

        if (r < 0)
                return r;
        r = notes_add(&work->notes, d->uuid, work->consumer);
        if (r < 0 && r != -EBUSY)
                say(work->guest, "That PASIDs of consumer \"%s\" are to be given back cannot be noted in %s: %s.", work->consumer,
                    notes_directory(), notes_reason(r));
        if (r == -ETIMEDOUT) /* waited for once, and that is enough */
                notes_close(&work->notes);
        return r;
}

static int end_own(struct work *work, bool is_noted) {
        int r = release(work->client, work->consumer);

        if (r < 0)
                say(work->guest, "PASIDs could not be given back: %s", reason(work->client, r));
        if (r < 0 && is_noted)
                notes_unclaim(&work->notes, work->consumer);
        if (r >= 0 && is_noted)
                (void) say_notes(work, notes_remove(&work->notes, work->consumer));
        return r;
}

/* Noted before it is done, whatever comes in between. */
static void finish(const char *guest, const struct domain *d) {
        _cleanup_(work_deinit) struct work work = { .guest = guest, .notes = NOTES_INIT };
        char name[CONSUMER_NAME_MAX + 1];
        int noted, r = 0;

        format_consumer(d, name);
        work.consumer = name;
        noted = note_own(&work, d);
        if (connect_daemon(guest, &work.client) < 0)
                return;
        if (noted != -EBUSY)
                r = end_own(&work, noted >= 0);
        if (!is_unreachable(r) && work.notes.directory >= 0)
                (void) end_others(&work);
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
