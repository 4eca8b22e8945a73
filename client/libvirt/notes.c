/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A note is written under another name first, and so is there as a whole or
 * not at all, whenever the hook is killed. Notes are removed under a claim to
 * their consumer only, and made with one or seen by who has it.
 */
#include "notes.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "internal/cleanup.h"
#include "reserve.h"

#define UUID_LENGTH 36
#define NOTE_NAME_MAX (UUID_LENGTH + sizeof(".4294967295"))
#define CLAIMS ".claims"
/* Two calls to pasidd that time out, and some. */
#define WAIT_SEC 60

static void closedirp(DIR **directory) {
        if (*directory)
                (void) closedir(*directory);
}

const char *notes_directory(void) {
        const char *directory = getenv("PASID_LIBVIRT_NOTES");

        return directory && directory[0] ? directory : "/run/pasid-libvirt";
}

int notes_open(struct notes *notes) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (mkdir(notes_directory(), 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(notes_directory(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid() || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
                return -EPERM;
        notes->claims = openat(fd, CLAIMS, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (notes->claims < 0)
                return -errno;
        notes->directory = TAKE_FD(fd);
        return 0;
}

void notes_close(struct notes *notes) {
        notes->directory = close_fd(notes->directory);
        notes->claims = close_fd(notes->claims);
}

/* Of the directory, or of a range in the file of claims, where it is the open file's (Linux 3.15). */
static int lock(int fd, struct flock *range, bool wait) {
        int r;

        if (range)
                r = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, range);
        else
                r = flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
        if (r >= 0)
                return 0;
        return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

static void on_alarm(int signal) {
}

/* Neither of the two locks has a limit of its own: a signal ends the wait, a later one if the first comes too early. */
static int wait_for_lock(int fd, struct flock *range) {
        static const struct itimerval limit = { .it_value.tv_sec = WAIT_SEC, .it_interval.tv_sec = 1 }, none = {};
        static const struct sigaction action = { .sa_handler = on_alarm };
        int r = lock(fd, range, false);

        if (r != -EBUSY)
                return r;
        if (sigaction(SIGALRM, &action, NULL) < 0 || setitimer(ITIMER_REAL, &limit, NULL) < 0)
                return -errno;
        r = lock(fd, range, true);
        (void) setitimer(ITIMER_REAL, &none, NULL);
        return r == -EINTR ? -ETIMEDOUT : r;
}

static int lock_directory(const struct notes *notes) {
        return wait_for_lock(notes->directory, NULL);
}

static void unlock_directory(const struct notes *notes) {
        (void) flock(notes->directory, LOCK_UN);
}

/* FNV-1a. Two names that share a place are waited for, or left to a later call, without need. */
static struct flock find_place(const char *consumer, short type) {
        uint32_t hash = 2166136261U;

        for (const char *p = consumer; *p; p++)
                hash = (hash ^ (unsigned char) *p) * 16777619U;
        return (struct flock) { .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t) (hash >> 1), .l_len = 1 };
}

static int try_claim(const struct notes *notes, const char *consumer) {
        struct flock place = find_place(consumer, F_WRLCK);

        return lock(notes->claims, &place, false);
}

int notes_claim(const struct notes *notes, const char *consumer) {
        struct flock place = find_place(consumer, F_WRLCK);

        return wait_for_lock(notes->claims, &place);
}

void notes_unclaim(const struct notes *notes, const char *consumer) {
        struct flock place = find_place(consumer, F_UNLCK);

        (void) lock(notes->claims, &place, false);
}

static size_t count_uuid(const char *text) {
        return strspn(text, "0123456789abcdefABCDEF-");
}

static bool is_uuid(const char *text) {
        return strlen(text) == UUID_LENGTH && count_uuid(text) == UUID_LENGTH;
}

/* A domain's first note is named after its UUID; ".1" and so on are those of names that it had besides. */
static bool is_note(const char *name) {
        const char *number;

        if (count_uuid(name) != UUID_LENGTH || name[UUID_LENGTH] == '\0')
                return is_uuid(name);
        number = name + UUID_LENGTH + 1;
        return name[UUID_LENGTH] == '.' && number[0] != '\0' && number[strspn(number, "0123456789")] == '\0';
}

static int write_file(int directory, const char *name, const char *text) {
        _cleanup_close_ int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = write(fd, text, strlen(text));
        if (n < 0)
                return -errno;
        return (size_t) n < strlen(text) ? -ENOSPC : 0;
}

/* -ENOENT: another call was there first. */
static int read_note(const struct notes *notes, const char *name, char ret[static CONSUMER_NAME_MAX + 1]) {
        _cleanup_close_ int fd = openat(notes->directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, ret, CONSUMER_NAME_MAX);
        if (n < 0)
                return -errno;
        ret[n] = '\0';
        return 0;
}

/* The first value other than 0 that func returns ends it, and is returned. */
typedef int (*file_func_t)(const struct notes *notes, const char *name, const char *consumer, void *userdata);
static int for_each_file(const struct notes *notes, file_func_t func, void *userdata) {
        /* to be read from its begin */
        _cleanup_close_ int fd = openat(notes->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closedirp) DIR *listing = NULL;
        const struct dirent *entry;

        if (fd < 0)
                return -errno;
        listing = fdopendir(fd);
        if (!listing)
                return -errno;
        (void) TAKE_FD(fd);
        while ((errno = 0, entry = readdir(listing))) {
                char consumer[CONSUMER_NAME_MAX + 1];
                int r;

                if (!is_note(entry->d_name))
                        continue;
                r = read_note(notes, entry->d_name, consumer);
                if (r == -ENOENT)
                        continue;
                if (r >= 0)
                        r = func(notes, entry->d_name, consumer, userdata);
                if (r != 0)
                        return r;
        }
        return -errno;
}

static int is_of(const struct notes *notes, const char *name, const char *consumer, void *userdata) {
        return strcmp(consumer, userdata) == 0;
}

/* A domain that was renamed has a consumer for each of its names: the note of one is no place for another's. */
static int find_name(const struct notes *notes, const char *uuid, char ret[static NOTE_NAME_MAX]) {
        (void) snprintf(ret, NOTE_NAME_MAX, "%s", uuid);
        for (unsigned int n = 1; faccessat(notes->directory, ret, F_OK, AT_SYMLINK_NOFOLLOW) >= 0; n++)
                (void) snprintf(ret, NOTE_NAME_MAX, "%s.%u", uuid, n);
        return errno == ENOENT ? 0 : -errno;
}

static int add(const struct notes *notes, const char *uuid, const char *consumer) {
        char name[NOTE_NAME_MAX], new_name[UUID_LENGTH + sizeof(".new")];
        int r;

        /* One that cannot be read is not it. */
        if (for_each_file(notes, is_of, (void *) consumer) > 0)
                return 0;
        r = find_name(notes, uuid, name);
        if (r < 0)
                return r;
        (void) snprintf(new_name, sizeof(new_name), "%s.new", uuid);
        r = write_file(notes->directory, new_name, consumer);
        if (r >= 0 && renameat(notes->directory, new_name, notes->directory, name) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(notes->directory, new_name, 0);
        return r;
}

int notes_add(const struct notes *notes, const char *uuid, const char *consumer) {
        int r;

        if (!is_uuid(uuid))
                return -EINVAL;
        r = lock_directory(notes);
        if (r < 0)
                return r;
        r = add(notes, uuid, consumer);
        /* Under the same lock: who has a claim either is at the consumer now, or has not looked for its note yet. */
        if (r >= 0)
                r = try_claim(notes, consumer);
        unlock_directory(notes);
        return r;
}

static int remove_if_of(const struct notes *notes, const char *name, const char *consumer, void *userdata) {
        if (strcmp(consumer, userdata) != 0 || unlinkat(notes->directory, name, 0) >= 0 || errno == ENOENT)
                return 0;
        return -errno;
}

int notes_remove(const struct notes *notes, const char *consumer) {
        int r = lock_directory(notes);

        if (r >= 0)
                r = for_each_file(notes, remove_if_of, (void *) consumer);
        /* Under the same lock: a note that is made from now on has nobody whom it could be left to. */
        notes_unclaim(notes, consumer);
        unlock_directory(notes);
        return r;
}

struct walk {
        const char *except;
        notes_func_t func;
        void *userdata;
};

/* 1: claimed, and the note is there still; 0: this is another call's. */
static int claim_noted(const struct notes *notes, const char *name, const char *consumer) {
        char now[CONSUMER_NAME_MAX + 1];
        int r;

        r = lock_directory(notes);
        if (r < 0)
                return r;
        r = try_claim(notes, consumer);
        if (r >= 0) {
                r = read_note(notes, name, now);
                r = r >= 0 ? strcmp(now, consumer) == 0 : r;
                if (r <= 0)
                        notes_unclaim(notes, consumer);
        }
        unlock_directory(notes);
        return r == -EBUSY || r == -ENOENT ? 0 : r;
}

static int walk_file(const struct notes *notes, const char *name, const char *consumer, void *userdata) {
        struct walk *walk = userdata;
        enum notes_next next;
        int r;

        if (strcmp(consumer, walk->except) == 0)
                return 0;
        r = claim_noted(notes, name, consumer);
        if (r <= 0)
                return r;
        next = walk->func(consumer, walk->userdata);
        if (next == NOTES_REMOVE)
                return notes_remove(notes, consumer);
        notes_unclaim(notes, consumer);
        return next == NOTES_STOP;
}

int notes_each(const struct notes *notes, const char *except, notes_func_t func, void *userdata) {
        struct walk walk = { .except = except, .func = func, .userdata = userdata };
        int r = for_each_file(notes, walk_file, &walk);

        return r < 0 ? r : 0;
}
