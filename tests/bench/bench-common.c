/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The benchmarks' daemon, connections and arithmetic.
 */
#include "bench.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "internal/contract.h"

#define START_LIMIT_MSEC 60000

_Noreturn void bench_fail(const char *what, int r) {
        (void) fprintf(stderr, "bench: %s: %s\n", what, strerror(r < 0 ? -r : r));
        exit(EXIT_FAILURE);
}

double bench_now(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static int compare_doubles(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

double bench_median(double *values, size_t n) {
        qsort(values, n, sizeof(*values), compare_doubles);
        return values[n / 2];
}

static void make_dir(char *ret, size_t size) {
        (void) snprintf(ret, size, "%s/pasidd-bench-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (!mkdtemp(ret))
                bench_fail("mkdtemp", errno);
}

void bench_daemon_init(struct bench_daemon *d, const char *bus) {
        char path[128];
        FILE *f;

        *d = (struct bench_daemon) { .bus = bus, .pid = -1 };
        make_dir(d->dir, sizeof(d->dir));
        (void) snprintf(d->address, sizeof(d->address), "unix:path=%s/pasidd.sock", d->dir);
        (void) snprintf(path, sizeof(path), "%s/pasidd.conf", d->dir);
        f = fopen(path, "we");
        if (!f || fputs("[Daemon]\nReuseDelaySec=0\n", f) < 0 || fclose(f) != 0)
                bench_fail(path, errno);
}

static int notify_socket(const struct bench_daemon *d, char path[static 80]) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int fd;

        (void) snprintf(path, 80, "%s/notify", d->dir);
        (void) unlink(path);
        memcpy(sa.sun_path, path, 80);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                bench_fail("notify socket", errno);
        return fd;
}

static void exec_daemon(const struct bench_daemon *d, const char *notify) {
        const char *program = d->program ?: getenv("PASIDD") ?: "./pasidd";
        char bus[160], listen[160], run[160], lib[160], config[160], sysfs[160];

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) setenv("NOTIFY_SOCKET", notify, 1);
        (void) snprintf(bus, sizeof(bus), "--bus=%s", d->bus ?: "none");
        (void) snprintf(listen, sizeof(listen), "--listen=%s", d->address);
        (void) snprintf(run, sizeof(run), "--runtime-dir=%s/run", d->dir);
        (void) snprintf(lib, sizeof(lib), "--state-dir=%s/lib", d->dir);
        (void) snprintf(config, sizeof(config), "--config=%s/pasidd.conf", d->dir);
        (void) snprintf(sysfs, sizeof(sysfs), "--sysfs=%s", d->sysfs[0] != '\0' ? d->sysfs : "/sys");
        (void) execl(program, program, bus, listen, run, lib, config, sysfs, "--log-level=warning", NULL);
        bench_fail(program, errno);
}

double bench_daemon_start(struct bench_daemon *d) {
        char notify[80], message[1024];
        int fd = notify_socket(d, notify);
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        double start = bench_now();

        (void) fflush(NULL);
        d->pid = fork();
        if (d->pid < 0)
                bench_fail("fork", errno);
        if (d->pid == 0)
                exec_daemon(d, notify);
        for (;;) {
                ssize_t n;

                if (poll(&pfd, 1, START_LIMIT_MSEC) <= 0)
                        bench_fail("the daemon did not become ready", ETIMEDOUT);
                n = recv(fd, message, sizeof(message) - 1, 0);
                if (n < 0)
                        bench_fail("notify socket", errno);
                message[n] = '\0';
                if (strstr(message, "READY=1"))
                        break;
        }
        (void) close(fd);
        return bench_now() - start;
}

void bench_daemon_stop(struct bench_daemon *d) {
        if (d->pid > 0) {
                (void) kill(d->pid, SIGTERM);
                (void) waitpid(d->pid, NULL, 0);
        }
        d->pid = -1;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        return remove(path);
}

void bench_daemon_done(struct bench_daemon *d) {
        bench_daemon_stop(d);
        (void) nftw(d->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

size_t bench_daemon_memory(const struct bench_daemon *d) {
        char path[64];
        unsigned long size, resident;
        FILE *f;

        (void) snprintf(path, sizeof(path), "/proc/%d/statm", (int) d->pid);
        f = fopen(path, "re");
        if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2)
                bench_fail(path, errno);
        (void) fclose(f);
        return resident * (size_t) sysconf(_SC_PAGESIZE);
}

sd_bus *bench_connect(const struct bench_daemon *d, bool bus) {
        sd_bus *b;
        int r;

        r = sd_bus_new(&b);
        if (r >= 0)
                r = sd_bus_set_address(b, bus ? d->bus : d->address);
        if (r >= 0 && bus)
                r = sd_bus_set_bus_client(b, true);
        if (r >= 0)
                r = sd_bus_start(b);
        if (r < 0)
                bench_fail("connect", r);
        return b;
}

void bench_init(sd_bus *bus, const char *destination, const char *name, char **path) {
        sd_bus_message *reply;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *p;
        int r;

        r = sd_bus_call_method(bus, destination, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Init", &error, &reply, "sa{sv}", name, 2,
                               "hold", "s", "boot", "quota", "u", NUMBER_MAX);
        if (r < 0) {
                (void) fprintf(stderr, "bench: Init: %s\n", error.message ?: "");
                bench_fail("Init", r);
        }
        r = sd_bus_message_read(reply, "o", &p);
        *path = strdup(p);
        if (r < 0 || !*path)
                bench_fail("Init", r < 0 ? r : ENOMEM);
        sd_bus_message_unref(reply);
}

pid_t bench_spawn(const char *const *argv, char *line, size_t size) {
        int pipes[2];
        pid_t pid;

        (void) fflush(NULL);
        if (pipe(pipes) < 0)
                bench_fail("pipe", errno);
        pid = fork();
        if (pid < 0)
                bench_fail("fork", errno);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) dup2(pipes[1], STDOUT_FILENO);
                (void) execvp(argv[0], (char *const *) argv);
                _exit(127);
        }
        (void) close(pipes[1]);
        if (line) {
                FILE *f = fdopen(pipes[0], "re");

                if (!f || !fgets(line, (int) size, f))
                        bench_fail(argv[0], EIO);
                line[strcspn(line, "\n")] = '\0';
        }
        return pid; /* the pipe stays open: the program's output must go somewhere */
}

bool bench_have(const char *program) {
        const char *dirs[] = { "/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/lib/cni" };
        char path[256];

        for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", dirs[i], program);
                if (access(path, X_OK) == 0)
                        return true;
        }
        return false;
}

struct message_bus *bench_message_bus(enum bus_kind kind) {
        struct message_bus *b;
        char dir[64];
        int r;

        if (!bus_kind_is_available(kind)) {
                printf("%-58s %10s\n", bus_kind_to_string(kind), "left out: there is none");
                return NULL;
        }
        make_dir(dir, sizeof(dir));
        r = message_bus_new(kind, dir, &b);
        if (r < 0)
                bench_fail(bus_kind_to_string(kind), r);
        return b;
}

struct message_bus *bench_message_bus_free(struct message_bus *b) {
        char dir[64];

        (void) snprintf(dir, sizeof(dir), "%s", b->dir);
        b = message_bus_free(b);
        (void) nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        return b;
}
