/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every call that can fail fails once, and from some point on for good; disks
 * are full. Nothing acknowledged is lost, nothing is half done, and a refused
 * change is not there.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "suite.h"
#include "test-store-script.h"
#include "test-store-vfs.h"

/* What may be in the table: what was acknowledged last, or, if we crash, one refused change on top of it. */
struct record {
        struct fixture *f;
        char *kept, *pending;
        char *refused[64];
        size_t n_refused;
};

static void forget_refused(struct record *record) {
        while (record->n_refused > 0)
                free(record->refused[--record->n_refused]);
}

static void note_pending(const char *state, void *userdata) {
        struct record *record = userdata;

        free(record->pending);
        record->pending = strdup(state);
        ck_assert_ptr_nonnull(record->pending);
}

static void note_kept(void *userdata) {
        struct record *record = userdata;

        /* One that changes nothing writes nothing over what a refused one has left. */
        if (strcmp(record->pending, record->kept ? record->kept : "") != 0)
                forget_refused(record);
        free(record->kept);
        record->kept = TAKE_PTR(record->pending);
}

static void note_refused(void *userdata) {
        struct record *record = userdata;
        const struct refusal *refusal = &record->f->refusal;

        ck_assert_msg(strstr(refusal->text, "pasidd.db") && strlen(refusal->text) > 40, "%s", refusal->text);
        ck_assert_uint_lt(record->n_refused, ELEMENTSOF(record->refused));
        record->refused[record->n_refused++] = TAKE_PTR(record->pending);
        expect_same(record->f);
}

static void record_done(struct record *record) {
        forget_refused(record);
        free(record->kept);
        free(record->pending);
}

static void copy_file(const char *from, const char *to, const char *name) {
        _cleanup_close_ int in = -EBADF, out = -EBADF;
        char path[256], buf[65536];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "%s/%s", from, name);
        in = open(path, O_RDONLY | O_CLOEXEC);
        if (in < 0)
                return;
        (void) snprintf(path, sizeof(path), "%s/%s", to, name);
        out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ck_assert_int_ge(out, 0);
        while ((n = read(in, buf, sizeof(buf))) > 0)
                ck_assert_int_eq(write(out, buf, (size_t) n), n);
}

/* What a crash at this moment would leave, opened. */
static char *describe_crash_image(const struct fixture *f) {
        struct fixture image;
        char *state;

        fixture_init(&image, f->durable, true);
        ck_assert_int_eq(mkdir(image.dir, 0755), 0);
        copy_file(f->dir, image.dir, "pasidd.db");
        copy_file(f->dir, image.dir, "pasidd.db-wal");
        fixture_open(&image);
        state = describe_store(&image);
        fixture_done(&image);
        return state;
}

static void expect_image(const struct fixture *f, const struct record *record, bool may_have_refused) {
        _cleanup_free_ char *state = describe_crash_image(f);
        bool is_known = strcmp(state, record->kept ? record->kept : "") == 0;

        for (size_t i = 0; i < record->n_refused && may_have_refused; i++)
                is_known = is_known || strcmp(state, record->refused[i]) == 0;
        if (!is_known)
                fprintf(stderr, "after a crash:\n%sacknowledged:\n%s", state, record->kept ? record->kept : "");
        for (size_t i = 0; i < record->n_refused && !is_known; i++)
                fprintf(stderr, "refused:\n%s", record->refused[i]);
        ck_assert(is_known);
}

static bool run_with_fault(bool durable, enum fault_mode mode, int code, unsigned at) {
        struct fault_plan plan = { .mode = mode, .code = code, .at = at };
        struct fixture f;
        struct record record = { .f = &f };
        const struct witness witness = { note_pending, note_kept, note_refused, &record };
        bool was_hit = true;
        int r;

        fixture_init(&f, durable, durable); /* a runtime table's log is not mapped on a disk: its writes can fail */
        fault_vfs_install(&plan);
        r = fixture_try_open(&f);
        ck_assert_msg(r == 0 || f.refusal.text[0] != '\0', "%d without a word", r);
        if (r == 0) {
                script_run(&f, &witness);
                expect_same(&f);
                was_hit = plan.calls >= plan.at;
                plan.mode = FAULT_NONE;
                expect_image(&f, &record, mode == FAULT_FOREVER);
                /* The fault is over, and so are its effects. */
                (void) add_consumer(&f, 2000, "afterwards", ON(3));
                ck_assert_int_eq(commit_changes(&f), 0);
                expect_same(&f);
        }
        plan.mode = FAULT_NONE;
        fixture_close(&f);
        fixture_open(&f);
        expect_same(&f);
        fixture_close(&f);
        fault_vfs_remove();
        record_done(&record);
        fixture_done(&f);
        return was_hit;
}

