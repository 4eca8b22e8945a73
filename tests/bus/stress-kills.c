/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SIGKILL for the daemon at random moments, at work for clients of both tables
 * and in the middle of its start: after each, what was acknowledged is there,
 * once and as it was; what was on its way is there whole or not at all, and a
 * token tells which. stress-kills [COUNT [SEED]], or STRESS_KILLS=COUNT; a small
 * count is what make check runs.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

#define COUNT_DEFAULT 12U
#define CLIENTS 8
#define MANY_MAX 20U    /* numbers of one AllocMany */
#define HELD_MAX 150U   /* then it is time to free some */
#define ACKNOWLEDGED_MAX 1500U /* before a kill */
#define ROUNDS_PER_SETTING 6U  /* numbers cool for an hour in some rounds, and not at all in others */
#define START_KILLS 5U         /* one in so many is in the middle of a start */

/* Of a number, as its client knows it. */
enum knowledge {
        UNKNOWN, /* never had it, or it was given back for others to have */
        HELD,    /* acknowledged */
        FREEING, /* asked to free it, no answer yet */
        FREED,   /* acknowledged, and it cools */
};

/* Of a consumer, likewise. */
enum life { NONE, BEGINNING, LIVING, ENDING };

/* Shared with a client's process, which writes what it knows before and after each call. */
struct ledger {
        enum life life;
        uint8_t known[NUMBER_MAX + 1];
        uint32_t version[NUMBER_MAX + 1]; /* of its private data */
        uint32_t last_version;
        uint32_t setting, setting_to; /* the number whose private data is being changed; its next version */
        unsigned wanted;              /* numbers by the call that is under way; their version is last_version */
        unsigned n_tokens;
        char token[32]; /* of that call; "" if it has none */
};

enum deed { INIT, ALLOC, ALLOC_MANY, FREE, FREE_MANY, SET_PRIVATE, EXIT, DEED_MAX_ };

static const char *const deed_names[DEED_MAX_] = { "Init", "Alloc", "AllocMany", "Free", "FreeMany", "SetPrivate", "Exit" };

struct shared {
        struct ledger ledgers[CLIENTS];
        atomic_uint n_acknowledged; /* in this round */
        atomic_uint n_done[DEED_MAX_];
        atomic_bool is_cooling;
        /* what was found to be on its way at a kill */
        unsigned n_there, n_not_there;
};

struct job {
        struct fixture *f;
        struct shared *shared;
        unsigned i, seed;
};

static unsigned count = COUNT_DEFAULT, seed;

static void name_of(unsigned i, char buffer[static 16]) {
        (void) snprintf(buffer, 16, "vm-%u", i);
}

static const char *hold_of(unsigned i) {
        if (i % 2 == 1 && geteuid() == 0)
                return "persistent";
        return i % 4 == 2 ? "fd" : "boot";
}

/* Some bytes that tell the version and whose they are. */
static size_t fill(uint32_t data[static 64], unsigned i, uint32_t version) {
        size_t n = 1 + version % 64;

        for (size_t k = 0; k < n; k++)
                data[k] = version * 8 + i;
        return n * sizeof(*data);
}

static void begin_life(struct client *c, struct ledger *ledger, unsigned i) {
        char name[16];
        int ends[2];

        name_of(i, name);
        ledger->life = BEGINNING;
        if (strcmp(hold_of(i), "fd") == 0) {
                ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0); /* the other end is closed with the process: the daemon is dead by then */
                int r = client_call(c, NULL, NULL, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Init", "sa{sv}", name, 2, "hold", "s", "fd",
                                    "fd", "h", ends[0]);
                (void) close(ends[0]);
                if (r < 0)
                        return;
        } else if (client_call(c, NULL, NULL, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Init", "sa{sv}", name, 1, "hold", "s",
                               hold_of(i)) < 0)
                return;
        ledger->life = LIVING;
}

