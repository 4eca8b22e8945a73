/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What everything stands on: PCI addresses, the table of errors, refusals,
 * lists of devices, and the treap and radix tree of the core.
 */
#include "test-core-common.h"

#include "core/device.h"
#include "internal/errors.h"
#include "internal/pci-address.h"

static const struct {
        const char *text, *formatted;
} good_addresses[] = {
        { "0000:01:00.0", "0000:01:00.0" }, { "01:00.0", "0000:01:00.0" }, { "10000:e1:1f.7", "10000:e1:1f.7" },
        { "ffffffff:ff:1f.7", "ffffffff:ff:1f.7" }, { "0000:AB:0C.1", "0000:ab:0c.1" },
};

START_TEST(test_good_address) {
        struct pci_address a;
        char buf[PCI_ADDRESS_MAX];

        ck_assert_int_eq(pci_address_parse(good_addresses[_i].text, &a), 0);
        ck_assert_str_eq(pci_address_format(&a, buf), good_addresses[_i].formatted);
}
END_TEST

static const char *const bad_addresses[] = {
        NULL, "", "0000:01:00", "0000:01:00.8", "0000:01:20.0", "000:01:00.0", "123456789:01:00.0", "0000:1:00.0", "0000:01:0.0",
        "0000:01:00.0 ", " 0000:01:00.0", "0000:01:00.00", "0000-01:00.0", "0x00:01:00.0", "0000:01:00:0", "::.", "0000:0g:00.0",
        "01:00", "-001:01:00.0",
};

START_TEST(test_bad_address) {
        struct pci_address a = { .bus = 99 };

        ck_assert_int_eq(pci_address_parse(bad_addresses[_i], &a), -EINVAL);
        ck_assert_uint_eq(a.bus, 99);
}
END_TEST

START_TEST(test_errors) {
        for (size_t i = 0; i < ERROR_TABLE_SIZE; i++) {
                const struct error_entry *e = &error_table[i];

                ck_assert_int_gt(e->code, 0);
                ck_assert_ptr_eq(error_by_code(e->code), e);
                ck_assert_ptr_eq(error_by_code(-e->code), e);
                ck_assert_ptr_eq(error_by_name(e->name), e);
                ck_assert_uint_gt(strlen(e->text), 0);
                ck_assert(e->text[strlen(e->text) - 1] != '.');
                for (size_t k = 0; k < i; k++) {
                        ck_assert_int_ne(error_table[k].code, e->code);
                        ck_assert_str_ne(error_table[k].name, e->name);
                        ck_assert_str_ne(error_table[k].text, e->text);
                }
        }
        ck_assert_ptr_null(error_by_code(0));
        ck_assert_ptr_null(error_by_code(EXDEV));
        ck_assert_ptr_null(error_by_name("org.pasidd1.Error.Nothing"));
        ck_assert_ptr_null(error_by_name(NULL));
        ck_assert_int_eq(error_by_name("org.pasidd1.Error.Exhausted")->code, ENOSPC);
        ck_assert_int_eq(error_by_name("org.pasidd1.Error.CoolingDown")->code, EAGAIN);
        ck_assert_int_eq(error_by_name("org.pasidd1.Error.DeviceBusy")->code, EBUSY);
}
END_TEST

START_TEST(test_refusal) {
        struct refusal refusal = {};
        char longer[REFUSAL_TEXT_MAX * 2];

        ck_assert_int_eq(refuse(&refusal, ENOENT, "%s %d", "number", 5), -ENOENT);
        ck_assert_int_eq(refusal.code, ENOENT);
        ck_assert_str_eq(refusal.text, "number 5");
        ck_assert_int_eq(refuse(&refusal, -EIO, "x"), -EIO);
        ck_assert_int_eq(refusal.code, EIO);
        ck_assert_int_eq(refuse(NULL, EIO, "x"), -EIO);
        memset(longer, 'y', sizeof(longer));
        longer[sizeof(longer) - 1] = '\0';
        ck_assert_int_eq(refuse(&refusal, EIO, "%s", longer), -EIO);
        ck_assert_uint_eq(strlen(refusal.text), REFUSAL_TEXT_MAX - 1);
}
END_TEST

START_TEST(test_device_list) {
        struct device_list list = { .devices = calloc(2, sizeof(struct device_info)), .n_devices = 2 };

        ck_assert_ptr_nonnull(list.devices);
        (void) strcpy(list.devices[0].address, "0000:01:00.0");
        (void) strcpy(list.devices[1].address, "0000:02:00.0");
        list.devices[0].name = strdup("a device");
        list.devices[1].driver = strdup("vfio-pci");
        list.devices[1].cdev = strdup("");
        list.devices[1].reason = strdup("");
        ck_assert_ptr_eq(device_list_find(&list, "0000:02:00.0"), &list.devices[1]);
        ck_assert_ptr_null(device_list_find(&list, "0000:03:00.0"));
        device_list_done(&list);
        ck_assert_ptr_null(list.devices);
        ck_assert_uint_eq(list.n_devices, 0);
        device_list_done(&list);
}
END_TEST

