/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open over the wire: who gets a device to attach by himself, until when, and
 * that a restart of the daemon changes nothing of it.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fake-devices.h"

static void open_ok(struct client *c, const char *device) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct stat device_stat, iommufd_stat;
        int fd, iommufd;

        client_ok(__FILE__, __LINE__, c, &reply, device, PASIDD_IFACE_DEVICE, "Open", "a{sv}", 0);
        ck_assert_int_gt(sd_bus_message_read(reply, "hh", &fd, &iommufd), 0);
        ck_assert_int_eq(fstat(fd, &device_stat), 0);
        ck_assert_int_eq(fstat(iommufd, &iommufd_stat), 0);
        ck_assert_uint_ne(device_stat.st_ino, iommufd_stat.st_ino);
}

/* Open gives the device to one, until that one is gone. */
START_TEST(opened) {
        enum bus_kind kind = (enum bus_kind) _i;
        struct fixture *f;
        struct client holder, other;
        int n_fds;

        SKIP_UNLESS_AVAILABLE(kind);
        f = fake_begin(kind, NULL);
        holder = client_new(f);
        other = client_new(f);
        ping_ok(&holder);
        ping_ok(&other);
        n_fds = process_count_fds(f->daemon->pid);
        open_ok(&holder, FIRST_PATH);
        ck_assert(is_held(&other, FIRST_PATH, "tenant"));
        await(process_count_fds(f->daemon->pid) <= n_fds); /* both were sent, and closed */
        device_error(&other, E("DeviceBusy"), FIRST, FIRST_PATH, "Open", "a{sv}", 0);
        open_ok(&other, SECOND_PATH);
        client_close(&holder);
        await(is_held(&other, FIRST_PATH, ""));
        ck_assert(is_held(&other, SECOND_PATH, "tenant"));
        open_ok(&other, FIRST_PATH);
        ck_assert_uint_eq(fixture_kernel_did(f, "tenant " FIRST), 2);
        client_close(&other);
        fixture_free(f);
}
END_TEST

/* Over a restart nobody else gets it, bound or not; on the direct socket the client has to come back for that. */
struct opener {
        struct fixture *f;
        bool returns;
};

static void open_and_stay(struct child *self, void *userdata) {
        const struct opener *o = userdata;
        struct client c = client_new(o->f);

        open_ok(&c, FIRST_PATH);
        child_ready(self);
        child_wait(self);
        if (o->returns) {
                client_close(&c);
                c = client_new(o->f);
                ping_ok(&c);
                child_ready(self);
                child_wait(self);
        }
        client_close(&c);
}

START_TEST(opened_over_a_restart) {
        enum bus_kind kind = (enum bus_kind) _i;
        struct fixture *f;
        struct client other;
        struct child child;

        SKIP_UNLESS_AVAILABLE(kind);
        f = fake_begin(kind, "[Daemon]\nReconnectSec=3600\n");
        child = child_start(open_and_stay, &(struct opener) { f, kind == BUS_NONE });
        child_await_ready(&child);
        fixture_kill(f);
        fixture_start(f);
        other = client_direct(f);
        ck_assert(is_held(&other, FIRST_PATH, "tenant"));
        device_error(&other, E("DeviceBusy"), FIRST, FIRST_PATH, "Open", "a{sv}", 0);
        if (kind == BUS_NONE) {
                child_release(&child);
                child_await_ready(&child);
                ck_assert(is_held(&other, FIRST_PATH, "tenant"));
        }
        child_finish(&child);
        await(is_held(&other, FIRST_PATH, ""));
        open_ok(&other, FIRST_PATH);
        client_close(&other);
        fixture_free(f);
}
END_TEST

/* Who dies while pasidd is down has it no more; who does not come back, only for a while. */
START_TEST(opener_is_gone_after_a_restart) {
        struct fixture *f = fake_begin(BUS_NONE, _i == 0 ? "[Daemon]\nReconnectSec=3600\n" : "[Daemon]\nReconnectSec=1\n");
        struct child child = child_start(open_and_stay, &(struct opener) { f, false });
        struct client other;

        child_await_ready(&child);
        fixture_kill(f);
        if (_i == 0)
                child_kill(&child);
        fixture_start(f);
        other = client_direct(f);
        if (_i == 0)
                ck_assert(is_held(&other, FIRST_PATH, ""));
        else
                await(is_held(&other, FIRST_PATH, ""));
        open_ok(&other, FIRST_PATH);
        if (_i != 0)
                child_finish(&child);
        client_close(&other);
        fixture_free(f);
}
END_TEST

static void sleep_long(struct child *self, _unused_ void *userdata) {
        child_ready(self);
        child_wait(self);
}

