/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The power goes at every moment of a durable table's life: from its making
 * over commits and folds of its log to its closing, and once more while it is
 * repaired. What was acknowledged is there; what was on its way is there whole
 * or not at all. A disk that is not waited for is found out.
 *
 * STORE_POWER_CHANCES: how often chance decides at each moment.
 */
#include "suite.h"
#include "store/sqlite-store.h"
#include "test-store-disk.h"
#include "test-store-script.h"

#include <stdlib.h>

#define STATES_MAX 128
#define CHANCES_DEFAULT 1

/* As notes among the events of the disk: the state of that number is on its way, was acknowledged. */
struct history {
        struct disk *disk;
        char *states[STATES_MAX];
        int n_states;
};

#define PENDING(n) (2 * (n))
#define KEPT(n) (2 * (n) + 1)

static void note_pending(const char *state, void *userdata) {
        struct history *h = userdata;

        ck_assert_int_lt(h->n_states, STATES_MAX);
        h->states[h->n_states] = strdup(state);
        ck_assert_ptr_nonnull(h->states[h->n_states]);
        disk_note(h->disk, PENDING(h->n_states++));
}

static void note_kept(void *userdata) {
        struct history *h = userdata;

        disk_note(h->disk, KEPT(h->n_states - 1));
}

static void note_refused(void *userdata) {
        ck_abort_msg("refused without a fault");
}

static void history_done(struct history *h) {
        disk_free(h->disk);
        for (int i = 0; i < h->n_states; i++)
                free(h->states[i]);
}

/* Where in its history the table is. */
struct moment_of {
        const struct history *history;
        int kept, pending; /* -1: none */
};

static bool is_state(const struct moment_of *m, int n, const char *state) {
        return strcmp(state, n < 0 ? "" : m->history->states[n]) == 0;
}

static void take_note(struct moment_of *m, int note) {
        m->pending = note / 2;
        if (note % 2) {
                m->kept = m->pending;
                m->pending = -1;
        }
}

/* A repaired table is whole, and can be worked with in the next boot. */
static void expect_whole(struct fixture *image) {
        _cleanup_free_ char *verdict = sql(image, "PRAGMA integrity_check");

        ck_assert_str_eq(verdict, "ok");
        fixture_close(image);
        image->boot_id = BOOT_B;
        fixture_open(image);
        (void) add_consumer(image, 3000, "after the cut", ON(99));
        begin(image);
        take_back(image);
        image->store->ops->rollback(image->store);
}

/* The table of the image as text; NULL: it is refused. */
static char *open_image(struct fixture *image) {
        return fixture_try_open(image) < 0 ? NULL : describe_store(image);
}

static bool is_right_image(struct fixture *image, const struct moment_of *m) {
        _cleanup_free_ char *state = open_image(image);
        bool is_right = state && (is_state(m, m->kept, state) || (m->pending >= 0 && is_state(m, m->pending, state)));

        if (is_right)
                expect_whole(image);
        return is_right;
}

struct cuts {
        const struct moment_of *moment;
        unsigned seed, n_images;
        unsigned n_wrong; /* images */
};

static void cut(struct cuts *cuts, const struct disk *disk, enum disk_luck luck) {
        struct fixture image;

        fixture_init(&image, true, true);
        disk_make(disk, luck, &cuts->seed, image.dir);
        cuts->n_images++;
        cuts->n_wrong += !is_right_image(&image, cuts->moment);
        fixture_done(&image);
}

/* The repair of an image is cut in its turn. */
static void cut_twice(struct cuts *cuts, const struct disk *disk) {
        struct fixture image;
        struct disk *repair;
        enum disk_event event;
        char *state;
        int note;

        fixture_init(&image, true, true);
        disk_make(disk, DISK_SOMETHING, &cuts->seed, image.dir);
        repair = disk_watch(image.dir);
        state = open_image(&image);
        ck_assert_ptr_nonnull(state);
        fixture_close(&image);
        disk_watch_end(repair);
        while (disk_next(repair, &event, &note))
                if (disk_has_unsynced(repair))
                        cut(cuts, repair, DISK_SOMETHING);
        free(state);
        disk_free(repair);
        fixture_done(&image);
}

