/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See the header. SQLite is watched through a VFS over its own, and what the
 * store does by itself through the linker.
 */
#include "test-store-disk.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal/cleanup.h"
#include "test-store-pass.h"

#define SECTOR 512
#define FILES_MAX 64
#define NAME_SIZE 32

enum kind { WRITE, TRUNCATE, SYNC, CREATE, RENAME, DELETE, SYNC_DIRECTORY, MAKE_DIRECTORY, SYNC_PARENT, NOTE };

struct event {
        enum kind kind;
        int file; /* by the order of their making; NOTE: the note */
        char name[NAME_SIZE], to[NAME_SIZE];
        size_t at, size; /* TRUNCATE: size */
        unsigned char *data;
};

struct content {
        unsigned char *data;
        size_t size;
};

struct name {
        char name[NAME_SIZE];
        int file;
};

struct names {
        struct name names[FILES_MAX];
        size_t n;
};

struct disk {
        char directory[256], parent[256];
        struct event *events;
        size_t n_events;
        struct names now; /* what the program sees while it is watched */
        int n_files;
        /* of the replay */
        size_t pos;
        struct content synced[FILES_MAX];
        size_t synced_at[FILES_MAX]; /* what comes later is not synced */
        struct names synced_names;
        size_t names_synced_at;
        bool has_directory, is_directory_synced;
};

static struct disk *watched;
static sqlite3_io_methods methods;
static sqlite3_vfs *below;

static struct event *add(enum kind kind, int file) {
        struct disk *d = watched;

        if (d->n_events % 256 == 0)
                d->events = reallocarray(d->events, d->n_events + 256, sizeof(*d->events));
        ck_assert_ptr_nonnull(d->events);
        d->events[d->n_events] = (struct event) { .kind = kind, .file = file };
        return &d->events[d->n_events++];
}

static const char *basename_of(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static struct name *find_name(struct names *names, const char *name) {
        for (size_t i = 0; i < names->n; i++)
                if (strcmp(names->names[i].name, name) == 0)
                        return &names->names[i];
        return NULL;
}

static void apply_to_names(struct names *names, const struct event *e) {
        struct name *name = find_name(names, e->name);

        switch (e->kind) {
        case CREATE:
                ck_assert_uint_lt(names->n, FILES_MAX);
                names->names[names->n].file = e->file;
                memcpy(names->names[names->n++].name, e->name, NAME_SIZE);
                break;
        case RENAME:
        case DELETE:
                if (e->kind == RENAME && find_name(names, e->to))
                        *find_name(names, e->to) = names->names[--names->n];
                name = find_name(names, e->name);
                if (name && e->kind == RENAME)
                        memcpy(name->name, e->to, NAME_SIZE);
                else if (name)
                        *name = names->names[--names->n];
                break;
        default:
                break;
        }
}

static void add_name_event(enum kind kind, int file, const char *name, const char *to) {
        struct event *e = add(kind, file);

        (void) snprintf(e->name, sizeof(e->name), "%s", name);
        (void) snprintf(e->to, sizeof(e->to), "%s", to);
        apply_to_names(&watched->now, e);
}

static int file_of_name(const char *name) {
        const struct name *found = find_name(&watched->now, name);

        if (found)
                return found->file;
        ck_assert_int_lt(watched->n_files, FILES_MAX);
        add_name_event(CREATE, watched->n_files, name, "");
        return watched->n_files++;
}

struct file {
        struct pass_file pass;
        int file;
        bool syncs_directory; /* SQLite's does so with the first sync of a new log */
        sqlite3_file below[];
};

#define FILE_OF(f) ((struct file *) (f))

static int file_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 offset) {
        struct event *e;

        if (watched) {
                e = add(WRITE, FILE_OF(f)->file);
                e->at = (size_t) offset;
                e->size = (size_t) n;
                e->data = malloc((size_t) n);
                ck_assert_ptr_nonnull(e->data);
                memcpy(e->data, data, (size_t) n);
        }
        return BELOW(f)->pMethods->xWrite(BELOW(f), data, n, offset);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size) {
        if (watched)
                add(TRUNCATE, FILE_OF(f)->file)->size = (size_t) size;
        return BELOW(f)->pMethods->xTruncate(BELOW(f), size);
}

static int file_sync(sqlite3_file *f, int flags) {
        if (watched) {
                (void) add(SYNC, FILE_OF(f)->file);
                if (FILE_OF(f)->syncs_directory)
                        (void) add(SYNC_DIRECTORY, -1);
                FILE_OF(f)->syncs_directory = false;
        }
        return BELOW(f)->pMethods->xSync(BELOW(f), flags);
}

static int vfs_open(sqlite3_vfs *self, const char *path, sqlite3_file *f, int flags, int *ret_flags) {
        int r;

        f->pMethods = NULL;
        BELOW(f) = FILE_OF(f)->below;
        r = below->xOpen(below, path, BELOW(f), flags, ret_flags);
        if (!BELOW(f)->pMethods)
                return r;
        f->pMethods = &methods;
        FILE_OF(f)->file = watched && path ? file_of_name(basename_of(path)) : 0;
        FILE_OF(f)->syncs_directory = flags & SQLITE_OPEN_CREATE && flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL);
        return r;
}