/* For the life of a consumer, which is that of a process here: who opened it may go. */
START_TEST(opened_for_consumer) {
        enum bus_kind kind = (enum bus_kind) _i;
        struct fixture *f;
        struct client holder, other;
        struct child child = {};
        _cleanup_free_ char *path = NULL;

        SKIP_UNLESS_AVAILABLE(kind);
        f = fake_begin(kind, NULL);
        holder = client_new(f);
        other = client_new(f);
        child = child_start(sleep_long, NULL);
        child_await_ready(&child);
        path = init_ok(&holder, "vm", 2, "hold", "s", "process", "pid", "u", (uint32_t) child.pid);
        client_ok(__FILE__, __LINE__, &holder, NULL, FIRST_PATH, PASIDD_IFACE_DEVICE, "Open", "a{sv}", 1, "consumer", "o", path);
        client_close(&holder);
        device_error(&other, E("DeviceBusy"), FIRST, FIRST_PATH, "Open", "a{sv}", 0);
        ck_assert(is_held(&other, FIRST_PATH, "tenant"));
        ck_assert_int_eq(kill(child.pid, SIGKILL), 0); /* a zombie is gone, too */
        await(is_held(&other, FIRST_PATH, ""));
        open_ok(&other, FIRST_PATH);
        child_kill(&child);
        device_error(&other, E("NoSuchConsumer"), "for whose life", SECOND_PATH, "Open", "a{sv}", 1, "consumer", "o", path);
        device_error(&other, E("NoSuchConsumer"), "/org/pasidd1", SECOND_PATH, "Open", "a{sv}", 1, "consumer", "o", PASIDD_PATH);
        device_error(&other, E_ARGS, "takes \"o\"", SECOND_PATH, "Open", "a{sv}", 1, "consumer", "s", "vm");
        ck_assert(is_held(&other, SECOND_PATH, ""));
        client_close(&other);
        fixture_free(f);
}
END_TEST

START_TEST(opened_for_anothers_consumer) {
        _cleanup_free_ char *config = NULL, *path = NULL;
        struct fixture *f;
        struct client root, stranger;
        gid_t gid;

        SKIP_UNLESS_ROOT();
        config = config_with_group("[Device " FIRST "]\nAllowUsers=60001\n", &gid);
        f = fake_begin(BUS_NONE, config);
        root = client_direct(f);
        stranger = client_direct_as_member(f, 60001, 60001, gid);
        path = init_ok(&root, "vm", 2, "hold", "s", "boot", "devices", "as", 1, FIRST);
        device_error(&stranger, E_ACCESS, "\"vm\"", FIRST_PATH, "Open", "a{sv}", 1, "consumer", "o", path);
        ck_assert(is_held(&root, FIRST_PATH, ""));
        open_ok(&stranger, FIRST_PATH);
        client_close(&stranger);
        client_close(&root);
        fixture_free(f);
}
END_TEST

START_TEST(open_is_refused) {
        struct fixture *f = fake_begin(BUS_NONE, NULL);
        struct client c = client_direct(f), mute = {};
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_free_ char *path = init_mediated(&c, "vm");

        consumer_ok(&c, NULL, path, "Attach", "u", alloc_ok(&c, path, 0, 0));
        device_error(&c, E("DeviceBusy"), FIRST, FIRST_PATH, "Open", "a{sv}", 0); /* at once: it would not pass */
        device_error(&c, E_ARGS, "force", SECOND_PATH, "Open", "a{sv}", 1, "force", "b", 1);
        device_error(&c, E("NoSuchDevice"), THIRD, THIRD_PATH, "Open", "a{sv}", 0);

        /* nobody gets it who can't, or does not want to */
        ck_assert_int_ge(sd_bus_new(&mute.bus), 0);
        ck_assert_int_ge(sd_bus_set_address(mute.bus, f->daemon->address), 0);
        ck_assert_int_ge(sd_bus_negotiate_fds(mute.bus, false), 0);
        ck_assert_int_ge(sd_bus_start(mute.bus), 0);
        device_error(&mute, E("Unsupported"), "file descriptors", SECOND_PATH, "Open", "a{sv}", 0);
        ck_assert_int_ge(sd_bus_message_new_method_call(c.bus, &m, NULL, SECOND_PATH, PASIDD_IFACE_DEVICE, "Open"), 0);
        ck_assert_int_ge(sd_bus_message_append(m, "a{sv}", 0), 0);
        ck_assert_int_ge(sd_bus_message_set_expect_reply(m, 0), 0);
        ck_assert_int_ge(sd_bus_send(c.bus, m, NULL), 0);
        ck_assert(is_held(&c, SECOND_PATH, ""));
        client_close(&mute);
        client_close(&c);
        fixture_free(f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-tenants");
        TCase *tc = fixture_add_case(suite, "open");

        tcase_add_loop_test(tc, opened, 0, TRANSPORTS);
        tcase_add_loop_test(tc, opened_over_a_restart, 0, TRANSPORTS);
        tcase_add_loop_test(tc, opener_is_gone_after_a_restart, 0, 2);
        tcase_add_loop_test(tc, opened_for_consumer, 0, TRANSPORTS);
        tcase_add_test(tc, opened_for_anothers_consumer);
        tcase_add_test(tc, open_is_refused);
        return fixture_main(suite);
}
