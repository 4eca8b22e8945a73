/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * At createRuntime the container's mounts are there and pivot_root(2) is not
 * done: its root is a directory in its mount namespace. What is mounted there
 * is this container's alone, needs no place on a disk and ends with it, even
 * if ten containers share a root that is read-only. The directories of the
 * root are the image's: they are walked with RESOLVE_IN_ROOT (openat2(2),
 * Linux 5.6), so that no symbolic link leads out.
 */
#include "tell.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define IN_CONTAINER "/" HOOK_DIRECTORY

static int open_in(int root, const char *path, int flags) {
        struct open_how how = {
                .flags = (uint64_t) (flags | O_CLOEXEC),
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        };
        int fd = (int) syscall(SYS_openat2, root, path, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

/*
 * In the name of the owner of the directory that it is in, as far as we may: a tmpfs that belongs to the container's
 * user namespace takes nothing of a user that the namespace doesn't have (EOVERFLOW).
 */
static int make_as_owner(int dir, const char *name) {
        int r = 0, uid, gid;
        struct stat st;

        if (fstat(dir, &st) < 0)
                return -errno;
        gid = setfsgid(st.st_gid);
        uid = setfsuid(st.st_uid);
        if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
                r = -errno;
        (void) setfsuid((uid_t) uid);
        (void) setfsgid((gid_t) gid);
        return r;
}

/* -ENOENT after it was made: a symbolic link that leads nowhere. */
static int open_or_make(int root, const char *parent, const char *name, const char *path) {
        _cleanup_close_ int dir = -EBADF;
        int r;

        r = open_in(root, path, O_PATH | O_DIRECTORY);
        if (r != -ENOENT)
                return r;
        dir = open_in(root, parent, O_PATH | O_DIRECTORY);
        if (dir < 0)
                return dir;
        r = make_as_owner(dir, name);
        return r < 0 ? r : open_in(root, path, O_PATH | O_DIRECTORY);
}

static int make_directory(struct hook *hook, int root) {
        int r;

        r = open_or_make(root, "/", "run", "run");
        if (r >= 0) {
                (void) close_fd(r);
                r = open_or_make(root, "run", "pasidd", HOOK_DIRECTORY);
        }
        if (r == -EROFS)
                return hook_fail(hook, r, "The container's root is read-only and has no directory " IN_CONTAINER "; have it in the image, or a "
                                 "tmpfs at /run.");
        if (r < 0)
                return hook_fail(hook, r, "Directory " IN_CONTAINER " of the container cannot be opened or made: %s.", strerror(-r));
        return r;
}

static int write_all(int fd, const char *text) {
        for (size_t left = strlen(text); left > 0;) {
                ssize_t n = write(fd, text, left);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                text += n;
                left -= (size_t) n;
        }
        return 0;
}

static int add_file(int dir, const char *name, const char *text) {
        _cleanup_close_ int fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0444);

        if (fd < 0)
                return -errno;
        if (fchmod(fd, 0444) < 0)
                return -errno;
        return write_all(fd, text);
}

/* Not mounted anywhere yet. The mountpoint of the socket is in it. */
static int make_mount(const struct tidings *tidings) {
        _cleanup_close_ int context = fsopen("tmpfs", FSOPEN_CLOEXEC), mount = -EBADF;
        struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
        char size[32];
        int r;

        if (context < 0)
                return -errno;
        (void) snprintf(size, sizeof(size), "%zuk", strlen(tidings->text) / 1024 + 64);
        if (fsconfig(context, FSCONFIG_SET_STRING, "size", size, 0) < 0 ||
            fsconfig(context, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
            fsconfig(context, FSCONFIG_SET_STRING, "source", "pasidd", 0) < 0 ||
            (tidings->mount_label && fsconfig(context, FSCONFIG_SET_STRING, "context", tidings->mount_label, 0) < 0) ||
            fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        mount = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (mount < 0)
                return -errno;
        r = add_file(mount, HOOK_FILE, tidings->text);
        if (r >= 0 && tidings->socket)
                r = add_file(mount, HOOK_SOCKET, "");
        if (r < 0)
                return r;
        if (mount_setattr(mount, "", AT_EMPTY_PATH, &read_only, sizeof(read_only)) < 0)
                return -errno;
        return TAKE_FD(mount);
}

static int move_to(int mount, int target) {
        return move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0 ? -errno : 0;
}

/* Of the image it could be anything: a plain file is opened, a device that does something when it is opened is not. */
static int open_plain_file(int root, const char *path) {
        _cleanup_close_ int fd = open_in(root, path, O_PATH | O_NOFOLLOW);
        struct stat st;
        char link[64];
        int r;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return -ENOENT;
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        r = open(link, O_RDONLY | O_CLOEXEC);
        return r < 0 ? -errno : r;
}

/* Whether an earlier call of this hook has told the same. */
static bool was_told(int root, const struct tidings *tidings) {
        _cleanup_close_ int fd = open_plain_file(root, HOOK_DIRECTORY "/" HOOK_FILE);
        size_t n = strlen(tidings->text), used = 0;
        _cleanup_free_ char *found = malloc(n + 1);

        if (fd < 0 || !found)
                return false;
        while (used <= n) {
                ssize_t got = read(fd, found + used, n + 1 - used);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        break;
                used += (size_t) got;
        }
        return used == n && memcmp(found, tidings->text, n) == 0;
}

static int mount_in(struct hook *hook, int root, const struct tidings *tidings, int socket) {
        _cleanup_close_ int directory = -EBADF, mount = -EBADF, place = -EBADF;
        int r;

        directory = make_directory(hook, root);
        if (directory < 0)
                return directory;
        mount = make_mount(tidings);
        if (mount < 0)
                return hook_fail(hook, mount, "The file system for " IN_CONTAINER " cannot be made: %s.", strerror(-mount));
        r = move_to(mount, directory);
        if (r < 0)
                return hook_fail(hook, r, "Nothing can be mounted at " IN_CONTAINER " of the container: %s.", strerror(-r));
        if (socket < 0)
                return 0;
        place = openat(mount, HOOK_SOCKET, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        r = place < 0 ? -errno : move_to(socket, place);
        if (r < 0)
                return hook_fail(hook, r, "pasidd's socket cannot be mounted at " IN_CONTAINER "/" HOOK_SOCKET " of the container: %s.",
                                 strerror(-r));
        return 0;
}

static int is_own_namespace(const struct container *container) {
        struct stat ours, theirs;
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int) container->pid);
        if (stat("/proc/self/ns/mnt", &ours) < 0 || stat(path, &theirs) < 0)
                return -errno;
        return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* Without privilege on the host the namespace is that of the container's user namespace, whose owner may enter it. */
static int enter(const struct container *container) {
        if (setns(container->pidfd, CLONE_NEWNS) >= 0)
                return 0;
        if (errno != EPERM)
                return -errno;
        return setns(container->pidfd, CLONE_NEWUSER | CLONE_NEWNS) < 0 ? -errno : 0;
}

int tell_container(struct hook *hook, const struct container *container, const struct tidings *tidings) {
        _cleanup_close_ int socket = -EBADF, root = -EBADF;
        int r;

        r = is_own_namespace(container);
        if (r > 0)
                return hook_fail(hook, -EINVAL, "The container has no mount namespace of its own, so that its workload cannot be told of its "
                                 "PASIDs.");
        if (r < 0)
                return hook_fail(hook, r, "The container's mount namespace cannot be found: %s.", strerror(-r));
        r = enter(container);
        if (r < 0)
                return hook_fail(hook, r, "The container's mount namespace cannot be entered: %s.", strerror(-r));
        /* Here, as it takes privilege over the namespace. Before pivot_root(2) the host's files are at their places. */
        if (tidings->socket) {
                socket = open_tree(AT_FDCWD, tidings->socket, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
                if (socket < 0)
                        return hook_fail(hook, -errno, "pasidd's socket %s cannot be given to the container: %s.", tidings->socket,
                                         strerror(errno));
        }
        root = open(tidings->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return hook_fail(hook, -errno, "The container's root %s cannot be opened: %s.", tidings->root, strerror(errno));
        return was_told(root, tidings) ? 0 : mount_in(hook, root, tidings, socket);
}
