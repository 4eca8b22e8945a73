/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client without a D-Bus library.
 */
#include "raw.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "internal/contract.h"

#define STUCK_MSEC 500

int raw_connect(const struct fixture *f) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int fd;

        ck_assert_uint_lt(strlen(f->daemon->socket_path), sizeof(sa.sun_path));
        strcpy(sa.sun_path, f->daemon->socket_path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(fd, 0);
        ck_assert_msg(connect(fd, (struct sockaddr *) &sa, sizeof(sa)) == 0, "connect: %s", strerror(errno));
        return fd;
}

/* Reads until the last line of the answer has come and begins so. */
static void await_line(int fd, const char *start) {
        char answer[256] = "";
        size_t n = 0;

        while (n == 0 || !strstr(answer, start) || answer[n - 1] != '\n') {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                ssize_t k;

                ck_assert_int_gt(poll(&p, 1, WAIT_LIMIT_MSEC), 0);
                k = recv(fd, answer + n, sizeof(answer) - 1 - n, 0);
                ck_assert_int_gt(k, 0);
                n += (size_t) k;
        }
}

static int authenticate(const struct fixture *f, bool for_fds) {
        static const char words[] = "\0AUTH EXTERNAL\r\nDATA\r\n";
        int fd = raw_connect(f);

        ck_assert_int_eq(raw_send(fd, words, sizeof(words) - 1), 0);
        await_line(fd, "\r\nOK ");
        if (for_fds) {
                ck_assert_int_eq(raw_send(fd, "NEGOTIATE_UNIX_FD\r\n", 19), 0);
                await_line(fd, "AGREE_UNIX_FD");
        }
        return fd;
}

int raw_connect_authenticated(const struct fixture *f) {
        int fd = authenticate(f, false);

        raw_begin(fd);
        return fd;
}

int raw_connect_for_fds(const struct fixture *f) {
        int fd = raw_connect_to_begin(f);

        raw_begin(fd);
        return fd;
}

int raw_connect_to_begin(const struct fixture *f) {
        return authenticate(f, true);
}

void raw_begin(int fd) {
        ck_assert_int_eq(raw_send(fd, "BEGIN\r\n", 7), 0);
}

void raw_send_fds(int fd, const void *data, size_t size, int passed, size_t n_fds) {
        union {
                struct cmsghdr header;
                char buffer[CMSG_SPACE(253 * sizeof(int))]; /* SCM_MAX_FD of the kernel */
        } control = {};
        struct iovec iov = { .iov_base = (void *) data, .iov_len = size };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                            .msg_controllen = CMSG_SPACE(n_fds * sizeof(int)) };

        ck_assert_uint_le(m.msg_controllen, sizeof(control));
        control.header = (struct cmsghdr) { .cmsg_len = CMSG_LEN(n_fds * sizeof(int)), .cmsg_level = SOL_SOCKET,
                                            .cmsg_type = SCM_RIGHTS };
        for (size_t i = 0; i < n_fds; i++)
                memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &passed, sizeof(int));
        ck_assert_int_eq(sendmsg(fd, &m, MSG_NOSIGNAL), (ssize_t) size);
}

bool raw_answer_has(int fd, const char *text) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        uint8_t answer[4096];
        ssize_t n;

        ck_assert_int_gt(poll(&p, 1, WAIT_LIMIT_MSEC), 0);
        n = recv(fd, answer, sizeof(answer), 0);
        ck_assert_msg(n > 0, "the daemon has closed the connection");
        return memmem(answer, (size_t) n, text, strlen(text)) != NULL;
}

int raw_send(int fd, const void *data, size_t size) {
        const uint8_t *p = data;

        while (size > 0) {
                struct pollfd pfd = { .fd = fd, .events = POLLOUT };
                ssize_t n;

                if (poll(&pfd, 1, STUCK_MSEC) <= 0)
                        return -EAGAIN;
                n = send(fd, p, size, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n < 0 && errno != EAGAIN)
                        return -EPIPE;
                if (n > 0) {
                        p += n;
                        size -= (size_t) n;
                }
        }
        return 0;
}

