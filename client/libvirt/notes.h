/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notes of domains that have ended, whose consumers are still to be ended: a
 * file a consumer, named after the domain's UUID, with the consumer's name in
 * it. They are in /run, as such a consumer does not outlive the boot either.
 *
 * Calls of the hook run beside each other, and pasidd may answer none of them.
 * So the directory is locked for as long as a file is made or removed in it
 * and no longer. What takes longer is done under a claim to one consumer, by
 * which nobody ends the consumer of a domain that another call starts. Who
 * finds a consumer claimed leaves it alone, unless it is the start of its own
 * domain, which waits. Locks and claims go when the process does.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>

struct notes {
        int directory;
        int claims; /* a file with a place for each consumer's claim */
};
#define NOTES_INIT { -EBADF, -EBADF }

/* $PASID_LIBVIRT_NOTES, or /run/pasid-libvirt */
const char *notes_directory(void);
/* Makes the directory if it is not there. -EPERM: others than the caller may write there. */
int notes_open(struct notes *notes);
/* With all claims. Notes that are not open are fine, here only. */
void notes_close(struct notes *notes);

/*
 * Beside the domain's notes of other consumers; not a second one of the same. 0: noted, and claimed. -EBUSY: noted, and
 * another call, which has claimed the consumer, is about to end it. -EINVAL: that is no UUID. -ETIMEDOUT: somebody keeps
 * the directory locked.
 */
int notes_add(const struct notes *notes, const char *uuid, const char *consumer);
/* Waits for another call that has claimed it. -ETIMEDOUT: longer than such a call takes. */
int notes_claim(const struct notes *notes, const char *consumer);
/* Gives up the claim to it, too. */
int notes_remove(const struct notes *notes, const char *consumer);
void notes_unclaim(const struct notes *notes, const char *consumer);

enum notes_next {
        NOTES_KEEP,   /* the note */
        NOTES_REMOVE,
        NOTES_STOP,   /* keep it, and go through no others */
};
typedef enum notes_next (*notes_func_t)(const char *consumer, void *userdata);
/*
 * Calls back for each consumer with a note that no other call has claimed, with a claim to it until func returns; not for
 * except.
 */
int notes_each(const struct notes *notes, const char *except, notes_func_t func, void *userdata);
