/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Long random sequences of everything the core can do, against the naive
 * model: each outcome and each number given must be the same, the journal must
 * tell of every change, and nothing may be left of what was rolled back.
 *
 * CORE_MODEL_SEED repeats a run, CORE_MODEL_OPERATIONS sets its length.
 */
#include "test-core-common.h"

#include <time.h>

#include "model-core.h"
#include "test-core-quick.h"

#define OPERATIONS 1000000
#define COMPARE_EVERY 4000
#define MARKS 3

static struct core *core;
static struct model model, saved[MARKS];
static size_t marks[MARKS], n_marks;
static uint64_t random_state;
static uint32_t pasids[MODEL_NUMBERS], expected[MODEL_NUMBERS];

static const char *const names[] = { "a", "b", "c", "d", "e", "f" };

static uint32_t below(uint32_t n) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (uint32_t) (random_state >> 32) % n;
}

static bool chance(uint32_t percent) {
        return below(100) < percent;
}

static struct moment now(void) {
        return AT(model.now);
}

static struct consumer *real(int slot) {
        struct consumer *c = core_consumer_by_id(core, model.consumers[slot].id);

        HOLDS(c);
        return c;
}

/* Any consumer that has not ended, or -1. */
static int any_slot(void) {
        for (uint32_t i = 0, first = below(MODEL_SLOTS); i < MODEL_SLOTS; i++) {
                int slot = (int) ((first + i) % MODEL_SLOTS);

                if (model.consumers[slot].exists && !model.consumers[slot].ended)
                        return slot;
        }
        return -1;
}

/* Devices of groups 1..4, which have 6, 8, 10 and 20 bits; one that is in no group; or none. */
static void any_devices(struct model_consumer *c, struct consumer_device *devices, size_t *ret_n) {
        static const uint32_t widest[] = { 255, 63, 255, 1023, NUMBER_MAX };
        size_t n = 0;

        c->hardware_max = NUMBER_MAX;
        c->mask = 0;
        if (chance(80))
                for (uint32_t g = 0; g <= MODEL_GROUPS; g++)
                        if (chance(g == 0 ? 5 : 40)) {
                                devices[n++] = test_device(g == 0 ? -1 : (int32_t) g, widest[g]);
                                c->mask |= 1U << g;
                                c->hardware_max = widest[g] < c->hardware_max ? widest[g] : c->hardware_max;
                        }
        if (c->mask == 0 || (c->mask & MODEL_HOST))
                c->mask = MODEL_HOST;
        *ret_n = n;
}

static void do_add(void) {
        struct consumer_device devices[MODEL_GROUPS + 1];
        struct model_consumer wanted = {
                .uid = below(3), .name = below(6), .mode = chance(30) ? MODE_MEDIATED : MODE_ADVISORY };
        uint32_t min = 0, max = 0, quota = chance(50) ? 0 : 1 + below(700), n_used = 0;
        struct consumer *c = NULL;
        int r, slot = -1;
        size_t n;

        for (int s = 0; s < MODEL_SLOTS; s++)
                n_used += model.consumers[s].exists;
        if (n_used == MODEL_SLOTS)
                return;
        any_devices(&wanted, devices, &n);
        if (wanted.hardware_max > MODEL_LOW || chance(30)) {
                bool high = wanted.hardware_max > MODEL_LOW && chance(50);

                min = 1 + below(high ? 200 : 50);
                max = high ? min + below(312) : min + below(900);
                min += high ? MODEL_HIGH : 0;
                max += high ? MODEL_HIGH : 0;
        }
        r = model_add(&model, &wanted, min, max, quota, &slot);
        SAME(core_consumer_add(core, &(struct consumer_spec) {
                .uid = wanted.uid, .name = names[wanted.name], .min = min, .max = max, .quota = quota, .hold = HOLD_BOOT,
                .mode = wanted.mode, .devices = devices, .n_devices = n }, &c, NULL), r);
        if (r < 0)
                return;
        SAME(c->id, model.consumers[slot].id);
        SAME(c->min, model.consumers[slot].min);
        SAME(c->max, model.consumers[slot].max);
        SAME(c->quota, model.consumers[slot].quota);
}