/* Whom else it belongs to, and whether it may be given at all. */
static void note_given(struct shared *shared, unsigned i, uint32_t pasid) {
        for (unsigned k = 0; k < CLIENTS; k++) {
                uint8_t known = shared->ledgers[k].known[pasid];

                assert_quick(known != HELD, "%u was given to client %u, and client %u has it", pasid, i, k);
                assert_quick(k != i || known != FREEING, "%u was given to client %u, which is freeing it", pasid, i);
                assert_quick(!atomic_load(&shared->is_cooling) || known == UNKNOWN, "%u was given to client %u while it cools", pasid, i);
        }
        shared->ledgers[i].known[pasid] = HELD;
        shared->ledgers[i].version[pasid] = shared->ledgers[i].last_version;
}

/*
 * AllocMany of what the ledger says is wanted, or Alloc of one. False: the connection broke. Any refusal is a failure.
 * The numbers are ledger->wanted many.
 */
static bool ask_for_numbers(struct client *c, const char *path, struct shared *shared, unsigned i, uint32_t *ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        struct ledger *ledger = &shared->ledgers[i];
        const void *array;
        uint32_t data[64];
        size_t size = fill(data, i, ledger->last_version);
        int r;

        ck_assert_int_ge(sd_bus_message_new_method_call(c->bus, &m, c->destination, path, PASIDD_IFACE_CONSUMER,
                                                        ledger->wanted > 1 ? "AllocMany" : "Alloc"), 0);
        if (ledger->wanted > 1)
                ck_assert_int_ge(sd_bus_message_append(m, "u", ledger->wanted), 0);
        ck_assert_int_ge(sd_bus_message_append(m, "uu", 0U, 0U), 0);
        ck_assert_int_ge(sd_bus_message_append_array(m, 'y', data, size), 0);
        ck_assert_int_ge(ledger->token[0] ? sd_bus_message_append(m, "a{sv}", 1, "token", "s", ledger->token)
                                          : sd_bus_message_append(m, "a{sv}", 0), 0);
        r = sd_bus_call(c->bus, m, 0, &error, &reply);
        if (r < 0) {
                ck_assert_msg(strncmp(error.name ?: "", PASIDD_ERROR_PREFIX, strlen(PASIDD_ERROR_PREFIX)) != 0, "%s: %s",
                              error.name, error.message);
                return false;
        }
        if (ledger->wanted == 1) {
                ck_assert_int_gt(sd_bus_message_read(reply, "u", ret), 0);
                return true;
        }
        ck_assert_int_gt(sd_bus_message_read_array(reply, 'u', &array, &size), 0);
        ck_assert_uint_eq(size, ledger->wanted * sizeof(uint32_t));
        memcpy(ret, array, size);
        return true;
}

/* What a client has, in its own process. */
struct held {
        uint32_t pasids[HELD_MAX + MANY_MAX];
        unsigned n;
};

static bool alloc_some(struct client *c, const char *path, struct shared *shared, unsigned i, struct held *held, unsigned wanted,
                       bool with_token) {
        struct ledger *ledger = &shared->ledgers[i];
        uint32_t *pasids = held->pasids + held->n;

        ledger->last_version++;
        ledger->token[0] = '\0';
        if (with_token)
                (void) snprintf(ledger->token, sizeof(ledger->token), "token-%u", ledger->n_tokens++);
        ledger->wanted = wanted;
        if (!ask_for_numbers(c, path, shared, i, pasids))
                return false;
        for (unsigned k = 0; k < wanted; k++)
                note_given(shared, i, pasids[k]);
        held->n += wanted;
        ledger->wanted = 0;
        return true;
}

