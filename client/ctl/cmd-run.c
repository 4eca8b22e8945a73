/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl run: a consumer and PASIDs for the life of a command. pasidctl
 * becomes the command, as env(1) and setpriv(1) do: there is no process in
 * between whose death could part the two, and status, signals, terminal and
 * process id are the command's own. What holds the consumer is this very
 * process, which an exec does not change.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "args.h"
#include "ctl.h"
#include "expand.h"

/* As env(1) and timeout(1) have them: whatever the command exits with is its own. */
#define EXIT_OWN_FAILURE 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

enum {
        OPT_DEVICE = OPT_OWN,
        OPT_COUNT,
        OPT_MIN,
        OPT_MAX,
        OPT_PRIVATE,
        OPT_NAME,
        OPT_MODE,
        OPT_ATTACH,
        OPT_OPEN,
};

struct opened {
        int device, iommufd;
        char device_text[16], iommufd_text[16];
        char *device_key, *iommufd_key; /* "device:ADDRESS" */
};

struct run {
        const char *name;
        char own_name[32];
        struct arg_list devices; /* those to open, too */
        struct arg_list open;
        struct opened *opened;   /* one for each of open */
        uint32_t count, min, max;
        uint32_t *pasids;
        const char *private_text;
        void *private_data;
        size_t private_size;
        enum pasid_mode mode;
        bool attach;
        char **command;
};

static void run_done(struct run *run) {
        for (size_t i = 0; run->opened && i < run->open.n; i++) {
                (void) close_fd(run->opened[i].device);
                (void) close_fd(run->opened[i].iommufd);
                free(run->opened[i].device_key);
                free(run->opened[i].iommufd_key);
        }
        free(run->opened);
        free(run->devices.items);
        free(run->open.items);
        free(run->pasids);
        free(run->private_data);
}

static int parse_option(struct ctl *ctl, int c, struct run *run) {
        switch (c) {
        case OPT_DEVICE:
                return ctl_add(ctl, &run->devices, optarg);
        case OPT_COUNT:
                return ctl_number(ctl, "count", optarg, &run->count);
        case OPT_MIN:
                return ctl_positive(ctl, "min", optarg, &run->min);
        case OPT_MAX:
                return ctl_positive(ctl, "max", optarg, &run->max);
        case OPT_PRIVATE:
                run->private_text = optarg;
                return EXIT_SUCCESS;
        case OPT_NAME:
                run->name = optarg;
                return ctl_new_name(ctl, optarg);
        case OPT_MODE:
                return ctl_mode(ctl, optarg, &run->mode);
        case OPT_ATTACH:
                run->attach = true;
                return EXIT_SUCCESS;
        default:
                return ctl_add(ctl, &run->open, optarg);
        }
}

/* What can be told to be wrong without asking the daemon. */
static int check_options(struct ctl *ctl, struct run *run, bool has_min, bool has_max) {
        if (run->count > PASID_MAX)
                return ctl_usage(ctl, "--count takes 0 to %u.", PASID_MAX);
        if (run->attach && run->mode != PASID_MODE_MEDIATED)
                return ctl_usage(ctl, "--attach is pasidd's to do: it takes --mode=mediated.");
        if (run->open.n > 0 && run->mode == PASID_MODE_MEDIATED)
                return ctl_usage(ctl, "--open is for a command that attaches by itself, and --mode=mediated for one that does not.");
        /* On the bus a range has two ends, or none: 0, 0. */
        if (has_max && !has_min)
                run->min = PASID_MIN;
        if (has_min && !has_max)
                run->max = PASID_MAX;
        return EXIT_SUCCESS;
}

static bool has_string(const struct arg_list *list, const char *s) {
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->items[i], s) == 0)
                        return true;
        return false;
}

