/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes what fuzz-bus and fuzz-table begin with: make-seeds DIRECTORY. The
 * scripts go through each method once with arguments that are good; the tables
 * are written by the store itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "script.h"
#include "table.h"

#define SCRIPT_MAX 512

struct script {
        uint8_t data[SCRIPT_MAX];
        size_t size;
};

static const char *top;

static void write_seed(const char *target, const char *name, const void *data, size_t size) {
        _cleanup_close_ int fd = -EBADF;
        char path[512];

        (void) snprintf(path, sizeof(path), "%s/%s", top, target);
        (void) mkdir(path, 0755);
        (void) snprintf(path, sizeof(path), "%s/%s/%s", top, target, name);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        fuzz_check(fd >= 0 && write(fd, data, size) == (ssize_t) size, "%s: %s", path, strerror(errno));
}

static void put(struct script *s, uint8_t byte) {
        fuzz_check(s->size < sizeof(s->data), "a script is too long");
        s->data[s->size++] = byte;
}

static void put_word(struct script *s, const char *word) {
        for (uint8_t i = 0; i < WORDS_MAX; i++)
                if (fuzz_words[i] && strcmp(fuzz_words[i], word) == 0) {
                        put(s, i);
                        return;
                }
        fuzz_check(false, "\"%s\" is no word", word);
}

/* Then come the arguments; each byte 0 is something short. */
static void put_call(struct script *s, unsigned client, enum fuzz_interface interface, const char *member, unsigned path) {
        for (uint8_t i = 0; i < ELEMENTSOF(fuzz_methods); i++)
                if (fuzz_methods[i].interface == interface && strcmp(fuzz_methods[i].member, member) == 0) {
                        put(s, STEP_CALL | STEP_SETTLE);
                        put(s, (uint8_t) client);
                        put(s, i);
                        put(s, (uint8_t) path);
                        return;
                }
        fuzz_check(false, "there is no %s", member);
}

static unsigned consumer_of(unsigned client) {
        return PATH_FIRST_CONSUMER + client * FUZZ_NAMES;
}

static void put_option(struct script *s, uint8_t option, const char *word) {
        put(s, option);
        put_word(s, word);
}

/* As they are numbered in values.c. */
enum option_index {
        OPTION_DEVICES,
        OPTION_HOLD = 4,
        OPTION_FD = 5,
        OPTION_PID = 6,
        OPTION_UNIT = 7,
        OPTION_MODE = 8,
        OPTION_ATTACH = 10,
};

static void put_init(struct script *s, unsigned client, const char *hold, const char *mode) {
        put_call(s, client, FUZZ_MANAGER, "Init", PATH_MANAGER);
        put_word(s, "a");
        put(s, 3);
        put(s, OPTION_DEVICES);
        put(s, 1);
        put_word(s, "0000:01:00.0");
        put_option(s, OPTION_HOLD, hold);
        put_option(s, OPTION_MODE, mode);
}

/* One number; anywhere, without private data. */
static void put_alloc(struct script *s, unsigned client, bool attach) {
        put_call(s, client, FUZZ_CONSUMER, "Alloc", consumer_of(client));
        put(s, 0);
        put(s, 0);
        put(s, 4);
        put(s, 'd');
        put(s, 'a');
        put(s, 't');
        put(s, 'a');
        put(s, attach);
        if (attach) {
                put(s, OPTION_ATTACH);
                put(s, 1);
        }
}

static void put_numbers(struct script *s, const uint8_t *numbers, size_t n) {
        for (size_t i = 0; i < n; i++)
                put(s, numbers[i]);
}
#define PUT_NUMBERS(s, ...) put_numbers(s, (const uint8_t[]) { __VA_ARGS__ }, sizeof((const uint8_t[]) { __VA_ARGS__ }))

static void write_methods(void) {
        static const char *const modes[] = { "advisory", "mediated" };

        for (size_t i = 0; i < ELEMENTSOF(fuzz_methods); i++)
                for (size_t k = 0; k < ELEMENTSOF(modes); k++) {
                        const struct fuzz_method *method = &fuzz_methods[i];
                        struct script s = {};
                        char name[64];

                        put_init(&s, k, k == 0 ? "boot" : "connection", modes[k]);
                        put_alloc(&s, k, k == 1);
                        put_call(&s, k, method->interface, method->member,
                                 method->interface == FUZZ_MANAGER ? PATH_MANAGER
                                 : method->interface == FUZZ_DEVICE ? PATH_FIRST_DEVICE : consumer_of(k));
                        for (unsigned n = 0; n < 6; n++)
                                put(&s, 1);
                        (void) snprintf(name, sizeof(name), "%s-%u-%zu", method->member, (unsigned) method->interface, k);
                        write_seed("bus", name, s.data, s.size);
                }
}