/* Those that it has had longest. */
static bool free_some(struct client *c, const char *path, struct shared *shared, unsigned i, struct held *held, unsigned n) {
        struct ledger *ledger = &shared->ledgers[i];
        const uint32_t *pasids = held->pasids;
        int r;

        for (size_t k = 0; k < n; k++)
                ledger->known[pasids[k]] = FREEING;
        if (n == 1)
                r = client_call(c, NULL, NULL, path, PASIDD_IFACE_CONSUMER, "Free", "u", pasids[0]);
        else
                r = client_call_array(c, NULL, path, "FreeMany", pasids, n);
        if (r < 0)
                return false;
        for (size_t k = 0; k < n; k++)
                ledger->known[pasids[k]] = atomic_load(&shared->is_cooling) ? FREED : UNKNOWN;
        held->n -= n;
        memmove(held->pasids, held->pasids + n, held->n * sizeof(*held->pasids));
        return true;
}

static bool set_private(struct client *c, const char *path, struct ledger *ledger, unsigned i, uint32_t pasid) {
        uint32_t data[64];
        size_t size;

        ledger->setting_to = ++ledger->last_version;
        size = fill(data, i, ledger->setting_to);
        ledger->setting = pasid;
        if (client_call_private(c, NULL, path, "SetPrivate", &pasid, 1, data, size) < 0)
                return false;
        ledger->version[pasid] = ledger->setting_to;
        ledger->setting = 0;
        return true;
}

static void note_ended(struct shared *shared, struct ledger *ledger) {
        for (uint32_t pasid = 1; pasid <= NUMBER_MAX; pasid++)
                if (ledger->known[pasid] != UNKNOWN)
                        ledger->known[pasid] = atomic_load(&shared->is_cooling) ? FREED : UNKNOWN;
        ledger->wanted = 0;
        ledger->life = NONE;
}

static bool end_life(struct client *c, const char *path, struct shared *shared, struct ledger *ledger, struct held *held) {
        for (unsigned k = 0; k < held->n; k++)
                ledger->known[held->pasids[k]] = FREEING;
        ledger->life = ENDING;
        if (client_call(c, NULL, NULL, path, PASIDD_IFACE_CONSUMER, "Exit", NULL) < 0)
                return false;
        note_ended(shared, ledger);
        held->n = 0;
        return true;
}

static void look_into(const struct ledger *ledger, struct held *held) {
        held->n = 0;
        for (uint32_t pasid = 1; pasid <= NUMBER_MAX; pasid++)
                if (ledger->known[pasid] == HELD) {
                        assert_quick(held->n < ELEMENTSOF(held->pasids), "more than %zu numbers", ELEMENTSOF(held->pasids));
                        held->pasids[held->n++] = pasid;
                }
}

static enum deed choose(struct job *job, const struct ledger *ledger, const struct held *held) {
        int dice = rand_r(&job->seed) % 100;

        if (ledger->life != LIVING)
                return INIT;
        if (held->n == 0 || (dice < 55 && held->n < HELD_MAX))
                return dice % 4 == 0 ? ALLOC_MANY : ALLOC;
        return dice < 67 ? SET_PRIVATE : dice < 82 ? FREE : dice < 98 ? FREE_MANY : EXIT;
}

static bool do_one(struct client *c, const char *path, struct job *job, struct held *held, enum deed deed) {
        struct ledger *ledger = &job->shared->ledgers[job->i];
        unsigned some = 2 + (unsigned) rand_r(&job->seed) % (MANY_MAX - 1);

        switch (deed) {
        case INIT:
                begin_life(c, ledger, job->i);
                return ledger->life == LIVING;
        case ALLOC:
        case ALLOC_MANY:
                return alloc_some(c, path, job->shared, job->i, held, deed == ALLOC ? 1 : some, some % 2);
        case SET_PRIVATE:
                return set_private(c, path, ledger, job->i, held->pasids[some % held->n]);
        case FREE:
        case FREE_MANY:
                return free_some(c, path, job->shared, job->i, held, deed == FREE || some > held->n ? 1 : some);
        default:
                return end_life(c, path, job->shared, ledger, held);
        }
}

