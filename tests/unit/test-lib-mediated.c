/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mediated mode: what goes to the daemon, memory above all, and what comes of
 * answers of every kind.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake-daemon.h"

#define SIZE 8192

static struct fake *fake;
static struct pasid_client *client;
static struct pasid_consumer *consumer;
static struct stat seen; /* of the memory that came */

/* The option comes first. */
static void see_memory(sd_bus_message *call) {
        uint64_t offset, length, iova;
        uint32_t flags;
        int fd;

        seen.st_size = -1;
        if (sd_bus_message_skip(call, "uuay") >= 0 && sd_bus_message_enter_container(call, 'a', "{sv}") > 0 &&
            sd_bus_message_enter_container(call, 'e', "sv") > 0 && sd_bus_message_skip(call, "s") >= 0 &&
            sd_bus_message_read(call, "v", "(htttu)", &fd, &offset, &length, &iova, &flags) > 0 && fstat(fd, &seen) < 0)
                seen.st_size = -1;
}

/* The number says what the answer is. */
static int handler(struct fake *f, sd_bus_message *call, void *userdata) {
        uint64_t offset, length, iova;
        uint32_t pasid, flags;
        int fd;

        if (fake_reply_consumer(f, call) > 0)
                return 1;
        if (fake_is(call, "FreeToken"))
                return 1;
        if (fake_is(call, "Alloc")) {
                see_memory(call);
                return fake_reply(f, call, "u", 17);
        }
        (void) sd_bus_message_read(call, "u", &pasid);
        if (pasid == 2)
                return fake_error(f, call, PASIDD_ERROR_PREFIX "NotAttached", "PASID 2 is not attached; attach it first.");
        if (pasid == 3)
                return fake_error(f, call, PASIDD_ERROR_PREFIX "NotMediated", NULL);
        if (pasid == 4)
                return fake_reply(f, call, "s", "odd");
        if (fake_is(call, "Attach") || fake_is(call, "Detach"))
                return fake_reply(f, call, NULL);
        if (fake_is(call, "Unmap")) {
                (void) sd_bus_message_read(call, "tt", &iova, &length);
                return fake_reply(f, call, "t", length / 2);
        }
        (void) sd_bus_message_read(call, "htttu", &fd, &offset, &length, &iova, &flags);
        if (fstat(fd, &seen) < 0)
                seen.st_size = -1;
        return fake_reply(f, call, "t", flags & PASID_MAP_FIXED ? iova : (uint64_t) 0xfff000);
}

static int memory(void) {
        int fd = memfd_create("test", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, SIZE), 0);
        return fd;
}

static void start(void) {
        seen = (struct stat) {};
        fake = fake_new(handler, NULL);
        client = fake_client(fake_address(fake), 0);
        consumer = fake_consumer(client); /* call 0 */
}

static void end(void) {
        (void) pasid_consumer_free(consumer);
        (void) pasid_client_free(client);
        fake_free(fake);
}

START_TEST(attach)
{
        start();
        ck_assert_int_eq(pasid_attach(consumer, 17), 0);
        assert_call(fake, 1, "Attach(17)");
        ck_assert_int_eq(pasid_detach(consumer, 17), 0);
        assert_call(fake, 2, "Detach(17)");
        ck_assert_int_eq(pasid_detach(consumer, 2), -ENOLINK);
        ck_assert_str_eq(pasid_strerror_last(client), "PASID 2 is not attached; attach it first.");
        ck_assert_int_eq(pasid_attach(consumer, 3), -EPROTOTYPE);
        ck_assert_int_eq(pasid_attach(consumer, 4), -EBADMSG);
        ck_assert_int_eq(pasid_attach(NULL, 17), -EINVAL);
        ck_assert_int_eq(pasid_detach(NULL, 17), -EINVAL);
        end();
}
END_TEST

START_TEST(map)
{
        uint64_t iova = 5, unmapped = 5;
        struct stat own;
        int fd = memory();

        start();
        ck_assert_int_eq(pasid_map(consumer, 17, fd, 4096, 4096, 0, PASID_MAP_READ | PASID_MAP_WRITE, &iova), 0);
        assert_call(fake, 1, "Map(17, fd, 4096, 4096, 0, 3)");
        ck_assert_uint_eq(iova, 0xfff000);
        ck_assert_int_eq(fstat(fd, &own), 0);
        ck_assert_uint_eq(seen.st_ino, own.st_ino);
        ck_assert_int_eq(seen.st_size, SIZE);
        ck_assert_int_eq(pasid_map(consumer, 17, fd, 0, 4096, 0x1000, PASID_MAP_READ | PASID_MAP_FIXED, NULL), 0);
        assert_call(fake, 2, "Map(17, fd, 0, 4096, 4096, 5)");
        ck_assert_int_eq(pasid_unmap(consumer, 17, 0x1000, 4096, &unmapped), 0);
        assert_call(fake, 3, "Unmap(17, 4096, 4096)");
        ck_assert_uint_eq(unmapped, 2048);
        ck_assert_int_eq(pasid_unmap(consumer, 17, 0x1000, 4096, NULL), 0);
        ck_assert_int_eq(close(fd), 0); /* it was the test's all the time */
        end();
}
END_TEST

