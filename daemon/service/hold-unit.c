/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hold "unit": a cgroup, by its id, for as long as it has a process. systemd
 * makes a new cgroup when it starts a unit, so that a unit that is started
 * again is another holder; but not while processes of its last run are left in
 * the old one, which then goes on to hold.
 */
#include "service/hold-watch.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/cgroup.h"
#include "service/process.h"

#define UNIT_NAME_MAX 256U /* systemd.unit(5) */

static bool is_unit_name(const char *unit) {
        static const char *const suffixes[] = { ".service", ".scope", ".slice" };
        size_t n = strlen(unit);

        if (n >= UNIT_NAME_MAX || strchr(unit, '/'))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++)
                if (n > strlen(suffixes[i]) && strcmp(unit + n - strlen(suffixes[i]), suffixes[i]) == 0)
                        return true;
        return false;
}

static int refuse_unit(int r, const char *unit, struct refusal *refusal) {
        switch (-r) {
        case ENOENT:
                return refuse(refusal, EINVAL, "There is no unit or cgroup \"%.200s\" here; `systemctl status` tells a unit's "
                              "cgroup.", unit);
        case ENOMEM:
                return refuse(refusal, ENOMEM, "Out of memory.");
        case EMFILE:
        case ENFILE:
                return refuse(refusal, ENOBUFS, "pasidd has no file descriptor left to watch unit \"%.200s\" by.", unit);
        default:
                return refuse(refusal, EINVAL, "Unit or cgroup \"%.200s\" could not be looked at: %s.", unit, strerror(-r));
        }
}

static int find_path(int root, const char *unit, char **ret, struct refusal *refusal) {
        _cleanup_free_ char *found = NULL;
        int r;

        if (cgroup_path_is_valid(unit)) {
                *ret = strdup(unit);
                return *ret ? 0 : refuse(refusal, ENOMEM, "Out of memory.");
        }
        if (!is_unit_name(unit))
                return refuse(refusal, EINVAL, "\"%.200s\" names no unit that can hold; write NAME.service, NAME.scope, NAME.slice, or "
                              "a cgroup's path as /proc/PID/cgroup has it.", unit);
        r = cgroup_find_unit(root, unit, &found);
        if (r == -ENOTUNIQ)
                return refuse(refusal, EINVAL, "There is more than one unit \"%.200s\": %s; name one by its path.", unit, found);
        if (r < 0)
                return refuse_unit(r, unit, refusal);
        *ret = TAKE_PTR(found);
        return 0;
}

/* Who lives in it may say so, and whoever it was given to. */
static int check_right(const struct service *s, const struct init_request *request, int cgroup, const char *path,
                       struct refusal *refusal) {
        _cleanup_free_ char *own = NULL;
        struct stat st;

        if (request->privileged)
                return 0;
        if (fstat(cgroup, &st) == 0 && st.st_uid == request->uid)
                return 0;
        if (request->caller_pid > 0 && request->caller_start > 0 &&
            process_cgroup(s->procfs, request->caller_pid, &own) >= 0 && cgroup_path_contains(path, own) &&
            process_start_time(s->procfs, request->caller_pid) == request->caller_start)
                return 0;
        return refuse(refusal, EACCES, "Cgroup \"%.200s\" is neither the caller's own nor one above it, and does not belong to uid %u; "
                      "only root may have it hold consumer \"%s\".", path, (unsigned) request->uid, request->name);
}

