/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidd.conf and its drop-ins: what is read, what is refused and with which
 * words, and that a bad file changes nothing.
 */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suite.h"

static char dir[64], path[96], drop_in_dir[104];

static void setup(void) {
        strcpy(dir, "/tmp/pasidd-config-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(dir));
        (void) snprintf(path, sizeof(path), "%s/pasidd.conf", dir);
        (void) snprintf(drop_in_dir, sizeof(drop_in_dir), "%s.d", path);
}

static void teardown(void) {
        char command[160];

        (void) snprintf(command, sizeof(command), "rm -r %s", dir);
        ck_assert_int_eq(system(command), 0);
}

static void write_file(const char *name, const char *text) {
        FILE *f = fopen(name, "we");

        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(fputs(text, f), 0);
        ck_assert_int_eq(fclose(f), 0);
}

static void drop_in(const char *name, const char *text) {
        char file[256];

        (void) mkdir(drop_in_dir, 0755);
        (void) snprintf(file, sizeof(file), "%s/%s", drop_in_dir, name);
        write_file(file, text);
}

START_TEST(test_defaults) {
        struct settings settings;

        ck_assert_int_eq(settings_load(path, false, &settings, NULL), 0);
        ck_assert_str_eq(settings.group, "pasid");
        ck_assert_uint_eq(settings.reuse_delay_usec, 30000000);
        ck_assert_uint_eq(settings.reconnect_usec, 30000000);
        ck_assert_uint_eq(settings.pasids_per_uid, 256);
        ck_assert_uint_eq(settings.pasids_per_consumer, 65536);
        ck_assert_uint_eq(settings.consumers_per_uid, 64);
        ck_assert_uint_eq(settings.device_release_usec, 5000000);
        ck_assert_uint_eq(settings.pinned_bytes_per_uid, 1ULL << 30);
        ck_assert_uint_eq(settings.pinned_bytes_per_consumer, 4ULL << 30);
        ck_assert_uint_eq(settings.access.n_devices, 0);
        settings_done(&settings);
}
END_TEST

START_TEST(test_missing_but_named) {
        struct refusal refusal = {};
        struct settings settings;

        ck_assert_int_eq(settings_load(path, true, &settings, &refusal), -ENOENT);
        ck_assert_ptr_nonnull(strstr(refusal.text, path));
}
END_TEST

START_TEST(test_values_and_drop_ins) {
        struct settings settings;

        write_file(path, "# comment\n[Daemon]\nGroup=users\nReuseDelaySec=500ms\nReconnectSec=2 min\n"
                         "[Limits]\nPasidsPerUid=1\nQueuedBytesPerConnection=64K\n");
        drop_in("20-b.conf", "[Limits]\nPasidsPerUid=4294967295\n");
        drop_in("10-a.conf", "[Limits]\nPasidsPerUid=7\nConsumersPerUid=3\n[Daemon]\nReuseDelaySec=0\n");
        drop_in("30-c.conf~", "[Limits]\nPasidsPerUid=9\n");
        drop_in(".hidden.conf", "[Limits]\nPasidsPerUid=9\n");
        ck_assert_int_eq(settings_load(path, true, &settings, NULL), 0);
        ck_assert_str_eq(settings.group, "users");
        ck_assert_uint_eq(settings.reuse_delay_usec, 0);
        ck_assert_uint_eq(settings.reconnect_usec, 120000000);
        ck_assert_uint_eq(settings.pasids_per_uid, UINT32_MAX);
        ck_assert_uint_eq(settings.consumers_per_uid, 3);
        ck_assert_uint_eq(settings.queued_bytes_per_connection, 65536);
}
END_TEST

START_TEST(test_pinned_bytes) {
        struct settings settings;

        write_file(path, "[Limits]\nPinnedBytesPerUid=0\nPinnedBytesPerConsumer=3M\n[Daemon]\nDeviceReleaseSec=250ms\n");
        ck_assert_int_eq(settings_load(path, true, &settings, NULL), 0);
        ck_assert_uint_eq(settings.pinned_bytes_per_uid, 0);
        ck_assert_uint_eq(settings.pinned_bytes_per_consumer, 3U << 20);
        ck_assert_uint_eq(settings.device_release_usec, 250000);
        settings_done(&settings);
}
END_TEST

static const struct device_access *access_of(const struct settings *settings, const char *address) {
        for (size_t i = 0; i < settings->access.n_devices; i++)
                if (strcmp(settings->access.devices[i].address, address) == 0)
                        return &settings->access.devices[i];
        ck_abort_msg("nothing of %s was read", address);
}

/* Words add up over lines, sections and files, and names and numbers are the same. */
START_TEST(test_device_access) {
        const struct device_access *a;
        struct settings settings;

        write_file(path, "[Device 0000:01:00.0]\nAllowUsers=root  60001\t60002\nAllowGroups=root\n"
                         "[Device 02:00.1]\nAllowGroups=60003 0\n"
                         "[Device 0000:01:00.0]\nAllowUsers=60003\n");
        drop_in("10-a.conf", "[Device 01:00.0]\nAllowUsers=4294967294\n"
                             "[Device 10000:e1:00.0]\nAllowUsers=0\n");
        ck_assert_int_eq(settings_load(path, true, &settings, NULL), 0);
        ck_assert_uint_eq(settings.access.n_devices, 3);
        a = access_of(&settings, "0000:01:00.0");
        ck_assert_uint_eq(a->n_users, 5);
        ck_assert_uint_eq(a->users[0], 0);
        ck_assert_uint_eq(a->users[1], 60001);
        ck_assert_uint_eq(a->users[2], 60002);
        ck_assert_uint_eq(a->users[3], 60003);
        ck_assert_uint_eq(a->users[4], 4294967294);
        ck_assert_uint_eq(a->n_groups, 1);
        ck_assert_uint_eq(a->groups[0], 0);
        a = access_of(&settings, "0000:02:00.1");
        ck_assert_uint_eq(a->n_users, 0);
        ck_assert_uint_eq(a->n_groups, 2);
        ck_assert_uint_eq(a->groups[0], 60003);
        ck_assert_uint_eq(a->groups[1], 0);
        ck_assert_uint_eq(access_of(&settings, "10000:e1:00.0")->n_users, 1);
        settings_done(&settings);
}
END_TEST

START_TEST(test_device_access_taken_back) {
        const struct device_access *a;
        struct settings settings;

        write_file(path, "[Device 0000:01:00.0]\nAllowUsers=60001\nAllowGroups=60001\n");
        drop_in("10-a.conf", "[Device 0000:01:00.0]\nAllowUsers=\nAllowUsers=60002\n");
        ck_assert_int_eq(settings_load(path, true, &settings, NULL), 0);
        a = access_of(&settings, "0000:01:00.0");
        ck_assert_uint_eq(a->n_users, 1);
        ck_assert_uint_eq(a->users[0], 60002);
        ck_assert_uint_eq(a->n_groups, 1);
        settings_done(&settings);
}
END_TEST

/* A number that was cut off in the middle would be another's. */
START_TEST(test_long_line) {
        struct refusal refusal = {};
        struct settings settings;
        char text[4096] = "[Device 0000:01:00.0]\nAllowUsers=";

        for (unsigned i = 0; i < 300; i++)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u ", 1000000 + i);
        write_file(path, text);
        ck_assert_int_eq(settings_load(path, true, &settings, &refusal), -EINVAL);
        ck_assert_ptr_nonnull(strstr(refusal.text, "line 2: The line is too long"));

        write_file(path, "[Device 0000:01:00.0]\nAllowUsers=1000000\n   1000001\n\t1000002 1000003\n\n");
        ck_assert_int_eq(settings_load(path, true, &settings, &refusal), 0);
        ck_assert_uint_eq(access_of(&settings, "0000:01:00.0")->n_users, 4);
        settings_done(&settings);
}
END_TEST

START_TEST(test_unreadable) {
        struct refusal refusal = {};
        struct settings settings;

        ck_assert_int_eq(settings_load(dir, true, &settings, &refusal), -EISDIR);
        ck_assert_ptr_nonnull(strstr(refusal.text, dir));
}
END_TEST

static const struct bad {
        const char *text, *complaint;
} bad_files[] = {
        { "[Limits]\nPasidsPerUid=0\n", "line 2: \"0\" is no value for PasidsPerUid=" },
        { "[Limits]\nPasidsPerUid=-1\n", "\"-1\"" },
        { "[Limits]\nPasidsPerUid=4294967296\n", "4294967296" },
        { "[Limits]\nPasidsPerUid=12x\n", "12x" },
        { "[Limits]\nPasidsPerUid=\n", "\"\"" },
        { "[Limits]\nPasidsPerUid=1K\n", "1K" },
        { "[Limits]\n\nNoSuchThing=1\n", "line 3: There is no setting NoSuchThing=" },
        { "[Daemon]\nPasidsPerUid=1\n", "section [Daemon]" },
        { "PasidsPerUid=1\n", "There is no setting PasidsPerUid= in section []" },
        { "[Daemon]\nReuseDelaySec=5 weeks\n", "5 weeks" },
        { "[Daemon]\nReuseDelaySec=99999999999999999999\n", "99999999999999999999" },
        { "[Daemon]\nReuseDelaySec=18446744073709551615\n", "18446744073709551615" },
        { "[Daemon]\nGroup=\n", "Group=" },
        { "[Limits]\nQueuedBytesPerConnection=0\n", "QueuedBytes" },
        { "[Limits\nPasidsPerUid=1\n", "line 1" },
        { "[Limits]\nnonsense\n", "line 2: This is not a section, a setting or a comment." },
        { "[Limits]\nPasidsPerUid=0\nNoSuchThing=1\n", "line 2: \"0\"" },
        { "[Limits]\nPinnedBytesPerUid=-1\n", "\"-1\" is no value for PinnedBytesPerUid=; it takes a number of bytes" },
        { "[Limits]\nPinnedBytesPerConsumer=17179869184G\n", "17179869184G" },
        { "[Daemon]\nDeviceReleaseSec=soon\n", "\"soon\"" },
        { "[Device]\nAllowUsers=0\n", "section [Device]" },
        { "[Device 0000:01:00]\nAllowUsers=0\n", "line 2: \"0000:01:00\" is no PCI address" },
        { "[Device 0000:01:00.8]\nAllowUsers=0\n", "\"0000:01:00.8\"" },
        { "[Device  0000:01:00.0]\nAllowUsers=0\n", "\" 0000:01:00.0\"" },
        { "[Device 0000:01:00.0]\n\nAllowUsers=0 no-such-user\n", "line 3: There is no user \"no-such-user\" for AllowUsers=" },
        { "[Device 0000:01:00.0]\nAllowGroups=no-such-group\n", "There is no group \"no-such-group\" for AllowGroups=" },
        { "[Device 0000:01:00.0]\nAllowUsers=4294967295\n", "\"4294967295\" is no number of a user" },
        { "[Device 0000:01:00.0]\nAllowGroups=99999999999999999999\n", "is no number of a group" },
        { "[Device 0000:01:00.0]\nAllowUsers=-1\n", "There is no user \"-1\"" },
        { "[Device 0000:01:00.0]\nAllowEverybody=yes\n", "There is no setting AllowEverybody= for a device" },
        { "[Device 0000:01:00.0]\nPasidsPerUid=1\n", "There is no setting PasidsPerUid= for a device" },
};

START_TEST(test_bad_file) {
        const struct bad *bad = &bad_files[_i];
        struct refusal refusal = {};
        struct settings settings;

        memset(&settings, 0x55, sizeof(settings));
        write_file(path, bad->text);
        ck_assert_int_eq(settings_load(path, true, &settings, &refusal), -EINVAL);
        ck_assert_msg(strstr(refusal.text, bad->complaint), "%s: %s", bad->text, refusal.text);
        ck_assert_ptr_nonnull(strstr(refusal.text, path));
        for (size_t i = 0; i < sizeof(settings); i++)
                ck_assert_uint_eq(((unsigned char *) &settings)[i], 0x55);
}
END_TEST

START_TEST(test_bad_drop_in_is_named) {
        struct refusal refusal = {};
        struct settings settings;

        drop_in("10-a.conf", "[Limits]\nPasidsPerUid=none\n");
        ck_assert_int_eq(settings_load(path, false, &settings, &refusal), -EINVAL);
        ck_assert_ptr_nonnull(strstr(refusal.text, "10-a.conf, line 2"));
}
END_TEST

START_TEST(test_limits) {
        struct core_limits limits;
        struct settings settings;

        settings_defaults(&settings);
        settings.consumers_per_uid = 5;
        settings_get_limits(&settings, &limits);
        ck_assert_uint_eq(limits.consumers_per_uid, 5);
        ck_assert_uint_eq(limits.pasids_per_uid, 256);
        ck_assert_uint_eq(limits.pasids_per_consumer, 65536);
        ck_assert_uint_eq(limits.reuse_delay_usec, 30000000);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("settings");
        TCase *tc = tcase_create("config");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_add_test(tc, test_defaults);
        tcase_add_test(tc, test_missing_but_named);
        tcase_add_test(tc, test_values_and_drop_ins);
        tcase_add_test(tc, test_pinned_bytes);
        tcase_add_test(tc, test_device_access);
        tcase_add_test(tc, test_device_access_taken_back);
        tcase_add_test(tc, test_long_line);
        tcase_add_test(tc, test_unreadable);
        tcase_add_loop_test(tc, test_bad_file, 0, (int) ELEMENTSOF(bad_files));
        tcase_add_test(tc, test_bad_drop_in_is_named);
        tcase_add_test(tc, test_limits);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
