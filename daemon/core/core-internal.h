/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the core share among themselves; nobody else includes it.
 *
 * Two rules keep an undo from failing: whatever a change and its undo need is
 * had before the change is made (idset_reserve(), radix_hold(), a place in the
 * journal), and whatever an undo may bring back is freed by the commit only.
 */
#pragma once

#include "core/core.h"
#include "core/idset.h"
#include "core/radix.h"
#include "core/tree.h"

/* Numbers that the kernel keeps apart from others. Stays for the core's life: a host has few. */
struct space {
        struct tree_node node;
        int32_t id;
        struct idset taken;
        struct idset cooling; /* the part of taken that cools */
        uint32_t counts[ROW_STATE_MAX_];
};

/*
 * The view on the union of some spaces, up to a highest number: what is taken
 * in any of them, or on the whole host, so that one search serves them all.
 * That of SPACE_HOST is the union of every space there is. Shared by all
 * consumers with the same spaces and highest number.
 */
struct pool {
        TAILQ_ENTRY(pool) entry;
        unsigned refs;
        uint32_t max;
        uint32_t cursor;        /* where the search of the whole range goes on */
        uint64_t youngest_usec; /* the youngest row that was loaded */
        bool is_host;
        size_t n_spaces;
        int32_t *ids; /* ascending */
        struct space **spaces;
        size_t n_overlaps, size_overlaps;
        struct pool **overlaps; /* pools with a space in common, this one among them */
        struct idset taken;
};
TAILQ_HEAD(pool_list, pool);

/* The account of one uid. */
struct owner {
        struct tree_node node;
        uid_t uid;
        unsigned refs; /* consumers, ended ones too */
        uint32_t n_consumers;
        uint32_t n_live, n_cooling;
};

struct token_numbers {
        uint32_t n;
        uint32_t pasids[];
};

/* What one request of a consumer got; in its tree while a live row has it. */
struct token {
        struct tree_node node;
        union {
                uint32_t one;
                struct token_numbers *many;
        };
        uint32_t n_live;       /* rows that have it now */
        uint32_t refs : 31;    /* those, and entries of the journal that may bring it back */
        uint32_t is_many : 1;
        char text[];
};

/* Kinds of entries that are nobody's business but the journal's. */
#define JOURNAL_CURSOR ((uint8_t) 0xff)

struct journal_entry {
        uint8_t kind; /* enum change_kind, JOURNAL_CURSOR */
        uint8_t old_state, new_state; /* of CHANGE_ROW_STATE both, of CHANGE_ROW_REMOVED the old one */
        bool had_ended;
        uint16_t old_private_bytes;
        union {
                struct row *row;
                struct consumer *consumer;
                uint32_t *cursor;
        };
        union {
                uint64_t old_since_usec;
                uint64_t old_next_id;
                uint32_t old_cursor;
                char *old_holder;
                struct owner *old_owner; /* with a reference */
        };
        struct token *old_token; /* a row that began to cool */
        uint64_t old_held_usec;  /* of CHANGE_ROW_STATE; as in the row, 0 for old_since_usec */
};

struct journal {
        struct journal_entry *entries;
        size_t n, size;
};

TAILQ_HEAD(row_list, row);

struct core {
        struct core_limits limits;
        bool loading;
        bool starts_in_upper_half;
        uint64_t next_id;
        struct tree_node *consumers_by_key; /* those that have not ended */
        struct tree_node *consumers_by_id;
        struct tree_node *owners;
        struct tree_node *spaces;
        struct space *host; /* the one of SPACE_HOST */
        struct pool_list pools;
        struct row_list cooling[2]; /* by freed_usec; [1]: of persistent consumers */
        struct radix holders; /* number -> rows, ascending by consumer id */
        struct journal journal;
        struct core_stats stats;
};

/* space.c */
int space_get(struct core *core, int32_t id, struct space **ret);
struct space *space_find(const struct core *core, int32_t id);
struct space *space_after(const struct core *core, const struct space *space); /* NULL starts and ends */
void space_free_all(struct core *core);

/* pool.c; ids: ascending, without repeats */
int pool_get(struct core *core, const int32_t *ids, size_t n_ids, uint32_t max, struct pool **ret);
void pool_put(struct core *core, struct pool *pool);
void pool_free_all(struct core *core);
bool pool_overlaps(const struct pool *pool, const struct pool *other);

/* owner.c */
int owner_get(struct core *core, uid_t uid, struct owner **ret);
struct owner *owner_find(const struct core *core, uid_t uid);
void owner_put(struct core *core, struct owner *owner);

/* consumer.c */
void consumer_retire(struct core *core, struct consumer *consumer); /* ends, journalled; room for 1 entry is there */
void consumer_undo_add(struct core *core, struct consumer *consumer, uint64_t next_id);
void consumer_undo_retire(struct core *core, struct consumer *consumer, bool removed, bool had_ended);
void consumer_dispose(struct core *core, struct consumer *consumer);
void consumer_undo_set_owner(struct core *core, struct consumer *consumer, struct owner *old);
void consumer_unlist(struct core *core, struct consumer *consumer); /* from those by id */
const struct consumer_device *consumer_narrowest_device(const struct consumer *consumer);

/* row.c */
int row_add(struct core *core, struct consumer *consumer, uint32_t pasid, const struct row *values, struct row **ret);
void row_undo_add(struct core *core, struct row *row);
int row_reserve_cooling(struct core *core, const struct row *row);
void row_change_state(struct core *core, struct row *row, enum row_state state);
void row_remove(struct core *core, struct row *row); /* journalled; room for 1 entry is there */
void row_undo_remove(struct core *core, struct row *row);
void row_dispose(struct core *core, struct row *row);
static inline bool row_is_live(const struct row *row) {
        return row->state != ROW_COOLING;
}

/* token.c */
int token_check(const char *token, struct refusal *refusal);
int token_new(const char *text, const uint32_t *pasids, uint32_t n, struct token **ret); /* with one reference */
int token_append(struct token *token, uint32_t pasid);
struct token *token_find(const struct consumer *consumer, const char *text);
void token_join(struct consumer *consumer, struct token *token);  /* one more row has it, and a reference */
void token_leave(struct consumer *consumer, struct token *token); /* one row less has it; the reference stays */
void token_rejoin(struct consumer *consumer, struct token *token); /* undoes token_leave() */
struct token *token_unref(struct token *token);
/* Copies what live rows have it, in the order they were got. There is room for token->n_live. */
void token_copy(const struct consumer *consumer, const struct token *token, uint32_t *pasids);

/* cooling.c */
static inline struct row_list *cooling_list(struct core *core, const struct consumer *consumer) {
        return &core->cooling[consumer->hold == HOLD_PERSISTENT];
}
uint64_t cooling_deadline(const struct core *core, const struct row *row);
void cooling_insert(struct core *core, struct row *row);
void cooling_sort(struct core *core);

/* free.c: frees a live row, at once or by cooling; on -ENOMEM it is as it was */
int row_free(struct core *core, struct row *row, const struct moment *now);

/* shortage.c: why lo..hi has nothing (enough) for the request */
int refuse_shortage(struct core *core, const struct consumer *consumer, const struct alloc_request *request,
                    uint32_t lo, uint32_t hi, struct refusal *refusal);

/* journal.c */
int journal_reserve(struct core *core, size_t n);
void journal_push(struct core *core, const struct journal_entry *entry);

static inline int refuse_memory(struct refusal *refusal) {
        return refuse(refusal, ENOMEM, "pasidd has not enough memory for this; ask again later, or for less.");
}
