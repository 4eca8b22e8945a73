/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each number of a container bears a mark: id, pid and start time of its first
 * process. So a second call for the same container finds what the first did,
 * and neither a container that took another's id nor the end of one that was
 * refused for that takes anything from who was there first.
 */
#include "consumer.h"

#include <inttypes.h>
#include <json-c/json_object.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "container.h"
#include "tell.h"

/* With this token a repeated request gives the same numbers. */
#define TOKEN HOOK_PROGRAM

struct giving {
        struct hook *hook;
        const struct request *request;
        struct container container;
        struct pasid_client *client;
        struct pasid_consumer *consumer;
        char *mark;
        uint32_t *pasids;
        uint64_t begin_usec; /* CLOCK_REALTIME */
        bool is_again; /* after the connection was lost: what has become of the first try is not known */
        bool is_ours;  /* made by this call: to be ended if something fails */
};

static uint64_t realtime_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t) ts.tv_sec * 1000000U + (uint64_t) ts.tv_nsec / 1000U;
}

static int connect_to_pasidd(struct hook *hook, struct pasid_client **ret) {
        struct pasid_client_options options = PASID_CLIENT_OPTIONS_INIT;
        int r;

        options.address = hook->address;
        r = pasid_client_new(&options, ret);
        if (r == -ECONNREFUSED)
                return hook_fail(hook, r, "pasidd does not run; \"systemctl start pasidd.socket\" has it start when it is asked.");
        if (r == -EACCES)
                return hook_fail(hook, r, "There is no permission to connect to pasidd; root and the members of group pasid may, "
                                 "or of the one that Group= in pasidd.conf names.");
        if (r < 0)
                return hook_fail(hook, r, "pasidd cannot be asked: %s.", pasid_strerror(r));
        return 0;
}

static bool is_connection_lost(int r) {
        return r == -ECONNRESET || r == -ENOTCONN || r == -ECONNREFUSED;
}

/* Of the consumer's first number that is in use; 0: it has none. */
static int first_number_cb(const struct pasid_info *info, void *userdata) {
        uint32_t *pasid = userdata;

        if (info->state == PASID_STATE_COOLING)
                return 0;
        *pasid = info->pasid;
        return 1;
}

/* 1 and what it says; 0: none of this container id's. */
static int read_mark(struct pasid_consumer *consumer, const char *id, pid_t *ret_pid, uint64_t *ret_start) {
        _cleanup_free_ void *mark = NULL;
        uint32_t pasid = 0;
        size_t size = 0;
        int r;

        r = pasid_for_each(consumer, first_number_cb, &pasid);
        if (r < 0 || pasid == 0)
                return r;
        r = pasid_find(consumer, pasid, &mark, &size, NULL);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        return container_mark_read(mark, size, id, ret_pid, ret_start);
}

static int since_cb(const struct pasid_consumer_info *info, void *userdata) {
        uint64_t *since = userdata;

        *since = info->since_usec;
        return 0;
}

/* The name is taken: by this container already, by the try before this one, or by somebody else. -ESRCH: not any more. */
static int take_over(struct giving *g) {
        const struct request *request = g->request;
        uint64_t start = 0, since = 0;
        pid_t pid = 0;
        int r;

        r = pasid_consumer_get(g->client, PASID_UID_SELF, request->name, &g->consumer);
        if (r >= 0)
                r = read_mark(g->consumer, request->id, &pid, &start);
        if (r < 0)
                return r == -ESRCH ? r : hook_refused(g->hook, g->client, r);
        if (r > 0 && pid == g->container.pid && start == g->container.start)
                return 0;
        if (r > 0)
                return hook_fail(g->hook, -EEXIST, "Container id \"%s\" is in use: pid %d has consumer \"%s\"; give this container another id.",
                                 request->id, (int) pid, request->name);
        if (g->is_again && pasid_consumer_describe(g->consumer, since_cb, &since) >= 0 && since >= g->begin_usec) {
                g->is_ours = true;
                return 0;
        }
        return hook_fail(g->hook, -EEXIST, "There is a consumer \"%s\" that is no container's; give the container another id, or end the "
                         "consumer with \"pasidctl exit\".", request->name);
}

static int init_with(struct giving *g, enum pasid_hold hold) {
        struct pasid_consumer_options options = PASID_CONSUMER_OPTIONS_INIT;

        options.devices = (const char *const *) g->request->devices;
        options.mode = g->request->mode;
        options.hold = hold;
        options.hold_unit = hold == PASID_HOLD_UNIT ? g->container.cgroup : NULL;
        options.hold_pid = hold == PASID_HOLD_PROCESS ? g->container.pid : 0;
        options.hold_fd = hold == PASID_HOLD_FD ? g->container.pidfd : -EBADF;
        return pasid_consumer_init(g->client, g->request->name, &options, &g->consumer);
}

