/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Start and stop order, signals, and the words to the service manager.
 */
#include "manager.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <systemd/sd-id128.h>

#include "bus/bus.h"
#include "fd-store.h"
#include "health.h"
#include "settings.h"
#include "kernel/kernel.h"
#include "log-ids.h"
#include "log.h"
#include "service/service.h"
#include "store/store.h"

/* Requests first, then the commit that they share. */
#define COMMIT_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

struct manager {
        struct options options;
        struct settings settings;
        sd_event *event;
        struct service *service;
        struct bus *bus;
        struct health *health; /* NULL: no watchdog */
        struct passed_fds passed;
        char boot_id[SD_ID128_STRING_MAX];
        char *table_path;
};

static void bus_limits_from_settings(const struct settings *settings, struct bus_limits *ret) {
        *ret = (struct bus_limits) {
                .connections = settings->connections,
                .connections_per_uid = settings->connections_per_uid,
                .queued_bytes = settings->queued_bytes_per_connection,
        };
}

static void service_limits_from_settings(const struct settings *settings, struct service_limits *ret) {
        *ret = (struct service_limits) {
                .pinned_per_consumer = settings->pinned_bytes_per_consumer,
                .pinned_per_uid = settings->pinned_bytes_per_uid,
                .release_usec = settings->device_release_usec,
                .history_per_pasid = settings->history_per_pasid,
                .history_entries = settings->history_entries,
        };
}

/* The bus layer reads the list of devices where it is: it changes between two turns of the loop. */
static void put_settings(struct manager *m, const struct settings *settings) {
        struct service_limits service_limits;
        struct bus_limits bus_limits;
        struct core_limits limits;
        int r;

        settings_done(&m->settings);
        m->settings = *settings;
        settings_get_limits(&m->settings, &limits);
        service_limits_from_settings(&m->settings, &service_limits);
        r = service_set_limits(m->service, &limits, &service_limits);
        if (r < 0)
                log_error("The new limits are not all in force: %s", strerror(-r));
        bus_limits_from_settings(&m->settings, &bus_limits);
        bus_set_limits(m->bus, &bus_limits);
}

/* A bad file changes nothing. */
static int on_reload(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        struct manager *m = userdata;
        struct refusal refusal = {};
        struct settings settings;

        (void) sd_notify(0, "RELOADING=1");
        if (settings_load(m->options.config, m->options.config_given, &settings, &refusal) < 0)
                log_about(LOG_ERR, &(struct log_subject) { .message_id = MESSAGE_SETTINGS_REFUSED, .error = refusal.code },
                          "The settings stay as they were: %s", refusal.text);
        else {
                if (strcmp(settings.group, m->settings.group) != 0)
                        log_warning("Group= is read at start only; \"%s\" stays in force until a restart", m->settings.group);
                if (settings.reconnect_usec != m->settings.reconnect_usec)
                        log_warning("ReconnectSec= is used at start only; it holds from the next one on");
                memcpy(settings.group, m->settings.group, sizeof(settings.group));
                put_settings(m, &settings);
                log_about(LOG_INFO, &(struct log_subject) { .message_id = MESSAGE_SETTINGS_RELOADED }, "Settings reloaded from %s",
                          m->options.config);
        }
        (void) sd_notify(0, "READY=1");
        return 0;
}