int raw_await_close(int fd) {
        uint64_t end = monotonic_msec() + WAIT_LIMIT_MSEC, now;
        uint8_t buffer[4096];

        while ((now = monotonic_msec()) < end) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                int r = poll(&p, 1, (int) (end - now));

                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r > 0) {
                        ssize_t n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);

                        if (n == 0 || (n < 0 && errno != EAGAIN))
                                return 0;
                }
        }
        return -ETIMEDOUT;
}

static size_t put(uint8_t *buffer, size_t at, const void *data, size_t size) {
        memcpy(buffer + at, data, size);
        return at + size;
}

static size_t put_u32(uint8_t *buffer, size_t at, uint32_t n) {
        return put(buffer, at, &n, sizeof(n));
}

/* One field of the header: its code, a variant of a string or an object path, padded to 8. */
static size_t put_field(uint8_t *buffer, size_t at, uint8_t code, char type, const char *value) {
        const uint8_t start[] = { code, 1, (uint8_t) type, 0 };

        at = (at + 7) & ~(size_t) 7;
        at = put(buffer, at, start, sizeof(start));
        at = put_u32(buffer, at, (uint32_t) strlen(value));
        return put(buffer, at, value, strlen(value) + 1);
}

/* D-Bus specification, "Message Format". */
size_t raw_call(uint8_t buffer[static RAW_CALL_MAX], uint32_t serial, const char *path, const char *interface,
                const char *member, bool with_range) {
        static const uint8_t signature[] = { 8, 1, 'g', 0, 2, 'u', 'u', 0 };
        static const uint16_t one = 1;
        const uint8_t start[] = { *(const uint8_t *) &one == 1 ? 'l' : 'B', 1, 0, 1 };
        size_t at;

        memset(buffer, 0, RAW_CALL_MAX); /* for the padding */
        at = put(buffer, 0, start, sizeof(start));
        ck_assert_uint_lt(strlen(path) + strlen(interface) + strlen(member), 180);
        at = put_u32(buffer, at, with_range ? 8 : 0);
        at = put_u32(buffer, at, serial);
        at = put_u32(buffer, at, 0);
        at = put_field(buffer, at, 1, 'o', path);
        at = put_field(buffer, at, 2, 's', interface);
        at = put_field(buffer, at, 3, 's', member);
        if (with_range) {
                at = (at + 7) & ~(size_t) 7;
                at = put(buffer, at, signature, sizeof(signature));
        }
        (void) put_u32(buffer, 12, (uint32_t) at - 16);
        at = (at + 7) & ~(size_t) 7;
        if (with_range) {
                at = put_u32(buffer, at, 0);
                at = put_u32(buffer, at, 0);
        }
        return at;
}

static size_t put_u64(uint8_t *buffer, size_t at, uint64_t n) {
        return put(buffer, (at + 7) & ~(size_t) 7, &n, sizeof(n));
}

size_t raw_map(uint8_t buffer[static RAW_CALL_MAX], uint32_t serial, const char *path, uint32_t announced, uint32_t index) {
        static const uint8_t signature[] = { 8, 1, 'g', 0, 6, 'u', 'h', 't', 't', 't', 'u', 0 };
        static const uint8_t unix_fds[] = { 9, 1, 'u', 0 };
        size_t at, body;

        at = raw_call(buffer, serial, path, PASIDD_IFACE_CONSUMER, "Map", false);
        ck_assert_uint_lt(at, 200);
        at = put(buffer, at, signature, sizeof(signature));
        if (announced > 0) {
                at = put(buffer, (at + 7) & ~(size_t) 7, unix_fds, sizeof(unix_fds));
                at = put_u32(buffer, at, announced);
        }
        (void) put_u32(buffer, 12, (uint32_t) at - 16);
        at = body = (at + 7) & ~(size_t) 7;
        at = put_u32(buffer, at, 1);
        at = put_u32(buffer, at, index);
        at = put_u64(buffer, at, 0);
        at = put_u64(buffer, at, 4096);
        at = put_u64(buffer, at, 0);
        at = put_u32(buffer, at, 3);
        (void) put_u32(buffer, 4, (uint32_t) (at - body));
        return at;
}
