/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Consumers come and go: Init and Exit.
 */
#include "service/mediated.h"
#include "service/reaper.h"

#include <errno.h>
#include <stdio.h>
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
                return refuse(refusal, EINVAL, "\"%.40s\" is no PCI address; write it as in 0000:01:00.0.", address);
        pci_address_format(&pci, text);

        info = device_list_find(&s->devices, text);
        if (!info)
                return refuse(refusal, ENODEV, "There is no device %s here that could use PASIDs; "
                                               "`pasidctl devices` lists those there are.", text);
        if (!info->usable)
                return refuse(refusal, EMEDIUMTYPE, "Device %s cannot use PASIDs: %s", text, info->reason);
        for (size_t i = 0; i < n; i++)
                if (strcmp(devices[i].address, text) == 0)
                        return refuse(refusal, EINVAL, "Device %s is named twice; name it once.", text);

        devices[n] = (struct consumer_device) { .space = info->iommu_group, .max_pasid = info->max_pasid,
                                                .vendor = info->vendor, .device = info->device };
        memcpy(devices[n].address, text, sizeof(text));
        return 0;
}

static bool is_known(const struct service *s, const char *address) {
        char text[PCI_ADDRESS_MAX];
        struct pci_address pci;

        if (pci_address_parse(address, &pci) < 0)
                return true; /* no look at the machine makes it an address */
        pci_address_format(&pci, text);
        return device_list_find(&s->devices, text);
}

/* One that is not known was perhaps plugged in since. Before any is found: the look may be news of the others, too. */
static int look_for_devices(struct service *s, const struct init_request *request, struct refusal *refusal) {
        for (size_t i = 0; i < request->n_devices; i++)
                if (!is_known(s, request->devices[i]))
                        return service_rediscover_for_request(s, refusal);
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
                                                       "its numbers stay taken over reboots; use hold \"boot\".");
                return 0;
        default:
                return 0; /* its holder is looked at in due course */
        }
}

/* A file descriptor is known by whom it holds, which has an id only now. */
static int name_holder(struct service *s, struct consumer *c, struct refusal *refusal) {
        char holder[sizeof("fd:18446744073709551615")];

        if (c->hold != HOLD_FD)
                return 0;
        (void) snprintf(holder, sizeof(holder), "fd:%llu", (unsigned long long) c->id);
        return core_consumer_set_holder(s->core, c, holder) < 0 ? refuse(refusal, ENOMEM, "Out of memory.") : 0;
}

/* watch is taken over if that succeeds. */
static int add(struct service *s, const struct consumer_spec *spec, struct hold_watch *watch, struct consumer **ret,
               struct refusal *refusal) {
        struct store *store = spec->hold == HOLD_PERSISTENT ? s->persistent_store : s->runtime_store;
        struct consumer *c;
        size_t mark;
        int r;

        service_prepare(s, store);
        mark = core_mark(s->core);
        r = core_consumer_add(s->core, spec, &c, refusal);
        if (r < 0)
                return r;
        r = name_holder(s, c, refusal);
        if (r < 0) {
                core_rollback(s->core, mark);
                return r;
        }
        r = service_persist(s, store, mark, NULL, "init", refusal);
        if (r < 0)
                return r;
        if (watch)
                hold_watch_assign(watch, c);
        *ret = c;
        return 0;
}

int service_init_consumer(struct service *s, const struct init_request *request, struct consumer **ret,
                          struct refusal *refusal) {
        _cleanup_free_ struct consumer_device *devices = NULL;
        _cleanup_(hold_watch_freep) struct hold_watch *watch = NULL;
        _cleanup_free_ char *holder = NULL;
        struct consumer_spec spec;
        struct moment now;
        int r;

        r = consumer_name_check(request->name, refusal);
        if (r < 0)
                return r;
        r = check_hold(request, refusal);
        if (r < 0)
                return r;
        if (request->mode == MODE_MEDIATED && request->n_devices == 0)
                return refuse(refusal, EINVAL, "Consumer \"%s\" is to be mediated and has no device to attach to; name one or "
                              "more, or make it advisory.", request->name);
        if (request->n_devices > INIT_DEVICES_MAX)
                return refuse(refusal, EINVAL, "%zu devices were named for one consumer; at most %u can be.",
                              request->n_devices, INIT_DEVICES_MAX);
        devices = calloc(request->n_devices + 1, sizeof(*devices));
        if (!devices)
                return refuse(refusal, ENOMEM, "Out of memory");
        r = look_for_devices(s, request, refusal);
        for (size_t i = 0; r >= 0 && i < request->n_devices; i++)
                r = find_device(s, request->devices[i], devices, i, refusal);
        if (r < 0)
                return r;

        r = hold_watch_open(s, request, &watch, &holder, refusal);
        if (r < 0)
                return r;

        service_get_moment(s, &now);
        spec = (struct consumer_spec) {
                .uid = request->uid,
                .name = request->name,
                .min = request->min ?: NUMBER_MIN,
                .max = request->max ?: NUMBER_MAX,
                .quota = request->quota,
                .hold = request->hold,
                .holder = request->hold == HOLD_CONNECTION ? request->holder : holder,
                .mode = request->mode,
                .since_usec = now.realtime_usec,
                .devices = devices,
                .n_devices = request->n_devices,
        };
        r = add(s, &spec, watch, ret, refusal);
        /* What is in the way may be of somebody who is gone, and that not yet noticed. */
        if ((r == -EEXIST || r == -EDQUOT) && reaper_sweep_for_request(s) > 0)
                r = add(s, &spec, watch, ret, refusal);
        if (r >= 0)
                watch = NULL; /* the consumer's */
        return r;
}

int service_exit_consumer(struct service *s, struct consumer *c, const char *reason, struct refusal *refusal) {
        struct store *store = service_store_of(s, c);
        struct mediation *mediation;
        struct ending ending;
        struct moment now;
        size_t mark;
        int r;

        r = ending_begin(s, c, NULL, 0, &ending, refusal);
        if (r < 0)
                return r;
        service_prepare(s, store);
        service_get_moment(s, &now);
        mark = core_mark(s->core);
        r = ending_detach_rows(s, &ending, &now, refusal);
        if (r >= 0 && core_consumer_end(s->core, c, &now) < 0)
                r = refuse(refusal, ENOMEM, "Out of memory.");
        /* The commit may free the consumer: what it holds in the kernel is ours from here on. */
        mediation = mediation_of(c);
        c->userdata = NULL;
        r = ending_commit(s, &ending, store, mark, reason, r, refusal);
        if (r >= 0)
                mediation_free(mediation);
        else if (mediation) /* else the consumer may be gone, with the Init that was refused together with this */
                c->userdata = mediation;
        return r;
}
