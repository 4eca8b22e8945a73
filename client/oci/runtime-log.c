/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crun gives its hooks /dev/null for stderr; its own is where its user looks.
 *
 * podman runs "crun --log-format=json --log=FILE", reads FILE when crun has
 * failed, and wants exactly one object in it. crun has FILE open since its
 * start and will append its own. So ours is put in FILE's place as a new file:
 * crun's goes to the old one, which nobody reads. runc needs none of this: it
 * repeats what a hook says on stderr.
 */
#include "runtime-log.h"

#include <fcntl.h>
#include <json-c/json_object.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "input.h"

#define COMMAND_BYTES (128U << 10)
#define DESCRIPTORS 64 /* of the runtime that are looked at */

/* NUL-separated arguments and a NUL after them. */
static char *read_command(pid_t pid, size_t *ret_size) {
        _cleanup_free_ char *text = malloc(COMMAND_BYTES + 1);
        char path[64];
        size_t n;
        FILE *f;

        (void) snprintf(path, sizeof(path), "/proc/%d/cmdline", (int) pid);
        f = fopen(path, "re");
        if (!f || !text) {
                if (f)
                        (void) fclose(f);
                return NULL;
        }
        n = fread(text, 1, COMMAND_BYTES, f);
        (void) fclose(f);
        text[n] = '\0';
        *ret_size = n;
        return TAKE_PTR(text);
}

/* The value of --log=FILE or --log FILE, if it is JSON's; NULL otherwise. */
static const char *find_log(const char *command, size_t size) {
        const char *log = NULL;
        bool is_json = false;

        for (const char *p = command; p < command + size; p += strlen(p) + 1) {
                const char *next = p + strlen(p) + 1;

                if (strncmp(p, "--log=", 6) == 0)
                        log = p + 6;
                else if (strcmp(p, "--log") == 0 && next < command + size)
                        log = next;
                else if (strcmp(p, "--log-format=json") == 0 ||
                         (strcmp(p, "--log-format") == 0 && next < command + size && strcmp(next, "json") == 0))
                        is_json = true;
        }
        if (log && strncmp(log, "file:", 5) == 0)
                log += 5;
        return is_json && log && log[0] == '/' ? log : NULL;
}

/* Empty, and what the runtime itself has open. */
static bool is_fresh_log(pid_t pid, const char *path) {
        struct stat st, open_file;

        if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != 0)
                return false;
        for (int fd = 0; fd < DESCRIPTORS; fd++) {
                char link[64];

                (void) snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int) pid, fd);
                if (stat(link, &open_file) == 0 && open_file.st_dev == st.st_dev && open_file.st_ino == st.st_ino)
                        return true;
        }
        return false;
}

static bool write_entry(int fd, const char *sentence) {
        _cleanup_(json_object_putp) struct json_object *entry = json_object_new_object();
        _cleanup_close_ int copy = -EBADF;
        char now[32] = "";
        struct tm tm;
        time_t t = time(NULL);
        FILE *f;

        if (gmtime_r(&t, &tm))
                (void) strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", &tm);
        if (!entry || json_object_object_add(entry, "msg", json_object_new_string(sentence)) < 0 ||
            json_object_object_add(entry, "level", json_object_new_string("error")) < 0 ||
            json_object_object_add(entry, "time", json_object_new_string(now)) < 0)
                return false;
        copy = dup(fd);
        f = copy < 0 ? NULL : fdopen(copy, "w");
        if (!f)
                return false;
        (void) TAKE_FD(copy); /* the stream's */
        (void) fprintf(f, "%s\n", json_object_to_json_string_ext(entry, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        return fclose(f) == 0;
}

/* By its own name for itself: crun may run as a copy of its program that has none. */
static bool is_crun(const char *command) {
        const char *slash = strrchr(command, '/');

        return strcmp(slash ? slash + 1 : command, "crun") == 0;
}

static bool is_dev_null(int fd) {
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

static void say_for_runtime(pid_t pid, const char *sentence) {
        _cleanup_close_ int pidfd = pidfd_open(pid, 0), fd = -EBADF;

        if (pidfd >= 0)
                fd = pidfd_getfd(pidfd, STDERR_FILENO, 0);
        if (fd >= 0)
                (void) dprintf(fd, "%s\n", sentence);
}

static void replace_log(pid_t pid, const char *log, const char *sentence) {
        _cleanup_free_ char *fresh = NULL;
        _cleanup_close_ int fd = -EBADF;

        if (!is_fresh_log(pid, log))
                return;
        if (asprintf(&fresh, "%s.XXXXXX", log) < 0) {
                fresh = NULL;
                return;
        }
        fd = mkostemp(fresh, O_CLOEXEC);
        if (fd >= 0 && (!write_entry(fd, sentence) || rename(fresh, log) < 0))
                (void) unlink(fresh);
}

void runtime_log_sentence(const char *sentence) {
        _cleanup_free_ char *command = NULL;
        pid_t pid = getppid();
        const char *log;
        size_t size = 0;

        command = read_command(pid, &size);
        if (!command || !is_crun(command))
                return;
        if (is_dev_null(STDERR_FILENO))
                say_for_runtime(pid, sentence);
        log = find_log(command, size);
        if (log)
                replace_log(pid, log, sentence);
}
