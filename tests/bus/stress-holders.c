/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holders without end, killed at random in every way there is: none is missed,
 * and no consumer is freed whose holder lives. stress-holders [COUNT [SEED]];
 * a small count is what make check runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../forked.h"
#include "client.h"
#include "service/cgroup.h"

#define COUNT_DEFAULT 300U
#define ALIVE_MAX 1000U /* at a time */

enum way {
        PROCESS_EXITS,
        PROCESS_KILLED,
        PROCESS_STAYS_ZOMBIE,
        PROCESS_PID_REUSED, /* by another one, at once */
        PIPE_CLOSED,
        PIPE_WRITTEN,
        SOCKET_CLOSED,
        PIDFD_OF_ZOMBIE,
        CONNECTION_CLOSED,
        CONNECTION_KILLED,
        UNIT_KILLED,        /* by cgroup.kill */
        UNIT_LEFT,          /* its last process exits, and it is removed */
        WAY_MAX_,
};

static const char *const way_names[WAY_MAX_] = {
        "process exits", "process killed", "zombie", "pid reused", "pipe closed", "pipe written", "socket closed", "pidfd of a zombie",
        "connection closed", "connection killed", "cgroup.kill", "cgroup left",
};

struct holder {
        enum way way;
        unsigned serial;
        bool is_killed;
        struct child child; /* pid 0: none */
        pid_t zombie, heir; /* to be reaped; has its pid */
        int fd;
        struct client connection;
};

static unsigned count = COUNT_DEFAULT, seed = 1;

struct stress {
        struct fixture *f;
        struct client c;
        int cgroup; /* for ours to be made in; -EBADF: cannot be had */
        char cgroup_path[64];
        bool can_reuse;
        struct holder *holders;
        size_t n_holders;
        unsigned n_made, n_killed, of_way[WAY_MAX_];
        uint64_t slowest_msec;
};

static void name_of(const struct holder *h, char buffer[static 32]) {
        (void) snprintf(buffer, 32, "vm-%u", h->serial);
}

static void stay(struct child *self, void *userdata) {
        child_ready(self);
        child_wait(self);
}

static struct child start(void (*run)(struct child *self, void *userdata), void *userdata) {
        struct child child = child_start(run, userdata);

        child_await_ready(&child);
        return child;
}

struct connecting {
        struct stress *s;
        const char *name;
};

static void connect_and_stay(struct child *self, void *userdata) {
        struct connecting *connecting = userdata;
        struct client c = client_direct(connecting->s->f);

        free(init_ok(&c, connecting->name, 0));
        stay(self, NULL);
}

/* Needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE: Linux 5.5 and 5.9. -1 without. */
static pid_t clone_with_pid(pid_t pid) {
        struct clone_args args = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t) &pid, .set_tid_size = 1 };
        pid_t child = (pid_t) syscall(SYS_clone3, &args, sizeof(args));

        if (child == 0) {
                forked_let_go(-1, -1);
                for (;;)
                        (void) pause();
        }
        return child;
}

static void write_number(int cgroup, const char *file, int number) {
        int fd = openat(cgroup, file, O_WRONLY | O_CLOEXEC);

        ck_assert_msg(fd >= 0 && dprintf(fd, "%d", number) > 0 && close(fd) == 0, "%s: %s", file, strerror(errno));
}

