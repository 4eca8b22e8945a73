/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers for monitoring, in the families of OpenMetrics: each sample says by
 * itself what it is, so that more can come without a change of the interface,
 * and whoever writes them down needs to know none of them.
 */
#include "bus/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/authorise.h"
#include "bus/caller.h"
#include "bus/limit.h"
#include "bus/listener.h"
#include "internal/cleanup.h"

#define UIDS_MAX 1000U /* told one by one */
#define NUMBER_TEXT_MAX sizeof("4294967295")
#define BOUND_TEXT_MAX 32U

/* The first failure stays. */
struct families {
        sd_bus_message *m;
        int r;
};

uint64_t metrics_now(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

void metrics_count_refusal(struct bus *bus, int r, const struct refusal *refusal) {
        const struct error_entry *entry = error_by_code(refusal && refusal->code ? refusal->code : r);

        bus->n_refused[entry ? (size_t) (entry - error_table) : ERROR_TABLE_SIZE]++;
}

static void begin(struct families *f, const char *name, const char *type, const char *help) {
        if (f->r >= 0)
                f->r = sd_bus_message_open_container(f->m, 'r', "sssa(sa{ss}d)");
        if (f->r >= 0)
                f->r = sd_bus_message_append(f->m, "sss", name, type, help);
        if (f->r >= 0)
                f->r = sd_bus_message_open_container(f->m, 'a', "(sa{ss}d)");
}

static void end(struct families *f) {
        for (int i = 0; i < 2; i++)
                if (f->r >= 0)
                        f->r = sd_bus_message_close_container(f->m);
}

/* labels: key and value in turn, up to a NULL. */
static void sample(struct families *f, const char *suffix, const char *const *labels, double value) {
        if (f->r >= 0)
                f->r = sd_bus_message_open_container(f->m, 'r', "sa{ss}d");
        if (f->r >= 0)
                f->r = sd_bus_message_append_basic(f->m, 's', suffix);
        if (f->r >= 0)
                f->r = sd_bus_message_open_container(f->m, 'a', "{ss}");
        for (size_t i = 0; f->r >= 0 && labels[i]; i += 2)
                f->r = sd_bus_message_append(f->m, "{ss}", labels[i], labels[i + 1]);
        if (f->r >= 0)
                f->r = sd_bus_message_close_container(f->m);
        if (f->r >= 0)
                f->r = sd_bus_message_append_basic(f->m, 'd', &value);
        if (f->r >= 0)
                f->r = sd_bus_message_close_container(f->m);
}
#define SAMPLE(f, suffix, value, ...) sample(f, suffix, (const char *const[]) { __VA_ARGS__, NULL }, (double) (value))

static void add_one(struct families *f, const char *name, const char *help, double value) {
        begin(f, name, "gauge", help);
        SAMPLE(f, "", value, NULL);
        end(f);
}

static const char *space_text(int32_t space, char text[static NUMBER_TEXT_MAX]) {
        (void) snprintf(text, NUMBER_TEXT_MAX, space == SPACE_HOST ? "host" : "%u", (unsigned) space);
        return text;
}

/* What the widest device of the space that can use PASIDs has; 0 without one. */
static uint32_t width_of_space(const struct device_list *devices, int32_t space) {
        uint32_t max = 0;

        for (size_t i = 0; i < devices->n_devices; i++) {
                const struct device_info *info = &devices->devices[i];

                if (info->iommu_group == space && info->usable && info->max_pasid > max)
                        max = info->max_pasid;
        }
        return space == SPACE_HOST ? NUMBER_MAX : max;
}

/* Ascending: those of which the core knows, as numbers stay when their devices go, and those that a device could use. */
static bool next_space(struct service *s, int32_t after, int32_t *ret) {
        const struct device_list *devices = service_devices(s);
        bool found = core_space_next(service_core(s), after, ret);

        for (size_t i = 0; i < devices->n_devices; i++) {
                const struct device_info *info = &devices->devices[i];

                if (!info->usable || info->iommu_group <= after || (found && info->iommu_group >= *ret))
                        continue;
                *ret = info->iommu_group;
                found = true;
        }
        return found;
}

static void space_states(struct families *f, const struct core *core, int32_t space) {
        char text[NUMBER_TEXT_MAX];

        for (int state = 0; state < ROW_STATE_MAX_; state++)
                SAMPLE(f, "", core_space_count(core, space, (enum row_state) state), "space", space_text(space, text),
                       "state", row_state_to_string((enum row_state) state));
}

/* Of a space whose devices are gone nothing could be given out, not even 0. */
static void space_free(struct families *f, struct service *s, int32_t space) {
        const struct core *core = service_core(s);
        uint32_t max = width_of_space(service_devices(s), space);
        char text[NUMBER_TEXT_MAX];

        if (max > 0)
                SAMPLE(f, "", max - (space == SPACE_HOST ? core_host_taken(core) : core_space_taken(core, space, max)), "space",
                       space_text(space, text));
}

static void add_spaces(struct families *f, struct service *s) {
        begin(f, "pasidd_numbers", "gauge", "Numbers by state, of an IOMMU group or drawn on the whole host.");
        for (int32_t space = INT32_MIN; next_space(s, space, &space);)
                space_states(f, service_core(s), space);
        end(f);
        begin(f, "pasidd_free_numbers", "gauge", "Numbers that could be given out, of those that the widest device of the space has; "
              "on the host to a consumer without devices, which wants them free in every space.");
        for (int32_t space = INT32_MIN; next_space(s, space, &space);)
                space_free(f, s, space);
        end(f);
}

static void add_devices(struct families *f, struct service *s) {
        const struct device_list *devices = service_devices(s);
        char text[NUMBER_TEXT_MAX];

        begin(f, "pasidd_device_usable", "gauge", "Whether a device can use PASIDs, and in which space its numbers are.");
        for (size_t i = 0; i < devices->n_devices; i++)
                SAMPLE(f, "", devices->devices[i].usable, "device", devices->devices[i].address, "space",
                       devices->devices[i].iommu_group < 0 ? "" : space_text(devices->devices[i].iommu_group, text));
        end(f);
}

/* Of a uid: numbers, consumers, pinned bytes. */
static void add_uids(struct families *f, struct service *s) {
        static const struct {
                const char *name, *help;
        } kinds[] = {
                { "pasidd_uid_numbers", "Numbers of a uid, cooling ones counted; root has no limit." },
                { "pasidd_uid_consumers", "Consumers of a uid; root has no limit." },
                { "pasidd_uid_pinned_bytes", "Memory that the consumers of a uid have mapped; root has no limit." },
        };

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                struct core_usage usage, *after = NULL;

                begin(f, kinds[i].name, "gauge", kinds[i].help);
                for (unsigned n = 0; n < UIDS_MAX && core_usage_next(service_core(s), after, &usage); n++) {
                        char uid[NUMBER_TEXT_MAX];
                        double value = i == 0   ? (double) usage.n_live + usage.n_cooling
                                       : i == 1 ? (double) usage.n_consumers
                                                : (double) service_pinned_by(s, usage.uid);

                        (void) snprintf(uid, sizeof(uid), "%u", (unsigned) usage.uid);
                        SAMPLE(f, "", value, "uid", uid);
                        after = &usage;
                }
                end(f);
        }
}

