/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See the header.
 */
#include "requests.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH ((uint64_t) 4096)
#define TOKEN "token"
#define ANN 60001
#define UNIT_DIRECTORY ("cgroup/system.slice/" REQUEST_UNIT)

#define manager(s, member, ...) client_call(&(s)->c, error, NULL, PASIDD_PATH, PASIDD_IFACE_MANAGER, member, __VA_ARGS__)
#define consumer(s, member, ...) client_call(&(s)->c, error, NULL, (s)->path, PASIDD_IFACE_CONSUMER, member, __VA_ARGS__)
#define init(s, ...) manager(s, "Init", "sa{sv}", (s)->name, __VA_ARGS__)

static void nothing(struct scene *s) {
}

static void with_consumer(struct scene *s) {
        free(init_ok(&s->observer, s->name, 3, "mode", "s", "mediated", "hold", "s", s->serial % 2 ? "boot" : "persistent",
                     "devices", "as", 1, FIRST));
}

static void with_numbers(struct scene *s) {
        with_consumer(s);
        for (size_t i = 0; i < 3; i++)
                s->pasids[i] = client_alloc(__FILE__, __LINE__, &s->observer, s->path, 0, 0, "abc", 3, i < 2 ? NULL : TOKEN);
}

static void with_attached(struct scene *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        with_numbers(s);
        consumer_ok(&s->observer, NULL, s->path, "Attach", "u", s->pasids[0]);
        consumer_ok(&s->observer, &reply, s->path, "Map", "uhtttu", s->pasids[0], s->memory, (uint64_t) 0, LENGTH, (uint64_t) 0, 1U);
        ck_assert_int_ge(sd_bus_message_read(reply, "t", &s->iova), 0);
}

static void set_owner(struct scene *s, uid_t uid) {
        s->uid = uid;
        (void) snprintf(s->path, sizeof(s->path), PASIDD_CONSUMER_PREFIX "/%u/%s", (unsigned) uid, s->name);
}

static void with_offered(struct scene *s) {
        struct client ann = client_direct_as_member(s->f, ANN, ANN, s->group);

        set_owner(s, ANN);
        free(init_ok(&ann, s->name, 1, "hold", "s", "boot"));
        for (size_t i = 0; i < 3; i++)
                s->pasids[i] = alloc_ok(&ann, s->path, 0, 0);
        consumer_ok(&ann, NULL, s->path, "Transfer", "u", (uint32_t) geteuid());
        client_close(&ann);
}

static int ask_connect(struct scene *s, sd_bus_error *error) {
        int r = client_connect(s->f->daemon->address, false, &s->c);

        return r < 0 ? r : client_ping(&s->c);
}

static int ask_init(struct scene *s, sd_bus_error *error) {
        return init(s, 1, "hold", "s", s->serial % 2 ? "boot" : "persistent");
}

static int ask_init_mediated(struct scene *s, sd_bus_error *error) {
        return init(s, 3, "mode", "s", "mediated", "hold", "s", "boot", "devices", "as", 2, FIRST, SECOND);
}

static int ask_init_connection(struct scene *s, sd_bus_error *error) {
        return init(s, 0);
}

static int ask_init_fd(struct scene *s, sd_bus_error *error) {
        return init(s, 2, "hold", "s", "fd", "fd", "h", s->holder);
}

static int ask_init_process(struct scene *s, sd_bus_error *error) {
        return init(s, 2, "hold", "s", "process", "pid", "u", (uint32_t) getpid());
}

static int ask_init_unit(struct scene *s, sd_bus_error *error) {
        return init(s, 2, "hold", "s", "unit", "unit", "s", REQUEST_UNIT);
}

static int ask_accept(struct scene *s, sd_bus_error *error) {
        return manager(s, "Accept", "us", (uint32_t) s->uid, s->name);
}

static int ask_alloc(struct scene *s, sd_bus_error *error) {
        return consumer(s, "Alloc", "uuaya{sv}", 0U, 0U, 2, 'a', 'b', 0);
}