#define SOME 11U /* only each 11th call, unless STORE_STEP says otherwise */

/* Each table meets each code; the one that it is likeliest to meet, at every call. */
static const struct {
        bool durable;
        enum fault_mode mode;
        int code;
        unsigned step;
} fault_cases[] = {
        { false, FAULT_ONCE, SQLITE_FULL, 1 },
        { false, FAULT_FOREVER, SQLITE_FULL, 1 },
        { true, FAULT_ONCE, SQLITE_IOERR_WRITE, 1 },
        { true, FAULT_FOREVER, SQLITE_IOERR_WRITE, 1 },
        { false, FAULT_ONCE, SQLITE_IOERR_WRITE, SOME },
        { false, FAULT_FOREVER, SQLITE_IOERR_WRITE, SOME },
        { true, FAULT_ONCE, SQLITE_FULL, SOME },
        { true, FAULT_FOREVER, SQLITE_FULL, SOME },
        { false, FAULT_ONCE, SQLITE_READONLY, SOME },
        { false, FAULT_FOREVER, SQLITE_READONLY, SOME },
        { true, FAULT_ONCE, SQLITE_READONLY, SOME },
        { true, FAULT_FOREVER, SQLITE_READONLY, SOME },
};

START_TEST(every_call_fails) {
        unsigned at = 1;

        while (run_with_fault(fault_cases[_i].durable, fault_cases[_i].mode, fault_cases[_i].code, at))
                at += fixture_step_or(fault_cases[_i].step);
        ck_assert_uint_gt(at, 50);
}
END_TEST

/* Fills the table until it is refused, then makes room, and goes on. */
static void fill_up(struct fixture *f) {
        struct consumer *c = core_consumer_get(f->core, 1, "c");
        int r = 0;

        for (unsigned i = 0; r == 0; i++) {
                ck_assert_uint_lt(i, 10000);
                (void) alloc(f, c, 1 + i % 90, 0, PRIVATE_MAX, NULL);
                r = commit_changes(f);
        }
        expect_refusal(f, r, EFBIG, f->dir, "full", "nothing was changed", "Make room", NULL);
        expect_same(f);
}

static void go_on(struct fixture *f) {
        struct consumer *c = core_consumer_get(f->core, 1, "c");

        (void) alloc(f, c, 100, 0, PRIVATE_MAX, NULL);
        ck_assert_int_eq(commit_changes(f), 0);
        ck_assert_int_eq(f->store->ops->checkpoint(f->store, &f->refusal), 0);
        expect_same(f);
        expect_same_reopened(f);
}

START_TEST(a_file_size_limit_is_a_full_disk) {
        struct rlimit limit, old;
        struct fixture f;

        fixture_init_kind(&f, _i);
        fixture_open(&f);
        (void) add_consumer(&f, 1, "c", ON(1));
        ck_assert_int_eq(commit_changes(&f), 0);

        (void) signal(SIGXFSZ, SIG_IGN);
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
        limit = (struct rlimit) { 6 << 20, old.rlim_max };
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        fill_up(&f);
        /* Numbers can be given back. */
        free_pasid(&f, core_consumer_get(f.core, 1, "c"), core_row_next(core_consumer_get(f.core, 1, "c"), 0)->pasid);
        ck_assert_int_eq(commit_changes(&f), 0);
        expect_same(&f);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
        go_on(&f);
        fixture_done(&f);
}
END_TEST