static int vfs_delete(sqlite3_vfs *self, const char *path, int sync) {
        int r = below->xDelete(below, path, sync);

        if (r == SQLITE_OK && watched) {
                add_name_event(DELETE, -1, basename_of(path), "");
                if (sync)
                        (void) add(SYNC_DIRECTORY, -1);
        }
        return r;
}

static sqlite3_vfs vfs = { .xOpen = vfs_open, .xDelete = vfs_delete };

/* The linker puts these in place of the C library's (--wrap). */
int __real_mkdir(const char *path, mode_t mode);
int __real_fsync(int fd);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_fsync(int fd);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);

int __wrap_mkdir(const char *path, mode_t mode) {
        int r = __real_mkdir(path, mode);

        if (r == 0 && watched && strcmp(path, watched->directory) == 0)
                (void) add(MAKE_DIRECTORY, -1);
        return r;
}

int __wrap_fsync(int fd) {
        char link[64], path[256];
        ssize_t n;

        if (!watched)
                return __real_fsync(fd);
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path) - 1);
        ck_assert_int_gt(n, 0);
        path[n] = '\0';
        if (strcmp(path, watched->directory) == 0)
                (void) add(SYNC_DIRECTORY, -1);
        else if (strcmp(path, watched->parent) == 0)
                (void) add(SYNC_PARENT, -1);
        else
                (void) add(SYNC, file_of_name(basename_of(path)));
        return __real_fsync(fd);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to) {
        int r = __real_renameat(from_fd, from, to_fd, to);

        if (r == 0 && watched)
                add_name_event(RENAME, -1, from, to);
        return r;
}

static void content_write(struct content *c, size_t at, const unsigned char *data, size_t size) {
        if (size == 0)
                return;
        if (at + size > c->size) {
                c->data = realloc(c->data, at + size);
                ck_assert_ptr_nonnull(c->data);
                memset(c->data + c->size, 0, at + size - c->size);
                c->size = at + size;
        }
        memcpy(c->data + at, data, size);
}

static void content_resize(struct content *c, size_t size) {
        if (size > c->size)
                content_write(c, size - 1, (const unsigned char *) "", 1);
        c->size = size;
}