static int ask_alloc_token(struct scene *s, sd_bus_error *error) {
        return consumer(s, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "token", "s", "another");
}

static int ask_alloc_attached(struct scene *s, sd_bus_error *error) {
        return consumer(s, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "attach", "b", 1);
}

static int ask_alloc_many(struct scene *s, sd_bus_error *error) {
        return consumer(s, "AllocMany", "uuuaya{sv}", 20U, 0U, 0U, 1, 'a', 2, "contiguous", "b", 1, "align", "u", 4U);
}

static int ask_free(struct scene *s, sd_bus_error *error) {
        return consumer(s, "Free", "u", s->pasids[1]);
}

static int ask_free_attached(struct scene *s, sd_bus_error *error) {
        return consumer(s, "Free", "u", s->pasids[0]);
}

static int ask_free_many(struct scene *s, sd_bus_error *error) {
        return consumer(s, "FreeMany", "au", 2, s->pasids[1], s->pasids[2]);
}

static int ask_free_token(struct scene *s, sd_bus_error *error) {
        return consumer(s, "FreeToken", "s", TOKEN);
}

static int ask_set_private(struct scene *s, sd_bus_error *error) {
        return consumer(s, "SetPrivate", "uay", s->pasids[1], 5, 'h', 'e', 'l', 'l', 'o');
}

static int ask_attach(struct scene *s, sd_bus_error *error) {
        return consumer(s, "Attach", "u", s->pasids[1]);
}

static int ask_detach(struct scene *s, sd_bus_error *error) {
        return consumer(s, "Detach", "u", s->pasids[0]);
}

static int ask_alloc_mapped(struct scene *s, sd_bus_error *error) {
        return consumer(s, "Alloc", "uuaya{sv}", 0U, 0U, 0, 2, "attach", "b", 1, "map", "(htttu)", s->memory, (uint64_t) 0, LENGTH,
                        (uint64_t) 0x400000, 7U);
}

static int ask_map(struct scene *s, sd_bus_error *error) {
        return consumer(s, "Map", "uhtttu", s->pasids[0], s->memory, (uint64_t) 0, LENGTH, (uint64_t) 0x400000, 7U);
}

static int ask_unmap(struct scene *s, sd_bus_error *error) {
        return consumer(s, "Unmap", "utt", s->pasids[0], s->iova, LENGTH);
}

static int ask_transfer(struct scene *s, sd_bus_error *error) {
        return consumer(s, "Transfer", "u", (uint32_t) geteuid() + 1);
}

static int ask_exit(struct scene *s, sd_bus_error *error) {
        return consumer(s, "Exit", NULL);
}

static int ask_open(struct scene *s, sd_bus_error *error) {
        return client_call(&s->c, error, NULL, SECOND_PATH, PASIDD_IFACE_DEVICE, "Open", "a{sv}", 0);
}

static int ask_find(struct scene *s, sd_bus_error *error) {
        return consumer(s, "Find", "u", s->pasids[0]);
}

static int ask_list(struct scene *s, sd_bus_error *error) {
        return consumer(s, "List", "uu", 0U, 0U);
}

static int ask_list_all(struct scene *s, sd_bus_error *error) {
        return manager(s, "List", "tu", (uint64_t) 0, 0U);
}

static int ask_get_consumer(struct scene *s, sd_bus_error *error) {
        return manager(s, "GetConsumer", "us", (uint32_t) geteuid(), s->name);
}

static int ask_who_has(struct scene *s, sd_bus_error *error) {
        return manager(s, "WhoHas", "u", s->pasids[0]);
}

static int ask_history(struct scene *s, sd_bus_error *error) {
        return manager(s, "History", "u", s->pasids[0]);
}

static int ask_check(struct scene *s, sd_bus_error *error) {
        return manager(s, "Check", "a{sv}", 0);
}

static int ask_metrics(struct scene *s, sd_bus_error *error) {
        return manager(s, "GetMetrics", NULL);
}

