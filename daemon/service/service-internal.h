/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the service share: its state and the transaction that
 * requests of one moment join.
 */
#pragma once

#include <sys/queue.h>

#include "service/audit.h"
#include "service/service.h"

struct pending {
        service_committed_t callback;
        void *userdata;
};

/* Of a number that nobody was told of: it is no part of the history. */
#define REASON_ATTACH_FAILED "attach-failed"

/* From this place in the journal on, numbers go for this reason. */
struct reason_note {
        size_t mark;
        const char *reason; /* a literal */
};

TAILQ_HEAD(gone_list, gone);
TAILQ_HEAD(hold_watch_list, hold_watch);
TAILQ_HEAD(held_device_list, held_device);
TAILQ_HEAD(mediation_list, mediation);
TAILQ_HEAD(leftover_list, attachment);
TAILQ_HEAD(tenant_list, tenant);
TAILQ_HEAD(lost_device_list, lost_device);

struct service {
        sd_event *event;
        uint64_t retry_usec; /* after table or kernel refused what nobody waits for */
        sd_event_source *commit_source;
        sd_event_source *cooling_source;
        uint64_t cooling_armed;    /* CLOCK_BOOTTIME the source is set to, UINT64_MAX while it is off */
        uint64_t cooling_pause[2]; /* CLOCK_BOOTTIME until which a table that refused is left alone; [1]: the persistent one */
        sd_event_source *checkpoint_source;
        bool checkpoint_armed;
        struct core *core;
        struct kernel *kernel;
        struct store *runtime_store;
        struct store *persistent_store;
        struct device_list devices;

        struct store *open_store; /* the one with an open transaction: a batch is for one store */
        struct pending *pending;
        size_t n_pending, n_pending_allocated;
        struct reason_note *reasons;
        size_t n_reasons, n_reasons_allocated;

        struct gone_list gone;
        sd_event_source *gone_source;

        const char *procfs, *cgroupfs;
        struct hold_watch_list new_watches;  /* their consumers are not committed */
        struct hold_watch_list watches;
        struct hold_watch_list over_watches; /* their consumers' ends are not committed */
        sd_event_source *reaper_source;
        uint64_t sweep_usec; /* between two looks at all of them */
        bool has_orphans;         /* consumers to be ended when there is memory for it */
        bool has_dropped;         /* the fd store may still have what was taken out of it */
        unsigned n_walks;         /* looks at all devices for requests, in the present second */
        uint64_t walks_usec;      /* CLOCK_MONOTONIC: when that began */
        uint64_t next_sweep_usec; /* CLOCK_MONOTONIC, for those that requests ask for */

        struct fd_keeper keeper; /* its functions may be NULL */
        bool has_kept_iommufd;
        struct service_restored restored;
        struct service_limits limits;
        struct held_device_list held_devices;
        struct mediation_list mediations;
        struct leftover_list leftovers; /* what the kernel refused to destroy */
        sd_event_source *leftover_source;
        struct tenant_list tenants;
        struct lost_device_list lost_devices; /* the table does not know yet */
        sd_event_source *lost_source;
        sd_event_source *news_source; /* the kernel's, gathered for a moment */

        struct service_listener listener;
        bool want_news;
        struct service_counters counters;
        struct audit_budget budget, storage_budget; /* of lines about changes, and about those that were refused */

        void (*get_moment)(struct moment *ret, void *userdata);
        void *clock_userdata;
};

/* transaction.c */
struct store *service_store_of(struct service *s, const struct consumer *c);
/* To be called before a change is made in the core: a batch of the other store is committed first. */
void service_prepare(struct service *s, const struct store *store);
/*
 * Writes what the core journalled since mark to the store, opening its
 * transaction if need be, and takes it back in both when the table refuses.
 * private_data: of added or changed rows. reason: why numbers go, a literal.
 */
int service_persist(struct service *s, struct store *store, size_t mark, const void *private_data,
                    const char *reason, struct refusal *refusal);
/* More to write to the table with a change: what is none of the core's. */
struct extra {
        int (*write)(struct store *store, void *userdata, struct refusal *refusal);
        void *userdata;
        bool goes_first; /* before the core's: what hangs on a row or a consumer goes before that does */
};
/* As above; extra is written even if the core's journal has nothing. */
int service_persist_with(struct service *s, struct store *store, size_t mark, const void *private_data,
                         const char *reason, const struct extra *extra, struct refusal *refusal);
/* As service_flush(), and says why not. */
int service_commit(struct service *s, struct refusal *refusal);
void service_transaction_done(struct service *s);

/* cooling.c */
/* What is due returns to the pool. A table that can't be written keeps its numbers cooling. */
void service_expire_all(struct service *s, const struct moment *now);
int service_arm_cooling(struct service *s);
/* After the table's batch was undone. */
void service_retry_cooling(struct service *s, const struct store *store);
int service_cooling_init(struct service *s);

/* holders.c */
int service_holders_init(struct service *s);
void service_holders_done(struct service *s);

/* history.c */
/* What the changes since mark ended, in the store's open transaction. reason: a literal */
int history_write(struct service *s, struct store *store, size_t mark, const char *reason, struct refusal *refusal);
void history_apply_limits(struct service *s);

/* checkpoint.c */
int service_checkpoint_init(struct service *s);
/* To be called after a commit. */
int service_arm_checkpoint(struct service *s);

/* pasids.c */
struct row *service_live_row(struct consumer *c, uint32_t pasid);
int service_refuse_no_row(const struct consumer *c, uint32_t pasid, struct refusal *refusal);
int service_check_devices(const struct consumer *c, struct refusal *refusal);
/* What service_alloc() does before it writes: the numbers are the consumer's in the core, from mark on. */
int service_pick(struct service *s, struct consumer *c, struct alloc_request *request, uint32_t *pasids, size_t *ret_mark,
                 bool *ret_repeated, struct refusal *refusal);

/* device-match.c */
#define DEVICE_MATCH_TEXT_MAX 160
const struct device_info *device_match_find(const struct device_list *devices, const struct consumer_device *d); /* NULL: not there */
bool device_match_is_gone(const struct service *s, const struct consumer_device *d);
/* What is there instead of a device that is gone; no end of a sentence. */
void device_match_explain(const struct service *s, const struct consumer_device *d, char ret[static DEVICE_MATCH_TEXT_MAX]);

/* remap.c */
int service_remap(struct service *s, struct store *store, struct refusal *refusal);

/* load.c */
int service_load(struct service *s, bool persistent_other_boot, struct stored_fd *stored, size_t n_stored, struct refusal *refusal);
