/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dma: has the device of tests/vm do one transfer, tagged with a PASID or not,
 * and says how that went. It gets at the registers through sysfs, beside
 * whoever holds the device through VFIO: what a driver in the device's tenant
 * would do is done here without holding anything.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../vfio-user/registers.h"
#include "internal/cleanup.h"

#define DEVICES "/sys/bus/pci/devices/"
#define REGISTERS "/sys/kernel/debug/iommu/intel/iommu_regset"
#define PAUSE_MSEC 2

enum { EXIT_DONE, EXIT_REFUSED, EXIT_USAGE, EXIT_BROKEN };

struct bar {
        volatile uint8_t *base;
};

static void bar_unmap(struct bar *bar) {
        if (bar->base)
                (void) munmap((void *) bar->base, ENGINE_BAR_SIZE);
}

/* The device decodes naturally aligned accesses of 32 bits. */
static uint32_t get32(const struct bar *bar, size_t at) {
        return *(volatile const uint32_t *) (bar->base + at);
}

static void set32(const struct bar *bar, size_t at, uint32_t v) {
        *(volatile uint32_t *) (bar->base + at) = v;
}

static void set64(const struct bar *bar, size_t at, uint64_t v) {
        set32(bar, at, (uint32_t) v);
        set32(bar, at + 4, (uint32_t) (v >> 32));
}