static int parse_options(struct ctl *ctl, int argc, char **argv, struct run *run) {
        static const struct option options[] = {
                { "device", required_argument, NULL, OPT_DEVICE },
                { "count", required_argument, NULL, OPT_COUNT },
                { "min", required_argument, NULL, OPT_MIN },
                { "max", required_argument, NULL, OPT_MAX },
                { "private", required_argument, NULL, OPT_PRIVATE },
                { "name", required_argument, NULL, OPT_NAME },
                { "mode", required_argument, NULL, OPT_MODE },
                { "attach", no_argument, NULL, OPT_ATTACH },
                { "open", required_argument, NULL, OPT_OPEN },
                COMMON_OPTIONS
        };
        bool has_min = false, has_max = false;
        int c, r = EXIT_SUCCESS;

        /* "+": what follows the command is the command's. */
        while (r == EXIT_SUCCESS && (c = ctl_getopt(ctl, argc, argv, "+:h", options)) != -1) {
                if (c < OPT_OWN)
                        return -1;
                has_min |= c == OPT_MIN;
                has_max |= c == OPT_MAX;
                r = parse_option(ctl, c, run);
        }
        if (r == EXIT_SUCCESS)
                r = check_options(ctl, run, has_min, has_max);
        if (r == EXIT_SUCCESS && optind >= argc)
                r = ctl_usage(ctl, "run takes a command; pasidctl run --help has an example.");
        /* A device that is opened is one that its PASIDs are for. */
        for (size_t i = 0; r == EXIT_SUCCESS && i < run->open.n; i++)
                if (!has_string(&run->devices, run->open.items[i]))
                        r = ctl_add(ctl, &run->devices, run->open.items[i]);
        run->command = argv + optind;
        ctl->status = r;
        return r == EXIT_SUCCESS ? 0 : -1;
}

/* Its numbers are known later, its keys at once. */
static int prepare_opened(struct run *run) {
        run->opened = calloc(run->open.n + 1, sizeof(*run->opened));
        if (!run->opened)
                return -ENOMEM;
        for (size_t i = 0; i < run->open.n; i++)
                run->opened[i].device = run->opened[i].iommufd = -EBADF;
        for (size_t i = 0; i < run->open.n; i++) {
                struct opened *o = &run->opened[i];

                if (asprintf(&o->device_key, "device:%s", run->open.items[i]) < 0) {
                        o->device_key = NULL;
                        return -ENOMEM;
                }
                if (asprintf(&o->iommufd_key, "iommufd:%s", run->open.items[i]) < 0) {
                        o->iommufd_key = NULL;
                        return -ENOMEM;
                }
        }
        return 0;
}

/* What the command's arguments can have between %{ and }; *ret is to be freed. */
static int make_expansions(const struct run *run, const char *pasid, struct expansion **ret, size_t *ret_n) {
        struct expansion *items = calloc(4 + 2 * run->open.n, sizeof(*items));
        size_t n = 0;

        if (!items)
                return -ENOMEM;
        items[n++] = (struct expansion) { "consumer", run->name };
        if (run->count > 0)
                items[n++] = (struct expansion) { "pasid", pasid };
        for (size_t i = 0; i < run->open.n; i++) {
                const struct opened *o = &run->opened[i];

                if (i == 0) {
                        items[n++] = (struct expansion) { "device", o->device_text };
                        items[n++] = (struct expansion) { "iommufd", o->iommufd_text };
                }
                items[n++] = (struct expansion) { o->device_key, o->device_text };
                items[n++] = (struct expansion) { o->iommufd_key, o->iommufd_text };
        }
        *ret = items;
        *ret_n = n;
        return 0;
}

static int refuse_argument(struct ctl *ctl, int r, const char *argument, const char *bad) {
        if (r == -EINVAL)
                return ctl_usage(ctl, "\"%s\" has a %%{ without its }; write %%%%{ for one that means nothing.", argument);
        if (r == -ENOKEY)
                return ctl_usage(ctl, "\"%s\" stands for nothing here; %%{pasid} and %%{consumer} do, with --open %%{device} and "
                                 "%%{iommufd} do, and %%%%{ is a plain %%{.", bad);
        return ctl_fail(ctl, "Out of memory.");
}

/* *ret: the command's argv, to be freed with its strings; on a failure too. */
static int expand_command(struct ctl *ctl, const struct run *run, const char *pasid, char ***ret) {
        _cleanup_free_ struct expansion *items = NULL;
        size_t n_items, n = 0;

        while (run->command[n])
                n++;
        *ret = calloc(n + 1, sizeof(**ret));
        if (!*ret || make_expansions(run, pasid, &items, &n_items) < 0)
                return ctl_fail(ctl, "Out of memory.");
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *bad = NULL;
                int r = expand(run->command[i], items, n_items, &(*ret)[i], &bad);

                if (r < 0)
                        return refuse_argument(ctl, r, run->command[i], bad);
        }
        return EXIT_SUCCESS;
}

static void free_command(char ***argv) {
        for (char **s = *argv; s && *s; s++)
                free(*s);
        free(*argv);
}

/* Before anything is asked for: whether each %{...} stands for something. */
static int check_command(struct ctl *ctl, struct run *run) {
        _cleanup_(free_command) char **argv = NULL;

        if (prepare_opened(run) < 0)
                return ctl_fail(ctl, "Out of memory.");
        return expand_command(ctl, run, "", &argv);
}

