/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loading from a table: the same rows as ever, but no journal, no limits, and
 * no trust that the table agrees with itself.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/core-internal.h"

void core_load_begin(struct core *core) {
        core->loading = true;
}

static int check_row(const struct consumer *c, uint32_t pasid, enum row_state state, uint16_t private_bytes,
                     const char *token, struct refusal *refusal) {
        if (pasid < NUMBER_MIN || pasid > NUMBER_MAX)
                return refuse(refusal, EBADMSG, "The table gives consumer \"%s\" of uid %u the PASID %u, which is outside %u..%u.",
                              c->name, c->uid, pasid, NUMBER_MIN, NUMBER_MAX);
        if ((unsigned) state >= ROW_STATE_MAX_)
                return refuse(refusal, EBADMSG, "The table has PASID %u of consumer \"%s\" in the unknown state %u.",
                              pasid, c->name, (unsigned) state);
        if (c->ended && state != ROW_COOLING)
                return refuse(refusal, EBADMSG, "The table has PASID %u of consumer \"%s\" as %s, but the consumer has ended.",
                              pasid, c->name, row_state_to_string(state));
        if (private_bytes > PRIVATE_MAX)
                return refuse(refusal, EBADMSG, "The table has %u bytes of private data for PASID %u of consumer \"%s\", "
                              "more than %u.", private_bytes, pasid, c->name, PRIVATE_MAX);
        if (token && token_check(token, NULL) < 0)
                return refuse(refusal, EBADMSG, "The table has a token for PASID %u of consumer \"%s\" that is not valid.",
                              pasid, c->name);
        return 0;
}

/* *ret: with one reference more than its rows have. */
static int load_token(struct consumer *c, const char *text, uint32_t pasid, struct token **ret) {
        struct token *token = token_find(c, text);
        int r;

        if (!token)
                return token_new(text, &pasid, 1, ret);
        r = token_append(token, pasid);
        if (r < 0)
                return r;
        token->refs++;
        *ret = token;
        return 0;
}

static void note_youngest(struct consumer *c, uint32_t pasid, uint64_t since_usec) {
        struct pool *pool = c->pool;

        if (since_usec > c->youngest_usec || (since_usec == c->youngest_usec && pasid >= c->cursor)) {
                c->youngest_usec = since_usec;
                c->cursor = pasid + 1;
        }
        if (since_usec > pool->youngest_usec || (since_usec == pool->youngest_usec && pasid >= pool->cursor)) {
                pool->youngest_usec = since_usec;
                pool->cursor = pasid + 1;
        }
}

int core_load_row(struct core *core, struct consumer *consumer, uint32_t pasid, enum row_state state,
                  uint64_t since_usec, uint64_t freed_usec, uint16_t private_bytes, const char *token,
                  struct refusal *refusal) {
        struct row values = { .state = (uint8_t) state, .since_usec = since_usec, .private_bytes = private_bytes }, *row;
        int r;

        r = check_row(consumer, pasid, state, private_bytes, token, refusal);
        if (r < 0)
                return r;
        if (idset_has(&consumer->pool->taken, pasid)) {
                const struct row *other = core_holder_next(core, pasid, NULL);

                while (other && !pool_overlaps(other->consumer->pool, consumer->pool))
                        other = other->next_holder;
                return refuse(refusal, EBADMSG, "The table gives PASID %u to consumer \"%s\" of uid %u and to consumer \"%s\" "
                              "of uid %u in the same space.", pasid, consumer->name, consumer->uid,
                              other ? other->consumer->name : "", other ? other->consumer->uid : 0);
        }

        values.freed_usec = freed_usec;
        if (state != ROW_COOLING && token) {
                r = load_token(consumer, token, pasid, &values.token);
                if (r < 0)
                        return refuse_memory(refusal);
        }
        r = row_add(core, consumer, pasid, &values, &row);
        if (state != ROW_COOLING)
                token_unref(values.token);
        if (r < 0)
                return refuse_memory(refusal);
        if (state == ROW_COOLING)
                TAILQ_INSERT_TAIL(cooling_list(core, consumer), row, cooling);
        note_youngest(consumer, pasid, since_usec);
        return 0;
}

void core_load_end(struct core *core) {
        struct consumer *next;

        cooling_sort(core);
        /* Nothing would ever remove an ended consumer that has nothing to cool. */
        for (struct consumer *c = core_consumer_next(core, NULL); c; c = next) {
                next = core_consumer_next(core, c);
                if (c->ended && c->n_cooling == 0) {
                        consumer_retire(core, c);
                        consumer_dispose(core, c);
                }
        }
        core->loading = false;
}
