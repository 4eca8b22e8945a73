/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service: each request of the contract as one transaction over core,
 * table and kernel. It knows neither bus nor caller: who may ask is settled
 * before it is called.
 *
 * Changes are made in memory and in the open transaction of the table at once,
 * and become true together with others of the same moment when that commits
 * (service_flush(), or by itself once the event loop has nothing more urgent).
 * A reply is sent only from the callback given to service_when_committed().
 */
#pragma once

#include <systemd/sd-event.h>

#include "core/core.h"
#include "core/device.h"
#include "kernel/kernel.h"
#include "store/store.h"

struct service;

/* Upward news, after the commit that made it true. */
struct service_listener {
        void (*consumer_added)(const struct consumer *c, void *userdata);
        void (*consumer_ended)(const struct consumer *c, void *userdata);
        void (*pasid_allocated)(const struct consumer *c, uint32_t pasid, void *userdata);
        /* reason: "freed", "exit", "holder-gone", "device-gone" ... the end of the holding, even if it cools first */
        void (*pasid_freed)(const struct consumer *c, uint32_t pasid, const char *reason, void *userdata);
        /* Once a commit, after the above: counters may have changed. */
        void (*counts_changed)(void *userdata);
        void *userdata;
};

struct service_params {
        sd_event *event;
        struct core_limits limits;
        struct kernel *kernel;        /* taken over */
        struct store *runtime_store;  /* taken over */
        struct store *persistent_store; /* taken over */
        bool persistent_other_boot;   /* its rows come back reserved */
        int64_t commit_priority;      /* of the event source that commits; lower than the bus sources */
        /* Clocks; NULL: the real ones. */
        void (*get_moment)(struct moment *ret, void *userdata);
        void *clock_userdata;
};

/* Takes over kernel and stores, also on failure. Loads both tables and discovers the devices. */
int service_new(const struct service_params *params, struct service **ret, struct refusal *refusal);
struct service *service_free(struct service *s);
DEFINE_CLEANUP(struct service *, service_free);
void service_set_listener(struct service *s, const struct service_listener *listener); /* NULL: none */
/* PASID news are made only while somebody wants them: they cost a signal each. */
void service_want_pasid_news(struct service *s, bool wanted);

/* Lowering a limit revokes nothing; another delay holds for what cools already. */
int service_set_limits(struct service *s, const struct core_limits *limits);
struct core *service_core(struct service *s);
const struct device_list *service_devices(struct service *s);
/* Looks at the machine's devices again. */
int service_rediscover(struct service *s, struct refusal *refusal);

struct init_request {
        uid_t uid;
        bool privileged; /* root: no per-uid limits, may hold persistently */
        const char *name;
        const char *const *devices; /* PCI addresses */
        size_t n_devices;
        uint32_t min, max, quota; /* 0: default */
        enum hold_kind hold;
        const char *holder; /* connection holds: who, in the bus layer's words */
        enum consumer_mode mode;
};

/* NoSuchDevice, DeviceUnusable, AccessDenied (persistent for non-root), Unsupported (holds and modes of later versions), core_consumer_add()'s */
int service_init_consumer(struct service *s, const struct init_request *request, struct consumer **ret, struct refusal *refusal);
int service_exit_consumer(struct service *s, struct consumer *c, const char *reason, struct refusal *refusal);
int service_alloc(struct service *s, struct consumer *c, struct alloc_request *request, const void *private_data,
                  uint32_t *pasids, struct refusal *refusal); /* request->now is filled in here */
int service_free_pasids(struct service *s, struct consumer *c, const uint32_t *pasids, size_t n, struct refusal *refusal);
/* *ret_n: how many numbers of the token were freed; 0 is no error. */
int service_free_token(struct service *s, struct consumer *c, const char *token, size_t *ret_n, struct refusal *refusal);
int service_set_private(struct service *s, struct consumer *c, uint32_t pasid, const void *data, size_t size, struct refusal *refusal);
/* *ret is the caller's to free(), NULL if there is none. NoSuchPasid unless the number is live. */
int service_get_private(struct service *s, struct consumer *c, uint32_t pasid, void **ret, size_t *ret_size, struct refusal *refusal);

/*
 * All consumers of a connection holder end; the reason, a literal, goes to the
 * signals. Returns how many, or < 0; whatever the table refuses, now or at the
 * commit, is tried again until it is done.
 */
int service_holder_gone(struct service *s, const char *holder, const char *reason);
/* Renames a holder: a client that came back after our restart. Returns how many consumers it holds. */
int service_holder_rename(struct service *s, const char *from, const char *to);

/* r: 0, or the negative errno of a failed commit whose changes were undone, with its refusal. */
typedef void (*service_committed_t)(void *userdata, int r, const struct refusal *refusal);
/* If no transaction is open the callback runs at once, from within this call. */
int service_when_committed(struct service *s, service_committed_t callback, void *userdata);
/* True while changes wait for their commit. */
bool service_is_pending(const struct service *s);
/* Commits what is pending now; to be called before anything is read for a reply. */
int service_flush(struct service *s);
void service_get_moment(struct service *s, struct moment *ret);
