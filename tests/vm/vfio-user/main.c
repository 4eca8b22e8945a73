/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasid-device: a PCI Express endpoint with the PASID capability and a DMA
 * engine that obeys the IOMMU's tables, for QEMU's vfio-user-pci. One process
 * is one device. It listens, serves one peer, and ends when that has gone.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "device.h"
#include "guest-ram.h"
#include "internal/cleanup.h"

#define WIDTH_MAX 20U /* PCIe r6.0, 7.8.9.2 */

struct settings {
        const char *socket;
        const char *ram;
        unsigned int width;
        uint16_t rid;
        bool verbose;
};

static void print_help(void) {
        printf("pasid-device [OPTIONS] --ram=FILE --slot=BUS:DEVICE.FUNCTION SOCKET\n\n"
               "A PCI device with PASIDs behind a vfio-user socket.\n\n"
               "  --ram=FILE                  the guest's memory, below 2 GiB, mapped shared by QEMU\n"
               "  --slot=BUS:DEVICE.FUNCTION  where the guest sees it (hexadecimal), as its IOMMU's tables go by that\n"
               "  --width=N                   bits of its PASIDs, 1 to 20 (default: 20)\n"
               "  --no-pasid                  without the PASID capability\n"
               "  --verbose                   tell each access\n"
               "  --help                      this text\n");
}

static int parse_number(const char *text, unsigned long max, unsigned int *ret) {
        char *end;
        unsigned long v;

        errno = 0;
        v = strtoul(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' || *text == '-' || v < 1 || v > max)
                return -EINVAL;
        *ret = (unsigned int) v;
        return 0;
}

static int parse_slot(const char *text, uint16_t *ret) {
        unsigned int bus, device, function;
        char rest;

        if (sscanf(text, "%2x:%2x.%1x%c", &bus, &device, &function, &rest) != 3 || device > 31 || function > 7)
                return -EINVAL;
        *ret = (uint16_t) (bus << 8 | device << 3 | function);
        return 0;
}

/* 0 to go on, 1 if all is said and done, or a negative errno. */
static int parse_options(int argc, char **argv, struct settings *ret) {
        enum { RAM = 0x100, SLOT, WIDTH, NO_PASID, VERBOSE, HELP };
        static const struct option options[] = {
                { "ram", required_argument, NULL, RAM },         { "slot", required_argument, NULL, SLOT },
                { "width", required_argument, NULL, WIDTH },     { "no-pasid", no_argument, NULL, NO_PASID },
                { "verbose", no_argument, NULL, VERBOSE },       { "help", no_argument, NULL, HELP },
                {},
        };
        struct settings s = { .width = WIDTH_MAX };
        bool has_slot = false;
        int c, r = 0;

        while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case RAM:
                        s.ram = optarg;
                        break;
                case SLOT:
                        r = parse_slot(optarg, &s.rid);
                        has_slot = true;
                        break;
                case WIDTH:
                        r = parse_number(optarg, WIDTH_MAX, &s.width);
                        break;
                case NO_PASID:
                        s.width = 0;
                        break;
                case VERBOSE:
                        s.verbose = true;
                        break;
                case HELP:
                        print_help();
                        return 1;
                default:
                        return -EINVAL;
                }
        if (r == 0 && (!s.ram || !has_slot || optind != argc - 1))
                r = -EINVAL;
        if (r < 0) {
                (void) fprintf(stderr, "pasid-device: see --help\n");
                return r;
        }
        s.socket = argv[optind];
        *ret = s;
        return 0;
}

static int accept_peer(const char *path, int *ret) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int peer;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        (void) strcpy(address.sun_path, path);
        (void) unlink(path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 1) < 0)
                return -errno;
        peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (peer < 0)
                return -errno;
        *ret = peer;
        return 0;
}

int main(int argc, char **argv) {
        _cleanup_(guest_ram_close) struct guest_ram ram = {};
        _cleanup_free_ struct device *device = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct settings s = {};
        int r;

        r = parse_options(argc, argv, &s);
        if (r != 0)
                return r < 0 ? 2 : EXIT_SUCCESS;
        r = guest_ram_open(s.ram, &ram);
        if (r < 0) {
                (void) fprintf(stderr, "pasid-device: %s: %s\n", s.ram, strerror(-r));
                return EXIT_FAILURE;
        }
        device = calloc(1, sizeof(*device));
        if (!device)
                return EXIT_FAILURE;
        device->verbose = s.verbose;
        pci_config_init(&device->config, s.width);
        engine_init(&device->engine, &ram, &device->config, s.rid);
        r = accept_peer(s.socket, &fd);
        if (r == 0)
                r = device_serve(device, fd);
        if (r < 0) {
                (void) fprintf(stderr, "pasid-device: %s: %s\n", s.socket, strerror(-r));
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
