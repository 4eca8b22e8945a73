/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What /proc and pidfds say of a process. To believe what was read by pid one
 * needs a pidfd from before, and that it is still alive after.
 */
#include "service/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "internal/cleanup.h"

#define PID_FS_MAGIC_ 0x50494446 /* linux/magic.h since 6.9 */

static FILE *open_file(const char *procfs, pid_t pid, const char *name) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%d/%s", procfs ? procfs : "/proc", (int) pid, name) < 0) {
                path = NULL;
                errno = ENOMEM;
                return NULL;
        }
        return fopen(path, "re");
}

static void closefp(FILE **file) {
        if (*file)
                (void) fclose(*file);
}

uint64_t process_start_time(const char *procfs, pid_t pid) {
        _cleanup_(closefp) FILE *file = NULL;
        unsigned long long start;
        char stat[1024];
        const char *p;
        size_t n;

        file = pid > 0 ? open_file(procfs, pid, "stat") : NULL;
        if (!file)
                return 0;
        n = fread(stat, 1, sizeof(stat) - 1, file);
        stat[n] = '\0';

        /* field 2, the command, may itself hold blanks and brackets */
        p = strrchr(stat, ')');
        if (!p || sscanf(p + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &start) != 1)
                return 0;
        return start;
}

int process_owner(const char *procfs, pid_t pid, uid_t *ret) {
        _cleanup_free_ char *path = NULL;
        struct stat st;

        if (asprintf(&path, "%s/%d", procfs ? procfs : "/proc", (int) pid) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (stat(path, &st) < 0)
                return -errno;
        *ret = st.st_uid;
        return 0;
}

uint64_t process_start_time_of(const char *procfs, pid_t pid, uid_t uid) {
        uint64_t start = process_start_time(procfs, pid);
        uid_t owner;

        if (start == 0 || process_owner(procfs, pid, &owner) < 0 || owner != uid)
                return 0;
        return process_start_time(procfs, pid) == start ? start : 0; /* else the owner was another's */
}

/* The rest of the first line that begins so, without its end; to be freed. -ENODATA if there is none. */
static int read_line(FILE *file, const char *prefix, char **ret) {
        _cleanup_free_ char *line = NULL;
        size_t size = 0, n = strlen(prefix);
        ssize_t length;
        char *rest;

        while ((length = getline(&line, &size, file)) > 0) {
                if (strncmp(line, prefix, n) != 0)
                        continue;
                line[strcspn(line, "\n")] = '\0';
                rest = strdup(line + n);
                if (!rest)
                        return -ENOMEM;
                *ret = rest;
                return 0;
        }
        return ferror(file) ? -EIO : -ENODATA;
}

int process_is_nested(const char *procfs, pid_t pid) {
        _cleanup_(closefp) FILE *file = open_file(procfs, pid, "status");
        _cleanup_free_ char *pids = NULL;
        int first, second, r;

        if (!file)
                return errno == ENOENT ? 0 : -errno; /* it has ended meanwhile */
        /* One pid for each namespace that it is visible in, from ours on (Linux 4.1). */
        r = read_line(file, "NSpid:", &pids);
        if (r < 0)
                return r == -ENODATA ? 0 : r;
        return sscanf(pids, "%d %d", &first, &second) == 2;
}

int process_cgroup(const char *procfs, pid_t pid, char **ret) {
        _cleanup_(closefp) FILE *file = open_file(procfs, pid, "cgroup");

        if (!file)
                return -errno;
        return read_line(file, "0::", ret); /* cgroups(7): hierarchy 0 is the unified one */
}

int pidfd_open_process(pid_t pid) {
        int fd = (int) syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */

        return fd < 0 ? -errno : fd;
}

uint64_t pidfd_inode(int pidfd) {
        struct statfs fs;
        struct stat st;

        if (fstatfs(pidfd, &fs) < 0 || fs.f_type != PID_FS_MAGIC_ || fstat(pidfd, &st) < 0)
                return 0;
        return st.st_ino;
}
