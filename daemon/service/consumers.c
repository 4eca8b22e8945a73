/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Consumers come and go: Init and Exit.
 */
#include "service/service-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INIT_DEVICES_MAX 256U

/* One device of an Init: it must be there, usable, and named once. */
static int find_device(struct service *s, const char *address, struct consumer_device *devices, size_t n,
                       struct refusal *refusal) {
        const struct device_info *info;
        struct pci_address pci;
        char text[PCI_ADDRESS_MAX];
        int r;

        r = pci_address_parse(address, &pci);
        if (r < 0)
                return refuse(refusal, EINVAL, "'%.40s' is no PCI address; write it as in 0000:01:00.0", address);
        pci_address_format(&pci, text);

        info = device_list_find(&s->devices, text);
        if (!info) { /* perhaps it was plugged in since */
                r = service_rediscover(s, refusal);
                if (r < 0)
                        return r;
                info = device_list_find(&s->devices, text);
        }
        if (!info)
                return refuse(refusal, ENODEV, "There is no device %s here that could use PASIDs; "
                                               "`pasidctl devices` lists those there are", text);
        if (!info->usable)
                return refuse(refusal, EMEDIUMTYPE, "Device %s cannot use PASIDs: %s", text, info->reason);
        for (size_t i = 0; i < n; i++)
                if (strcmp(devices[i].address, text) == 0)
                        return refuse(refusal, EINVAL, "Device %s is named twice; name it once", text);

        devices[n] = (struct consumer_device) { .space = info->iommu_group, .max_pasid = info->max_pasid };
        memcpy(devices[n].address, text, sizeof(text));
        return 0;
}

static int check_hold(const struct init_request *request, struct refusal *refusal) {
        switch (request->hold) {
        case HOLD_CONNECTION:
        case HOLD_BOOT:
                return 0;
        case HOLD_PERSISTENT:
                if (!request->privileged)
                        return refuse(refusal, EACCES, "Only root may make a persistent consumer: "
                                                       "its numbers stay taken over reboots; use hold 'boot'");
                return 0;
        default:
                return refuse(refusal, EOPNOTSUPP, "Hold '%s' is not supported by this version; "
                                                   "use 'connection', 'boot' or 'persistent'",
                              hold_kind_to_string(request->hold));
        }
}

int service_init_consumer(struct service *s, const struct init_request *request, struct consumer **ret,
                          struct refusal *refusal) {
        _cleanup_free_ struct consumer_device *devices = NULL;
        struct consumer_spec spec;
        struct consumer *c;
        struct store *store;
        struct moment now;
        size_t mark;
        int r;

        r = consumer_name_check(request->name, refusal);
        if (r < 0)
                return r;
        r = check_hold(request, refusal);
        if (r < 0)
                return r;
        if (request->mode != MODE_ADVISORY)
                return refuse(refusal, EOPNOTSUPP, "Mode '%s' is not supported by this version; use 'advisory'",
                              consumer_mode_to_string(request->mode));
        if (request->n_devices > INIT_DEVICES_MAX)
                return refuse(refusal, EINVAL, "%zu devices were named for one consumer; at most %u can be",
                              request->n_devices, INIT_DEVICES_MAX);
        devices = calloc(request->n_devices + 1, sizeof(*devices));
        if (!devices)
                return refuse(refusal, ENOMEM, "Out of memory");
        for (size_t i = 0; i < request->n_devices; i++) {
                r = find_device(s, request->devices[i], devices, i, refusal);
                if (r < 0)
                        return r;
        }

        store = request->hold == HOLD_PERSISTENT ? s->persistent_store : s->runtime_store;
        service_prepare(s, store);
        service_get_moment(s, &now);
        spec = (struct consumer_spec) {
                .uid = request->uid,
                .name = request->name,
                .min = request->min ?: NUMBER_MIN,
                .max = request->max ?: NUMBER_MAX,
                .quota = request->quota,
                .hold = request->hold,
                .holder = request->hold == HOLD_CONNECTION ? request->holder : "",
                .mode = request->mode,
                .since_usec = now.realtime_usec,
                .devices = devices,
                .n_devices = request->n_devices,
        };
        mark = core_mark(s->core);
        r = core_consumer_add(s->core, &spec, &c, refusal);
        if (r < 0)
                return r;
        r = service_persist(s, store, mark, NULL, "init", refusal);
        if (r < 0)
                return r;
        *ret = c;
        return 0;
}

int service_exit_consumer(struct service *s, struct consumer *c, const char *reason, struct refusal *refusal) {
        struct store *store = service_store_of(s, c);
        struct moment now;
        size_t mark;
        int r;

        service_prepare(s, store);
        service_get_moment(s, &now);
        mark = core_mark(s->core);
        r = core_consumer_end(s->core, c, &now);
        if (r < 0)
                return refuse(refusal, -r, "Could not end consumer '%s': %s", c->name, strerror(-r));
        return service_persist(s, store, mark, NULL, reason, refusal);
}