static void write_holds(void) {
        static const char *const holds[] = { "connection", "fd", "process", "unit", "boot", "persistent" };

        for (size_t i = 0; i < ELEMENTSOF(holds); i++) {
                struct script s = {};

                put_call(&s, 0, FUZZ_MANAGER, "Init", PATH_MANAGER);
                put_word(&s, "a");
                put(&s, i >= 1 && i <= 3 ? 2 : 1);
                put_option(&s, OPTION_HOLD, holds[i]);
                if (i == 1)
                        PUT_NUMBERS(&s, OPTION_FD, 1);
                else if (i == 2)
                        PUT_NUMBERS(&s, OPTION_PID, 1);
                else if (i == 3)
                        put_option(&s, OPTION_UNIT, "/");
                put_alloc(&s, 0, false);
                put(&s, STEP_RESTART | STEP_SETTLE);
                put(&s, STEP_HANG_UP | STEP_SETTLE);
                PUT_NUMBERS(&s, STEP_RECONNECT | STEP_SETTLE, 0, STEP_CLOCK, 60, 60);
                write_seed("bus", holds[i], s.data, s.size);
        }
}

/* A number with memory, through all that can happen to it. */
static void write_lives(void) {
        static const struct {
                const char *name;
                size_t n_steps;
                uint8_t steps[4];
        } lives[] = {
                { "mapped", 0, { 0 } }, /* and so it stays */
                { "life", 3, { STEP_CLOCK | STEP_SETTLE, 1, 1, 0 } },
                { "restart", 1, { STEP_RESTART | STEP_SETTLE } },
                { "request", 2, { STEP_REQUEST | STEP_SETTLE, 0 } },
                { "devices", 4, { STEP_DEVICES | STEP_SETTLE, 0, STEP_DEVICES | STEP_SETTLE, 5 } },
                { "kernel", 3, { STEP_FAIL_KERNEL | STEP_SETTLE, 0, 0 } },
                { "table", 2, { STEP_FAIL_TABLE | STEP_SETTLE, 0 } },
        };

        for (size_t i = 0; i < ELEMENTSOF(lives); i++) {
                struct script s = {};

                put_init(&s, 0, "boot", "mediated");
                put_call(&s, 1, FUZZ_MANAGER, "Subscribe", PATH_MANAGER);
                put_alloc(&s, 0, true);
                put_call(&s, 0, FUZZ_CONSUMER, "Map", consumer_of(0));
                PUT_NUMBERS(&s, 1, 0, 0, 5, 0, 1);
                if (lives[i].n_steps == 0) {
                        write_seed("bus", lives[i].name, s.data, s.size);
                        continue;
                }
                put_numbers(&s, lives[i].steps, lives[i].n_steps);
                put_call(&s, 0, FUZZ_CONSUMER, "Unmap", consumer_of(0));
                PUT_NUMBERS(&s, 1, 33, 5);
                put_call(&s, 0, FUZZ_CONSUMER, "Detach", consumer_of(0));
                put(&s, 1);
                put_call(&s, 0, FUZZ_CONSUMER, "Free", consumer_of(0));
                put(&s, 1);
                put_call(&s, 0, FUZZ_CONSUMER, "Exit", consumer_of(0));
                write_seed("bus", lives[i].name, s.data, s.size);
        }
}

/* From the first user to the second: numbers 203 and 204 are their uids. */
static void write_transfer(void) {
        struct script s = {};

        put_init(&s, 1, "boot", "advisory");
        put_alloc(&s, 1, false);
        put_call(&s, 1, FUZZ_CONSUMER, "Transfer", consumer_of(1));
        put(&s, NUMBERS_MAX + 12);
        put_call(&s, 2, FUZZ_MANAGER, "Accept", PATH_MANAGER);
        put(&s, NUMBERS_MAX + 11);
        put_word(&s, "a");
        put_call(&s, 2, FUZZ_CONSUMER, "Find", consumer_of(2));
        put(&s, 1);
        write_seed("bus", "transfer", s.data, s.size);
}

static void write_tables(void) {
        for (unsigned i = 0; i < 4; i++) {
                const struct table_kind kind = { .is_persistent = i & 1, .is_of_other_boot = i & 2 };
                static uint8_t seed[1 << 18];
                const uint8_t *data;
                char name[16];
                size_t size;

                table_get_good(&kind, &data, &size);
                memcpy(seed, data, size);
                seed[size] = (uint8_t) i;
                (void) snprintf(name, sizeof(name), "%s-%s", i & 1 ? "lib" : "run", i & 2 ? "other" : "same");
                write_seed("table", name, seed, size + 1);
        }
        for (unsigned table = 0; table < 8; table++) {
                const uint8_t edit[] = { 0, (uint8_t) table, 1, 0, 5, 2 };

                write_seed("rows", (const char[]) { (char) ('0' + table), '\0' }, edit, sizeof(edit));
        }
}

int main(int argc, char **argv) {
        if (argc != 2) {
                (void) fprintf(stderr, "usage: make-seeds DIRECTORY\n");
                return 2;
        }
        top = argv[1];
        log_setup(LOG_EMERG);
        write_methods();
        write_holds();
        write_lives();
        write_transfer();
        write_tables();
        return 0;
}
