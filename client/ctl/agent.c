/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pkttyagent(1) answers for the process that started it, and opens the terminal
 * by itself. It says that it is ready, or not going to be, by a pipe's end that
 * it closes.
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal/cleanup.h"

#define READY_MSEC 10000

static _Noreturn void run_agent(int notify, pid_t parent) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        char fd[16];

        (void) snprintf(fd, sizeof(fd), "%d", notify);
        (void) signal(SIGPIPE, SIG_DFL);
        /* Neither may it keep a pipe of ours open, nor is why it could not help of use to anybody. */
        if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 && dup2(null, STDERR_FILENO) >= 0 &&
            prctl(PR_SET_PDEATHSIG, SIGTERM) >= 0 && getppid() == parent && fcntl(notify, F_SETFD, 0) >= 0)
                (void) execlp("pkttyagent", "pkttyagent", "--notify-fd", fd, "--fallback", (char *) NULL);
        _exit(EXIT_FAILURE);
}

void agent_open(struct agent *a) {
        _cleanup_close_ int read_end = -EBADF, write_end = -EBADF;
        pid_t parent = getpid(), pid;
        struct pollfd ready = {};
        int fds[2];

        if (a->pid > 0 || geteuid() == 0) /* root is not asked about */
                return;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return;
        read_end = fds[0];
        write_end = fds[1];
        (void) fflush(stdout);
        pid = fork();
        if (pid < 0)
                return;
        if (pid == 0)
                run_agent(write_end, parent);
        a->pid = pid;
        write_end = close_fd(write_end);
        ready.fd = read_end; /* POLLHUP is always told */
        while (poll(&ready, 1, READY_MSEC) < 0 && errno == EINTR)
                continue;
}

void agent_close(struct agent *a) {
        if (a->pid <= 0)
                return;
        (void) kill(a->pid, SIGTERM);
        (void) kill(a->pid, SIGCONT); /* it may have been stopped at the terminal */
        while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
                continue;
        a->pid = 0;
}
