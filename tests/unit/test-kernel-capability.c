/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PASID capability in configuration spaces of all sizes, whole, cut off
 * and hostile.
 */
#include "suite.h"

#include "kernel/pcilib.h"
#include "sysfs-tree.h"

#define CONFIG "sys/bus/pci/devices/0000:01:00.0/config"

static const struct pci_address address = { .bus = 1 };

static struct capability_facts read_config(const struct tree *tree) {
        struct capability_facts facts = { .state = CAPABILITY_SILENT, .header = 99 };
        struct pcilib *lib;
        char sysfs[80];
        struct stat st = {};

        (void) snprintf(sysfs, sizeof(sysfs), "%s/sys", tree->path);
        (void) stat(tree_path(tree, CONFIG), &st);
        ck_assert_int_eq(pcilib_new(sysfs, NULL, &lib), 0);
        ck_assert_int_eq(pcilib_read_capability(lib, &address, (uint64_t) st.st_size, &facts), 0);
        ck_assert_ptr_null(pcilib_free(lib));
        return facts;
}

static void expect(const struct tree *tree, enum capability_state state, unsigned int width) {
        struct capability_facts facts = read_config(tree);

        ck_assert_int_eq(facts.state, state);
        if (state == CAPABILITY_PRESENT)
                ck_assert_uint_eq(facts.width, width);
}

static void put_u16(const struct tree *tree, off_t offset, unsigned int value) {
        tree_write_at(tree, CONFIG, offset, (const unsigned char[]) { value & 0xff, value >> 8 }, 2);
}

static void put_header(const struct tree *tree, off_t offset, unsigned int id, unsigned int next) {
        put_u16(tree, offset, id);
        put_u16(tree, offset + 2, 1 | next << 4);
}

START_TEST(widths) {
        struct tree tree;

        tree_init(&tree, "device 0000:01:00.0 pasid=20\n");
        expect(&tree, CAPABILITY_PRESENT, 20);
        for (unsigned int i = 0; i < 32; i++) {
                /* all that is around the field is set, and does not matter */
                put_u16(&tree, 0x114, i << 8 | 0xe0ff);
                expect(&tree, CAPABILITY_PRESENT, i < 20 ? i : 20);
        }
        ck_assert(read_config(&tree).is_on);
        put_u16(&tree, 0x116, 0xfffe);
        ck_assert(!read_config(&tree).is_on);
        put_u16(&tree, 0x116, 1);
        ck_assert(read_config(&tree).is_on);
        put_header(&tree, 0x110, 0x1c, 0);
        expect(&tree, CAPABILITY_ABSENT, 0);
        tree_deinit(&tree);
}
END_TEST

START_TEST(sizes) {
        struct tree tree;

        tree_init(&tree, "device 0000:01:00.0 pasid=20\n");
        ck_assert_int_eq(truncate(tree_path(&tree, CONFIG), 0x118), 0);
        expect(&tree, CAPABILITY_PRESENT, 20);
        ck_assert_int_eq(truncate(tree_path(&tree, CONFIG), 0x116), 0); /* not all of the register */
        expect(&tree, CAPABILITY_ABSENT, 0);
        ck_assert_int_eq(truncate(tree_path(&tree, CONFIG), 0x112), 0); /* not all of its header */
        expect(&tree, CAPABILITY_ABSENT, 0);
        /* A PCIe device must have extended space; a conventional one has none. */
        ck_assert_int_eq(truncate(tree_path(&tree, CONFIG), 256), 0);
        expect(&tree, CAPABILITY_NO_EXTENDED, 0);
        put_header(&tree, 0x40, 1, 0);
        expect(&tree, CAPABILITY_ABSENT, 0);
        ck_assert_int_eq(truncate(tree_path(&tree, CONFIG), 128), 0);
        expect(&tree, CAPABILITY_ABSENT, 0);
        ck_assert_int_eq(truncate(tree_path(&tree, CONFIG), 64), 0);
        expect(&tree, CAPABILITY_NO_PRIVILEGE, 0);
        ck_assert_int_eq(truncate(tree_path(&tree, CONFIG), 63), 0);
        expect(&tree, CAPABILITY_UNREADABLE, 0);
        ck_assert_int_eq(truncate(tree_path(&tree, CONFIG), 0), 0);
        expect(&tree, CAPABILITY_UNREADABLE, 0);
        tree_unlink(&tree, CONFIG);
        expect(&tree, CAPABILITY_UNREADABLE, 0);
        ck_assert_int_eq(mkdir(tree_path(&tree, CONFIG), 0755), 0);
        expect(&tree, CAPABILITY_UNREADABLE, 0);
        tree_deinit(&tree);
}
END_TEST

