/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What pasidd holds in the kernel for others: open devices, address spaces,
 * attachments and mappings. The core knows a row's state only; the objects
 * behind it are here, and under the same numbers in the table.
 */
#pragma once

#include "core/radix.h"
#include "core/tree.h"
#include "service/service-internal.h"

/* An open device, shared by the mediated consumers that have it. */
struct held_device {
        TAILQ_ENTRY(held_device) entry;
        struct service *service;
        struct kernel_device *kernel; /* NULL once it was let go: what is attached is gone with it */
        unsigned n_users;             /* consumers */
        unsigned n_attached;          /* numbers */
        sd_event_source *request_source; /* the kernel wants it back */
        sd_event_source *deadline_source;
        uint64_t deadline_usec;       /* CLOCK_MONOTONIC, while there is that source */
        char address[PCI_ADDRESS_MAX];
        char iommu[]; /* devices behind one IOMMU share page tables */
};

struct mapping {
        struct tree_node node; /* by address */
        uint64_t iova, length;
        bool is_unmapped;  /* in the kernel it is gone, in the table not yet */
        bool is_restored;  /* of an earlier pasidd, which may have died between kernel and table */
        bool is_unwritten; /* the reverse of it: the table refused it, and then the kernel to let it go */
};

struct attached_device {
        struct held_device *device;
        uint32_t hwpt;
        bool is_shared;   /* the page table is an earlier device's */
        bool is_attached;
};

/* The address space of one number of a mediated consumer, on all its devices. */
struct attachment {
        TAILQ_ENTRY(attachment) leftover;
        struct mediation *mediation; /* NULL: a leftover */
        uint64_t consumer_id; /* and uid: of a leftover, whose it was and counts as */
        uid_t uid;
        uint32_t pasid;
        uint32_t ioas;
        struct tree_node *mappings;
        size_t n_stale; /* mappings that are unmapped */
        uint64_t pinned;
        bool is_stuck; /* what is left of an attempt that could not be undone: nobody's, and not in the table */
        size_t n_devices;
        struct attached_device devices[];
};

/* What a mediated consumer has in the kernel; its consumer's userdata. */
struct mediation {
        TAILQ_ENTRY(mediation) entry;
        struct service *service;
        struct consumer *consumer;
        uint64_t consumer_id; /* its id and owner: it may be freed before this is */
        uid_t uid;
        struct radix attachments; /* by number */
        uint32_t n_attachments;
        uint64_t pinned;
        size_t n_devices; /* that it holds: all of the consumer's, but while it is made */
        struct held_device *devices[];
};

static inline struct mediation *mediation_of(const struct consumer *c) {
        return c->userdata;
}

/* The consumer's, if it is no remnant. */
static inline bool attachment_is_whole(const struct attachment *a) {
        return a && !a->is_stuck;
}

/* mediation.c */
/* After a failure, too, the consumer may have got one. */
int mediation_get(struct service *s, struct consumer *c, struct mediation **ret, struct refusal *refusal);
/* Without attachments only, and no more its consumer's: its devices are closed with their last user. NULL is fine. */
void mediation_free(struct mediation *m);
/* Nothing came of it: its consumer has none any more, unless a device that others use as well keeps a remnant of it. */
void mediation_drop(struct mediation *m);
struct attachment *mediation_find(const struct consumer *c, uint32_t pasid);
/* The first at or above a number. */
struct attachment *mediation_next(const struct consumer *c, uint32_t pasid);

/* held-devices.c */
int held_device_get(struct service *s, const char *address, struct held_device **ret, struct refusal *refusal);
void held_device_put(struct held_device *d);
struct held_device *held_device_find(const struct service *s, const char *address);
/* Whoever uses it: what is attached there is gone with it. Not held is fine. */
void held_device_close(struct service *s, const char *address);
void held_device_note_attached(struct held_device *d, int step);
/* From an earlier pasidd; fd is taken over on success. In use from the first held_device_get() on. */
int held_device_adopt(struct service *s, const char *address, int fd, uint32_t id, struct refusal *refusal);
/* Waits until the service manager has closed what it was told to; false if that is nothing. */
bool held_devices_settle(struct service *s);
void held_devices_close_unused(struct service *s);
void held_devices_done(struct service *s);

/* attachments.c: the kernel's side */
/* The address space, attached to nothing yet. On failure what was made is undone. */
int attachment_make(struct mediation *m, uint32_t pasid, struct attachment **ret, struct refusal *refusal);
/* On failure some of the devices may have it. */
int attachment_attach(struct attachment *a, struct refusal *refusal);
/* Off all devices; false, and logged: the kernel refused at one. */
bool attachment_cut(struct attachment *a);
/* Nobody has heard of it: as attachment_destroy(), or, if it can't be detached, a remnant stays and this is false. */
bool attachment_undo(struct attachment *a);
/* In memory only. */
void attachment_forget(struct attachment *a);
/* It is nobody's any more, and the caller's to free. */
void attachment_take_out(struct attachment *a);
/* Detached, its objects destroyed, and freed; what the kernel refuses there is logged, and left over. */
void attachment_destroy(struct attachment *a);
/* Stops the DMA, and can be taken back: page tables and mappings stay. */
int attachment_detach(struct attachment *a, struct refusal *refusal);
int attachment_reattach(struct attachment *a, struct refusal *refusal);
/* One that an earlier pasidd made: its devices' page tables are to be filled in, then attachment_note_shared(), then attachment_reattach(). */
int attachment_adopt(struct mediation *m, uint32_t pasid, uint32_t ioas, struct attachment **ret);
void attachment_note_shared(struct attachment *a);
int attachment_write(struct store *store, const struct attachment *a, struct refusal *refusal);

