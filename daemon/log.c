/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The level and the target of the log are the process's, as syslog(3)'s are:
 * set once by main() and read-only from then on.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define SD_JOURNAL_SUPPRESS_LOCATION /* it would always be this file */
#include <systemd/sd-journal.h>

#define LINE_MAX_TEXT 2048
#define FIELDS_MAX 9

static int max_level = LOG_INFO;
static bool to_journal;

/* systemd says by device and inode which stream is the journal's [systemd.exec(5), $JOURNAL_STREAM]. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long dev, ino;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
               st.st_dev == dev && st.st_ino == ino;
}

void log_setup(int level) {
        max_level = level;
        to_journal = stderr_is_journal();
}

int log_max_level(void) {
        return max_level;
}

int log_level_from_string(const char *s) {
        static const char *const names[] = {
                [LOG_ERR] = "err",   [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
                [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
        };

        for (int i = LOG_ERR; i <= LOG_DEBUG; i++)
                if (strcmp(s, names[i]) == 0 || (s[0] == '0' + i && s[1] == '\0'))
                        return i;
        return -EINVAL;
}

void log_write(int level, const char *format, ...) {
        int saved = errno;
        va_list ap;

        if (level > max_level)
                return;
        va_start(ap, format);
        if (to_journal)
                (void) sd_journal_printv(level, format, ap);
        else {
                char text[LINE_MAX_TEXT];

                (void) vsnprintf(text, sizeof(text), format, ap);
                (void) fprintf(stderr, "pasidd: %s\n", text);
        }
        va_end(ap);
        errno = saved;
}

/* One field of the journal, in buffer; too long a one is cut. */
struct field {
        char buffer[LINE_MAX_TEXT];
};

static void _printf_(4, 5) add_field(struct field *field, struct iovec *iov, size_t *n, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(field->buffer, sizeof(field->buffer), format, ap);
        va_end(ap);
        iov[(*n)++] = (struct iovec) { .iov_base = field->buffer, .iov_len = strlen(field->buffer) };
}

static void send_fields(int level, const struct log_subject *subject, const char *text) {
        struct field fields[FIELDS_MAX];
        struct iovec iov[FIELDS_MAX];
        size_t n = 0;

        add_field(&fields[n], iov, &n, "PRIORITY=%d", level);
        add_field(&fields[n], iov, &n, "MESSAGE=%s", text);
        if (subject->message_id)
                add_field(&fields[n], iov, &n, "MESSAGE_ID=%s", subject->message_id);
        if (subject->device)
                add_field(&fields[n], iov, &n, "PASIDD_DEVICE=%s", subject->device);
        if (subject->consumer)
                add_field(&fields[n], iov, &n, "PASIDD_CONSUMER=%s", subject->consumer);
        if (subject->pasid > 0)
                add_field(&fields[n], iov, &n, "PASIDD_PASID=%u", subject->pasid);
        if (subject->has_uid)
                add_field(&fields[n], iov, &n, "PASIDD_UID=%u", (unsigned) subject->uid);
        if (subject->reason)
                add_field(&fields[n], iov, &n, "PASIDD_REASON=%s", subject->reason);
        if (subject->error > 0)
                add_field(&fields[n], iov, &n, "ERRNO=%d", subject->error);
        (void) sd_journal_sendv(iov, (int) n);
}

void log_about(int level, const struct log_subject *subject, const char *format, ...) {
        char text[LINE_MAX_TEXT - sizeof("MESSAGE=")];
        int saved = errno;
        va_list ap;

        if (level > max_level)
                return;
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (to_journal)
                send_fields(level, subject, text);
        else
                (void) fprintf(stderr, "pasidd: %s\n", text);
        errno = saved;
}
