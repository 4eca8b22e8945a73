/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Structs with a size, which let programs and libraries of different versions
 * meet (the rule stands in pasid.h), and the contract's words for the enums.
 */
#include "libpasid-internal.h"

/* Version 0.1 is the first: its structs are the smallest, and all there are. */
#define SIZE_0_1(own_size) (own_size)

static size_t struct_size(const void *given) {
        size_t size;

        memcpy(&size, given, sizeof(size));
        return size;
}

int lp_struct_check_(const void *given, size_t own_size) {
        return struct_size(given) < SIZE_0_1(own_size) ? -EINVAL : 0;
}

int lp_struct_read_(const void *given, void *own, size_t own_size) {
        size_t size;
        int r;

        if (!given)
                return 0;
        r = lp_struct_check_(given, own_size);
        if (r < 0)
                return r;
        size = struct_size(given);
        for (size_t i = own_size; i < size; i++)
                if (((const unsigned char *) given)[i] != 0)
                        return -E2BIG;
        if (size > own_size)
                size = own_size;
        memcpy((char *) own + sizeof(size_t), (const char *) given + sizeof(size_t), size - sizeof(size_t));
        return 0;
}

void lp_struct_write_(void *given, size_t size, const void *own, size_t own_size) {
        char *p = given;

        memcpy(p, &size, sizeof(size));
        if (size > own_size) {
                memset(p + own_size, 0, size - own_size);
                size = own_size;
        }
        memcpy(p + sizeof(size_t), (const char *) own + sizeof(size_t), size - sizeof(size_t));
}

static const char *const state_names[] = {
        [PASID_STATE_UNKNOWN] = "unknown",
        [PASID_STATE_ALLOCATED] = "allocated",
        [PASID_STATE_ATTACHED] = "attached",
        [PASID_STATE_COOLING] = "cooling",
        [PASID_STATE_RESERVED] = "reserved",
        [PASID_STATE_LOST] = "lost",
};

static const char *const hold_names[] = {
        [PASID_HOLD_DEFAULT] = "default",
        [PASID_HOLD_CONNECTION] = "connection",
        [PASID_HOLD_FD] = "fd",
        [PASID_HOLD_PROCESS] = "process",
        [PASID_HOLD_UNIT] = "unit",
        [PASID_HOLD_BOOT] = "boot",
        [PASID_HOLD_PERSISTENT] = "persistent",
};

static const char *const mode_names[] = {
        [PASID_MODE_ADVISORY] = "advisory",
        [PASID_MODE_MEDIATED] = "mediated",
};

static const char *const finding_names[] = {
        [PASID_FINDING_UNKNOWN] = "unknown",
        [PASID_FINDING_NOT_IN_KERNEL] = "not-in-kernel",
        [PASID_FINDING_NOT_IN_TABLE] = "not-in-table",
        [PASID_FINDING_DEVICE_NOT_HELD] = "device-not-held",
        [PASID_FINDING_DEVICE_GONE] = "device-gone",
        [PASID_FINDING_SKIPPED] = "skipped",
        [PASID_FINDING_NOT_HEALTHY] = "not-healthy",
};

static int find_name(const char *const *names, size_t n, const char *s) {
        for (size_t i = 0; s && i < n; i++)
                if (strcmp(names[i], s) == 0)
                        return (int) i;
        return -1;
}

_public_ const char *pasid_state_to_string(enum pasid_state state) {
        return (size_t) state < ELEMENTSOF(state_names) ? state_names[state] : NULL;
}

_public_ const char *pasid_hold_to_string(enum pasid_hold hold) {
        return (size_t) hold < ELEMENTSOF(hold_names) ? hold_names[hold] : NULL;
}

_public_ const char *pasid_mode_to_string(enum pasid_mode mode) {
        if (mode == PASID_MODE_UNKNOWN)
                return "unknown";
        return (size_t) mode < ELEMENTSOF(mode_names) ? mode_names[mode] : NULL;
}

_public_ const char *pasid_finding_type_to_string(enum pasid_finding_type type) {
        return (size_t) type < ELEMENTSOF(finding_names) ? finding_names[type] : NULL;
}

enum pasid_state lp_state_from_string(const char *s) {
        int i = find_name(state_names, ELEMENTSOF(state_names), s);

        return i < 0 ? PASID_STATE_UNKNOWN : (enum pasid_state) i;
}

enum pasid_hold lp_hold_from_string(const char *s) {
        int i = find_name(hold_names, ELEMENTSOF(hold_names), s);

        return i < 0 ? PASID_HOLD_DEFAULT : (enum pasid_hold) i;
}

enum pasid_mode lp_mode_from_string(const char *s) {
        return (enum pasid_mode) find_name(mode_names, ELEMENTSOF(mode_names), s);
}

enum pasid_finding_type lp_finding_from_string(const char *s) {
        int i = find_name(finding_names, ELEMENTSOF(finding_names), s);

        return i < 0 ? PASID_FINDING_UNKNOWN : (enum pasid_finding_type) i;
}