static void content_read(const char *directory, const char *name, struct content *ret) {
        _cleanup_close_ int fd = -EBADF;
        char path[512];
        struct stat st;

        (void) snprintf(path, sizeof(path), "%s/%s", directory, name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert(fd >= 0 && fstat(fd, &st) == 0);
        content_resize(ret, (size_t) st.st_size);
        ck_assert_int_eq(read(fd, ret->data, ret->size), (ssize_t) ret->size);
}

static bool is_of_table(const char *name) {
        return strcmp(name, "pasidd.db") == 0 || strcmp(name, "pasidd.db-wal") == 0;
}

struct disk *disk_watch(const char *directory) {
        struct disk *d = calloc(1, sizeof(*d));
        struct dirent *entry;
        char *slash;
        DIR *dir;

        ck_assert_ptr_nonnull(d);
        (void) snprintf(d->directory, sizeof(d->directory), "%s", directory);
        (void) snprintf(d->parent, sizeof(d->parent), "%s", directory);
        slash = strrchr(d->parent, '/');
        ck_assert_ptr_nonnull(slash);
        *slash = '\0';
        dir = opendir(directory);
        d->has_directory = d->is_directory_synced = dir;
        while (dir && (entry = readdir(dir)))
                if (is_of_table(entry->d_name)) {
                        struct name *name = &d->synced_names.names[d->synced_names.n++];

                        (void) snprintf(name->name, sizeof(name->name), "%.31s", entry->d_name);
                        name->file = d->n_files++;
                        content_read(directory, name->name, &d->synced[name->file]);
                }
        if (dir)
                (void) closedir(dir);
        d->now = d->synced_names;

        watched = d;
        methods = pass_methods;
        methods.xWrite = file_write;
        methods.xTruncate = file_truncate;
        methods.xSync = file_sync;
        below = pass_install(&vfs, "disk", sizeof(struct file));
        return d;
}

void disk_watch_end(struct disk *d) {
        ck_assert_ptr_eq(watched, d);
        watched = NULL;
        pass_remove(&vfs);
}

struct disk *disk_free(struct disk *d) {
        for (size_t i = 0; i < d->n_events; i++)
                free(d->events[i].data);
        for (int i = 0; i < FILES_MAX; i++)
                free(d->synced[i].data);
        free(d->events);
        free(d);
        return NULL;
}

void disk_note(struct disk *d, int note) {
        ck_assert_ptr_eq(watched, d);
        (void) add(NOTE, note);
}

static void apply_whole(struct content *c, const struct event *e) {
        if (e->kind == WRITE)
                content_write(c, e->at, e->data, e->size);
        else if (e->kind == TRUNCATE)
                content_resize(c, e->size);
}

static bool is_name_event(const struct event *e) {
        return e->kind == CREATE || e->kind == RENAME || e->kind == DELETE;
}

static void sync_file(struct disk *d, int file) {
        for (size_t i = d->synced_at[file]; i < d->pos; i++)
                if (d->events[i].file == file)
                        apply_whole(&d->synced[file], &d->events[i]);
        d->synced_at[file] = d->pos;
}

static void sync_names(struct disk *d) {
        for (size_t i = d->names_synced_at; i < d->pos; i++)
                if (is_name_event(&d->events[i]))
                        apply_to_names(&d->synced_names, &d->events[i]);
        d->names_synced_at = d->pos;
}

bool disk_next(struct disk *d, enum disk_event *ret_event, int *ret_note) {
        static const enum disk_event events[] = {
                [WRITE] = DISK_WRITE, [TRUNCATE] = DISK_WRITE, [SYNC] = DISK_SYNC, [CREATE] = DISK_NAME, [RENAME] = DISK_NAME,
                [DELETE] = DISK_NAME, [SYNC_DIRECTORY] = DISK_SYNC, [MAKE_DIRECTORY] = DISK_NAME, [SYNC_PARENT] = DISK_SYNC,
                [NOTE] = DISK_NOTE,
        };
        const struct event *e;

        if (d->pos == d->n_events)
                return false;
        e = &d->events[d->pos++];
        switch (e->kind) {
        case SYNC:
                sync_file(d, e->file);
                break;
        case SYNC_DIRECTORY:
                sync_names(d);
                break;
        case MAKE_DIRECTORY:
                d->has_directory = true;
                break;
        case SYNC_PARENT:
                d->is_directory_synced = d->has_directory;
                break;
        default:
                break;
        }
        *ret_event = events[e->kind];
        *ret_note = e->file;
        return true;
}

bool disk_has_unsynced(const struct disk *d) {
        for (size_t i = 0; i < d->pos; i++) {
                const struct event *e = &d->events[i];

                if ((is_name_event(e) && i >= d->names_synced_at) ||
                    ((e->kind == WRITE || e->kind == TRUNCATE) && i >= d->synced_at[e->file]))
                        return true;
        }
        return d->has_directory != d->is_directory_synced;
}

static void write_by_chance(struct content *c, const struct event *e, unsigned *seed) {
        unsigned char garbage[SECTOR];
        size_t n;

        for (size_t i = 0; i < SECTOR; i++)
                garbage[i] = (unsigned char) rand_r(seed);
        for (size_t at = 0; at < e->size; at += n) {
                n = SECTOR - (e->at + at) % SECTOR;
                if (n > e->size - at)
                        n = e->size - at;
                switch (rand_r(seed) % 3) {
                case 0:
                        content_write(c, e->at + at, e->data + at, n);
                        break;
                case 1: /* half way through */
                        content_write(c, e->at + at, garbage, n);
                        break;
                default:
                        break;
                }
        }
}

static void apply_by_chance(struct content *c, const struct event *e, unsigned *seed) {
        int dice = rand_r(seed) % 3;

        if (dice == 0)
                apply_whole(c, e);
        else if (dice == 1 && e->kind == WRITE)
                write_by_chance(c, e, seed);
}

static void make_file(const struct disk *d, const struct name *name, enum disk_luck luck, unsigned *seed, const char *directory) {
        _cleanup_close_ int fd = -EBADF;
        struct content c = {};
        char path[512];

        content_resize(&c, 0);
        content_write(&c, 0, d->synced[name->file].data, d->synced[name->file].size);
        for (size_t i = d->synced_at[name->file]; i < d->pos && luck != DISK_NOTHING; i++) {
                const struct event *e = &d->events[i];

                if (e->file != name->file || (e->kind != WRITE && e->kind != TRUNCATE))
                        continue;
                if (luck == DISK_EVERYTHING)
                        apply_whole(&c, e);
                else
                        apply_by_chance(&c, e, seed);
        }
        (void) snprintf(path, sizeof(path), "%s/%s", directory, name->name);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, c.data, c.size), (ssize_t) c.size);
        free(c.data);
}

/* File systems write the changes of names in their order. */
void disk_make(const struct disk *d, enum disk_luck luck, unsigned *seed, const char *directory) {
        struct names names = d->synced_names;

        if (!d->is_directory_synced && (luck == DISK_NOTHING || !d->has_directory || (luck == DISK_SOMETHING && rand_r(seed) % 2)))
                return;
        ck_assert_int_eq(__real_mkdir(directory, 0755), 0);
        for (size_t i = d->names_synced_at; i < d->pos && luck != DISK_NOTHING; i++) {
                if (!is_name_event(&d->events[i]))
                        continue;
                if (luck == DISK_SOMETHING && rand_r(seed) % 3 == 0)
                        break;
                apply_to_names(&names, &d->events[i]);
        }
        for (size_t i = 0; i < names.n; i++)
                make_file(d, &names.names[i], luck, seed, directory);
}