/* The kernel tells the true size to anybody, and gives 64 bytes to those without privilege. */
START_TEST(true_size) {
        struct capability_facts facts = {};
        struct pcilib *lib;
        struct tree tree;
        char sysfs[80];

        tree_init(&tree, "device 0000:01:00.0 pasid=20 config=64\n");
        (void) snprintf(sysfs, sizeof(sysfs), "%s/sys", tree.path);
        ck_assert_int_eq(pcilib_new(sysfs, NULL, &lib), 0);
        ck_assert_int_eq(pcilib_read_capability(lib, &address, 256, &facts), 0);
        ck_assert_int_eq(facts.state, CAPABILITY_ABSENT);
        ck_assert_int_eq(pcilib_read_capability(lib, &address, 4096, &facts), 0);
        ck_assert_int_eq(facts.state, CAPABILITY_NO_PRIVILEGE);
        ck_assert_ptr_null(pcilib_free(lib));
        tree_deinit(&tree);
}
END_TEST

START_TEST(hostile_lists) {
        unsigned char ones[4096], noise[4096];
        struct tree tree;

        tree_init(&tree, "device 0000:01:00.0 pasid=20\n");
        put_header(&tree, 0x100, 0x0f, 0x100); /* an extended list that is a loop */
        expect(&tree, CAPABILITY_ABSENT, 0);
        put_header(&tree, 0x100, 0x0f, 0x200);
        put_header(&tree, 0x200, 0x10, 0x300);
        put_header(&tree, 0x300, 0x11, 0x200);
        expect(&tree, CAPABILITY_ABSENT, 0);
        put_header(&tree, 0x300, 0x1b, 0x100); /* found, for all the loop */
        put_u16(&tree, 0x304, 12 << 8);
        expect(&tree, CAPABILITY_PRESENT, 12);
        put_header(&tree, 0x100, 0x0f, 0xffc); /* a header at the very end, with no room for its register */
        put_header(&tree, 0xffc, 0x1b, 0);
        expect(&tree, CAPABILITY_ABSENT, 0);
        put_header(&tree, 0x100, 0x0f, 0x004); /* back into the header */
        expect(&tree, CAPABILITY_ABSENT, 0);
        put_header(&tree, 0x100, 0x1b, 0); /* first of its list */
        put_u16(&tree, 0x104, 8 << 8);
        expect(&tree, CAPABILITY_PRESENT, 8);
        tree_write_at(&tree, CONFIG, 0x41, "\x40", 1); /* a conventional list that is a loop */
        expect(&tree, CAPABILITY_PRESENT, 8);
        tree_write_at(&tree, CONFIG, 0x40, "\x01\x40", 2);
        expect(&tree, CAPABILITY_ABSENT, 0);
        tree_write_at(&tree, CONFIG, 0x06, "\0", 1); /* no list at all */
        expect(&tree, CAPABILITY_ABSENT, 0);
        memset(ones, 0xff, sizeof(ones));
        tree_write(&tree, CONFIG, ones, sizeof(ones));
        expect(&tree, CAPABILITY_SILENT, 0);
        memset(ones, 0, sizeof(ones));
        tree_write(&tree, CONFIG, ones, sizeof(ones));
        expect(&tree, CAPABILITY_ABSENT, 0);
        srand(1);
        for (unsigned int i = 0; i < 2000; i++) {
                for (size_t k = 0; k < sizeof(noise); k++)
                        noise[k] = (unsigned char) rand();
                noise[0x06] |= 0x10;
                noise[0x40] = 0x10;
                noise[0x34] = 0x40;
                tree_write(&tree, CONFIG, noise, sizeof(noise));
                ck_assert_uint_le(read_config(&tree).width, 20);
        }
        tree_deinit(&tree);
}
END_TEST

START_TEST(headers) {
        struct tree tree;

        tree_init(&tree, "device 0000:01:00.0 header=1\n");
        ck_assert_int_eq(read_config(&tree).header, 1);
        tree_write_at(&tree, CONFIG, 0x0e, "\x81", 1); /* of several functions */
        ck_assert_int_eq(read_config(&tree).header, 1);
        tree_write_at(&tree, CONFIG, 0x0e, "\x80", 1);
        ck_assert_int_eq(read_config(&tree).header, 0);
        tree_write(&tree, CONFIG, "", 0);
        ck_assert_int_eq(read_config(&tree).header, -1);
        tree_deinit(&tree);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("kernel-capability");
        TCase *tc = tcase_create("capability");

        tcase_set_timeout(tc, 120);
        tcase_add_test(tc, widths);
        tcase_add_test(tc, sizes);
        tcase_add_test(tc, true_size);
        tcase_add_test(tc, hostile_lists);
        tcase_add_test(tc, headers);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
