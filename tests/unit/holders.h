/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whoever may hold a consumer in a test: children, a tree of plain files that
 * looks like cgroups and /proc, and a store of file descriptors.
 */
#pragma once

#include "service-fixture.h"

/* valgrind, for one, does not know pidfd_open(2); tells of it if not. */
bool has_pidfds(void);

/* A child that waits for its end, and does nothing else. Dies with the test. */
pid_t holder_child(void);
/* The same with a second thread, which alone is left of it: its main thread has ended. */
pid_t holder_child_without_main(void);
/* Sends the signal, and returns when the process has ended. It stays a zombie if it is not reaped. */
void holder_kill(pid_t pid, int signal, bool reap);

/* Below f->dir/cgroup, and f->cgroupfs from the first call on. populated < 0: has no cgroup.events. Makes the cgroup if need be. */
void fake_cgroup(struct fixture *f, const char *path, int populated);
void fake_cgroup_remove(struct fixture *f, const char *path);
/* Below f->dir/proc, and f->procfs from the first call on. NULL: no such file. */
void fake_process(struct fixture *f, pid_t pid, const char *file, const char *text);

#define FAKE_FDS_MAX 16
struct fake_fd_store {
        struct fd_keeper keeper;
        struct stored_fd fds[FAKE_FDS_MAX];
        char names[FAKE_FDS_MAX][32];
        size_t n;
        unsigned n_kept, n_dropped;
};
void fake_fd_store_init(struct fixture *f, struct fake_fd_store *store);
/* What it has is what the next start is given; what that leaves is dropped. */
void fake_fd_store_restart(struct fixture *f, struct fake_fd_store *store);
bool fake_fd_store_has(const struct fake_fd_store *store, const char *name);
void fake_fd_store_done(struct fake_fd_store *store);

/* Of the test's own uid, not privileged, asked by the test itself. */
struct init_request holder_request(const char *name, enum hold_kind hold);
int holder_try(struct fixture *f, const struct init_request *request, struct refusal *refusal);
/* Committed, with one number, n. */
void holder_init(struct fixture *f, const struct init_request *request, uint32_t n);
struct consumer *holder_get(struct fixture *f, const char *name);
/* Whatever waits in the event loop is done; nothing is waited for. */
void holder_run(struct fixture *f);
int count_own_fds(void);