/* In another pid namespace than pasidd's the number of this process says nothing, but a pidfd of it does. */
static int init_by_pidfd(struct ctl *ctl, const struct run *run, struct pasid_consumer_options *options,
                         struct pasid_consumer **ret) {
        _cleanup_close_ int self = pidfd_open(getpid(), 0);

        if (self < 0)
                return -errno;
        options->hold = PASID_HOLD_FD;
        options->hold_fd = self;
        return pasid_consumer_init(ctl->client, run->name, options, ret);
}

static int become_consumer(struct ctl *ctl, const struct run *run, struct pasid_consumer **ret) {
        struct pasid_consumer_options options = PASID_CONSUMER_OPTIONS_INIT;
        int r;

        options.devices = run->devices.items;
        options.mode = run->mode;
        options.hold = PASID_HOLD_PROCESS;
        options.hold_pid = getpid();
        r = pasid_consumer_init(ctl->client, run->name, &options, ret);
        if (r == -EINVAL || r == -EOPNOTSUPP)
                r = init_by_pidfd(ctl, run, &options, ret);
        return r < 0 ? ctl_refused(ctl, r) : EXIT_SUCCESS;
}

/* To be had by the command, at the numbers that they have here. */
static int open_devices(struct ctl *ctl, struct run *run, struct pasid_consumer *consumer) {
        for (size_t i = 0; i < run->open.n; i++) {
                struct opened *o = &run->opened[i];
                int r = pasid_consumer_open_device(consumer, run->open.items[i], &o->device, &o->iommufd);

                if (r < 0)
                        return ctl_refused(ctl, r);
                if (fcntl(o->device, F_SETFD, 0) < 0 || fcntl(o->iommufd, F_SETFD, 0) < 0)
                        return ctl_fail(ctl, "Device %s could not be passed on: %s.", run->open.items[i], strerror(errno));
                (void) snprintf(o->device_text, sizeof(o->device_text), "%d", o->device);
                (void) snprintf(o->iommufd_text, sizeof(o->iommufd_text), "%d", o->iommufd);
        }
        return EXIT_SUCCESS;
}

static int allocate(struct ctl *ctl, struct run *run, struct pasid_consumer *consumer) {
        const void *data = run->private_size > 0 ? run->private_data : NULL;
        int r = 0;

        run->pasids = calloc((size_t) run->count + 1, sizeof(*run->pasids));
        if (!run->pasids)
                return ctl_fail(ctl, "Out of memory.");
        if (run->count == 1) /* whose refusal can speak of the one number */
                r = pasid_alloc(consumer, run->min, run->max, data, run->private_size, NULL, run->pasids);
        else if (run->count > 1)
                r = pasid_alloc_many(consumer, run->count, run->min, run->max, data, run->private_size, NULL, run->pasids);
        for (uint32_t i = 0; r >= 0 && run->attach && i < run->count; i++)
                r = pasid_attach(consumer, run->pasids[i]);
        return r < 0 ? ctl_refused(ctl, r) : EXIT_SUCCESS;
}

/* An enclosing run's must not be taken for this one's. */
static int set_or_unset(const char *name, const char *value) {
        return value[0] != '\0' ? setenv(name, value, 1) : unsetenv(name);
}

static int set_list(const char *name, const uint32_t *numbers, size_t n) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return -1;
        for (size_t i = 0; i < n; i++)
                (void) fprintf(out, "%s%u", i > 0 ? " " : "", numbers[i]);
        return fclose(out) == 0 ? set_or_unset(name, text) : -1;
}

static int set_environment(struct ctl *ctl, const struct run *run, const char *pasid) {
        _cleanup_free_ uint32_t *devices = calloc(run->open.n + 1, sizeof(*devices));
        _cleanup_free_ uint32_t *iommufds = calloc(run->open.n + 1, sizeof(*iommufds));

        if (!devices || !iommufds)
                return ctl_fail(ctl, "Out of memory.");
        for (size_t i = 0; i < run->open.n; i++) {
                devices[i] = (uint32_t) run->opened[i].device;
                iommufds[i] = (uint32_t) run->opened[i].iommufd;
        }
        if (set_or_unset("PASID", pasid) < 0 || set_list("PASIDS", run->pasids, run->count) < 0 ||
            setenv("PASID_CONSUMER", run->name, 1) < 0 ||
            setenv("PASIDD_ADDRESS", pasid_client_get_address(ctl->client), 1) < 0 ||
            set_list("PASID_DEVICE_FD", devices, run->open.n) < 0 || set_list("PASID_IOMMUFD", iommufds, run->open.n) < 0)
                return ctl_fail(ctl, "The command's environment could not be made: %s.", strerror(errno));
        return EXIT_SUCCESS;
}

