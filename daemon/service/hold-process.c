/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hold "process": pinned by a pidfd before anything else is asked about the
 * pid. Without the pidfd, after a restart, its inode tells whether a process
 * is still the same (Linux 6.9), or else the time of its start.
 */
#include "service/hold-watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/process.h"

/* Whom it would be held by is not guessed. */
static int refuse_untold(int error, const struct init_request *request, struct refusal *refusal) {
        switch (-error) {
        case ENOMEM:
                return refuse(refusal, ENOMEM, "Out of memory.");
        case EMFILE:
        case ENFILE:
                return refuse(refusal, ENOBUFS, "pasidd has no file descriptor left to look at process %u by: %s.", request->hold_pid,
                              strerror(-error));
        default:
                return refuse(refusal, EINVAL, "Whether process %u may hold consumer \"%s\" could not be told: %s; pass a pidfd, with "
                              "hold \"fd\".", request->hold_pid, request->name, strerror(-error));
        }
}

static int check_caller(const struct service *s, const struct init_request *request, struct refusal *refusal) {
        int r;

        if (request->hold_pid == 0 || request->hold_pid > INT32_MAX)
                return refuse(refusal, EINVAL, "\"%u\" is no pid that could hold consumer \"%s\".", request->hold_pid, request->name);
        r = request->caller_pid > 0 ? process_is_nested(s->procfs, request->caller_pid) : 1;
        if (r < 0)
                return refuse_untold(r, request, refusal);
        if (r > 0)
                return refuse(refusal, EINVAL, "Pid %u was named by a process of another pid namespace than pasidd's, where it means "
                              "another process; pass a pidfd, with hold \"fd\".", request->hold_pid);
        return 0;
}

static int open_pidfd(const struct init_request *request, int *ret, struct refusal *refusal) {
        int fd = pidfd_open_process((pid_t) request->hold_pid);

        if (fd >= 0) {
                *ret = fd;
                return 0;
        }
        switch (-fd) {
        case ESRCH:
                return refuse(refusal, EINVAL, "There is no process %u to hold consumer \"%s\".", request->hold_pid, request->name);
        case EINVAL: /* before Linux 6.15, and ENOENT from then on */
        case ENOENT:
                return refuse(refusal, EINVAL, "%u is a thread, and cannot hold consumer \"%s\"; name its process.",
                              request->hold_pid, request->name);
        case ENOSYS: /* before Linux 5.3 */
        case EPERM:  /* a seccomp filter's answer to what it does not know */
                return refuse(refusal, EOPNOTSUPP, "Processes cannot be watched here: %s; use another hold.", strerror(-fd));
        case ENOMEM:
                return refuse(refusal, ENOMEM, "Out of memory.");
        default:
                return refuse(refusal, ENOBUFS, "Process %u could not be watched: %s.", request->hold_pid, strerror(-fd));
        }
}

static int open_process(struct service *s, const struct init_request *request, int *ret_fd, char **ret_holder,
                        struct refusal *refusal) {
        pid_t pid = (pid_t) request->hold_pid;
        _cleanup_close_ int fd = -EBADF;
        uint64_t start;
        uid_t owner;
        int r;

        r = check_caller(s, request, refusal);
        if (r >= 0)
                r = open_pidfd(request, &fd, refusal);
        if (r < 0)
                return r;

        r = process_owner(s->procfs, pid, &owner);
        if (r == -ENOMEM)
                return refuse_untold(r, request, refusal);
        errno = 0;
        start = process_start_time(s->procfs, pid);
        if (start == 0 && (errno == ENOMEM || errno == EMFILE || errno == ENFILE))
                return refuse_untold(-errno, request, refusal);
        /* Still there: then what was read is of the process that the pidfd is of, for its pid can be nobody else's. */
        if (hold_look_at_poll(fd) == HOLD_IS_THERE) {
                if (!request->privileged && (r < 0 || owner != request->uid))
                        return refuse(refusal, EACCES, "Process %u is not one of uid %u, and only root may have it hold consumer \"%s\".",
                                      request->hold_pid, (unsigned) request->uid, request->name);
                if (start == 0 && pidfd_inode(fd) == 0)
                        return refuse(refusal, EOPNOTSUPP, "Process %u cannot be told from a later one with its pid: /proc does not "
                                      "show when it began.", request->hold_pid);
        }
        if (asprintf(ret_holder, "process:%d:%" PRIu64 ":%" PRIu64, (int) pid, pidfd_inode(fd), start) < 0) {
                *ret_holder = NULL;
                return refuse(refusal, ENOMEM, "Out of memory.");
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

struct identity {
        int pid;
        uint64_t inode, start; /* 0: not known */
};

/* Of a pidfd of the same pid. */
static enum hold_verdict compare(const struct service *s, const struct identity *who, int fd) {
        uint64_t inode = pidfd_inode(fd), start;

        if (hold_look_at_poll(fd) == HOLD_IS_OVER)
                return HOLD_IS_OVER; /* whichever it was: had the other one its pid, it would be there */
        if (who->inode > 0 && inode > 0)
                return who->inode == inode ? HOLD_IS_THERE : HOLD_IS_OVER;
        start = process_start_time(s->procfs, who->pid);
        if (who->start == 0 || start == 0)
                return hold_look_at_poll(fd) == HOLD_IS_OVER ? HOLD_IS_OVER : HOLD_CANNOT_TELL;
        return who->start == start ? HOLD_IS_THERE : HOLD_IS_OVER;
}

static enum hold_verdict find_process(struct service *s, const struct consumer *c, int *fd) {
        _cleanup_close_ int stored = TAKE_FD(*fd);
        struct identity who;
        enum hold_verdict verdict;
        uint64_t inode = stored >= 0 ? pidfd_inode(stored) : 0;
        int found;

        if (sscanf(c->holder, "process:%d:%" SCNu64 ":%" SCNu64, &who.pid, &who.inode, &who.start) != 3 || who.pid <= 0)
                return HOLD_CANNOT_TELL;
        /* Nothing is better than the pidfd itself; without inodes its name in the store has to do. */
        if (stored >= 0 && inode == who.inode) {
                *fd = TAKE_FD(stored);
                return hold_look_at_poll(*fd);
        }
        found = pidfd_open_process(who.pid);
        if (found < 0)
                return found == -ESRCH || found == -EINVAL || found == -ENOENT ? HOLD_IS_OVER : HOLD_CANNOT_TELL;
        verdict = compare(s, &who, found);
        *fd = found;
        return verdict;
}

const struct hold_ops hold_process_ops = {
        .open = open_process,
        .find = find_process,
        .watch = hold_watch_poll,
        .look = hold_look_at_poll,
        .over = "the process has ended already",
        .is_storable = true,
};
