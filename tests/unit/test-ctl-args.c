/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What people type: each form that is taken, and each that is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "internal/cleanup.h"
#include "suite.h"

START_TEST(test_number) {
        static const struct {
                const char *text;
                int r;
                uint32_t value;
        } cases[] = {
                { "0", 0, 0 },
                { "17", 0, 17 },
                { "0x1f", 0, 31 },
                { "0X1F", 0, 31 },
                { "010", 0, 10 },
                { "4294967295", 0, UINT32_MAX },
                { "4294967296", -ERANGE, 0 },
                { "99999999999999999999999", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { "-1", -EINVAL, 0 },
                { "+1", -EINVAL, 0 },
                { " 1", -EINVAL, 0 },
                { "1 ", -EINVAL, 0 },
                { "1a", -EINVAL, 0 },
                { "0x", -EINVAL, 0 },
                { "0xg", -EINVAL, 0 },
                { "1.5", -EINVAL, 0 },
                { "99999999999999999999999x", -EINVAL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint32_t value = 4711;

                ck_assert_msg(arg_number(cases[i].text, &value) == cases[i].r, "'%s'", cases[i].text);
                ck_assert_uint_eq(value, cases[i].r == 0 ? cases[i].value : 4711);
        }
}
END_TEST

START_TEST(test_numbers) {
        char *args[] = { (char *) "5", (char *) "7-9", (char *) "0x10-17", (char *) "3" };
        static const uint32_t expected[] = { 5, 7, 8, 9, 16, 17, 3 };
        struct arg_numbers numbers;

        ck_assert_int_eq(arg_numbers(args, ELEMENTSOF(args), &numbers, NULL), 0);
        ck_assert_uint_eq(numbers.n, ELEMENTSOF(expected));
        ck_assert_mem_eq(numbers.items, expected, sizeof(expected));
        free(numbers.items);
}
END_TEST

START_TEST(test_numbers_bad) {
        static const struct {
                const char *text;
                int r;
        } cases[] = {
                { "9-7", -EINVAL },   { "7-", -EINVAL },          { "-7", -EINVAL },  { "1-2-3", -EINVAL },
                { "1,2", -EINVAL },   { "", -EINVAL },            { "x", -EINVAL },   { "1- 2", -EINVAL },
                { "1-4294967296", -ERANGE }, { "0-4294967295", -E2BIG }, { "1-1048575", -E2BIG },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *args[] = { (char *) "5", (char *) cases[i].text };
                struct arg_numbers numbers = { NULL, 4711 };
                const char *bad = NULL;

                ck_assert_msg(arg_numbers(args, 2, &numbers, &bad) == cases[i].r, "'%s'", cases[i].text);
                ck_assert_ptr_eq(bad, cases[i].text);
                ck_assert_uint_eq(numbers.n, 4711);
        }
}
END_TEST

START_TEST(test_numbers_all) {
        char *args[] = { (char *) "1-1048575" };
        struct arg_numbers numbers;

        ck_assert_int_eq(arg_numbers(args, 1, &numbers, NULL), 0);
        ck_assert_uint_eq(numbers.n, PASID_MAX);
        ck_assert_uint_eq(numbers.items[0], 1);
        ck_assert_uint_eq(numbers.items[PASID_MAX - 1], PASID_MAX);
        free(numbers.items);
}
END_TEST

START_TEST(test_consumer) {
        static const struct {
                const char *text;
                int r;
                uid_t uid;
                const char *name;
        } cases[] = {
                { "vm-1", 0, PASID_UID_SELF, "vm-1" },
                { "1000:vm-1", 0, 1000, "vm-1" },
                { "0:vm-1", 0, 0, "vm-1" },
                { "0:1:2", 0, 0, "1:2" },
                { "17", 0, PASID_UID_SELF, "17" },
                { "a:b", 0, PASID_UID_SELF, "a:b" },
                { ":b", 0, PASID_UID_SELF, ":b" },
                { "4294967294:x", 0, 4294967294U, "x" },
                { "4294967295:x", -EINVAL, 0, NULL }, /* the caller, in disguise */
                { "4294967296:x", -EINVAL, 0, NULL },
                { "1000:", -EINVAL, 0, NULL },
                { "", -EINVAL, 0, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct arg_consumer consumer = {};

                ck_assert_msg(arg_consumer(cases[i].text, &consumer) == cases[i].r, "'%s'", cases[i].text);
                if (cases[i].r < 0)
                        continue;
                ck_assert_uint_eq(consumer.uid, cases[i].uid);
                ck_assert_str_eq(consumer.name, cases[i].name);
        }
}
END_TEST

/* A file of so many bytes, all values among them. */
static void write_file(const char *path, size_t size) {
        FILE *f = fopen(path, "we");

        ck_assert_ptr_nonnull(f);
        for (size_t i = 0; i < size; i++)
                ck_assert_int_ne(fputc((int) (i & 0xff), f), EOF);
        ck_assert_int_eq(fclose(f), 0);
}

START_TEST(test_private) {
        static const size_t sizes[] = { 0, 1, 300, PASID_PRIVATE_MAX, PASID_PRIVATE_MAX + 1 };
        char path[] = "/tmp/test-ctl-args-XXXXXX", arg[sizeof(path) + 1];
        void *data;
        size_t size;
        int fd = mkstemp(path);

        ck_assert_int_ge(fd, 0);
        close(fd);
        (void) snprintf(arg, sizeof(arg), "@%s", path);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                write_file(path, sizes[i]);
                if (sizes[i] > PASID_PRIVATE_MAX) {
                        ck_assert_int_eq(arg_private(arg, &data, &size), -EMSGSIZE);
                        continue;
                }
                ck_assert_int_eq(arg_private(arg, &data, &size), 0);
                ck_assert_uint_eq(size, sizes[i]);
                for (size_t k = 0; k < size; k++)
                        ck_assert_uint_eq(((unsigned char *) data)[k], k & 0xff);
                free(data);
        }
        unlink(path);
        ck_assert_int_eq(arg_private(arg, &data, &size), -ENOENT);
        ck_assert_int_eq(arg_private("@/", &data, &size), -EISDIR);
        ck_assert_int_eq(arg_private("@", &data, &size), -EINVAL);
        ck_assert_int_eq(arg_private("a text", &data, &size), 0);
        ck_assert_uint_eq(size, 6);
        ck_assert_str_eq(data, "a text");
        free(data);
        ck_assert_int_eq(arg_private("", &data, &size), 0);
        ck_assert_uint_eq(size, 0);
        free(data);
}
END_TEST

/* In pieces, as a pipe brings it. */
START_TEST(test_private_stdin) {
        int fds[2];
        void *data;
        size_t size;

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        ck_assert_int_eq(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
        ck_assert_int_eq(write(fds[1], "ab\0c", 4), 4);
        close(fds[1]);
        close(fds[0]);
        ck_assert_int_eq(arg_private("@-", &data, &size), 0);
        ck_assert_uint_eq(size, 4);
        ck_assert_mem_eq(data, "ab\0c", 4);
        free(data);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("ctl-args");
        TCase *t = tcase_create("args");

        tcase_add_test(t, test_number);
        tcase_add_test(t, test_numbers);
        tcase_add_test(t, test_numbers_bad);
        tcase_add_test(t, test_numbers_all);
        tcase_add_test(t, test_consumer);
        tcase_add_test(t, test_private);
        tcase_add_test(t, test_private_stdin);
        suite_add_tcase(suite, t);
        return suite_run(suite);
}