static void work(struct child *self, void *userdata) {
        struct job *job = userdata;
        struct client c = client_direct(job->f);
        struct held held;
        enum deed deed;
        char path[64];

        (void) snprintf(path, sizeof(path), PASIDD_PATH "/consumer/%u/vm_2d%u", (unsigned) geteuid(), job->i);
        look_into(&job->shared->ledgers[job->i], &held);
        child_ready(self);
        for (;;) {
                deed = choose(job, &job->shared->ledgers[job->i], &held);
                if (!do_one(&c, path, job, &held, deed))
                        break;
                atomic_fetch_add(&job->shared->n_acknowledged, 1);
                atomic_fetch_add(&job->shared->n_done[deed], 1);
        }
        client_close(&c);
}

/* Allowed are the bytes that were acknowledged last, and those of a change that was on its way. */
static void check_private(struct client *c, const char *path, struct ledger *ledger, unsigned i, uint32_t pasid) {
        uint32_t data[64];
        size_t size, n;
        _cleanup_free_ void *found = find_ok(c, path, pasid, &size);

        n = fill(data, i, ledger->version[pasid]);
        if (n == size && memcmp(found, data, n) == 0)
                return;
        n = fill(data, i, ledger->setting_to);
        assert_quick(ledger->setting == pasid && n == size && memcmp(found, data, n) == 0,
                     "the private data of %u, version %u, is lost: %zu bytes", pasid, ledger->version[pasid], size);
        ledger->version[pasid] = ledger->setting_to;
}

struct found {
        uint8_t *listed;   /* HELD or FREED */
        uint32_t extra[MANY_MAX]; /* of the call that was under way */
        unsigned n_extra, n_kept, n_freed; /* the other two: of those that were being freed */
};

static void take_listed(struct shared *shared, unsigned i, const struct listed *row, uint8_t *owners, struct found *found) {
        struct ledger *ledger = &shared->ledgers[i];
        uint32_t pasid = row->pasid;
        bool is_held = strcmp(row->state, "cooling") != 0;

        assert_quick(owners[pasid]++ == 0, "%u is listed twice", pasid);
        found->listed[pasid] = is_held ? HELD : FREED;
        if (!is_held) /* that of numbers which are reused at once, too: for a moment */
                return;
        assert_quick(strcmp(row->state, "allocated") == 0 || strcmp(row->state, "reserved") == 0, "%u is %s", pasid, row->state);
        assert_quick(ledger->known[pasid] != FREED, "%u was freed, and is back", pasid);
        if (ledger->known[pasid] == UNKNOWN) {
                assert_quick(found->n_extra < ledger->wanted, "nobody asked for %u", pasid);
                found->extra[found->n_extra++] = pasid;
        }
}

static void list_all(struct client *c, const char *path, struct shared *shared, unsigned i, uint8_t *owners, struct found *found) {
        struct listed rows[512];
        uint32_t after = 0;
        bool more = true;

        while (more) {
                size_t n = list_page(c, path, after, ELEMENTSOF(rows), rows, ELEMENTSOF(rows), &more);

                for (size_t k = 0; k < n; k++)
                        take_listed(shared, i, &rows[k], owners, found);
                after = n > 0 ? rows[n - 1].pasid : after;
        }
}

