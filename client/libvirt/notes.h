/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notes of domains that have ended, whose consumers are still to be ended: a
 * file a consumer, named after the domain's UUID, with the consumer's name in
 * it. They are in /run, as such a consumer does not outlive the boot either.
 */
#pragma once

#include <stdbool.h>

/* $PASID_LIBVIRT_NOTES, or /run/pasid-libvirt */
const char *notes_directory(void);
/*
 * Makes the directory if it is not there. Until *ret is closed no other call of the hook has it, so that nobody ends the
 * consumer of a domain that another one starts. -EPERM: others than the caller may write there.
 */
int notes_open(int *ret);
/* Beside the domain's notes of other consumers; not a second one of the same. -EINVAL: that is no UUID. */
int notes_add(int directory, const char *uuid, const char *consumer);

/* Whether the note is not needed any more. */
typedef bool (*note_func_t)(const char *consumer, void *userdata);
int notes_each(int directory, note_func_t func, void *userdata);
