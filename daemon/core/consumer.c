/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Consumers: how they come, are found, and go. One that ends with cooling
 * numbers stays for those, without its name, until the last has cooled.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/core-internal.h"
#include "core/range.h"

struct consumer_key {
        uid_t uid;
        const char *name;
};

static struct consumer_key key_of(const struct consumer *c) {
        return (struct consumer_key) { c->uid, c->name };
}

static struct consumer *by_key(const struct tree_node *node) {
        return node ? CONTAINER_OF(node, struct consumer, by_key) : NULL;
}

static struct consumer *by_id(const struct tree_node *node) {
        return node ? CONTAINER_OF(node, struct consumer, by_id) : NULL;
}

static int compare_key(const void *key, const struct tree_node *node) {
        const struct consumer_key *a = key;
        const struct consumer *b = by_key(node);

        if (a->uid != b->uid)
                return a->uid < b->uid ? -1 : 1;
        return strcmp(a->name, b->name);
}

static int compare_id(const void *key, const struct tree_node *node) {
        uint64_t a = *(const uint64_t *) key, b = by_id(node)->id;

        return a < b ? -1 : a > b;
}

struct consumer *core_consumer_get(const struct core *core, uid_t uid, const char *name) {
        struct consumer_key key = { uid, name };

        return by_key(tree_find(core->consumers_by_key, compare_key, &key));
}

struct consumer *core_consumer_by_id(const struct core *core, uint64_t id) {
        return by_id(tree_find(core->consumers_by_id, compare_id, &id));
}

struct consumer *core_consumer_next(const struct core *core, const struct consumer *after) {
        uint64_t id = after ? after->id : 0;

        return by_id(tree_after(core->consumers_by_id, compare_id, &id));
}

int32_t consumer_home_space(const struct consumer *consumer) {
        return consumer->pool->ids[0];
}

size_t consumer_spaces(const struct consumer *consumer, const int32_t **ret) {
        *ret = consumer->pool->ids;
        return consumer->pool->n_spaces;
}

void consumer_unlist(struct core *core, struct consumer *consumer) {
        tree_remove(&core->consumers_by_id, &consumer->by_id, compare_id, &consumer->id);
}

/* A gone device limits nothing: its width went with it. */
static const struct consumer_device *narrowest(const struct consumer_device *devices, size_t n) {
        const struct consumer_device *found = NULL;

        for (size_t i = 0; i < n; i++)
                if (!devices[i].gone && (!found || devices[i].max_pasid < found->max_pasid))
                        found = &devices[i];
        return found;
}

const struct consumer_device *consumer_narrowest_device(const struct consumer *consumer) {
        return narrowest(consumer->devices, consumer->n_devices);
}

static int compare_spaces(const void *a, const void *b) {
        int32_t x = *(const int32_t *) a, y = *(const int32_t *) b;

        return x < y ? -1 : x > y;
}

/* A device outside of any group may share DMA with anything: its numbers are taken on the whole host. */
static int find_pool(struct core *core, const struct consumer_spec *spec, uint32_t max, struct pool **ret) {
        _cleanup_free_ int32_t *ids = calloc(spec->n_devices + 1, sizeof(*ids));
        size_t n = 0;

        if (!ids)
                return -ENOMEM;
        for (size_t i = 0; i < spec->n_devices; i++)
                ids[i] = spec->devices[i].space < 0 ? SPACE_HOST : spec->devices[i].space;
        qsort(ids, spec->n_devices, sizeof(*ids), compare_spaces);
        for (size_t i = 0; i < spec->n_devices; i++)
                if (n == 0 || ids[n - 1] != ids[i])
                        ids[n++] = ids[i];
        if (n == 0 || ids[0] == SPACE_HOST) {
                ids[0] = SPACE_HOST;
                n = 1;
        }
        return pool_get(core, ids, n, max, ret);
}

static struct consumer *consumer_free(struct consumer *c) {
        if (!c)
                return NULL;
        free(c->devices);
        free(c->holder);
        free(c->name);
        free(c);
        return NULL;
}
DEFINE_CLEANUP(struct consumer *, consumer_free);

static int consumer_new(struct core *core, const struct consumer_spec *spec, uint32_t hardware_max, struct consumer **ret) {
        _cleanup_(consumer_freep) struct consumer *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->id = spec->id != 0 ? spec->id : core->next_id;
        c->uid = spec->uid;
        c->min = spec->min != 0 ? spec->min : NUMBER_MIN;
        c->max = spec->max == 0 || spec->max > hardware_max ? hardware_max : spec->max;
        c->quota = spec->quota != 0 ? spec->quota : core->limits.pasids_per_consumer;
        c->hold = spec->hold;
        c->mode = spec->mode;
        c->since_usec = spec->since_usec;
        c->ended = spec->ended;
        c->offered_to = (uid_t) -1;
        c->name = strdup(spec->name);
        c->holder = strdup(spec->holder ? spec->holder : "");
        c->devices = calloc(spec->n_devices + 1, sizeof(*c->devices));
        if (!c->name || !c->holder || !c->devices)
                return -ENOMEM;
        if (spec->n_devices > 0)
                memcpy(c->devices, spec->devices, spec->n_devices * sizeof(*c->devices));
        c->n_devices = spec->n_devices;

        c->cursor = core->starts_in_upper_half ? hardware_max / 2 + 1 : NUMBER_MIN;
        r = find_pool(core, spec, hardware_max, &c->pool);
        if (r < 0)
                return r;
        r = owner_get(core, c->uid, &c->owner);
        if (r < 0) {
                pool_put(core, c->pool);
                return r;
        }
        *ret = TAKE_PTR(c);
        return 0;
}

