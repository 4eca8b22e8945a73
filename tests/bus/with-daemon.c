/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests written in shell: runs a command beside a daemon of its own.
 *
 *   with-daemon [--bus=dbus-daemon|dbus-broker] [--devices] [--config=TEXT] COMMAND [ARGUMENT...]
 *
 * The command finds the direct socket in PASIDD_ADDRESS, the message bus in
 * PASIDD_BUS_ADDRESS and the directory of both in PASIDD_DIR. Exits as the
 * command does, 77 if the message bus is not installed, and 99 if the daemon
 * did not start, or did not stop well.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"
#include "message-bus.h"

#define EXIT_SKIP 77
#define EXIT_HARNESS 99
#define COMMAND_LIMIT_MSEC 300000

struct beside {
        char dir[64];
        enum bus_kind kind;
        bool has_devices;
        const char *config;
        struct message_bus *bus;
        struct daemon *daemon;
};

static int parse(int argc, char **argv, struct beside *b) {
        static const struct option options[] = {
                { "bus", required_argument, NULL, 'b' },
                { "devices", no_argument, NULL, 'd' },
                { "config", required_argument, NULL, 'c' },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "+", options, NULL)) >= 0)
                switch (c) {
                case 'b':
                        b->kind = BUS_DBUS_DAEMON;
                        while (b->kind < BUS_KIND_MAX_ && strcmp(optarg, bus_kind_to_string(b->kind)) != 0)
                                b->kind++;
                        if (b->kind == BUS_KIND_MAX_)
                                return -EINVAL;
                        break;
                case 'd':
                        b->has_devices = true;
                        break;
                case 'c':
                        b->config = optarg;
                        break;
                default:
                        return -EINVAL;
                }
        return optind < argc ? 0 : -EINVAL;
}

static int add_devices(struct beside *b) {
        char command[512];
        int r;

        (void) snprintf(command, sizeof(command), "sh '%s/tests/data/mk-sysfs.sh' '%s/tree' >&2",
                        getenv("top_srcdir") ?: ".", b->dir);
        if (system(command) != 0)
                return -EIO;
        r = daemon_add_option(b->daemon, "--sysfs=%s/tree/sys", b->dir);
        return r < 0 ? r : daemon_add_option(b->daemon, "--procfs=%s/tree/proc", b->dir);
}

static int start(struct beside *b) {
        int r;

        r = daemon_new(b->dir, b->config, &b->daemon);
        if (r >= 0 && b->has_devices)
                r = add_devices(b);
        if (r >= 0 && b->kind != BUS_NONE)
                r = message_bus_new(b->kind, b->dir, &b->bus);
        if (r >= 0 && b->bus)
                r = daemon_set_bus(b->daemon, b->bus->address);
        return r < 0 ? r : daemon_start(b->daemon);
}

static int run(const struct beside *b, char **argv) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                process_child_setup();
                (void) setenv("PASIDD_ADDRESS", b->daemon->address, 1);
                (void) setenv("PASIDD_BUS_ADDRESS", b->bus ? b->bus->address : "", 1);
                (void) setenv("PASIDD_DIR", b->dir, 1);
                process_child_exec((const char *const *) argv);
        }
        if (pid < 0 || process_wait(pid, COMMAND_LIMIT_MSEC, &status) < 0)
                return EXIT_HARNESS;
        return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_HARNESS;
}

static void print_log(const struct daemon *d) {
        char line[1024];
        FILE *f = fopen(d->log_path, "re");

        while (f && fgets(line, sizeof(line), f))
                (void) fprintf(stderr, "# %s", line);
        if (f)
                (void) fclose(f);
}

int main(int argc, char **argv) {
        struct beside b = { .dir = "/tmp/pasidd-XXXXXX" };
        int r, status;

        if (parse(argc, argv, &b) < 0) {
                (void) fprintf(stderr, "with-daemon [--bus=KIND] [--devices] [--config=TEXT] COMMAND...\n");
                return 2;
        }
        if (!bus_kind_is_available(b.kind))
                return EXIT_SKIP;
        if (!mkdtemp(b.dir) || chmod(b.dir, 0755) < 0)
                return EXIT_HARNESS;
        (void) signal(SIGPIPE, SIG_IGN);
        r = start(&b);
        if (r < 0)
                (void) fprintf(stderr, "# the daemon did not start: %s\n", strerror(-r));
        status = r < 0 ? EXIT_HARNESS : run(&b, argv + optind);
        if (r >= 0 && daemon_stop(b.daemon) < 0) {
                (void) fprintf(stderr, "# the daemon did not stop well: wait status 0x%x\n", b.daemon->status);
                status = EXIT_HARNESS;
        }
        if (status != 0 && b.daemon)
                print_log(b.daemon);
        daemon_free(b.daemon);
        message_bus_free(b.bus);
        (void) remove_tree(b.dir);
        return status;
}
