/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fake kernel, refusing stores and fake clock around the real service.
 */
#include "service-fixture.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fault_store *open_store(struct fixture *f, const char *name, bool durable, bool *ret_other_boot) {
        struct store_params params = { .durable = durable, .boot_id = f->boot_id };
        struct refusal refusal = {};
        struct store *real;
        char dir[128];

        (void) snprintf(dir, sizeof(dir), "%s/%s", f->dir, name);
        params.directory = dir;
        ck_assert_msg(store_open(&params, &real, ret_other_boot, &refusal) == 0, "%s", refusal.text);
        return fault_store_new(real);
}

static void get_fake_moment(struct moment *ret, void *userdata) {
        *ret = ((struct fixture *) userdata)->now;
}

void fixture_init(struct fixture *f) {
        *f = (struct fixture) {
                .now = { .realtime_usec = 1800000000000000, .boottime_usec = 5000000 },
                .limits = { .pasids_per_uid = 256, .pasids_per_consumer = 65536, .consumers_per_uid = 64, .reuse_delay_usec = 30000000 },
                .service_limits = { .release_usec = 20000, .history_per_pasid = 3, .history_entries = 20 },
                .boot_id = "0123456789abcdef0123456789abcdef",
        };
        fake_kernel_init(&f->kernel);
        /* Where syncing costs nothing, if there is such a place. */
        (void) snprintf(f->dir, sizeof(f->dir), "%s/pasidd-service-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        ck_assert_ptr_nonnull(mkdtemp(f->dir));
        ck_assert_int_ge(sd_event_new(&f->event), 0);
}

int fixture_start(struct fixture *f) {
        struct service_params params = {
                .event = f->event,
                .limits = f->limits,
                .service_limits = f->service_limits,
                .procfs = f->procfs,
                .cgroupfs = f->cgroupfs,
                .keeper = f->keeper,
                .stored = f->stored,
                .n_stored = f->n_stored,
                .kernel = &f->kernel.kernel,
                .commit_priority = SD_EVENT_PRIORITY_NORMAL + 10,
                .retry_usec = FIXTURE_RETRY_USEC,
                .sweep_usec = f->sweep_usec,
                .get_moment = get_fake_moment,
                .clock_userdata = f,
        };
        bool dropped;
        int r;

        f->refusal = (struct refusal) {};
        f->runtime = open_store(f, "run", false, &dropped);
        f->persistent = open_store(f, "lib", true, &params.persistent_other_boot);
        fault_store_fail(f->persistent, f->fail_start_at, EIO);
        fault_store_fail(f->runtime, f->fail_runtime_start_at, EIO);
        params.runtime_store = &f->runtime->store;
        params.persistent_store = &f->persistent->store;
        f->fail_start_at = f->fail_runtime_start_at = 0;
        if (f->before_start)
                f->before_start();
        r = service_new(&params, &f->service, &f->refusal);
        if (r < 0)
                return r; /* which took the stores along */
        fault_store_fail(f->persistent, 0, 0);
        fault_store_fail(f->runtime, 0, 0);
        return 0;
}

void fixture_stop(struct fixture *f) {
        f->service = service_free(f->service);
        f->runtime = f->persistent = NULL;
}

void fixture_restart(struct fixture *f) {
        fixture_stop(f);
        ck_assert_msg(fixture_start(f) == 0, "%s", f->refusal.text);
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        return remove(path);
}

void fixture_done(struct fixture *f) {
        fixture_stop(f);
        fake_kernel_done(&f->kernel);
        f->event = sd_event_unref(f->event);
        (void) nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static struct consumer *add(struct fixture *f, const struct init_request *request) {
        struct refusal refusal = {};
        struct consumer *c = NULL;

        ck_assert_msg(service_init_consumer(f->service, request, &c, &refusal) == 0, "%s", refusal.text);
        ck_assert_int_eq(service_flush(f->service), 0);
        return core_consumer_get(service_core(f->service), request->uid, request->name);
}

struct consumer *fixture_consumer(struct fixture *f, const char *name, const char *device, enum hold_kind hold) {
        return add(f, &(struct init_request) {
                .uid = 1000,
                .privileged = true,
                .name = name,
                .devices = &device,
                .n_devices = device ? 1 : 0,
                .hold = hold,
                .holder = "peer:1:2:3",
        });
}

struct consumer *fixture_mediated(struct fixture *f, uid_t uid, const char *name, enum hold_kind hold,
                                  const char *const *devices) {
        struct init_request request = {
                .uid = uid,
                .privileged = true,
                .name = name,
                .devices = devices,
                .hold = hold,
                .holder = "peer:1:2:3",
                .mode = MODE_MEDIATED,
        };

        while (devices[request.n_devices])
                request.n_devices++;
        return add(f, &request);
}

struct consumer *fixture_get(struct fixture *f, const char *name) {
        return core_consumer_get(service_core(f->service), 1000, name);
}

uint32_t fixture_alloc_attached(struct fixture *f, const char *name) {
        struct alloc_request request = { .count = 1 };
        struct refusal refusal = {};
        uint32_t pasid = 0;

        ck_assert_msg(service_alloc_mapped(f->service, fixture_get(f, name), &request, NULL, NULL, &pasid, &refusal) == 0,
                      "%s", refusal.text);
        return pasid;
}

enum row_state fixture_state(struct fixture *f, const char *name, uint32_t pasid) {
        const struct row *row = core_row_get(fixture_get(f, name), pasid);

        ck_assert_ptr_nonnull(row);
        return row->state;
}

static void tell(struct fixture *f, const char *what, const char *name, uint32_t pasid, const char *reason) {
        size_t n = strlen(f->news);
        int r = snprintf(f->news + n, sizeof(f->news) - n, "%s %s %u %s\n", what, name, pasid, reason);

        ck_assert_msg(r > 0 && (size_t) r < sizeof(f->news) - n, "there is no end of news");
}

static void on_allocated(const struct consumer *c, uint32_t pasid, void *userdata) {
        tell(userdata, "allocated", c->name, pasid, "");
}

static void on_freed(const struct consumer *c, uint32_t pasid, const char *reason, void *userdata) {
        tell(userdata, "freed", c->name, pasid, reason);
}

static void on_lost(const struct consumer *c, uint32_t pasid, const char *reason, void *userdata) {
        tell(userdata, "lost", c->name, pasid, reason);
}

static void on_ended(const struct consumer *c, void *userdata) {
        tell(userdata, "ended", c->name, 0, "");
}

static void on_moved(const struct consumer *c, uid_t old_uid, void *userdata) {
        tell(userdata, "moved", c->name, old_uid, "");
}

static void on_requested(const char *address, uint64_t deadline_usec, void *userdata) {
        struct fixture *f = userdata;

        tell(f, "requested", address, (uint32_t) (deadline_usec - f->now.realtime_usec), "");
}

static void on_devices(void *userdata) {
        tell(userdata, "devices", "", 0, "");
}

void fixture_listen(struct fixture *f) {
        f->news[0] = '\0';
        service_set_listener(f->service, &(struct service_listener) {
                .consumer_ended = on_ended,
                .consumer_moved = on_moved,
                .pasid_allocated = on_allocated,
                .pasid_freed = on_freed,
                .pasid_lost = on_lost,
                .device_requested = on_requested,
                .devices_changed = on_devices,
                .userdata = f,
        });
        service_want_pasid_news(f->service, true);
}