static int open_attribute(const char *device, const char *name, int flags) {
        char path[256];
        int fd;

        if ((size_t) snprintf(path, sizeof(path), DEVICES "%s/%s", device, name) >= sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* Decoding and bus mastering are the business of a driver, and vfio-pci leaves the latter to its user. */
static int enable(const char *device) {
        _cleanup_close_ int fd = open_attribute(device, "config", O_RDWR);
        uint16_t command;

        if (fd < 0)
                return fd;
        if (pread(fd, &command, sizeof(command), PCI_COMMAND) != sizeof(command))
                return -EIO;
        command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
        return pwrite(fd, &command, sizeof(command), PCI_COMMAND) == sizeof(command) ? 0 : -EIO;
}

static int map_bar(const char *device, struct bar *ret) {
        _cleanup_close_ int fd = open_attribute(device, "resource0", O_RDWR);
        void *base;

        if (fd < 0)
                return fd;
        base = mmap(NULL, ENGINE_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (base == MAP_FAILED)
                return -errno;
        ret->base = base;
        return 0;
}

/* The IOMMU's root table address register, as the kernel shows it (INTEL_IOMMU_DEBUGFS). */
static int read_root(uint64_t *ret) {
        FILE *f = fopen(REGISTERS, "re");
        char line[256];
        int r = -ENODATA;

        if (!f)
                return -errno;
        while (r < 0 && fgets(line, sizeof(line), f))
                if (sscanf(line, "RTADDR %*x %" SCNx64, ret) == 1)
                        r = 0;
        (void) fclose(f);
        return r;
}

static const char *status_name(uint32_t status) {
#define TEXT(name, text) text,
        static const char *const names[] = { ENGINE_STATUSES(TEXT) };

        return status < ELEMENTSOF(names) ? names[status] : "unknown";
}

static const char *fault_name(uint32_t fault) {
        static const char *const names[] = { ENGINE_FAULTS(TEXT) };

        return fault < ELEMENTSOF(names) ? names[fault] : "unknown";
}

static void fill_buffer(const struct bar *bar, const char *text, size_t n) {
        for (size_t i = 0; i < n; i += 4) {
                uint32_t v = 0;

                memcpy(&v, text + i, n - i < 4 ? n - i : 4);
                set32(bar, ENGINE_BUFFER + i, v);
        }
}

static void print_buffer(const struct bar *bar, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int c = (int) (get32(bar, ENGINE_BUFFER + (i & ~(size_t) 3)) >> 8 * (i & 3) & 0xff);

                if (isprint(c) && c != '\\')
                        (void) putchar(c);
                else
                        (void) printf("\\x%02x", (unsigned int) c);
        }
}

static uint32_t run_engine(const struct bar *bar, uint32_t pasid, enum engine_direction direction, uint64_t iova, size_t n) {
        set32(bar, ENGINE_PASID, pasid);
        set32(bar, ENGINE_DIRECTION, direction);
        set64(bar, ENGINE_IOVA, iova);
        set32(bar, ENGINE_LENGTH, (uint32_t) n);
        set32(bar, ENGINE_DOORBELL, 1);
        return get32(bar, ENGINE_STATUS);
}

/* Between two transfers others have the processor, of which there may be one. */
static bool is_stopped(void) {
        struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

        return poll(&p, 1, PAUSE_MSEC) != 0;
}

/* One that reads something else than the first did has failed, too. */
static int repeat(const struct bar *bar, uint32_t pasid, uint64_t iova, size_t n) {
        unsigned long done = 0, failed = 0;
        uint32_t first = 0;

        (void) puts("begun");
        (void) fflush(stdout);
        while (!is_stopped()) {
                if (run_engine(bar, pasid, ENGINE_FROM_MEMORY, iova, n) != ENGINE_STATUS_DONE)
                        failed++;
                else if (done > 0 && get32(bar, ENGINE_BUFFER) != first)
                        failed++;
                else
                        first = done++ > 0 ? first : get32(bar, ENGINE_BUFFER);
        }
        (void) printf("%lu done, %lu failed\n", done, failed);
        return failed == 0 ? EXIT_DONE : EXIT_REFUSED;
}

static int transfer(const struct bar *bar, uint32_t pasid, enum engine_direction direction, uint64_t iova, size_t n) {
        uint32_t status = run_engine(bar, pasid, direction, iova, n);

        (void) fputs(status_name(status), stdout);
        if (status == ENGINE_STATUS_FAULT)
                (void) printf(" %s", fault_name(get32(bar, ENGINE_FAULT)));
        if (status == ENGINE_STATUS_DONE && direction == ENGINE_FROM_MEMORY) {
                (void) putchar(' ');
                print_buffer(bar, n);
        }
        (void) putchar('\n');
        return status == ENGINE_STATUS_DONE ? EXIT_DONE : EXIT_REFUSED;
}

static int usage(void) {
        (void) fprintf(stderr, "dma ADDRESS PASID read IOVA LENGTH\n"
                       "dma ADDRESS PASID write IOVA TEXT\n"
                       "dma ADDRESS PASID repeat IOVA LENGTH\n\n"
                       "PASID \"-\" sends the request without one. Prints \"done\" and what was read, or the\n"
                       "device's reason, which for \"fault\" is followed by what the IOMMU's tables lack.\n"
                       "\"repeat\" says \"begun\", reads hundreds of times a second until there is something on standard input or its\n"
                       "end, and prints how many transfers were done and how many not.\n"
                       "Exit status: 0 done, 1 not done, 2 bad arguments, 3 no such device.\n");
        return EXIT_USAGE;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *ret) {
        char *end;

        errno = 0;
        *ret = strtoull(text, &end, 0);
        return errno == 0 && end != text && *end == '\0' && *text != '-' && *ret <= max;
}

int main(int argc, char **argv) {
        _cleanup_(bar_unmap) struct bar bar = {};
        uint64_t pasid = ENGINE_UNTAGGED, iova, length, root;
        const char *failed;
        bool is_write, is_repeat;
        int r;

        if (argc != 6 || (strcmp(argv[2], "-") != 0 && !parse_number(argv[2], ENGINE_UNTAGGED - 1, &pasid)) ||
            !parse_number(argv[4], UINT64_MAX, &iova))
                return usage();
        is_write = strcmp(argv[3], "write") == 0;
        is_repeat = strcmp(argv[3], "repeat") == 0;
        if (is_write)
                length = strlen(argv[5]);
        else if ((!is_repeat && strcmp(argv[3], "read") != 0) || !parse_number(argv[5], ENGINE_BUFFER_SIZE, &length))
                return usage();
        if (length > ENGINE_BUFFER_SIZE)
                return usage();

        failed = REGISTERS;
        r = read_root(&root);
        if (r == 0) {
                failed = argv[1];
                r = enable(argv[1]);
        }
        if (r == 0)
                r = map_bar(argv[1], &bar);
        if (r == 0 && get32(&bar, ENGINE_MAGIC) != ENGINE_MAGIC_VALUE)
                r = -ENXIO;
        if (r < 0) {
                (void) fprintf(stderr, "dma: %s: %s\n", failed, strerror(-r));
                return EXIT_BROKEN;
        }
        set64(&bar, ENGINE_ROOT, root);
        if (is_write)
                fill_buffer(&bar, argv[5], length);
        if (is_repeat)
                return repeat(&bar, (uint32_t) pasid, iova, length);
        return transfer(&bar, (uint32_t) pasid, is_write ? ENGINE_TO_MEMORY : ENGINE_FROM_MEMORY, iova, length);
}
