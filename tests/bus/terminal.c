/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The terminal's other end is read until nobody has it open any more; nothing
 * is ever typed.
 */
#include "terminal.h"

#include <check.h>
#include <errno.h>
#include <pty.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

int terminal_run(const char *command) {
        char buffer[512];
        int fd, status;
        ssize_t n;
        pid_t pid;

        pid = forkpty(&fd, NULL, NULL, NULL);
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void) execl("/bin/sh", "sh", "-c", command, (char *) NULL);
                _exit(127);
        }
        do {
                n = read(fd, buffer, sizeof(buffer));
                if (n > 0)
                        (void) fwrite(buffer, 1, (size_t) n, stderr); /* the test's log */
        } while (n > 0 || (n < 0 && errno == EINTR));
        ck_assert_int_eq(process_wait(pid, WAIT_LIMIT_MSEC, &status), 0);
        (void) close_fd(fd);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
