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

/* What became of an earlier pasidd's attachments at start. */
struct service_restored {
        unsigned kept, detached, lost;
};

#define ENDS_MAX 8U

/* Since service_new(). */
struct service_counters {
        uint64_t n_allocated;
        struct {
                const char *reason; /* a literal; NULL after the last */
                uint64_t n;
        } ends[ENDS_MAX]; /* of holdings; what finds no room here is with the last */
        uint64_t n_commits, n_failed_commits;
};

/* Upward news, after the commit that made it true. */
struct service_listener {
        void (*consumer_added)(const struct consumer *c, void *userdata);
        void (*consumer_ended)(const struct consumer *c, void *userdata);
        /* It has another owner, and with that another key; alone in its commit. */
        void (*consumer_moved)(const struct consumer *c, uid_t old_uid, void *userdata);
        void (*pasid_allocated)(const struct consumer *c, uint32_t pasid, void *userdata);
        /* reason: "freed", "exit", "holder-gone", "device-gone" ... the end of the holding, even if it cools first */
        void (*pasid_freed)(const struct consumer *c, uint32_t pasid, const char *reason, void *userdata);
        /* Its device went away; it stays the consumer's until it is freed. reason: "device-gone" */
        void (*pasid_lost)(const struct consumer *c, uint32_t pasid, const char *reason, void *userdata);
        /* The kernel wants the device back: whoever uses it has until then (CLOCK_REALTIME) before it is let go. */
        void (*device_requested)(const char *address, uint64_t deadline_usec, void *userdata);
        /* Some device is there, gone, or not as it was: compare service_devices() with what was known. */
        void (*devices_changed)(void *userdata);
        /* Once a commit, after the above: counters may have changed. */
        void (*counts_changed)(void *userdata);
        void *userdata;
};

/* Limits that the core doesn't know, and how long an owner has when a device must go. */
struct service_limits {
        uint64_t pinned_per_consumer, pinned_per_uid; /* bytes; 0: no limit. uid 0 has no per-uid limit. */
        uint64_t release_usec;                        /* from the kernel's request to the end */
        uint32_t history_per_pasid, history_entries;  /* of the same numbers, and in each table; 0: no history */
};

/*
 * File descriptors that are to outlive this process: the service manager's fd store. That a notice was sent is no proof
 * that it was kept: a start takes what comes back, and makes do without the rest.
 * Names: "iommufd", "device-<PCI address, with '-' for ':'>", "hold-<consumer id>".
 */
struct fd_keeper {
        int (*keep)(const char *name, int fd, void *userdata); /* a duplicate is kept */
        void (*drop)(const char *name, void *userdata);
        void (*sync)(void *userdata); /* returns once those that were dropped are closed; may be NULL */
        void *userdata;
};

/* One that an earlier pasidd had kept. */
struct stored_fd {
        const char *name;
        int fd; /* set to -EBADF by whoever takes it over; what is left is its giver's to close */
};

struct service_params {
        sd_event *event;
        const struct fd_keeper *keeper; /* NULL: there is none. Copied. */
        struct stored_fd *stored;       /* what came back */
        size_t n_stored;
        struct core_limits limits;
        struct service_limits service_limits;
        struct kernel *kernel;        /* taken over */
        struct store *runtime_store;  /* taken over */
        struct store *persistent_store; /* taken over */
        bool persistent_other_boot;   /* its rows come back reserved */
        const char *procfs;   /* NULL: /proc. Not copied. */
        const char *cgroupfs; /* the root of the unified cgroup tree; NULL: where it is mounted on most systems. Not copied. */
        int64_t commit_priority;      /* of the event source that commits; lower than the bus sources */
        uint64_t retry_usec;          /* after table or kernel refused what nobody waits for, the end of a holder say; 0: 5 s */
        uint64_t sweep_usec;          /* between two looks at all holders that nobody asked for; 0: a minute */
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
int service_set_limits(struct service *s, const struct core_limits *limits, const struct service_limits *service_limits);
struct core *service_core(struct service *s);
const struct device_list *service_devices(struct service *s);
const struct service_restored *service_get_restored(const struct service *s);
const struct service_counters *service_get_counters(const struct service *s);
/* The limits that are in force. */
const struct service_limits *service_get_limits(const struct service *s);
/* NULL: the kernel layer measures nothing. */
const struct kernel_timings *service_get_timings(const struct service *s);
/* What the consumers of a uid have pinned. */
uint64_t service_pinned_by(const struct service *s, uid_t uid);
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
        int hold_fd;           /* HOLD_FD; stays the caller's */
        uint32_t hold_pid;     /* HOLD_PROCESS */
        const char *hold_unit; /* HOLD_UNIT: a unit of the system's manager, or a path in the unified cgroup tree */
        pid_t caller_pid;      /* of who asks; 0: not known */
        uint64_t caller_start; /* when that process began, as /proc has it */
        enum consumer_mode mode;
};

/*
 * NoSuchDevice, DeviceUnusable, AccessDenied (persistent, or what another user's process or unit would hold, for
 * non-root), InvalidArgs (what can't hold, or is over), Unsupported (a hold that this kernel can't watch),
 * LimitsExceeded (no file descriptors or watches left), core_consumer_add()'s
 */
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
 * Who held a number before, the youngest first. What one request ended may be one entry for several numbers. The
 * callback returns 0 or a negative errno, which is returned.
 */
int service_read_history(struct service *s, uint32_t pasid, store_history_cb callback, void *userdata, struct refusal *refusal);

