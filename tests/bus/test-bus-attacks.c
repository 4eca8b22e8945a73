/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What somebody may try who is let in, but owns nothing of what he is after:
 * to read, to guess, to take, to be taken for another. doc/security.md lists
 * these attacks and those that other tests try. Needs root, for the other users.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "raw.h"

#define ANN 60001
#define BOB 60002
#define SECRET "kept-from-all-but-its-owner"
#define TOKEN "token-that-nobody-guesses"

struct test {
        struct fixture *f;
        gid_t group;
        struct client ann, bob; /* members of the group */
        char *path;             /* of Ann's consumer "vm" */
        uint32_t pasid;         /* that it has, with private data */
};

static struct fixture *begin_fixture(const char *config, gid_t *ret_group) {
        _cleanup_free_ char *text = config_with_group(config, ret_group);

        return fixture_new(text);
}

static struct test begin(const char *config) {
        struct test t = {};

        t.f = begin_fixture(config, &t.group);
        fixture_start(t.f);
        t.ann = client_direct_as(t.f, ANN, t.group);
        t.bob = client_direct_as(t.f, BOB, t.group);
        t.path = init_ok(&t.ann, "vm", 1, "hold", "s", "boot");
        t.pasid = alloc_private_ok(&t.ann, t.path, SECRET, strlen(SECRET));
        return t;
}

static void end(struct test *t) {
        client_close(&t->ann);
        client_close(&t->bob);
        fixture_free(t->f);
        free(t->path);
}

static int connect_raw_as(const struct test *t, uid_t uid) {
        int fd;

        ck_assert_int_eq(setegid(t->group), 0);
        ck_assert_int_eq(seteuid(uid), 0);
        fd = raw_connect_authenticated(t->f);
        ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(setegid(0), 0);
        return fd;
}

/* What came on a connection. */
struct heard {
        uint8_t bytes[1 << 20];
        size_t n;
};

static bool has_heard(const struct heard *h, const char *text) {
        return memmem(h->bytes, h->n, text, strlen(text)) != NULL;
}

/* Keeps what comes, up to those bytes; text NULL: up to the end, when the other side closes. */
static void hear_until(int fd, struct heard *h, const char *text) {
        ssize_t n = 1;

        while (n > 0 && (!text || !has_heard(h, text))) {
                struct pollfd p = { .fd = fd, .events = POLLIN };

                ck_assert_int_gt(poll(&p, 1, WAIT_LIMIT_MSEC), 0);
                n = recv(fd, h->bytes + h->n, sizeof(h->bytes) - h->n, 0);
                h->n += n > 0 ? (size_t) n : 0;
                ck_assert_uint_lt(h->n, sizeof(h->bytes));
        }
        ck_assert_msg(n > 0 || !text, "the daemon has closed the connection, and never said %s", text);
}