static int ask_subscribe(struct scene *s, sd_bus_error *error) {
        return manager(s, "Subscribe", NULL);
}

static int ask_unsubscribe(struct scene *s, sd_bus_error *error) {
        return manager(s, "Unsubscribe", NULL);
}

static int ask_properties(struct scene *s, sd_bus_error *error) {
        return client_call(&s->c, error, NULL, s->path, "org.freedesktop.DBus.Properties", "GetAll", "s", PASIDD_IFACE_CONSUMER);
}

static int ask_device(struct scene *s, sd_bus_error *error) {
        return client_call(&s->c, error, NULL, FIRST_PATH, "org.freedesktop.DBus.Properties", "GetAll", "s", PASIDD_IFACE_DEVICE);
}

static int ask_objects(struct scene *s, sd_bus_error *error) {
        return client_call(&s->c, error, NULL, PASIDD_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
}

static int ask_introspect(struct scene *s, sd_bus_error *error) {
        return client_call(&s->c, error, NULL, PASIDD_CONSUMER_PREFIX, "org.freedesktop.DBus.Introspectable", "Introspect", NULL);
}

const struct request requests[] = {
        { "connect", nothing, ask_connect, .is_connect = true },
        { "Init", nothing, ask_init, .changes = true },
        { "Init of devices", nothing, ask_init_mediated, .changes = true },
        { "Init by connection", nothing, ask_init_connection, .changes = true },
        { "Init by fd", nothing, ask_init_fd, .changes = true },
        { "Init by process", nothing, ask_init_process, .changes = true },
        { "Init by unit", nothing, ask_init_unit, .changes = true },
        { "Accept", with_offered, ask_accept, .changes = true, .needs_root = true },
        { "Alloc", with_consumer, ask_alloc, .changes = true },
        { "Alloc by token", with_numbers, ask_alloc_token, .changes = true },
        { "Alloc, first attached", with_consumer, ask_alloc_attached, .changes = true, .else_told = "stays allocated" },
        { "Alloc, attached", with_attached, ask_alloc_attached, .changes = true, .else_told = "stays allocated" },
        { "Alloc, mapped", with_attached, ask_alloc_mapped, .changes = true, .else_told = "stays allocated" },
        { "AllocMany", with_numbers, ask_alloc_many, .changes = true },
        { "Free", with_numbers, ask_free, .changes = true },
        { "Free of attached", with_attached, ask_free_attached, .changes = true },
        { "FreeMany", with_attached, ask_free_many, .changes = true },
        { "FreeToken", with_attached, ask_free_token, .changes = true },
        { "SetPrivate", with_numbers, ask_set_private, .changes = true },
        { "Attach, the first", with_numbers, ask_attach, .changes = true },
        { "Attach", with_attached, ask_attach, .changes = true },
        { "Detach", with_attached, ask_detach, .changes = true },
        { "Map", with_attached, ask_map, .changes = true },
        { "Unmap", with_attached, ask_unmap, .changes = true },
        { "Transfer", with_numbers, ask_transfer, .changes = true },
        { "Exit", with_attached, ask_exit, .changes = true },
        { "Open", nothing, ask_open, .changes = true },
        { "Find", with_numbers, ask_find },
        { "List", with_numbers, ask_list },
        { "List of all", with_numbers, ask_list_all },
        { "GetConsumer", with_consumer, ask_get_consumer },
        { "WhoHas", with_numbers, ask_who_has },
        { "History", with_numbers, ask_history },
        { "Check", with_attached, ask_check },
        { "GetMetrics", with_attached, ask_metrics },
        { "Subscribe", nothing, ask_subscribe },
        { "Unsubscribe", nothing, ask_unsubscribe },
        { "GetAll of a consumer", with_attached, ask_properties, .is_of_sd_bus = true },
        { "GetAll of a device", with_attached, ask_device, .is_of_sd_bus = true },
        { "GetManagedObjects", with_numbers, ask_objects, .is_of_sd_bus = true },
        { "Introspect", with_numbers, ask_introspect, .is_of_sd_bus = true },
};
const size_t n_requests = ELEMENTSOF(requests);

static void add_unit(struct fixture *f) {
        static const char *const directories[] = { "cgroup", "cgroup/system.slice", UNIT_DIRECTORY };
        char path[512];

        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", f->dir, directories[i]);
                ck_assert_int_eq(mkdir(path, 0755), 0);
        }
        (void) snprintf(path, sizeof(path), "%s/cgroup/cgroup.controllers", f->dir);
        ck_assert_int_ge(write_file(path, ""), 0);
        (void) snprintf(path, sizeof(path), "%s/%s/cgroup.events", f->dir, UNIT_DIRECTORY);
        ck_assert_int_ge(write_file(path, "populated 1\n"), 0);
        ck_assert_int_ge(daemon_add_option(f->daemon, "--cgroupfs=%s/cgroup", f->dir), 0);
}