/*
 * The mediated mode. Each of these is done, in the kernel and in the table,
 * when it returns, or has changed nothing: they commit by themselves, and what
 * other requests have pending with it.
 * NotMediated, NoSuchPasid, NotAttached, DeviceGone, DeviceBusy (worth another
 * try a little later), DeviceUnusable, and what the kernel layer says.
 */
/* One number, allocated, attached and, unless map is NULL, with memory at a given address (as service_map()), or nothing of it. */
int service_alloc_mapped(struct service *s, struct consumer *c, struct alloc_request *request, const void *private_data,
                         const struct kernel_mapping *map, uint32_t *ret, struct refusal *refusal);
/* An address space of its own for the number, on each of its consumer's devices. AlreadyAllocated: it is attached. */
int service_attach(struct service *s, struct consumer *c, uint32_t pasid, struct refusal *refusal);
/* Takes the address space away, with all its mappings. */
int service_detach(struct service *s, struct consumer *c, uint32_t pasid, struct refusal *refusal);
/* QuotaExceeded: more bytes than may be pinned. *ret_iova: where it is. */
int service_map(struct service *s, struct consumer *c, uint32_t pasid, const struct kernel_mapping *m, uint64_t *ret_iova,
                struct refusal *refusal);
/* All mappings from iova on, whole ones only. */
int service_unmap(struct service *s, struct consumer *c, uint32_t pasid, uint64_t iova, uint64_t length, uint64_t *ret_unmapped,
                  struct refusal *refusal);
/* Also what it has had mapped, and the kernel does not let go yet. */
uint64_t service_pinned_bytes(const struct service *s, const struct consumer *c);

/*
 * A device for somebody who attaches by himself; both fds are the caller's. DeviceBusy while pasidd or another
 * holder has it; StorageFull, StorageFailed: the table has to know first whose it is. Once consumer has ended or, if
 * that is NULL, service_holder_gone() names holder, as of connection holds, others may have the device, as soon as
 * the kernel agrees that it is not in use.
 */
int service_open_device(struct service *s, const char *address, const char *holder, const struct consumer *consumer,
                        int *ret_device, int *ret_iommufd, struct refusal *refusal);
/* Of those that have a device not for a consumer's life, one after the other: who they are. NULL: no more. */
const char *service_tenant_holder(const struct service *s, size_t n);
/* It did not reach whom it was opened for; its fds are the caller's to close. */
void service_take_back_device(struct service *s, const char *address);
enum device_held {
        DEVICE_HELD_NOT,
        DEVICE_HELD_MEDIATED, /* pasidd itself has it open */
        DEVICE_HELD_TENANT,   /* service_open_device() gave it away */
};
enum device_held service_device_held(const struct service *s, const char *address);

enum finding_kind {
        FINDING_NOT_IN_KERNEL,  /* attached in the table, not in the IOMMU's */
        FINDING_NOT_IN_TABLE,   /* the reverse, on a device that pasidd holds */
        FINDING_DEVICE_NOT_HELD, /* attached numbers of a device that pasidd has not open */
        FINDING_DEVICE_GONE,    /* live numbers of a device that is gone */
        FINDING_NOT_HEALTHY,    /* what service_check_health() says */
        FINDING_KIND_MAX_,
};
struct finding {
        enum finding_kind kind;
        const char *device;             /* address; NULL: it is about pasidd itself */
        const struct consumer *consumer; /* NULL: nobody's */
        uint32_t pasid;                 /* 0: not about one number */
        const char *text;               /* FINDING_NOT_HEALTHY: a sentence; else NULL */
};
const char *finding_kind_to_string(enum finding_kind kind); /* "not-in-kernel" and so on */
/* Looks whether requests could be served, then compares the table with what is held and, where the kernel shows them, with the IOMMU's own tables. */
struct check_listener {
        int (*found)(const struct finding *finding, void *userdata);
        int (*skipped)(const char *device, const char *why, void *userdata); /* could not be looked at */
        void *userdata;
};
int service_check(struct service *s, const struct check_listener *listener);

/* False: whether its holder is still there can't be told; it stays until that can, or until Exit. */
bool service_hold_is_watched(const struct consumer *c);

/* Offers a consumer to another uid, in place of an earlier offer; -1: to nobody. InvalidArgs: to its owner. */
int service_offer_consumer(struct service *s, struct consumer *c, uid_t uid, struct refusal *refusal);
bool service_is_offered(struct service *s, uid_t owner, const char *name, uid_t uid);

struct accept_request {
        uid_t owner; /* and name: the key that it has */
        const char *name;
        uid_t uid;   /* who takes it */
        const char *holder; /* as of connection holds: it is held by the new owner's connection then */
};
/* Committed when it returns. AccessDenied: there is no such offer; QuotaExceeded: pinned bytes; core_consumer_set_owner()'s */
int service_accept_consumer(struct service *s, const struct accept_request *request, struct consumer **ret, struct refusal *refusal);

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
/* What waits for its commit is undone instead, for want of memory, and those who wait are told. */
void service_abandon(struct service *s);
/* True while changes wait for their commit. */
bool service_is_pending(const struct service *s);
/* Commits what is pending, and tries both tables and the files of the devices that are held. The errno of what is wrong, negative. */
int service_check_health(struct service *s, struct refusal *refusal);
/* Commits what is pending now; to be called before anything is read for a reply. */
int service_flush(struct service *s);
void service_get_moment(struct service *s, struct moment *ret);
