/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bounded access to the file behind the guest's memory.
 */
#include "guest-ram.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SIZE_MAX_LOW (UINT64_C(2) << 30) /* q35 puts what is above this elsewhere than in the file */

int guest_ram_open(const char *path, struct guest_ram *ret) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        void *base;

        fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size <= 0 || (uint64_t) st.st_size > SIZE_MAX_LOW)
                return -EFBIG;
        base = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (base == MAP_FAILED)
                return -errno;
        *ret = (struct guest_ram) { base, (size_t) st.st_size };
        return 0;
}

void guest_ram_close(struct guest_ram *ram) {
        if (ram->base)
                (void) munmap(ram->base, ram->size);
        *ram = (struct guest_ram) {};
}

uint8_t *guest_ram_at(const struct guest_ram *ram, uint64_t address, size_t n) {
        if (address > ram->size || n > ram->size - address)
                return NULL;
        return ram->base + address;
}

bool guest_ram_read64(const struct guest_ram *ram, uint64_t address, uint64_t *ret) {
        const uint8_t *p = guest_ram_at(ram, address, sizeof(*ret));

        if (!p)
                return false;
        memcpy(ret, p, sizeof(*ret));
        return true;
}