/* pasidd may see other cgroups or pids than the runtime, or not count the caller as the owner of what they name. */
static bool is_hold_refused(int r) {
        return r == -EINVAL || r == -EOPNOTSUPP || r == -EACCES;
}

/*
 * By its pid: pasidd finds the process again, or finds it gone, after a restart that the pidfd did not outlive. What the
 * pid named was the container's process if that is there afterwards.
 */
static int init_with_process(struct giving *g) {
        int r = init_with(g, PASID_HOLD_PROCESS);

        if (is_hold_refused(r))
                return init_with(g, PASID_HOLD_FD);
        if (r < 0 || !container_has_ended(&g->container))
                return r;
        (void) pasid_consumer_exit(g->consumer);
        return hook_fail(g->hook, -ECANCELED, "The container's first process, pid %d, ended before it had its PASIDs.", (int) g->container.pid);
}

static int init_either_way(struct giving *g, bool by_cgroup) {
        int r = by_cgroup ? init_with(g, PASID_HOLD_UNIT) : init_with_process(g);

        if (by_cgroup && g->request->hold == REQUEST_HOLD_AUTO && is_hold_refused(r))
                r = init_with_process(g);
        return r;
}

static int make_consumer(struct giving *g) {
        enum request_hold hold = g->request->hold;
        bool by_cgroup = hold != REQUEST_HOLD_PROCESS && g->container.cgroup;
        int r;

        if (hold == REQUEST_HOLD_CGROUP && !g->container.cgroup)
                return hook_fail(g->hook, -EINVAL, "Annotation org.pasidd.hold is cgroup, and the container has no cgroup of its own.");
        r = init_either_way(g, by_cgroup);
        if (r == -EEXIST) {
                r = take_over(g);
                if (r != -ESRCH)
                        return r;
                g->consumer = pasid_consumer_free(g->consumer);
                r = init_either_way(g, by_cgroup);
        }
        if (r < 0)
                return hook_refused(g->hook, g->client, r);
        g->is_ours = true;
        return 0;
}

static int compare_numbers(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return (x > y) - (x < y);
}

static int get_numbers(struct giving *g) {
        struct pasid_alloc_options options = PASID_ALLOC_OPTIONS_INIT;
        const struct request *request = g->request;
        int r;

        options.token = TOKEN;
        r = pasid_alloc_many(g->consumer, request->count, 0, 0, g->mark, strlen(g->mark), &options, g->pasids);
        if (r < 0)
                return hook_refused(g->hook, g->client, r);
        qsort(g->pasids, request->count, sizeof(*g->pasids), compare_numbers);
        for (uint32_t i = 0; request->attach && i < request->count; i++) {
                r = pasid_attach(g->consumer, g->pasids[i]);
                if (r < 0 && r != -EADDRINUSE) /* by the call before this one */
                        return hook_refused(g->hook, g->client, r);
        }
        return 0;
}

/* Of "unix:path=PATH" in D-Bus's notation, where bytes may be written %XX. */
static int socket_path(struct hook *hook, struct pasid_client *client, char **ret) {
        static const char prefix[] = "unix:path=";
        const char *address = pasid_client_get_address(client);
        _cleanup_free_ char *path = NULL;
        size_t n = 0;

        if (strncmp(address, prefix, strlen(prefix)) != 0)
                return hook_fail(hook, -EINVAL, "Annotation org.pasidd.socket asks for pasidd's socket, and pasidd was reached at \"%s\", which "
                                 "is none; start pasidd.socket.", address);
        path = malloc(strlen(address) + 1);
        if (!path)
                return hook_oom(hook);
        for (const char *p = address + strlen(prefix); *p && *p != ',' && *p != ';'; p++) {
                unsigned int byte = (unsigned char) *p;

                if (*p == '%' && sscanf(p + 1, "%2x", &byte) == 1)
                        p += 2;
                path[n++] = (char) byte;
        }
        path[n] = '\0';
        *ret = TAKE_PTR(path);
        return 0;
}

static bool add(struct json_object *object, const char *key, struct json_object *value) {
        return value && json_object_object_add(object, key, value) == 0;
}

static struct json_object *devices_array(const struct request *request) {
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; array && i < request->n_devices; i++)
                (void) json_object_array_add(array, json_object_new_string(request->devices[i]));
        return array;
}

static struct json_object *numbers_array(const struct giving *g) {
        struct json_object *array = json_object_new_array();

        for (uint32_t i = 0; array && i < g->request->count; i++)
                (void) json_object_array_add(array, json_object_new_uint64(g->pasids[i]));
        return array;
}

