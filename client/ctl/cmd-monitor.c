/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl monitor: prints what happens on the host as it happens, until it is
 * interrupted.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "ctl.h"
#include "format.h"
#include "row.h"
#include "text.h"

#define USEC_PER_SEC 1000000U
#define NSEC_PER_USEC 1000U

struct monitor {
        struct ctl *ctl;
        struct json_stream json;
        int r; /* why the output failed */
};

static const char *event_word(enum pasid_event_type type) {
        switch (type) {
        case PASID_EVENT_ALLOCATED:
                return "allocated";
        case PASID_EVENT_FREED:
                return "freed";
        case PASID_EVENT_CONSUMER_ADDED:
                return "consumer-added";
        case PASID_EVENT_CONSUMER_REMOVED:
                return "consumer-removed";
        case PASID_EVENT_RESTARTED:
                return "restarted";
        case PASID_EVENT_LOST:
                return "lost";
        case PASID_EVENT_DEVICE_REQUESTED:
                return "device-requested";
        default:
                return NULL;
        }
}

static uint64_t clock_usec(clockid_t clock) {
        struct timespec now = {};

        (void) clock_gettime(clock, &now);
        return (uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / NSEC_PER_USEC;
}

static int print_json(struct monitor *monitor, const struct pasid_event *event, uint64_t now) {
        struct json_object *record = json_record_new();

        record_time(&record, "time", now);
        json_record_text(&record, "event", event_word(event->type));
        if (event->consumer) {
                json_record_text(&record, "consumer", event->consumer);
                json_record_number(&record, "uid", event->uid);
        }
        if (event->pasid > 0)
                json_record_number(&record, "pasid", event->pasid);
        if (event->reason)
                json_record_text(&record, "reason", event->reason);
        if (event->device) {
                json_record_text(&record, "device", event->device);
                record_time(&record, "deadline", event->deadline_usec);
        }
        return json_stream_add(&monitor->json, record);
}

static int print_line(struct monitor *monitor, const struct pasid_event *event, uint64_t now) {
        char time[TIME_TEXT_MAX], pasid[16] = "";
        _cleanup_free_ char *consumer = NULL, *device = NULL;

        if (event->consumer) {
                consumer = text_escape(event->consumer, strlen(event->consumer), monitor->ctl->utf8);
                if (!consumer)
                        return -ENOMEM;
        }
        if (event->device) {
                device = text_escape(event->device, strlen(event->device), monitor->ctl->utf8);
                if (!device)
                        return -ENOMEM;
        }
        if (event->pasid > 0)
                (void) snprintf(pasid, sizeof(pasid), "%u", event->pasid);
        (void) printf("%s %-16s", format_time(now, TIME_PEOPLE, time), event_word(event->type));
        if (event->consumer)
                (void) printf(" %7s %u:%s", pasid, event->uid, consumer);
        /* Freeing is what freed a number: only another reason is news. */
        if (event->reason && strcmp(event->reason, "freed") != 0)
                (void) printf(" (%s)", event->reason);
        if (event->device)
                (void) printf(" %7s %s (until %s)", "", device, format_time(event->deadline_usec, TIME_PEOPLE, time));
        (void) putchar('\n');
        return 0;
}

static int event_cb(const struct pasid_event *event, void *userdata) {
        struct monitor *monitor = userdata;
        uint64_t now = clock_usec(CLOCK_REALTIME);

        if (!event_word(event->type) || monitor->r < 0)
                return 0;
        errno = 0;
        monitor->r = monitor->ctl->json == JSON_OFF ? print_line(monitor, event, now) : print_json(monitor, event, now);
        /* Whoever reads a pipe wants to know now. */
        if (monitor->r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
                monitor->r = -(errno ?: EIO);
        return 0;
}

/* 1: interrupted, or nobody reads any more; 0: something may have happened; or a negative errno of the library. */
static int wait_for_news(struct ctl *ctl, int signal_fd) {
        struct pollfd fds[] = {
                { .fd = pasid_client_get_fd(ctl->client) },
                { .fd = signal_fd, .events = POLLIN },
                { .fd = STDOUT_FILENO }, /* tells only of its end */
        };
        struct timespec timeout = {};
        uint64_t until, now = clock_usec(CLOCK_MONOTONIC);
        int events = pasid_client_get_events(ctl->client), r;

        if (fds[0].fd < 0)
                return fds[0].fd;
        if (events < 0)
                return events;
        fds[0].events = (short) events;
        r = pasid_client_get_timeout(ctl->client, &until);
        if (r < 0)
                return r;
        if (until > now) {
                timeout.tv_sec = (time_t) ((until - now) / USEC_PER_SEC);
                timeout.tv_nsec = (long) ((until - now) % USEC_PER_SEC * NSEC_PER_USEC);
        }
        r = ppoll(fds, ELEMENTSOF(fds), until == UINT64_MAX ? NULL : &timeout, NULL);
        if (r < 0)
                return errno == EINTR ? 0 : -errno;
        return fds[1].revents || fds[2].revents & (POLLERR | POLLHUP);
}

static int watch(struct monitor *monitor, int signal_fd) {
        struct ctl *ctl = monitor->ctl;
        int r;

        for (;;) {
                do
                        r = pasid_client_process(ctl->client);
                while (r > 0 && monitor->r == 0);
                if (monitor->r < 0)
                        return ctl_write_failed(ctl, monitor->r);
                if (r == 0)
                        r = wait_for_news(ctl, signal_fd);
                if (r > 0)
                        return EXIT_SUCCESS;
                if (r == -ECONNRESET || r == -ENOTCONN)
                        return ctl_fail(ctl, "The connection to pasidd ended.");
                if (r < 0)
                        return ctl_refused(ctl, r);
        }
}

static int run_monitor(struct ctl *ctl, int argc, char **argv) {
        struct monitor monitor = { .ctl = ctl, .json = { .stream = stdout, .lines = true } };
        _cleanup_close_ int signal_fd = -EBADF;
        sigset_t signals;
        char **args;
        int n, r;

        if (!ctl_arguments(ctl, argc, argv, 0, 0, &args, &n))
                return ctl->status;
        monitor.json.mode = ctl->json;
        r = ctl_connect(ctl);
        if (r != EXIT_SUCCESS)
                return r;
        (void) sigemptyset(&signals);
        (void) sigaddset(&signals, SIGINT);
        (void) sigaddset(&signals, SIGTERM);
        (void) sigprocmask(SIG_BLOCK, &signals, NULL);
        signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
        if (signal_fd < 0)
                return ctl_fail(ctl, "Signals cannot be waited for: %s.", strerror(errno));
        r = pasid_subscribe(ctl->client, event_cb, &monitor);
        return r < 0 ? ctl_refused(ctl, r) : watch(&monitor, signal_fd);
}

const struct verb verb_monitor = {
        .name = "monitor",
        .arguments = "",
        .summary = "Print what happens to PASIDs, consumers and devices",
        .options = "",
        .notes =
                "Goes on until it is interrupted. With --json each event is an object by itself.\n"
                "\nExample:\n"
                "  pasidctl monitor --json=short\n",
        .run = run_monitor,
};