static uint32_t any_count(void) {
        return chance(60) ? 1 : chance(60) ? 1 + below(8) : chance(70) ? 1 + below(64) : 1 + below(400);
}

static int compare_numbers(const void *a, const void *b) {
        return (int) (*(const uint32_t *) a - *(const uint32_t *) b);
}

static void do_alloc(int slot) {
        const struct model_consumer *c = &model.consumers[slot];
        struct alloc_request q = { .count = any_count(), .private_bytes = (uint16_t) below(4097), .now = now() };
        unsigned token = chance(25) ? 1 + below(30) : 0;
        bool repeated = false, expect_repeated;
        struct refusal refusal = {};
        char text[32];
        int r;

        if (token != 0) {
                (void) snprintf(text, sizeof(text), "token %u", token);
                q.token = text;
        }
        if (chance(20)) {
                q.contiguous = true;
                q.align = 1U << below(7) >> 1;
        }
        if (chance(50)) {
                q.min = c->min + below(c->max - c->min + 1);
                q.max = q.min + (chance(50) ? 0 : below(100));
        }
        if (chance(2)) {
                q.min = below(400);
                q.max = below(400);
        }
        r = model_alloc(&model, slot, &q, token, expected, &expect_repeated);
        SAME(core_alloc(core, real(slot), &q, pasids, &repeated, &refusal), r);
        if (r < 0) {
                SAME(refusal.code, -r);
                HOLDS(strchr(refusal.text, '.'));
                return;
        }
        SAME(repeated, expect_repeated);
        /* The model tells a token's numbers in ascending order. */
        if (repeated)
                qsort(pasids, q.count, sizeof(pasids[0]), compare_numbers);
        SAME(memcmp(pasids, expected, q.count * sizeof(pasids[0])), 0);
}

/* Numbers that the consumer holds, from a random one on; at most max. */
static size_t some_held(int slot, uint32_t max, uint32_t *numbers) {
        uint32_t first = below(MODEL_NUMBERS);
        size_t n = 0;

        for (uint32_t i = 0; i < MODEL_NUMBERS && n < max; i++) {
                uint32_t index = (first + i) % MODEL_NUMBERS;
                const struct model_cell *cell = &model.cells[slot][index];

                if (cell->used && (cell->state != ROW_COOLING || chance(1)))
                        numbers[n++] = model_number(index);
        }
        return n;
}

static void do_free(int slot) {
        size_t n = some_held(slot, chance(70) ? 1 : 1 + below(60), pasids);
        struct moment at = now();

        if (n > 1 && chance(5))
                pasids[n - 1] = pasids[below((uint32_t) n - 1)];
        if (n > 0 && chance(3))
                pasids[below((uint32_t) n)] = 1 + below(MODEL_LOW);
        SAME(core_free_pasids(core, real(slot), pasids, n, &at, NULL), model_free(&model, slot, pasids, n));
}

static void do_free_token(int slot) {
        uint32_t *found = NULL, count = 0;
        unsigned token = 1 + below(30);
        struct moment at = now();
        char text[32];
        size_t n;

        (void) snprintf(text, sizeof(text), "token %u", token);
        for (uint32_t i = 0; i < MODEL_NUMBERS; i++)
                if (model.cells[slot][i].used && model.cells[slot][i].token == token)
                        expected[count++] = model_number(i);
        SAME(core_token_pasids(core, real(slot), text, &found, &n), 0);
        SAME(n, count);
        for (uint32_t i = 0; i < count; i++)
                SAME(found[i], expected[i]);
        SAME(core_free_pasids(core, real(slot), found, n, &at, NULL), model_free(&model, slot, found, n));
        free(found);
}

