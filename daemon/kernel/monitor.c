/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * News of devices. Where systemd-udevd runs they come from it, by libsystemd's
 * monitor, after udevd has set the nodes' owners and modes. Where none runs (a
 * container, an initramfs, a plain VM) that monitor hears nothing, and the
 * kernel's own uevents are read: NETLINK_KOBJECT_UEVENT's group 1.
 */
#include "kernel/monitor.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <systemd/sd-device.h>

#include "internal/cleanup.h"

#define KERNEL_GROUP 1U          /* udevd speaks in group 2 */
#define MESSAGE_MAX 8192         /* UEVENT_BUFFER_SIZE of Linux is 2048 */
#define RECEIVE_BUFFER (1 << 20) /* a whole bus that comes at once */
#define MESSAGES_PER_WAKE 64

struct monitor {
        sd_device_monitor *udev;
        sd_event_source *source; /* of the kernel's socket, which it owns */
        kernel_changed_t callback;
        void *userdata;
};

static const char *const subsystems[] = { "pci", "vfio-dev" };

static int on_device(sd_device_monitor *udev, sd_device *device, void *userdata) {
        struct monitor *m = userdata;

        m->callback(m->userdata);
        return 0;
}

/* "change@/devices/...", then KEY=VALUE strings, each with its NUL. */
static bool is_ours(const char *message, size_t size) {
        static const char key[] = "SUBSYSTEM=";

        for (const char *s = message, *end = message + size; s < end; s += strnlen(s, (size_t) (end - s)) + 1) {
                const char *value = s + sizeof(key) - 1;

                if (strncmp(s, key, sizeof(key) - 1) != 0)
                        continue;
                for (size_t i = 0; i < ELEMENTSOF(subsystems); i++)
                        if (strcmp(value, subsystems[i]) == 0)
                                return true;
        }
        return false;
}

/* 1 for news of ours, 0 for other news, -EAGAIN when there are no more. */
static int receive(int fd) {
        char message[MESSAGE_MAX + 1];
        struct sockaddr_nl sender = {};
        struct iovec iov = { message, MESSAGE_MAX };
        struct msghdr header = {
                .msg_name = &sender,
                .msg_namelen = sizeof(sender),
                .msg_iov = &iov,
                .msg_iovlen = 1,
        };
        ssize_t n;

        n = recvmsg(fd, &header, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && errno == EINTR)
                return 0;
        if (n < 0)
                return errno == ENOBUFS ? 1 : -EAGAIN; /* ENOBUFS: some were lost, perhaps ours */
        if (sender.nl_pid != 0) /* a process, not the kernel */
                return 0;
        if (n > MESSAGE_MAX)
                return 1;
        message[n] = '\0';
        return is_ours(message, (size_t) n);
}

static int on_netlink(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct monitor *m = userdata;
        bool changed = false;

        for (int i = 0; i < MESSAGES_PER_WAKE; i++) {
                int r = receive(fd);

                if (r < 0)
                        break;
                changed = changed || r > 0;
        }
        if (changed)
                m->callback(m->userdata);
        return 0;
}

static int start_udev(struct monitor *m, sd_event *event) {
        int r;

        r = sd_device_monitor_new(&m->udev);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(subsystems); i++) {
                r = sd_device_monitor_filter_add_match_subsystem_devtype(m->udev, subsystems[i], NULL);
                if (r < 0)
                        return r;
        }
        /* More than the usual takes CAP_NET_ADMIN, and is only the better. */
        (void) sd_device_monitor_set_receive_buffer_size(m->udev, RECEIVE_BUFFER);
        r = sd_device_monitor_attach_event(m->udev, event);
        if (r < 0)
                return r;
        return sd_device_monitor_start(m->udev, on_device, m);
}

static int start_kernel(struct monitor *m, sd_event *event) {
        const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
        const int size = RECEIVE_BUFFER;
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
                (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        if (bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        r = sd_event_add_io(event, &m->source, fd, EPOLLIN, on_netlink, m);
        if (r < 0)
                return r;
        r = sd_event_source_set_io_fd_own(m->source, 1);
        if (r < 0)
                return r;
        (void) TAKE_FD(fd);
        return sd_event_source_set_description(m->source, "kernel-uevents");
}

DEFINE_CLEANUP(struct monitor *, monitor_free);

int monitor_new(sd_event *event, const char *udev_control, kernel_changed_t callback, void *userdata,
                struct monitor **ret, struct refusal *refusal) {
        _cleanup_(monitor_freep) struct monitor *m = NULL;
        int r;

        m = calloc(1, sizeof(*m));
        if (!m)
                return refuse(refusal, ENOMEM, "Out of memory.");
        m->callback = callback;
        m->userdata = userdata;
        r = access(udev_control, F_OK) == 0 ? start_udev(m, event) : start_kernel(m, event);
        if (r == -ENOMEM)
                return refuse(refusal, ENOMEM, "Out of memory.");
        if (r == -EMFILE || r == -ENFILE)
                return refuse(refusal, ENOBUFS, "The kernel's news of devices were to be followed, but there are too "
                              "many open files; raise LimitNOFILE= in pasidd's unit.");
        if (r < 0)
                return refuse(refusal, EOPNOTSUPP, "The kernel's news of devices were to be followed, but it gives "
                              "none (%s); let RestrictAddressFamilies= of pasidd's unit name AF_NETLINK.",
                              strerror(-r));
        *ret = TAKE_PTR(m);
        return 0;
}

struct monitor *monitor_free(struct monitor *m) {
        if (!m)
                return NULL;
        sd_device_monitor_unref(m->udev);
        sd_event_source_disable_unref(m->source);
        free(m);
        return NULL;
}
