/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hundred honest clients on the direct socket, alone and beside a hostile
 * one: how long their calls take. In rounds that alternate, each with a load
 * that leaves the daemon idle at times, and with one that does not.
 *
 * On a machine with few processors the hostile client also takes the time that
 * the others and the daemon would have; no daemon can mend that.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "internal/cleanup.h"
#include "internal/contract.h"

#define HONEST 100
#define ROUNDS 5
#define ROUND_SEC 0.2
#define PACE_SEC 0.05 /* between two calls of one client, where they are paced */
#define ROWS 100000   /* for who lists them all */
#define PIPELINE 500
#define LARGE 60000   /* numbers in an array */

struct honest {
        sd_bus *bus;
        char *path;
        uint32_t pasid; /* 0: to be allocated */
        double sent;    /* 0: no call is under way */
        double next;
        struct crowd *crowd;
};

struct crowd {
        struct honest clients[HONEST];
        clockid_t work; /* the daemon's */
        double *times;
        size_t n_times, n_allocated;
};

static double work_of(clockid_t clock) {
        struct timespec ts;

        if (clock_gettime(clock, &ts) < 0)
                bench_fail("the daemon's clock", errno);
        return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct honest *h = userdata;
        struct crowd *crowd = h->crowd;

        if (sd_bus_message_is_method_error(m, NULL))
                bench_fail("an honest call", EIO);
        if (h->pasid == 0) {
                if (sd_bus_message_read(m, "u", &h->pasid) < 0)
                        bench_fail("a reply", EBADMSG);
        } else
                h->pasid = 0;
        if (crowd->n_times == crowd->n_allocated) {
                crowd->n_allocated = crowd->n_allocated * 2 + 1024;
                crowd->times = reallocarray(crowd->times, crowd->n_allocated, sizeof(*crowd->times));
                if (!crowd->times)
                        bench_fail("times", ENOMEM);
        }
        crowd->times[crowd->n_times++] = bench_now() - h->sent;
        h->sent = 0;
        return 1;
}

static void ask(struct honest *h) {
        int r;

        h->sent = bench_now();
        if (h->pasid == 0)
                r = sd_bus_call_method_async(h->bus, NULL, NULL, h->path, PASIDD_IFACE_CONSUMER, "Alloc", on_reply, h, "uuaya{sv}", 0U,
                                             0U, 0, 0);
        else
                r = sd_bus_call_method_async(h->bus, NULL, NULL, h->path, PASIDD_IFACE_CONSUMER, "Free", on_reply, h, "u", h->pasid);
        if (r < 0)
                bench_fail("call", -r);
}

static void take_replies(struct crowd *crowd, double until) {
        struct pollfd fds[HONEST];
        int timeout = (int) ((until - bench_now()) * 1000);

        for (int i = 0; i < HONEST; i++)
                fds[i] = (struct pollfd) { .fd = sd_bus_get_fd(crowd->clients[i].bus), .events = POLLIN };
        if (poll(fds, HONEST, timeout > 0 ? timeout : 0) < 0)
                bench_fail("poll", errno);
        for (int i = 0; i < HONEST; i++)
                while (fds[i].revents) {
                        int r = sd_bus_process(crowd->clients[i].bus, NULL);

                        if (r < 0)
                                bench_fail("an honest connection", -r);
                        if (r == 0)
                                break;
                }
}

/* The median of what was asked in one round, in seconds. */
static double run_round(struct crowd *crowd, double pace) {
        double end = bench_now() + ROUND_SEC;
        bool is_waiting = true;

        crowd->n_times = 0;
        for (int i = 0; i < HONEST; i++)
                crowd->clients[i].next = bench_now() + pace * i / HONEST;
        while (is_waiting) {
                double now = bench_now(), first = now < end ? end : now + 1;

                is_waiting = now < end;
                for (int i = 0; i < HONEST; i++) {
                        struct honest *h = &crowd->clients[i];

                        if (h->sent == 0 && h->next <= now && now < end) {
                                h->next = now + pace;
                                ask(h);
                        }
                        is_waiting = is_waiting || h->sent > 0;
                        if (h->sent == 0 && h->next < first)
                                first = h->next;
                }
                take_replies(crowd, first);
        }
        return bench_median(crowd->times, crowd->n_times);
}

