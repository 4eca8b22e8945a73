/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A message bus of a test's own. What dbus-broker wants of its launcher (the
 * controller's interface and the policy's type) is as in its own
 * src/launch/policy.c since release 32.
 */
#include "message-bus.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BROKER "dbus-broker"
#define DAEMON "dbus-daemon"

/* Verdicts on connecting, on owning names, on sending, on receiving. */
#define BATCH "bta(btbs)a(btssssuutt)a(btssssuutt)"
#define POLICY "a(u(" BATCH "))a(buu(" BATCH "))a(ss)bs"

const char *bus_kind_to_string(enum bus_kind kind) {
        static const char *const names[] = { "none", DAEMON, BROKER };

        return names[kind];
}

bool bus_kind_is_available(enum bus_kind kind) {
        _cleanup_free_ char *path = strdup(getenv("PATH") ?: "");
        char file[512];

        if (kind == BUS_NONE)
                return true;
        for (char *state = NULL, *dir = path ? strtok_r(path, ":", &state) : NULL; dir; dir = strtok_r(NULL, ":", &state)) {
                (void) snprintf(file, sizeof(file), "%s/%s", dir, bus_kind_to_string(kind));
                if (access(file, X_OK) == 0)
                        return true;
        }
        return false;
}

static int run_daemon(const struct message_bus *b, int address_fd) {
        char config[300], log[300], print[64];
        const char *const argv[] = { DAEMON, config, print, "--nofork", "--nopidfile", "--nosyslog", NULL };

        process_child_setup();
        (void) snprintf(log, sizeof(log), "%s/bus.log", b->dir);
        (void) snprintf(config, sizeof(config), "--config-file=%s/bus.conf", b->dir);
        (void) snprintf(print, sizeof(print), "--print-address=%d", address_fd);
        if (process_child_log(log, true) < 0 || fcntl(address_fd, F_SETFD, 0) < 0)
                _exit(1);
        process_child_exec(argv);
}

/* The address that it prints says that it listens. */
static int wait_for_address(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        char c = 0;
        int r;

        while (c != '\n') {
                r = poll(&p, 1, WAIT_LIMIT_MSEC);
                if (r < 0 && errno == EINTR)
                        continue;
                if (r <= 0)
                        return r < 0 ? -errno : -ETIMEDOUT;
                if (read(fd, &c, 1) <= 0)
                        return -ECHILD;
        }
        return 0;
}

static int start_dbus_daemon(struct message_bus *b) {
        static const char format[] =
                "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\"\n"
                " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
                "<busconfig>\n"
                "  <listen>%s</listen>\n"
                "  <auth>EXTERNAL</auth>\n"
                "  <policy context=\"default\">\n"
                "    <allow user=\"*\"/>\n"
                "    <allow own=\"*\"/>\n"
                "    <allow send_destination=\"*\" eavesdrop=\"true\"/>\n"
                "    <allow eavesdrop=\"true\"/>\n"
                "  </policy>\n"
                "</busconfig>\n";
        _cleanup_free_ char *config = NULL, *text = NULL;
        int pipes[2], r;

        if (asprintf(&config, "%s/bus.conf", b->dir) < 0)
                return -ENOMEM;
        if (asprintf(&text, format, b->address) < 0)
                return -ENOMEM;
        r = write_file(config, text);
        if (r < 0)
                return r;
        if (pipe2(pipes, O_CLOEXEC) < 0)
                return -errno;
        b->pid = fork();
        if (b->pid == 0)
                run_daemon(b, pipes[1]);
        (void) close_fd(pipes[1]);
        r = b->pid < 0 ? -errno : wait_for_address(pipes[0]);
        (void) close_fd(pipes[0]);
        return r;
}

static void run_broker(const struct message_bus *b, int controller_fd) {
        char log[300], controller[32];
        const char *const argv[] = { BROKER, "--controller", controller,
                                     "--machine-id", "0123456789abcdef0123456789abcdef",
                                     "--max-bytes", "536870912", "--max-fds", "4096", "--max-matches", "16384",
                                     NULL };

        process_child_setup();
        (void) snprintf(log, sizeof(log), "%s/bus.log", b->dir);
        (void) snprintf(controller, sizeof(controller), "%d", controller_fd);
        if (process_child_log(log, true) < 0 || fcntl(controller_fd, F_SETFD, 0) < 0)
                _exit(1);
        process_child_exec(argv);
}

static int append_policy(sd_bus_message *m) {
        int r;

        r = sd_bus_message_open_container(m, 'v', "(" POLICY ")");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', POLICY);
        /* one batch, for every uid: each verdict is to allow, with priority 1 */
        if (r >= 0)
                r = sd_bus_message_append(m, "a(u(" BATCH "))", 1, UINT32_MAX,
                                          1, (uint64_t) 1,
                                          1, 1, (uint64_t) 1, 1, "",
                                          1, 1, (uint64_t) 1, "", "", "", "", 0, 0, (uint64_t) 0, UINT64_MAX,
                                          1, 1, (uint64_t) 1, "", "", "", "", 0, 0, (uint64_t) 0, UINT64_MAX);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(buu(" BATCH "))a(ss)bs", 0, 0, 0, "");
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int listen_at(const char *path) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;

        if (strlen(path) >= sizeof(sa.sun_path))
                return -ENAMETOOLONG;
        strcpy(sa.sun_path, path);
        (void) unlink(path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0 || chmod(path, 0666) < 0 || listen(fd, SOMAXCONN) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int add_listener(struct message_bus *b) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_close_ int fd = listen_at(b->address + strlen("unix:path="));
        int r;

        if (fd < 0)
                return fd;
        r = sd_bus_message_new_method_call(b->controller, &m, NULL, "/org/bus1/DBus/Broker", "org.bus1.DBus.Broker", "AddListener");
        if (r >= 0)
                r = sd_bus_message_append(m, "oh", "/org/bus1/DBus/Listener/0", fd);
        if (r >= 0)
                r = append_policy(m);
        return r < 0 ? r : sd_bus_call(b->controller, m, WAIT_LIMIT_MSEC * 1000ULL, NULL, NULL);
}

static int start_dbus_broker(struct message_bus *b) {
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        b->pid = fork();
        if (b->pid == 0)
                run_broker(b, pair[1]);
        (void) close_fd(pair[1]);
        r = b->pid < 0 ? -errno : sd_bus_new(&b->controller);
        if (r >= 0)
                r = sd_bus_set_fd(b->controller, pair[0], pair[0]);
        if (r < 0) {
                (void) close_fd(pair[0]);
                return r;
        }
        r = sd_bus_start(b->controller);
        return r < 0 ? r : add_listener(b);
}

int message_bus_new(enum bus_kind kind, const char *dir, struct message_bus **ret) {
        _cleanup_(message_bus_freep) struct message_bus *b = calloc(1, sizeof(*b));
        int r;

        if (!b)
                return -ENOMEM;
        b->kind = kind;
        b->dir = strdup(dir);
        if (!b->dir || asprintf(&b->address, "unix:path=%s/bus.sock", dir) < 0)
                return -ENOMEM;
        r = kind == BUS_DBUS_DAEMON ? start_dbus_daemon(b) : kind == BUS_DBUS_BROKER ? start_dbus_broker(b) : -EINVAL;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(b);
        return 0;
}

struct message_bus *message_bus_free(struct message_bus *b) {
        if (!b)
                return NULL;
        if (b->pid > 0)
                process_kill(b->pid);
        sd_bus_close_unref(b->controller);
        free(b->dir);
        free(b->address);
        free(b);
        return NULL;
}