static int check_range(const struct consumer_spec *spec, uint32_t hardware_max, struct refusal *refusal) {
        const struct consumer_device *device = narrowest(spec->devices, spec->n_devices);
        int r;

        if (device && device->max_pasid == 0)
                return refuse(refusal, EMEDIUMTYPE, "Device %s has no PASIDs to give; its reason is in the list of devices.",
                              device->address);
        if (spec->min == 0 && spec->max == 0)
                return 0;
        r = range_check(spec->min, spec->max, refusal);
        if (r < 0)
                return r;
        if (spec->min > hardware_max)
                return range_refuse_hardware(spec->min, spec->max, device, hardware_max, refusal);
        return 0;
}

static int check_limits(const struct core *core, const struct consumer_spec *spec, struct refusal *refusal) {
        const struct core_limits *limits = &core->limits;
        const struct owner *owner = owner_find(core, spec->uid);
        uint32_t n = owner ? owner->n_consumers : 0;

        if (spec->uid == 0)
                return 0;
        if (spec->quota > limits->pasids_per_consumer)
                return refuse(refusal, EDQUOT, "A quota of %u PASIDs was asked for consumer \"%s\", and only root may have "
                              "more than %u (PasidsPerConsumer=); ask for that many or fewer.",
                              spec->quota, spec->name, limits->pasids_per_consumer);
        if (n >= limits->consumers_per_uid)
                return refuse(refusal, EDQUOT, "Consumer \"%s\" would be one more than the %u that uid %u may have "
                              "(ConsumersPerUid=%u); end another one first, or have the limit raised.",
                              spec->name, n, spec->uid, limits->consumers_per_uid);
        return 0;
}

static int check_spec(const struct core *core, const struct consumer_spec *spec, uint32_t hardware_max, struct refusal *refusal) {
        int r;

        r = consumer_name_check(spec->name, refusal);
        if (r < 0)
                return core->loading ? refuse(refusal, EBADMSG, "The table has a consumer whose name is not valid.") : r;
        if (!core->loading) {
                r = check_range(spec, hardware_max, refusal);
                if (r < 0)
                        return r;
        }
        if (!spec->ended && core_consumer_get(core, spec->uid, spec->name))
                return refuse(refusal, core->loading ? EBADMSG : EEXIST, "There is a consumer \"%s\" of uid %u already; "
                              "end that one first, or choose another name.", spec->name, spec->uid);
        if (spec->id != 0 && core_consumer_by_id(core, spec->id))
                return refuse(refusal, core->loading ? EBADMSG : EINVAL, "There is a consumer with the id %llu already.",
                              (unsigned long long) spec->id);
        return core->loading ? 0 : check_limits(core, spec, refusal);
}

static void enter(struct core *core, struct consumer *c) {
        struct consumer_key key = key_of(c);

        tree_insert(&core->consumers_by_key, &c->by_key, compare_key, &key);
        c->owner->n_consumers++;
        core->stats.n_consumers++;
}

static void leave(struct core *core, struct consumer *c) {
        struct consumer_key key = key_of(c);

        tree_remove(&core->consumers_by_key, &c->by_key, compare_key, &key);
        c->owner->n_consumers--;
        core->stats.n_consumers--;
}

int core_consumer_add(struct core *core, const struct consumer_spec *spec, struct consumer **ret, struct refusal *refusal) {
        const struct consumer_device *device = narrowest(spec->devices, spec->n_devices);
        uint32_t hardware_max = device && device->max_pasid < NUMBER_MAX ? device->max_pasid : NUMBER_MAX;
        uint64_t next_id = core->next_id;
        struct consumer *c;
        int r;

        r = check_spec(core, spec, hardware_max, refusal);
        if (r < 0)
                return r;
        r = journal_reserve(core, 1);
        if (r >= 0)
                r = consumer_new(core, spec, hardware_max, &c);
        if (r < 0)
                return refuse_memory(refusal);

        if (c->id >= core->next_id)
                core->next_id = c->id + 1;
        tree_insert(&core->consumers_by_id, &c->by_id, compare_id, &c->id);
        if (!c->ended)
                enter(core, c);
        journal_push(core, &(struct journal_entry) { .kind = CHANGE_CONSUMER_ADDED, .consumer = c, .old_next_id = next_id });
        *ret = c;
        return 0;
}

