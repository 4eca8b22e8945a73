/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A listening unix socket of our own making. Between bind() and listen() nobody
 * can connect, so that its mode is right before it matters.
 */
#include "bus/listen-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "log.h"

static int remove_stale(const struct sockaddr_un *address, struct refusal *refusal) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (lstat(address->sun_path, &st) < 0)
                return errno == ENOENT ? 0 : refuse(refusal, errno, "Could not look at %s: %s.",
                                                    address->sun_path, strerror(errno));
        if (!S_ISSOCK(st.st_mode))
                return refuse(refusal, EEXIST, "%s is there and is no socket; move it away.", address->sun_path);

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return refuse(refusal, errno, "Could not make a socket: %s.", strerror(errno));
        if (connect(fd, (const struct sockaddr *) address, sizeof(*address)) >= 0 || errno == EAGAIN)
                return refuse(refusal, EADDRINUSE, "Somebody serves %s already; stop that daemon, or listen elsewhere.",
                              address->sun_path);
        if (errno != ECONNREFUSED)
                return refuse(refusal, errno, "Could not tell whether somebody serves %s: %s.",
                              address->sun_path, strerror(errno));
        if (unlink(address->sun_path) < 0 && errno != ENOENT)
                return refuse(refusal, errno, "Could not remove the stale socket %s: %s.",
                              address->sun_path, strerror(errno));
        log_info("Removed the stale socket %s", address->sun_path);
        return 0;
}

static int set_access(const char *path, gid_t group) {
        mode_t mode = 0600;

        if (group != (gid_t) -1) {
                if (lchown(path, (uid_t) -1, group) < 0)
                        log_warning("Could not give %s to group %u, so that only its owner can connect: %s", path,
                                    (unsigned) group, strerror(errno));
                else
                        mode = 0660;
        }
        return chmod(path, mode) < 0 ? -errno : 0;
}

int listen_socket_open(const char *path, gid_t group, struct listen_socket *ret, struct refusal *refusal) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        if (strlen(path) >= sizeof(address.sun_path))
                return refuse(refusal, ENAMETOOLONG, "The path of the socket has %zu bytes; the kernel takes at most %zu: %s.",
                              strlen(path), sizeof(address.sun_path) - 1, path);
        memcpy(address.sun_path, path, strlen(path) + 1);
        r = remove_stale(&address, refusal);
        if (r < 0)
                return r;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return refuse(refusal, errno, "Could not make a socket: %s.", strerror(errno));
        if (bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return refuse(refusal, errno, "Could not bind the socket to %s: %s.", path, strerror(errno));
        r = set_access(path, group);
        if (r < 0 || lstat(path, &st) < 0 || listen(fd, SOMAXCONN) < 0) {
                r = r < 0 ? -r : errno;
                (void) unlink(path);
                return refuse(refusal, r, "Could not listen on %s: %s.", path, strerror(r));
        }
        *ret = (struct listen_socket) { .fd = TAKE_FD(fd), .path = path, .device = st.st_dev, .inode = st.st_ino };
        return 0;
}

void listen_socket_close(struct listen_socket *s) {
        struct stat st;

        if (s->fd >= 0 && s->path && lstat(s->path, &st) >= 0 && st.st_dev == s->device && st.st_ino == s->inode)
                (void) unlink(s->path);
        s->fd = close_fd(s->fd);
}
