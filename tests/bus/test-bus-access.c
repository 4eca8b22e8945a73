/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may what: owners, root, members of the group, and everybody else; and
 * the limits of a uid. Needs root, for the other users.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define ANN 60001
#define BOB 60002

struct test {
        struct fixture *f;
        gid_t group;
        struct client root, ann, bob; /* Ann and Bob are members of the group */
        char *path;                   /* of Ann's consumer "vm" */
        uint32_t pasid;               /* that it has, with private data */
};

static struct fixture *begin_fixture(const char *config, gid_t *ret_group) {
        _cleanup_free_ char *text = config_with_group(config, ret_group);

        return fixture_new(text);
}

static struct test begin(const char *config) {
        struct test t = {};

        t.f = begin_fixture(config, &t.group);
        fixture_start(t.f);
        t.root = client_direct(t.f);
        t.ann = client_direct_as(t.f, ANN, t.group);
        t.bob = client_direct_as_member(t.f, BOB, BOB, t.group);
        t.path = init_ok(&t.ann, "vm", 1, "hold", "s", "boot");
        t.pasid = alloc_private_ok(&t.ann, t.path, "secret", 6);
        return t;
}

static void end(struct test *t) {
        client_close(&t->root);
        client_close(&t->ann);
        client_close(&t->bob);
        fixture_free(t->f);
        free(t->path);
}

START_TEST(foreigners_change_nothing) {
        struct test t;
        uint32_t there, not_there = 4711;

        SKIP_UNLESS_ROOT();
        t = begin("");
        there = t.pasid;
        consumer_error(&t.bob, E_ACCESS, "60001", t.path, "Find", "u", there);
        consumer_error(&t.bob, E_ACCESS, NULL, t.path, "Free", "u", there);
        consumer_error(&t.bob, E_ACCESS, NULL, t.path, "FreeMany", "au", 1, there);
        consumer_error(&t.bob, E_ACCESS, NULL, t.path, "FreeToken", "s", "token");
        consumer_error(&t.bob, E_ACCESS, NULL, t.path, "SetPrivate", "uay", there, 0);
        consumer_error(&t.bob, E_ACCESS, NULL, t.path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 0);
        consumer_error(&t.bob, E_ACCESS, NULL, t.path, "AllocMany", "uuuaya{sv}", 1U, 0U, 0U, 0, 0);
        consumer_error(&t.bob, E_ACCESS, NULL, t.path, "Exit", NULL);
        /* a wrong guess is answered as a right one */
        consumer_error(&t.bob, E_ACCESS, NULL, t.path, "Find", "u", not_there);
        consumer_error(&t.bob, E_ACCESS, NULL, t.path, "Free", "u", not_there);
        consumer_error(&t.bob, E_ACCESS, NULL, t.path, "SetPrivate", "uay", not_there, 0);
        ck_assert_uint_eq(property_number(&t.root, t.path, PASIDD_IFACE_CONSUMER, "Allocated"), 1);
        end(&t);
}
END_TEST

static uint32_t host_list_private_bytes(struct client *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *consumer, *state;
        uint32_t pasid, uid, bytes;
        uint64_t since;

        manager_ok(c, &reply, "List", "tu", (uint64_t) 0, 0U);
        ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "(uusstu)"), 0);
        ck_assert_int_gt(sd_bus_message_read(reply, "(uusstu)", &pasid, &uid, &consumer, &state, &since, &bytes), 0);
        ck_assert_uint_eq(uid, ANN);
        ck_assert_str_eq(consumer, "vm");
        ck_assert_str_eq(state, "allocated");
        return bytes;
}

