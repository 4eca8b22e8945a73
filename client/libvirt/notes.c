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

static bool is_uuid(const char *text) {
        return strlen(text) == UUID_LENGTH && strspn(text, "0123456789abcdefABCDEF-") == UUID_LENGTH;
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

int notes_add(int directory, const char *uuid, const char *consumer) {
        char new_name[UUID_LENGTH + sizeof(".new")];
        int r;

        if (!is_uuid(uuid))
                return -EINVAL;
        (void) snprintf(new_name, sizeof(new_name), "%s.new", uuid);
        r = write_file(directory, new_name, consumer);
        if (r >= 0 && renameat(directory, new_name, directory, uuid) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(directory, new_name, 0);
        return r;
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

                if (!is_uuid(entry->d_name))
                        continue;
                r = read_note(directory, entry->d_name, consumer);
                if (r >= 0 && func(consumer, userdata) && unlinkat(directory, entry->d_name, 0) < 0)
                        r = -errno;
                if (r < 0)
                        return r;
        }
        return -errno;
}
