/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidd(8)'s options by getopt_long(3).
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "internal/contract.h"
#include "log.h"

#define LISTEN_PREFIX "unix:path="

static void print_help(void) {
        printf("Usage: pasidd [OPTION]...\n\n"
               "The authority for PCIe PASIDs on this host.\n\n"
               "  --bus=system|none|ADDRESS   message bus to serve on (default: system)\n"
               "  --listen=unix:path=PATH     direct socket to serve on (default: the one passed by\n"
               "                              socket activation, else " PASIDD_SOCKET ")\n"
               "  --runtime-dir=DIR           table of this boot (default: " PASIDD_RUNTIME_DIR ")\n"
               "  --state-dir=DIR             table that survives reboots (default: " PASIDD_STATE_DIR ")\n"
               "  --config=FILE               settings, with drop-ins in FILE.d\n"
               "                              (default: " PASIDD_CONFIG ")\n"
               "  --log-level=LEVEL           err, warning, notice, info or debug (default: info)\n"
               "  --sysfs=DIR                 where to look for devices (default: /sys)\n"
               "  --procfs=DIR                where to look for processes (default: /proc)\n"
               "  --cgroupfs=DIR              where to look for units (default: /sys/fs/cgroup)\n"
               "  --debugfs=DIR               where to look for the IOMMUs' tables\n"
               "                              (default: kernel/debug in sysfs)\n"
               "  -h, --help                  this text\n"
               "  --version                   the version\n\n"
               "See pasidd(8).\n");
}

static int set_listen(const char *address, struct options *o) {
        size_t n = strlen(LISTEN_PREFIX);

        if (strncmp(address, LISTEN_PREFIX, n) != 0 || address[n] != '/' || strpbrk(address, ",;%")) {
                (void) fprintf(stderr, "pasidd: '%s' is no address to listen on; write " LISTEN_PREFIX "/SOME/PATH\n", address);
                return -EINVAL;
        }
        o->listen_path = address + n;
        return 0;
}

static int set_log_level(const char *level, struct options *o) {
        int r = log_level_from_string(level);

        if (r < 0) {
                (void) fprintf(stderr, "pasidd: '%s' is no log level; use err, warning, notice, info or debug\n", level);
                return r;
        }
        o->log_level = r;
        return 0;
}

static int refuse_empty(const char *name) {
        (void) fprintf(stderr, "pasidd: --%s= needs a value\n", name);
        return -EINVAL;
}

int options_parse(int argc, char **argv, struct options *ret) {
        enum { BUS = 0x100, LISTEN, RUNTIME_DIR, STATE_DIR, CONFIG, LOG_LEVEL, SYSFS, PROCFS, CGROUPFS, DEBUGFS, VERSION_ };
        static const struct option long_options[] = {
                { "bus", required_argument, NULL, BUS },
                { "listen", required_argument, NULL, LISTEN },
                { "runtime-dir", required_argument, NULL, RUNTIME_DIR },
                { "state-dir", required_argument, NULL, STATE_DIR },
                { "config", required_argument, NULL, CONFIG },
                { "log-level", required_argument, NULL, LOG_LEVEL },
                { "sysfs", required_argument, NULL, SYSFS },
                { "procfs", required_argument, NULL, PROCFS },
                { "cgroupfs", required_argument, NULL, CGROUPFS },
                { "debugfs", required_argument, NULL, DEBUGFS },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, VERSION_ },
                {},
        };
        struct options o = {
                .bus = "system",
                .runtime_dir = PASIDD_RUNTIME_DIR,
                .state_dir = PASIDD_STATE_DIR,
                .config = PASIDD_CONFIG,
                .log_level = LOG_INFO,
                .sysfs = "/sys",
                .procfs = "/proc",
        };
        int c, index = 0, r = 0;

        while (r >= 0 && (c = getopt_long(argc, argv, "h", long_options, &index)) >= 0) {
                if (c >= BUS && c <= DEBUGFS && optarg[0] == '\0')
                        return refuse_empty(long_options[index].name);
                switch (c) {
                case BUS:
                        o.bus = strcmp(optarg, "none") == 0 ? NULL : optarg;
                        break;
                case LISTEN:
                        r = set_listen(optarg, &o);
                        break;
                case RUNTIME_DIR:
                        o.runtime_dir = optarg;
                        break;
                case STATE_DIR:
                        o.state_dir = optarg;
                        break;
                case CONFIG:
                        o.config = optarg;
                        o.config_given = true;
                        break;
                case LOG_LEVEL:
                        r = set_log_level(optarg, &o);
                        break;
                case SYSFS:
                        o.sysfs = optarg;
                        break;
                case PROCFS:
                        o.procfs = optarg;
                        break;
                case CGROUPFS:
                        o.cgroupfs = optarg;
                        break;
                case DEBUGFS:
                        o.debugfs = optarg;
                        break;
                case VERSION_:
                        printf("pasidd %s\n", VERSION);
                        return 0;
                case 'h':
                        print_help();
                        return 0;
                default:
                        return -EINVAL; /* getopt said why */
                }
        }
        if (r >= 0 && optind < argc) {
                (void) fprintf(stderr, "pasidd: it takes options only, not '%s'; see pasidd --help\n", argv[optind]);
                return -EINVAL;
        }
        if (r < 0)
                return r;
        *ret = o;
        return 1;
}
