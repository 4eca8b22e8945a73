/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holds "fd", "process" and "unit" over the wire, through restarts of the
 * daemon, and consumers that change hands.
 */
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "signals.h"

#define ANN 60001
#define BOB 60002
#define NOBODY UINT32_MAX
#define RESTARTS 2 /* loops: 0 by SIGTERM, 1 by SIGKILL */

static void restart(struct fixture *f, int i) {
        if (i == 0)
                fixture_stop(f);
        else
                fixture_kill(f);
        fixture_start(f);
}

static void set_unit(struct fixture *f, const char *unit, bool is_populated) {
        char path[512];

        (void) snprintf(path, sizeof(path), "%s/cgroup", f->dir);
        (void) mkdir(path, 0755);
        (void) snprintf(path, sizeof(path), "%s/cgroup/system.slice", f->dir);
        (void) mkdir(path, 0755);
        (void) snprintf(path, sizeof(path), "%s/cgroup/system.slice/%s", f->dir, unit);
        (void) mkdir(path, 0755);
        (void) snprintf(path, sizeof(path), "%s/cgroup/cgroup.controllers", f->dir);
        ck_assert_int_ge(write_file(path, ""), 0);
        (void) snprintf(path, sizeof(path), "%s/cgroup/system.slice/%s/cgroup.events", f->dir, unit);
        ck_assert_int_ge(write_file(path, is_populated ? "populated 1\n" : "populated 0\n"), 0);
}

static struct fixture *begin(const char *config) {
        struct fixture *f = fixture_new(config);

        set_unit(f, "a.service", true);
        ck_assert_int_ge(daemon_add_option(f->daemon, "--cgroupfs=%s/cgroup", f->dir), 0);
        return f;
}

static void stay(struct child *self, void *userdata) {
        child_ready(self);
        child_wait(self);
}

static struct child stays(void) {
        struct child child = child_start(stay, NULL);

        child_await_ready(&child);
        return child;
}

static void expect_property(struct client *c, const char *path, const char *name, const char *value) {
        _cleanup_free_ char *found = property_string(c, path, PASIDD_IFACE_CONSUMER, name);

        ck_assert_str_eq(found, value);
}

