/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The authority itself: which numbers of which spaces are held by which
 * consumers. Pure bookkeeping in memory: no bus, no SQL, no ioctl, no clock of
 * its own (times are passed in, so that tests own them).
 *
 * Every change is recorded in a journal until core_commit() or
 * core_rollback(): the service writes the journal's entries to the table, and
 * takes them back, in reverse, when the table refuses.
 *
 * One thread. Pointers to consumers and rows are valid until the next
 * core_commit() or core_rollback() after they ended.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "core/radix.h"
#include "core/refusal.h"
#include "core/tree.h"
#include "internal/contract.h"

/* The space of consumers without devices: taken in it is taken in every space. */
#define SPACE_HOST (-1)

enum row_state {
        ROW_ALLOCATED,
        ROW_ATTACHED, /* pasidd attached it in the kernel */
        ROW_COOLING,  /* freed, but not proven detached: given to nobody until the delay is over */
        ROW_RESERVED, /* came back from the persistent table after a reboot; never attached */
        ROW_LOST,     /* its device went away */
        ROW_STATE_MAX_,
};

enum hold_kind {
        HOLD_CONNECTION,
        HOLD_FD,
        HOLD_PROCESS,
        HOLD_UNIT,
        HOLD_BOOT,
        HOLD_PERSISTENT,
        HOLD_KIND_MAX_,
};

enum consumer_mode {
        MODE_ADVISORY,
        MODE_MEDIATED,
        CONSUMER_MODE_MAX_,
};

/* The contract's words for them; the reverse gives -EINVAL for any other word. */
const char *row_state_to_string(enum row_state state);
int row_state_from_string(const char *s);
const char *hold_kind_to_string(enum hold_kind kind);
int hold_kind_from_string(const char *s);
const char *consumer_mode_to_string(enum consumer_mode mode);
int consumer_mode_from_string(const char *s);

/* Limits of SPEC rule 9 that the core enforces. uid 0 has no per-uid limits. */
struct core_limits {
        uint32_t pasids_per_uid;      /* live and cooling together: a loop of alloc and free can't drain a space */
        uint32_t pasids_per_consumer; /* a consumer's quota unless it asked for another */
        uint32_t consumers_per_uid;
        uint64_t reuse_delay_usec;    /* 0: a freed number returns at once */
};

/* A moment: both clocks, read once per request by the caller. */
struct moment {
        uint64_t realtime_usec; /* CLOCK_REALTIME, what people are shown */
        uint64_t boottime_usec; /* CLOCK_BOOTTIME, what delays are measured with */
};

/* A device of a consumer, as the core needs it. */
struct consumer_device {
        char address[24]; /* PCI address as text */
        int32_t space;    /* IOMMU group */
        uint32_t max_pasid;
        uint16_t vendor, device; /* its PCI ids; vendor 0: not known */
        bool gone;        /* not on this machine now: its consumer's rows are lost */
};

struct consumer_spec {
        uint64_t id;  /* 0: the core gives the next */
        uid_t uid;
        const char *name;
        uint32_t min, max;  /* 0, 0: the whole range of the devices; cut to what the narrowest device can */
        uint32_t quota;     /* 0: the limit pasids_per_consumer */
        enum hold_kind hold;
        const char *holder; /* who holds it, for kinds that need it (SPEC 2, hold); "" otherwise */
        enum consumer_mode mode;
        uint64_t since_usec; /* CLOCK_REALTIME */
        bool ended;          /* only while loading: it is gone, its numbers still cool */
        const struct consumer_device *devices;
        size_t n_devices;
};

struct hold_watch;
struct owner; /* the account of one uid */
struct pool;  /* the union of a consumer's spaces */
struct token;
struct row;

struct consumer {
        /* for everybody to read */
        uint64_t id; /* never reused in one table */
        uid_t uid;
        char *name;
        uint32_t min, max; /* effective range */
        uint32_t quota;
        enum hold_kind hold;
        char *holder;
        enum consumer_mode mode;
        uint64_t since_usec;
        struct consumer_device *devices;
        size_t n_devices;
        uint32_t n_live;    /* rows that are not cooling */
        uint32_t n_cooling;
        bool ended;         /* nobody can use it any more; it stays until its last number has cooled */
        void *userdata;     /* the service's */
        struct hold_watch *watch; /* the service's too: who holds it, if that is watched */
        uid_t offered_to;   /* who may take it over; -1: nobody */
        bool is_orphan;     /* its connection is gone, and it has still to be ended: the service's */
        bool has_losses;    /* this start found numbers of it lost: the service's */

        /* the core's own */
        struct tree_node by_key, by_id;
        struct owner *owner;
        struct pool *pool;
        uint32_t cursor;        /* where the search of a part of the pool's range goes on */
        uint64_t youngest_usec; /* the youngest row that was loaded */
        struct radix rows;        /* by number */
        struct tree_node *tokens; /* by text */
};