static int add_signals(struct manager *m) {
        sigset_t mask;
        int r;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGTERM);
        (void) sigaddset(&mask, SIGINT);
        (void) sigaddset(&mask, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
                return -errno;
        r = sd_event_add_signal(m->event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(m->event, NULL, SIGINT, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(m->event, NULL, SIGHUP, on_reload, m);
        return r;
}

/* The soft limit is for programs that use select(2); each client is a file descriptor here. */
static void raise_fd_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
                return;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                log_warning("The limit of open files could not be raised: %s", strerror(errno));
}

static gid_t find_group(const char *name) {
        const struct group *group = getgrnam(name);

        if (group)
                return group->gr_gid;
        log_notice("There is no group \"%s\": only root, and the user that pasidd runs as, may make consumers and reach the direct socket",
                   name);
        return (gid_t) -1;
}

static int open_stores(struct manager *m, struct store **ret_runtime, struct store **ret_persistent,
                       bool *ret_other_boot, struct refusal *refusal) {
        struct store_params runtime = { .directory = m->options.runtime_dir, .boot_id = m->boot_id };
        struct store_params persistent = { .directory = m->options.state_dir, .durable = true, .boot_id = m->boot_id };
        struct store *runtime_store;
        bool dropped;
        int r;

        r = store_open(&runtime, &runtime_store, &dropped, refusal);
        if (r < 0)
                return r;
        if (dropped)
                log_info("The table in %s was of another boot: its rows are gone with it", m->options.runtime_dir);
        r = store_open(&persistent, ret_persistent, ret_other_boot, refusal);
        if (r < 0) {
                runtime_store->ops->free(runtime_store);
                return r;
        }
        *ret_runtime = runtime_store;
        return 0;
}

static int start_service(struct manager *m, struct refusal *refusal) {
        struct kernel_params kernel_params = { .sysfs = m->options.sysfs, .procfs = m->options.procfs,
                                                .debugfs = m->options.debugfs, .dev = "/dev" };
        struct service_params params = {
                .event = m->event,
                .procfs = m->options.procfs,
                .cgroupfs = m->options.cgroupfs,
                .commit_priority = COMMIT_PRIORITY,
                .keeper = &fd_store_keeper,
                .stored = m->passed.stored,
                .n_stored = m->passed.n_stored,
        };
        int r;

        r = open_stores(m, &params.runtime_store, &params.persistent_store, &params.persistent_other_boot, refusal);
        if (r < 0)
                return r;
        r = kernel_new(&kernel_params, &params.kernel, refusal);
        if (r < 0) {
                params.runtime_store->ops->free(params.runtime_store);
                params.persistent_store->ops->free(params.persistent_store);
                return r;
        }
        settings_get_limits(&m->settings, &params.limits);
        service_limits_from_settings(&m->settings, &params.service_limits);
        return service_new(&params, &m->service, refusal);
}

static int start_bus(struct manager *m, struct refusal *refusal) {
        struct bus_params params = {
                .event = m->event,
                .service = m->service,
                .bus = m->options.bus,
                .listen_path = m->options.listen_path,
                .group = find_group(m->settings.group),
                .group_name = m->settings.group,
                .access = &m->settings.access,
                .reconnect_usec = m->settings.reconnect_usec,
                .version = VERSION,
                .boot_id = m->boot_id,
                .table_path = m->table_path,
                .procfs = m->options.procfs,
        };
        int r;

        bus_limits_from_settings(&m->settings, &params.limits);
        for (size_t i = 0; i < m->passed.n_sockets; i++) {
                if (params.n_listen_fds < ELEMENTSOF(params.listen_fds))
                        params.listen_fds[params.n_listen_fds++] = m->passed.sockets[i];
                else {
                        log_warning("The service manager passed more than %zu sockets; one is closed", ELEMENTSOF(params.listen_fds));
                        (void) close_fd(m->passed.sockets[i]);
                }
        }
        if (!params.listen_path && params.n_listen_fds == 0)
                params.listen_path = PASIDD_SOCKET;
        r = bus_new(&params, &m->bus, refusal);
        if (r < 0)
                return r;
        r = bus_settle_holders(m->bus);
        if (r < 0)
                return refuse(refusal, -r, "Could not ask for the holders of consumers: %s.", strerror(-r));
        return bus_take_name(m->bus, refusal);
}

static int manager_start(struct manager *m, struct refusal *refusal) {
        struct core_stats stats;
        sd_id128_t boot_id;
        int r;

        r = settings_load(m->options.config, m->options.config_given, &m->settings, refusal);
        if (r < 0)
                return r;
        r = sd_id128_get_boot(&boot_id);
        if (r < 0)
                return refuse(refusal, -r, "Could not tell the boot id: %s.", strerror(-r));
        (void) sd_id128_to_string(boot_id, m->boot_id);
        if (asprintf(&m->table_path, "%s/pasidd.db", m->options.runtime_dir) < 0) {
                m->table_path = NULL;
                return refuse(refusal, ENOMEM, "Out of memory.");
        }

        raise_fd_limit();
        r = sd_event_new(&m->event);
        if (r >= 0)
                r = add_signals(m);
        if (r < 0)
                return refuse(refusal, -r, "Could not set up the event loop: %s.", strerror(-r));

        r = fd_store_take(&m->passed, refusal);
        if (r >= 0)
                r = start_service(m, refusal);
        if (r >= 0)
                r = start_bus(m, refusal);
        if (r < 0)
                return r;

        r = health_new(m->event, m->service, &m->health);
        if (r < 0)
                return refuse(refusal, -r, "Could not set up the answers to the watchdog: %s.", strerror(-r));
        fd_store_settle(&m->passed);
        core_get_stats(service_core(m->service), &stats);
        log_info("Ready: %llu consumers, %llu PASIDs, %llu cooling, %zu devices", (unsigned long long) stats.n_consumers,
                 (unsigned long long) stats.n_live, (unsigned long long) stats.n_cooling,
                 service_devices(m->service)->n_devices);
        (void) sd_notifyf(0, "READY=1\nSTATUS=%llu consumers, %llu PASIDs at start",
                          (unsigned long long) stats.n_consumers, (unsigned long long) stats.n_live);
        return 0;
}

int manager_new(const struct options *options, struct manager **ret, struct refusal *refusal) {
        _cleanup_(manager_freep) struct manager *m = NULL;
        int r;

        m = calloc(1, sizeof(*m));
        if (!m)
                return refuse(refusal, ENOMEM, "Out of memory.");
        m->options = *options;
        r = manager_start(m, refusal);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

int manager_run(struct manager *m) {
        int r = sd_event_loop(m->event);

        (void) sd_notify(0, "STOPPING=1");
        return r;
}

struct manager *manager_free(struct manager *m) {
        if (!m)
                return NULL;
        if (m->service)
                (void) service_flush(m->service); /* whoever waits gets an answer before its connection goes */
        health_free(m->health);
        bus_free(m->bus);
        service_free(m->service);
        fd_store_done(&m->passed);
        sd_event_unref(m->event);
        settings_done(&m->settings);
        free(m->table_path);
        free(m);
        return NULL;
}
