/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon is killed at a random moment while clients allocate and free:
 * whatever was acknowledged is in the table after the next start, and nothing
 * is held twice. What was under way is there or not, and a token tells.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

#define CLIENTS 3
#define MANY 20 /* numbers of one AllocMany */

enum knowledge {
        UNKNOWN,  /* never had it */
        HELD,     /* acknowledged */
        FREEING,  /* asked to free it, no answer yet */
        FREED,    /* acknowledged */
};

/* Shared with a client's process, which writes what it knows before and after each call. */
struct ledger {
        uint8_t known[NUMBER_MAX + 1];
        unsigned next_token;
        char token[32]; /* of the call that is under way; "" if it is none that allocates */
        unsigned wanted; /* numbers by that call */
};

struct shared {
        struct ledger ledgers[CLIENTS];
        atomic_uint n_acknowledged;
};

struct job {
        struct fixture *f;
        struct shared *shared;
        unsigned i;
        const char *hold;
};

static char *own_consumer(struct client *c, const struct job *job) {
        char name[16], *path;

        (void) snprintf(name, sizeof(name), "vm-%u", job->i);
        return consumer_exists(c, geteuid(), name, &path) ? path : init_ok(c, name, 1, "hold", "s", job->hold);
}

/* AllocMany with the token at hand; false: the connection broke. Any refusal is a failure. */
static bool alloc_by_token(struct client *c, const char *path, struct ledger *ledger) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const void *array;
        size_t size;
        int r;

        r = client_call(c, &error, &reply, path, PASIDD_IFACE_CONSUMER, "AllocMany", "uuuaya{sv}", ledger->wanted, 0U, 0U, 0,
                        1, "token", "s", ledger->token);
        if (r < 0) {
                ck_assert_msg(strncmp(error.name ?: "", PASIDD_ERROR_PREFIX, strlen(PASIDD_ERROR_PREFIX)) != 0, "%s: %s",
                              error.name, error.message);
                return false;
        }
        ck_assert_int_gt(sd_bus_message_read_array(reply, 'u', &array, &size), 0);
        ck_assert_uint_eq(size, ledger->wanted * sizeof(uint32_t));
        for (size_t i = 0; i < ledger->wanted; i++) {
                uint32_t pasid = ((const uint32_t *) array)[i];

                assert_quick(ledger->known[pasid] == UNKNOWN, "%u was given before, and is %u", pasid, ledger->known[pasid]);
                ledger->known[pasid] = HELD;
        }
        ledger->token[0] = '\0';
        return true;
}

static bool free_one(struct client *c, const char *path, struct ledger *ledger, uint32_t pasid) {
        ledger->known[pasid] = FREEING;
        if (client_call(c, NULL, NULL, path, PASIDD_IFACE_CONSUMER, "Free", "u", pasid) < 0)
                return false;
        ledger->known[pasid] = FREED;
        return true;
}

static void work(struct child *self, void *userdata) {
        struct job *job = userdata;
        struct ledger *ledger = &job->shared->ledgers[job->i];
        struct client c = client_direct(job->f);
        _cleanup_free_ char *path = own_consumer(&c, job);
        uint32_t pasid = 0;

        child_ready(self);
        for (unsigned n = 0;; n++) {
                bool going;

                if (n % 4 == 3) { /* the next that is held */
                        do
                                pasid = pasid % NUMBER_MAX + 1;
                        while (ledger->known[pasid] != HELD);
                        going = free_one(&c, path, ledger, pasid);
                } else {
                        ledger->wanted = n % 16 == 0 ? MANY : 1;
                        (void) snprintf(ledger->token, sizeof(ledger->token), "token-%u", ledger->next_token++);
                        going = alloc_by_token(&c, path, ledger);
                }
                if (!going)
                        break;
                atomic_fetch_add(&job->shared->n_acknowledged, 1);
        }
        client_close(&c);
}

