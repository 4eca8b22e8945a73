/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libpci behind a guard. Its error callback must not return, gets no pointer
 * of ours, and is called for a damaged pci.ids as well as for missing memory:
 * each call that may end there runs inside guarded(). pci_scan_bus() is not
 * used, since there a device unplugged meanwhile is a fatal error.
 */
#include "kernel/pcilib.h"

#include <errno.h>
#include <pci/pci.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal/contract.h"

#define CONFIG_HEADER_SIZE 64U        /* what the kernel shows without CAP_SYS_ADMIN */
#define CONFIG_CONVENTIONAL_SIZE 256U /* PCIe r6.0 7.2: the extended space starts here */

/* PCIe r6.0 7.8.9: PASID Capability Register at 04h, Max PASID Width in bits 12:8; Control Register at 06h, Enable in bit 0 */
#define CAPABILITY_REGISTER 4U
#define CAPABILITY_WIDTH(x) (((x) >> 8) & 0x1fU)
#define CAPABILITY_ENABLE 1U

/* No hwdb of udev: libpci 3.9 loses memory at each look-up on hosts without one. The network is off unless asked for. */
#define LOOKUP_FLAGS (PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | PCI_LOOKUP_NO_HWDB)

struct pcilib {
        struct pci_access *access;
};

/* Where a fatal error of libpci goes: valid only while guarded() is on this thread's stack. */
static _Thread_local jmp_buf *escape;

static void PCI_NONRET fail(_unused_ char *message, ...) {
        longjmp(*escape, 1);
}

static void keep_silent(_unused_ char *message, ...) {
}

/* False if libpci gave up. f owns nothing that would be lost by that: what it makes it leaves in arg. */
static bool guarded(void (*f)(void *arg), void *arg) {
        jmp_buf here;

        if (setjmp(here) != 0) {
                escape = NULL;
                return false;
        }
        escape = &here;
        f(arg);
        escape = NULL;
        return true;
}

struct setup {
        struct pci_access *access;
        char *path;
        const char *pci_ids;
};

static void set_up(void *arg) {
        struct setup *setup = arg;
        struct pci_access *access = setup->access;
        char key[] = "sysfs.path";

        access->method = PCI_ACCESS_SYS_BUS_PCI;
        access->id_lookup_mode = 0; /* else a cache in the home directory */
        (void) pci_set_param(access, key, setup->path);
        if (setup->pci_ids) {
                char *ids = strdup(setup->pci_ids);

                if (!ids)
                        access->error((char *) "out of memory");
                pci_set_name_list_path(access, ids, 1);
        }
        pci_init(access);
}

int pcilib_new(const char *sysfs, const char *pci_ids, struct pcilib **ret) {
        _cleanup_(pcilib_freep) struct pcilib *lib = NULL;
        char path[PCILIB_SYSFS_MAX + sizeof("/bus/pci")];
        struct setup setup = { .path = path, .pci_ids = pci_ids };

        if (strlen(sysfs) > PCILIB_SYSFS_MAX)
                return -ENAMETOOLONG;
        (void) snprintf(path, sizeof(path), "%s/bus/pci", sysfs);
        lib = calloc(1, sizeof(*lib));
        if (!lib)
                return -ENOMEM;
        lib->access = pci_alloc();
        lib->access->error = fail;
        lib->access->warning = keep_silent;
        lib->access->debug = keep_silent;
        setup.access = lib->access;
        if (!guarded(set_up, &setup))
                return -ENOMEM;
        *ret = TAKE_PTR(lib);
        return 0;
}

struct pcilib *pcilib_free(struct pcilib *lib) {
        if (lib) {
                pci_cleanup(lib->access);
                free(lib);
        }
        return NULL;
}

struct lookup {
        struct pcilib *lib;
        uint16_t vendor, device;
        char *buffer;
        const char *name;
};

static void look_up(void *arg) {
        struct lookup *lookup = arg;

        lookup->name = pci_lookup_name(lookup->lib->access, lookup->buffer, PCILIB_NAME_MAX, LOOKUP_FLAGS,
                                       (int) lookup->vendor, (int) lookup->device);
}