static unsigned chances(void) {
        const char *text = getenv("STORE_POWER_CHANCES");

        return text ? (unsigned) strtoul(text, NULL, 10) : CHANCES_DEFAULT;
}

/* synchronous: as SQLite knows it; NULL: the store's own choice. */
static void live(struct history *h, struct fixture *f, const char *synchronous) {
        const struct witness witness = { note_pending, note_kept, note_refused, h };

        *h = (struct history) { .disk = disk_watch(f->dir) };
        fixture_open(f);
        if (synchronous)
                ck_assert_int_eq(sqlite3_exec(sqlite_store(f->store)->db, synchronous, NULL, NULL, NULL), SQLITE_OK);
        script_run(f, &witness);
        fixture_close(f);
        disk_watch_end(h->disk);
}

START_TEST(at_every_moment) {
        struct moment_of moment = { .kept = -1, .pending = -1 };
        struct cuts cuts = { .moment = &moment, .seed = (unsigned) getpid() };
        unsigned n_events = 0, n_syncs = 0, n_twice = 0, first = cuts.seed;
        bool is_long = chances() > CHANCES_DEFAULT;
        struct history history;
        enum disk_event event;
        struct fixture f;
        int note;

        fixture_init(&f, true, true);
        live(&history, &f, NULL);
        moment.history = &history;
        for (; disk_next(history.disk, &event, &note); n_events++) {
                if (event == DISK_NOTE)
                        take_note(&moment, note);
                n_syncs += event == DISK_SYNC;
                if (event == DISK_SYNC || event == DISK_NOTE || event == DISK_NAME)
                        cut(&cuts, history.disk, DISK_NOTHING);
                if (!disk_has_unsynced(history.disk))
                        continue;
                if (event != DISK_WRITE || is_long)
                        cut(&cuts, history.disk, DISK_EVERYTHING);
                for (unsigned i = 0; i < chances(); i++)
                        cut(&cuts, history.disk, DISK_SOMETHING);
                if (event == DISK_WRITE && n_events % (is_long ? 4 : 48) == 0) {
                        cut_twice(&cuts, history.disk);
                        n_twice++;
                }
                ck_assert_msg(cuts.n_wrong == 0, "a cut after event %u left a wrong table, seed %u", n_events, first);
        }
        ck_assert_msg(cuts.n_wrong == 0, "a cut left a wrong table, seed %u", first);
        ck_assert_uint_gt(n_syncs, 20);
        printf("# %u events, %u of them syncs; %u tables after a cut, %u repairs cut again, wrong 0, seed %u\n", n_events, n_syncs,
               cuts.n_images, n_twice, first);
        (void) fflush(stdout);
        history_done(&history);
        fixture_done(&f);
}
END_TEST

/* The test itself is tested: what it looks at is lost where SQLite does not wait for the disk. */
START_TEST(is_noticed_without_syncs) {
        static const char *const settings[] = { "PRAGMA synchronous = NORMAL", "PRAGMA synchronous = OFF" };
        struct moment_of moment = { .kept = -1, .pending = -1 };
        struct cuts cuts = { .moment = &moment };
        struct history history;
        enum disk_event event;
        struct fixture f;
        int note;

        fixture_init(&f, true, true);
        live(&history, &f, settings[_i]);
        moment.history = &history;
        while (disk_next(history.disk, &event, &note))
                if (event == DISK_NOTE) {
                        take_note(&moment, note);
                        if (note % 2)
                                cut(&cuts, history.disk, DISK_NOTHING);
                }
        ck_assert_uint_gt(cuts.n_wrong, 10);
        history_done(&history);
        fixture_done(&f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("store-power");
        TCase *tc = tcase_create("power");

        tcase_set_timeout(tc, 600 * (double) (1 + chances()));
        tcase_add_test(tc, at_every_moment);
        tcase_add_loop_test(tc, is_noticed_without_syncs, 0, 2);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