struct item {
        struct tree_node node;
        int value;
        bool in;
};

static int compare_items(const void *key, const struct tree_node *node) {
        int a = *(const int *) key, b = CONTAINER_OF(node, struct item, node)->value;

        return a < b ? -1 : a > b;
}

static size_t depth_of(const struct tree_node *node) {
        size_t left, right;

        if (!node)
                return 0;
        left = depth_of(node->left);
        right = depth_of(node->right);
        return 1 + (left > right ? left : right);
}

START_TEST(test_tree) {
        enum { N = 4000 };
        struct item *items = calloc(N, sizeof(*items));
        struct tree_node *root = NULL, *node;
        int n = 0;

        ck_assert_ptr_nonnull(items);
        for (int i = 0; i < N; i++) {
                items[i].value = i * 2;
                tree_insert(&root, &items[i].node, compare_items, &items[i].value);
                items[i].in = true;
        }
        /* In ascending order, which would make a chain of a plain tree. */
        ck_assert_uint_lt(depth_of(root), 60);
        for (int i = 0; i < N; i += 3) {
                tree_remove(&root, &items[i].node, compare_items, &items[i].value);
                items[i].in = false;
        }
        for (int i = 0; i < N; i++) {
                int odd = i * 2 + 1, below = i * 2 - 1;

                node = tree_find(root, compare_items, &items[i].value);
                ck_assert_ptr_eq(node, items[i].in ? &items[i].node : NULL);
                ck_assert_ptr_null(tree_find(root, compare_items, &odd));
                if (items[i].in)
                        ck_assert_ptr_eq(tree_after(root, compare_items, &below), &items[i].node);
        }
        while (tree_pop(&root))
                n++;
        ck_assert_int_eq(n, N - (N + 2) / 3);
        free(items);
}
END_TEST

START_TEST(test_radix) {
        static const uint32_t numbers[] = { 0, 1, 31, 32, 33, 1023, 1024, 32767, 32768, 500000, NUMBER_MAX - 1, NUMBER_MAX };
        enum { N = sizeof(numbers) / sizeof(numbers[0]) };
        struct radix radix = {};
        int content[N];

        ck_assert_ptr_null(radix_get(&radix, 5));
        ck_assert_ptr_null(radix_next(&radix, 0));
        for (size_t i = 0; i < N; i++) {
                ck_assert_int_eq(radix_hold(&radix, numbers[i]), 0);
                ck_assert_ptr_null(radix_get(&radix, numbers[i]));
                radix_set(&radix, numbers[i], &content[i]);
        }
        for (size_t i = 0; i < N; i++) {
                ck_assert_ptr_eq(radix_get(&radix, numbers[i]), &content[i]);
                ck_assert_ptr_eq(radix_next(&radix, numbers[i]), &content[i]);
                ck_assert_ptr_eq(radix_next(&radix, numbers[i] + 1), i + 1 < N ? &content[i + 1] : NULL);
        }
        /* Emptied slots are passed over, and can be filled again while they are held. */
        for (size_t i = 1; i < N; i += 2)
                radix_set(&radix, numbers[i], NULL);
        for (size_t i = 1; i < N; i += 2) {
                ck_assert_ptr_null(radix_get(&radix, numbers[i]));
                ck_assert_ptr_eq(radix_next(&radix, numbers[i]), i + 1 < N ? &content[i + 1] : NULL);
        }
        for (size_t i = 1; i < N; i += 2)
                radix_set(&radix, numbers[i], &content[i]);
        for (size_t i = 0; i < N; i++)
                ck_assert_ptr_eq(radix_next(&radix, numbers[i]), &content[i]);
        /* Two users of one slot: the room stays for the second. */
        ck_assert_int_eq(radix_hold(&radix, 500000), 0);
        radix_drop(&radix, 500000);
        ck_assert_ptr_nonnull(radix_get(&radix, 500000));
        for (size_t i = 0; i < N; i++) {
                radix_set(&radix, numbers[i], NULL);
                radix_drop(&radix, numbers[i]);
        }
        ck_assert_ptr_null(radix.root);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("core-base");
        TCase *tc = tcase_create("base");

        tcase_add_loop_test(tc, test_good_address, 0, sizeof(good_addresses) / sizeof(good_addresses[0]));
        tcase_add_loop_test(tc, test_bad_address, 0, sizeof(bad_addresses) / sizeof(bad_addresses[0]));
        tcase_add_test(tc, test_errors);
        tcase_add_test(tc, test_refusal);
        tcase_add_test(tc, test_device_list);
        tcase_add_test(tc, test_tree);
        tcase_add_test(tc, test_radix);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
