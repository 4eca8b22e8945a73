/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The checks of a mapping's file that the kernel leaves out: Linux pins the
 * pages of whatever memfd it is given and lets the device write to them, be
 * the fd open for reading only or the file sealed against writing. A device
 * must get no more than mmap() would give the tenant.
 */
#include "kernel/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Linux 5.1 */
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define PASS_A_MEMFD "pass a memfd, or a file of tmpfs or hugetlbfs."

static bool is_whole_pages(uint64_t n) {
        return n % (uint64_t) sysconf(_SC_PAGESIZE) == 0;
}

int memory_check_range(uint64_t iova, uint64_t length, struct refusal *refusal) {
        if (length == 0)
                return refuse(refusal, EINVAL, "A mapping of 0 bytes was asked for; one has at least a page.");
        if (!is_whole_pages(iova) || !is_whole_pages(length))
                return refuse(refusal, EINVAL, "%#llx bytes at address %#llx are not whole pages of %ld bytes; round "
                              "both.",
                              (unsigned long long) length, (unsigned long long) iova, sysconf(_SC_PAGESIZE));
        if (iova > UINT64_MAX - (length - 1))
                return refuse(refusal, EINVAL, "%#llx bytes at address %#llx go beyond the last address; choose a "
                              "lower one.",
                              (unsigned long long) length, (unsigned long long) iova);
        return 0;
}

static int check_request(const struct kernel_mapping *m, struct refusal *refusal) {
        if (m->flags & ~(MAP_READ | MAP_WRITE | MAP_FIXED_IOVA))
                return refuse(refusal, EINVAL, "The flags %#x of a mapping have unknown bits; %#x are known.", m->flags,
                              MAP_READ | MAP_WRITE | MAP_FIXED_IOVA);
        if (!(m->flags & (MAP_READ | MAP_WRITE)))
                return refuse(refusal, EINVAL, "A mapping that the device may neither read nor write was asked for; "
                              "let it do one of them.");
        if (!(m->flags & MAP_FIXED_IOVA) && m->iova != 0)
                return refuse(refusal, EINVAL, "Address %#llx was given without asking for that one; ask for it, or "
                              "give 0.",
                              (unsigned long long) m->iova);
        if (!is_whole_pages(m->offset))
                return refuse(refusal, EINVAL, "Offset %#llx in the memory's file is not at the start of a page of "
                              "%ld bytes; round it.", (unsigned long long) m->offset, sysconf(_SC_PAGESIZE));
        return memory_check_range(m->iova, m->length, refusal);
}

/* The mode of the fd: what mmap(MAP_SHARED) asks of it. */
static int check_mode(const struct kernel_mapping *m, struct refusal *refusal) {
        int flags = fcntl(m->fd, F_GETFL);

        if (flags < 0)
                return refuse(refusal, EINVAL, "No file descriptor of memory came with the mapping; " PASS_A_MEMFD);
        if ((flags & O_PATH) || (flags & O_ACCMODE) == O_WRONLY)
                return refuse(refusal, EINVAL, "The memory's file descriptor is not open for reading; open it for "
                              "that.");
        if ((m->flags & MAP_WRITE) && (flags & O_ACCMODE) != O_RDWR)
                return refuse(refusal, EINVAL, "A device was to write to memory whose file descriptor is open for "
                              "reading only; open it for writing too, or map it for reading only.");
        return 0;
}

/* f_type is int or long, signed or not, as the architecture likes. */
static bool is_memory(const struct statfs *fs) {
        return (uint32_t) fs->f_type == TMPFS_MAGIC || (uint32_t) fs->f_type == HUGETLBFS_MAGIC;
}

/* A memfd shows no other sign of being one than its name; where /proc can't tell, the stricter answer counts. */
static bool is_memfd(int fd) {
        static const char prefix[] = "/memfd:";
        char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)], target[sizeof(prefix) - 1];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = readlink(path, target, sizeof(target));
        return n < 0 || ((size_t) n == sizeof(target) && memcmp(target, prefix, sizeof(target)) == 0);
}

static int check_seals(const struct kernel_mapping *m, struct refusal *refusal) {
        int seals = fcntl(m->fd, F_GET_SEALS);

        if (seals < 0) /* those of tmpfs and hugetlbfs have them always, if none that were set */
                return refuse(refusal, EINVAL, "The seals of the memory's file can't be told (%s); " PASS_A_MEMFD,
                              strerror(errno));
        if ((m->flags & MAP_WRITE) && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
                return refuse(refusal, EINVAL, "A device was to write to memory that is sealed against writing; map "
                              "it for reading only, or pass memory that is not.");
        /* Cut off under a device, the file and what the device sees would be two different things. */
        if (!(seals & F_SEAL_SHRINK) && is_memfd(m->fd))
                return refuse(refusal, EINVAL, "The memfd can still shrink under the device; make it with "
                              "MFD_ALLOW_SEALING and seal it with F_SEAL_SHRINK.");
        return 0;
}

int memory_check(const struct kernel_mapping *m, struct refusal *refusal) {
        struct statfs fs;
        struct stat st;
        int r;

        r = check_request(m, refusal);
        if (r < 0)
                return r;
        r = check_mode(m, refusal);
        if (r < 0)
                return r;
        /* Seals first: the kernel answers that by itself, and for memory alone. A file of FUSE would have its server asked. */
        if (fcntl(m->fd, F_GET_SEALS) < 0 || fstat(m->fd, &st) < 0 || fstatfs(m->fd, &fs) < 0 || !S_ISREG(st.st_mode) ||
            !is_memory(&fs))
                return refuse(refusal, EINVAL, "The file descriptor that was to be mapped is not of memory; "
                              PASS_A_MEMFD);
        r = check_seals(m, refusal);
        if (r < 0)
                return r;
        /* After the seals: with F_SEAL_SHRINK set, it stays true. */
        if (fstat(m->fd, &st) < 0 || m->offset > (uint64_t) st.st_size || m->length > (uint64_t) st.st_size - m->offset)
                return refuse(refusal, EINVAL, "%#llx bytes from offset %#llx on were to be mapped, and the file ends "
                              "at %#llx; map what is there, or make it longer first.", (unsigned long long) m->length,
                              (unsigned long long) m->offset, (unsigned long long) st.st_size);
        return 0;
}