/* The call that was under way was done whole or not at all; with its token it is now, and once. */
static void settle_call(struct client *c, const char *path, struct shared *shared, unsigned i, const struct found *found) {
        struct ledger *ledger = &shared->ledgers[i];
        uint32_t pasids[MANY_MAX];

        if (ledger->wanted == 0)
                return;
        assert_quick(found->n_extra == 0 || found->n_extra == ledger->wanted, "%u of %u numbers were allocated", found->n_extra,
                     ledger->wanted);
        *(found->n_extra > 0 ? &shared->n_there : &shared->n_not_there) += 1;
        if (ledger->token[0]) {
                assert_quick(ask_for_numbers(c, path, shared, i, pasids), "the token was not taken");
                for (unsigned k = 0; k < ledger->wanted; k++) {
                        bool is_extra = found->n_extra == 0;

                        for (unsigned n = 0; n < found->n_extra; n++)
                                is_extra = is_extra || found->extra[n] == pasids[k];
                        assert_quick(is_extra, "by its token the call got %u instead of what it had", pasids[k]);
                        note_given(shared, i, pasids[k]);
                }
        } else
                for (unsigned k = 0; k < found->n_extra; k++)
                        note_given(shared, i, found->extra[k]);
        ledger->wanted = 0;
}

static void compare_numbers(struct client *c, const char *path, struct shared *shared, unsigned i, struct found *found) {
        struct ledger *ledger = &shared->ledgers[i];
        bool is_cooling = atomic_load(&shared->is_cooling);

        for (uint32_t pasid = 1; pasid <= NUMBER_MAX; pasid++)
                switch (ledger->known[pasid]) {
                case HELD:
                        assert_quick(found->listed[pasid] == HELD, "the allocation of %u is lost", pasid);
                        check_private(c, path, ledger, i, pasid);
                        break;
                case FREEING:
                        assert_quick(found->listed[pasid] != UNKNOWN || !is_cooling, "%u is neither held nor cooling", pasid);
                        *(found->listed[pasid] == HELD ? &found->n_kept : &found->n_freed) += 1;
                        ledger->known[pasid] = found->listed[pasid];
                        break;
                case FREED: /* or its consumer has ended, and what cools of it is in nobody's list */
                        break;
                default:
                        break;
                }
        assert_quick(found->n_kept == 0 || found->n_freed == 0, "%u of %u numbers were freed", found->n_freed,
                     found->n_kept + found->n_freed);
        if (found->n_kept + found->n_freed > 0)
                *(found->n_freed > 0 ? &shared->n_there : &shared->n_not_there) += 1;
}

static void check_ledger(struct client *c, struct shared *shared, unsigned i, uint8_t *owners) {
        struct ledger *ledger = &shared->ledgers[i];
        _cleanup_free_ char *path = NULL;
        struct found found = {};
        char name[16];

        name_of(i, name);
        if (!consumer_exists(c, geteuid(), name, &path)) {
                assert_quick(ledger->life != LIVING, "consumer %s is lost", name);
                note_ended(shared, ledger);
                return;
        }
        assert_quick(ledger->life != NONE, "consumer %s has ended, and is back", name);
        found.listed = calloc(NUMBER_MAX + 1, 1);
        ck_assert_ptr_nonnull(found.listed);
        list_all(c, path, shared, i, owners, &found);
        assert_quick(ledger->life != BEGINNING || found.n_extra == 0, "consumer %s has numbers that it did not ask for", name);
        compare_numbers(c, path, shared, i, &found);
        settle_call(c, path, shared, i, &found);
        ledger->setting = 0;
        ledger->life = LIVING;
        free(found.listed);
}

static void check_all(struct fixture *f, struct shared *shared) {
        _cleanup_free_ uint8_t *owners = calloc(NUMBER_MAX + 1, 1);
        struct client c = client_direct(f);

        ck_assert_ptr_nonnull(owners);
        for (unsigned i = 0; i < CLIENTS; i++)
                check_ledger(&c, shared, i, owners);
        client_close(&c);
}

/* Killed as often as it comes, until it lives. */
static unsigned start_with_kills(struct fixture *f) {
        unsigned n = 0;

        for (; (unsigned) random() % START_KILLS == 0; n++) {
                uint64_t until = monotonic_msec() + (unsigned) random() % 60;

                ck_assert_int_eq(daemon_spawn(f->daemon), 0);
                while (monotonic_msec() < until)
                        (void) sched_yield();
                fixture_kill(f);
        }
        fixture_start(f);
        return n;
}