/* leftovers.c: each takes the attachment over */
/* Its objects are destroyed, and it with them, or it is left over. */
void leftovers_add(struct attachment *a);
/* It is attached, to devices that are to be closed: its objects can't be destroyed before. */
void leftovers_add_attached(struct attachment *a);
void leftovers_retry(struct service *s);
bool leftovers_have(const struct service *s, uint32_t id);
uint64_t leftovers_pinned_by(const struct service *s, uid_t uid);
uint64_t leftovers_pinned_of(const struct service *s, const struct consumer *c);
/* The consumer's owner is another one. */
void leftovers_change_owner(struct service *s, const struct consumer *c);
int leftovers_init(struct service *s);
/* Pasidd is about to end: once more, when no device is in the fd store that was to be out of it. */
void leftovers_settle(struct service *s);
void leftovers_done(struct service *s);

/*
 * ending.c: a set of numbers stops being attached, as a part of a larger change:
 * the change in the core, detach in the kernel, the change in the table, then
 * destroy or reattach.
 */
struct ending {
        struct consumer *consumer;
        struct attachment **attachments;
        size_t n;
};
/* pasids NULL: all of the consumer's. Commits what was pending if there is anything to end; its refusal is returned. */
int ending_begin(struct service *s, struct consumer *c, const uint32_t *pasids, size_t n, struct ending *ret,
                 struct refusal *refusal);
/* The core's side of it: the rows are allocated only. */
int ending_detach_rows(struct service *s, const struct ending *e, const struct moment *now, struct refusal *refusal);
/*
 * As service_persist(), with the attachments taken out of the kernel before and out of the table with it; and the
 * end of it: r < 0 says that the core refused the change. Returns r, or what refused; ending is done with either way.
 */
int ending_commit(struct service *s, struct ending *e, struct store *store, size_t mark, const char *reason, int r,
                  struct refusal *refusal);

/* mappings.c */
struct unmapping {
        struct attachment *attachment;
        uint64_t iova, length;
};
int mappings_check_quota(const struct service *s, const struct consumer *c, uint64_t length, struct refusal *refusal);
/* All that a consumer has pinned is to be another uid's. */
int mappings_check_owner(const struct service *s, const struct consumer *c, uid_t uid, struct refusal *refusal);
/* In the kernel; *ret is then mappings_add()'s, once the table has it, or mappings_undo_map()'s. */
int mappings_make(struct attachment *a, const struct kernel_mapping *m, struct mapping **ret, struct refusal *refusal);
void mappings_add(struct attachment *a, struct mapping *m);
/* The table refused: out of the kernel again. Takes m over. */
void mappings_undo_map(struct attachment *a, struct mapping *m);
/* In the kernel; then in the table (as a struct extra's write); then in memory: how many bytes it was. */
int mappings_unmap(struct unmapping *u, struct refusal *refusal);
int mappings_write_unmapping(struct store *store, void *userdata, struct refusal *refusal);
uint64_t mappings_forget(struct unmapping *u);
/* What was unmapped while the table refused: out of that (userdata: the attachment), then out of memory. */
int mappings_write_stale(struct store *store, void *userdata, struct refusal *refusal);
void mappings_forget_stale(struct attachment *a);
/* Exactly this one, as far as is known; NULL: there is none. */
const struct mapping *mappings_find(const struct attachment *a, uint64_t iova, uint64_t length);
struct mapping *mappings_first(const struct attachment *a); /* by address */
struct mapping *mappings_next(const struct attachment *a, const struct mapping *m);
void mappings_free(struct attachment *a);

/* tenants.c */
bool tenants_have(const struct service *s, const char *address);
void tenants_holder_gone(struct service *s, const char *holder);
int tenants_rename_begin(struct service *s, const char *from, const char *to); /* -ENOMEM: nothing has begun */
void tenants_rename_end(struct service *s, bool is_renamed);
int tenants_load(struct service *s, const struct store_tenant *row); /* -ENOMEM */
/* Both tables are loaded: those whose consumer has ended are forgotten. */
void tenants_settle(struct service *s);
void tenants_done(struct service *s);

/* pasids.c */
/* As service_free_pasids(), for another reason: a literal. */
int service_free_because(struct service *s, struct consumer *c, const uint32_t *pasids, size_t n, const char *reason,
                         struct refusal *refusal);

/* hotplug.c */
/* As service_rediscover(), but so many times a second at most; beyond that nothing is looked at. */
int service_rediscover_for_request(struct service *s, struct refusal *refusal);
int hotplug_init(struct service *s, struct refusal *refusal);
void hotplug_done(struct service *s);
/* Nobody can use the device any more: what is attached there is lost. Tries again until the table has it. */
void hotplug_device_gone(struct service *s, const char *address);
