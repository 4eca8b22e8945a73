/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk that loses its power: what SQLite and the store do to the files of a
 * directory is noted in order, and the directory can be made again as a cut at
 * any moment would have left it. What was synced is there. Of what was not,
 * any part may be, in sectors: old, new or neither.
 *
 * The program is to be linked with --wrap for mkdir, fsync and renameat.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct disk;

enum disk_event {
        DISK_WRITE, /* of data, or a new size */
        DISK_SYNC,  /* of a file or a directory */
        DISK_NAME,  /* a file or the directory was made, renamed or removed */
        DISK_NOTE,  /* the test's own */
};

enum disk_luck {
        DISK_NOTHING,    /* of what was not synced is there */
        DISK_EVERYTHING, /* is there: as after a crash of the program alone */
        DISK_SOMETHING,  /* by chance */
};

/* From now on; files that are in the directory already are synced. */
struct disk *disk_watch(const char *directory);
struct disk *disk_free(struct disk *d); /* the watch has ended */
void disk_watch_end(struct disk *d);
/* Among the events, for the reader of them. */
void disk_note(struct disk *d, int note);

/* Goes through the events: false at the end. What is made after one is as of a cut right behind it. */
bool disk_next(struct disk *d, enum disk_event *ret_event, int *ret_note);
/* Whether something could be lost at this moment. */
bool disk_has_unsynced(const struct disk *d);
void disk_make(const struct disk *d, enum disk_luck luck, unsigned *seed, const char *directory);
