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

static const struct bad {
        const char *text, *complaint;
} bad_files[] = {
        { "[Limits]\nPasidsPerUid=0\n", "line 2: '0' is no value for PasidsPerUid=" },
        { "[Limits]\nPasidsPerUid=-1\n", "'-1'" },
        { "[Limits]\nPasidsPerUid=4294967296\n", "4294967296" },
        { "[Limits]\nPasidsPerUid=12x\n", "12x" },
        { "[Limits]\nPasidsPerUid=\n", "''" },
        { "[Limits]\nPasidsPerUid=1K\n", "1K" },
        { "[Limits]\n\nNoSuchThing=1\n", "line 3: there is no setting NoSuchThing=" },
        { "[Daemon]\nPasidsPerUid=1\n", "section [Daemon]" },
        { "PasidsPerUid=1\n", "there is no setting PasidsPerUid= in section []" },
        { "[Daemon]\nReuseDelaySec=5 weeks\n", "5 weeks" },
        { "[Daemon]\nReuseDelaySec=99999999999999999999\n", "99999999999999999999" },
        { "[Daemon]\nReuseDelaySec=18446744073709551615\n", "18446744073709551615" },
        { "[Daemon]\nGroup=\n", "Group=" },
        { "[Limits]\nQueuedBytesPerConnection=0\n", "QueuedBytes" },
        { "[Limits\nPasidsPerUid=1\n", "line 1" },
        { "[Limits]\nnonsense\n", "line 2: not an INI line" },
        { "[Limits]\nPasidsPerUid=0\nNoSuchThing=1\n", "line 2: '0'" },
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
        tcase_add_loop_test(tc, test_bad_file, 0, (int) ELEMENTSOF(bad_files));
        tcase_add_test(tc, test_bad_drop_in_is_named);
        tcase_add_test(tc, test_limits);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