/* Who made them leaves, and they stay; who holds them goes, and they end. */
START_TEST(each_ends_with_its_holder) {
        struct fixture *f = begin(NULL);
        struct client maker, c;
        struct signals s = {};
        struct child child = stays();
        const char *const kinds[] = { "fd", "process", "unit" };
        char *paths[3];
        int fds[2];

        fixture_start(f);
        maker = client_direct(f);
        c = client_direct(f);
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        paths[0] = init_ok(&maker, "by-fd", 2, "hold", "s", "fd", "fd", "h", fds[0]);
        paths[1] = init_ok(&maker, "by-process", 2, "hold", "s", "process", "pid", "u", (uint32_t) child.pid);
        paths[2] = init_ok(&maker, "by-unit", 2, "hold", "s", "unit", "unit", "s", "a.service");
        (void) close(fds[0]);
        client_close(&maker);
        for (uint32_t i = 0; i < 3; i++) {
                (void) alloc_ok(&c, paths[i], 10 + i, 10 + i);
                expect_property(&c, paths[i], "Hold", kinds[i]);
                expect_property(&c, paths[i], "HoldState", "watched");
        }
        signals_listen(&c, &s);
        manager_ok(&c, NULL, "Subscribe", NULL);
        for (uint32_t i = 0; i < 3; i++) {
                struct heard freed, removed;

                if (i == 0)
                        (void) close(fds[1]);
                else if (i == 1)
                        child_kill(&child);
                else
                        set_unit(f, "a.service", false);
                freed = signals_await(&c, &s, "PasidFreed");
                ck_assert_str_eq(freed.subject, paths[i]);
                ck_assert_uint_eq(freed.pasid, 10 + i);
                ck_assert_str_eq(freed.reason, "holder-gone");
                removed = signals_await(&c, &s, "InterfacesRemoved");
                ck_assert_str_eq(removed.subject, paths[i]);
                assert_gone(&c, paths[i]);
                ck_assert(daemon_log_has(f->daemon, "which held it, is gone"));
                for (uint32_t k = i + 1; k < 3; k++)
                        expect_property(&c, paths[k], "HoldState", "watched");
                free(paths[i]);
        }
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(over_a_message_bus) {
        enum bus_kind kind = (enum bus_kind) _i;
        _cleanup_free_ char *a = NULL, *b = NULL;
        struct child child = stays();
        struct fixture *f;
        struct client c;
        int fds[2];

        if (!bus_kind_is_available(kind))
                SKIP("the program of this message bus is not installed");
        f = fixture_new_on_bus(kind, NULL);
        c = client_new(f);
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        a = init_ok(&c, "a", 2, "hold", "s", "fd", "fd", "h", fds[0]);
        b = init_ok(&c, "b", 2, "hold", "s", "process", "pid", "u", (uint32_t) child.pid);
        (void) close(fds[0]);
        client_close(&c);
        c = client_new(f);
        expect_property(&c, a, "HoldState", "watched");
        expect_property(&c, b, "HoldState", "watched");
        (void) close(fds[1]);
        child_kill(&child);
        await(!consumer_exists(&c, geteuid(), "a", NULL) && !consumer_exists(&c, geteuid(), "b", NULL));
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(refused) {
        struct fixture *f = begin(NULL);
        struct child child = stays();
        struct client c;
        int fds[2], before;

        fixture_start(f);
        c = client_direct(f);
        ping_ok(&c);
        before = process_count_fds(f->daemon->pid);
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        init_error(&c, E_ARGS, "without one", "vm", 1, "hold", "s", "fd");
        init_error(&c, E_ARGS, "goes with hold", "vm", 2, "hold", "s", "process", "fd", "h", fds[0]);
        init_error(&c, E_ARGS, "goes with hold", "vm", 1, "unit", "s", "a.service");
        init_error(&c, E_ARGS, "pid", "vm", 1, "hold", "s", "process");
        init_error(&c, E_ARGS, "pid", "vm", 2, "hold", "s", "process", "pid", "u", 0U);
        init_error(&c, E_ARGS, "pid", "vm", 2, "hold", "s", "process", "pid", "u", UINT32_MAX);
        init_error(&c, E_ARGS, "without one", "vm", 1, "hold", "s", "unit");
        init_error(&c, E_ARGS, "no unit", "vm", 2, "hold", "s", "unit", "unit", "s", "b.service");
        init_error(&c, E_ARGS, "no unit", "vm", 2, "hold", "s", "unit", "unit", "s", "../cgroup");
        (void) close(fds[1]);
        init_error(&c, E_ARGS, "hung up", "vm", 2, "hold", "s", "fd", "fd", "h", fds[0]);
        (void) close(fds[0]);
        fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        init_error(&c, E_ARGS, "cannot hold it", "vm", 2, "hold", "s", "fd", "fd", "h", fds[0]);
        (void) close(fds[0]);
        child_kill(&child);
        init_error(&c, E_ARGS, "There is no process", "vm", 2, "hold", "s", "process", "pid", "u", (uint32_t) child.pid);
        ck_assert_uint_eq(property_number(&c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers"), 0);
        await(process_count_fds(f->daemon->pid) == before);
        client_close(&c);
        fixture_free(f);
}
END_TEST

static struct fixture *begin_with_group(const char *config, gid_t *ret_group) {
        _cleanup_free_ char *text = config_with_group(config, ret_group);

        return begin(text);
}

START_TEST(of_others) {
        struct child child;
        struct fixture *f;
        struct client ann;
        char path[512];
        gid_t group;

        SKIP_UNLESS_ROOT();
        f = begin_with_group("", &group);
        child = stays();
        fixture_start(f);
        ann = client_direct_as(f, ANN, group);
        init_error(&ann, E_ACCESS, "only root", "vm", 2, "hold", "s", "process", "pid", "u", (uint32_t) child.pid);
        init_error(&ann, E_ACCESS, "only root", "vm", 2, "hold", "s", "process", "pid", "u", 1U);
        init_error(&ann, E_ACCESS, "only root", "vm", 2, "hold", "s", "unit", "unit", "s", "a.service");
        (void) snprintf(path, sizeof(path), "%s/cgroup/system.slice/a.service", f->dir);
        ck_assert_int_eq(chown(path, ANN, (gid_t) -1), 0); /* as systemd delegates one */
        free(init_ok(&ann, "vm", 2, "hold", "s", "unit", "unit", "s", "/system.slice/a.service"));
        child_kill(&child);
        client_close(&ann);
        fixture_free(f);
}
END_TEST

/* A tree of one process, this one: of which unit it is, and whose. */
static void make_process(const struct fixture *f, uid_t owner) {
        char path[512];

        (void) snprintf(path, sizeof(path), "%s/proc", f->dir);
        (void) mkdir(path, 0755);
        (void) snprintf(path, sizeof(path), "%s/proc/%d", f->dir, getpid());
        ck_assert_int_eq(mkdir(path, 0755), 0);
        ck_assert_int_eq(chown(path, owner, (gid_t) -1), 0);
        (void) snprintf(path, sizeof(path), "%s/proc/%d/stat", f->dir, getpid());
        ck_assert_int_ge(write_file(path, "1 (test) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 4711 0\n"), 0);
        (void) snprintf(path, sizeof(path), "%s/proc/%d/cgroup", f->dir, getpid());
        ck_assert_int_ge(write_file(path, "0::/system.slice/a.service\n"), 0);
}

struct member {
        struct fixture *f;
        uid_t uid, process_uid; /* its own, and that of the process that has its pid */
        gid_t group;
};

static void hold_by_own_unit(void *userdata) {
        const struct member *member = userdata;
        struct client c;

        make_process(member->f, member->process_uid);
        ck_assert_int_eq(setgroups(0, NULL), 0);
        ck_assert_int_eq(setresgid(member->group, member->group, member->group), 0);
        ck_assert_int_eq(setresuid(member->uid, member->uid, member->uid), 0);
        c = client_on_bus(member->f);
        if (member->process_uid == member->uid)
                free(init_ok(&c, "vm", 2, "hold", "s", "unit", "unit", "s", "a.service"));
        else
                init_error(&c, E_ACCESS, "neither the caller's own", "vm", 2, "hold", "s", "unit", "unit", "s", "a.service");
        client_close(&c);
}

static bool passes_pidfds(struct client *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        bool found = false;
        const char *name;

        ck_assert_int_ge(sd_bus_get_unique_name(c->bus, &name), 0);
        ck_assert_int_ge(sd_bus_call_method(c->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                            "GetConnectionCredentials", NULL, &reply, "s", name), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                ck_assert_int_gt(sd_bus_message_read(reply, "s", &name), 0);
                found = found || strcmp(name, "ProcessFD") == 0;
                ck_assert_int_ge(sd_bus_message_skip(reply, "v"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }
        return found;
}

/* Over a bus that names a caller by its pid alone: its unit is its own, that of another user who has the pid now is not. */
START_TEST(own_unit_over_a_bus) {
        enum bus_kind kind = (enum bus_kind) (BUS_DBUS_DAEMON + _i);
        struct member member = {};
        struct client root;
        bool is_told;

        SKIP_UNLESS_ROOT();
        if (!bus_kind_is_available(kind))
                SKIP("the program of this message bus is not installed");
        ck_assert(find_user(&member.uid));
        member.f = begin_with_group("", &member.group);
        ck_assert_int_ge(daemon_add_option(member.f->daemon, "--procfs=%s/proc", member.f->dir), 0);
        ck_assert_int_ge(message_bus_new(kind, member.f->dir, &member.f->bus), 0);
        ck_assert_int_ge(daemon_set_bus(member.f->daemon, member.f->bus->address), 0);
        fixture_start(member.f);
        root = client_on_bus(member.f);
        is_told = passes_pidfds(&root);
        for (int i = 0; i < (is_told ? 1 : 2); i++) {
                member.process_uid = i == 0 ? member.uid : member.uid + 1;
                run_as(0, 0, hold_by_own_unit, &member);
                ck_assert(consumer_exists(&root, member.uid, "vm", NULL) == (i == 0));
                if (i == 0) {
                        set_unit(member.f, "a.service", false);
                        await(!consumer_exists(&root, member.uid, "vm", NULL));
                        set_unit(member.f, "a.service", true);
                }
        }
        client_close(&root);
        fixture_free(member.f);
}
END_TEST

START_TEST(over_a_restart) {
        struct fixture *f = begin(NULL);
        struct child lives = stays(), dies = stays();
        _cleanup_free_ char *process = NULL, *unit = NULL, *fd = NULL;
        struct client c;
        int fds[2];

        set_unit(f, "b.service", true);
        fixture_start(f);
        c = client_direct(f);
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        process = init_ok(&c, "process", 2, "hold", "s", "process", "pid", "u", (uint32_t) lives.pid);
        unit = init_ok(&c, "unit", 2, "hold", "s", "unit", "unit", "s", "a.service");
        fd = init_ok(&c, "fd", 2, "hold", "s", "fd", "fd", "h", fds[0]);
        free(init_ok(&c, "process-dies", 2, "hold", "s", "process", "pid", "u", (uint32_t) dies.pid));
        free(init_ok(&c, "unit-dies", 2, "hold", "s", "unit", "unit", "s", "b.service"));
        (void) close(fds[0]);
        client_close(&c);
        restart(f, _i);
        if (_i == 0)
                fixture_stop(f);
        else
                fixture_kill(f);
        child_kill(&dies);
        set_unit(f, "b.service", false);
        fixture_start(f);
        c = client_direct(f);
        ck_assert(!consumer_exists(&c, geteuid(), "process-dies", NULL));
        ck_assert(!consumer_exists(&c, geteuid(), "unit-dies", NULL));
        expect_property(&c, process, "HoldState", "watched");
        expect_property(&c, unit, "HoldState", "watched");
        expect_property(&c, fd, "HoldState", "unknown"); /* nobody kept it */
        (void) close(fds[1]);
        child_kill(&lives);
        set_unit(f, "a.service", false);
        await(!consumer_exists(&c, geteuid(), "process", NULL) && !consumer_exists(&c, geteuid(), "unit", NULL));
        ck_assert(consumer_exists(&c, geteuid(), "fd", NULL));
        exit_ok(&c, fd);
        client_close(&c);
        fixture_free(f);
}
END_TEST

struct pair {
        struct fixture *f;
        gid_t group;
        struct client ann, bob;
        char *path; /* of Ann's consumer "vm" */
};

static struct pair begin_pair(const char *hold, const char *config) {
        struct pair t = {};

        t.f = begin_with_group(config, &t.group);
        fixture_start(t.f);
        t.ann = client_direct_as(t.f, ANN, t.group);
        t.bob = client_direct_as_member(t.f, BOB, BOB, t.group);
        t.path = init_ok(&t.ann, "vm", 1, "hold", "s", hold);
        return t;
}

static void end_pair(struct pair *t) {
        client_close(&t->ann);
        client_close(&t->bob);
        free(t->path);
        fixture_free(t->f);
}

static char *accept_ok(struct client *c, uint32_t owner, const char *name) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *path;

        manager_ok(c, &reply, "Accept", "us", owner, name);
        ck_assert_int_gt(sd_bus_message_read(reply, "o", &path), 0);
        return strdup(path);
}

START_TEST(transfer) {
        _cleanup_free_ char *path = NULL, *expected = NULL;
        struct signals s = {};
        struct heard heard;
        struct client member;
        struct pair t;
        uint32_t pasid;

        SKIP_UNLESS_ROOT();
        t = begin_pair("boot", "");
        pasid = alloc_private_ok(&t.ann, t.path, "secret", 6);
        signals_listen(&t.ann, &s);
        manager_ok(&t.ann, NULL, "Subscribe", NULL);

        manager_error(&t.bob, E_ACCESS, "offered no consumer", "Accept", "us", ANN, "vm");
        manager_error(&t.bob, E_ACCESS, "offered no consumer", "Accept", "us", ANN, "no such thing");
        manager_error(&t.bob, E("InvalidName"), NULL, "Accept", "us", ANN, "");
        consumer_error(&t.bob, E_ACCESS, "belongs to uid", t.path, "Transfer", "u", BOB);
        consumer_error(&t.ann, E_ARGS, "already", t.path, "Transfer", "u", ANN);
        ck_assert_uint_eq(property_number(&t.bob, t.path, PASIDD_IFACE_CONSUMER, "OfferedTo"), NOBODY);
        consumer_ok(&t.ann, NULL, t.path, "Transfer", "u", BOB);
        ck_assert_uint_eq(property_number(&t.bob, t.path, PASIDD_IFACE_CONSUMER, "OfferedTo"), BOB);
        consumer_ok(&t.ann, NULL, t.path, "Transfer", "u", NOBODY);
        manager_error(&t.bob, E_ACCESS, "offered no consumer", "Accept", "us", ANN, "vm");
        consumer_ok(&t.ann, NULL, t.path, "Transfer", "u", BOB);
        member = client_direct_as(t.f, ANN + 7, t.group); /* of the group, but it is not offered to that one */
        manager_error(&member, E_ACCESS, "offered no consumer", "Accept", "us", ANN, "vm");
        client_close(&member);

        path = accept_ok(&t.bob, ANN, "vm");
        ck_assert_int_gt(asprintf(&expected, PASIDD_CONSUMER_PREFIX "/%d/vm", BOB), 0);
        ck_assert_str_eq(path, expected);
        assert_gone(&t.ann, t.path);
        consumer_error(&t.ann, E_ACCESS, NULL, path, "Find", "u", pasid); /* the data is another's now */
        free(find_ok(&t.bob, path, pasid, &(size_t) { 0 }));
        free_ok(&t.bob, path, pasid);
        heard = signals_await(&t.ann, &s, "InterfacesRemoved");
        ck_assert_str_eq(heard.subject, t.path);
        heard = signals_await(&t.ann, &s, "InterfacesAdded");
        ck_assert_str_eq(heard.subject, path);
        heard = signals_await(&t.ann, &s, "PasidFreed");
        ck_assert_str_eq(heard.subject, path);
        restart(t.f, 1);
        client_close(&t.bob);
        t.bob = client_direct_as(t.f, BOB, t.group);
        ck_assert(consumer_exists(&t.bob, BOB, "vm", NULL));
        ck_assert(!consumer_exists(&t.bob, ANN, "vm", NULL));
        end_pair(&t);
}
END_TEST

/* Who has no right to Init can't have it by way of a friend; nor one with too many already. */
START_TEST(transfer_needs_the_right) {
        struct client stranger, root;
        struct pair t;

        SKIP_UNLESS_ROOT();
        t = begin_pair("boot", "[Limits]\nConsumersPerUid=1\n");
        ck_assert_int_eq(chmod(t.f->daemon->socket_path, 0666), 0);
        stranger = client_direct_as(t.f, ANN + 7, ANN + 7);
        consumer_ok(&t.ann, NULL, t.path, "Transfer", "u", ANN + 7);
        manager_error(&stranger, E_ACCESS, "neither root nor in group", "Accept", "us", ANN, "vm");
        client_close(&stranger);
        free(init_ok(&t.bob, "own", 1, "hold", "s", "boot"));
        consumer_ok(&t.ann, NULL, t.path, "Transfer", "u", BOB);
        manager_error(&t.bob, E("QuotaExceeded"), "ConsumersPerUid=1", "Accept", "us", ANN, "vm");
        root = client_direct(t.f);
        free(init_ok(&root, "vm", 1, "hold", "s", "boot"));
        consumer_ok(&root, NULL, t.path, "Transfer", "u", 0U); /* root may do as the owner may */
        manager_error(&root, E("ConsumerExists"), NULL, "Accept", "us", ANN, "vm");
        client_close(&root);
        ck_assert(consumer_exists(&t.ann, ANN, "vm", NULL));
        end_pair(&t);
}
END_TEST

/* Hold "connection": from then on the one that accepted it. */
START_TEST(transfer_of_a_connection) {
        struct client c;
        struct pair t;

        SKIP_UNLESS_ROOT();
        t = begin_pair("connection", "");
        consumer_ok(&t.ann, NULL, t.path, "Transfer", "u", BOB);
        free(accept_ok(&t.bob, ANN, "vm"));
        free(init_ok(&t.ann, "another", 0));
        client_close(&t.ann);
        c = client_direct(t.f);
        await(!consumer_exists(&c, ANN, "another", NULL));
        ck_assert(consumer_exists(&c, BOB, "vm", NULL));
        client_close(&t.bob);
        await(!consumer_exists(&c, BOB, "vm", NULL));
        t.ann = c;
        end_pair(&t);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-holders");
        TCase *holds = fixture_add_case(suite, "holds"), *transfers = fixture_add_case(suite, "transfers");

        tcase_add_test(holds, each_ends_with_its_holder);
        tcase_add_loop_test(holds, over_a_message_bus, 0, BUS_KIND_MAX_);
        tcase_add_test(holds, refused);
        tcase_add_test(holds, of_others);
        tcase_add_loop_test(holds, own_unit_over_a_bus, 0, MESSAGE_BUSES);
        tcase_add_loop_test(holds, over_a_restart, 0, RESTARTS);
        tcase_add_test(transfers, transfer);
        tcase_add_test(transfers, transfer_needs_the_right);
        tcase_add_test(transfers, transfer_of_a_connection);
        return fixture_main(suite);
}
