/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Framing: a header that tells the size, then the payload. What a peer says
 * about sizes is checked before it is used.
 */
#include "message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "internal/cleanup.h"

#define FDS_MAX 16 /* more than VFIO_USER_VERSION allows the peer to send */

static void close_fds(struct msghdr *m) {
        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
                size_t n;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        (void) close_fd(fd);
                }
        }
}

static int receive_all(int fd, void *buffer, size_t size) {
        uint8_t *p = buffer;

        while (size > 0) {
                union {
                        struct cmsghdr header;
                        char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
                } control;
                struct iovec iov = { p, size };
                struct msghdr m = {
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
                };
                ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == ECONNRESET ? -EPIPE : -errno;
                close_fds(&m);
                if (n == 0)
                        return -EPIPE;
                p += n;
                size -= (size_t) n;
        }
        return 0;
}

static int send_all(int fd, struct iovec *iov, size_t n) {
        while (n > 0) {
                struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };
                ssize_t sent = sendmsg(fd, &m, MSG_NOSIGNAL);

                if (sent < 0 && errno == EINTR)
                        continue;
                if (sent < 0)
                        return errno == ECONNRESET ? -EPIPE : -errno;
                while (n > 0 && (size_t) sent >= iov->iov_len) {
                        sent -= (ssize_t) iov->iov_len;
                        iov++;
                        n--;
                }
                if (n > 0) {
                        iov->iov_base = (uint8_t *) iov->iov_base + sent;
                        iov->iov_len -= (size_t) sent;
                }
        }
        return 0;
}

int message_receive(int fd, struct message *ret) {
        struct vfio_user_header h;
        int r;

        r = receive_all(fd, &h, sizeof(h));
        if (r < 0)
                return r;
        if (h.size < sizeof(h) || h.size - sizeof(h) > sizeof(ret->payload) || (h.flags & VFIO_USER_FLAG_TYPE) != 0)
                return -EPROTO;
        ret->header = h;
        ret->length = h.size - sizeof(h);
        return receive_all(fd, ret->payload, ret->length);
}

int message_reply(int fd, struct message *m, size_t length, int error) {
        struct vfio_user_header h = m->header;
        struct iovec iov[] = { { &h, sizeof(h) }, { m->payload, length } };

        if (h.flags & VFIO_USER_FLAG_NO_REPLY)
                return 0;
        if (error < 0)
                iov[1].iov_len = 0;
        h.size = (uint32_t) (sizeof(h) + iov[1].iov_len);
        h.flags = VFIO_USER_FLAG_REPLY | (error < 0 ? VFIO_USER_FLAG_ERROR : 0);
        h.error = (uint32_t) -error;
        return send_all(fd, iov, ELEMENTSOF(iov));
}