static void add_connections(struct families *f, const struct bus *bus) {
        _cleanup_free_ uid_t *uids = NULL;
        size_t n_all = 0;

        if (f->r >= 0)
                f->r = listener_uids(bus->listener, &uids, &n_all);
        begin(f, "pasidd_uid_connections", "gauge", "Connections of a uid to the direct socket; root has no limit.");
        for (size_t i = 0, n, told = 0; i < n_all && told < UIDS_MAX; i += n, told++) {
                char uid[NUMBER_TEXT_MAX];

                for (n = 1; i + n < n_all && uids[i + n] == uids[i];)
                        n++;
                (void) snprintf(uid, sizeof(uid), "%u", (unsigned) uids[i]);
                SAMPLE(f, "", n, "uid", uid);
        }
        end(f);
}

static void add_limits(struct families *f, const struct bus *bus) {
        const struct core_limits *limits = core_get_limits(service_core(bus->service));
        const struct service_limits *more = service_get_limits(bus->service);

        begin(f, "pasidd_limit", "gauge", "The limits in force, by their setting; 0 is none.");
        SAMPLE(f, "", limits->pasids_per_uid, "setting", "PasidsPerUid");
        SAMPLE(f, "", limits->pasids_per_consumer, "setting", "PasidsPerConsumer");
        SAMPLE(f, "", limits->consumers_per_uid, "setting", "ConsumersPerUid");
        SAMPLE(f, "", more->pinned_per_uid, "setting", "PinnedBytesPerUid");
        SAMPLE(f, "", more->pinned_per_consumer, "setting", "PinnedBytesPerConsumer");
        SAMPLE(f, "", bus->limits.connections_per_uid, "setting", "ConnectionsPerUid");
        SAMPLE(f, "", bus->limits.connections, "setting", "Connections");
        end(f);
}