static void make_unit(struct stress *s, struct holder *h, const char *name) {
        char path[128];
        int fd;

        ck_assert_int_eq(mkdirat(s->cgroup, name, 0755), 0);
        fd = openat(s->cgroup, name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        h->child = start(stay, NULL);
        write_number(fd, "cgroup.procs", h->child.pid);
        h->fd = fd;
        (void) snprintf(path, sizeof(path), "%s/%s", s->cgroup_path, name);
        free(init_ok(&s->c, name, 2, "hold", "s", "unit", "unit", "s", path));
}

static void make_fd(struct stress *s, struct holder *h, const char *name) {
        int pair[2] = { -EBADF, -EBADF };

        if (h->way == SOCKET_CLOSED)
                ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        else if (h->way == PIDFD_OF_ZOMBIE) {
                h->child = start(stay, NULL);
                pair[0] = process_pidfd(h->child.pid);
        } else
                ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
        h->fd = pair[1];
        free(init_ok(&s->c, name, 2, "hold", "s", "fd", "fd", "h", pair[0]));
        ck_assert_int_eq(close(pair[0]), 0);
}

static bool is_possible(const struct stress *s, enum way way) {
        if (way == UNIT_KILLED || way == UNIT_LEFT)
                return s->cgroup >= 0;
        return way != PROCESS_PID_REUSED || s->can_reuse;
}

static void make(struct stress *s, struct holder *h) {
        char name[32];
        _cleanup_free_ char *path = NULL;

        do
                *h = (struct holder) { .way = (enum way) (random() % WAY_MAX_), .serial = s->n_made, .fd = -EBADF };
        while (!is_possible(s, h->way));
        s->n_made++;
        name_of(h, name);
        switch (h->way) {
        case PROCESS_EXITS:
        case PROCESS_KILLED:
        case PROCESS_STAYS_ZOMBIE:
        case PROCESS_PID_REUSED:
                h->child = start(stay, NULL);
                free(init_ok(&s->c, name, 2, "hold", "s", "process", "pid", "u", (uint32_t) h->child.pid));
                break;
        case CONNECTION_CLOSED:
                h->connection = client_direct(s->f);
                free(init_ok(&h->connection, name, 0));
                break;
        case CONNECTION_KILLED:
                h->child = start(connect_and_stay, &(struct connecting) { s, name });
                break;
        case UNIT_KILLED:
        case UNIT_LEFT:
                make_unit(s, h, name);
                break;
        default:
                make_fd(s, h, name);
        }
        ck_assert(consumer_exists(&s->c, geteuid(), name, &path));
        (void) alloc_ok(&s->c, path, 0, 0);
}

static void leave_zombie(struct holder *h) {
        ck_assert_int_eq(kill(h->child.pid, SIGKILL), 0);
        h->zombie = h->child.pid;
        (void) close(h->child.to);
        (void) close(h->child.from);
}

static void kill_unit(struct stress *s, struct holder *h) {
        char name[32];

        name_of(h, name);
        if (h->way == UNIT_KILLED) {
                write_number(h->fd, "cgroup.kill", 1);
                child_kill(&h->child);
        } else
                child_finish(&h->child);
        ck_assert_int_eq(close(h->fd), 0);
        ck_assert_int_eq(unlinkat(s->cgroup, name, AT_REMOVEDIR), 0);
}

static void end(struct stress *s, struct holder *h) {
        switch (h->way) {
        case PROCESS_EXITS:
                child_finish(&h->child);
                break;
        case PROCESS_KILLED:
        case CONNECTION_KILLED:
                child_kill(&h->child);
                break;
        case PROCESS_PID_REUSED:
                child_kill(&h->child);
                h->heir = clone_with_pid(h->child.pid);
                break;
        case PROCESS_STAYS_ZOMBIE:
        case PIDFD_OF_ZOMBIE:
                leave_zombie(h);
                break;
        case PIPE_WRITTEN:
                ck_assert_int_eq(write(h->fd, "x", 1), 1);
                break;
        case CONNECTION_CLOSED:
                client_close(&h->connection);
                break;
        case UNIT_KILLED:
        case UNIT_LEFT:
                kill_unit(s, h);
                break;
        default:
                ck_assert_int_eq(close(h->fd), 0);
        }
        h->is_killed = true;
        s->n_killed++;
        s->of_way[h->way]++;
}

static void bury(struct holder *h) {
        if (h->heir > 0) {
                (void) kill(h->heir, SIGKILL);
                h->zombie = h->heir;
        }
        if (h->zombie > 0)
                ck_assert_int_eq(waitpid(h->zombie, NULL, 0), h->zombie);
        if (h->way == PIPE_WRITTEN)
                (void) close(h->fd);
}

/* Which serials have a number; is_there has room for all that were made. Returns how many. */
static unsigned look(struct stress *s, bool *is_there) {
        uint64_t after = 0;
        unsigned n = 0;
        int more = true;

        memset(is_there, 0, s->n_made * sizeof(*is_there));
        while (more) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                const char *name, *state;

                manager_ok(&s->c, &reply, "List", "tu", after, 0U);
                ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "(uusstu)"), 0);
                while (sd_bus_message_read(reply, "(uusstu)", NULL, NULL, &name, &state, NULL, NULL) > 0) {
                        unsigned serial;

                        ck_assert_int_eq(sscanf(name, "vm-%u", &serial), 1);
                        ck_assert_uint_lt(serial, s->n_made);
                        ck_assert(!is_there[serial]);
                        is_there[serial] = true;
                        n++;
                }
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                ck_assert_int_gt(sd_bus_message_read(reply, "tb", &after, &more), 0);
        }
        return n;
}

