/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A full disk refuses and changes nothing, and what was refused goes through
 * once there is room; a table that is damaged refuses what it can't read.
 * Full disks need root and mount namespaces.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

#define SMALL "size=2m"
#define LARGE "size=256m"

static bool can_mount(void) {
        return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* The daemon is started in our namespace, and sees what we see. */
static struct fixture *begin(const char *directory, const char *more, char path[static 512]) {
        _cleanup_free_ char *config = NULL;
        struct fixture *f;

        ck_assert_int_ge(asprintf(&config, "[Daemon]\nReuseDelaySec=3600\n%s", more), 0);
        f = fixture_new(config);

        (void) snprintf(path, 512, "%s/%s", f->dir, directory);
        ck_assert_msg(mount("tmpfs", path, "tmpfs", 0, SMALL ",mode=755") == 0, "mount: %s", strerror(errno));
        fixture_start(f);
        return f;
}

static void end(struct fixture *f, const char *path) {
        fixture_stop(f);
        ck_assert_msg(umount2(path, MNT_DETACH) == 0, "umount: %s", strerror(errno));
        fixture_free(f);
}

static void fill(const char *path) {
        static const uint8_t block[4096];
        char file[600];
        int fd;

        (void) snprintf(file, sizeof(file), "%s/filler", path);
        fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        while (write(fd, block, sizeof(block)) > 0)
                ;
        ck_assert_int_eq(errno, ENOSPC);
        (void) close_fd(fd);
}

static void make_room(const char *path) {
        ck_assert_msg(mount(NULL, path, NULL, MS_REMOUNT, LARGE ",mode=755") == 0, "remount: %s", strerror(errno));
}

static int alloc_many_private(struct client *c, sd_bus_error *error, const char *path, uint32_t count) {
        static const uint8_t data[PRIVATE_MAX] = { 1 };
        uint32_t numbers[] = { count, 0, 0 };

        return client_call_private(c, error, path, "AllocMany", numbers, 3, data, sizeof(data));
}

static void assert_storage_full(int r, const sd_bus_error *error) {
        ck_assert_int_lt(r, 0);
        ck_assert_msg(sd_bus_error_has_name(error, E("StorageFull")), "%s: %s", error->name, error->message);
        ck_assert_uint_gt(strlen(error->message), 0);
}

static uint64_t get_allocated(struct client *c, const char *path) {
        struct listed rows[64];
        size_t n = list_page(c, path, 0, ELEMENTSOF(rows), rows, ELEMENTSOF(rows), NULL);
        uint64_t allocated = property_number(c, path, PASIDD_IFACE_CONSUMER, "Allocated");

        if (n < ELEMENTSOF(rows))
                ck_assert_uint_eq(n, allocated);
        return allocated;
}

static const struct {
        const char *directory, *hold;
} tables[] = { { "run", "boot" }, { "lib", "persistent" } };

START_TEST(in_the_middle_of_alloc_many) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        struct fixture *f;
        struct client c;
        char dir[512];
        size_t size;

        if (!can_mount())
                SKIP("needs root and mount namespaces");
        f = begin(tables[_i].directory, "", dir);
        c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm", 1, "hold", "s", tables[_i].hold);
        uint32_t kept = alloc_private_ok(&c, path, "kept", 4);

        assert_storage_full(alloc_many_private(&c, &error, path, 2000), &error);
        ck_assert_uint_eq(get_allocated(&c, path), 1);
        ck_assert_uint_eq(property_number(&c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Pasids"), 1);
        _cleanup_free_ void *data = find_ok(&c, path, kept, &size);
        ck_assert_mem_eq(data, "kept", 4);

        make_room(dir);
        ck_assert_int_ge(alloc_many_private(&c, NULL, path, 2000), 0);
        ck_assert_uint_eq(get_allocated(&c, path), 2001);
        client_close(&c);
        fixture_kill(f);
        fixture_start(f);
        c = client_direct(f);
        ck_assert_uint_eq(get_allocated(&c, path), 2001);
        client_close(&c);
        end(f, dir);
}
END_TEST

static int call_alloc(struct client *c, sd_bus_error *error, const char *path) {
        return alloc_many_private(c, error, path, 20);
}

static int call_set_private(struct client *c, sd_bus_error *error, const char *path) {
        static const uint8_t data[PRIVATE_MAX] = { 2 };
        struct listed row;

        ck_assert_uint_eq(list_page(c, path, 0, 1, &row, 1, NULL), 1);
        return client_call_private(c, error, path, "SetPrivate", &row.pasid, 1, data, sizeof(data));
}

/* Whatever it is, it is done or it is not: nothing in between, and no other error. */
START_TEST(nothing_left_at_all) {
        int (*const calls[])(struct client *c, sd_bus_error *error, const char *path) = { call_alloc, call_set_private };
        struct fixture *f;
        struct client c;
        char dir[512];
        bool refused = false;
        uint64_t n = 1;

        if (!can_mount())
                SKIP("needs root and mount namespaces");
        f = begin(tables[_i].directory, "", dir);
        c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm", 1, "hold", "s", tables[_i].hold);
        (void) alloc_ok(&c, path, 0, 0);
        fill(dir);
        for (int i = 0; i < 40; i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                int r = calls[i % 2](&c, &error, path);

                if (r < 0) {
                        assert_storage_full(r, &error);
                        refused = true;
                } else if (i % 2 == 0)
                        n += 20;
                ck_assert_uint_eq(get_allocated(&c, path), n);
        }
        ck_assert(refused);

        make_room(dir);
        ck_assert_int_ge(alloc_many_private(&c, NULL, path, 20), 0);
        ck_assert_uint_eq(get_allocated(&c, path), n + 20);
        exit_ok(&c, path);
        client_close(&c);
        end(f, dir);
}
END_TEST

/* Others of the same moment: who fits is served, who does not is refused, each by itself or all alike. */
static int on_outcome(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        unsigned *outcomes = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);

        ck_assert_msg(!e || sd_bus_error_has_name(e, E("StorageFull")), "%s: %s", e ? e->name : "", e ? e->message : "");
        outcomes[e ? 1 : 0]++;
        return 1;
}

START_TEST(shared_commits) {
        enum { CALLS = 300 };
        unsigned outcomes[2] = {};
        struct fixture *f;
        struct client c;
        char dir[512];

        if (!can_mount())
                SKIP("needs root and mount namespaces");
        f = begin(tables[_i].directory, "", dir);
        c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm", 1, "hold", "s", tables[_i].hold);
        static const uint8_t data[PRIVATE_MAX] = { 3 };

        for (unsigned i = 0; i < CALLS; i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

                ck_assert_int_ge(sd_bus_message_new_method_call(c.bus, &m, NULL, path, PASIDD_IFACE_CONSUMER, "AllocMany"), 0);
                ck_assert_int_ge(sd_bus_message_append(m, "uuu", 5U, 0U, 0U), 0);
                ck_assert_int_ge(sd_bus_message_append_array(m, 'y', data, sizeof(data)), 0);
                ck_assert_int_ge(sd_bus_message_append(m, "a{sv}", 0), 0);
                ck_assert_int_ge(sd_bus_call_async(c.bus, NULL, m, on_outcome, outcomes, 0), 0);
        }
        while (outcomes[0] + outcomes[1] < CALLS)
                client_wait(&c);
        ck_assert_uint_gt(outcomes[1], 0);
        ck_assert_uint_eq(get_allocated(&c, path), outcomes[0] * 5);
        client_close(&c);
        fixture_kill(f);
        make_room(dir);
        fixture_start(f);
        c = client_direct(f);
        ck_assert_uint_eq(get_allocated(&c, path), outcomes[0] * 5);
        client_close(&c);
        end(f, dir);
}
END_TEST

/* All but the first pages of a table, which say what it is. */
static void damage(const char *path) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
        uint8_t block[4096];
        struct stat st;

        memset(block, 0xff, sizeof(block));
        ck_assert(fd >= 0 && fstat(fd, &st) == 0);
        for (off_t at = 16 * (off_t) sizeof(block); at < st.st_size; at += (off_t) sizeof(block))
                ck_assert_int_eq(pwrite(fd, block, sizeof(block), at), sizeof(block));
}

