/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's log: to the journal when standard error is connected to it,
 * else to standard error. Strings from outside are quoted by the caller;
 * private data is never logged.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <syslog.h>

#include "internal/cleanup.h"

/* Set once, by main(), before anything is logged. level: LOG_ERR .. LOG_DEBUG. */
void log_setup(int level);
/* "err", "warning", "notice", "info", "debug" or 3..7. -EINVAL for anything else. */
int log_level_from_string(const char *s);

void log_write(int level, const char *format, ...) _printf_(2, 3);

/* Lines above it, LOG_DEBUG mostly, are not written. */
int log_max_level(void);

/* What a line is about, as fields of the journal beside the text. NULL and 0: no such field. */
struct log_subject {
        const char *message_id; /* MESSAGE_ID=, of log-ids.h */
        const char *device;     /* PASIDD_DEVICE=, an address */
        const char *consumer;   /* PASIDD_CONSUMER=, its name */
        const char *reason;     /* PASIDD_REASON=, a word of the contract's */
        unsigned pasid;         /* PASIDD_PASID= */
        uid_t uid;              /* PASIDD_UID=, the owner or who asked; with has_uid */
        bool has_uid;
        int error;              /* ERRNO=, positive */
};
void log_about(int level, const struct log_subject *subject, const char *format, ...) _printf_(3, 4);

#define log_error(...) log_write(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
