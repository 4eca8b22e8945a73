/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store beside a core and a list of kernel objects, which are the model of
 * what it has to hold. Changes go to both, as the service does it; what is in
 * the table is told as a text, and so is what should be.
 */
#pragma once

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "internal/cleanup.h"
#include "store/store.h"
#include "test-store-objects.h"

#define BOOT_A "0123456789abcdef0123456789abcdef"
#define BOOT_B "fedcba9876543210fedcba9876543210"

#define ON(...) (const int32_t[]) { __VA_ARGS__ }, ELEMENTSOF(((const int32_t[]) { __VA_ARGS__ }))
#define ON_HOST NULL, 0

struct fixture {
        char dir[128]; /* of the table; made by the store */
        char top[96];  /* removed at the end, with all in it */
        bool durable;
        const char *boot_id;
        struct core *core;
        struct store *store;
        bool other_boot;
        struct moment now; /* a step further at each change */
        struct refusal refusal;
        struct objects objects; /* as they are to be in the table */
        struct objects written; /* in the open transaction */
        struct objects kept;    /* after the last commit */
        uint32_t n_ids;         /* object ids given out */
};

/* Runtime tables live on tmpfs, where the log is mapped, if there is one. */
void fixture_init(struct fixture *f, bool durable, bool on_tmpfs);
/* The kinds that tests loop over: 0 runtime on tmpfs, 1 runtime on a disk, 2 durable, where syncing costs nothing. */
#define FIXTURE_KINDS 3
void fixture_init_kind(struct fixture *f, int kind);
void fixture_done(struct fixture *f);
/* From one moment at which a test has something happen to the next: 1, or STORE_STEP where each takes too long. */
unsigned fixture_step(void);
/* Where there are so many that in an ordinary run some of them must do; STORE_STEP=1 is for all. */
unsigned fixture_step_or(unsigned usual);
int fixture_try_open(struct fixture *f);
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
const char *fixture_path(const struct fixture *f, const char *name, char buf[static 256]);
/* Whether the refusal has that errno, and all these words in its text; the last is NULL. */
void expect_refusal(const struct fixture *f, int r, int code, ...);

void begin(struct fixture *f);
void commit(struct fixture *f);
/* The part of the core's journal from the mark on, and the objects that differ, into the open transaction. */
int write_changes(struct fixture *f, size_t mark);
/* What a rollback does to the model. */
void take_back(struct fixture *f);
/* A whole transaction from all that the core has journalled; both sides keep it, or neither. */
int commit_changes(struct fixture *f);

struct consumer *add_consumer(struct fixture *f, uid_t uid, const char *name, const int32_t *spaces, size_t n);
/* min 0: anywhere. Returns the first number. */
uint32_t alloc(struct fixture *f, struct consumer *c, uint32_t count, uint32_t min, uint16_t bytes, const char *token);
void free_pasid(struct fixture *f, struct consumer *c, uint32_t pasid);
void end_consumer(struct fixture *f, struct consumer *c);
/* A number loses its attachment with its state: by detach(), and by the two above. */
void attach(struct fixture *f, struct consumer *c, uint32_t pasid);
void map(struct fixture *f, const struct consumer *c, uint32_t pasid, uint64_t iova, uint64_t length);
void detach(struct fixture *f, struct consumer *c, uint32_t pasid);

/* Private data of a number: all bytes occur in it, NUL first. */
void fill_private(void *data, uint32_t pasid, uint16_t bytes);

/* What model and table hold, line by line, to be freed; private data of the table is compared on the way. */
char *describe_model(const struct fixture *f);
char *describe_store(struct fixture *f);
void expect_same(struct fixture *f);
/* The same after closing it and opening it again. */
void expect_same_reopened(struct fixture *f);

/* SQL on the table's file by another connection; the first column of its first row as text, to be freed. */
char *sql(const struct fixture *f, const char *statement);
