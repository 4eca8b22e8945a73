/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The readers beneath discovery, and the text form of PCI addresses.
 */
#include "suite.h"

#include <errno.h>

#include "internal/pci-address.h"
#include "kernel/sysfs.h"
#include "sysfs-tree.h"

static int root_fd;
static struct tree root;

static void set_up(void) {
        tree_init(&root, "kernel 6.18.0\n");
        root_fd = sysfs_open_dir(AT_FDCWD, root.path);
        ck_assert_int_ge(root_fd, 0);
}

static void tear_down(void) {
        ck_assert_int_eq(close(root_fd), 0);
        tree_deinit(&root);
}

START_TEST(text) {
        char buffer[8] = "before";

        ck_assert_int_eq(sysfs_read_text(root_fd, "missing", buffer, sizeof(buffer)), -ENOENT);
        ck_assert_int_eq(sysfs_read_text(root_fd, "sys", buffer, sizeof(buffer)), -EISDIR);
        tree_write(&root, "a", "12345678", 8);
        ck_assert_int_eq(sysfs_read_text(root_fd, "a", buffer, sizeof(buffer)), -EBADMSG);
        tree_write(&root, "a", "12\0" "34", 5);
        ck_assert_int_eq(sysfs_read_text(root_fd, "a", buffer, sizeof(buffer)), -EBADMSG);
        ck_assert_str_eq(buffer, "before"); /* untouched by all of that */
        tree_write(&root, "a", "1234567", 7);
        ck_assert_int_eq(sysfs_read_text(root_fd, "a", buffer, sizeof(buffer)), 0);
        ck_assert_str_eq(buffer, "1234567");
        tree_write(&root, "a", " \tx y\n\n", 7);
        ck_assert_int_eq(sysfs_read_text(root_fd, "a", buffer, sizeof(buffer)), 0);
        ck_assert_str_eq(buffer, "x y");
        tree_write(&root, "a", "\n", 1);
        ck_assert_int_eq(sysfs_read_text(root_fd, "a", buffer, sizeof(buffer)), 0);
        ck_assert_str_eq(buffer, "");
        ck_assert_int_eq(mkfifo(tree_path(&root, "fifo"), 0644), 0); /* would block a careless reader */
        ck_assert_int_eq(sysfs_read_text(root_fd, "fifo", buffer, sizeof(buffer)), 0);
}
END_TEST

START_TEST(hex) {
        uint64_t value = 7;

        for (const char *const *bad = (const char *const[]) { "", "x", "0x", "-1", "+1", "0x0x1", "00X1", "1 2", "1:2",
             "1g", "10000000000000000", NULL }; *bad; bad++) {
                tree_write(&root, "a", *bad, strlen(*bad));
                ck_assert_msg(sysfs_read_hex(root_fd, "a", NULL, &value) == -EBADMSG, "%s", *bad);
                ck_assert_uint_eq(value, 7);
        }
        tree_write(&root, "a", "0x1F\n", 5);
        ck_assert_int_eq(sysfs_read_hex(root_fd, "a", NULL, &value), 0);
        ck_assert_uint_eq(value, 0x1f);
        tree_write(&root, "a", "ffffffffffffffff:0\n", 19);
        ck_assert_int_eq(sysfs_read_hex(root_fd, "a", ":", &value), 0);
        ck_assert_uint_eq(value, UINT64_MAX);
        tree_write(&root, "a", "000", 3);
        ck_assert_int_eq(sysfs_read_hex(root_fd, "a", NULL, &value), 0);
        ck_assert_uint_eq(value, 0);
}
END_TEST