static void do_change_row(int slot) {
        static const enum row_state states[] = { ROW_ALLOCATED, ROW_ATTACHED, ROW_RESERVED, ROW_LOST };
        size_t n = some_held(slot, 1, pasids);
        struct moment at = now();
        struct model_cell *cell;
        struct row *row;

        if (n == 0)
                return;
        cell = &model.cells[slot][model_index(pasids[0])];
        row = core_row_get(real(slot), pasids[0]);
        HOLDS(row);
        if (chance(40)) {
                cell->private_bytes = (uint16_t) below(4097);
                SAME(core_row_set_private_bytes(core, row, cell->private_bytes), 0);
        } else {
                enum row_state state = states[below(4)];
                int r = cell->state == ROW_COOLING ? -EINVAL : 0;

                SAME(core_row_set_state(core, row, state, &at), r);
                if (r == 0 && cell->state != state) {
                        cell->state = (uint8_t) state;
                        cell->held = cell->held ?: cell->since;
                        cell->since = model.now;
                }
        }
}

static void do_end(int slot) {
        struct moment at = now();
        struct consumer *c = real(slot);

        model_end(&model, slot);
        SAME(core_consumer_end(core, c, &at), 0);
}

static void do_holder(int slot) {
        char text[32];

        model.consumers[slot].holder = 1 + below(1000);
        (void) snprintf(text, sizeof(text), "%u", model.consumers[slot].holder);
        SAME(core_consumer_set_holder(core, real(slot), text), 0);
}

static void do_expire(void) {
        size_t max = chance(50) ? SIZE_MAX : below(50);
        struct moment at = now();

        SAME(core_expire(core, false, &at, max), model_expire(&model, max));
}

static void do_limits(void) {
        static const uint64_t delays[] = { 30, 30, 30, 5, 100, 0 };

        model.limits = (struct core_limits) {
                .pasids_per_uid = 200 + below(600), .pasids_per_consumer = 100 + below(500), .consumers_per_uid = 3 + below(5),
                .reuse_delay_usec = delays[below(6)] * SECOND };
        core_set_limits(core, &model.limits);
}

/* The table as somebody would keep it who knows of nothing but the journal. */
static void follow_journal(size_t *pos) {
        struct change change;

        while (core_change_next(core, pos, &change)) {
                int slot = -1;

                if (change.kind == CHANGE_CONSUMER_ADDED) {
                        slot = model_slot_of(&model, change.consumer->id);
                        /* Added and removed within one operation there is none. */
                        HOLDS(slot >= 0);
                        memset(model.mirror[slot], 0, sizeof(model.mirror[slot]));
                        model.mirror_exists[slot] = true;
                        model.mirror_ended[slot] = false;
                        continue;
                }
                for (int s = 0; s < MODEL_SLOTS; s++)
                        if (model.mirror_exists[s] && model.consumers[s].id == change.consumer->id)
                                slot = s;
                HOLDS(slot >= 0);
                switch (change.kind) {
                case CHANGE_CONSUMER_REMOVED:
                        for (uint32_t i = 0; i < MODEL_NUMBERS; i++)
                                SAME(model.mirror[slot][i].present, 0);
                        model.mirror_exists[slot] = false;
                        break;
                case CHANGE_CONSUMER_ENDED:
                        model.mirror_ended[slot] = true;
                        break;
                case CHANGE_CONSUMER_HOLDER:
                        break;
                default: {
                        struct model_mirror *m = &model.mirror[slot][model_index(change.row->pasid)];

                        SAME(m->present != 0, change.kind != CHANGE_ROW_ADDED);
                        if (change.kind == CHANGE_ROW_STATE || change.kind == CHANGE_ROW_REMOVED)
                                SAME(m->present, change.old_state + 1);
                        m->present = change.kind == CHANGE_ROW_REMOVED ? 0 : (uint8_t) (change.row->state + 1);
                        m->private_bytes = change.row->private_bytes;
                }
                }
        }
}

