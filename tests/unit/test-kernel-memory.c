/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may be mapped, on real files: memfds in each mode, with each seal, and
 * of each size, files of tmpfs, and what is no memory.
 */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "internal/cleanup.h"
#include "kernel-mock.h"
#include "kernel/memory.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define PAGES 8

static uint64_t page;
static struct kernel_mapping m; /* of a memfd that may be mapped in any way; tests spoil it */

static int make_memfd(int seals) {
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, (off_t) (PAGES * page)), 0);
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
        return fd;
}

static void take_file(int fd) {
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(close(m.fd), 0);
        m.fd = fd;
}

static void set_up(void) {
        page = (uint64_t) sysconf(_SC_PAGESIZE);
        m = (struct kernel_mapping) {
                .fd = make_memfd(F_SEAL_SHRINK),
                .length = PAGES * page,
                .iova = 16 * page,
                .flags = MAP_READ | MAP_WRITE | MAP_FIXED_IOVA,
        };
}

static void tear_down(void) {
        ck_assert_int_eq(close(m.fd), 0);
}

static void expect_good(void) {
        struct refusal refusal = {};

        ck_assert_msg(memory_check(&m, &refusal) == 0, "%s", refusal.text);
}

static void expect_refused(const char *words) {
        struct refusal refusal = {};

        kernel_mock_check_refusal(memory_check(&m, &refusal), &refusal, EINVAL, words);
}

START_TEST(request) {
        expect_good();
        m.flags = MAP_FIXED_IOVA;
        expect_refused("neither read nor write");
        m.flags = MAP_READ | 1U << 3;
        expect_refused("unknown bits");
        m.flags = MAP_READ;
        expect_refused("without asking for that one");
        m.iova = 0;
        expect_good();
        m.flags |= MAP_FIXED_IOVA; /* 0 is an address like any other */
        expect_good();
}
END_TEST

START_TEST(range) {
        m.length = 0;
        expect_refused("0 bytes");
        m.length = page - 1;
        expect_refused("whole pages");
        m.length = page;
        m.offset = 512;
        expect_refused("Offset 0x200");
        m.offset = 0;
        m.iova = 512;
        expect_refused("whole pages");
        m.iova = -2 * page;
        m.length = 2 * page; /* to the very last byte: the kernel knows its width */
        expect_good();
        m.length = 3 * page;
        expect_refused("beyond the last address");
        m.iova = 0;
        m.length = -page;
        expect_refused("the file ends at");
}
END_TEST

