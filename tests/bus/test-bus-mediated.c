/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mediated mode and Open on a machine whose devices are there and whose
 * IOMMU is not: each refusal, in the order in which they are due, and who may
 * use a device at all. The users need root.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake-devices.h"

#define ANN 60001
#define BOB 60002
#define PAGE ((uint64_t) 4096)

/* What the tree of devices says of this one's is not what its own kernel would do. */
#define SKIP_IF_REAL()                                                    \
        do {                                                              \
                if (access("/dev/iommu", F_OK) == 0)                      \
                        SKIP("this machine has an IOMMU of its own"); \
        } while (0)

static struct fixture *begin(const char *config) {
        struct fixture *f = fixture_new(config);

        fixture_add_devices(f);
        ck_assert_int_ge(daemon_listen(f->daemon, 0666), 0);
        fixture_start(f);
        return f;
}

static void all_refused(struct client *c, const char *error, const char *attach_error, const char *path, uint32_t pasid) {
        _cleanup_close_ int memory = memfd_create("memory", MFD_CLOEXEC);

        consumer_error(c, attach_error, NULL, path, "Attach", "u", pasid);
        consumer_error(c, error, NULL, path, "Detach", "u", pasid);
        consumer_error(c, error, NULL, path, "Map", "uhtttu", pasid, memory, (uint64_t) 0, PAGE, (uint64_t) 0, 3U);
        consumer_error(c, error, NULL, path, "Unmap", "utt", pasid, (uint64_t) 0, PAGE);
}

