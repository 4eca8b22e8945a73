/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * org.pasidd1.Manager of a real daemon on its direct socket: consumers are
 * made and found, numbers looked up, the whole host listed, properties and
 * objects read. Signals have a program of their own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define IFACE_PROPERTIES "org.freedesktop.DBus.Properties"
#define IFACE_OBJECTS "org.freedesktop.DBus.ObjectManager"

static void assert_range(struct client *c, const char *path, uint32_t min, uint32_t max) {
        ck_assert_uint_eq(property_number(c, path, PASIDD_IFACE_CONSUMER, "Min"), min);
        ck_assert_uint_eq(property_number(c, path, PASIDD_IFACE_CONSUMER, "Max"), max);
}

static void assert_string(struct client *c, const char *path, const char *interface, const char *property, const char *wanted) {
        _cleanup_free_ char *s = property_string(c, path, interface, property);

        ck_assert_str_eq(s, wanted);
}

START_TEST(init_defaults) {
        struct fixture *f = fixture_new_started("[Limits]\nPasidsPerConsumer=1000\n");
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm-1", 0), *wanted = NULL;
        uint64_t since;

        ck_assert_int_ge(asprintf(&wanted, PASIDD_CONSUMER_PREFIX "/%u/vm_2d1", geteuid()), 0);
        ck_assert_str_eq(path, wanted);
        assert_string(&c, path, PASIDD_IFACE_CONSUMER, "Name", "vm-1");
        assert_string(&c, path, PASIDD_IFACE_CONSUMER, "Hold", "connection");
        assert_string(&c, path, PASIDD_IFACE_CONSUMER, "Mode", "advisory");
        assert_range(&c, path, NUMBER_MIN, NUMBER_MAX);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Uid"), geteuid());
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Quota"), 1000);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Allocated"), 0);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "PinnedBytes"), 0);
        since = property_number(&c, path, PASIDD_IFACE_CONSUMER, "Since");
        ck_assert_uint_le(since / 1000000, (uint64_t) time(NULL) + 1);
        ck_assert_uint_ge(since / 1000000 + 600, (uint64_t) time(NULL));
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(init_options) {
        struct fixture *f = fixture_new_started(NULL);
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm-1", 6, "min", "u", 100U, "max", "u", 200U, "quota", "u", 5U,
                                            "hold", "s", "boot", "mode", "s", "advisory", "devices", "as", 0);
        _cleanup_free_ char *low = init_ok(&c, "low", 1, "max", "u", 9U), *high = init_ok(&c, "high", 1, "min", "u", 1048570U);

        assert_range(&c, path, 100, 200);
        assert_range(&c, low, NUMBER_MIN, 9);
        assert_range(&c, high, 1048570, NUMBER_MAX);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Quota"), 5);
        assert_string(&c, path, PASIDD_IFACE_CONSUMER, "Hold", "boot");
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(init_persistent) {
        struct fixture *f = fixture_new_started(NULL);
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm-1", 1, "hold", "s", "persistent");

        assert_string(&c, path, PASIDD_IFACE_CONSUMER, "Hold", "persistent");
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(init_ranges_refused) {
        struct fixture *f = fixture_new_started(NULL);
        struct client c = client_direct(f);

        init_error(&c, E("InvalidRange"), "20", "vm", 2, "min", "u", 20U, "max", "u", 10U);
        init_error(&c, E("InvalidRange"), "1048576", "vm", 1, "max", "u", 1048576U);
        init_error(&c, E("InvalidRange"), NULL, "vm", 1, "min", "u", UINT32_MAX);
        ck_assert_uint_eq(property_number(&c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers"), 0);
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(init_names) {
        struct fixture *f = fixture_new_started(NULL);
        struct client c = client_direct(f);
        static const char *const odd[] = {
                " ", "a b", "/", "..", "-rf", "%s%n", "vm_1", "1", "Å😀", "a\"';`$(x)", "org.pasidd1"
        };
        static const char *const bad[] = { "", "a\nb", "\t", "\x7f", "\x1b[31m", "a\xc2\x85!" };
        char name[NAME_LEN_MAX + 2];

        for (size_t i = 0; i < ELEMENTSOF(odd); i++) {
                _cleanup_free_ char *path = init_ok(&c, odd[i], 0), *found = NULL;

                ck_assert(consumer_exists(&c, geteuid(), odd[i], &found));
                ck_assert_str_eq(found, path);
                assert_string(&c, path, PASIDD_IFACE_CONSUMER, "Name", odd[i]);
                (void) alloc_ok(&c, path, 0, 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                init_error(&c, E("InvalidName"), NULL, bad[i], 0);
                manager_error(&c, E("InvalidName"), NULL, "GetConsumer", "us", (uint32_t) geteuid(), bad[i]);
        }
        memset(name, 'x', sizeof(name));
        name[NAME_LEN_MAX] = '\0';
        free(init_ok(&c, name, 0));
        name[NAME_LEN_MAX] = 'x';
        name[NAME_LEN_MAX + 1] = '\0';
        init_error(&c, E("InvalidName"), "128", name, 0);
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(init_duplicate) {
        struct fixture *f = fixture_new_started(NULL);
        struct client a = client_direct(f), b = client_direct(f);
        _cleanup_free_ char *path = init_ok(&a, "vm-1", 0), *again = NULL;

        init_error(&a, E("ConsumerExists"), "vm-1", "vm-1", 0);
        init_error(&b, E("ConsumerExists"), "vm-1", "vm-1", 1, "hold", "s", "boot");
        exit_ok(&a, path);
        again = init_ok(&b, "vm-1", 0);
        ck_assert_str_eq(again, path);
        client_close(&a);
        client_close(&b);
        fixture_free(f);
}
END_TEST

START_TEST(init_bad_options) {
        struct fixture *f = fixture_new_started(NULL);
        struct client c = client_direct(f);

        init_error(&c, E_ARGS, "colour", "vm", 1, "colour", "s", "red");
        init_error(&c, E_ARGS, "Min", "vm", 1, "Min", "u", 1U);
        init_error(&c, E_ARGS, "\"\"", "vm", 1, "", "u", 1U);
        init_error(&c, E_ARGS, "min", "vm", 1, "min", "s", "1");
        init_error(&c, E_ARGS, "min", "vm", 1, "min", "i", 1);
        init_error(&c, E_ARGS, "max", "vm", 2, "min", "u", 1U, "max", "t", (uint64_t) 5);
        init_error(&c, E_ARGS, "quota", "vm", 1, "quota", "b", 1);
        init_error(&c, E_ARGS, "hold", "vm", 1, "hold", "u", 1U);
        init_error(&c, E_ARGS, "mode", "vm", 1, "mode", "v", "s", "advisory");
        init_error(&c, E_ARGS, "devices", "vm", 1, "devices", "s", DEVICE_WIDE);
        init_error(&c, E_ARGS, "devices", "vm", 1, "devices", "ao", 1, "/a");
        init_error(&c, E_ARGS, "pid", "vm", 1, "pid", "i", 1);
        init_error(&c, E_ARGS, "twice", "vm", 2, "min", "u", 1U, "min", "u", 1U);
        init_error(&c, E_ARGS, "\"min\" was given as 0", "vm", 2, "min", "u", 0U, "max", "u", 500U);
        init_error(&c, E_ARGS, "\"max\" was given as 0", "vm", 1, "max", "u", 0U);
        init_error(&c, E_ARGS, "\"quota\" was given as 0", "vm", 1, "quota", "u", 0U);
        init_error(&c, E_ARGS, "forever", "vm", 1, "hold", "s", "forever");
        init_error(&c, E_ARGS, "wild", "vm", 1, "mode", "s", "wild");
        ck_assert_uint_eq(property_number(&c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers"), 0);
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(init_quota) {
        _cleanup_free_ char *path = NULL;
        struct fixture *f;
        struct client c;

        SKIP_UNLESS_ROOT();
        f = fixture_new_started("[Limits]\nPasidsPerConsumer=10\n");
        c = client_direct(f);
        path = init_ok(&c, "vm", 1, "quota", "u", 11U); /* more than the limit: root may */
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Quota"), 11);
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(init_devices) {
        struct fixture *f = fixture_new(NULL);
        struct client c;
        _cleanup_free_ char *wide = NULL, *narrow = NULL, *both = NULL;

        fixture_add_devices(f);
        fixture_start(f);
        c = client_direct(f);
        wide = init_ok(&c, "wide", 1, "devices", "as", 1, DEVICE_WIDE);
        narrow = init_ok(&c, "narrow", 2, "devices", "as", 1, DEVICE_NARROW, "max", "u", 1000U);
        both = init_ok(&c, "both", 1, "devices", "as", 2, DEVICE_WIDE, DEVICE_NARROW);
        assert_range(&c, wide, 1, NUMBER_MAX);
        assert_range(&c, narrow, 1, 255);
        assert_range(&c, both, 1, 255);

        init_error(&c, E("OutOfRange"), "255", "out", 2, "devices", "as", 1, DEVICE_NARROW, "min", "u", 256U);
        init_error(&c, E("NoSuchDevice"), "0000:7f:00.0", "none", 1, "devices", "as", 1, "0000:7f:00.0");
        init_error(&c, E("DeviceUnusable"), DEVICE_UNUSABLE, "bad", 1, "devices", "as", 2, DEVICE_WIDE, DEVICE_UNUSABLE);
        init_error(&c, E_ARGS, "nonsense", "bad", 1, "devices", "as", 1, "nonsense");
        init_error(&c, E_ARGS, NULL, "bad", 1, "devices", "as", 1, "");
        init_error(&c, E_ARGS, "twice", "bad", 1, "devices", "as", 2, DEVICE_WIDE, DEVICE_WIDE);
        ck_assert_uint_eq(property_number(&c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers"), 3);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* A number is the same on all devices of its consumer, and taken in all their groups; without devices, in all. */
START_TEST(spaces) {
        struct fixture *f = fixture_new(NULL);
        struct client c;
        _cleanup_free_ char *wide = NULL, *narrow = NULL, *both = NULL, *host = NULL;

        fixture_add_devices(f);
        fixture_start(f);
        c = client_direct(f);
        wide = init_ok(&c, "wide", 1, "devices", "as", 1, DEVICE_WIDE);
        narrow = init_ok(&c, "narrow", 1, "devices", "as", 1, DEVICE_NARROW);
        both = init_ok(&c, "both", 1, "devices", "as", 2, DEVICE_NARROW, DEVICE_WIDE);
        host = init_ok(&c, "host", 0);

        ck_assert_uint_eq(alloc_ok(&c, wide, 7, 7), 7);
        ck_assert_uint_eq(alloc_ok(&c, narrow, 7, 7), 7);
        alloc_error(&c, E("AlreadyAllocated"), "7", both, 7, 7);
        alloc_error(&c, E("AlreadyAllocated"), "7", host, 7, 7);
        ck_assert_uint_eq(alloc_ok(&c, both, 8, 8), 8);
        alloc_error(&c, E("AlreadyAllocated"), "8", wide, 8, 8);
        alloc_error(&c, E("AlreadyAllocated"), "8", narrow, 8, 8);
        ck_assert_uint_eq(alloc_ok(&c, host, 9, 9), 9);
        alloc_error(&c, E("AlreadyAllocated"), "9", wide, 9, 9);
        alloc_error(&c, E("AlreadyAllocated"), "9", both, 9, 9);
        alloc_error(&c, E("OutOfRange"), "300", narrow, 300, 300);
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(get_consumer) {
        struct fixture *f = fixture_new_started(NULL);
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm-1", 0), *found = NULL;

        ck_assert(consumer_exists(&c, geteuid(), "vm-1", &found));
        ck_assert_str_eq(found, path);
        manager_error(&c, E("NoSuchConsumer"), "vm-2", "GetConsumer", "us", (uint32_t) geteuid(), "vm-2");
        manager_error(&c, E("NoSuchConsumer"), "4711", "GetConsumer", "us", 4711U, "vm-1");
        free(found);
        ck_assert(consumer_exists(&c, UINT32_MAX, "vm-1", &found)); /* the caller's */
        ck_assert_str_eq(found, path);
        exit_ok(&c, path);
        manager_error(&c, E("NoSuchConsumer"), "vm-1", "GetConsumer", "us", (uint32_t) geteuid(), "vm-1");
        client_close(&c);
        fixture_free(f);
}
END_TEST

static size_t count_holders(struct client *c, uint32_t pasid, const char *wanted, const char *wanted_device) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name, *state, *device;
        size_t n = 0, n_wanted = 0;
        uint64_t since;
        uint32_t uid;

        manager_ok(c, &reply, "WhoHas", "u", pasid);
        ck_assert_str_eq(sd_bus_message_get_signature(reply, 1), "a(uostas)");
        ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "(uostas)"), 0);
        while (sd_bus_message_enter_container(reply, 'r', "uostas") > 0) {
                bool has_device = !wanted_device;

                ck_assert_int_gt(sd_bus_message_read(reply, "uost", &uid, &name, &state, &since), 0);
                ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "s"), 0);
                while (sd_bus_message_read(reply, "s", &device) > 0)
                        has_device = has_device || strcmp(device, wanted_device) == 0;
                ck_assert_int_gt(sd_bus_message_exit_container(reply), 0);
                ck_assert_int_gt(sd_bus_message_exit_container(reply), 0);
                ck_assert_uint_eq(uid, geteuid());
                ck_assert_str_eq(state, "allocated");
                ck_assert_uint_gt(since, 0);
                n_wanted += strstr(name, wanted) && has_device;
                n++;
        }
        ck_assert_uint_eq(n_wanted, n > 0);
        return n;
}

START_TEST(who_has) {
        struct fixture *f = fixture_new(NULL);
        struct client c;
        _cleanup_free_ char *wide = NULL, *narrow = NULL;

        fixture_add_devices(f);
        fixture_start(f);
        c = client_direct(f);
        wide = init_ok(&c, "wide", 1, "devices", "as", 1, DEVICE_WIDE);
        narrow = init_ok(&c, "narrow", 1, "devices", "as", 1, DEVICE_NARROW);

        ck_assert_uint_eq(count_holders(&c, 7, "wide", DEVICE_WIDE), 0);
        (void) alloc_ok(&c, wide, 7, 7);
        ck_assert_uint_eq(count_holders(&c, 7, "wide", DEVICE_WIDE), 1);
        (void) alloc_ok(&c, narrow, 7, 7);
        ck_assert_uint_eq(count_holders(&c, 7, "narrow", DEVICE_NARROW), 2);
        ck_assert_uint_eq(count_holders(&c, NUMBER_MAX, "", NULL), 0);
        manager_error(&c, E("InvalidRange"), "0", "WhoHas", "u", 0U);
        manager_error(&c, E("InvalidRange"), "1048576", "WhoHas", "u", 1048576U);
        manager_error(&c, E("InvalidRange"), NULL, "WhoHas", "u", UINT32_MAX);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* One page of Manager.List; the numbers are noted in seen. */
static size_t list_host_page(struct client *c, uint64_t *after, uint32_t limit, uint8_t *seen, size_t n_seen, bool *ret_more) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *consumer, *state;
        uint32_t pasid, uid, bytes;
        uint64_t since;
        size_t n = 0;
        int more;

        manager_ok(c, &reply, "List", "tu", *after, limit);
        ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "(uusstu)"), 0);
        while (sd_bus_message_read(reply, "(uusstu)", &pasid, &uid, &consumer, &state, &since, &bytes) > 0) {
                assert_quick(pasid < n_seen, "%u was not allocated", pasid);
                assert_quick(uid == geteuid(), "uid %u", uid);
                assert_quick(strcmp(consumer, "a") == 0 || strcmp(consumer, "b") == 0, "'%s'", consumer);
                seen[pasid]++;
                n++;
        }
        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        ck_assert_int_gt(sd_bus_message_read(reply, "tb", after, &more), 0);
        *ret_more = more;
        return n;
}

START_TEST(list_host) {
        struct fixture *f = fixture_new_started("[Daemon]\nReuseDelaySec=3600\n");
        struct client c = client_direct(f);
        _cleanup_free_ char *a = init_ok(&c, "a", 0), *b = init_ok(&c, "b", 0);
        static const uint32_t limits[] = { 0, 1000, UINT32_MAX, 4096 };
        uint8_t seen[5011];

        free(alloc_many_ok(&c, a, 5000, 1, 5000, 0));
        free(alloc_many_ok(&c, b, 10, 5001, 5010, 0));
        exit_ok(&c, b); /* its numbers cool, and are listed */
        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                size_t page = limits[i] == 1000 ? 1000 : LIST_PAGE_MAX, total = 0, n;
                uint64_t after = 0;
                bool more;

                memset(seen, 0, sizeof(seen));
                do {
                        n = list_host_page(&c, &after, limits[i], seen, ELEMENTSOF(seen), &more);
                        total += n;
                        ck_assert_msg(more ? n == page : n <= page, "%zu entries in a page of %zu", n, page);
                } while (more);
                ck_assert_uint_eq(total, 5010);
                for (size_t pasid = 1; pasid <= 5010; pasid++)
                        assert_quick(seen[pasid] == 1, "%zu was listed %u times", pasid, seen[pasid]);
        }
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(manager_properties) {
        struct fixture *f = fixture_new_started(NULL);
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm-1", 0), *version = NULL, *boot_id = NULL, *table = NULL;
        _cleanup_free_ uint32_t *pasids = alloc_many_ok(&c, path, 3, 0, 0, 0);

        version = property_string(&c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Version");
        ck_assert_str_eq(version, VERSION);
        boot_id = property_string(&c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "BootId");
        ck_assert_uint_eq(strlen(boot_id), 32);
        ck_assert_uint_eq(strspn(boot_id, "0123456789abcdef"), 32);
        table = property_string(&c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Table");
        ck_assert_int_eq(access(table, F_OK), 0);
        ck_assert_uint_eq(property_number(&c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers"), 1);
        ck_assert_uint_eq(property_number(&c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Pasids"), 3);
        ck_assert_uint_eq(property_number(&c, path, PASIDD_IFACE_CONSUMER, "Allocated"), 3);
        free_ok(&c, path, pasids[0]); /* cooling numbers don't count */
        ck_assert_uint_eq(property_number(&c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Pasids"), 2);
        exit_ok(&c, path);
        ck_assert_uint_eq(property_number(&c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers"), 0);
        ck_assert_uint_eq(property_number(&c, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Pasids"), 0);

        /* they are read-only */
        client_error(__FILE__, __LINE__, &c, SD_BUS_ERROR_PROPERTY_READ_ONLY, NULL, PASIDD_PATH, IFACE_PROPERTIES, "Set", "ssv",
                     PASIDD_IFACE_MANAGER, "Pasids", "u", 0U);
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(unknown_members) {
        struct fixture *f = fixture_new_started(NULL);
        struct client c = client_direct(f);
        _cleanup_free_ char *path = init_ok(&c, "vm-1", 0);

        manager_error(&c, SD_BUS_ERROR_UNKNOWN_METHOD, NULL, "Format", NULL);
        client_error(__FILE__, __LINE__, &c, SD_BUS_ERROR_UNKNOWN_METHOD, NULL, PASIDD_PATH, "org.pasidd2.Manager", "Init", NULL);
        client_error(__FILE__, __LINE__, &c, SD_BUS_ERROR_UNKNOWN_OBJECT, NULL, "/org/pasidd2", PASIDD_IFACE_MANAGER, "Init", NULL);
        client_error(__FILE__, __LINE__, &c, SD_BUS_ERROR_UNKNOWN_PROPERTY, NULL, PASIDD_PATH, IFACE_PROPERTIES, "Get", "ss",
                     PASIDD_IFACE_MANAGER, "Colour");
        manager_error(&c, E_ARGS, NULL, "Init", "s", "vm-2");
        manager_error(&c, E_ARGS, NULL, "Init", "sa{ss}", "vm-2", 0);
        manager_error(&c, E_ARGS, NULL, "WhoHas", "t", (uint64_t) 1);
        consumer_error(&c, E_ARGS, NULL, path, "Alloc", "uuay", 0U, 0U, 0);
        consumer_error(&c, E_ARGS, NULL, path, "Free", "i", 1);
        consumer_error(&c, E_ARGS, NULL, path, "Exit", "u", 1U);
        client_close(&c);
        fixture_free(f);
}
END_TEST

/* Consumers and devices are objects, in GetManagedObjects and by introspection, and only while they are there. */
static bool is_managed(struct client *c, const char *path, const char *interface) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *object, *name;
        bool found = false;

        client_ok(__FILE__, __LINE__, c, &reply, PASIDD_PATH, IFACE_OBJECTS, "GetManagedObjects", NULL);
        ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}"), 0);
        while (sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}") > 0) {
                ck_assert_int_gt(sd_bus_message_read(reply, "o", &object), 0);
                ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "{sa{sv}}"), 0);
                while (sd_bus_message_enter_container(reply, 'e', "sa{sv}") > 0) {
                        ck_assert_int_gt(sd_bus_message_read(reply, "s", &name), 0);
                        found = found || (strcmp(object, path) == 0 && strcmp(name, interface) == 0);
                        ck_assert_int_ge(sd_bus_message_skip(reply, "a{sv}"), 0);
                        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                }
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }
        return found;
}

START_TEST(managed_objects) {
        struct fixture *f = fixture_new(NULL);
        struct client c;
        _cleanup_free_ char *path = NULL, *device = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *first;

        fixture_add_devices(f);
        fixture_start(f);
        c = client_direct(f);
        path = init_ok(&c, "vm/1", 1, "devices", "as", 1, DEVICE_WIDE);
        ck_assert_int_ge(sd_bus_path_encode(PASIDD_DEVICE_PREFIX, DEVICE_WIDE, &device), 0);
        ck_assert(is_managed(&c, path, PASIDD_IFACE_CONSUMER));
        ck_assert(is_managed(&c, device, PASIDD_IFACE_DEVICE));

        client_ok(__FILE__, __LINE__, &c, &reply, path, IFACE_PROPERTIES, "Get", "ss", PASIDD_IFACE_CONSUMER, "Devices");
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'v', "ao"), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "o"), 0);
        ck_assert_int_gt(sd_bus_message_read(reply, "o", &first), 0);
        ck_assert_str_eq(first, device);

        exit_ok(&c, path);
        ck_assert(!is_managed(&c, path, PASIDD_IFACE_CONSUMER));
        assert_gone(&c, path);
        client_close(&c);
        fixture_free(f);
}
END_TEST

START_TEST(device_properties) {
        struct fixture *f = fixture_new(NULL);
        struct client c;
        _cleanup_free_ char *path = NULL, *narrow = NULL, *unusable = NULL, *reason = NULL, *cdev = NULL;

        fixture_add_devices(f);
        fixture_start(f);
        c = client_direct(f);
        ck_assert_int_ge(sd_bus_path_encode(PASIDD_DEVICE_PREFIX, DEVICE_NARROW, &narrow), 0);
        ck_assert_int_ge(sd_bus_path_encode(PASIDD_DEVICE_PREFIX, DEVICE_UNUSABLE, &unusable), 0);
        path = init_ok(&c, "vm", 1, "devices", "as", 1, DEVICE_NARROW);
        (void) alloc_ok(&c, path, 0, 0);

        assert_string(&c, narrow, PASIDD_IFACE_DEVICE, "Address", DEVICE_NARROW);
        assert_string(&c, narrow, PASIDD_IFACE_DEVICE, "Driver", "vfio-pci");
        assert_string(&c, narrow, PASIDD_IFACE_DEVICE, "Reason", "");
        ck_assert_uint_eq(property_number(&c, narrow, PASIDD_IFACE_DEVICE, "Usable"), 1);
        ck_assert_uint_eq(property_number(&c, narrow, PASIDD_IFACE_DEVICE, "PciWidth"), 8);
        ck_assert_uint_eq(property_number(&c, narrow, PASIDD_IFACE_DEVICE, "MaxPasid"), 255);
        ck_assert_uint_eq(property_number(&c, narrow, PASIDD_IFACE_DEVICE, "Allocated"), 1);
        ck_assert_uint_eq(property_number(&c, narrow, PASIDD_IFACE_DEVICE, "Attached"), 0);
        cdev = property_string(&c, narrow, PASIDD_IFACE_DEVICE, "Cdev");
        ck_assert_int_eq(strncmp(cdev, "/dev/vfio/devices/vfio", strlen("/dev/vfio/devices/vfio")), 0);
        ck_assert_uint_eq(property_number(&c, unusable, PASIDD_IFACE_DEVICE, "Usable"), 0);
        reason = property_string(&c, unusable, PASIDD_IFACE_DEVICE, "Reason");
        ck_assert_uint_gt(strlen(reason), 0);
        client_close(&c);
        fixture_free(f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-manager");
        TCase *init = fixture_add_case(suite, "init"), *look = fixture_add_case(suite, "look");

        tcase_add_test(init, init_defaults);
        tcase_add_test(init, init_options);
        tcase_add_test(init, init_persistent);
        tcase_add_test(init, init_ranges_refused);
        tcase_add_test(init, init_names);
        tcase_add_test(init, init_duplicate);
        tcase_add_test(init, init_bad_options);
        tcase_add_test(init, init_quota);
        tcase_add_test(init, init_devices);
        tcase_add_test(init, spaces);
        tcase_add_test(look, get_consumer);
        tcase_add_test(look, who_has);
        tcase_add_test(look, list_host);
        tcase_add_test(look, manager_properties);
        tcase_add_test(look, unknown_members);
        tcase_add_test(look, managed_objects);
        tcase_add_test(look, device_properties);
        return fixture_main(suite);
}
