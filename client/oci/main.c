/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasid-oci-hook: run by a container runtime (OCI runtime specification,
 * "POSIX-platform Hooks") with the container's state on standard input. Gives
 * the container its PASIDs, or takes them back.
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "consumer.h"
#include "hook.h"
#include "input.h"
#include "request.h"
#include "runtime-log.h"

#define EXIT_USAGE 2

static const char usage[] =
        "Usage: " HOOK_PROGRAM " [OPTION]... createRuntime|poststop\n"
        "\n"
        "Gives a container the PASIDs that its annotations org.pasidd.* ask for, and takes\n"
        "them back. A container runtime runs it, with the container's state on standard\n"
        "input.\n"
        "\n"
        "Options:\n"
        "  --address=ADDRESS   where pasidd is: system, bus:ADDRESS, or the D-Bus address\n"
        "                      of its socket, like unix:path=PATH\n"
        "  --device=ADDRESS    a PCI device that the container uses; repeat for more\n"
        "  --no-socket         refuse annotation org.pasidd.socket\n"
        "  -h, --help          this text\n"
        "  --version           the version\n";

enum occasion {
        OCCASION_CREATE,
        OCCASION_STOP,
};

static int read_config(struct hook *hook, struct json_object *state, struct request *request) {
        _cleanup_(json_object_putp) struct json_object *config = NULL;
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (asprintf(&path, "%s/config.json", request->bundle) < 0) {
                path = NULL;
                return hook_oom(hook);
        }
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return hook_fail(hook, -errno, "The container's %s cannot be opened: %s.", path, strerror(errno));
        r = input_read_object(hook, fd, CONFIG_BYTES, "The container's config.json", &config);
        return r < 0 ? r : request_read_config(hook, state, config, request);
}

static int run(struct hook *hook, enum occasion occasion) {
        _cleanup_(json_object_putp) struct json_object *state = NULL;
        _cleanup_(request_deinit) struct request request = {};
        int r;

        r = input_read_object(hook, STDIN_FILENO, STATE_BYTES, "The container's state on standard input", &state);
        if (r >= 0)
                r = request_read_state(hook, state, &request);
        if (r < 0)
                return r;
        if (occasion == OCCASION_STOP)
                return container_take(hook, &request);
        r = read_config(hook, state, &request);
        if (r < 0 || !request.is_wanted)
                return r;
        return container_give(hook, &request);
}

static int say_failure(struct hook *hook) {
        _cleanup_free_ char *line = NULL;

        if (asprintf(&line, HOOK_PROGRAM ": %s", hook->error ?: "Out of memory.") < 0)
                line = NULL;
        (void) fprintf(stderr, "%s\n", line ?: HOOK_PROGRAM ": Out of memory.");
        if (line)
                runtime_log_sentence(line);
        free(hook->error);
        hook->error = NULL;
        return EXIT_FAILURE;
}

/* A descriptor that stands in for a closed one fails what would go there, and is nobody else's. */
static int guard_standard_fds(void) {
        static const int flags[] = { O_WRONLY, O_RDONLY, O_RDWR };

        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags[fd]) != fd)
                        return -EBADF;
        return 0;
}

static int use(const char *problem, const char *what) {
        (void) fprintf(stderr, HOOK_PROGRAM ": %s%s; " HOOK_PROGRAM " --help tells more.\n", problem, what);
        return EXIT_USAGE;
}

static int parse_and_run(struct hook *hook, const char **devices, int argc, char **argv) {
        static const struct option options[] = {
                { "address", required_argument, NULL, 'a' }, { "device", required_argument, NULL, 'd' },
                { "no-socket", no_argument, NULL, 'n' },     { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },       {},
        };
        size_t n_devices = 0;
        int c, r;

        while ((c = getopt_long(argc, argv, ":h", options, NULL)) >= 0)
                switch (c) {
                case 'a':
                        hook->address = optarg;
                        break;
                case 'd':
                        devices[n_devices++] = optarg;
                        break;
                case 'n':
                        hook->no_socket = true;
                        break;
                case 'h':
                        return fputs(usage, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
                case 'v':
                        return puts(HOOK_PROGRAM " " VERSION) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
                case ':':
                        return use("This option needs a value: ", argv[optind - 1]);
                default:
                        return use("There is no option ", argv[optind - 1]);
                }
        hook->devices = devices;
        if (optind + 1 != argc)
                return use("One occasion is needed, createRuntime or poststop", "");
        if (strcmp(argv[optind], "createRuntime") == 0)
                r = run(hook, OCCASION_CREATE);
        else if (strcmp(argv[optind], "poststop") == 0)
                r = run(hook, OCCASION_STOP);
        else
                return use("There is nothing to be done at ", argv[optind]);
        return r < 0 ? say_failure(hook) : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        static char name[] = HOOK_PROGRAM;
        const char **devices;
        struct hook hook = {};
        int status;

        (void) signal(SIGPIPE, SIG_IGN);
        if (guard_standard_fds() < 0)
                return EXIT_FAILURE;
        if (argc > 0)
                argv[0] = name;
        devices = calloc((size_t) argc + 1, sizeof(*devices));
        if (!devices)
                return EXIT_FAILURE;
        status = parse_and_run(&hook, devices, argc, argv);
        free(devices);
        return status;
}