START_TEST(advisory) {
        struct fixture *f = begin(NULL);
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm", 1, "devices", "as", 1, FIRST);
        uint32_t pasid = alloc_ok(&c, path, 0, 0);

        all_refused(&c, E("NotMediated"), E("NotMediated"), path, pasid);
        consumer_error(&c, E("NotMediated"), "\"vm\"", path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "attach", "b", 1);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Allocated"), 1);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "PinnedBytes"), 0);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* An IOMMU that is not there is found out when it is needed. */
START_TEST(without_iommu) {
        struct fixture *f;
        struct client c;

        SKIP_IF_REAL();
        f = begin(NULL);
        c = client_direct(f);
        init_error(&c, E_ARGS, "device", "none", 1, "mode", "s", "mediated");
        init_error(&c, E("DeviceUnusable"), THIRD, "unusable", 2, "mode", "s", "mediated", "devices", "as", 1,
                   THIRD);
        _cleanup_free_ char *path = init_mediated(&c, "vm"), *mode = property_string(&c, path, PASIDD_IFACE_CONSUMER, "Mode");
        uint32_t pasid = alloc_ok(&c, path, 0, 0);

        ck_assert_str_eq(mode, "mediated");
        all_refused(&c, E("NotAttached"), E("DeviceUnusable"), path, pasid);
        all_refused(&c, E("NoSuchPasid"), E("NoSuchPasid"), path, pasid + 1);
        all_refused(&c, E("InvalidRange"), E("InvalidRange"), path, 0);
        all_refused(&c, E("InvalidRange"), E("InvalidRange"), path, 1U << 20);
        consumer_error(&c, E("DeviceUnusable"), NULL, path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "attach", "b", 1);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Allocated"), 1);
        ck_assert_str_eq(state_of(&c, path, pasid), "allocated");
        free_ok(&c, path, pasid);
        ck_assert_str_eq(state_of(&c, path, pasid), ""); /* pasidd knows that nobody had it attached */

        device_error(&c, E("DeviceUnusable"), NULL, FIRST_PATH, "Open", "a{sv}", 0);
        device_error(&c, E("DeviceUnusable"), "idxd", THIRD_PATH, "Open", "a{sv}", 0);
        _cleanup_free_ char *held = property_string(&c, FIRST_PATH, PASIDD_IFACE_DEVICE, "Held");
        ck_assert_str_eq(held, "");
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* What is no memory is closed again like any other. */
START_TEST(junk_for_memory) {
        static const char *const paths[] = { "/dev/null", "/proc/self/exe", "/", "/dev/zero" };
        struct fixture *f = begin(NULL);
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_mediated(&c, "vm");
        uint32_t pasid = alloc_ok(&c, path, 0, 0);
        int n_fds = process_count_fds(f->daemon->pid);

        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                for (unsigned k = 0; k < 50; k++) {
                        _cleanup_close_ int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

                        consumer_error(&c, E("NotAttached"), NULL, path, "Map", "uhtttu", pasid, fd, (uint64_t) 0, PAGE,
                                       (uint64_t) 0, 1U);
                        consumer_error(&c, E_ARGS, NULL, path, "Map", "uhtttu", pasid, fd, (uint64_t) 0, PAGE, (uint64_t) 0, 0U);
                        consumer_error(&c, E_ARGS, NULL, path, "Map", "uhttu", pasid, fd, (uint64_t) 0, PAGE, 1U);
                }
        await(process_count_fds(f->daemon->pid) <= n_fds);
        client_close(&c);
        fixture_free(f);
}
END_TEST

static void grant(struct fixture *f, const char *name, const char *text) {
        _cleanup_free_ char *config = NULL;

        ck_assert_int_ge(asprintf(&config, "[Daemon]\nGroup=%s\n%s", name, text), 0);
        ck_assert_int_eq(daemon_set_config(f->daemon, config), 0);
        ck_assert_int_eq(kill(f->daemon->pid, SIGHUP), 0);
        ck_assert_int_eq(daemon_wait_notice(f->daemon, "RELOADING=1"), 0);
        ck_assert_int_eq(daemon_wait_notice(f->daemon, "READY=1"), 0);
}

/* Ann has the right to what is refused later, by the machine. */
static void is_allowed(struct client *c, const char *path, uint32_t pasid) {
        consumer_error(c, E("DeviceUnusable"), NULL, path, "Attach", "u", pasid);
        consumer_error(c, E("DeviceUnusable"), NULL, path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "attach", "b", 1);
        device_error(c, E("DeviceUnusable"), NULL, FIRST_PATH, "Open", "a{sv}", 0);
}

static void is_refused(struct client *c, const char *path, uint32_t pasid) {
        consumer_error(c, E_ACCESS, FIRST, path, "Attach", "u", pasid);
        consumer_error(c, E_ACCESS, "AllowUsers=", path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "attach", "b", 1);
        device_error(c, E_ACCESS, FIRST, FIRST_PATH, "Open", "a{sv}", 0);
        /* what needs no device needs no right to it */
        consumer_error(c, E("NotAttached"), NULL, path, "Detach", "u", pasid);
}

START_TEST(users_and_groups) {
        _cleanup_free_ char *config = NULL;
        struct fixture *f;
        struct client ann, bob;
        const char *name;
        gid_t group;

        SKIP_UNLESS_ROOT();
        SKIP_IF_REAL();
        ck_assert_msg(find_group(&group, &name), "this machine has no group");
        ck_assert_int_ge(asprintf(&config, "[Daemon]\nGroup=%s\n", name), 0);
        f = begin(config);
        ann = client_direct_as_member(f, ANN, ANN, group);
        bob = client_direct_as_member(f, BOB, BOB, group);
        _cleanup_free_ char *path = init_mediated(&ann, "vm"), *of_bob = init_mediated(&bob, "vm");
        uint32_t pasid = alloc_ok(&ann, path, 0, 0), pasid_of_bob = alloc_ok(&bob, of_bob, 0, 0);

        is_refused(&ann, path, pasid);
        grant(f, name, "[Device 0000:01:00.0]\nAllowUsers=60003 60001\n");
        is_allowed(&ann, path, pasid);
        is_refused(&bob, of_bob, pasid_of_bob);
        grant(f, name, "[Device 0000:02:00.0]\nAllowUsers=60001\n[Device 0000:01:00.0]\nAllowUsers=60002\n");
        is_refused(&ann, path, pasid);
        is_allowed(&bob, of_bob, pasid_of_bob);
        grant(f, name, "[Device 0000:01:00.0]\nAllowGroups=60001\n"); /* Ann's primary one */
        is_allowed(&ann, path, pasid);
        is_refused(&bob, of_bob, pasid_of_bob);

        /* not each other's, whatever the device's lists say */
        grant(f, name, "[Device 0000:01:00.0]\nAllowUsers=60001 60002\n");
        all_refused(&bob, E_ACCESS, E_ACCESS, path, pasid);
        consumer_error(&bob, E_ACCESS, NULL, path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "attach", "b", 1);
        client_close(&ann);
        client_close(&bob);
        fixture_free(f);
}
END_TEST

START_TEST(each_of_several_devices) {
        _cleanup_free_ char *config = NULL;
        struct fixture *f;
        struct client ann;
        const char *name;
        gid_t group;

        SKIP_UNLESS_ROOT();
        SKIP_IF_REAL();
        ck_assert_msg(find_group(&group, &name), "this machine has no group");
        ck_assert_int_ge(asprintf(&config, "[Daemon]\nGroup=%s\n[Device 0000:01:00.0]\nAllowUsers=60001\n", name), 0);
        f = begin(config);
        ann = client_direct_as_member(f, ANN, ANN, group);
        _cleanup_free_ char *path = init_ok(&ann, "vm", 2, "mode", "s", "mediated", "devices", "as", 2, FIRST,
                                            SECOND);
        uint32_t pasid = alloc_ok(&ann, path, 0, 0);

        consumer_error(&ann, E_ACCESS, SECOND, path, "Attach", "u", pasid);
        grant(f, name, "[Device 0000:01:00.0]\nAllowUsers=60001\n[Device 0000:02:00.0]\nAllowUsers=60001\n");
        consumer_error(&ann, E("DeviceUnusable"), NULL, path, "Attach", "u", pasid);
        client_close(&ann);
        fixture_free(f);
}
END_TEST

static void check_as_stranger(void *userdata) {
        struct fixture *f = userdata;
        struct client c = client_on_bus(f);

        manager_error(&c, E_ACCESS, "root", "Check", "a{sv}", 0);
        device_error(&c, E_ACCESS, FIRST, FIRST_PATH, "Open", "a{sv}", 0);
        client_close(&c);
}

/* Over a message bus, where the bus tells who it is. */
START_TEST(strangers_on_a_bus) {
        enum bus_kind kind = (enum bus_kind) (BUS_DBUS_DAEMON + _i);
        struct fixture *f;
        struct client root;
        uid_t user = 0;

        SKIP_UNLESS_ROOT();
        if (!bus_kind_is_available(kind))
                SKIP("the program of this message bus is not installed");
        ck_assert(find_user(&user));
        f = fixture_new(NULL);
        ck_assert_int_ge(message_bus_new(kind, f->dir, &f->bus), 0);
        ck_assert_int_ge(daemon_set_bus(f->daemon, f->bus->address), 0);
        fixture_add_devices(f);
        fixture_start(f);
        run_as(user, 60003, check_as_stranger, f);
        root = client_on_bus(f);
        manager_ok(&root, NULL, "Check", "a{sv}", 0);
        client_close(&root);
        fixture_free(f);
}
END_TEST

START_TEST(check_is_for_root) {
        struct fixture *f;
        struct client root, ann;

        SKIP_UNLESS_ROOT();
        f = begin(NULL);
        root = client_direct(f);
        ann = client_direct_as(f, ANN, ANN);
        manager_ok(&root, NULL, "Check", "a{sv}", 0);
        manager_error(&ann, E_ACCESS, "60001", "Check", "a{sv}", 0);
        client_close(&root);
        client_close(&ann);
        fixture_free(f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-mediated");
        TCase *refusals = fixture_add_case(suite, "refusals"), *who = fixture_add_case(suite, "who");

        tcase_add_test(refusals, advisory);
        tcase_add_test(refusals, without_iommu);
        tcase_add_test(refusals, junk_for_memory);
        tcase_add_test(who, users_and_groups);
        tcase_add_test(who, each_of_several_devices);
        tcase_add_test(who, check_is_for_root);
        tcase_add_loop_test(who, strangers_on_a_bus, 0, MESSAGE_BUSES);
        return fixture_main(suite);
}
