/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * next-id PID: prints the id that the next object of the process's iommufd
 * gets, which is the lowest that is free: it grows when objects are left over.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "internal/uapi-iommufd.h"

/* The process's file descriptor for /dev/iommu, or -errno. */
static int find_iommufd(pid_t pid) {
        char path[64], target[64];
        struct dirent *entry;
        int found = -ENOENT;
        ssize_t n;
        DIR *dir;

        (void) snprintf(path, sizeof(path), "/proc/%ld/fd", (long) pid);
        dir = opendir(path);
        if (!dir)
                return -errno;
        while (found < 0 && (entry = readdir(dir))) {
                n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
                if (n < 0)
                        continue;
                target[n] = 0;
                if (strcmp(target, "/dev/iommu") == 0)
                        found = (int) strtol(entry->d_name, NULL, 10);
        }
        (void) closedir(dir);
        return found;
}

static int take(pid_t pid) {
        int fd = find_iommufd(pid), pidfd, taken;

        if (fd < 0)
                return fd;
        pidfd = pidfd_open(pid, 0);
        if (pidfd < 0)
                return -errno;
        taken = pidfd_getfd(pidfd, fd, 0);
        if (taken < 0)
                taken = -errno;
        (void) close(pidfd);
        return taken;
}

int main(int argc, char **argv) {
        struct uapi_iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
        struct uapi_iommu_destroy destroy = { .size = sizeof(destroy) };
        int iommufd;

        if (argc != 2) {
                (void) fprintf(stderr, "next-id PID\n");
                return 2;
        }
        iommufd = take((pid_t) strtol(argv[1], NULL, 10));
        if (iommufd < 0) {
                (void) fprintf(stderr, "next-id: %s: %s\n", argv[1], strerror(-iommufd));
                return 1;
        }
        if (ioctl(iommufd, UAPI_IOMMU_IOAS_ALLOC, &ioas) < 0) {
                (void) fprintf(stderr, "next-id: %m\n");
                return 1;
        }
        destroy.id = ioas.out_ioas_id;
        if (ioctl(iommufd, UAPI_IOMMU_DESTROY, &destroy) < 0) {
                (void) fprintf(stderr, "next-id: %m\n");
                return 1;
        }
        (void) printf("%" PRIu32 "\n", ioas.out_ioas_id);
        (void) close(iommufd);
        return 0;
}
