/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lifetime of the service, its clock, its devices, and the event source that
 * commits what the requests of one moment have gathered.
 */
#include "service/mediated.h"
#include "service/reaper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_USEC (5 * 1000000ULL) /* unless told otherwise */
#define SWEEP_USEC (60 * 1000000ULL)

static uint64_t clock_usec(clockid_t clock) {
        struct timespec ts;

        (void) clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * 1000000U + (uint64_t) ts.tv_nsec / 1000U;
}

static void get_real_moment(struct moment *ret, _unused_ void *userdata) {
        *ret = (struct moment) {
                .realtime_usec = clock_usec(CLOCK_REALTIME),
                .boottime_usec = clock_usec(CLOCK_BOOTTIME),
        };
}

void service_get_moment(struct service *s, struct moment *ret) {
        s->get_moment(ret, s->clock_userdata);
}

struct core *service_core(struct service *s) {
        return s->core;
}

int service_set_limits(struct service *s, const struct core_limits *limits, const struct service_limits *service_limits) {
        s->limits = *service_limits;
        core_set_limits(s->core, limits);
        history_apply_limits(s);
        return service_arm_cooling(s);
}

const struct device_list *service_devices(struct service *s) {
        return &s->devices;
}

const struct service_restored *service_get_restored(const struct service *s) {
        return &s->restored;
}

const struct service_counters *service_get_counters(const struct service *s) {
        return &s->counters;
}

const struct service_limits *service_get_limits(const struct service *s) {
        return &s->limits;
}

const struct kernel_timings *service_get_timings(const struct service *s) {
        return s->kernel->ops->get_timings ? s->kernel->ops->get_timings(s->kernel) : NULL;
}

void service_set_listener(struct service *s, const struct service_listener *listener) {
        s->listener = listener ? *listener : (struct service_listener) {};
}

void service_want_pasid_news(struct service *s, bool wanted) {
        s->want_news = wanted;
}

static int on_commit(_unused_ sd_event_source *source, void *userdata) {
        (void) service_flush(userdata); /* a failure is told to each that waited */
        return 0;
}

static int add_commit_source(struct service *s, int64_t priority) {
        int r;

        r = sd_event_add_defer(s->event, &s->commit_source, on_commit, s);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(s->commit_source, "commit");
        r = sd_event_source_set_priority(s->commit_source, priority);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(s->commit_source, SD_EVENT_OFF);
}

static int service_setup(struct service *s, const struct service_params *params, struct refusal *refusal) {
        int r;

        r = core_new(&params->limits, &s->core);
        if (r >= 0)
                r = add_commit_source(s, params->commit_priority);
        if (r >= 0)
                r = leftovers_init(s);
        if (r < 0)
                return refuse(refusal, -r, "Could not set up the service: %s.", strerror(-r));

        if (s->kernel->ops->gives_pasids && s->kernel->ops->gives_pasids(s->kernel))
                core_start_in_upper_half(s->core);
        r = service_rediscover(s, refusal);
        if (r >= 0)
                r = service_load(s, params->persistent_other_boot, params->stored, params->n_stored, refusal);
        if (r < 0)
                return r;
        history_apply_limits(s);
        r = service_cooling_init(s);
        if (r >= 0)
                r = service_checkpoint_init(s);
        if (r >= 0)
                r = service_holders_init(s);
        if (r >= 0)
                r = reaper_init(s);
        if (r < 0)
                return refuse(refusal, -r, "Could not set up the timers: %s.", strerror(-r));
        r = hotplug_init(s, refusal);
        if (r < 0)
                return r;
        reaper_start(s);
        return 0;
}

int service_new(const struct service_params *params, struct service **ret, struct refusal *refusal) {
        struct service *s;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s) {
                params->kernel->ops->free(params->kernel);
                params->runtime_store->ops->free(params->runtime_store);
                params->persistent_store->ops->free(params->persistent_store);
                return refuse(refusal, ENOMEM, "Out of memory");
        }
        s->budget = (struct audit_budget) AUDIT_OF_CHANGES;
        s->storage_budget = (struct audit_budget) AUDIT_OF_REFUSALS;
        TAILQ_INIT(&s->gone);
        TAILQ_INIT(&s->new_watches);
        TAILQ_INIT(&s->watches);
        TAILQ_INIT(&s->over_watches);
        TAILQ_INIT(&s->held_devices);
        TAILQ_INIT(&s->mediations);
        TAILQ_INIT(&s->leftovers);
        TAILQ_INIT(&s->tenants);
        TAILQ_INIT(&s->lost_devices);
        s->limits = params->service_limits;
        if (params->keeper)
                s->keeper = *params->keeper;
        s->event = sd_event_ref(params->event);
        s->kernel = params->kernel;
        s->runtime_store = params->runtime_store;
        s->persistent_store = params->persistent_store;
        s->procfs = params->procfs;
        s->cgroupfs = params->cgroupfs;
        s->get_moment = params->get_moment ?: get_real_moment;
        s->clock_userdata = params->clock_userdata;
        s->retry_usec = params->retry_usec > 0 ? params->retry_usec : RETRY_USEC;
        s->sweep_usec = params->sweep_usec > 0 ? params->sweep_usec : SWEEP_USEC;

        r = service_setup(s, params, refusal);
        if (r < 0) {
                service_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

struct service *service_free(struct service *s) {
        if (!s)
                return NULL;
        if (s->core)
                service_transaction_done(s);
        service_holders_done(s);
        reaper_done(s);
        hotplug_done(s);
        tenants_done(s);
        leftovers_settle(s);
        s->keeper = (struct fd_keeper) {}; /* what is kept is for the next pasidd: it is no more dropped */
        held_devices_done(s);
        leftovers_done(s);
        sd_event_source_disable_unref(s->commit_source);
        sd_event_source_disable_unref(s->cooling_source);
        sd_event_source_disable_unref(s->checkpoint_source);
        core_free(s->core);
        device_list_done(&s->devices);
        s->kernel->ops->free(s->kernel);
        s->runtime_store->ops->free(s->runtime_store);
        s->persistent_store->ops->free(s->persistent_store);
        sd_event_unref(s->event);
        free(s);
        return NULL;
}