static void check_cheap(void) {
        struct core_stats stats, sum = {};

        for (int s = 0; s < MODEL_SLOTS; s++) {
                const struct model_consumer *c = &model.consumers[s];

                if (!c->exists)
                        continue;
                sum.n_consumers += !c->ended;
                sum.n_live += c->n_live;
                sum.n_cooling += c->n_cooling;
        }
        core_get_stats(core, &stats);
        SAME(stats.n_consumers, sum.n_consumers);
        SAME(stats.n_live, sum.n_live);
        SAME(stats.n_cooling, sum.n_cooling);
        if (model.n_cooling == 0)
                SAME(core_next_expiry(core, false), UINT64_MAX);
        else
                SAME(core_next_expiry(core, false), model.cells[model.cooling[0] / MODEL_NUMBERS][model.cooling[0] % MODEL_NUMBERS].freed * SECOND +
                                  model.limits.reuse_delay_usec);
}

static void compare_row(int slot, uint32_t index, const struct row *row) {
        const struct model_cell *cell = &model.cells[slot][index];
        const struct model_mirror *mirror = &model.mirror[slot][index];
        char text[32];

        SAME(row != NULL, cell->used);
        SAME(mirror->present, cell->used ? cell->state + 1 : 0);
        if (!row)
                return;
        SAME(row->pasid, model_number(index));
        SAME(row->state, cell->state);
        SAME(row->private_bytes, cell->private_bytes);
        SAME(mirror->private_bytes, cell->private_bytes);
        SAME(row->since_usec, AT(cell->since).realtime_usec);
        if (cell->state == ROW_COOLING)
                SAME(row->freed_usec, AT(cell->freed).boottime_usec);
        else
                SAME(row_held_usec(row), AT(cell->held ?: cell->since).realtime_usec);
        (void) snprintf(text, sizeof(text), "token %u", cell->token);
        if (cell->token == 0)
                HOLDS(!row_token(row));
        else
                HOLDS(strcmp(row_token(row), text) == 0);
}

static void compare_consumer(int slot) {
        const struct model_consumer *c = &model.consumers[slot];
        const struct consumer *found = real(slot);
        const struct row *row = NULL;
        uint32_t n = 0;
        char text[32];

        (void) snprintf(text, sizeof(text), "%u", c->holder);
        HOLDS(strcmp(found->holder, c->holder == 0 ? "" : text) == 0);
        SAME(found->ended, c->ended);
        SAME(model.mirror_ended[slot], c->ended);
        SAME(core_consumer_get(core, c->uid, names[c->name]) == found, !c->ended);
        SAME(found->n_live, c->n_live);
        SAME(found->n_cooling, c->n_cooling);
        for (uint32_t i = 1; i < MODEL_NUMBERS; i++)
                compare_row(slot, i, core_row_get(found, model_number(i)));
        while ((row = core_row_next(found, row ? row->pasid : 0)))
                n++;
        SAME(n, c->n_live + c->n_cooling);
}

static void compare_spaces(void) {
        const struct pool *pool;
        uint32_t n_taken = 0;

        for (uint32_t i = 1; i < MODEL_NUMBERS; i++)
                n_taken += model_is_taken(&model, MODEL_HOST, i);
        SAME(core_host_taken(core), n_taken);
        for (int g = 0; g <= MODEL_GROUPS; g++)
                for (int state = 0; state < ROW_STATE_MAX_; state++) {
                        uint32_t n = 0;

                        for (int s = 0; s < MODEL_SLOTS; s++)
                                for (uint32_t i = 0; model.consumers[s].exists && i < MODEL_NUMBERS; i++)
                                        n += model.cells[s][i].used && model.cells[s][i].state == state &&
                                                (model.consumers[s].mask >> g & 1);
                        SAME(core_space_count(core, g == 0 ? SPACE_HOST : g, (enum row_state) state), n);
                }
        TAILQ_FOREACH(pool, &core->pools, entry) {
                uint32_t mask = 0, n = 0;

                for (size_t i = 0; i < pool->n_spaces; i++)
                        mask |= 1U << (pool->ids[i] < 0 ? 0 : pool->ids[i]);
                for (uint32_t i = 1; i < MODEL_NUMBERS; i++) {
                        SAME(idset_has(&pool->taken, model_number(i)), model_is_taken(&model, mask, i));
                        n += idset_has(&pool->taken, model_number(i));
                }
                SAME(idset_count(&pool->taken, 0, NUMBER_MAX), n);
        }
}