/* Every member that a stranger can call without a right of his own, and every signal there is, as bytes on the wire. */
START_TEST(private_data_is_on_no_wire) {
        static const struct {
                const char *path, *interface, *member;
                bool with_range;
        } asked[] = {
                { NULL, PASIDD_IFACE_CONSUMER, "List", true },
                { NULL, "org.freedesktop.DBus.Introspectable", "Introspect", false },
                { NULL, PASIDD_IFACE_CONSUMER, "Find", true }, /* and others that are refused: refusals tell nothing either */
                { NULL, PASIDD_IFACE_CONSUMER, "Alloc", true },
                { NULL, PASIDD_IFACE_CONSUMER, "SetPrivate", true },
                { NULL, PASIDD_IFACE_CONSUMER, "Exit", false },
                { PASIDD_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", false },
                { PASIDD_PATH, "org.freedesktop.DBus.Introspectable", "Introspect", false },
                { PASIDD_PATH, PASIDD_IFACE_MANAGER, "List", true },
                { PASIDD_PATH, PASIDD_IFACE_MANAGER, "WhoHas", true },
                { PASIDD_PATH, PASIDD_IFACE_MANAGER, "History", true },
                { PASIDD_PATH, PASIDD_IFACE_MANAGER, "NoSuchMember", false }, /* named in its answer, so that is the last one */
        };
        struct test t;
        _cleanup_free_ struct heard *heard = calloc(1, sizeof(*heard));
        uint8_t call[RAW_CALL_MAX];
        uint32_t serial = 1, args[1];
        int fd;

        ck_assert_ptr_nonnull(heard);

        SKIP_UNLESS_ROOT();
        t = begin("[Daemon]\nReuseDelaySec=0\n");
        fd = connect_raw_as(&t, BOB);
        ck_assert_int_eq(raw_send(fd, call, raw_call(call, serial++, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Subscribe", false)), 0);
        ck_assert(raw_answer_has(fd, ""));

        /* all that makes a signal */
        (void) alloc_private_ok(&t.ann, t.path, SECRET "-2", strlen(SECRET "-2"));
        args[0] = t.pasid;
        ck_assert_int_ge(client_call_private(&t.ann, NULL, t.path, "SetPrivate", args, 1, SECRET "-3", strlen(SECRET "-3")), 0);
        free_ok(&t.ann, t.path, t.pasid);
        t.pasid = alloc_private_ok(&t.ann, t.path, SECRET "-4", strlen(SECRET "-4"));
        ck_assert_uint_ne(alloc_token_ok(&t.ann, t.path, TOKEN), 0);
        for (size_t i = 0; i < ELEMENTSOF(asked); i++)
                ck_assert_int_eq(raw_send(fd, call, raw_call(call, serial++, asked[i].path ?: t.path, asked[i].interface,
                                                             asked[i].member, asked[i].with_range)), 0);
        hear_until(fd, heard, "NoSuchMember"); /* while the consumer is there to be asked about */
        exit_ok(&t.ann, t.path);
        ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
        hear_until(fd, heard, NULL);
        (void) close(fd);
        ck_assert(has_heard(heard, "PasidFreed")); /* he did listen */
        ck_assert(has_heard(heard, "AccessDenied"));
        ck_assert(!has_heard(heard, SECRET));
        ck_assert(!has_heard(heard, TOKEN));
        ck_assert(!daemon_log_has(t.f->daemon, SECRET));
        ck_assert(!daemon_log_has(t.f->daemon, TOKEN));
        end(&t);
}
END_TEST

/* Found by name, read by another user: the table and what lies beside it. */
START_TEST(tables_are_for_root) {
        static const char *const names[] = { "run/pasidd.db", "run/pasidd.db-wal", "lib/pasidd.db", "run/pasidd.lock" };
        struct test t;

        SKIP_UNLESS_ROOT();
        t = begin("");
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                char path[512];
                struct stat st;

                (void) snprintf(path, sizeof(path), "%s/%s", t.f->dir, names[i]);
                if (stat(path, &st) < 0)
                        continue;
                ck_assert_msg((st.st_mode & 077) == 0 && st.st_uid == 0, "%s has mode %o", path, (unsigned) st.st_mode);
        }
        end(&t);
}
END_TEST

/* Other spellings of a consumer's path reach nothing, whoever asks: no check can be passed by another name for it. */
START_TEST(guessed_paths) {
        static const char *const spellings[] = {
                "/060001/vm", "/60001/_76m", "/60001/v_6d", "/60001/v_6D", "/4295027297/vm", "/_36_30001/vm", "/60001/vm/vm",
                "/60001", "", "/60001/_", "/0/vm", "/60002/vm", "/60001/VM", "/60001/_2e_2e", "/60001/_2e_2e_2f60001_2fvm",
        };
        struct test t;

        SKIP_UNLESS_ROOT();
        t = begin("");
        for (size_t i = 0; i < ELEMENTSOF(spellings); i++) {
                struct client *asking = i % 2 ? &t.ann : &t.bob;
                char path[256];

                (void) snprintf(path, sizeof(path), PASIDD_CONSUMER_PREFIX "%s", spellings[i]);
                ck_assert_int_lt(client_call(asking, NULL, NULL, path, PASIDD_IFACE_CONSUMER, "Find", "u", t.pasid), 0);
                ck_assert_int_lt(client_call(asking, NULL, NULL, path, PASIDD_IFACE_CONSUMER, "Exit", NULL), 0);
        }
        ck_assert_uint_eq(property_number(&t.ann, t.path, PASIDD_IFACE_CONSUMER, "Allocated"), 1);
        end(&t);
}
END_TEST

/* A stranger is told the same of a number that is there and of one that is not. */
START_TEST(guesses_learn_nothing) {
        static const char *const members[] = { "Find", "Free", "Attach", "Detach" };
        struct test t;

        SKIP_UNLESS_ROOT();
        t = begin("");
        for (size_t i = 0; i < ELEMENTSOF(members); i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error there = SD_BUS_ERROR_NULL, missing = SD_BUS_ERROR_NULL;

                ck_assert_int_lt(client_call(&t.bob, &there, NULL, t.path, PASIDD_IFACE_CONSUMER, members[i], "u", t.pasid), 0);
                ck_assert_int_lt(client_call(&t.bob, &missing, NULL, t.path, PASIDD_IFACE_CONSUMER, members[i], "u", 4711U), 0);
                ck_assert_str_eq(there.name, E_ACCESS);
                ck_assert_str_eq(missing.name, there.name);
                ck_assert_str_eq(missing.message, there.message);
        }
        end(&t);
}
END_TEST

/* A number that was freed and is another's now: what its earlier holder still says of it reaches nothing. */
START_TEST(freed_numbers_replayed) {
        struct test t;
        _cleanup_free_ char *path = NULL;
        _cleanup_free_ void *data = NULL;
        uint32_t first;
        size_t n;

        SKIP_UNLESS_ROOT();
        t = begin("[Daemon]\nReuseDelaySec=0\n");
        first = t.pasid;
        free_ok(&t.ann, t.path, first);
        path = init_ok(&t.bob, "mine", 0);
        ck_assert_uint_eq(alloc_ok(&t.bob, path, first, first), first);
        ck_assert_int_ge(client_call_private(&t.bob, NULL, path, "SetPrivate", &first, 1, "bob's", 5), 0);

        free_error(&t.ann, E("NoSuchPasid"), t.path, first);
        ck_assert_int_lt(client_call_array(&t.ann, NULL, t.path, "FreeMany", &first, 1), 0);
        consumer_error(&t.ann, E("NoSuchPasid"), NULL, t.path, "Find", "u", first);
        ck_assert_int_lt(client_call_private(&t.ann, NULL, t.path, "SetPrivate", &first, 1, "ann's", 5), 0);
        ck_assert_int_lt(client_call(&t.ann, NULL, NULL, t.path, PASIDD_IFACE_CONSUMER, "Attach", "u", first), 0);
        ck_assert_int_lt(client_call(&t.ann, NULL, NULL, t.path, PASIDD_IFACE_CONSUMER, "Detach", "u", first), 0);
        free_error(&t.ann, E_ACCESS, path, first);
        exit_ok(&t.ann, t.path);

        ck_assert_str_eq(state_of(&t.bob, path, first), "allocated");
        data = find_ok(&t.bob, path, first, &n);
        ck_assert_uint_eq(n, 5);
        ck_assert_mem_eq(data, "bob's", 5);
        end(&t);
}
END_TEST

/* A token is worth nothing in another consumer's hands, nor does it tell whether it was right. */
START_TEST(tokens_of_others) {
        struct test t;
        _cleanup_free_ char *path = NULL;
        uint32_t of_token;

        SKIP_UNLESS_ROOT();
        t = begin("");
        of_token = alloc_token_ok(&t.ann, t.path, TOKEN);
        path = init_ok(&t.bob, "vm", 0);
        ck_assert_uint_ne(alloc_token_ok(&t.bob, path, TOKEN), of_token);
        consumer_ok(&t.bob, NULL, path, "FreeToken", "s", TOKEN); /* his own of that name */
        for (int i = 0; i < 2; i++)
                consumer_error(&t.bob, E_ACCESS, NULL, t.path, "FreeToken", "s", i ? TOKEN : "wrong");
        consumer_error(&t.bob, E_ACCESS, NULL, t.path, "Alloc", "uuaya{sv}", 0U, 0U, 0, 1, "token", "s", TOKEN);
        ck_assert_str_eq(state_of(&t.ann, t.path, of_token), "allocated");
        ck_assert_uint_eq(alloc_token_ok(&t.ann, t.path, TOKEN), of_token);
        end(&t);
}
END_TEST

struct nested {
        struct fixture *f;
        bool *is_tried; /* shared with the process that tries it */
};

/* Root of a user namespace is nobody to the daemon but the user who made it. */
static void in_namespace(void *userdata) {
        const struct nested *nested = userdata;
        _cleanup_free_ char *path = NULL;
        struct client c;

        ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0); /* else /proc/self is root's after the change of user */
        if (unshare(CLONE_NEWUSER) < 0)
                return; /* this machine has none */
        *nested->is_tried = true;
        ck_assert_int_ge(write_file("/proc/self/uid_map", "0 60002 1\n"), 0);
        ck_assert_int_eq(geteuid(), 0);
        ck_assert_int_ge(client_connect(nested->f->daemon->address, false, &c), 0);
        consumer_error(&c, E_ACCESS, NULL, PASIDD_CONSUMER_PREFIX "/60001/vm", "Exit", NULL);
        init_error(&c, E_ACCESS, "root", "p", 1, "hold", "s", "persistent");
        init_error(&c, E_ACCESS, "only root", "p", 2, "hold", "s", "process", "pid", "u", 1U);
        path = init_ok(&c, "nested", 0);
        ck_assert_str_eq(path, PASIDD_CONSUMER_PREFIX "/60002/nested");
        client_close(&c);
}

START_TEST(user_namespace) {
        struct nested nested = {};
        struct test t;

        SKIP_UNLESS_ROOT();
        nested.is_tried = mmap(NULL, sizeof(bool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        ck_assert_ptr_ne(nested.is_tried, MAP_FAILED);
        t = begin("");
        nested.f = t.f;
        run_as(BOB, t.group, in_namespace, &nested);
        ck_assert(consumer_exists(&t.ann, ANN, "vm", NULL));
        end(&t);
        if (!*nested.is_tried)
                SKIP("there are no user namespaces for users here");
}
END_TEST

/* A name that looks like another's, or like part of a path, is its owner's and no one else's. */
START_TEST(squatted_names) {
        static const char *const names[] = { "vm", "0", "60001", "60001:vm", "60001-vm" };
        struct test t;

        SKIP_UNLESS_ROOT();
        t = begin("");
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                const char *path;

                if (client_call(&t.bob, NULL, &reply, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Init", "sa{sv}", names[i], 0) < 0)
                        continue; /* refused as a name */
                ck_assert_int_gt(sd_bus_message_read(reply, "o", &path), 0);
                ck_assert_msg(strncmp(path, PASIDD_CONSUMER_PREFIX "/60002/", strlen(PASIDD_CONSUMER_PREFIX "/60002/")) == 0,
                              "%s", path);
        }
        ck_assert_uint_eq(property_number(&t.bob, t.path, PASIDD_IFACE_CONSUMER, "Uid"), ANN);
        exit_ok(&t.ann, t.path);
        free(init_ok(&t.ann, "vm", 0)); /* nobody else's in the meantime */
        end(&t);
}
END_TEST

/* Where somebody else can put files, or links, the daemon keeps nothing. */
START_TEST(directories_of_others) {
        static const char *const names[] = { "run", "lib" };
        struct fixture *f;
        gid_t group;

        SKIP_UNLESS_ROOT();
        f = begin_fixture("", &group);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                char path[256];

                (void) snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
                ck_assert_int_eq(chown(path, BOB, 0), 0);
                fixture_start_refused(f, "60002");
                ck_assert_int_eq(chown(path, 0, 0), 0);
                ck_assert_int_eq(chmod(path, 0777), 0);
                fixture_start_refused(f, "write");
                ck_assert_int_eq(chown(path, 0, 60003), 0);
                ck_assert_int_eq(chmod(path, 0775), 0);
                fixture_start_refused(f, "write");
                ck_assert_int_eq(chown(path, 0, 0), 0);
                ck_assert_int_eq(chmod(path, 0755), 0);
        }
        fixture_start(f);
        fixture_free(f);
}
END_TEST

/* A link in the place of the socket is not followed, and what it leads to is not removed. */
START_TEST(link_for_a_socket) {
        struct fixture *f = fixture_new(NULL);
        char victim[256], content[16] = {};
        int fd;

        (void) snprintf(victim, sizeof(victim), "%s/victim", f->dir);
        ck_assert_int_ge(write_file(victim, "precious"), 0);
        ck_assert_int_eq(symlink(victim, f->daemon->socket_path), 0);
        fixture_start_refused(f, f->daemon->socket_path);
        fd = open(victim, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(read(fd, content, sizeof(content)), 8);
        ck_assert_str_eq(content, "precious");
        (void) close(fd);
        fixture_free(f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-attacks");
        TCase *clients = fixture_add_case(suite, "clients"), *files = fixture_add_case(suite, "files");

        tcase_add_test(clients, private_data_is_on_no_wire);
        tcase_add_test(clients, guessed_paths);
        tcase_add_test(clients, guesses_learn_nothing);
        tcase_add_test(clients, freed_numbers_replayed);
        tcase_add_test(clients, tokens_of_others);
        tcase_add_test(clients, user_namespace);
        tcase_add_test(clients, squatted_names);
        tcase_add_test(files, tables_are_for_root);
        tcase_add_test(files, directories_of_others);
        tcase_add_test(files, link_for_a_socket);
        return fixture_main(suite);
}
