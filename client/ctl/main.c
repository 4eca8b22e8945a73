/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl: asks pasidd, the host's authority for PASIDs, and shows its
 * answers. Finds the verb and runs it.
 */
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl.h"
#include "suggest.h"

static const struct verb *const verbs[] = {
        &verb_init, &verb_exit, &verb_alloc, &verb_free, &verb_attach, &verb_detach, &verb_find,
        &verb_run, &verb_list, &verb_consumers, &verb_devices, &verb_transfer, &verb_accept, &verb_monitor,
        &verb_metrics, &verb_check, &verb_status, &verb_cdi,
};

#define SHORT_USAGE "Usage: pasidctl [OPTION]... VERB [ARGUMENT]...\n"

void ctl_help(const struct ctl *ctl) {
        printf(SHORT_USAGE "\nAsk pasidd for PASIDs, and see who holds which.\n\nVerbs:\n");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                printf("  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
        printf("\nOptions:\n"
               "  --address=ADDRESS, --json=short|pretty, --no-legend, --no-pager,\n"
               "  --no-ask-password, -h, --help, --version\n"
               "\npasidctl VERB --help tells more about a verb; so does pasidctl(1).\n");
}

static int find_verb(struct ctl *ctl, const char *name) {
        const char *names[ELEMENTSOF(verbs) + 1] = { NULL }, *near;

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                names[i] = verbs[i]->name;
                if (strcmp(verbs[i]->name, name) == 0) {
                        ctl->verb = verbs[i];
                        return EXIT_SUCCESS;
                }
        }
        near = suggest(names, name);
        if (near)
                return ctl_usage(ctl, "\"%s\" is no verb; did you mean \"%s\"?", name, near);
        return ctl_usage(ctl, "\"%s\" is no verb; pasidctl --help lists them.", name);
}

/*
 * Were one of the first three closed, the connection would get its number and
 * read or print into it. What stands in fails each read or write, as a closed one does,
 * and is closed again for a command that is run.
 */
static int guard_standard_fds(void) {
        static const int flags[] = { O_WRONLY, O_RDONLY, O_RDWR };

        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags[fd] | O_CLOEXEC) != fd)
                        return -EBADF;
        return 0;
}

static void look_at_terminal(struct ctl *ctl) {
        const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
        struct winsize size = {};

        ctl->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
        ctl->is_terminal = isatty(STDOUT_FILENO);
        if (!ctl->is_terminal)
                return;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) >= 0)
                ctl->columns = size.ws_col;
        ctl->colour = !(no_colour && no_colour[0] != '\0') && !(term && strcmp(term, "dumb") == 0);
}

static int run(struct ctl *ctl, int argc, char **argv) {
        static const struct option options[] = { COMMON_OPTIONS };
        bool wants_help;
        int r;

        /* "+": an option after the verb is the verb's to read. */
        if (ctl_getopt(ctl, argc, argv, "+:h", options) != -1)
                return ctl->status;
        if (optind >= argc) {
                fputs(SHORT_USAGE "pasidctl --help tells more.\n", stderr);
                return EXIT_USAGE;
        }
        wants_help = strcmp(argv[optind], "help") == 0 && argc - optind <= 2;
        if (wants_help && ++optind == argc) {
                ctl_help(ctl);
                return EXIT_SUCCESS;
        }
        r = find_verb(ctl, argv[optind]);
        if (r == EXIT_SUCCESS && wants_help)
                ctl_help_verb(ctl->verb);
        if (r != EXIT_SUCCESS || wants_help)
                return r;
        argc -= optind;
        argv += optind;
        argv[0] = program_invocation_short_name;
        optind = 0;
        return ctl->verb->run(ctl, argc, argv);
}

int main(int argc, char **argv) {
        static char name[] = "pasidctl";
        struct ctl ctl = { .legend = true, .use_pager = true, .ask_password = true };
        int status;

        (void) setlocale(LC_CTYPE, "");
        ctl.sigpipe = signal(SIGPIPE, SIG_IGN);
        if (guard_standard_fds() < 0)
                return EXIT_FAILURE;
        if (argc > 0)
                argv[0] = name;
        program_invocation_short_name = name;
        look_at_terminal(&ctl);
        status = run(&ctl, argc, argv);
        errno = 0;
        if (status == EXIT_SUCCESS && (fflush(stdout) != 0 || ferror(stdout)))
                status = ctl_write_failed(&ctl, -(errno ?: EIO));
        pager_close(&ctl.pager);
        agent_close(&ctl.agent);
        ctl.client = pasid_client_free(ctl.client);
        free(ctl.reason);
        ctl.reason = NULL;
        /* Some file systems report a full disk only at the end. */
        if (close(STDOUT_FILENO) < 0 && errno != EBADF && status == EXIT_SUCCESS)
                status = ctl_fail(&ctl, "The output cannot be written: %s.", strerror(errno));
        return status;
}