static void compare_all(void) {
        const struct consumer *c = NULL;
        uint32_t n = 0;

        for (int s = 0; s < MODEL_SLOTS; s++) {
                SAME(model.mirror_exists[s], model.consumers[s].exists);
                if (model.consumers[s].exists) {
                        compare_consumer(s);
                        n++;
                }
        }
        while ((c = core_consumer_next(core, c)))
                n--;
        SAME(n, 0);
        for (uint32_t i = 1; i < MODEL_NUMBERS; i++) {
                const struct row *row = NULL;
                uint32_t slots = 0;
                uint64_t last = 0;

                while ((row = core_holder_next(core, model_number(i), row))) {
                        HOLDS(row->consumer->id > last);
                        last = row->consumer->id;
                        slots |= 1U << model_slot_of(&model, last);
                }
                SAME(slots, model.holders[i]);
        }
        compare_spaces();
}

static void commit(void) {
        core_commit(core);
        model_commit(&model);
        n_marks = 0;
}

static void mark(void) {
        if (n_marks == MARKS)
                return;
        saved[n_marks] = model;
        marks[n_marks++] = core_mark(core);
}

/* Limits and time are nobody's to undo. */
static void rollback(void) {
        struct core_limits limits = model.limits;
        uint32_t time = model.now;

        if (n_marks == 0)
                return;
        n_marks = below((uint32_t) n_marks);
        model = saved[n_marks];
        core_rollback(core, marks[n_marks]);
        model.limits = limits;
        model.now = time;
}

static void step(void) {
        uint32_t what = below(1000);
        int slot = any_slot();

        if (what < 20 || slot < 0)
                do_add();
        else if (what < 500)
                do_alloc(slot);
        else if (what < 830)
                do_free(slot);
        else if (what < 860)
                do_free_token(slot);
        else if (what < 900)
                do_change_row(slot);
        else if (what < 908)
                do_end(slot);
        else if (what < 915)
                do_holder(slot);
        else if (what < 918)
                do_limits();
        else
                do_expire();
        if (chance(30))
                model.now += below(3);
}

static uint64_t number_of(const char *variable, uint64_t otherwise) {
        const char *s = getenv(variable);

        return s && *s ? strtoull(s, NULL, 0) : otherwise;
}

START_TEST(test_model) {
        uint64_t n = number_of("CORE_MODEL_OPERATIONS", OPERATIONS), seed = number_of("CORE_MODEL_SEED", (uint64_t) time(NULL));
        struct moment at;

        (void) fprintf(stderr, "# CORE_MODEL_SEED=%llu CORE_MODEL_OPERATIONS=%llu\n", (unsigned long long) seed, (unsigned long long) n);
        random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
        model = (struct model) { .next_id = 1, .limits = { 400, 300, 5, DELAY } };
        SAME(core_new(&model.limits, &core), 0);
        for (uint64_t i = 0; i < n; i++) {
                size_t pos = core_mark(core);

                step();
                follow_journal(&pos);
                check_cheap();
                if (i % COMPARE_EVERY == 0)
                        compare_all();
                switch (below(100)) {
                case 0:
                        mark();
                        break;
                case 1:
                        rollback();
                        check_cheap();
                        if (chance(3))
                                compare_all();
                        break;
                case 2 ... 6:
                        commit();
                        break;
                }
        }
        commit();
        /* All ended and all cooled, nothing is left. */
        for (int slot; (slot = any_slot()) >= 0;)
                do_end(slot);
        model.now += 1000;
        at = now();
        (void) core_expire(core, false, &at, SIZE_MAX);
        core_commit(core);
        HOLDS(!core->consumers_by_id);
        HOLDS(!core->owners);
        HOLDS(!core->holders.root);
        core = core_free(core);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("core-model");
        TCase *tc = tcase_create("model");

        tcase_set_timeout(tc, 600);
        tcase_add_test(tc, test_model);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