/* The table as it is listed against what a client knows. */
static void check_ledger(struct client *c, const char *path, struct ledger *ledger, uint8_t *owners) {
        _cleanup_free_ struct listed *rows = calloc(LIST_PAGE_MAX, sizeof(*rows));
        _cleanup_free_ uint8_t *listed = calloc(NUMBER_MAX + 1, 1);
        uint32_t after = 0;
        bool more = true;

        while (more) {
                size_t n = list_page(c, path, after, 0, rows, LIST_PAGE_MAX, &more);

                for (size_t i = 0; i < n; i++) {
                        uint32_t pasid = rows[i].pasid;

                        listed[pasid] = strcmp(rows[i].state, "allocated") == 0 ? HELD : FREED;
                        assert_quick(owners[pasid]++ == 0, "%u is held twice", pasid);
                        assert_quick(ledger->known[pasid] != UNKNOWN, "nobody asked for %u", pasid);
                }
                after = n > 0 ? rows[n - 1].pasid : after;
        }
        for (uint32_t pasid = 1; pasid <= NUMBER_MAX; pasid++)
                switch (ledger->known[pasid]) {
                case HELD:
                        assert_quick(listed[pasid] == HELD, "the allocation of %u is lost", pasid);
                        break;
                case FREEING:
                        assert_quick(listed[pasid] != UNKNOWN, "%u is neither held nor cooling", pasid);
                        ledger->known[pasid] = listed[pasid];
                        break;
                case FREED:
                        assert_quick(listed[pasid] == FREED, "%u was freed, and cools for an hour", pasid);
                        break;
                }
}

static void kill_rounds(unsigned rounds, const char *hold, unsigned most) {
        struct fixture *f = fixture_new("[Daemon]\nReuseDelaySec=3600\n[Limits]\nPasidsPerConsumer=1000000\n");
        struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        unsigned seed = (unsigned) getpid();

        ck_assert_ptr_ne(shared, MAP_FAILED);
        for (unsigned round = 0; round < rounds; round++) {
                _cleanup_free_ uint8_t *owners = calloc(NUMBER_MAX + 1, 1);
                struct child children[CLIENTS];
                struct job jobs[CLIENTS];
                struct client c;

                fixture_start(f);
                atomic_store(&shared->n_acknowledged, 0);
                for (unsigned i = 0; i < CLIENTS; i++) {
                        jobs[i] = (struct job) { f, shared, i, hold };
                        children[i] = child_start(work, &jobs[i]);
                }
                for (unsigned i = 0; i < CLIENTS; i++)
                        child_await_ready(&children[i]);
                unsigned enough = (unsigned) rand_r(&seed) % most;
                await(atomic_load(&shared->n_acknowledged) >= enough);
                fixture_kill(f);
                for (unsigned i = 0; i < CLIENTS; i++)
                        child_finish(&children[i]);

                fixture_start(f);
                c = client_direct(f);
                for (unsigned i = 0; i < CLIENTS; i++) {
                        struct ledger *ledger = &shared->ledgers[i];
                        _cleanup_free_ char *path = own_consumer(&c, &jobs[i]);

                        if (ledger->token[0]) /* whether it was done or not: by the token it is now, once */
                                ck_assert(alloc_by_token(&c, path, ledger));
                        check_ledger(&c, path, ledger, owners);
                }
                client_close(&c);
                fixture_stop(f);
        }
        ck_assert_int_eq(munmap(shared, sizeof(*shared)), 0);
        fixture_free(f);
}

START_TEST(of_the_boot) {
        kill_rounds(22, "boot", 1500);
}
END_TEST

START_TEST(persistent) {
        kill_rounds(8, "persistent", 300);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-kill");
        TCase *tcase = fixture_add_case(suite, "kill");

        tcase_add_test(tcase, of_the_boot);
        tcase_add_test(tcase, persistent);
        return fixture_main(suite);
}