/* Who had it, when and why no more, as any caller is told; returns how many there were. */
static size_t past_holders(struct client *c, uint32_t pasid, uid_t uid, const char *reason) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name, *why;
        uint64_t since, until;
        uint32_t owner;
        size_t n = 0;

        manager_ok(c, &reply, "History", "u", pasid);
        ck_assert_str_eq(sd_bus_message_get_signature(reply, 1), "a(usttsas)");
        ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "(usttsas)"), 0);
        while (sd_bus_message_enter_container(reply, 'r', "usttsas") > 0) {
                ck_assert_int_gt(sd_bus_message_read(reply, "ustts", &owner, &name, &since, &until, &why), 0);
                ck_assert_int_gt(sd_bus_message_skip(reply, "as"), 0);
                ck_assert_int_gt(sd_bus_message_exit_container(reply), 0);
                ck_assert_uint_eq(owner, uid);
                ck_assert_str_eq(name, "vm");
                ck_assert_str_eq(why, reason);
                ck_assert_uint_gt(since, 1600000000000000);
                ck_assert_uint_ge(until, since);
                n++;
        }
        return n;
}

START_TEST(foreigners_see_public_facts) {
        struct test t;
        struct listed row;

        SKIP_UNLESS_ROOT();
        t = begin("");
        ck_assert_uint_eq(list_page(&t.bob, t.path, 0, 0, &row, 1, NULL), 1);
        ck_assert_uint_eq(row.pasid, t.pasid);
        ck_assert_str_eq(row.state, "allocated");
        ck_assert_uint_eq(row.private_bytes, 0);
        ck_assert_uint_eq(list_page(&t.ann, t.path, 0, 0, &row, 1, NULL), 1);
        ck_assert_uint_eq(row.private_bytes, 6);
        ck_assert_uint_eq(list_page(&t.root, t.path, 0, 0, &row, 1, NULL), 1);
        ck_assert_uint_eq(row.private_bytes, 6);

        ck_assert_uint_eq(host_list_private_bytes(&t.bob), 0);
        ck_assert_uint_eq(host_list_private_bytes(&t.ann), 6);
        ck_assert_uint_eq(host_list_private_bytes(&t.root), 6);
        ck_assert(consumer_exists(&t.bob, ANN, "vm", NULL));
        ck_assert_uint_eq(property_number(&t.bob, t.path, PASIDD_IFACE_CONSUMER, "Allocated"), 1);
        manager_ok(&t.bob, NULL, "WhoHas", "u", t.pasid);
        ck_assert_uint_eq(past_holders(&t.bob, t.pasid, ANN, "exit"), 0);
        exit_ok(&t.ann, t.path);
        ck_assert_uint_eq(past_holders(&t.bob, t.pasid, ANN, "exit"), 1);
        ck_assert_uint_eq(past_holders(&t.ann, t.pasid, ANN, "exit"), 1);
        ck_assert_uint_eq(past_holders(&t.root, t.pasid, ANN, "exit"), 1);
        manager_error(&t.bob, E("InvalidRange"), "1048576", "History", "u", 1048576U);
        end(&t);
}
END_TEST

START_TEST(root_may_all) {
        struct test t;
        _cleanup_free_ void *data = NULL;
        uint32_t pasid;
        size_t n;

        SKIP_UNLESS_ROOT();
        t = begin("");
        data = find_ok(&t.root, t.path, t.pasid, &n);
        ck_assert_uint_eq(n, 6);
        pasid = alloc_ok(&t.root, t.path, 0, 0); /* on Ann's account */
        ck_assert_uint_eq(property_number(&t.root, t.path, PASIDD_IFACE_CONSUMER, "Allocated"), 2);
        free_ok(&t.root, t.path, pasid);
        exit_ok(&t.root, t.path);
        ck_assert(!consumer_exists(&t.ann, ANN, "vm", NULL));
        end(&t);
}
END_TEST

START_TEST(names_are_per_uid) {
        struct test t;
        _cleanup_free_ char *path = NULL;

        SKIP_UNLESS_ROOT();
        t = begin("");
        path = init_ok(&t.bob, "vm", 0);
        ck_assert_str_ne(path, t.path);
        ck_assert_uint_ne(alloc_ok(&t.bob, path, 0, 0), t.pasid); /* one space */
        ck_assert_uint_eq(property_number(&t.ann, path, PASIDD_IFACE_CONSUMER, "Uid"), BOB);
        end(&t);
}
END_TEST

/* Owner is who connected, not which connection. */
START_TEST(owner_by_another_connection) {
        struct test t;
        struct client again;

        SKIP_UNLESS_ROOT();
        t = begin("");
        again = client_direct_as(t.f, ANN, t.group);
        free_ok(&again, t.path, t.pasid);
        client_close(&again);
        end(&t);
}
END_TEST

