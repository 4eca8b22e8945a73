/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one table of the contract's conditions: the name on the bus
 * (org.pasidd1.Error.<name>, unless a full standard name is given), the errno
 * that libpasid returns, and a short text. Daemon and client both build from
 * it, so that a condition can't have two names or two numbers.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define PASIDD_ERROR_PREFIX "org.pasidd1.Error."

/* X(name on the bus, errno, short text) */
#define PASIDD_ERRORS(X)                                                                          \
        X(PASIDD_ERROR_PREFIX "NoSuchConsumer", ESRCH, "no such consumer")                        \
        X(PASIDD_ERROR_PREFIX "ConsumerExists", EEXIST, "consumer exists already")                \
        X(PASIDD_ERROR_PREFIX "NoSuchDevice", ENODEV, "no such device")                           \
        X(PASIDD_ERROR_PREFIX "NoSuchPasid", ENOENT, "PASID is not allocated here")               \
        X(PASIDD_ERROR_PREFIX "InvalidName", EILSEQ, "invalid consumer name")                     \
        X(PASIDD_ERROR_PREFIX "InvalidRange", EDOM, "invalid PASID range")                        \
        X(PASIDD_ERROR_PREFIX "OutOfRange", ERANGE, "range is outside the hardware's")            \
        X(PASIDD_ERROR_PREFIX "Exhausted", ENOSPC, "no free PASID in the range")                  \
        X(PASIDD_ERROR_PREFIX "AlreadyAllocated", EADDRINUSE, "PASID is already allocated")       \
        X(PASIDD_ERROR_PREFIX "CoolingDown", EAGAIN, "PASID is cooling down")                     \
        X(PASIDD_ERROR_PREFIX "QuotaExceeded", EDQUOT, "quota exceeded")                          \
        X(PASIDD_ERROR_PREFIX "PrivateTooLarge", EMSGSIZE, "private data is too large")           \
        X(PASIDD_ERROR_PREFIX "DeviceUnusable", EMEDIUMTYPE, "device cannot use PASIDs")          \
        X(PASIDD_ERROR_PREFIX "DeviceBusy", EBUSY, "device is busy")                              \
        X(PASIDD_ERROR_PREFIX "DeviceGone", ENXIO, "device is gone")                              \
        X(PASIDD_ERROR_PREFIX "NotAttached", ENOLINK, "PASID is not attached")                    \
        X(PASIDD_ERROR_PREFIX "NotMediated", EPROTOTYPE, "consumer is not in mediated mode")      \
        X(PASIDD_ERROR_PREFIX "StorageFull", EFBIG, "table's file system is full")                \
        X(PASIDD_ERROR_PREFIX "StorageFailed", EIO, "table cannot be written or read")            \
        X(PASIDD_ERROR_PREFIX "Unsupported", EOPNOTSUPP, "not supported")                         \
        X("org.freedesktop.DBus.Error.AccessDenied", EACCES, "access denied")                     \
        X("org.freedesktop.DBus.Error.InvalidArgs", EINVAL, "invalid argument")                   \
        X("org.freedesktop.DBus.Error.LimitsExceeded", ENOBUFS, "limit exceeded")                 \
        X("org.freedesktop.DBus.Error.NoMemory", ENOMEM, "out of memory")

struct error_entry {
        const char *name; /* full D-Bus error name */
        int code;         /* positive errno */
        const char *text; /* short English text, no final stop */
};

#define PASIDD_ERROR_ENTRY_(n, c, t) { n, c, t },
static const struct error_entry error_table[] __attribute__((unused)) = {
        PASIDD_ERRORS(PASIDD_ERROR_ENTRY_)
};
#undef PASIDD_ERROR_ENTRY_

#define ERROR_TABLE_SIZE (sizeof(error_table) / sizeof(error_table[0]))

/* code: errno of either sign. NULL if the contract has no such condition. */
static inline const struct error_entry *error_by_code(int code) {
        if (code < 0)
                code = -code;
        for (size_t i = 0; i < ERROR_TABLE_SIZE; i++)
                if (error_table[i].code == code)
                        return &error_table[i];
        return NULL;
}

static inline const struct error_entry *error_by_name(const char *name) {
        for (size_t i = 0; name && i < ERROR_TABLE_SIZE; i++)
                if (strcmp(error_table[i].name, name) == 0)
                        return &error_table[i];
        return NULL;
}
