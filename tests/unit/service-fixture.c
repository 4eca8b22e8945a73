/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fake kernel, refusing store and fake clock around the real service.
 */
#include "service-fixture.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fault_store {
        struct store store;
        struct store *real;
        unsigned fail_at;
        int code;
};

void fault_store_fail(struct fault_store *store, unsigned n, int code) {
        store->fail_at = n;
        store->code = code;
}

static struct fault_store *fault(struct store *s) {
        return (struct fault_store *) s;
}

static bool is_refused(struct store *s, struct refusal *refusal) {
        struct fault_store *f = fault(s);

        if (f->fail_at == 0 || --f->fail_at > 0)
                return false;
        (void) refuse(refusal, f->code, "the test refused this step");
        return true;
}

#define PASS_ON(name, params, args)                              \
        static int name##_or_fail params {                       \
                struct store *real = fault(s)->real;             \
                                                                 \
                if (is_refused(s, refusal))                      \
                        return -fault(s)->code;                  \
                return real->ops->name args;                     \
        }

PASS_ON(begin, (struct store *s, struct refusal *refusal), (real, refusal))
PASS_ON(commit, (struct store *s, struct refusal *refusal), (real, refusal))
PASS_ON(savepoint, (struct store *s, struct refusal *refusal), (real, refusal))
PASS_ON(release, (struct store *s, struct refusal *refusal), (real, refusal))
PASS_ON(consumer_add, (struct store *s, const struct consumer *c, struct refusal *refusal), (real, c, refusal))
PASS_ON(consumer_update, (struct store *s, const struct consumer *c, struct refusal *refusal), (real, c, refusal))
PASS_ON(consumer_remove, (struct store *s, uint64_t id, struct refusal *refusal), (real, id, refusal))
PASS_ON(row_add, (struct store *s, const struct row *row, const void *data, struct refusal *refusal), (real, row, data, refusal))
PASS_ON(row_update, (struct store *s, const struct row *row, struct refusal *refusal), (real, row, refusal))
PASS_ON(row_set_private, (struct store *s, const struct row *row, const void *data, struct refusal *refusal), (real, row, data, refusal))
PASS_ON(enter_boot, (struct store *s, struct refusal *refusal), (real, refusal))
PASS_ON(row_remove, (struct store *s, const struct row *row, struct refusal *refusal), (real, row, refusal))

static void rollback(struct store *s) {
        fault(s)->real->ops->rollback(fault(s)->real);
}

static int rollback_to(struct store *s) {
        return fault(s)->real->ops->rollback_to(fault(s)->real);
}

static int row_get_private(struct store *s, const struct row *row, void **ret, struct refusal *refusal) {
        return fault(s)->real->ops->row_get_private(fault(s)->real, row, ret, refusal);
}

PASS_ON(remap_spaces, (struct store *s, const struct space_map *maps, size_t n, struct refusal *refusal), (real, maps, n, refusal))

static int load(struct store *s, const struct store_loader *loader, struct refusal *refusal) {
        return fault(s)->real->ops->load(fault(s)->real, loader, refusal);
}

static int checkpoint(struct store *s, struct refusal *refusal) {
        return fault(s)->real->ops->checkpoint(fault(s)->real, refusal);
}

static struct store *free_store(struct store *s) {
        fault(s)->real->ops->free(fault(s)->real);
        free(s);
        return NULL;
}

static const struct store_ops fault_ops = {
        .begin = begin_or_fail,
        .commit = commit_or_fail,
        .rollback = rollback,
        .savepoint = savepoint_or_fail,
        .release = release_or_fail,
        .rollback_to = rollback_to,
        .consumer_add = consumer_add_or_fail,
        .consumer_update = consumer_update_or_fail,
        .consumer_remove = consumer_remove_or_fail,
        .row_add = row_add_or_fail,
        .row_update = row_update_or_fail,
        .row_set_private = row_set_private_or_fail,
        .row_remove = row_remove_or_fail,
        .row_get_private = row_get_private,
        .remap_spaces = remap_spaces_or_fail,
        .enter_boot = enter_boot_or_fail,
        .load = load,
        .checkpoint = checkpoint,
        .free = free_store,
};

static struct fault_store *open_fault_store(struct fixture *f, const char *name, bool durable, bool *ret_other_boot) {
        struct fault_store *s = calloc(1, sizeof(*s));
        struct store_params params = { .durable = durable, .boot_id = f->boot_id };
        struct refusal refusal = {};
        char dir[128];

