/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The naive model: the rules of the contract, one after the other.
 */
#include "model-core.h"

#include <errno.h>
#include <string.h>

uint32_t model_index(uint32_t number) {
        return number <= MODEL_LOW ? number : number - MODEL_HIGH + MODEL_LOW + 1;
}

uint32_t model_number(uint32_t index) {
        return index <= MODEL_LOW ? index : index - MODEL_LOW - 1 + MODEL_HIGH;
}

/* The slots whose consumers stand in the way of one with these spaces. */
static uint32_t rivals(const struct model *m, uint32_t mask) {
        uint32_t slots = 0;

        for (int s = 0; s < MODEL_SLOTS; s++) {
                uint32_t other = m->consumers[s].mask;

                if (m->consumers[s].exists && ((mask & other) != 0 || ((mask | other) & MODEL_HOST) != 0))
                        slots |= 1U << s;
        }
        return slots;
}

bool model_is_taken(const struct model *m, uint32_t mask, uint32_t index) {
        return (m->holders[index] & rivals(m, mask)) != 0;
}

int model_slot_of(const struct model *m, uint64_t id) {
        for (int s = 0; s < MODEL_SLOTS; s++)
                if (m->consumers[s].exists && m->consumers[s].id == id)
                        return s;
        return -1;
}

struct model_pool *model_pool(struct model *m, uint32_t mask, uint32_t max) {
        for (size_t i = 0; i < m->n_pools; i++)
                if (m->pools[i].mask == mask && m->pools[i].max == max)
                        return &m->pools[i];
        m->pools[m->n_pools] = (struct model_pool) { mask, max, 0 };
        return &m->pools[m->n_pools++];
}

static void remove_row(struct model *m, int slot, uint32_t index) {
        struct model_cell *cell = &m->cells[slot][index];

        *(cell->state == ROW_COOLING ? &m->consumers[slot].n_cooling : &m->consumers[slot].n_live) -= 1;
        memset(cell, 0, sizeof(*cell));
        m->holders[index] &= ~(1U << slot);
}

static void remove_if_done(struct model *m, int slot) {
        struct model_consumer *c = &m->consumers[slot];

        if (c->ended && c->n_live + c->n_cooling == 0)
                c->exists = false;
}

static bool is_due(const struct model *m) {
        uint32_t first = m->cooling[0];

        return m->n_cooling > 0 &&
                m->cells[first / MODEL_NUMBERS][first % MODEL_NUMBERS].freed * UINT64_C(1000000) +
                m->limits.reuse_delay_usec <= m->now * UINT64_C(1000000);
}

int model_expire(struct model *m, size_t max) {
        int n = 0;

        for (; (size_t) n < max && is_due(m); n++) {
                int slot = (int) (m->cooling[0] / MODEL_NUMBERS);

                remove_row(m, slot, m->cooling[0] % MODEL_NUMBERS);
                remove_if_done(m, slot);
                m->n_cooling--;
                memmove(m->cooling, m->cooling + 1, m->n_cooling * sizeof(m->cooling[0]));
        }
        return n;
}

static void free_row(struct model *m, int slot, uint32_t index) {
        struct model_cell *cell = &m->cells[slot][index];
        struct model_consumer *c = &m->consumers[slot];

        if (m->limits.reuse_delay_usec == 0 ||
            (c->mode == MODE_MEDIATED && (cell->state == ROW_ALLOCATED || cell->state == ROW_RESERVED))) {
                remove_row(m, slot, index);
                return;
        }
        cell->state = ROW_COOLING;
        cell->token = 0;
        cell->private_bytes = 0;
        cell->since = cell->freed = m->now;
        c->n_live--;
        c->n_cooling++;
        m->cooling[m->n_cooling++] = (uint32_t) slot * MODEL_NUMBERS + index;
}