START_TEST(strangers_stay_out_of_the_socket) {
        struct test t;
        struct client c;

        SKIP_UNLESS_ROOT();
        t = begin("");
        ck_assert_int_eq(client_try_direct_as(t.f, 60003, 60003, &c), -EACCES);
        end(&t);
}
END_TEST

/* Through a socket that lets everybody in: only the group makes consumers, and the rest may look. */
START_TEST(init_needs_group) {
        struct fixture *f;
        struct client stranger, member, primary;
        gid_t group;

        SKIP_UNLESS_ROOT();
        f = begin_fixture("", &group);
        ck_assert_int_ge(daemon_listen(f->daemon, 0666), 0);
        fixture_start(f);
        stranger = client_direct_as(f, 60003, 60003);
        member = client_direct_as_member(f, ANN, ANN, group);
        primary = client_direct_as(f, BOB, group);
        init_error(&stranger, E_ACCESS, "60003", "vm", 0);
        free(init_ok(&member, "vm", 0));
        free(init_ok(&primary, "vm", 0));
        ck_assert(consumer_exists(&stranger, ANN, "vm", NULL));
        ck_assert_uint_eq(property_number(&stranger, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers"), 2);
        client_close(&stranger);
        client_close(&member);
        client_close(&primary);
        fixture_free(f);
}
END_TEST

START_TEST(persistent_needs_root) {
        struct test t;

        SKIP_UNLESS_ROOT();
        t = begin("");
        init_error(&t.ann, E_ACCESS, "root", "p", 1, "hold", "s", "persistent");
        free(init_ok(&t.root, "p", 1, "hold", "s", "persistent"));
        end(&t);
}
END_TEST

START_TEST(pasids_per_uid) {
        struct test t;
        _cleanup_free_ char *other = NULL, *of_bob = NULL, *of_root = NULL;

        SKIP_UNLESS_ROOT();
        t = begin("ReuseDelaySec=3600\n[Limits]\nPasidsPerUid=5\n");
        other = init_ok(&t.ann, "other", 0);
        free(alloc_many_ok(&t.ann, other, 3, 0, 0, 0)); /* with the one of begin(): 4 */
        alloc_many_error(&t.ann, E("QuotaExceeded"), "5", t.path, 2, 0, 0, 0);
        ck_assert_uint_eq(property_number(&t.ann, t.path, PASIDD_IFACE_CONSUMER, "Allocated"), 1);
        (void) alloc_ok(&t.ann, t.path, 0, 0);
        alloc_error(&t.ann, E("QuotaExceeded"), NULL, t.path, 0, 0);
        alloc_error(&t.root, E("QuotaExceeded"), NULL, t.path, 0, 0); /* the account is Ann's */
        free_ok(&t.ann, t.path, t.pasid); /* cooling ones count */
        alloc_error(&t.ann, E("QuotaExceeded"), NULL, t.path, 0, 0);
        exit_ok(&t.ann, other);
        alloc_error(&t.ann, E("QuotaExceeded"), NULL, t.path, 0, 0);

        of_bob = init_ok(&t.bob, "vm", 0);
        free(alloc_many_ok(&t.bob, of_bob, 5, 0, 0, 0));
        of_root = init_ok(&t.root, "vm", 0);
        free(alloc_many_ok(&t.root, of_root, 500, 0, 0, 0));
        end(&t);
}
END_TEST

START_TEST(consumers_per_uid) {
        struct test t;
        _cleanup_free_ char *second = NULL, *third = NULL;

        SKIP_UNLESS_ROOT();
        t = begin("[Limits]\nConsumersPerUid=2\n");
        second = init_ok(&t.ann, "second", 0);
        init_error(&t.ann, E("QuotaExceeded"), "2", "third", 0);
        exit_ok(&t.ann, second);
        third = init_ok(&t.ann, "third", 0);
        for (unsigned i = 0; i < 5; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "vm-%u", i);
                free(init_ok(&t.root, name, 0));
        }
        end(&t);
}
END_TEST

START_TEST(own_quota_is_limited) {
        struct test t;

        SKIP_UNLESS_ROOT();
        t = begin("[Limits]\nPasidsPerConsumer=10\n");
        init_error(&t.ann, E("QuotaExceeded"), "10", "big", 1, "quota", "u", 11U);
        free(init_ok(&t.ann, "fair", 1, "quota", "u", 10U));
        end(&t);
}
END_TEST

static void bus_stranger(void *userdata) {
        struct fixture *f = userdata;
        struct client c = client_on_bus(f);

        init_error(&c, E_ACCESS, NULL, "mine", 0);
        consumer_error(&c, E_ACCESS, NULL, PASIDD_CONSUMER_PREFIX "/0/vm", "Exit", NULL);
        ck_assert(consumer_exists(&c, 0, "vm", NULL));
        client_close(&c);
}

static void bus_member(void *userdata) {
        struct fixture *f = userdata;
        struct client c = client_on_bus(f);
        _cleanup_free_ char *path = init_ok(&c, "mine", 0);

        (void) alloc_ok(&c, path, 0, 0);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Uid"), geteuid());
        consumer_error(&c, E_ACCESS, NULL, PASIDD_CONSUMER_PREFIX "/0/vm", "Exit", NULL);
        client_close(&c);
}

START_TEST(on_a_bus) {
        enum bus_kind kind = (enum bus_kind) (BUS_DBUS_DAEMON + _i);
        uid_t member = 0, stranger;
        struct fixture *f;
        struct client c;
        gid_t group;

        SKIP_UNLESS_ROOT();
        if (!bus_kind_is_available(kind))
                SKIP("the program of this message bus is not installed");
        ck_assert(find_user(&member));
        stranger = member;
        if (!find_user(&stranger))
                SKIP("this machine has less than two users");
        f = begin_fixture("", &group);
        ck_assert_int_ge(message_bus_new(kind, f->dir, &f->bus), 0);
        ck_assert_int_ge(daemon_set_bus(f->daemon, f->bus->address), 0);
        fixture_start(f);
        c = client_on_bus(f);
        free(init_ok(&c, "vm", 0));
        run_as(stranger, 60003, bus_stranger, f);
        run_as(member, group, bus_member, f);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* A daemon that does not run as root counts its own user in place of root. */
START_TEST(unprivileged_daemon) {
        struct fixture *f;
        struct client c;
        char path[512];

        SKIP_UNLESS_ROOT();
        f = fixture_new(NULL);
        f->daemon->uid = ANN;
        ck_assert_int_eq(chown(f->dir, ANN, ANN), 0);
        (void) snprintf(path, sizeof(path), "%s/run", f->dir);
        ck_assert_int_eq(chown(path, ANN, ANN), 0);
        (void) snprintf(path, sizeof(path), "%s/lib", f->dir);
        ck_assert_int_eq(chown(path, ANN, ANN), 0);
        fixture_start(f);
        c = client_direct_as(f, ANN, ANN);
        _cleanup_free_ char *consumer = init_ok(&c, "vm", 1, "hold", "s", "persistent");
        (void) alloc_ok(&c, consumer, 0, 0);
        client_close(&c);
        fixture_free(f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-access");
        TCase *who = fixture_add_case(suite, "who"), *limits = fixture_add_case(suite, "limits");

        tcase_add_test(who, foreigners_change_nothing);
        tcase_add_test(who, foreigners_see_public_facts);
        tcase_add_test(who, root_may_all);
        tcase_add_test(who, names_are_per_uid);
        tcase_add_test(who, owner_by_another_connection);
        tcase_add_test(who, strangers_stay_out_of_the_socket);
        tcase_add_test(who, init_needs_group);
        tcase_add_test(who, persistent_needs_root);
        tcase_add_loop_test(who, on_a_bus, 0, MESSAGE_BUSES);
        tcase_add_test(who, unprivileged_daemon);
        tcase_add_test(limits, pasids_per_uid);
        tcase_add_test(limits, consumers_per_uid);
        tcase_add_test(limits, own_quota_is_limited);
        return fixture_main(suite);
}