/* Those that live are there at each look; those that don't are not, in the end. */
static void expect_living(struct stress *s) {
        bool *is_there = calloc(s->n_made, sizeof(*is_there));
        uint64_t begin = monotonic_msec();
        unsigned n_missed;

        ck_assert_ptr_nonnull(is_there);
        do {
                n_missed = 0;
                (void) look(s, is_there);
                for (size_t i = 0; i < s->n_holders; i++) {
                        const struct holder *h = &s->holders[i];

                        assert_quick(h->is_killed || is_there[h->serial], "consumer %u (%s) was freed early", h->serial,
                                     way_names[h->way]);
                        n_missed += h->is_killed && is_there[h->serial];
                        assert_quick(!(h->is_killed && is_there[h->serial] && monotonic_msec() > begin + WAIT_LIMIT_MSEC),
                                     "the end of consumer %u's holder (%s) was missed", h->serial, way_names[h->way]);
                }
                if (n_missed > 0)
                        await_pause();
        } while (n_missed > 0);
        free(is_there);
        if (monotonic_msec() - begin > s->slowest_msec)
                s->slowest_msec = monotonic_msec() - begin;
}

/* A random part of those that live, in random order. */
static void kill_some(struct stress *s) {
        unsigned percent = 10 + (unsigned) (random() % 91);
        bool *is_there = calloc(s->n_made, sizeof(*is_there));
        size_t i;

        ck_assert_ptr_nonnull(is_there);
        for (i = s->n_holders; i > 1; i--) {
                size_t k = (size_t) random() % i;
                struct holder other = s->holders[k];

                s->holders[k] = s->holders[i - 1];
                s->holders[i - 1] = other;
        }
        for (i = 0; i < s->n_holders; i++) {
                if ((unsigned) (random() % 100) >= percent)
                        continue;
                end(s, &s->holders[i]);
                if (random() % 64 != 0)
                        continue;
                (void) look(s, is_there); /* in the midst of it */
                for (size_t k = 0; k < s->n_holders; k++)
                        assert_quick(s->holders[k].is_killed || is_there[s->holders[k].serial], "consumer %u (%s) was freed early",
                                     s->holders[k].serial, way_names[s->holders[k].way]);
        }
        free(is_there);
        expect_living(s);
}

static void forget_killed(struct stress *s) {
        size_t n = 0;

        for (size_t i = 0; i < s->n_holders; i++) {
                if (s->holders[i].is_killed)
                        bury(&s->holders[i]);
                else
                        s->holders[n++] = s->holders[i];
        }
        s->n_holders = n;
}