static int ignore(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        --*(int *) userdata;
        return 1;
}

/* Many at once, on one connection, and never fewer. */
static void flood(const struct bench_daemon *d, const char *path, const char *member) {
        sd_bus *bus = bench_connect(d, false);
        int n = 0, r = 1;

        for (;;) {
                for (; n < PIPELINE && r >= 0; n++)
                        if (strcmp(member, "Alloc") == 0)
                                r = sd_bus_call_method_async(bus, NULL, NULL, path, PASIDD_IFACE_CONSUMER, member, ignore, &n,
                                                             "uuaya{sv}", 0U, 0U, 0, 1, "token", "s", "hostile");
                        else
                                r = sd_bus_call_method_async(bus, NULL, NULL, path, PASIDD_IFACE_CONSUMER, member, ignore, &n, "uu",
                                                             0U, 0U);
                if (r >= 0)
                        r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0)
                        bench_fail("the hostile connection", -r);
        }
}

static void flood_allocs(const struct bench_daemon *d, const char *path) {
        flood(d, path, "Alloc");
}

static void flood_lists(const struct bench_daemon *d, const char *path) {
        flood(d, path, "List");
}

static void send_arrays(const struct bench_daemon *d, const char *path) {
        static uint32_t numbers[LARGE];
        sd_bus *bus = bench_connect(d, false);

        for (int i = 0; i < LARGE; i++)
                numbers[i] = 900000 + (uint32_t) i;
        for (;;) {
                sd_bus_message *m = NULL;

                if (sd_bus_message_new_method_call(bus, &m, NULL, path, PASIDD_IFACE_CONSUMER, "FreeMany") < 0 ||
                    sd_bus_message_append_array(m, 'u', numbers, sizeof(numbers)) < 0)
                        bench_fail("the hostile array", ENOMEM);
                (void) sd_bus_call(bus, m, 0, NULL, NULL); /* refused: it has none of them */
                sd_bus_message_unref(m);
        }
}

/* The replies pile up, as far as the daemon lets them. */
static void never_read(const struct bench_daemon *d, const char *path) {
        for (;;) {
                sd_bus *bus = bench_connect(d, false);

                for (int r = 1, i = 0; r >= 0 && i < 20000; i++) {
                        uint64_t n = 0;

                        r = sd_bus_call_method_async(bus, NULL, NULL, path, PASIDD_IFACE_CONSUMER, "List", NULL, NULL, "uu", 0U, 0U);
                        if (r >= 0 && sd_bus_get_n_queued_write(bus, &n) >= 0 && n > 1000)
                                break;
                }
                (void) usleep(20000); /* let the daemon have it */
                sd_bus_close_unref(bus);
        }
}

static void list_everything(const struct bench_daemon *d, const char *path) {
        sd_bus *bus = bench_connect(d, false);
        uint64_t after = 0;

        for (;;) {
                sd_bus_message *reply = NULL;
                int more;

                if (sd_bus_call_method(bus, NULL, PASIDD_PATH, PASIDD_IFACE_MANAGER, "List", NULL, &reply, "tu", after, 0U) < 0 ||
                    sd_bus_message_skip(reply, "a(uusstu)") < 0 || sd_bus_message_read(reply, "tb", &after, &more) < 0)
                        bench_fail("the hostile list", EIO);
                sd_bus_message_unref(reply);
                if (!more)
                        after = 0;
        }
}

static void come_and_go(const struct bench_daemon *d, const char *path) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };

        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", d->address + strlen("unix:path="));
        for (;;) {
                int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

                if (fd < 0 || (connect(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0 && errno != EAGAIN))
                        bench_fail("the hostile connect", errno);
                (void) close(fd);
        }
}