/* Not full, but its disk gives back something else: what can't be read is refused, and nothing is lost or made up. */
START_TEST(damaged_under_the_daemon) {
        enum { COUNT = 40000, UNREAD = 5000, DATA = 256 }; /* more than the daemon keeps of a table in memory */
        static const uint8_t data[DATA] = { 1 };
        const uint32_t count[] = { COUNT, 0, 0 }, pasid[] = { UNREAD };
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        struct fixture *f;
        struct client c;
        char table[512];

        if (_i == 1 && geteuid() != 0)
                SKIP("persistent consumers are root's");
        f = fixture_new(NULL);
        fixture_start(f);
        c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm", 2, "hold", "s", tables[_i].hold, "quota", "u", (uint32_t) COUNT);
        ck_assert_int_ge(client_call_private(&c, NULL, path, "AllocMany", count, 3, data, sizeof(data)), 0);
        client_close(&c);
        fixture_stop(f); /* all is in the table then, and nothing in the log beside it */
        fixture_start(f);
        c = client_direct(f);

        (void) snprintf(table, sizeof(table), "%s/%s/pasidd.db", f->dir, tables[_i].directory);
        damage(table);
        consumer_error(&c, E("StorageFailed"), table, path, "Find", "u", pasid[0]);
        consumer_error(&c, E("StorageFailed"), "kernel log", path, "Free", "u", pasid[0]);
        ck_assert_int_lt(client_call_private(&c, &error, path, "SetPrivate", pasid, 1, "x", 1), 0);
        ck_assert_msg(sd_bus_error_has_name(&error, E("StorageFailed")), "%s: %s", error.name, error.message);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Allocated"), COUNT);
        client_close(&c);
        fixture_kill(f);
        fixture_start_refused(f, table);
        fixture_free(f);
}
END_TEST