struct row {
        struct consumer *consumer;
        uint64_t since_usec; /* CLOCK_REALTIME of the present state */
        union {
                uint64_t freed_usec; /* cooling rows: CLOCK_BOOTTIME */
                uint64_t held_usec;  /* live rows: see row_held_usec() */
        };
        struct row *next_holder; /* other holders of the same number, in other spaces */
        union {
                struct token *token;      /* live rows: see row_token() */
                TAILQ_ENTRY(row) cooling; /* cooling rows, which have no token any more */
        };
        uint32_t pasid;
        uint16_t private_bytes; /* the bytes themselves live in the table only */
        uint8_t state;          /* enum row_state */
};

struct core;

int core_new(const struct core_limits *limits, struct core **ret);
struct core *core_free(struct core *core);
DEFINE_CLEANUP(struct core *, core_free);
/*
 * The lower half of each hardware's range comes last: the kernel gives numbers out itself, from 1 upward. Before there
 * are consumers.
 */
void core_start_in_upper_half(struct core *core);
/* Lowering a limit revokes nothing. */
void core_set_limits(struct core *core, const struct core_limits *limits);
const struct core_limits *core_get_limits(const struct core *core);

/* Valid names: 1..NAME_LEN_MAX bytes of UTF-8 without control characters. EILSEQ otherwise. */
int consumer_name_check(const char *name, struct refusal *refusal);

/*
 * ConsumerExists, InvalidName, InvalidRange, OutOfRange, DeviceUnusable (max_pasid 0),
 * QuotaExceeded (consumers_per_uid, or a quota above the limit: root only)
 */
int core_consumer_add(struct core *core, const struct consumer_spec *spec, struct consumer **ret, struct refusal *refusal);
/* Ends a consumer: each number is freed as by core_free_pasids(). Can only fail for memory. */
int core_consumer_end(struct core *core, struct consumer *consumer, const struct moment *now);
/* A consumer's holder changes (a client came back, or gave it away). */
int core_consumer_set_holder(struct core *core, struct consumer *consumer, const char *holder);
/*
 * The consumer is another uid's from now on, with all its numbers, also those
 * that cool. ConsumerExists: that uid has one of that
 * name; QuotaExceeded: consumers_per_uid or pasids_per_uid.
 */
int core_consumer_set_owner(struct core *core, struct consumer *consumer, uid_t uid, struct refusal *refusal);
/* Consumers that have not ended. NULL if there is none of that key. */
struct consumer *core_consumer_get(const struct core *core, uid_t uid, const char *name);
/* Ended ones too. */
struct consumer *core_consumer_by_id(const struct core *core, uint64_t id);
/* By ascending id, ended ones too; NULL starts and NULL ends. */
struct consumer *core_consumer_next(const struct core *core, const struct consumer *after);
/* The space under which a consumer's rows have their main entry in the table: its lowest. */
int32_t consumer_home_space(const struct consumer *consumer);
/* All spaces of a consumer, ascending, without repeats; SPACE_HOST alone without devices. *ret stays the consumer's. */
size_t consumer_spaces(const struct consumer *consumer, const int32_t **ret);

struct alloc_request {
        uint32_t count;    /* 1..NUMBER_MAX */
        uint32_t min, max; /* 0, 0: the consumer's whole range */
        uint32_t align;    /* contiguous only: a power of two that the first number is a multiple of; 0 or 1: any */
        bool contiguous;
        bool is_attached; /* they begin in state ROW_ATTACHED */
        uint16_t private_bytes;
        const char *token; /* NULL: none. 1..TOKEN_LEN_MAX printable ASCII */
        struct moment now;
};

/*
 * All or none. pasids has room for request->count, and is filled ascending in
 * the order of the search. *ret_repeated: the token was known, and pasids
 * holds what it got then; nothing was changed.
 * Numbers whose delay is over count as free, expired or not. A refusal leaves
 * the journal as it was; pasids may have been written to.
 * InvalidRange, OutOfRange, Exhausted, AlreadyAllocated, CoolingDown,
 * QuotaExceeded, InvalidArgs (count, align, token; a token known with another
 * count), PrivateTooLarge, NoSuchConsumer (it has ended).
 */
int core_alloc(struct core *core, struct consumer *consumer, const struct alloc_request *request,
               uint32_t *pasids, bool *ret_repeated, struct refusal *refusal);
/*
 * All or none: NoSuchPasid, and InvalidArgs for a number named twice. A number
 * that was attached by pasidd and is so no longer (state ROW_ALLOCATED of a
 * mediated consumer) returns to the pool at once, as does a reserved one; any
 * other cools first.
 */
int core_free_pasids(struct core *core, struct consumer *consumer, const uint32_t *pasids, size_t n,
                     const struct moment *now, struct refusal *refusal);