static const struct hostility {
        const char *name;
        void (*run)(const struct bench_daemon *d, const char *path);
} hostilities[] = {
        { "500 Allocs under way at any time", flood_allocs },
        { "500 Lists of a page under way at any time", flood_lists },
        { "FreeMany of 60000 numbers without a pause", send_arrays },
        { "asking for pages and never reading", never_read },
        { "listing 100000 numbers over and over", list_everything },
        { "connecting and leaving without a pause", come_and_go },
};

static pid_t begin_hostility(const struct hostility *h, const struct bench_daemon *d, const char *path) {
        pid_t pid = fork();

        if (pid < 0)
                bench_fail("fork", errno);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                h->run(d, path);
                _exit(EXIT_FAILURE);
        }
        return pid;
}

/* What is left of it, a queue of connections for instance, is worked off when the daemon works no more. */
static void wait_until_idle(const struct crowd *crowd) {
        double before;

        do {
                before = work_of(crowd->work);
                (void) usleep(50000);
        } while (work_of(crowd->work) - before > 0.001);
}

static void compare(struct crowd *crowd, const struct hostility *h, const struct bench_daemon *d, const char *path, double pace) {
        double alone[ROUNDS], beside[ROUNDS], ratios[ROUNDS];
        int status;

        for (int i = 0; i < ROUNDS; i++) {
                pid_t pid;

                alone[i] = run_round(crowd, pace);
                pid = begin_hostility(h, d, path);
                (void) run_round(crowd, pace); /* until it is at it */
                beside[i] = run_round(crowd, pace);
                if (waitpid(pid, &status, WNOHANG) != 0)
                        bench_fail(h->name, ECHILD);
                (void) kill(pid, SIGKILL);
                (void) waitpid(pid, &status, 0);
                ratios[i] = beside[i] / alone[i];
                wait_until_idle(crowd);
        }
        printf("%-44s %-6s %9.0f %9.0f %8.2f\n", h->name, pace > 0 ? "paced" : "busy", bench_median(alone, ROUNDS) * 1e6,
               bench_median(beside, ROUNDS) * 1e6, bench_median(ratios, ROUNDS));
        (void) fflush(stdout);
}

static void fill_table(const struct bench_daemon *d, char **ret_path) {
        sd_bus *bus = bench_connect(d, false);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        bench_init(bus, NULL, "hostile", ret_path);
        if (sd_bus_call_method(bus, NULL, *ret_path, PASIDD_IFACE_CONSUMER, "AllocMany", &error, NULL, "uuuaya{sv}", (unsigned) ROWS,
                               0U, 0U, 0, 0) < 0)
                bench_fail(error.message ? error.message : "AllocMany", EIO);
        sd_bus_flush_close_unref(bus);
}

int main(int argc, char **argv) {
        struct bench_daemon d;
        static struct crowd crowd;
        char *path;

        bench_daemon_init(&d, NULL);
        (void) bench_daemon_start(&d);
        fill_table(&d, &path);
        for (int i = 0; i < HONEST; i++) {
                struct honest *h = &crowd.clients[i];
                char name[16];

                (void) snprintf(name, sizeof(name), "honest-%d", i);
                h->bus = bench_connect(&d, false);
                h->crowd = &crowd;
                bench_init(h->bus, NULL, name, &h->path);
        }
        if (clock_getcpuclockid(d.pid, &crowd.work) != 0)
                bench_fail("the daemon's clock", ENOENT);
        printf("%-44s %-6s %9s %9s %8s\n", "100 honest clients beside one hostile", "load", "alone us", "beside us", "ratio");
        for (size_t i = 0; i < ELEMENTSOF(hostilities); i++)
                for (int busy = 0; busy < 2; busy++)
                        if (argc < 2 || strstr(hostilities[i].name, argv[1]))
                                compare(&crowd, &hostilities[i], &d, path, busy ? 0 : PACE_SEC);
        for (int i = 0; i < HONEST; i++) {
                sd_bus_close_unref(crowd.clients[i].bus);
                free(crowd.clients[i].path);
        }
        free(crowd.times);
        free(path);
        bench_daemon_stop(&d);
        bench_daemon_done(&d);
        return EXIT_SUCCESS;
}
