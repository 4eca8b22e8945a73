/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A journal of a test's own.
 */
#include "journal.h"

#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void write_map(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t) strlen(text));
        (void) close(fd);
}

/* As root at once; else in a user namespace, where the host allows that. */
static bool enter_namespace(void) {
        unsigned uid = geteuid(), gid = getegid();
        char map[32];

        if (unshare(CLONE_NEWNS) == 0)
                return true;
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                return false;
        write_map("/proc/self/setgroups", "deny");
        (void) snprintf(map, sizeof(map), "0 %u 1", uid);
        write_map("/proc/self/uid_map", map);
        (void) snprintf(map, sizeof(map), "0 %u 1", gid);
        write_map("/proc/self/gid_map", map);
        return true;
}

int journal_open(void) {
        static const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket" };
        int fd;

        if (!enter_namespace())
                return -1;
        ck_assert_int_eq(mount(NULL, "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
        ck_assert_int_eq(mount("tmpfs", "/run", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(mkdir("/run/systemd", 0755), 0);
        ck_assert_int_eq(mkdir("/run/systemd/journal", 0755), 0);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

const char *journal_next_line(int journal) {
        static char text[8192];
        ssize_t n = recv(journal, text, sizeof(text) - 1, 0);

        if (n < 0)
                return NULL;
        text[n] = '\0';
        ck_assert_uint_eq(strlen(text), (size_t) n); /* no field in the form for binary data */
        return text;
}

bool journal_line_has(const char *line, const char *field) {
        size_t length = strlen(field);

        for (const char *at = strstr(line, field); at; at = strstr(at + 1, field))
                if ((at == line || at[-1] == '\n') && at[length] == '\n')
                        return true;
        return false;
}
