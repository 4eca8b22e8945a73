/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel in memory, for tests of the service: devices that come and go, and
 * whatever is made on them. It fails at a call of the test's choice, keeps a
 * record of what was made and undone, and stops the test where the service
 * asks for what the real kernel would let happen in silence: an attachment
 * over another, PASID 0, a number beyond the width, an object that is none.
 */
#pragma once

#include <stdio.h>

#include "kernel/kernel.h"

#define FAKE_DEVICES_MAX 6
#define FAKE_VENDOR 0x0bad

struct fake_device {
        const char *address;
        int32_t group;
        uint8_t width; /* 0: not usable */
        const char *iommu;
        bool is_taken;    /* somebody else has it bound */
        bool has_no_news; /* it can't tell that it is wanted back */
        uint16_t id;      /* beside a vendor of the test's; 0: neither can be told */
};

enum fake_kind {
        FAKE_DEVICE, /* open */
        FAKE_IOAS,
        FAKE_HWPT,
        FAKE_ATTACHMENT,
        FAKE_MAPPING,
        FAKE_KIND_MAX_,
};

struct fake_object {
        enum fake_kind kind;
        uint32_t id;    /* of what has one */
        uint32_t of;    /* the IOAS of a page table or mapping, the page table of an attachment */
        uint32_t pasid; /* of an attachment */
        uint32_t flags; /* of a mapping */
        uint64_t iova, length;
        const char *address, *iommu;
        struct kernel_device *device; /* NULL: nobody has it open, but its fd is kept */
        uint64_t inode;               /* of a device's fd */
};

struct fake_step {
        bool is_undo;
        struct fake_object object;
};

struct fake_kernel {
        struct kernel kernel; /* first, so that ops can get back */
        struct fake_device devices[FAKE_DEVICES_MAX];
        size_t n_devices;
        unsigned n_opened_for_tenants;

        struct fake_object *objects;
        size_t n_objects, size_objects;
        uint32_t last_id;
        struct fake_step *steps;
        size_t n_steps, size_steps;

        unsigned n_calls; /* of those that can be told to fail */
        unsigned fail_from, fail_to;
        int code;
        bool is_discover_failing;

        kernel_changed_t changed;
        void *changed_userdata;

        /* Fds that outlive the service keep what hangs on them; a start that takes them over may undo what is not there. */
        bool (*is_kept)(const char *address, void *userdata); /* NULL: the iommufd; of the test */
        void *kept_userdata;
        int iommufd;
        uint64_t iommufd_inode;
        bool is_settling;

        /* What list_attached() says: the truth, but for one number more or less. */
        uint32_t shown, hidden;
        bool is_secretive;
        bool gives_pasids;
};

void fake_kernel_init(struct fake_kernel *k);
void fake_kernel_done(struct fake_kernel *k);

/* The n-th call from now on that makes or undoes something is refused with code (1: the next). 0: none. */
void fake_kernel_fail(struct fake_kernel *k, unsigned n, int code);
/* It and all after it. */
void fake_kernel_fail_from(struct fake_kernel *k, unsigned n, int code);

size_t fake_kernel_count(const struct fake_kernel *k, enum fake_kind kind);
bool fake_kernel_has_open(const struct fake_kernel *k, const char *address);
/* NULL: not attached. */
const struct fake_object *fake_kernel_attachment(const struct fake_kernel *k, const char *address, uint32_t pasid);
/* One object a line, devices left out. */
void fake_kernel_describe(const struct fake_kernel *k, FILE *out);

/* The kernel wants the device, which is open, back. */
void fake_kernel_request(struct fake_kernel *k, const char *address);
/* Something about the devices has changed. */
void fake_kernel_tell(struct fake_kernel *k);

/* The last fd of a device that nobody has open is closed. */
void fake_kernel_let_go(struct fake_kernel *k, const char *address);
/* Makes or undoes behind the service's back: what was under way when it died. */
void fake_kernel_make(struct fake_kernel *k, const struct fake_object *object);
void fake_kernel_drop(struct fake_kernel *k, const struct fake_object *object);

void fake_kernel_forget_steps(struct fake_kernel *k);
/* Since then whatever was made was undone, the last one first; or whatever was undone was made again, likewise. */
void fake_kernel_expect_undone(const struct fake_kernel *k);
