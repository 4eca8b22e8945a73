/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Object paths of consumers and devices.
 */
#pragma once

#include <sys/types.h>

#include "core/core.h"

/* /org/pasidd1/consumer/<uid>/<name>, each byte of the name at most three long */
#define CONSUMER_PATH_MAX (sizeof(PASIDD_CONSUMER_PREFIX "/4294967295/") + 3 * NAME_LEN_MAX)

/* *ret is the caller's to free(). */
int path_of_consumer(uid_t uid, const char *name, char **ret);
int path_of_device(const char *address, char **ret);

/* 1: the path has the form of a consumer's, and *ret_name is the caller's to free(); 0: it has not. */
int path_to_consumer(const char *path, uid_t *ret_uid, char **ret_name);
int path_to_device(const char *path, char **ret_address);
