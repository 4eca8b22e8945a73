/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tenant: a user of libpasid that does what it is told, a command a line, so
 * that a shell script can play several tenants at once. Each command is
 * answered by one line: "ok" with what came of it, or "error", the name of the
 * errno and the daemon's sentence.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pasid/pasid.h>

#include "internal/cleanup.h"
#include "internal/uapi-iommufd.h"

#define WORDS_MAX 12
#define MEMORIES_MAX 16

struct memory {
        int fd;
        size_t size;
        uint8_t *bytes;
};

struct tenant {
        struct pasid_client *client;
        struct pasid_consumer *consumer;
        struct memory memories[MEMORIES_MAX];
        size_t n_memories;
        int device_fd, iommufd;
        struct pasid_vfio *vfio;
};

_printf_(1, 2) static int say(const char *format, ...) {
        va_list args;

        (void) fputs("ok ", stdout);
        va_start(args, format);
        (void) vprintf(format, args);
        va_end(args);
        (void) fputc('\n', stdout);
        return 0;
}

static int done(void) {
        (void) puts("ok");
        return 0;
}

static int fail(const struct tenant *t, int r, bool is_daemons) {
        (void) printf("error %s %s\n", strerrorname_np(-r), is_daemons ? pasid_strerror_last(t->client) : pasid_strerror(r));
        return 0;
}

static uint64_t number(const char *word) {
        return word ? strtoull(word, NULL, 0) : 0;
}

/* init NAME DEVICE...: a mediated consumer */
static int do_init(struct tenant *t, char **words) {
        struct pasid_consumer_options options = PASID_CONSUMER_OPTIONS_INIT;
        int r;

        options.devices = (const char *const *) words + 2;
        options.mode = PASID_MODE_MEDIATED;
        r = pasid_consumer_init(t->client, words[1], &options, &t->consumer);
        return r < 0 ? fail(t, r, true) : done();
}

/* alloc MIN MAX [attach] */
static int do_alloc(struct tenant *t, char **words) {
        struct pasid_alloc_options options = PASID_ALLOC_OPTIONS_INIT;
        uint32_t pasid;
        int r;

        options.attach = words[2] && words[3];
        r = pasid_alloc(t->consumer, (uint32_t) number(words[1]), (uint32_t) number(words[2]), NULL, 0, &options, &pasid);
        return r < 0 ? fail(t, r, true) : say("%u", pasid);
}

static int do_attach(struct tenant *t, char **words) {
        int r = pasid_attach(t->consumer, (uint32_t) number(words[1]));

        return r < 0 ? fail(t, r, true) : done();
}

static int do_detach(struct tenant *t, char **words) {
        int r = pasid_detach(t->consumer, (uint32_t) number(words[1]));

        return r < 0 ? fail(t, r, true) : done();
}

static int do_free(struct tenant *t, char **words) {
        int r = pasid_free(t->consumer, (uint32_t) number(words[1]));

        return r < 0 ? fail(t, r, true) : done();
}

/* reconnect: after pasidd was started again */
static int do_reconnect(struct tenant *t, char **words) {
        int r = pasid_client_reconnect(t->client);

        return r < 0 ? fail(t, r, false) : done();
}

static int do_exit(struct tenant *t, char **words) {
        int r = pasid_consumer_exit(t->consumer);

        return r < 0 ? fail(t, r, true) : done();
}

static int reopen_readonly(int fd) {
        char path[64];
        int copy;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        copy = open(path, O_RDONLY | O_CLOEXEC);
        return copy < 0 ? -errno : copy;
}

