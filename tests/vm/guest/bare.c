/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bare: does with the kernel's interface alone what pasidd does for a tenant,
 * so that the tests can tell a fault of the machine from one of pasidd. It
 * attaches a PASID, maps a page for reading and writing and one for reading
 * only, runs a command, and shows what the first page says afterwards.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal/cleanup.h"
#include "internal/uapi-iommufd.h"
#include "internal/uapi-vfio.h"

#define PAGE 4096U

struct bare {
        int iommufd;
        int device;
        int memory;
        uint32_t ioas;
        uint32_t hwpt;
};

static void bare_close(struct bare *bare) {
        (void) close_fd(bare->memory);
        (void) close_fd(bare->device);
        (void) close_fd(bare->iommufd);
}

static int call(const char *what, int fd, unsigned long request, void *argument) {
        int r = ioctl(fd, request, argument) < 0 ? -errno : 0;

        if (r < 0)
                (void) fprintf(stderr, "bare: %s: %s\n", what, strerror(-r));
        return r;
}

/* sysfs tells the name of the device's cdev as that of a directory. */
static int open_cdev(const char *address) {
        char path[512];
        struct dirent *entry;
        int fd = -ENODEV;
        DIR *dir;

        (void) snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", address);
        dir = opendir(path);
        if (!dir)
                return -errno;
        while (fd < 0 && (entry = readdir(dir))) {
                if (strncmp(entry->d_name, "vfio", 4) != 0)
                        continue;
                (void) snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
                fd = open(path, O_RDWR | O_CLOEXEC);
                if (fd < 0)
                        fd = -errno;
        }
        (void) closedir(dir);
        return fd;
}

static int attach(struct bare *bare, const char *address, uint32_t pasid) {
        struct uapi_vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
        struct uapi_iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
        struct uapi_iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt), .flags = UAPI_IOMMU_HWPT_ALLOC_PASID };
        struct uapi_vfio_device_attach_iommufd_pt pt = {
                .argsz = sizeof(pt),
                .flags = UAPI_VFIO_DEVICE_ATTACH_PASID,
                .pasid = pasid,
        };
        int r;

        bare->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
        if (bare->iommufd < 0)
                return -errno;
        bare->device = open_cdev(address);
        if (bare->device < 0)
                return bare->device;
        bind.iommufd = bare->iommufd;
        r = call("bind", bare->device, UAPI_VFIO_DEVICE_BIND_IOMMUFD, &bind);
        if (r == 0)
                r = call("ioas", bare->iommufd, UAPI_IOMMU_IOAS_ALLOC, &ioas);
        if (r < 0)
                return r;
        hwpt.dev_id = bind.out_devid;
        hwpt.pt_id = bare->ioas = ioas.out_ioas_id;
        r = call("hwpt", bare->iommufd, UAPI_IOMMU_HWPT_ALLOC, &hwpt);
        if (r < 0)
                return r;
        pt.pt_id = bare->hwpt = hwpt.out_hwpt_id;
        return call("attach", bare->device, UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, &pt);
}

static int map(struct bare *bare, uint64_t iova, const char *text) {
        struct uapi_iommu_ioas_map_file m = {
                .size = sizeof(m),
                .flags = UAPI_IOMMU_IOAS_MAP_FIXED_IOVA | UAPI_IOMMU_IOAS_MAP_READABLE | UAPI_IOMMU_IOAS_MAP_WRITEABLE,
                .ioas_id = bare->ioas,
                .length = PAGE,
                .iova = iova,
        };
        size_t n = strlen(text);
        int r;

        bare->memory = memfd_create("bare", MFD_CLOEXEC);
        if (bare->memory < 0 || ftruncate(bare->memory, 2 * PAGE) < 0)
                return -errno;
        if (pwrite(bare->memory, text, n, 0) != (ssize_t) n || pwrite(bare->memory, text, n, PAGE) != (ssize_t) n)
                return -EIO;
        m.fd = bare->memory;
        r = call("map", bare->iommufd, UAPI_IOMMU_IOAS_MAP_FILE, &m);
        if (r < 0)
                return r;
        m.flags &= ~UAPI_IOMMU_IOAS_MAP_WRITEABLE;
        m.start += PAGE;
        m.iova += PAGE;
        return call("map", bare->iommufd, UAPI_IOMMU_IOAS_MAP_FILE, &m);
}

static int run(char **argv) {
        int status;
        pid_t pid;

        (void) fflush(stdout);
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                (void) execvp(argv[0], argv);
                _exit(127);
        }
        return waitpid(pid, &status, 0) < 0 ? -errno : 0;
}

static int detach(struct bare *bare, uint32_t pasid) {
        struct uapi_vfio_device_detach_iommufd_pt pt = {
                .argsz = sizeof(pt),
                .flags = UAPI_VFIO_DEVICE_DETACH_PASID,
                .pasid = pasid,
        };

        return call("detach", bare->device, UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT, &pt);
}

int main(int argc, char **argv) {
        _cleanup_(bare_close) struct bare bare = { -EBADF, -EBADF, -EBADF, 0, 0 };
        char seen[65] = "";
        uint32_t pasid;
        ssize_t n;
        int r;

        if (argc < 6) {
                (void) fprintf(stderr, "bare ADDRESS PASID IOVA TEXT COMMAND [ARGUMENT]...\n");
                return 2;
        }
        pasid = (uint32_t) strtoul(argv[2], NULL, 0);
        r = attach(&bare, argv[1], pasid);
        if (r == 0)
                r = map(&bare, strtoull(argv[3], NULL, 0), argv[4]);
        if (r == 0)
                r = run(argv + 5);
        if (r == 0)
                r = detach(&bare, pasid);
        if (r < 0) {
                (void) fprintf(stderr, "bare: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        n = pread(bare.memory, seen, sizeof(seen) - 1, 0);
        (void) printf("memory %s\n", n > 0 ? seen : "");
        return EXIT_SUCCESS;
}