/* No room for so much as a table. */
START_TEST(start) {
        struct fixture *f;
        char dir[512];

        if (!can_mount())
                SKIP("needs root and mount namespaces");
        f = fixture_new(NULL);
        (void) snprintf(dir, sizeof(dir), "%s/%s", f->dir, tables[_i].directory);
        ck_assert_int_eq(mount("tmpfs", dir, "tmpfs", 0, SMALL ",mode=755"), 0);
        fill(dir);
        fixture_start_refused(f, dir);
        make_room(dir);
        fixture_start(f);
        end(f, dir);
}
END_TEST

struct holding {
        const struct fixture *f;
        const char *name;
        bool comes_back;
};

static void hold(struct child *self, void *userdata) {
        const struct holding *h = userdata;
        struct client c = client_direct(h->f);

        free(init_ok(&c, h->name, 0));
        child_ready(self);
        child_wait(self);
        client_close(&c);
        if (!h->comes_back)
                return;
        c = client_direct(h->f);
        ping_ok(&c);
        child_ready(self);
        child_wait(self);
        client_close(&c);
}

/* Who comes back in time has come back, and is watched, whether the table can take his new name or not. */
START_TEST(holder_comes_back) {
        struct child back, away;
        struct fixture *f;
        struct client c;
        char dir[512];

        if (!can_mount())
                SKIP("needs root and mount namespaces");
        f = begin("run", "ReconnectSec=1\n", dir);
        back = child_start(hold, &(struct holding) { f, "back", true });
        away = child_start(hold, &(struct holding) { f, "away", false });
        child_await_ready(&back);
        child_await_ready(&away);
        fixture_kill(f);
        fixture_start(f);
        fill(dir);
        child_release(&back);
        child_await_ready(&back);
        await(daemon_log_has(f->daemon, "could not be given back to it"));
        await(daemon_log_has(f->daemon, "did not come back in time") || daemon_log_has(f->daemon, "could not be ended"));
        c = client_direct(f);
        ck_assert(consumer_exists(&c, geteuid(), "back", NULL));
        if (_i == 0) { /* while it can't be told */
                child_finish(&back);
                make_room(dir);
        } else {
                make_room(dir);
                await(daemon_log_has(f->daemon, " came back, which holds 1 consumer"));
                ck_assert(consumer_exists(&c, geteuid(), "back", NULL));
                child_finish(&back);
        }
        await(!consumer_exists(&c, geteuid(), "back", NULL));
        await(!consumer_exists(&c, geteuid(), "away", NULL));
        child_finish(&away);
        client_close(&c);
        end(f, dir);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-full");
        TCase *tcase = fixture_add_case(suite, "full");

        tcase_add_loop_test(tcase, in_the_middle_of_alloc_many, 0, 2);
        tcase_add_loop_test(tcase, nothing_left_at_all, 0, 2);
        tcase_add_loop_test(tcase, shared_commits, 0, 2);
        tcase_add_loop_test(tcase, damaged_under_the_daemon, 0, 2);
        tcase_add_loop_test(tcase, start, 0, 2);
        tcase_add_loop_test(tcase, holder_comes_back, 0, 2);
        return fixture_main(suite);
}