void consumer_dispose(struct core *core, struct consumer *c) {
        pool_put(core, c->pool);
        owner_put(core, c->owner);
        (void) consumer_free(c);
}

void consumer_undo_add(struct core *core, struct consumer *c, uint64_t next_id) {
        consumer_unlist(core, c);
        leave(core, c);
        core->next_id = next_id;
        consumer_dispose(core, c);
}

void consumer_retire(struct core *core, struct consumer *c) {
        struct journal_entry entry = { .kind = CHANGE_CONSUMER_ENDED, .had_ended = c->ended, .consumer = c };

        if (!c->ended) {
                leave(core, c);
                c->ended = true;
        }
        if (c->n_live + c->n_cooling == 0) {
                consumer_unlist(core, c);
                entry.kind = CHANGE_CONSUMER_REMOVED;
        }
        journal_push(core, &entry);
}

void consumer_undo_retire(struct core *core, struct consumer *c, bool removed, bool had_ended) {
        if (removed)
                tree_insert(&core->consumers_by_id, &c->by_id, compare_id, &c->id);
        if (!had_ended) {
                c->ended = false;
                enter(core, c);
        }
}

int core_consumer_end(struct core *core, struct consumer *consumer, const struct moment *now) {
        size_t mark = core_mark(core);
        int r = 0;

        if (consumer->ended)
                return 0;
        for (struct row *row = core_row_next(consumer, 0), *next; row && r == 0; row = next) {
                next = core_row_next(consumer, row->pasid);
                if (row_is_live(row))
                        r = row_free(core, row, now);
        }
        if (r == 0)
                r = journal_reserve(core, 1);
        if (r < 0) {
                core_rollback(core, mark);
                return r;
        }
        consumer_retire(core, consumer);
        return 0;
}

int core_consumer_set_holder(struct core *core, struct consumer *consumer, const char *holder) {
        char *copy;
        int r;

        r = journal_reserve(core, 1);
        if (r < 0)
                return r;
        copy = strdup(holder);
        if (!copy)
                return -ENOMEM;
        journal_push(core, &(struct journal_entry) {
                .kind = CHANGE_CONSUMER_HOLDER, .consumer = consumer, .old_holder = consumer->holder });
        consumer->holder = copy;
        return 0;
}

static int check_new_owner(const struct core *core, const struct consumer *c, uid_t uid, struct refusal *refusal) {
        const struct core_limits *limits = &core->limits;
        const struct owner *owner = owner_find(core, uid);
        uint32_t n = c->n_live + c->n_cooling;

        if (core_consumer_get(core, uid, c->name))
                return refuse(refusal, EEXIST, "There is a consumer \"%s\" of uid %u already; end that one first, and accept "
                              "this one then.", c->name, uid);
        if (uid == 0)
                return 0;
        if ((owner ? owner->n_consumers : 0) >= limits->consumers_per_uid)
                return refuse(refusal, EDQUOT, "Consumer \"%s\" would be one more than the %u that uid %u may have "
                              "(ConsumersPerUid=%u); end another one first, or have the limit raised.",
                              c->name, owner ? owner->n_consumers : 0, uid, limits->consumers_per_uid);
        if (n > 0 && (owner ? (uint64_t) owner->n_live + owner->n_cooling : 0) + n > limits->pasids_per_uid)
                return refuse(refusal, EDQUOT, "Consumer \"%s\" has %u %s, cooling ones counted, uid %u has %u already, and "
                              "PasidsPerUid=%u is the limit; free some first, or have the limit raised.", c->name, n,
                              n == 1 ? "PASID" : "PASIDs", uid, owner ? owner->n_live + owner->n_cooling : 0,
                              limits->pasids_per_uid);
        return 0;
}

/* The account that it had keeps its reference. */
static void change_owner(struct core *core, struct consumer *c, struct owner *owner) {
        leave(core, c);
        c->owner->n_live -= c->n_live;
        c->owner->n_cooling -= c->n_cooling;
        c->owner = owner;
        c->uid = owner->uid;
        owner->n_live += c->n_live;
        owner->n_cooling += c->n_cooling;
        enter(core, c);
}

int core_consumer_set_owner(struct core *core, struct consumer *consumer, uid_t uid, struct refusal *refusal) {
        struct owner *owner, *old = consumer->owner;
        int r;

        r = check_new_owner(core, consumer, uid, refusal);
        if (r < 0)
                return r;
        r = journal_reserve(core, 1);
        if (r >= 0)
                r = owner_get(core, uid, &owner);
        if (r < 0)
                return refuse_memory(refusal);
        journal_push(core, &(struct journal_entry) {
                .kind = CHANGE_CONSUMER_OWNER, .consumer = consumer, .old_owner = old });
        change_owner(core, consumer, owner);
        return 0;
}

void consumer_undo_set_owner(struct core *core, struct consumer *c, struct owner *old) {
        struct owner *owner = c->owner;

        change_owner(core, c, old);
        owner_put(core, owner);
}