int model_free(struct model *m, int slot, const uint32_t *pasids, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const struct model_cell *cell = &m->cells[slot][model_index(pasids[i])];

                for (size_t k = 0; k < i; k++)
                        if (pasids[k] == pasids[i])
                                return -EINVAL;
                if (!cell->used || cell->state == ROW_COOLING)
                        return -ENOENT;
        }
        for (size_t i = 0; i < n; i++)
                free_row(m, slot, model_index(pasids[i]));
        return 0;
}

void model_end(struct model *m, int slot) {
        for (uint32_t i = 0; i < MODEL_NUMBERS; i++)
                if (m->cells[slot][i].used && m->cells[slot][i].state != ROW_COOLING)
                        free_row(m, slot, i);
        m->consumers[slot].ended = true;
        remove_if_done(m, slot);
}

int model_add(struct model *m, const struct model_consumer *wanted, uint32_t min, uint32_t max, uint32_t quota, int *ret_slot) {
        uint32_t n = 0;
        int slot = -1;

        if (min != 0 || max != 0) {
                if (min > max || min < 1 || max > NUMBER_MAX)
                        return -EDOM;
                if (min > wanted->hardware_max)
                        return -ERANGE;
        }
        for (int s = 0; s < MODEL_SLOTS; s++) {
                const struct model_consumer *c = &m->consumers[s];

                if (!c->exists)
                        slot = s;
                else if (!c->ended && c->uid == wanted->uid) {
                        n++;
                        if (c->name == wanted->name)
                                return -EEXIST;
                }
        }
        if (wanted->uid != 0 && (quota > m->limits.pasids_per_consumer || n >= m->limits.consumers_per_uid))
                return -EDQUOT;
        m->consumers[slot] = *wanted;
        m->consumers[slot].exists = true;
        m->consumers[slot].id = m->next_id++;
        m->consumers[slot].min = min != 0 ? min : 1;
        m->consumers[slot].max = max != 0 && max < wanted->hardware_max ? max : wanted->hardware_max;
        m->consumers[slot].quota = quota != 0 ? quota : m->limits.pasids_per_consumer;
        *ret_slot = slot;
        return 0;
}

/* A pool of several spaces is forgotten with its last consumer. */
void model_commit(struct model *m) {
        for (size_t i = 0; i < m->n_pools; i++) {
                struct model_pool *p = &m->pools[i];
                bool is_used = (p->mask & (p->mask - 1)) == 0;

                for (int s = 0; s < MODEL_SLOTS; s++)
                        is_used |= m->consumers[s].exists && m->consumers[s].mask == p->mask &&
                                m->consumers[s].hardware_max == p->max;
                if (!is_used)
                        p->cursor = 0;
        }
}

static bool fits(const struct alloc_request *q, uint32_t min, uint32_t max) {
        uint64_t align = q->contiguous && q->align > 1 ? q->align : 1, start = (min + align - 1) / align * align;

        return start + q->count - 1 <= max;
}

static bool within_limits(const struct model *m, int slot, uint32_t count) {
        const struct model_consumer *c = &m->consumers[slot];
        uint32_t of_uid = 0;

        for (int s = 0; s < MODEL_SLOTS; s++)
                if (m->consumers[s].exists && m->consumers[s].uid == c->uid)
                        of_uid += m->consumers[s].n_live + m->consumers[s].n_cooling;
        return c->n_live + count <= c->quota && (c->uid == 0 || of_uid + count <= m->limits.pasids_per_uid);
}

static bool search(const struct model *m, const struct model_consumer *c, const struct alloc_request *q,
                   uint32_t lo, uint32_t hi, uint32_t start, uint32_t *pasids) {
        uint32_t size = hi - lo + 1, slots = rivals(m, c->mask), got = 0;

        for (uint32_t i = 0; i < size && got < q->count; i++) {
                uint32_t n = lo + (start - lo + i) % size;

                if (!q->contiguous) {
                        if ((m->holders[model_index(n)] & slots) == 0)
                                pasids[got++] = n;
                        continue;
                }
                if ((q->align > 1 && n % q->align != 0) || n + q->count - 1 > hi)
                        continue;
                for (got = 0; got < q->count && (m->holders[model_index(n + got)] & slots) == 0; got++)
                        pasids[got] = n + got;
        }
        return got == q->count;
}