/* memory SIZE BYTE [unsealed | readonly | write-sealed | hole | huge | file:PATH]: filled with BYTE, but for a hole; its number */
static int do_memory(struct tenant *t, char **words) {
        const char *kind = words[3] ? words[3] : "";
        struct memory *m = &t->memories[t->n_memories];
        int seals = F_SEAL_SHRINK, r;

        if (t->n_memories == MEMORIES_MAX)
                return fail(t, -ENOBUFS, false);
        m->size = number(words[1]);
        if (strncmp(kind, "file:", 5) == 0)
                m->fd = open(kind + 5, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        else
                m->fd = memfd_create("tenant", MFD_CLOEXEC | MFD_ALLOW_SEALING | (strcmp(kind, "huge") == 0 ? MFD_HUGETLB : 0));
        if (m->fd < 0 || ftruncate(m->fd, (off_t) m->size) < 0)
                return fail(t, -errno, false);
        m->bytes = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
        if (m->bytes == MAP_FAILED)
                return fail(t, -errno, false);
        if (strcmp(kind, "hole") != 0)
                memset(m->bytes, (int) number(words[2]), m->size);
        if (strcmp(kind, "write-sealed") == 0) {
                (void) munmap(m->bytes, m->size);
                seals |= F_SEAL_WRITE;
        }
        if (strcmp(kind, "unsealed") != 0 && strncmp(kind, "file:", 5) != 0 && fcntl(m->fd, F_ADD_SEALS, seals) < 0)
                return fail(t, -errno, false);
        if (strcmp(kind, "write-sealed") == 0) {
                m->bytes = mmap(NULL, m->size, PROT_READ, MAP_SHARED, m->fd, 0);
                if (m->bytes == MAP_FAILED)
                        return fail(t, -errno, false);
        }
        if (strcmp(kind, "readonly") == 0) {
                r = reopen_readonly(m->fd);
                if (r < 0)
                        return fail(t, r, false);
                (void) close(m->fd);
                m->fd = r;
        }
        return say("%zu", t->n_memories++);
}

/* map PASID MEMORY OFFSET LENGTH IOVA FLAGS: MEMORY is what "memory" said, or "fd:PATH" for some other file */
static int do_map(struct tenant *t, char **words) {
        bool is_path = strncmp(words[2], "fd:", 3) == 0;
        int fd = is_path ? open(words[2] + 3, O_RDWR | O_CLOEXEC) : t->memories[number(words[2]) % MEMORIES_MAX].fd;
        uint64_t iova = 0;
        int r;

        r = pasid_map(t->consumer, (uint32_t) number(words[1]), fd, number(words[3]), number(words[4]), number(words[5]),
                      (uint32_t) number(words[6]), &iova);
        if (is_path)
                (void) close(fd);
        return r < 0 ? fail(t, r, true) : say("%#" PRIx64, iova);
}

/* start PASID MEMORY IOVA: allocated, attached and mapped in one call, to be read and written */
static int do_start(struct tenant *t, char **words) {
        struct pasid_alloc_options options = PASID_ALLOC_OPTIONS_INIT;
        struct pasid_mapping map = PASID_MAPPING_INIT;
        const struct memory *m = &t->memories[number(words[2]) % MEMORIES_MAX];
        uint32_t pasid = (uint32_t) number(words[1]);
        int r;

        map.memory_fd = m->fd;
        map.length = m->size;
        map.iova = number(words[3]);
        map.flags = PASID_MAP_READ | PASID_MAP_WRITE | PASID_MAP_FIXED;
        options.map = &map;
        r = pasid_alloc(t->consumer, pasid, pasid, NULL, 0, &options, &pasid);
        return r < 0 ? fail(t, r, true) : say("%u", pasid);
}

/* unmap PASID IOVA LENGTH */
static int do_unmap(struct tenant *t, char **words) {
        uint64_t unmapped = 0;
        int r = pasid_unmap(t->consumer, (uint32_t) number(words[1]), number(words[2]), number(words[3]), &unmapped);

        return r < 0 ? fail(t, r, true) : say("%" PRIu64, unmapped);
}

/* byte MEMORY OFFSET: what is there now */
static int do_byte(struct tenant *t, char **words) {
        const struct memory *m = &t->memories[number(words[1]) % MEMORIES_MAX];

        return say("%02x", m->bytes[number(words[2]) % m->size]);
}

/* truncate MEMORY SIZE */
static int do_truncate(struct tenant *t, char **words) {
        int r = ftruncate(t->memories[number(words[1]) % MEMORIES_MAX].fd, (off_t) number(words[2]));

        return r < 0 ? fail(t, -errno, false) : done();
}

/* open DEVICE: for oneself, and bound */
static int do_open(struct tenant *t, char **words) {
        int r = pasid_device_open(t->client, words[1], &t->device_fd, &t->iommufd);

        if (r < 0)
                return fail(t, r, true);
        r = pasid_vfio_new(t->device_fd, t->iommufd, &t->vfio);
        return r < 0 ? fail(t, r, false) : say("%u", pasid_vfio_max_pasid(t->vfio));
}

/* ioas: a new one of the opened iommufd */
static int do_ioas(struct tenant *t, char **words) {
        struct uapi_iommu_ioas_alloc args = { .size = sizeof(args) };

        return ioctl(t->iommufd, UAPI_IOMMU_IOAS_ALLOC, &args) < 0 ? fail(t, -errno, false) : say("%u", args.out_ioas_id);
}

/* vfio-attach PASID IOAS */
static int do_vfio_attach(struct tenant *t, char **words) {
        int r = pasid_vfio_attach(t->vfio, (uint32_t) number(words[1]), (uint32_t) number(words[2]));

        return r < 0 ? fail(t, r, false) : done();
}

static int do_vfio_detach(struct tenant *t, char **words) {
        int r = pasid_vfio_detach(t->vfio, (uint32_t) number(words[1]));

        return r < 0 ? fail(t, r, false) : done();
}

static int cycle_step_by_step(struct tenant *t, const struct memory *m) {
        struct pasid_alloc_options options = PASID_ALLOC_OPTIONS_INIT;
        uint32_t pasid;
        uint64_t iova;
        int r;

        options.attach = true;
        r = pasid_alloc(t->consumer, 0, 0, NULL, 0, &options, &pasid);
        if (r >= 0)
                r = pasid_map(t->consumer, pasid, m->fd, 0, m->size, 0, PASID_MAP_READ | PASID_MAP_WRITE, &iova);
        if (r >= 0)
                r = pasid_unmap(t->consumer, pasid, iova, m->size, NULL);
        if (r >= 0)
                r = pasid_detach(t->consumer, pasid);
        return r < 0 ? r : pasid_free(t->consumer, pasid);
}

static int cycle_at_once(struct tenant *t, const struct memory *m, bool free_detaches) {
        struct pasid_alloc_options options = PASID_ALLOC_OPTIONS_INIT;
        struct pasid_mapping map = PASID_MAPPING_INIT;
        uint32_t pasid;
        int r;

        map.memory_fd = m->fd;
        map.length = m->size;
        map.iova = m->size;
        map.flags = PASID_MAP_READ | PASID_MAP_WRITE | PASID_MAP_FIXED;
        options.map = &map;
        r = pasid_alloc(t->consumer, 0, 0, NULL, 0, &options, &pasid);
        if (r >= 0 && !free_detaches)
                r = pasid_detach(t->consumer, pasid);
        return r < 0 ? r : pasid_free(t->consumer, pasid);
}

/*
 * cycle COUNT MEMORY: alloc, attach, map, detach, free, over and over; every eighth in steps, and with an unmap, of the others
 * every second with a detach of its own
 */
static int do_cycle(struct tenant *t, char **words) {
        const struct memory *m = &t->memories[number(words[2]) % MEMORIES_MAX];

        for (uint64_t i = number(words[1]); i > 0; i--) {
                int r = i % 8 == 0 ? cycle_step_by_step(t, m) : cycle_at_once(t, m, i % 2 == 0);

                if (r < 0)
                        return fail(t, r, true);
        }
        return done();
}

static const struct command {
        const char *name;
        int (*run)(struct tenant *t, char **words);
        unsigned n_words; /* at least */
} commands[] = {
        { "init", do_init, 2 },
        { "alloc", do_alloc, 3 },
        { "attach", do_attach, 2 },
        { "detach", do_detach, 2 },
        { "free", do_free, 2 },
        { "exit", do_exit, 1 },
        { "reconnect", do_reconnect, 1 },
        { "memory", do_memory, 3 },
        { "map", do_map, 7 },
        { "start", do_start, 4 },
        { "unmap", do_unmap, 4 },
        { "byte", do_byte, 3 },
        { "truncate", do_truncate, 3 },
        { "open", do_open, 2 },
        { "ioas", do_ioas, 1 },
        { "vfio-attach", do_vfio_attach, 3 },
        { "vfio-detach", do_vfio_detach, 2 },
        { "cycle", do_cycle, 3 },
};

static int obey(struct tenant *t, char *line) {
        char *words[WORDS_MAX + 1] = {}, *rest = NULL;
        unsigned n = 0;

        for (char *word = strtok_r(line, " \n", &rest); word && n < WORDS_MAX; word = strtok_r(NULL, " \n", &rest))
                words[n++] = word;
        if (n == 0)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                if (strcmp(words[0], commands[i].name) == 0 && n >= commands[i].n_words)
                        return commands[i].run(t, words);
        (void) printf("error EINVAL tenant does not know how to %s with %u words\n", words[0], n);
        return 0;
}

int main(void) {
        struct tenant t = { .device_fd = -EBADF, .iommufd = -EBADF };
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        int r;

        (void) setvbuf(stdout, NULL, _IOLBF, 0);
        r = pasid_client_new(NULL, &t.client);
        if (r < 0) {
                (void) fprintf(stderr, "tenant: %s\n", pasid_strerror(r));
                return EXIT_FAILURE;
        }
        while (getline(&line, &size, stdin) > 0)
                (void) obey(&t, line);
        pasid_vfio_free(t.vfio);
        pasid_consumer_free(t.consumer);
        pasid_client_free(t.client);
        return EXIT_SUCCESS;
}