void scene_begin(struct scene *s) {
        _cleanup_free_ char *config = NULL;
        const char *group;
        gid_t gid;

        ck_assert_msg(find_group(&gid, &group), "this machine has no group");
        ck_assert_int_ge(asprintf(&config, "[Daemon]\nReuseDelaySec=0\nGroup=%s\n", group), 0);
        *s = (struct scene) { .f = fixture_new(config), .group = gid };
        fixture_use_fake_kernel(s->f, "");
        add_unit(s->f);
        s->memory = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        s->holder = eventfd(0, EFD_CLOEXEC);
        ck_assert_int_eq(ftruncate(s->memory, (off_t) LENGTH), 0);
        ck_assert_int_ge(s->holder, 0);
}

void scene_connect(struct scene *s) {
        static const char *const directories[] = { "run", "lib" };

        s->observer = client_direct(s->f);
        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                char path[512];

                (void) sqlite3_close(s->tables[i]);
                (void) snprintf(path, sizeof(path), "%s/%s/pasidd.db", s->f->dir, directories[i]);
                ck_assert_int_eq(sqlite3_open_v2(path, &s->tables[i], SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
        }
}

void scene_end(struct scene *s) {
        client_close(&s->observer);
        for (size_t i = 0; i < ELEMENTSOF(s->tables); i++)
                ck_assert_int_eq(sqlite3_close(s->tables[i]), SQLITE_OK);
        (void) close_fd(s->memory);
        (void) close_fd(s->holder);
        fixture_free(s->f);
}

/* The daemon may let who comes wait at the door; who has an answer is in. */
void scene_let_in(struct scene *s) {
        s->c = client_direct(s->f);
        ping_ok(&s->c);
}

bool scene_prepare(struct scene *s, const struct request *request) {
        if (request->needs_root && geteuid() != 0)
                return false;
        (void) snprintf(s->name, sizeof(s->name), "vm%u", ++s->serial);
        set_owner(s, geteuid());
        memset(s->pasids, 0, sizeof(s->pasids));
        request->prepare(s);
        if (!request->is_connect)
                scene_let_in(s);
        return true;
}

/* Ours now, or still its first owner's. */
static bool is_there(struct scene *s) {
        _cleanup_free_ char *path = NULL;

        if (!consumer_exists(&s->observer, geteuid(), s->name, &path) && !consumer_exists(&s->observer, s->uid, s->name, &path))
                return false;
        (void) snprintf(s->path, sizeof(s->path), "%s", path);
        return true;
}

/* From both tables: in one of them there is nothing, or the daemon is found to know less. */
static void print_table(struct scene *s, FILE *out) {
        static const char sql[] =
                "SELECT p.key & 1048575, p.state, coalesce(length(p.private), 0) FROM pasid AS p JOIN consumer AS c ON c.id = p.consumer "
                "WHERE c.name = ?1 AND p.state IS NOT NULL ORDER BY 1";

        for (size_t i = 0; i < ELEMENTSOF(s->tables); i++) {
                sqlite3_stmt *stmt;

                ck_assert_msg(sqlite3_prepare_v2(s->tables[i], sql, -1, &stmt, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(s->tables[i]));
                ck_assert_int_eq(sqlite3_bind_text(stmt, 1, s->name, -1, SQLITE_STATIC), SQLITE_OK);
                while (sqlite3_step(stmt) == SQLITE_ROW)
                        (void) fprintf(out, "%d %s %d\n", sqlite3_column_int(stmt, 0), (const char *) sqlite3_column_text(stmt, 1),
                                       sqlite3_column_int(stmt, 2));
                ck_assert_int_eq(sqlite3_finalize(stmt), SQLITE_OK);
        }
}

static void print_rows(struct scene *s, FILE *out, unsigned *ret_attached) {
        struct listed rows[64];
        size_t n = list_page(&s->observer, s->path, 0, ELEMENTSOF(rows), rows, ELEMENTSOF(rows), NULL);

        for (size_t i = 0; i < n; i++) {
                (void) fprintf(out, "%u %s %u\n", rows[i].pasid, rows[i].state, rows[i].private_bytes);
                *ret_attached += strcmp(rows[i].state, "attached") == 0;
        }
}

static void write_log_path(const struct scene *s, char path[static 512]) {
        (void) snprintf(path, 512, "%s/kernel/log", s->f->dir);
}

/* By the log of the fake. */
static int count_in_kernel(const struct scene *s) {
        char path[512], line[256];
        unsigned pasid;
        int n = 0;
        FILE *log;

        write_log_path(s, path);
        log = fopen(path, "re");
        ck_assert_ptr_nonnull(log);
        while (fgets(line, sizeof(line), log))
                n += sscanf(line, "attach %u", &pasid) == 1 ? 1 : sscanf(line, "detach %u", &pasid) == 1 ? -1 : 0;
        (void) fclose(log);
        return n;
}

char *scene_picture(struct scene *s) {
        _cleanup_free_ char *table = NULL;
        char *picture = NULL;
        unsigned n_attached = 0;
        size_t n;
        FILE *out;

        out = open_memstream(&picture, &n);
        ck_assert_ptr_nonnull(out);
        if (is_there(s))
                print_rows(s, out, &n_attached);
        (void) fclose(out);

        out = open_memstream(&table, &n);
        ck_assert_ptr_nonnull(out);
        print_table(s, out);
        (void) fclose(out);
        ck_assert_msg(strcmp(picture, table) == 0, "the daemon has\n%sthe table has\n%s", picture, table);
        ck_assert_int_eq(count_in_kernel(s), (int) n_attached);
        free(picture);

        out = open_memstream(&picture, &n);
        ck_assert_ptr_nonnull(out);
        (void) fprintf(out, "%s%u consumers\n", table,
                       (unsigned) property_number(&s->observer, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Consumers"));
        if (is_there(s)) {
                _cleanup_free_ char *hold = property_string(&s->observer, s->path, PASIDD_IFACE_CONSUMER, "HoldState");

                (void) fprintf(out, "%s, %s, pinned %u, offered to %u\n", s->path, hold,
                               (unsigned) property_number(&s->observer, s->path, PASIDD_IFACE_CONSUMER, "PinnedBytes"),
                               (unsigned) property_number(&s->observer, s->path, PASIDD_IFACE_CONSUMER, "OfferedTo"));
        }
        _cleanup_free_ char *held = property_string(&s->observer, SECOND_PATH, PASIDD_IFACE_DEVICE, "Held");
        (void) fprintf(out, "second: %s\n", held);
        (void) fclose(out);
        return picture;
}

/* What the connection held goes with it, a little later. */
void scene_clear(struct scene *s) {
        char path[512];

        client_close(&s->c);
        if (is_there(s))
                (void) client_call(&s->observer, NULL, NULL, s->path, PASIDD_IFACE_CONSUMER, "Exit", NULL);
        await(!is_there(s));
        await(count_in_kernel(s) == 0);
        write_log_path(s, path);
        ck_assert_int_eq(truncate(path, 0), 0);
}