START_TEST(alloc_with_memory)
{
        struct pasid_mapping m = PASID_MAPPING_INIT;
        struct pasid_alloc_options o = PASID_ALLOC_OPTIONS_INIT;
        uint32_t pasid = 5;
        struct stat own;

        start();
        m.memory_fd = memory();
        m.offset = 4096;
        m.length = 8192;
        m.iova = 0x1000;
        m.flags = PASID_MAP_READ | PASID_MAP_WRITE | PASID_MAP_FIXED;
        o.token = "mine";
        o.map = &m;
        ck_assert_int_eq(pasid_alloc_many(consumer, 1, 0, 0, NULL, 0, &o, &pasid), -EINVAL);
        m.flags = PASID_MAP_READ;
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, &o, &pasid), -EINVAL);
        ck_assert_ptr_nonnull(strstr(pasid_strerror_last(client), "PASID_MAP_FIXED"));
        m.flags = PASID_MAP_READ | PASID_MAP_WRITE | PASID_MAP_FIXED;
        m.size--;
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, &o, &pasid), -EINVAL);
        m.size++;
        ck_assert_uint_eq(fake_n_calls(fake), 1);
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, &o, &pasid), 0);
        ck_assert_uint_eq(pasid, 17);
        assert_call(fake, 1, "Alloc(0, 0, [], {\"map\": (htttu) (fd, 4096, 8192, 4096, 7), \"token\": s \"mine\"})");
        ck_assert_int_eq(fstat(m.memory_fd, &own), 0);
        ck_assert_uint_eq(seen.st_ino, own.st_ino);
        ck_assert_int_eq(close(m.memory_fd), 0);
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, &o, &pasid), -EINVAL);
        ck_assert_ptr_nonnull(strstr(pasid_strerror_last(client), "memory_fd"));
        m.memory_fd = -1;
        ck_assert_int_eq(pasid_alloc(consumer, 0, 0, NULL, 0, &o, &pasid), -EINVAL);
        ck_assert_ptr_nonnull(strstr(pasid_strerror_last(client), "memory_fd -1"));
        ck_assert_uint_eq(fake_n_calls(fake), 2);
        end();
}
END_TEST

START_TEST(refused)
{
        uint64_t iova = 5, unmapped = 5;
        int fd = memory();

        start();
        ck_assert_int_eq(pasid_map(NULL, 17, fd, 0, 4096, 0, PASID_MAP_READ, &iova), -EINVAL);
        ck_assert_int_eq(pasid_map(consumer, 17, fd, 0, 4096, 0, PASID_MAP_READ, NULL), -EINVAL);
        ck_assert_ptr_nonnull(strstr(pasid_strerror_last(client), "ret_iova"));
        ck_assert_int_eq(pasid_map(consumer, 17, -1, 0, 4096, 0, PASID_MAP_READ, &iova), -EINVAL);
        ck_assert_ptr_nonnull(strstr(pasid_strerror_last(client), "memory_fd -1"));
        ck_assert_int_eq(pasid_map(consumer, 17, 9999, 0, 4096, 0, PASID_MAP_READ, &iova), -EINVAL);
        ck_assert_ptr_nonnull(strstr(pasid_strerror_last(client), "memory_fd 9999"));
        ck_assert_int_eq(pasid_unmap(NULL, 17, 0, 4096, NULL), -EINVAL);
        ck_assert_uint_eq(fake_n_calls(fake), 1);
        ck_assert_int_eq(pasid_map(consumer, 2, fd, 0, 4096, 0, PASID_MAP_READ, &iova), -ENOLINK);
        ck_assert_int_eq(pasid_map(consumer, 4, fd, 0, 4096, 0, PASID_MAP_READ, &iova), -EBADMSG);
        ck_assert_int_eq(pasid_unmap(consumer, 2, 0, 4096, &unmapped), -ENOLINK);
        ck_assert_int_eq(pasid_unmap(consumer, 4, 0, 4096, &unmapped), -EBADMSG);
        ck_assert_uint_eq(iova, 5);
        ck_assert_uint_eq(unmapped, 5);
        ck_assert_int_eq(close(fd), 0);
        end();
}
END_TEST

static int count_fds(void) {
        int n = 0;

        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

/* The daemon's side of the socket is in this process, too: its fd goes with the message. */
START_TEST(no_leak)
{
        uint64_t iova;
        int fd = memory(), before;

        start();
        ck_assert_int_eq(pasid_map(consumer, 17, fd, 0, 4096, 0, PASID_MAP_READ, &iova), 0);
        ck_assert_int_eq(pasid_attach(consumer, 17), 0); /* when this is answered the message before is gone */
        before = count_fds();
        for (unsigned i = 0; i < 100; i++)
                ck_assert_int_eq(pasid_map(consumer, 17, fd, 0, 4096, 0, PASID_MAP_READ, &iova), 0);
        ck_assert_int_eq(pasid_attach(consumer, 17), 0);
        ck_assert_int_eq(count_fds(), before);
        ck_assert_int_eq(close(fd), 0);
        end();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("lib-mediated");
        TCase *tc = tcase_create("mediated");

        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, attach);
        tcase_add_test(tc, map);
        tcase_add_test(tc, alloc_with_memory);
        tcase_add_test(tc, refused);
        tcase_add_test(tc, no_leak);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