static void find_means(struct stress *s) {
        _cleanup_close_ int root = cgroup_open_root(NULL);
        pid_t child = clone_with_pid(1);

        s->can_reuse = child < 0 && errno == EEXIST; /* 1 is in use; without the right it would be EPERM */
        s->cgroup = -EBADF;
        (void) snprintf(s->cgroup_path, sizeof(s->cgroup_path), "/pasidd-stress-%d", (int) getpid());
        if (root < 0 || mkdirat(root, s->cgroup_path + 1, 0755) < 0)
                return;
        s->cgroup = cgroup_open(root, s->cgroup_path);
        ck_assert_int_ge(s->cgroup, 0);
}

static void remove_cgroup(struct stress *s) {
        _cleanup_close_ int root = cgroup_open_root(NULL);

        if (s->cgroup >= 0)
                ck_assert_int_eq(unlinkat(root, s->cgroup_path + 1, AT_REMOVEDIR), 0);
        s->cgroup = close_fd(s->cgroup);
}

/* Of so many none of the ways is left out by chance; of fewer it may be. */
static void tell_ways(const struct stress *s) {
        for (int way = 0; way < WAY_MAX_; way++) {
                if (!is_possible(s, (enum way) way)) {
                        printf("# %-18s skipped: no right to do it here\n", way_names[way]);
                        continue;
                }
                printf("# %-18s %u\n", way_names[way], s->of_way[way]);
                (void) fflush(stdout);
                ck_assert_msg(count < COUNT_DEFAULT || s->of_way[way] > 0, "no holder went by the way \"%s\"", way_names[way]);
        }
}

START_TEST(holders) {
        unsigned alive = count / 3 < ALIVE_MAX ? count / 3 + 1 : ALIVE_MAX;
        struct stress s = { .holders = calloc(alive, sizeof(struct holder)) };
        uint64_t begin = monotonic_msec();
        int fds;

        ck_assert_ptr_nonnull(s.holders);
        srandom(seed);
        s.f = fixture_new("[Daemon]\nReuseDelaySec=0\n[Limits]\nConsumersPerUid=100000\nPasidsPerUid=100000\nConnections=100000\n"
                                  "ConnectionsPerUid=100000\n");
        ck_assert_int_ge(daemon_add_option(s.f->daemon, "--log-level=warning"), 0);
        fixture_start(s.f);
        s.c = client_direct(s.f);
        find_means(&s);
        ping_ok(&s.c);
        fds = process_count_fds(s.f->daemon->pid);
        while (s.n_killed < count) {
                while (s.n_holders < alive)
                        make(&s, &s.holders[s.n_holders++]);
                kill_some(&s);
                forget_killed(&s);
        }
        for (size_t i = 0; i < s.n_holders; i++)
                end(&s, &s.holders[i]);
        expect_living(&s);
        forget_killed(&s);
        ck_assert_uint_eq(property_number(&s.c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers"), 0);
        ck_assert_uint_eq(property_number(&s.c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Pasids"), 0);
        await(process_count_fds(s.f->daemon->pid) == fds);
        tell_ways(&s);
        printf("# holders killed %u, missed 0, freed early 0; at most %llu ms until all of a wave were noticed; %llu s, seed %u\n",
               s.n_killed, (unsigned long long) s.slowest_msec, (unsigned long long) (monotonic_msec() - begin) / 1000, seed);
        (void) fflush(stdout);
        remove_cgroup(&s);
        client_close(&s.c);
        fixture_free(s.f);
        free(s.holders);
}
END_TEST

/* A holder may be a connection, or a pipe or two. */
static void raise_fd_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
}

int main(int argc, char **argv) {
        Suite *suite = suite_create("stress-holders");
        TCase *tc = fixture_add_case(suite, "stress");

        if (argc > 1)
                count = (unsigned) strtoul(argv[1], NULL, 10);
        seed = argc > 2 ? (unsigned) strtoul(argv[2], NULL, 10) : (unsigned) getpid();
        raise_fd_limit();
        tcase_set_timeout(tc, TEST_LIMIT_SEC + count / 5);
        tcase_add_test(tc, holders);
        return fixture_main(suite);
}
