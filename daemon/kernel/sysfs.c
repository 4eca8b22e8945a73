/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading of attributes and links in sysfs and procfs. Nothing that is found
 * there is trusted to be short, to be text or to be there a moment later.
 */
#include "kernel/sysfs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int sysfs_open_dir(int dir_fd, const char *path) {
        int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

        return fd < 0 ? -errno : fd;
}

int sysfs_list_dir(int dir_fd, const char *path, DIR **ret) {
        _cleanup_close_ int fd = sysfs_open_dir(dir_fd, path);
        DIR *dir;

        if (fd < 0)
                return fd;
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        (void) TAKE_FD(fd);
        *ret = dir;
        return 0;
}

static ssize_t read_all(int fd, char *buffer, size_t size) {
        size_t n = 0;

        while (n < size) {
                ssize_t k = read(fd, buffer + n, size - n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t) k;
        }
        return (ssize_t) n;
}

int sysfs_read_text(int dir_fd, const char *path, char *ret, size_t size) {
        char buffer[PATH_MAX];
        _cleanup_close_ int fd = -EBADF;
        const char *start = buffer;
        ssize_t n;

        if (size > sizeof(buffer))
                size = sizeof(buffer);
        /* O_NONBLOCK: a recorded tree may hold a FIFO where an attribute belongs. */
        fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        n = read_all(fd, buffer, size);
        if (n < 0)
                return (int) n;
        if ((size_t) n == size || memchr(buffer, '\0', (size_t) n))
                return -EBADMSG;
        while (n > 0 && isspace((unsigned char) buffer[n - 1]))
                n--;
        buffer[n] = '\0';
        start += strspn(start, " \t\n");
        memcpy(ret, start, strlen(start) + 1);
        return 0;
}

int sysfs_read_hex(int dir_fd, const char *path, const char *end, uint64_t *ret) {
        char text[128], *after;
        const char *digits = text, *first;
        unsigned long long value;
        int r;

        r = sysfs_read_text(dir_fd, path, text, sizeof(text));
        if (r < 0)
                return r;
        if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
                digits += 2;
        /* strtoull() would take blanks, signs and a second 0x too. */
        first = digits + strspn(digits, "0");
        if (!isxdigit((unsigned char) digits[0]) || *first == 'x' || *first == 'X')
                return -EBADMSG;
        errno = 0;
        value = strtoull(digits, &after, 16);
        if (errno != 0 || (*after != '\0' && !(end && strchr(end, *after))))
                return -EBADMSG;
        *ret = value;
        return 0;
}

int sysfs_read_link(int dir_fd, const char *path, char ret[static SYSFS_NAME_MAX]) {
        char target[PATH_MAX];
        const char *name;
        ssize_t n;

        n = readlinkat(dir_fd, path, target, sizeof(target));
        if (n < 0)
                return errno == EINVAL ? -EBADMSG : -errno; /* EINVAL: no link */
        if ((size_t) n == sizeof(target))
                return -EBADMSG;
        target[n] = '\0';
        name = strrchr(target, '/');
        name = name ? name + 1 : target;
        if (*name == '\0' || strlen(name) >= SYSFS_NAME_MAX)
                return -EBADMSG;
        memcpy(ret, name, strlen(name) + 1);
        return 0;
}

int sysfs_access(int dir_fd, const char *path) {
        return faccessat(dir_fd, path, F_OK, 0) < 0 ? -errno : 0;
}

bool sysfs_is_exhaustion(int r) {
        return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

char *sysfs_make_printable(char *s) {
        for (char *p = s; *p; p++)
                if (*p < 0x20 || *p > 0x7e)
                        *p = '?';
        return s;
}