START_TEST(links) {
        char name[SYSFS_NAME_MAX] = "before";
        char target[300];

        ck_assert_int_eq(sysfs_read_link(root_fd, "missing", name), -ENOENT);
        ck_assert_int_eq(sysfs_read_link(root_fd, "sys", name), -EBADMSG);
        ck_assert_int_eq(symlink("a/b/", tree_path(&root, "slash")), 0);
        ck_assert_int_eq(sysfs_read_link(root_fd, "slash", name), -EBADMSG);
        memset(target, 'x', sizeof(target));
        target[sizeof(target) - 1] = '\0';
        ck_assert_int_eq(symlink(target, tree_path(&root, "long")), 0);
        ck_assert_int_eq(sysfs_read_link(root_fd, "long", name), -EBADMSG);
        ck_assert_str_eq(name, "before");
        ck_assert_int_eq(symlink("../../a/vfio-pci", tree_path(&root, "link")), 0);
        ck_assert_int_eq(sysfs_read_link(root_fd, "link", name), 0);
        ck_assert_str_eq(name, "vfio-pci");
        ck_assert_int_eq(symlink("plain", tree_path(&root, "plain")), 0);
        ck_assert_int_eq(sysfs_read_link(root_fd, "plain", name), 0);
        ck_assert_str_eq(name, "plain");
        ck_assert_int_eq(sysfs_access(root_fd, "plain"), -ELOOP);
        ck_assert_int_eq(sysfs_access(root_fd, "link"), -ENOENT);
        ck_assert_int_eq(sysfs_access(root_fd, "sys"), 0);
}
END_TEST

START_TEST(pci_addresses) {
        static const struct {
                const char *string;
                struct pci_address address;
        } good[] = {
                { "0000:00:00.0", { 0, 0, 0, 0 } },
                { "0000:ff:1f.7", { 0, 0xff, 31, 7 } },
                { "ffff:01:02.3", { 0xffff, 1, 2, 3 } },
                { "10000:e1:00.0", { 0x10000, 0xe1, 0, 0 } },
                { "ffffffff:ff:1f.7", { 0xffffffff, 0xff, 31, 7 } },
        };
        static const char *const bad[] = {
                "", ":", "0000:00:00", "0000:00:00.", "0000:00:00.8", "0000:00:20.0", "000:00:00.0", "000000000:00:00.0",
                "0000:0:00.0", "0000:00:0.0", "0000:000:00.0", "0000:00:00.00", "0000:00:00.0 ", " 0000:00:00.0",
                "0000:00:00:0", "0x00:00:00.0", "0000-00-00.0", "-000:00:00.0", "0000:00:00.0:", "g000:00:00.0", "0000",
        };
        char buffer[PCI_ADDRESS_MAX];
        struct pci_address a = {};

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                ck_assert_int_eq(pci_address_parse(good[i].string, &a), 0);
                ck_assert_uint_eq(a.domain, good[i].address.domain);
                ck_assert_uint_eq(a.bus, good[i].address.bus);
                ck_assert_uint_eq(a.device, good[i].address.device);
                ck_assert_uint_eq(a.function, good[i].address.function);
                ck_assert_str_eq(pci_address_format(&a, buffer), good[i].string);
        }
        ck_assert_int_eq(pci_address_parse("aB:1C.0", &a), 0);
        ck_assert_str_eq(pci_address_format(&a, buffer), "0000:ab:1c.0");
        ck_assert_int_eq(pci_address_parse("00001000:00:00.1", &a), 0);
        ck_assert_str_eq(pci_address_format(&a, buffer), "1000:00:00.1");
        ck_assert_int_eq(pci_address_parse(NULL, &a), -EINVAL);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(pci_address_parse(bad[i], &a) == -EINVAL, "'%s'", bad[i]);
        ck_assert_uint_eq(a.domain, 0x1000); /* untouched by all of that */
}
END_TEST

int main(void) {
        Suite *suite = suite_create("kernel-sysfs");
        TCase *tc = tcase_create("sysfs");

        tcase_add_checked_fixture(tc, set_up, tear_down);
        tcase_add_test(tc, text);
        tcase_add_test(tc, hex);
        tcase_add_test(tc, links);
        tcase_add_test(tc, pci_addresses);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
