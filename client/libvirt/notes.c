/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A note is written under another name first, and so is there as a whole or
 * not at all, whenever the hook is killed.
 */
#include "notes.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "internal/cleanup.h"
#include "reserve.h"

#define UUID_LENGTH 36
#define NOTE_NAME_MAX (UUID_LENGTH + sizeof(".4294967295"))

static void closedirp(DIR **directory) {
        if (*directory)
                (void) closedir(*directory);
}

const char *notes_directory(void) {
        const char *directory = getenv("PASID_LIBVIRT_NOTES");

        return directory && directory[0] ? directory : "/run/pasid-libvirt";
}

int notes_open(int *ret) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (mkdir(notes_directory(), 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(notes_directory(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid() || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
                return -EPERM;
        while (flock(fd, LOCK_EX) < 0)
                if (errno != EINTR)
                        return -errno;
        *ret = TAKE_FD(fd);
        return 0;
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

static int read_note(int directory, const char *name, char ret[static CONSUMER_NAME_MAX + 1]) {
        _cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, ret, CONSUMER_NAME_MAX);
        if (n < 0)
                return -errno;
        ret[n] = '\0';
        return 0;
}

int notes_each(int directory, note_func_t func, void *userdata) {
        _cleanup_close_ int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* to be read from its begin */
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
                r = read_note(directory, entry->d_name, consumer);
                if (r >= 0 && func(consumer, userdata) && unlinkat(directory, entry->d_name, 0) < 0)
                        r = -errno;
                if (r < 0)
                        return r;
        }
        return -errno;
}

struct search {
        const char *consumer;
        bool found;
};

static bool compare(const char *consumer, void *userdata) {
        struct search *search = userdata;

        if (strcmp(consumer, search->consumer) == 0)
                search->found = true;
        return false;
}

/* A domain that was renamed has a consumer for each of its names: the note of one is no place for another's. */
static int find_name(int directory, const char *uuid, char ret[static NOTE_NAME_MAX]) {
        (void) snprintf(ret, NOTE_NAME_MAX, "%s", uuid);
        for (unsigned int n = 1; faccessat(directory, ret, F_OK, AT_SYMLINK_NOFOLLOW) >= 0; n++)
                (void) snprintf(ret, NOTE_NAME_MAX, "%s.%u", uuid, n);
        return errno == ENOENT ? 0 : -errno;
}

int notes_add(int directory, const char *uuid, const char *consumer) {
        char name[NOTE_NAME_MAX], new_name[UUID_LENGTH + sizeof(".new")];
        struct search search = { .consumer = consumer };
        int r;

        if (!is_uuid(uuid))
                return -EINVAL;
        (void) notes_each(directory, compare, &search); /* one that cannot be read is not it */
        if (search.found)
                return 0;
        r = find_name(directory, uuid, name);
        if (r < 0)
                return r;
        (void) snprintf(new_name, sizeof(new_name), "%s.new", uuid);
        r = write_file(directory, new_name, consumer);
        if (r >= 0 && renameat(directory, new_name, directory, name) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(directory, new_name, 0);
        return r;
}