void pcilib_lookup_name(struct pcilib *lib, uint16_t vendor, uint16_t device, char ret[static PCILIB_NAME_MAX]) {
        struct lookup lookup = { .lib = lib, .vendor = vendor, .device = device, .buffer = ret };
        bool done;

        done = guarded(look_up, &lookup);
        if (!done) {
                /* A damaged pci.ids is complained of at its first use only, and is good up to the damage. */
                lookup.name = NULL;
                done = guarded(look_up, &lookup);
        }
        if (!done || !lookup.name)
                (void) snprintf(ret, PCILIB_NAME_MAX, "Device %04x:%04x", vendor, device);
        else if (lookup.name != ret)
                (void) snprintf(ret, PCILIB_NAME_MAX, "%s", lookup.name);
        (void) sysfs_make_printable(ret);
}

struct reading {
        struct pci_access *access;
        const struct pci_address *address;
        uint64_t config_size;
        struct pci_dev *device;
        struct capability_facts facts;
};

static void read_extended(struct reading *reading) {
        struct pci_cap *capability;
        unsigned int width;
        u8 value[4];

        capability = pci_find_cap(reading->device, PCI_EXT_CAP_ID_PASID, PCI_CAP_EXTENDED);
        if (!capability)
                return;
        /* A list that points at the very end gives no register, and so no capability. */
        if (!pci_read_block(reading->device, (int) (capability->addr + CAPABILITY_REGISTER), value, sizeof(value)))
                return;
        width = CAPABILITY_WIDTH((unsigned int) value[0] | (unsigned int) value[1] << 8);
        reading->facts.state = CAPABILITY_PRESENT;
        /* Values above 20 are reserved. */
        reading->facts.width = (uint8_t) (width > NUMBER_BITS ? NUMBER_BITS : width);
        reading->facts.is_on = value[2] & CAPABILITY_ENABLE;
}

static void read_config(void *arg) {
        struct reading *reading = arg;
        struct capability_facts *facts = &reading->facts;
        const struct pci_address *address = reading->address;
        u8 header[CONFIG_HEADER_SIZE], ones[CONFIG_HEADER_SIZE], probe[4];

        reading->device = pci_get_dev(reading->access, (int) address->domain, address->bus, address->device,
                                      address->function);
        memset(ones, 0xff, sizeof(ones));
        *facts = (struct capability_facts) { .state = CAPABILITY_UNREADABLE, .header = -1 };
        if (!pci_read_block(reading->device, 0, header, sizeof(header)))
                return;
        if (memcmp(header, ones, sizeof(ones)) == 0) {
                facts->state = CAPABILITY_SILENT;
                return;
        }
        facts->header = header[PCI_HEADER_TYPE] & 0x7f;
        facts->state = CAPABILITY_ABSENT;
        if (!pci_read_block(reading->device, (int) CONFIG_HEADER_SIZE, probe, sizeof(probe))) {
                /* The file's size is the true one, whoever asks; without extended space there is no such capability. */
                if (reading->config_size != CONFIG_CONVENTIONAL_SIZE)
                        facts->state = CAPABILITY_NO_PRIVILEGE;
        } else if (!pci_read_block(reading->device, (int) CONFIG_CONVENTIONAL_SIZE, probe, sizeof(probe))) {
                if (pci_find_cap(reading->device, PCI_CAP_ID_EXP, PCI_CAP_NORMAL))
                        facts->state = CAPABILITY_NO_EXTENDED;
        } else
                read_extended(reading);
}

int pcilib_read_capability(struct pcilib *lib, const struct pci_address *address, uint64_t config_size,
                           struct capability_facts *ret) {
        struct reading reading = { .access = lib->access, .address = address, .config_size = config_size };
        bool done;

        done = guarded(read_config, &reading);
        if (reading.device)
                pci_free_dev(reading.device);
        if (!done)
                return -ENOMEM;
        *ret = reading.facts;
        return 0;
}
