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
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

void terminal_prepare(const char *dir) {
        const char *builddir = getenv("top_builddir") ?: ".";
        _cleanup_free_ char *command = NULL;

        ck_assert_int_ge(asprintf(&command,
                                  "b='%s'; [ ! -d \"$b/.libs\" ] || b=$b/.libs; cd '%s' && mkdir bin && cp \"$b/pasidctl\" bin && "
                                  "{ cp \"$b/libpasid.so.1\" bin 2>/dev/null || true; } && : >asked && chmod 666 asked && "
                                  "printf '#!/bin/sh\n[ \"$1 $3\" = \"--notify-fd --fallback\" ] && echo $$ >>%%s/asked\n"
                                  "eval \"exec $2>&-\"\nexec sleep 1000\n' \"$PWD\" >bin/pkttyagent && "
                                  "chmod 755 . bin bin/*", builddir, dir), 0);
        ck_assert_int_eq(system(command), 0);
}

bool terminal_had_agent(void) {
        return system("[ -s asked ] || exit 1; for pid in $(cat asked); do ! kill -0 $pid 2>/dev/null || exit 2; done; "
                      ": >asked") == 0;
}

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
