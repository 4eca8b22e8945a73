/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the unified cgroup tree. Plain files will do for one, as tests have
 * them.
 */
#include "service/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal/cleanup.h"

#define FILEID_KERNFS_ 0xfe /* linux/exportfs.h, Linux 5.5 */
#define SLICES_MAX 4096U    /* that are looked into for one unit */
#define DEPTH_MAX 16U

/* Only the root of a unified tree has it, and not before the tree is mounted. */
static bool is_root(int fd) {
        return faccessat(fd, "cgroup.controllers", F_OK, 0) == 0;
}

int cgroup_open_root(const char *root) {
        /* The second is where systemd mounts it beside the trees of version 1 ("hybrid"). */
        const char *usual[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        const char *const *roots = root ? &root : usual;

        for (size_t i = 0; i < (root ? 1 : ELEMENTSOF(usual)); i++) {
                _cleanup_close_ int fd = open(roots[i], O_DIRECTORY | O_RDONLY | O_CLOEXEC);

                if (fd < 0 && errno != ENOENT)
                        return -errno;
                if (fd >= 0 && is_root(fd))
                        return TAKE_FD(fd);
        }
        return -ENOENT;
}

bool cgroup_path_is_valid(const char *path) {
        if (path[0] != '/' || strlen(path) >= CGROUP_PATH_MAX)
                return false;
        for (const char *p = path; *p; ) {
                size_t n = strcspn(++p, "/");

                if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
                        return false;
                p += n;
        }
        return true;
}

static int open_at(int dir, const char *name, int flags) {
        int fd = openat(dir, name, flags | O_NOFOLLOW | O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* One by one, so that no link leads out of the tree, or about in it. */
int cgroup_open(int root_fd, const char *path) {
        _cleanup_free_ char *copy = strdup(path);
        _cleanup_close_ int fd = -EBADF;
        char *rest = copy, *name;

        if (!copy)
                return -ENOMEM;
        while ((name = strsep(&rest, "/"))) {
                int next;

                if (*name == '\0') /* before the first slash */
                        continue;
                next = open_at(fd < 0 ? root_fd : fd, name, O_DIRECTORY);
                if (next < 0)
                        return next == -ENOTDIR || next == -ELOOP ? -ENOENT : next;
                (void) close_fd(fd);
                fd = next;
        }
        return fd < 0 ? -ENOENT : TAKE_FD(fd);
}

int cgroup_get_id(int cgroup_fd, uint64_t *ret) {
        union {
                struct file_handle handle;
                char space[sizeof(struct file_handle) + sizeof(uint64_t)];
        } id = { .handle.handle_bytes = sizeof(uint64_t) };
        struct stat st;
        int mount;

        if (name_to_handle_at(cgroup_fd, "", &id.handle, &mount, AT_EMPTY_PATH) == 0 && id.handle.handle_type == FILEID_KERNFS_ &&
            id.handle.handle_bytes == sizeof(uint64_t)) {
                memcpy(ret, id.handle.f_handle, sizeof(*ret));
                return 0;
        }
        if (fstat(cgroup_fd, &st) < 0)
                return -errno;
        *ret = st.st_ino; /* the same, on 64 bits */
        return 0;
}

bool cgroup_path_contains(const char *cgroup, const char *path) {
        size_t n = strlen(cgroup);

        return strncmp(path, cgroup, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

int cgroup_open_events(int cgroup_fd) {
        return open_at(cgroup_fd, "cgroup.events", 0);
}

int cgroup_is_populated(int events_fd) {
        char text[256];
        struct stat st;
        const char *p;
        ssize_t n;

        n = pread(events_fd, text, sizeof(text) - 1, 0);
        if (n < 0)
                return errno == ENODEV ? 0 : -errno; /* kernfs: what it was of has been removed */
        text[n] = '\0';
        if (fstat(events_fd, &st) == 0 && st.st_nlink == 0)
                return 0;
        p = strstr(text, "populated ");
        if (!p || (p > text && p[-1] != '\n'))
                return -ENODATA;
        switch (p[strlen("populated ")]) {
        case '0':
                return 0;
        case '1':
                return 1;
        default:
                return -ENODATA;
        }
}

struct search {
        const char *unit;
        char *found;
        unsigned n_slices;
};

static bool has_suffix(const char *s, const char *suffix) {
        size_t n = strlen(s), m = strlen(suffix);

        return n > m && strcmp(s + n - m, suffix) == 0;
}

static void closedirp(DIR **dir) {
        if (*dir)
                (void) closedir(*dir);
}

static int note_found(struct search *search, const char *path, const char *name) {
        _cleanup_free_ char *first = TAKE_PTR(search->found);
        bool is_second = first;
        int n;

        n = is_second ? asprintf(&search->found, "%s and %s/%s", first, path, name) : asprintf(&search->found, "%s/%s", path, name);
        if (n < 0) {
                search->found = NULL;
                return -ENOMEM;
        }
        return is_second ? -ENOTUNIQ : 0;
}

/* Takes fd over. path: of the directory, "" for the root. */
static int search_slice(struct search *search, int fd, const char *path, unsigned depth) {
        _cleanup_(closedirp) DIR *dir = fdopendir(fd);
        int r;

        if (!dir) {
                r = -errno;
                (void) close_fd(fd);
                return r;
        }
        if (depth > DEPTH_MAX || search->n_slices++ > SLICES_MAX)
                return -E2BIG;
        for (struct dirent *entry; (entry = readdir(dir));) {
                _cleanup_free_ char *below = NULL;

                if (entry->d_type != DT_DIR)
                        continue;
                if (strcmp(entry->d_name, search->unit) == 0) {
                        r = note_found(search, path, entry->d_name);
                        if (r < 0)
                                return r;
                }
                if (!has_suffix(entry->d_name, ".slice"))
                        continue;
                if (asprintf(&below, "%s/%s", path, entry->d_name) < 0) {
                        below = NULL;
                        return -ENOMEM;
                }
                r = open_at(dirfd(dir), entry->d_name, O_DIRECTORY);
                if (r == -ENOENT)
                        continue; /* gone meanwhile */
                if (r >= 0)
                        r = search_slice(search, r, below, depth + 1);
                if (r < 0)
                        return r;
        }
        return 0;
}

int cgroup_find_unit(int root_fd, const char *unit, char **ret) {
        struct search search = { .unit = unit };
        int r = open_at(root_fd, ".", O_DIRECTORY);

        if (r >= 0)
                r = search_slice(&search, r, "", 0);
        if (r < 0 && r != -ENOTUNIQ) {
                free(search.found);
                return r;
        }
        if (!search.found)
                return -ENOENT;
        *ret = search.found;
        return r;
}