/* The numbers of a token, ascending; *ret is the caller's to free(). 0 with none. */
int core_token_pasids(struct core *core, struct consumer *consumer, const char *token, uint32_t **ret, size_t *ret_n);
/* -EINVAL to or from ROW_COOLING: that begins by a free and ends by time. */
int core_row_set_state(struct core *core, struct row *row, enum row_state state, const struct moment *now);
/* -EMSGSIZE above PRIVATE_MAX */
int core_row_set_private_bytes(struct core *core, struct row *row, uint16_t bytes);

/*
 * Frees up to max numbers whose delay is over. Returns how many, or -ENOMEM if there was no memory for the first.
 * Of the persistent consumers or of the others: each are in a table of their own, and one that can't be written must
 * not hold back the other's.
 */
int core_expire(struct core *core, bool persistent, const struct moment *now, size_t max);
/* CLOCK_BOOTTIME when core_expire() has something to do next; UINT64_MAX: never. */
uint64_t core_next_expiry(const struct core *core, bool persistent);

/* Live and cooling rows alike. */
struct row *core_row_get(const struct consumer *consumer, uint32_t pasid);
/* Ascending, first number above after. */
struct row *core_row_next(const struct consumer *consumer, uint32_t after);
/* All holders of a number over all spaces, by ascending consumer id; NULL starts (after) and ends. */
struct row *core_holder_next(const struct core *core, uint32_t pasid, const struct row *after);
const char *row_token(const struct row *row); /* NULL: none */
/* CLOCK_REALTIME: when a live row's number was given, whatever states it was in since. */
uint64_t row_held_usec(const struct row *row);

struct core_stats {
        uint64_t n_consumers; /* not ended */
        uint64_t n_live;
        uint64_t n_cooling;
};
void core_get_stats(const struct core *core, struct core_stats *ret);
/* The lowest space above the given one that a consumer ever had a device in, or SPACE_HOST; INT32_MIN starts, false ends. */
bool core_space_next(const struct core *core, int32_t after, int32_t *ret);
/* Live rows of a space (an IOMMU group) that are in the given state. */
uint32_t core_space_count(const struct core *core, int32_t space, enum row_state state);

/* Of 1..max, those that nobody else could be given in that IOMMU group now, cooling ones and the whole host's too. */
uint32_t core_space_taken(const struct core *core, int32_t group, uint32_t max);
/* Of all numbers, those that a consumer without devices could not be given now. */
uint32_t core_host_taken(const struct core *core);

struct core_usage {
        uid_t uid;
        uint32_t n_consumers; /* not ended */
        uint32_t n_live, n_cooling;
};
/* By ascending uid, each that has a consumer, ended ones too. after: NULL starts; false at the end. */
bool core_usage_next(const struct core *core, const struct core_usage *after, struct core_usage *ret);

/*
 * Loading. Between core_load_begin() and core_load_end() nothing is
 * journalled and no limit is enforced; -EBADMSG (with a text) for a table that
 * contradicts itself: a number held twice in a space, or outside 1..NUMBER_MAX.
 */
void core_load_begin(struct core *core);
/* freed_usec: of a live row its held_usec, or 0 for since_usec. */
int core_load_row(struct core *core, struct consumer *consumer, uint32_t pasid, enum row_state state,
                  uint64_t since_usec, uint64_t freed_usec, uint16_t private_bytes, const char *token,
                  struct refusal *refusal);
/* Places the cursors after the youngest numbers. */
void core_load_end(struct core *core);

enum change_kind {
        CHANGE_CONSUMER_ADDED,
        CHANGE_CONSUMER_ENDED,   /* still there: it has cooling rows */
        CHANGE_CONSUMER_REMOVED, /* after its last row */
        CHANGE_CONSUMER_HOLDER,
        CHANGE_CONSUMER_OWNER,
        CHANGE_ROW_ADDED,
        CHANGE_ROW_STATE,
        CHANGE_ROW_PRIVATE,
        CHANGE_ROW_REMOVED,
};

struct change {
        enum change_kind kind;
        enum row_state old_state; /* CHANGE_ROW_STATE and CHANGE_ROW_REMOVED */
        enum row_state new_state; /* CHANGE_ROW_STATE; the row may have changed again since */
        struct consumer *consumer;
        struct row *row; /* NULL for changes of a consumer */
        bool had_ended;  /* CHANGE_CONSUMER_REMOVED: its end was a change of its own, earlier */
        uid_t old_uid;   /* CHANGE_CONSUMER_OWNER */
        uint64_t held_usec; /* changes of a row that was live: its row_held_usec() */
};

/* Position in the journal, for core_rollback() and core_change_next(). */
size_t core_mark(const struct core *core);
/* In the order they happened, from a mark on; pos is moved on. False at the end. */
bool core_change_next(const struct core *core, size_t *pos, struct change *ret);
/* It ended somebody's holding of a number, whether or not that cools first. */
bool change_is_end(const struct change *change);
/* Everything since the mark is undone as if it had never been asked; 0 for all. Cannot fail. */
void core_rollback(struct core *core, size_t mark);
/* Everything journalled is final. */
void core_commit(struct core *core);