static int make_text(const struct giving *g, char **ret) {
        _cleanup_(json_object_putp) struct json_object *object = json_object_new_object();
        const struct request *request = g->request;
        const char *text;

        if (!object || !add(object, "version", json_object_new_int(1)) ||
            !add(object, "container", json_object_new_string(request->id)) ||
            !add(object, "consumer", json_object_new_string(request->name)) ||
            !add(object, "uid", json_object_new_uint64(pasid_consumer_get_uid(g->consumer))) ||
            !add(object, "devices", devices_array(request)) ||
            !add(object, "mode", json_object_new_string(pasid_mode_to_string(request->mode))) ||
            !add(object, "attached", json_object_new_boolean(request->attach)) ||
            !add(object, "pasids", numbers_array(g)) ||
            json_object_object_add(object, "socket", request->socket ?
                                   json_object_new_string("/" HOOK_DIRECTORY "/" HOOK_SOCKET) : NULL) < 0)
                return -ENOMEM;
        text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (!text)
                return -ENOMEM;
        if (asprintf(ret, "%s\n", text) < 0) {
                *ret = NULL; /* asprintf(3) leaves it undefined */
                return -ENOMEM;
        }
        return 0;
}

static int tell(struct giving *g) {
        struct tidings tidings = { .root = g->request->root, .mount_label = g->request->mount_label };
        _cleanup_free_ char *text = NULL, *socket = NULL;
        int r;

        if (make_text(g, &text) < 0)
                return hook_oom(g->hook);
        tidings.text = text;
        if (g->request->socket) {
                r = socket_path(g->hook, g->client, &socket);
                if (r < 0)
                        return r;
                tidings.socket = socket;
        }
        return tell_container(g->hook, &g->container, &tidings);
}

static int give_once(struct giving *g) {
        int r;

        g->consumer = pasid_consumer_free(g->consumer);
        r = make_consumer(g);
        return r < 0 ? r : get_numbers(g);
}

/* A restart of pasidd in the middle of it: what was done is found by name, mark and token. */
static int give_again(struct giving *g, int r) {
        if (pasid_client_reconnect(g->client) < 0)
                return r;
        free(g->hook->error);
        g->hook->error = NULL;
        g->is_again = true;
        return give_once(g);
}

static int give(struct giving *g) {
        int r;

        g->begin_usec = realtime_usec();
        r = give_once(g);
        if (is_connection_lost(r))
                r = give_again(g, r);
        if (r >= 0)
                r = tell(g);
        /* Should this fail too, the hold ends with the container that is not to be. */
        if (r < 0 && g->is_ours && g->consumer)
                (void) pasid_consumer_exit(g->consumer);
        return r;
}

int container_give(struct hook *hook, const struct request *request) {
        struct giving g = { .hook = hook, .request = request, .container = CONTAINER_INIT };
        int r;

        r = container_open(hook, request->pid, &g.container);
        if (r >= 0 && container_mark_new(&g.container, request->id, &g.mark) < 0)
                r = hook_oom(hook);
        if (r >= 0 && strlen(g.mark) > PASID_PRIVATE_MAX)
                r = hook_fail(hook, -ENAMETOOLONG, "The container's id is too long to be kept with its PASIDs; give it a shorter one.");
        if (r >= 0) {
                g.pasids = reallocarray(NULL, request->count, sizeof(*g.pasids));
                r = g.pasids ? connect_to_pasidd(hook, &g.client) : hook_oom(hook);
        }
        if (r >= 0)
                r = give(&g);
        g.consumer = pasid_consumer_free(g.consumer);
        g.client = pasid_client_free(g.client);
        container_deinit(&g.container);
        free(g.pasids);
        free(g.mark);
        return r;
}

static int take(const struct request *request, struct pasid_client *client, struct pasid_consumer **consumer) {
        uint64_t start = 0;
        pid_t pid = 0;
        int r;

        r = pasid_consumer_get(client, PASID_UID_SELF, request->name, consumer);
        if (r >= 0)
                r = read_mark(*consumer, request->id, &pid, &start);
        /* No mark: not ours, or nothing was given yet; what holds it ends it. */
        if (r > 0)
                r = container_process_lives(pid, start) ? 0 : pasid_consumer_exit(*consumer);
        return r == -ESRCH ? 0 : r;
}

int container_take(struct hook *hook, const struct request *request) {
        _cleanup_(pasid_consumer_freep) struct pasid_consumer *consumer = NULL;
        _cleanup_(pasid_client_freep) struct pasid_client *client = NULL;
        int r;

        r = connect_to_pasidd(hook, &client);
        if (r < 0)
                return r;
        r = take(request, client, &consumer);
        if (is_connection_lost(r) && pasid_client_reconnect(client) >= 0) {
                consumer = pasid_consumer_free(consumer);
                r = take(request, client, &consumer);
        }
        return r < 0 ? hook_refused(hook, client, r) : 0;
}