        ck_assert_ptr_nonnull(s);
        (void) snprintf(dir, sizeof(dir), "%s/%s", f->dir, name);
        params.directory = dir;
        s->store.ops = &fault_ops;
        ck_assert_msg(store_open(&params, &s->real, ret_other_boot, &refusal) == 0, "%s", refusal.text);
        return s;
}

struct fake_kernel {
        struct kernel kernel;
        struct fixture *fixture;
};

static int fake_discover(struct kernel *k, struct device_list *ret, struct refusal *refusal) {
        struct fixture *f = ((struct fake_kernel *) k)->fixture;

        ret->devices = calloc(f->n_devices + 1, sizeof(*ret->devices));
        ck_assert_ptr_nonnull(ret->devices);
        for (size_t i = 0; i < f->n_devices; i++) {
                const struct fake_device *fake = &f->devices[i];
                struct device_info *info = &ret->devices[ret->n_devices++];

                ck_assert_int_eq(pci_address_parse(fake->address, &info->pci), 0);
                pci_address_format(&info->pci, info->address);
                info->name = strdup("A device");
                info->driver = strdup("vfio-pci");
                info->cdev = strdup("/dev/vfio/devices/vfio0");
                info->reason = strdup(fake->width ? "" : "it has no PASID capability");
                info->iommu_group = fake->group;
                info->pci_width = info->iommu_width = fake->width;
                info->max_pasid = (1U << fake->width) - 1;
                info->usable = fake->width > 0;
        }
        return 0;
}

static struct kernel *fake_free(struct kernel *k) {
        free(k);
        return NULL;
}

static const struct kernel_ops fake_ops = { .discover = fake_discover, .free = fake_free };

static void get_fake_moment(struct moment *ret, void *userdata) {
        *ret = ((struct fixture *) userdata)->now;
}

void fixture_init(struct fixture *f) {
        *f = (struct fixture) {
                .dir = "/tmp/pasidd-service-XXXXXX",
                .now = { .realtime_usec = 1800000000000000, .boottime_usec = 5000000 },
                .devices = { { "0000:01:00.0", 11, 20 }, { "0000:02:00.0", 12, 8 }, { "0000:03:00.0", 13, 0 } },
                .n_devices = 3,
                .limits = { .pasids_per_uid = 256, .pasids_per_consumer = 65536, .consumers_per_uid = 64, .reuse_delay_usec = 30000000 },
                .boot_id = "0123456789abcdef0123456789abcdef",
        };
        ck_assert_ptr_nonnull(mkdtemp(f->dir));
        ck_assert_int_ge(sd_event_new(&f->event), 0);
}

int fixture_start(struct fixture *f) {
        struct fake_kernel *kernel = calloc(1, sizeof(*kernel));
        struct service_params params = {
                .event = f->event,
                .limits = f->limits,
                .commit_priority = SD_EVENT_PRIORITY_NORMAL + 10,
                .get_moment = get_fake_moment,
                .clock_userdata = f,
        };
        struct refusal refusal = {};
        bool dropped;

        ck_assert_ptr_nonnull(kernel);
        kernel->kernel.ops = &fake_ops;
        kernel->fixture = f;
        params.kernel = &kernel->kernel;
        f->runtime = open_fault_store(f, "run", false, &dropped);
        f->persistent = open_fault_store(f, "lib", true, &params.persistent_other_boot);
        fault_store_fail(f->persistent, f->fail_start_at, EIO);
        params.runtime_store = &f->runtime->store;
        params.persistent_store = &f->persistent->store;
        f->fail_start_at = 0;
        return service_new(&params, &f->service, &refusal);
}

void fixture_stop(struct fixture *f) {
        f->service = service_free(f->service);
        f->runtime = f->persistent = NULL;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        return remove(path);
}

void fixture_done(struct fixture *f) {
        fixture_stop(f);
        f->event = sd_event_unref(f->event);
        (void) nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

struct consumer *fixture_consumer(struct fixture *f, const char *name, const char *device, enum hold_kind hold) {
        struct init_request request = {
                .uid = 1000,
                .privileged = true,
                .name = name,
                .devices = &device,
                .n_devices = device ? 1 : 0,
                .hold = hold,
                .holder = "peer:1:2:3",
        };
        struct refusal refusal = {};
        struct consumer *c = NULL;

        ck_assert_msg(service_init_consumer(f->service, &request, &c, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(service_flush(f->service), 0);
        return core_consumer_get(service_core(f->service), 1000, name);
}