/* In the middle of one big transaction: SQLite drops all of it, and nothing of what follows may get in by itself. */
START_TEST(a_full_disk_in_mid_transaction) {
        struct rlimit limit, old;
        struct fixture f;
        struct consumer *c;
        struct row *row;
        struct record record = { .f = &f };
        unsigned char data[PRIVATE_MAX];
        int r = 0;

        fixture_init_kind(&f, _i);
        fixture_open(&f);
        c = add_consumer(&f, 1, "c", ON(1, 2));
        (void) alloc(&f, c, 10, 0, 10, NULL);
        ck_assert_int_eq(commit_changes(&f), 0);

        (void) signal(SIGXFSZ, SIG_IGN);
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
        limit = (struct rlimit) { 6 << 20, old.rlim_max };
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        (void) alloc(&f, c, 10000, 1000, PRIVATE_MAX, NULL);
        begin(&f);
        ck_assert_int_eq(f.store->ops->savepoint(f.store, &f.refusal), 0);
        for (row = core_row_get(c, 1000); r == 0; row = core_row_next(c, row->pasid)) {
                ck_assert_ptr_nonnull(row);
                fill_private(data, row->pasid, row->private_bytes);
                r = f.store->ops->row_add(f.store, row, data, &f.refusal);
        }
        expect_refusal(&f, r, EFBIG, "pasidd.db", "full", NULL);
        ck_assert_uint_gt(row->pasid, 2000);
        r = f.store->ops->row_add(f.store, core_row_get(c, 1000), data, &f.refusal);
        expect_refusal(&f, r, EIO, "earlier failure", NULL);
        ck_assert_int_eq(f.store->ops->rollback_to(f.store), -EIO);
        r = f.store->ops->savepoint(f.store, &f.refusal);
        expect_refusal(&f, r, EIO, "earlier failure", NULL);
        if (_i == 1) {
                r = f.store->ops->commit(f.store, &f.refusal);
                expect_refusal(&f, r, EIO, "earlier failure", NULL);
        } else {
                f.store->ops->rollback(f.store);
        }
        core_rollback(f.core, 0);
        expect_same(&f);
        record.kept = describe_model(&f);
        expect_image(&f, &record, false);
        record_done(&record);

        /* The log that was written in vain is not left to fill the disk. */
        (void) alloc(&f, c, 100, 0, PRIVATE_MAX, NULL);
        ck_assert_int_eq(commit_changes(&f), 0);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
        expect_same_reopened(&f);
        fixture_done(&f);
}
END_TEST

static void write_ballast(const char *path) {
        _cleanup_close_ int fd = -EBADF;
        char zeros[4096] = {};

        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        while (write(fd, zeros, sizeof(zeros)) > 0)
                ;
}

/* A real one, with and without room for the log's mapping. */
START_TEST(a_full_file_system) {
        const char *fork_mode = getenv("CK_FORK");
        struct fixture f;
        char ballast[256];

        /* Needs a mount namespace of our own, so only where this test is a process of its own. */
        if (geteuid() != 0 || (fork_mode && strcmp(fork_mode, "no") == 0) || unshare(CLONE_NEWNS) < 0) {
                printf("# skipped: no mount namespace of its own can be had here\n");
                return;
        }
        fixture_init(&f, _i & 1, false);
        ck_assert_int_eq(mkdir(f.dir, 0755), 0);
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", f.dir, "tmpfs", 0, _i & 2 ? "size=12m,mode=755" : "size=3m,mode=755") < 0) {
                printf("# skipped: nothing may be mounted here\n");
                fixture_done(&f);
                return;
        }
        (void) fixture_path(&f, "ballast", ballast);

        /* No room at all. */
        write_ballast(ballast);
        expect_refusal(&f, fixture_try_open(&f), EFBIG, f.dir, "full", NULL);
        ck_assert_int_eq(unlink(ballast), 0);

        fixture_open(&f);
        (void) add_consumer(&f, 1, "c", ON(1));
        ck_assert_int_eq(commit_changes(&f), 0);
        write_ballast(ballast);
        fill_up(&f);
        expect_same(&f);
        ck_assert_int_eq(unlink(ballast), 0);
        go_on(&f);
        fill_up(&f);
        fixture_close(&f);
        fixture_open(&f);
        expect_same(&f);
        fixture_close(&f);
        ck_assert_int_eq(umount(f.dir), 0);
        fixture_done(&f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("store-fault");
        TCase *tc = tcase_create("fault");

        tcase_set_timeout(tc, 600);
        tcase_add_loop_test(tc, every_call_fails, 0, ELEMENTSOF(fault_cases));
        tcase_add_loop_test(tc, a_file_size_limit_is_a_full_disk, 0, FIXTURE_KINDS);
        tcase_add_loop_test(tc, a_full_disk_in_mid_transaction, 0, FIXTURE_KINDS);
        tcase_add_loop_test(tc, a_full_file_system, 0, 4);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
