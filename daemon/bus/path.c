/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Object paths of consumers and devices. A path is accepted only as it is
 * made here, so that no object answers under two paths.
 */
#include "bus/path.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-bus.h>

#define UID_PREFIX_MAX sizeof(PASIDD_CONSUMER_PREFIX "/4294967295")

static void uid_prefix(uid_t uid, char buf[static UID_PREFIX_MAX]) {
        (void) snprintf(buf, UID_PREFIX_MAX, PASIDD_CONSUMER_PREFIX "/%u", (unsigned) uid);
}

int path_of_consumer(uid_t uid, const char *name, char **ret) {
        char prefix[UID_PREFIX_MAX];

        uid_prefix(uid, prefix);
        return sd_bus_path_encode(prefix, name, ret);
}

int path_of_device(const char *address, char **ret) {
        return sd_bus_path_encode(PASIDD_DEVICE_PREFIX, address, ret);
}

int path_to_consumer(const char *path, uid_t *ret_uid, char **ret_name) {
        _cleanup_free_ char *name = NULL, *again = NULL;
        char prefix[UID_PREFIX_MAX], *end;
        unsigned long long uid;
        const char *p;
        int r;

        if (strncmp(path, PASIDD_CONSUMER_PREFIX "/", strlen(PASIDD_CONSUMER_PREFIX "/")) != 0)
                return 0;
        p = path + strlen(PASIDD_CONSUMER_PREFIX "/");
        if (!isdigit((unsigned char) *p))
                return 0;
        errno = 0;
        uid = strtoull(p, &end, 10);
        if (errno != 0 || uid > UINT32_MAX || *end != '/')
                return 0;

        uid_prefix((uid_t) uid, prefix);
        r = sd_bus_path_decode(path, prefix, &name);
        if (r <= 0)
                return r;
        r = path_of_consumer((uid_t) uid, name, &again);
        if (r < 0)
                return r;
        if (strcmp(path, again) != 0)
                return 0;
        *ret_uid = (uid_t) uid;
        *ret_name = TAKE_PTR(name);
        return 1;
}

int path_to_device(const char *path, char **ret_address) {
        _cleanup_free_ char *address = NULL, *again = NULL;
        int r;

        r = sd_bus_path_decode(path, PASIDD_DEVICE_PREFIX, &address);
        if (r <= 0)
                return r;
        r = path_of_device(address, &again);
        if (r < 0)
                return r;
        if (strcmp(path, again) != 0)
                return 0;
        *ret_address = TAKE_PTR(address);
        return 1;
}