START_TEST(size) {
        m.offset = (PAGES - 1) * page;
        expect_refused("the file ends at");
        m.length = page;
        expect_good();
        m.offset = PAGES * page;
        expect_refused("the file ends at");
        m.offset = -page; /* beyond what a file's size can be; offset + length is 0 */
        expect_refused("the file ends at");
        ck_assert_int_eq(ftruncate(m.fd, (off_t) (PAGES * page + 1)), 0);
        m.offset = PAGES * page; /* only one byte of that page is the file's */
        expect_refused("the file ends at");
        take_file(memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        ck_assert_int_eq(fcntl(m.fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
        m.offset = 0;
        expect_refused("ends at 0");
}
END_TEST

START_TEST(shrunk) {
        take_file(make_memfd(0));
        ck_assert_int_eq(ftruncate(m.fd, (off_t) page), 0);
        ck_assert_int_eq(fcntl(m.fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
        expect_refused("the file ends at");
        m.length = page;
        expect_good();
}
END_TEST

/* The kernel fills it when it pins. */
START_TEST(hole) {
        ck_assert_int_eq(fallocate(m.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t) page), 0);
        expect_good();
}
END_TEST

static int reopen(int fd, int flags) {
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return open(path, flags | O_CLOEXEC);
}

START_TEST(modes) {
        take_file(reopen(m.fd, O_RDONLY));
        expect_refused("open for reading only");
        m.flags = MAP_WRITE | MAP_FIXED_IOVA;
        expect_refused("open for reading only");
        m.flags = MAP_READ | MAP_FIXED_IOVA;
        expect_good();

        take_file(reopen(m.fd, O_PATH));
        expect_refused("not open for reading");
        m.flags = MAP_WRITE | MAP_FIXED_IOVA;
        take_file(make_memfd(F_SEAL_SHRINK));
        expect_good();
        take_file(reopen(m.fd, O_WRONLY));
        expect_refused("not open for reading");
}
END_TEST

START_TEST(seals) {
        take_file(make_memfd(0));
        expect_refused("can still shrink");
        m.flags = MAP_READ | MAP_FIXED_IOVA;
        expect_refused("can still shrink");
        take_file(memfd_create("unsealable", MFD_CLOEXEC));
        ck_assert_int_eq(ftruncate(m.fd, (off_t) (PAGES * page)), 0);
        expect_refused("MFD_ALLOW_SEALING");

        take_file(make_memfd(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
        m.flags = MAP_READ | MAP_WRITE | MAP_FIXED_IOVA;
        expect_good();
        take_file(make_memfd(F_SEAL_SHRINK | F_SEAL_WRITE));
        expect_refused("sealed against writing");
        m.flags = MAP_WRITE | MAP_FIXED_IOVA;
        expect_refused("sealed against writing");
        m.flags = MAP_READ | MAP_FIXED_IOVA;
        expect_good();
        take_file(make_memfd(F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE));
        expect_good();
        m.flags = MAP_READ | MAP_WRITE | MAP_FIXED_IOVA;
        expect_refused("sealed against writing");
}
END_TEST

/* Their owners can't seal them, and whoever may truncate such a file harms nobody but those who share it. */
START_TEST(tmpfs) {
        struct statfs fs;
        int fd;

        if (statfs("/dev/shm", &fs) < 0 || fs.f_type != TMPFS_MAGIC) {
                printf("# skipped: /dev/shm is no tmpfs\n");
                return;
        }
        fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0) {
                printf("# skipped: no file can be made in /dev/shm\n");
                return;
        }
        ck_assert_int_eq(ftruncate(fd, (off_t) (PAGES * page)), 0);
        take_file(fd);
        expect_good();
        take_file(reopen(m.fd, O_RDONLY));
        expect_refused("open for reading only");
}
END_TEST

/* Those of a size that the kernel has no pages of can't even be made longer. */
START_TEST(huge) {
        int fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);

        if (fd < 0 || ftruncate(fd, 1 << 30) < 0) {
                printf("# skipped: no huge pages here\n");
                (void) close_fd(fd);
                return;
        }
        take_file(fd);
        expect_refused("can still shrink");
        ck_assert_int_eq(fcntl(m.fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
        expect_good();
}
END_TEST

START_TEST(no_memory) {
        int ends[2];

        take_file(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        m.flags = MAP_READ | MAP_FIXED_IOVA;
        expect_refused("not of memory");
        m.flags = MAP_READ | MAP_WRITE | MAP_FIXED_IOVA;
        take_file(open("/dev/zero", O_RDWR | O_CLOEXEC));
        expect_refused("not of memory");
        take_file(open("/proc/self/comm", O_RDWR | O_CLOEXEC)); /* a regular file, of no memory */
        expect_refused("not of memory");
        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        ck_assert_int_eq(close(ends[1]), 0);
        m.flags = MAP_READ | MAP_FIXED_IOVA;
        take_file(ends[0]);
        expect_refused("not of memory");
        ck_assert_int_eq(close(m.fd), 0);
        expect_refused("No file descriptor");
        m.fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* for tear_down */
}
END_TEST

START_TEST(disk) {
        const char *builddir = getenv("top_builddir");
        struct statfs fs;
        int fd;

        fd = open(builddir ? builddir : ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type == TMPFS_MAGIC) {
                printf("# skipped: the build is on a file system without O_TMPFILE, or in memory\n");
                (void) close_fd(fd);
                return;
        }
        ck_assert_int_eq(ftruncate(fd, (off_t) (PAGES * page)), 0);
        take_file(fd);
        expect_refused("not of memory");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("kernel-memory");
        TCase *tc = tcase_create("memory");

        tcase_add_checked_fixture(tc, set_up, tear_down);
        tcase_add_test(tc, request);
        tcase_add_test(tc, range);
        tcase_add_test(tc, size);
        tcase_add_test(tc, shrunk);
        tcase_add_test(tc, hole);
        tcase_add_test(tc, modes);
        tcase_add_test(tc, seals);
        tcase_add_test(tc, tmpfs);
        tcase_add_test(tc, huge);
        tcase_add_test(tc, no_memory);
        tcase_add_test(tc, disk);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