static void add_counters(struct families *f, const struct service_counters *counters) {
        begin(f, "pasidd_allocations", "counter", "Numbers given out.");
        SAMPLE(f, "_total", counters->n_allocated, NULL);
        end(f);
        begin(f, "pasidd_ends", "counter", "Holdings of numbers that ended, by reason.");
        for (size_t i = 0; i < ENDS_MAX && counters->ends[i].reason; i++)
                SAMPLE(f, "_total", counters->ends[i].n, "reason", counters->ends[i].reason);
        end(f);
        begin(f, "pasidd_commits", "counter", "Transactions of the tables, each of which several requests may share.");
        SAMPLE(f, "_total", counters->n_commits, "result", "done");
        SAMPLE(f, "_total", counters->n_failed_commits, "result", "failed");
        end(f);
}

static void add_refusals(struct families *f, const struct bus *bus) {
        begin(f, "pasidd_refusals", "counter", "Calls that were answered with an error, by its name.");
        for (size_t i = 0; i <= ERROR_TABLE_SIZE; i++) {
                const char *name = i < ERROR_TABLE_SIZE ? strrchr(error_table[i].name, '.') + 1 : "Failed";

                SAMPLE(f, "_total", bus->n_refused[i], "error", name);
        }
        end(f);
}

static void add_limited(struct families *f, const struct bus *bus) {
        begin(f, "pasidd_connections_limited", "counter", "Connections that were refused or closed, by the setting that was reached.");
        for (int limit = 0; limit < CONNECTION_LIMIT_MAX_; limit++)
                SAMPLE(f, "_total", bus->n_limited[limit], "setting", connection_limit_to_string((enum connection_limit) limit));
        end(f);
}

static const char *const timed_names[KERNEL_TIMED_MAX_] = {
        [KERNEL_TIMED_ATTACH] = "attach",
        [KERNEL_TIMED_DETACH] = "detach",
        [KERNEL_TIMED_BIND] = "bind",
        [KERNEL_TIMED_IOAS] = "ioas",
        [KERNEL_TIMED_HWPT] = "hwpt",
        [KERNEL_TIMED_DESTROY] = "destroy",
        [KERNEL_TIMED_MAP] = "map",
        [KERNEL_TIMED_UNMAP] = "unmap",
        [KERNEL_TIMED_OTHER] = "other",
};

/* OpenMetrics' canonical number in seconds, which is "1.0", not "1": a label is compared as text. */
static const char *bound_text(uint64_t nsec, char text[static BOUND_TEXT_MAX]) {
        double seconds = (double) nsec / 1e9;

        (void) snprintf(text, BOUND_TEXT_MAX, seconds == (double) (uint64_t) seconds ? "%.1f" : "%g", seconds);
        return text;
}

