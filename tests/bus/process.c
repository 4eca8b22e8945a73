/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Child processes of a test.
 */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXIT_EXEC 127

uint64_t monotonic_msec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000U + (uint64_t) ts.tv_nsec / 1000000U;
}

void process_child_setup(void) {
        static const char *const foreign[] = { "JOURNAL_STREAM", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID",
                                               "NOTIFY_SOCKET", "PASIDD_ADDRESS", "WATCHDOG_PID", "WATCHDOG_USEC" };
        sigset_t none;
        int fd;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) signal(SIGPIPE, SIG_DFL);
        for (size_t i = 0; i < ELEMENTSOF(foreign); i++)
                (void) unsetenv(foreign[i]);
        (void) setenv("LC_ALL", "C", 1);
        fd = open("/dev/null", O_RDONLY);
        if (fd >= 0) {
                (void) dup2(fd, STDIN_FILENO);
                if (fd != STDIN_FILENO)
                        (void) close(fd);
        }
}

int process_child_log(const char *path, bool with_stdout) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

        if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
                return -errno;
        if (with_stdout && dup2(fd, STDOUT_FILENO) < 0)
                return -errno;
        return 0;
}

void process_child_find(const char **argv) {
        static char path[32]; /* as long as the child */
        int fd = open(argv[0], O_PATH | O_CLOEXEC);

        if (fd < 0)
                return;
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        argv[0] = path;
}

void process_child_exec(const char *const *argv) {
        (void) execvp(argv[0], (char *const *) argv);
        (void) fprintf(stderr, "Could not run %s: %s\n", argv[0], strerror(errno));
        _exit(EXIT_EXEC);
}

int process_pidfd(pid_t pid) {
        int fd = (int) syscall(SYS_pidfd_open, pid, 0);

        return fd < 0 ? -errno : fd;
}

int process_wait(pid_t pid, uint64_t limit_msec, int *ret_status) {
        _cleanup_close_ int fd = process_pidfd(pid);
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int r;

        if (fd < 0)
                return fd;
        do
                r = poll(&p, 1, (int) limit_msec);
        while (r < 0 && errno == EINTR);
        if (r <= 0)
                return r < 0 ? -errno : -ETIMEDOUT;
        return waitpid(pid, ret_status, 0) < 0 ? -errno : 0;
}

void process_kill(pid_t pid) {
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
}

uint64_t process_memory_kb(pid_t pid, const char *field) {
        char path[64], line[256];
        size_t n = strlen(field);
        uint64_t kb = 0;
        FILE *f;

        (void) snprintf(path, sizeof(path), "/proc/%d/status", pid);
        f = fopen(path, "re");
        if (!f)
                return 0;
        while (fgets(line, sizeof(line), f))
                if (strncmp(line, field, n) == 0 && line[n] == ':')
                        kb = strtoumax(line + n + 1, NULL, 10);
        (void) fclose(f);
        return kb;
}

int process_count_fds(pid_t pid) {
        char path[64];
        int n = 0;
        DIR *dir;

        (void) snprintf(path, sizeof(path), "/proc/%d/fd", pid);
        dir = opendir(path);
        if (!dir)
                return -errno;
        for (struct dirent *d = readdir(dir); d; d = readdir(dir))
                n += d->d_name[0] != '.';
        (void) closedir(dir);
        return n;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        if (type == FTW_DNR) /* a test took our own permission away */
                (void) chmod(path, 0700);
        (void) remove(path);
        return 0;
}

int remove_tree(const char *path) {
        if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) < 0)
                return -errno;
        return access(path, F_OK) < 0 ? 0 : -ENOTEMPTY;
}

int write_file(const char *path, const char *text) {
        FILE *f = fopen(path, "we");
        bool bad;

        if (!f)
                return -errno;
        bad = fputs(text, f) < 0;
        bad = fclose(f) < 0 || bad;
        return bad ? -EIO : 0;
}
