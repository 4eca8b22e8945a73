/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who calls over a message bus: as what the bus passes for its process, where
 * that is a pidfd. Needs root, for the other user.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "own-bus.h"
#include "../forked.h"

#define ANN 60001
#define CALLER ":1.5"

enum who { LIVES, IS_DEAD }; /* who made the connection, by the pidfd of the bus */

struct calling {
        struct fixture *f;
        char *path;
        enum who who;
        gid_t group;
        pid_t pid;
        int pidfd;
        bool is_over;
};

static int tell_credentials(sd_bus_message *m, const struct calling *calling) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "a{sv}", 4, "ProcessFD", "h", calling->pidfd, "UnixUserID", "u", (uint32_t) ANN, "ProcessID", "u",
                                          (uint32_t) calling->pid, "UnixGroupIDs", "au", 1, (uint32_t) calling->group);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        struct calling *calling = userdata;

        if (calling->who == LIVES)
                ck_assert_msg(!e, "%s", e ? e->message : "");
        else {
                ck_assert_msg(e && strcmp(e->name, E_ACCESS) == 0, "%s", e ? e->message : "it was let");
                ck_assert_msg(strstr(e->message, "neither the caller's own") != NULL, "%s", e->message);
        }
        calling->is_over = true;
        return 1;
}

/* In the name of somebody on the bus: Init, held by the unit that the process with that pid is in. */
static int call(sd_bus *bus, struct calling *calling) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, PASIDD_BUS_NAME, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Init");
        if (r >= 0)
                r = sd_bus_message_set_sender(m, CALLER);
        if (r >= 0)
                r = sd_bus_message_append(m, "sa{sv}", "vm", 2, "hold", "s", "unit", "unit", "s", "/system.slice/a.service");
        return r < 0 ? r : sd_bus_call_async(bus, NULL, m, on_answer, calling, 0);
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r;

        if (sd_bus_message_is_method_call(m, NULL, "GetConnectionCredentials"))
                return tell_credentials(m, userdata);
        r = own_bus_answer(m);
        if (r > 0 && sd_bus_message_is_method_call(m, NULL, "RequestName"))
                r = call(sd_bus_message_get_bus(m), userdata);
        return r;
}

static pid_t start_caller(void) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid > 0)
                return pid;
        forked_let_go(-1, -1);
        process_child_setup();
        for (;;)
                (void) pause();
}

static void _printf_(3, 4) put(const struct fixture *f, const char *text, const char *format, ...) {
        char name[128], path[512];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(name, sizeof(name), format, ap);
        va_end(ap);
        (void) snprintf(path, sizeof(path), "%s/%s", f->dir, name);
        ck_assert_int_ge(text ? write_file(path, text) : mkdir(path, 0755), 0);
}

/* There is a process of that pid, of the same user, in the unit: as if the pid were another's by now, if the caller is dead. */
static void make_process(const struct calling *calling) {
        char path[512];

        put(calling->f, NULL, "proc/%d", (int) calling->pid);
        put(calling->f, "1 (vm) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 4711 0\n", "proc/%d/stat", (int) calling->pid);
        put(calling->f, "0::/system.slice/a.service\n", "proc/%d/cgroup", (int) calling->pid);
        (void) snprintf(path, sizeof(path), "%s/proc/%d", calling->f->dir, (int) calling->pid);
        ck_assert_int_eq(chown(path, ANN, ANN), 0);
}

static void serve(struct child *self, void *userdata) {
        struct calling *calling = userdata;
        sd_bus *bus;
        int r = 1;

        calling->pid = start_caller();
        calling->pidfd = process_pidfd(calling->pid);
        ck_assert_int_ge(calling->pidfd, 0);
        if (calling->who == IS_DEAD)
                process_kill(calling->pid);
        make_process(calling);
        bus = own_bus_accept(self, calling->path);
        ck_assert_int_ge(sd_bus_add_filter(bus, NULL, on_call, calling), 0);
        ck_assert_int_ge(sd_bus_start(bus), 0);
        while (r >= 0 && !calling->is_over) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        ck_assert_int_ge(r, 0);
        if (calling->who == LIVES)
                process_kill(calling->pid);
}

START_TEST(unit_of_the_caller) {
        _cleanup_free_ char *config = NULL;
        struct calling calling = { .who = (enum who) _i };
        struct child bus;
        struct client c;

        SKIP_UNLESS_ROOT();
        config = config_with_group("", &calling.group);
        calling.f = fixture_new(config);
        put(calling.f, NULL, "proc");
        put(calling.f, NULL, "cgroup");
        put(calling.f, "", "cgroup/cgroup.controllers");
        put(calling.f, NULL, "cgroup/system.slice");
        put(calling.f, NULL, "cgroup/system.slice/a.service");
        put(calling.f, "populated 1\n", "cgroup/system.slice/a.service/cgroup.events");
        ck_assert_int_ge(daemon_add_option(calling.f->daemon, "--cgroupfs=%s/cgroup", calling.f->dir), 0);
        ck_assert_int_ge(daemon_add_option(calling.f->daemon, "--procfs=%s/proc", calling.f->dir), 0);
        calling.path = own_bus_choose(calling.f);
        bus = child_start(serve, &calling);
        child_await_ready(&bus);
        fixture_start(calling.f);
        child_finish(&bus); /* which says whether the answer was as it should be */
        c = client_direct(calling.f);
        ck_assert(consumer_exists(&c, ANN, "vm", NULL) == (_i == LIVES));
        client_close(&c);
        free(calling.path);
        fixture_free(calling.f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-callers");
        TCase *tcase = fixture_add_case(suite, "callers");

        tcase_add_loop_test(tcase, unit_of_the_caller, 0, 2);
        return fixture_main(suite);
}