static void set_cooling(struct fixture *f, struct shared *shared, bool is_cooling) {
        _cleanup_free_ char *config = NULL;

        for (unsigned i = 0; i < CLIENTS; i++)
                for (uint32_t pasid = 1; pasid <= NUMBER_MAX; pasid++)
                        if (shared->ledgers[i].known[pasid] == FREED)
                                shared->ledgers[i].known[pasid] = UNKNOWN;
        ck_assert_int_ge(asprintf(&config, "[Daemon]\nReuseDelaySec=%s\n[Limits]\nPasidsPerUid=1000000\nConsumersPerUid=1000\n",
                                  is_cooling ? "3600" : "0"), 0);
        ck_assert_int_eq(daemon_set_config(f->daemon, config), 0);
        atomic_store(&shared->is_cooling, is_cooling);
}

START_TEST(kills) {
        struct fixture *f = fixture_new(NULL);
        struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        unsigned n_killed = 0, n_at_start = 0, n_acknowledged = 0;
        uint64_t begin = monotonic_msec();

        ck_assert_ptr_ne(shared, MAP_FAILED);
        srandom(seed);
        ck_assert_int_ge(daemon_add_option(f->daemon, "--log-level=warning"), 0);
        set_cooling(f, shared, true);
        fixture_start(f);
        for (unsigned round = 0; n_killed < count; round++) {
                unsigned enough = (unsigned) random() % ACKNOWLEDGED_MAX, n;
                struct child children[CLIENTS];
                struct job jobs[CLIENTS];

                atomic_store(&shared->n_acknowledged, 0);
                for (unsigned i = 0; i < CLIENTS; i++) {
                        jobs[i] = (struct job) { f, shared, i, (unsigned) random() };
                        children[i] = child_start(work, &jobs[i]);
                }
                for (unsigned i = 0; i < CLIENTS; i++)
                        child_await_ready(&children[i]);
                await(atomic_load(&shared->n_acknowledged) >= enough);
                fixture_kill(f);
                for (unsigned i = 0; i < CLIENTS; i++)
                        child_finish(&children[i]);
                n_acknowledged += atomic_load(&shared->n_acknowledged);
                n = start_with_kills(f);
                n_at_start += n;
                n_killed += n + 1;
                check_all(f, shared);
                if (round % ROUNDS_PER_SETTING == ROUNDS_PER_SETTING - 1) {
                        fixture_stop(f);
                        set_cooling(f, shared, !atomic_load(&shared->is_cooling));
                        fixture_start(f);
                }
        }
        for (int deed = 0; deed < DEED_MAX_; deed++)
                printf("# %-10s %u\n", deed_names[deed], atomic_load(&shared->n_done[deed]));
        printf("# daemon killed %u times, %u of them while it started; %u calls acknowledged, lost 0, doubled 0, half made 0\n",
               n_killed, n_at_start, n_acknowledged);
        printf("# calls on their way at a kill: %u done, %u not; %llu s, seed %u\n", shared->n_there, shared->n_not_there,
               (unsigned long long) (monotonic_msec() - begin) / 1000, seed);
        (void) fflush(stdout);
        ck_assert_int_eq(munmap(shared, sizeof(*shared)), 0);
        fixture_free(f);
}
END_TEST

int main(int argc, char **argv) {
        Suite *suite = suite_create("stress-kills");
        TCase *tc = fixture_add_case(suite, "stress");
        const char *wanted = argc > 1 ? argv[1] : getenv("STRESS_KILLS");

        if (wanted)
                count = (unsigned) strtoul(wanted, NULL, 10);
        seed = argc > 2 ? (unsigned) strtoul(argv[2], NULL, 10) : (unsigned) getpid();
        tcase_set_timeout(tc, TEST_LIMIT_SEC + 4 * count);
        tcase_add_test(tc, kills);
        return fixture_main(suite);
}