/* Returns only if the command can't be run. */
static int execute(struct ctl *ctl, char **argv) {
        int error;

        agent_close(&ctl->agent); /* which would be the command's child */
        (void) signal(SIGPIPE, ctl->sigpipe);
        (void) execvp(argv[0], argv);
        error = errno;
        (void) signal(SIGPIPE, SIG_IGN);
        (void) ctl_fail(ctl, "\"%s\" cannot be run: %s.", argv[0], strerror(error));
        return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static int run_command(struct ctl *ctl, struct run *run, struct pasid_consumer *consumer) {
        _cleanup_(free_command) char **argv = NULL;
        char pasid[16] = "";
        int r;

        r = open_devices(ctl, run, consumer); /* first: numbers of one who is refused here would cool for nothing */
        if (r == EXIT_SUCCESS)
                r = allocate(ctl, run, consumer);
        if (r != EXIT_SUCCESS)
                return r;
        if (run->count > 0)
                (void) snprintf(pasid, sizeof(pasid), "%u", run->pasids[0]);
        r = expand_command(ctl, run, pasid, &argv);
        if (r == EXIT_SUCCESS)
                r = set_environment(ctl, run, pasid);
        return r == EXIT_SUCCESS ? execute(ctl, argv) : r;
}

static int run_all(struct ctl *ctl, struct run *run) {
        _cleanup_(pasid_consumer_freep) struct pasid_consumer *consumer = NULL;
        int r;

        r = check_command(ctl, run);
        if (r == EXIT_SUCCESS && run->private_text)
                r = ctl_private(ctl, run->private_text, &run->private_data, &run->private_size);
        ctl->may_ask = true;
        if (r == EXIT_SUCCESS)
                r = ctl_connect(ctl);
        if (r == EXIT_SUCCESS)
                r = become_consumer(ctl, run, &consumer);
        if (r != EXIT_SUCCESS)
                return r;
        r = run_command(ctl, run, consumer);
        (void) pasid_consumer_exit(consumer); /* at once; else the end of this process does it */
        return r;
}

static int run_run(struct ctl *ctl, int argc, char **argv) {
        struct run run = { .count = 1, .mode = PASID_MODE_ADVISORY };
        int r;

        (void) snprintf(run.own_name, sizeof(run.own_name), "run-%d", (int) getpid());
        run.name = run.own_name;
        r = parse_options(ctl, argc, argv, &run) < 0 ? ctl->status : run_all(ctl, &run);
        run_done(&run);
        return r == EXIT_FAILURE || r == EXIT_USAGE ? EXIT_OWN_FAILURE : r;
}

const struct verb verb_run = {
        .name = "run",
        .arguments = "[--] COMMAND [ARGUMENT]...",
        .summary = "Run a command with PASIDs that last as long as it does",
        .options =
                "  --device=ADDRESS    a PCI device that the PASIDs are for; repeat for more\n"
                "  --count=N           so many PASIDs; one if not given\n"
                "  --min=N, --max=N    the range that they come from\n"
                "  --private=DATA      up to 4096 bytes to keep with each: TEXT, @FILE, or @- for\n"
                "                      standard input\n"
                "  --name=NAME         of the consumer; run- and the process id if not given\n"
                "  --mode=MODE         who attaches: advisory (the command, the default) or\n"
                "                      mediated (pasidd; needs a device)\n"
                "  --attach            attach them first; with --mode=mediated\n"
                "  --open=ADDRESS      open this device for the command, which attaches by itself\n"
                "                      (repeat for more)\n",
        .notes =
                "The command finds PASID, PASIDS, PASID_CONSUMER and PASIDD_ADDRESS in its\n"
                "environment, with --open PASID_DEVICE_FD and PASID_IOMMUFD too. In its arguments\n"
                "%{pasid}, %{consumer}, %{device} and %{iommufd} are replaced; %%{ is a plain %{.\n"
                "pasidctl becomes the command: the exit status is the command's; 125 if pasidctl\n"
                "fails, 126 if the command cannot be run, 127 if it is not there.\n"
                "\nExample:\n"
                "  pasidctl run --device 0000:01:00.0 -- sh -c 'echo I have $PASID'\n",
        .run = run_run,
};