static void add_timing(struct families *f, const char *name, const struct kernel_timing *timing, const uint64_t *bounds) {
        char text[BOUND_TEXT_MAX];
        uint64_t n = 0;

        for (size_t i = 0; i < KERNEL_TIMING_BUCKETS; i++) {
                n += timing->buckets[i];
                SAMPLE(f, "_bucket", n, "call", name, "le", i < KERNEL_TIMING_BUCKETS - 1 ? bound_text(bounds[i], text) : "+Inf");
        }
        SAMPLE(f, "_count", n, "call", name);
        SAMPLE(f, "_sum", (double) timing->nsec / 1e9, "call", name);
}

static void add_timings(struct families *f, const struct kernel_timings *timings) {
        if (!timings)
                return;
        begin(f, "pasidd_kernel_call_seconds", "histogram", "How long the kernel took, by kind of call.");
        for (int call = 0; call < KERNEL_TIMED_MAX_; call++)
                add_timing(f, timed_names[call], &timings->calls[call], timings->bounds);
        end(f);
        begin(f, "pasidd_kernel_call_failures", "counter", "Calls that the kernel refused, by kind of call.");
        for (int call = 0; call < KERNEL_TIMED_MAX_; call++)
                SAMPLE(f, "_total", timings->calls[call].n_failed, "call", timed_names[call]);
        end(f);
}

static void add_daemon(struct families *f, const struct bus *bus) {
        const struct service_restored *restored = service_get_restored(bus->service);
        struct core_stats stats;

        begin(f, "pasidd_build", "info", "The daemon's version.");
        SAMPLE(f, "_info", 1, "version", bus->version);
        end(f);
        add_one(f, "pasidd_start_time_seconds", "When the daemon started, since 1970: a restart is a change of it.",
                (double) bus->start_usec / 1e6);
        begin(f, "pasidd_restored_numbers", "gauge", "What became at the start of the numbers that were attached.");
        SAMPLE(f, "", restored->kept, "result", "kept");
        SAMPLE(f, "", restored->detached, "result", "detached");
        SAMPLE(f, "", restored->lost, "result", "lost");
        end(f);
        core_get_stats(service_core(bus->service), &stats);
        add_one(f, "pasidd_consumers", "Consumers that have not ended.", (double) stats.n_consumers);
        if (bus->drift_usec == 0)
                return;
        add_one(f, "pasidd_drift_findings", "Differences between table and kernel, and faults, that the last Check found.", (double) bus->n_drift);
        add_one(f, "pasidd_drift_check_time_seconds", "When that was, since 1970.", (double) bus->drift_usec / 1e6);
}

/* Use by uid, and how long the kernel takes over whose requests, are no business of just anybody. */
static int authorise(struct call *call) {
        const struct bus *bus = call->link->bus;

        if (is_privileged(bus, call->caller) || caller_in_group(call->caller, bus->group))
                return 0;
        return refuse(&call->refusal, EACCES, "GetMetrics was asked by uid %u, which is neither root nor in group \"%s\"; become a "
                                              "member of the group, or let a service of root write them down.",
                      (unsigned) call->caller->uid, bus->group_name);
}

int manager_get_metrics(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct service *s = call_service(call);
        struct families f;
        int r;

        r = authorise(call);
        if (r >= 0)
                r = sd_bus_message_new_method_return(call->message, &reply);
        if (r < 0)
                return r;
        f = (struct families) { .m = reply };
        f.r = sd_bus_message_open_container(reply, 'a', "(sssa(sa{ss}d))");
        add_daemon(&f, call->link->bus);
        add_spaces(&f, s);
        add_devices(&f, s);
        add_uids(&f, s);
        add_connections(&f, call->link->bus);
        add_limits(&f, call->link->bus);
        add_counters(&f, service_get_counters(s));
        add_refusals(&f, call->link->bus);
        add_limited(&f, call->link->bus);
        add_timings(&f, service_get_timings(s));
        if (f.r >= 0)
                f.r = sd_bus_message_close_container(reply);
        return f.r < 0 ? f.r : sd_bus_send(NULL, reply, NULL);
}
