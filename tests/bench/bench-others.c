/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The same job done by what people would reach for otherwise: a script in a
 * Redis server over its unix socket, and CNI's host-local plugin, which keeps
 * its numbers (addresses) in files. Each is left out where it isn't installed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define ROUNDS 21
#define CALLS 400
#define CNI_CALLS 31
#define HOST_LOCAL "/usr/lib/cni/host-local"

/* A number that is free by a bitmap, kept with its holder and 64 bytes: what Alloc does. */
static const char script[] =
        "local n = redis.call('BITPOS', KEYS[1], 0, 0) "
        "if n < 0 then return redis.error_reply('EXHAUSTED') end "
        "redis.call('SETBIT', KEYS[1], n, 1) "
        "redis.call('HSET', KEYS[2], n, ARGV[1]) "
        "return n";

static void redis_send(int fd, const char *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0)
                        bench_fail("redis", errno);
                data += n;
                size -= (size_t) n;
        }
}

/* Replies here are one line or one bulk string; both fit into one read of a local socket. */
static void redis_reply(int fd, char *buffer, size_t size) {
        ssize_t n = read(fd, buffer, size - 1);

        if (n <= 0)
                bench_fail("redis", n < 0 ? errno : EPIPE);
        buffer[n] = '\0';
        if (buffer[0] == '-') {
                (void) fprintf(stderr, "bench: redis: %s", buffer);
                bench_fail("redis", EPROTO);
        }
}

static int redis_connect(const char *path) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        double limit = bench_now() + 10;
        int fd;

        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                bench_fail("socket", errno);
        while (connect(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                if (bench_now() > limit)
                        bench_fail("redis did not start", errno);
        return fd;
}

static void bench_redis(void) {
        char dir[] = "/tmp/pasidd-bench-XXXXXX", path[64], buffer[4096], call[512], sha[64];
        double medians[ROUNDS], times[CALLS];
        int fd, n;
        pid_t pid;

        if (!bench_have("redis-server")) {
                printf("%-58s %10s\n", "Redis script", "left out: no redis-server");
                return;
        }
        if (!mkdtemp(dir))
                bench_fail("mkdtemp", errno);
        (void) snprintf(path, sizeof(path), "%s/redis.sock", dir);
        pid = bench_spawn((const char *const[]) { "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
                                                  "--appendonly", "no", "--daemonize", "no", NULL },
                          NULL, 0);
        fd = redis_connect(path);
        n = snprintf(buffer, sizeof(buffer), "*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$%zu\r\n%s\r\n", strlen(script), script);
        redis_send(fd, buffer, (size_t) n);
        redis_reply(fd, buffer, sizeof(buffer));
        if (sscanf(buffer, "$40\r\n%40s", sha) != 1)
                bench_fail("redis", EPROTO);
        n = snprintf(call, sizeof(call), "*6\r\n$7\r\nEVALSHA\r\n$40\r\n%s\r\n$1\r\n2\r\n$4\r\nbits\r\n$4\r\nrows\r\n$64\r\n%064d\r\n",
                     sha, 7);
        for (int round = 0; round < ROUNDS; round++) {
                for (int i = 0; i < CALLS; i++) {
                        double start = bench_now();

                        redis_send(fd, call, (size_t) n);
                        redis_reply(fd, buffer, sizeof(buffer));
                        times[i] = bench_now() - start;
                }
                medians[round] = bench_median(times, CALLS);
        }
        printf("%-58s %10.2f us\n", "Redis script doing the same, unix socket, nothing on disk", bench_median(medians, ROUNDS) * 1e6);
        (void) close(fd);
        (void) kill(pid, SIGTERM);
        (void) waitpid(pid, NULL, 0);
        (void) unlink(path);
        (void) rmdir(dir);
}

static void bench_host_local(void) {
        char dir[] = "/tmp/pasidd-bench-XXXXXX", command[512];
        double times[CNI_CALLS];

        if (access(HOST_LOCAL, X_OK) < 0) {
                printf("%-58s %10s\n", "CNI host-local", "left out: no containernetworking-plugins");
                return;
        }
        if (!mkdtemp(dir))
                bench_fail("mkdtemp", errno);
        for (int i = 0; i < CNI_CALLS; i++) {
                double start;

                (void) snprintf(command, sizeof(command),
                                "echo '{\"cniVersion\":\"0.4.0\",\"name\":\"bench\",\"type\":\"x\",\"ipam\":{\"type\":\"host-local\","
                                "\"dataDir\":\"%s\",\"subnet\":\"10.0.0.0/12\"}}' | CNI_COMMAND=ADD CNI_CONTAINERID=c%d CNI_NETNS=/x "
                                "CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni " HOST_LOCAL " >/dev/null",
                                dir, i);
                start = bench_now();
                if (system(command) != 0)
                        bench_fail("host-local", EIO);
                times[i] = bench_now() - start;
        }
        printf("%-58s %10.2f us\n", "CNI host-local, an allocation", bench_median(times, CNI_CALLS) * 1e6);
        (void) snprintf(command, sizeof(command), "rm -r %s", dir);
        (void) !system(command);
}

int main(void) {
        printf("%-58s %10s\n", "the same job by others", "here");
        bench_redis();
        bench_host_local();
        return EXIT_SUCCESS;
}
