/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * $PAGER, or less: it quits by itself when all fits on the screen. It never
 * gets to run other programs (LESSSECURE), since pasidctl is often run as root
 * by people who may run only that.
 */
#include "pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal/cleanup.h"

/* F: quit if it fits, R: colours, S: chop long lines, X: leave the text on the screen */
#define LESS_OPTIONS "FRSX"

static _Noreturn void run_pager(const char *from_environment, const int input[2], int status_fd, pid_t parent) {
        _cleanup_free_ char *command = from_environment ? strdup(from_environment) : NULL;
        int error;

        (void) signal(SIGPIPE, SIG_DFL);
        (void) signal(SIGINT, SIG_DFL);
        if ((command || !from_environment) && dup2(input[0], STDIN_FILENO) >= 0 && prctl(PR_SET_PDEATHSIG, SIGTERM) >= 0 && getppid() == parent &&
            setenv("LESS", LESS_OPTIONS, 0) >= 0 && setenv("LESSSECURE", "1", 1) >= 0) {
                if (command)
                        (void) execl("/bin/sh", "sh", "-c", command, (char *) NULL);
                else
                        (void) execlp("less", "less", (char *) NULL);
        }
        error = errno;
        (void) !write(status_fd, &error, sizeof(error));
        _exit(EXIT_FAILURE);
}

void pager_open(struct pager *p) {
        _cleanup_close_ int input_read = -EBADF, input_write = -EBADF, status_read = -EBADF, status_write = -EBADF;
        const char *command = getenv("PAGER");
        pid_t parent = getpid(), pid;
        int input[2], status[2], error;
        ssize_t n;

        if (p->pid > 0 || (command && (command[0] == '\0' || strcmp(command, "cat") == 0)))
                return;
        if (pipe2(input, O_CLOEXEC) < 0)
                return;
        input_read = input[0];
        input_write = input[1];
        if (pipe2(status, O_CLOEXEC) < 0)
                return;
        status_read = status[0];
        status_write = status[1];
        (void) fflush(stdout);
        pid = fork();
        if (pid < 0)
                return;
        if (pid == 0)
                run_pager(command, input, status_write, parent);
        status_write = close_fd(status_write);
        do
                n = read(status_read, &error, sizeof(error));
        while (n < 0 && errno == EINTR);
        /* Nothing is read once the exec went through: it closed the pipe. */
        if (n != 0 || dup2(input_write, STDOUT_FILENO) < 0) {
                input_write = close_fd(input_write);
                (void) waitpid(pid, NULL, 0);
                return;
        }
        /* ^C is the pager's to handle from here on: it owns the terminal. */
        (void) signal(SIGINT, SIG_IGN);
        p->pid = pid;
}

void pager_close(struct pager *p) {
        int null;

        if (p->pid <= 0)
                return;
        (void) fflush(stdout);
        /* The pipe's last end goes away, while the number 1 stays taken. */
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (null >= 0)
                (void) dup2(null, STDOUT_FILENO);
        else
                (void) close(STDOUT_FILENO);
        (void) close_fd(null);
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
                continue;
        p->pid = 0;
}
