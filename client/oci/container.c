/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking at a process in /proc, safely: what is read there is believed only if
 * the process that a pidfd pins was alive after it.
 */
#include "container.h"

#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json_object.h>
#include <json-c/json_tokener.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>

#include "input.h"

#define PROC_BYTES 8192

/* Of /proc/PID/NAME, or of /proc/self with pid 0; files there have no size to ask for. */
static int read_proc(pid_t pid, const char *name, char *ret, size_t size) {
        _cleanup_close_ int fd = -EBADF;
        char path[64];
        size_t used = 0;

        if (pid == 0)
                (void) snprintf(path, sizeof(path), "/proc/self/%s", name);
        else
                (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        for (;;) {
                ssize_t n = read(fd, ret + used, size - 1 - used);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                used += (size_t) n;
                if (used == size - 1)
                        return -EFBIG;
        }
        ret[used] = '\0';
        return 0;
}

/* proc(5), /proc/PID/stat: the command can have blanks and parentheses, so the fields are counted from behind the last one. */
static int read_stat(pid_t pid, char *ret_state, uint64_t *ret_start) {
        char text[PROC_BYTES], state;
        uint64_t start;
        const char *p;
        int r;

        r = read_proc(pid, "stat", text, sizeof(text));
        if (r < 0)
                return r;
        p = strrchr(text, ')');
        /* state is field 3, starttime 22 */
        if (!p || sscanf(p + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
                         &state, &start) != 2)
                return -EBADMSG;
        *ret_state = state;
        *ret_start = start;
        return 0;
}

/* In the unified tree; -ENODATA: there is none. */
static int read_cgroup(pid_t pid, char **ret) {
        char text[PROC_BYTES];
        char *line, *rest = text;
        int r;

        r = read_proc(pid, "cgroup", text, sizeof(text));
        if (r < 0)
                return r;
        while ((line = strsep(&rest, "\n")))
                if (strncmp(line, "0::", 3) == 0) {
                        *ret = strdup(line + 3);
                        return *ret ? 0 : -ENOMEM;
                }
        return -ENODATA;
}

/* A runtime that makes no cgroup leaves the container in its own, which is held by others as well; so is one above it. */
static int find_own_cgroup(pid_t pid, char **ret) {
        _cleanup_free_ char *theirs = NULL, *ours = NULL;
        size_t n;
        int r;

        r = read_cgroup(pid, &theirs);
        if (r >= 0)
                r = read_cgroup(0, &ours);
        if (r < 0)
                return r;
        n = strlen(theirs);
        if (strcmp(theirs, "/") == 0 || (strncmp(ours, theirs, n) == 0 && (ours[n] == '\0' || ours[n] == '/')) ||
            strncmp(theirs, "/../", 4) == 0)
                return -ENODATA;
        *ret = TAKE_PTR(theirs);
        return 0;
}

bool container_has_ended(const struct container *container) {
        struct pollfd p = { .fd = container->pidfd, .events = POLLIN };

        return poll(&p, 1, 0) > 0;
}

int container_open(struct hook *hook, pid_t pid, struct container *ret) {
        struct container c = CONTAINER_INIT;
        char state;
        int r;

        if (pid <= 0)
                return hook_fail(hook, -EINVAL, "The container's state has no \"pid\": createRuntime is run while its first process waits.");
        c.pid = pid;
        c.pidfd = pidfd_open(pid, 0);
        r = c.pidfd < 0 ? -errno : read_stat(pid, &state, &c.start);
        if (r >= 0) {
                r = find_own_cgroup(pid, &c.cgroup);
                if (r == -ENODATA)
                        r = 0;
        }
        if (r >= 0 && container_has_ended(&c))
                r = -ESRCH;
        if (r < 0) {
                container_deinit(&c);
                return hook_fail(hook, r, "The container's first process, pid %d, cannot be looked at: %s.", (int) pid, strerror(-r));
        }
        *ret = c;
        return 0;
}

void container_deinit(struct container *container) {
        container->pidfd = close_fd(container->pidfd);
        free(container->cgroup);
        container->cgroup = NULL;
}

int container_mark_new(const struct container *container, const char *id, char **ret) {
        _cleanup_(json_object_putp) struct json_object *mark = json_object_new_object();
        const char *text;

        if (!mark || json_object_object_add(mark, "container", json_object_new_string(id)) < 0 ||
            json_object_object_add(mark, "pid", json_object_new_int(container->pid)) < 0 ||
            json_object_object_add(mark, "start", json_object_new_uint64(container->start)) < 0)
                return -ENOMEM;
        text = json_object_to_json_string_ext(mark, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (!text)
                return -ENOMEM;
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

bool container_mark_read(const void *mark, size_t size, const char *id, pid_t *ret_pid, uint64_t *ret_start) {
        _cleanup_(json_object_putp) struct json_object *object = NULL;
        _cleanup_free_ char *text = strndup(mark ?: "", size);
        struct json_object *container, *pid, *start;

        object = text ? json_tokener_parse(text) : NULL;
        if (!json_object_is_type(object, json_type_object) ||
            input_get(object, "container", json_type_string, &container) < 0 || !container ||
            input_get(object, "pid", json_type_int, &pid) < 0 || !pid ||
            input_get(object, "start", json_type_int, &start) < 0 || !start ||
            strcmp(json_object_get_string(container), id) != 0)
                return false;
        *ret_pid = json_object_get_int(pid);
        *ret_start = json_object_get_uint64(start);
        return true;
}

bool container_process_lives(pid_t pid, uint64_t start) {
        uint64_t found;
        char state;
        int r;

        r = read_stat(pid, &state, &found);
        if (r < 0)
                return r != -ENOENT && r != -ESRCH;
        return found == start && state != 'Z' && state != 'X';
}