static int open_unit(struct service *s, const struct init_request *request, int *ret_fd, char **ret_holder,
                     struct refusal *refusal) {
        _cleanup_close_ int root = -EBADF, cgroup = -EBADF, events = -EBADF;
        _cleanup_free_ char *path = NULL;
        uint64_t id;
        int r;

        if (!request->hold_unit)
                return refuse(refusal, EINVAL, "Hold \"unit\" was asked for consumer \"%s\" without one; name it in option \"unit\".",
                              request->name);
        root = cgroup_open_root(s->cgroupfs);
        if (root == -ENOENT)
                return refuse(refusal, EOPNOTSUPP, "There is no unified cgroup tree here, so that units cannot be watched; use "
                              "another hold.");
        if (root < 0)
                return refuse_unit(root, request->hold_unit, refusal);
        r = find_path(root, request->hold_unit, &path, refusal);
        if (r < 0)
                return r;
        cgroup = cgroup_open(root, path);
        if (cgroup < 0)
                return refuse_unit(cgroup, path, refusal);
        r = check_right(s, request, cgroup, path, refusal);
        if (r < 0)
                return r;
        r = cgroup_get_id(cgroup, &id);
        if (r < 0)
                return refuse_unit(r, path, refusal);
        events = cgroup_open_events(cgroup);
        if (events < 0)
                return refuse_unit(events, path, refusal);
        if (asprintf(ret_holder, "unit:%" PRIu64 ":%s", id, path) < 0) {
                *ret_holder = NULL;
                return refuse(refusal, ENOMEM, "Out of memory.");
        }
        *ret_fd = TAKE_FD(events);
        return 0;
}

static enum hold_verdict look_at_unit(int fd) {
        int r = cgroup_is_populated(fd);

        if (r < 0)
                return HOLD_CANNOT_TELL;
        return r > 0 ? HOLD_IS_THERE : HOLD_IS_OVER;
}

/* Not there, though the tree is: then it is gone. Whatever else is the matter says nothing. */
static enum hold_verdict find_unit(struct service *s, const struct consumer *c, int *fd) {
        _cleanup_close_ int root = -EBADF, cgroup = -EBADF;
        uint64_t id, found;
        int start = 0;

        if (sscanf(c->holder, "unit:%" SCNu64 ":%n", &id, &start) != 1 || start == 0 || !cgroup_path_is_valid(c->holder + start))
                return HOLD_CANNOT_TELL;
        root = cgroup_open_root(s->cgroupfs);
        if (root < 0)
                return HOLD_CANNOT_TELL;
        cgroup = cgroup_open(root, c->holder + start);
        if (cgroup < 0)
                return cgroup == -ENOENT ? HOLD_IS_OVER : HOLD_CANNOT_TELL;
        if (cgroup_get_id(cgroup, &found) < 0)
                return HOLD_CANNOT_TELL;
        if (found != id)
                return HOLD_IS_OVER;
        *fd = cgroup_open_events(cgroup);
        if (*fd < 0) {
                *fd = -EBADF;
                return HOLD_CANNOT_TELL;
        }
        return look_at_unit(*fd);
}

static int on_inotify(_unused_ sd_event_source *source, _unused_ const struct inotify_event *event, void *userdata) {
        hold_watch_news(userdata);
        return 0;
}

/* The directory that the cgroup is in. */
static int parent_path(int events_fd, char **ret) {
        char link[64], path[CGROUP_PATH_MAX + PATH_MAX];
        ssize_t n;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", events_fd);
        n = readlink(link, path, sizeof(path) - 1);
        if (n < 0)
                return -errno;
        path[n] = '\0';
        for (int i = 0; i < 2; i++) { /* the file, and the cgroup */
                char *slash = strrchr(path, '/');

                if (!slash || slash == path)
                        return -EINVAL;
                *slash = '\0';
        }
        *ret = strdup(path);
        return *ret ? 0 : -ENOMEM;
}

/*
 * The kernel tells of changes in cgroup.events no more often than every 10 ms, the rest later, and then never when the
 * cgroup is removed meanwhile (cgroup_file_notify()): the removal is news too.
 */
static int watch_unit(struct hold_watch *w) {
        _cleanup_free_ char *parent = NULL;
        int r;

        r = parent_path(w->fd, &parent);
        if (r >= 0)
                r = sd_event_add_inotify_fd(w->service->event, &w->source, w->fd, IN_MODIFY | IN_ATTRIB, on_inotify, w);
        if (r >= 0)
                r = sd_event_add_inotify(w->service->event, &w->removal_source, parent, IN_DELETE | IN_ONLYDIR, on_inotify, w);
        return r;
}

const struct hold_ops hold_unit_ops = {
        .open = open_unit,
        .find = find_unit,
        .watch = watch_unit,
        .look = look_at_unit,
        .over = "the unit has no process",
};