static int shortage(const struct model *m, const struct model_consumer *c, const struct alloc_request *q, uint32_t lo, uint32_t hi) {
        uint32_t slots = rivals(m, c->mask), n_free = 0, n_cooling = 0;

        for (uint32_t n = lo; n <= hi; n++) {
                uint32_t holders = m->holders[model_index(n)] & slots;
                bool live = false;

                for (int s = 0; s < MODEL_SLOTS; s++)
                        if (holders >> s & 1)
                                live |= m->cells[s][model_index(n)].state != ROW_COOLING;
                n_free += holders == 0;
                n_cooling += holders != 0 && !live;
        }
        if (n_cooling > 0 && n_free + n_cooling >= q->count)
                return -EAGAIN;
        return q->min != 0 && q->min == q->max ? -EADDRINUSE : -ENOSPC;
}

static int alloc(struct model *m, int slot, const struct alloc_request *q, unsigned token, uint32_t *pasids) {
        struct model_consumer *c = &m->consumers[slot];
        uint32_t lo = c->min, hi = c->max, *cursor = &c->cursor;

        if (q->min != 0 || q->max != 0) {
                if (q->min > q->max || q->min < 1 || q->max > NUMBER_MAX)
                        return -EDOM;
                if (q->min > hi || q->max < lo)
                        return -ERANGE;
                lo = q->min > lo ? q->min : lo;
                hi = q->max < hi ? q->max : hi;
        }
        if (!fits(q, lo, hi))
                return (q->min != 0 || q->max != 0) && !fits(q, q->min, q->max) ? -EDOM : -ENOSPC;
        (void) model_expire(m, 64);
        if (!within_limits(m, slot, q->count)) {
                (void) model_expire(m, SIZE_MAX);
                if (!within_limits(m, slot, q->count))
                        return -EDQUOT;
        }
        if (lo == 1 && hi == c->hardware_max)
                cursor = &model_pool(m, c->mask, c->hardware_max)->cursor;
        if (!search(m, c, q, lo, hi, *cursor >= lo && *cursor <= hi ? *cursor : lo, pasids)) {
                (void) model_expire(m, SIZE_MAX);
                if (!search(m, c, q, lo, hi, *cursor >= lo && *cursor <= hi ? *cursor : lo, pasids))
                        return shortage(m, c, q, lo, hi);
        }
        *cursor = pasids[q->count - 1] + 1;
        for (uint32_t i = 0; i < q->count; i++) {
                m->cells[slot][model_index(pasids[i])] = (struct model_cell) {
                        .used = 1, .state = ROW_ALLOCATED, .token = (uint16_t) token, .private_bytes = q->private_bytes,
                        .since = m->now };
                m->holders[model_index(pasids[i])] |= 1U << slot;
        }
        c->n_live += q->count;
        return 0;
}

int model_alloc(struct model *m, int slot, const struct alloc_request *q, unsigned token, uint32_t *pasids, bool *ret_repeated) {
        static struct model before;
        bool is_outside = false;
        uint32_t n = 0;
        int r;

        for (uint32_t i = 0; token != 0 && i < MODEL_NUMBERS; i++)
                if (m->cells[slot][i].used && m->cells[slot][i].token == token) {
                        if (n < q->count)
                                pasids[n] = model_number(i);
                        if ((q->min || q->max) && (model_number(i) < q->min || model_number(i) > q->max))
                                is_outside = true;
                        n++;
                }
        *ret_repeated = n > 0;
        if (n > 0)
                return n == q->count && !is_outside ? 0 : -EINVAL;

        /* A refusal leaves everything as it was; only expiry could have changed it. */
        if (is_due(m))
                before = *m;
        else
                before.n_cooling = SIZE_MAX;
        r = alloc(m, slot, q, token, pasids);
        if (r < 0 && before.n_cooling != SIZE_MAX)
                *m = before;
        return r;
}
