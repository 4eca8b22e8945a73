/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State, annotations and the hooks' arguments. A key with our prefix that we
 * don't know is an error: a container must not run with less than it was
 * meant to have because of a letter.
 */
#include "request.h"

#include <json-c/linkhash.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "name.h"

#define PREFIX "org.pasidd."
#define DEVICES_MAX 64U

static int get_text(struct hook *hook, struct json_object *object, const char *key, const char *what, char **ret) {
        struct json_object *value;
        const char *text;

        if (input_get(object, key, json_type_string, &value) < 0 || !value)
                return hook_fail(hook, -EINVAL, "%s has no \"%s\" that is a string.", what, key);
        text = json_object_get_string(value);
        if (!*text || strlen(text) != (size_t) json_object_get_string_len(value))
                return hook_fail(hook, -EINVAL, "%s has an \"%s\" that is empty, or has a NUL in it.", what, key);
        *ret = strdup(text);
        return *ret ? 0 : hook_oom(hook);
}

int request_read_state(struct hook *hook, struct json_object *state, struct request *request) {
        struct json_object *pid;
        int64_t number = 0;
        int r;

        r = get_text(hook, state, "id", "The container's state", &request->id);
        if (r >= 0)
                r = get_text(hook, state, "bundle", "The container's state", &request->bundle);
        if (r < 0)
                return r;
        if (request->bundle[0] != '/')
                return hook_fail(hook, -EINVAL, "The container's state has the bundle \"%s\", which is no absolute path.",
                                 request->bundle);
        if (input_get(state, "pid", json_type_int, &pid) < 0)
                return hook_fail(hook, -EINVAL, "The container's state has a \"pid\" that is no number.");
        if (pid)
                number = json_object_get_int64(pid);
        if (number < 0 || number > INT_MAX)
                return hook_fail(hook, -EINVAL, "The container's state has pid %lld, which no process can have.", (long long) number);
        request->pid = (pid_t) number;
        r = container_consumer_name(request->id, &request->name);
        return r < 0 ? hook_oom(hook) : 0;
}

/* n bytes at text. The same device may be asked for in several places. */
static int add_device(struct hook *hook, struct request *request, const char *text, size_t n) {
        char **grown;

        for (size_t i = 0; i < request->n_devices; i++)
                if (strlen(request->devices[i]) == n && strncasecmp(request->devices[i], text, n) == 0)
                        return 0;
        if (request->n_devices == DEVICES_MAX)
                return hook_fail(hook, -E2BIG, "More than %u devices are asked for; a container can have that many.", DEVICES_MAX);
        grown = reallocarray(request->devices, request->n_devices + 2, sizeof(*grown));
        if (!grown)
                return hook_oom(hook);
        request->devices = grown;
        grown[request->n_devices] = strndup(text, n);
        if (!grown[request->n_devices])
                return hook_oom(hook);
        grown[++request->n_devices] = NULL;
        return 0;
}

static int bad_value(struct hook *hook, const char *key, const char *value, const char *expected) {
        return hook_fail(hook, -EINVAL, "Annotation " PREFIX "%s is \"%.100s\"; it takes %s.", key, value, expected);
}

static int set_devices(struct hook *hook, struct request *request, const char *key, const char *value) {
        for (const char *p = value;; p++) {
                size_t n;
                int r;

                p += strspn(p, " ");
                n = strcspn(p, ", ");
                if (n == 0)
                        return bad_value(hook, key, value, "PCI addresses with commas between them, like 0000:01:00.0,0000:02:00.0");
                r = add_device(hook, request, p, n);
                if (r < 0)
                        return r;
                p += n;
                p += strspn(p, " ");
                if (*p == '\0')
                        return 0;
                if (*p != ',')
                        return bad_value(hook, key, value, "PCI addresses with commas between them, like 0000:01:00.0,0000:02:00.0");
        }
}

static int set_count(struct hook *hook, struct request *request, const char *key, const char *value) {
        static const char expected[] = "how many PASIDs the container gets, 1 to 1048575";
        unsigned long number;

        if (!*value || strspn(value, "0123456789") != strlen(value))
                return bad_value(hook, key, value, expected);
        errno = 0;
        number = strtoul(value, NULL, 10);
        if (errno != 0 || number == 0 || number > PASID_MAX)
                return bad_value(hook, key, value, expected);
        request->count = (uint32_t) number;
        return 0;
}

static int set_mode(struct hook *hook, struct request *request, const char *key, const char *value) {
        for (int mode = PASID_MODE_ADVISORY; mode <= PASID_MODE_MEDIATED; mode++)
                if (strcmp(value, pasid_mode_to_string((enum pasid_mode) mode)) == 0) {
                        request->mode = (enum pasid_mode) mode;
                        return 0;
                }
        return bad_value(hook, key, value, "advisory (the container attaches by itself) or mediated (pasidd attaches)");
}

static int parse_bool(struct hook *hook, const char *key, const char *value, bool *ret) {
        if (strcmp(value, "true") == 0)
                *ret = true;
        else if (strcmp(value, "false") == 0)
                *ret = false;
        else
                return bad_value(hook, key, value, "true or false");
        return 0;
}

static int set_attach(struct hook *hook, struct request *request, const char *key, const char *value) {
        return parse_bool(hook, key, value, &request->attach);
}

static int set_socket(struct hook *hook, struct request *request, const char *key, const char *value) {
        return parse_bool(hook, key, value, &request->socket);
}

static int set_hold(struct hook *hook, struct request *request, const char *key, const char *value) {
        if (strcmp(value, "cgroup") == 0)
                request->hold = REQUEST_HOLD_CGROUP;
        else if (strcmp(value, "process") == 0)
                request->hold = REQUEST_HOLD_PROCESS;
        else
                return bad_value(hook, key, value, "cgroup (as long as the container's cgroup has a process) or process (as long as "
                                 "its first process lives)");
        return 0;
}

static const struct {
        const char *key;
        int (*set)(struct hook *hook, struct request *request, const char *key, const char *value);
} annotations[] = {
        { "device", set_devices }, { "count", set_count }, { "mode", set_mode },
        { "attach", set_attach }, { "socket", set_socket }, { "hold", set_hold },
};

static int unknown_annotation(struct hook *hook, const char *key) {
        char known[256] = "";

        for (size_t i = 0; i < ELEMENTSOF(annotations); i++) {
                (void) strcat(known, i == 0 ? PREFIX : ", " PREFIX);
                (void) strcat(known, annotations[i].key);
        }
        return hook_fail(hook, -EINVAL, "Annotation %.100s is none that " HOOK_PROGRAM " knows; there are %s.", key, known);
}

static int read_annotation(struct hook *hook, struct request *request, const char *key, struct json_object *value) {
        const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;

        if (!text || strlen(text) != (size_t) json_object_get_string_len(value))
                return hook_fail(hook, -EINVAL, "Annotation %.100s is no string; quote its value.", key);
        for (size_t i = 0; i < ELEMENTSOF(annotations); i++)
                if (strcmp(key + strlen(PREFIX), annotations[i].key) == 0)
                        return annotations[i].set(hook, request, annotations[i].key, text);
        return unknown_annotation(hook, key);
}

static int read_annotations(struct hook *hook, struct json_object *from, struct request *request) {
        struct json_object *all;
        int r;

        if (input_get(from, "annotations", json_type_object, &all) < 0)
                return hook_fail(hook, -EINVAL, "The container's annotations are no JSON object.");
        if (!all)
                return 0;
        json_object_object_foreach(all, key, value) {
                if (strncmp(key, PREFIX, strlen(PREFIX)) != 0)
                        continue;
                request->is_wanted = true;
                r = read_annotation(hook, request, key, value);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool is_this_program(struct json_object *entry) {
        struct json_object *path;
        const char *text, *slash;

        if (!json_object_is_type(entry, json_type_object) || input_get(entry, "path", json_type_string, &path) < 0 || !path)
                return false;
        text = json_object_get_string(path);
        slash = strrchr(text, '/');
        return strcmp(slash ? slash + 1 : text, HOOK_PROGRAM) == 0;
}

static int read_argument(struct hook *hook, struct request *request, const char *argument) {
        static const char device[] = "--device=";

        if (strcmp(argument, "--no-socket") == 0)
                hook->no_socket = true;
        if (strncmp(argument, device, strlen(device)) != 0)
                return 0;
        request->is_wanted = true;
        return add_device(hook, request, argument + strlen(device), strlen(argument + strlen(device)));
}

/*
 * Each device of a CDI specification brings a hook of its own into config.json. A consumer has all of its devices from
 * its start, so whichever of these hooks is run first does the work for all.
 */
static int read_hooks(struct hook *hook, struct json_object *config, struct request *request) {
        struct json_object *hooks, *entries, *arguments;
        int r;

        if (input_get(config, "hooks", json_type_object, &hooks) < 0 || !hooks ||
            input_get(hooks, "createRuntime", json_type_array, &entries) < 0 || !entries)
                return 0;
        for (size_t i = 0; i < json_object_array_length(entries); i++) {
                struct json_object *entry = json_object_array_get_idx(entries, i);

                if (!is_this_program(entry) || input_get(entry, "args", json_type_array, &arguments) < 0 || !arguments)
                        continue;
                for (size_t k = 1; k < json_object_array_length(arguments); k++) {
                        r = read_argument(hook, request, json_object_get_string(json_object_array_get_idx(arguments, k)) ?: "");
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static int read_root(struct hook *hook, struct json_object *config, struct request *request) {
        _cleanup_free_ char *path = NULL;
        struct json_object *root;
        int r;

        if (input_get(config, "root", json_type_object, &root) < 0 || !root)
                return hook_fail(hook, -EINVAL, "The container's config.json has no \"root\".");
        r = get_text(hook, root, "path", "\"root\" of the container's config.json", &path);
        if (r < 0)
                return r;
        if (path[0] == '/')
                request->root = TAKE_PTR(path);
        else if (asprintf(&request->root, "%s/%s", request->bundle, path) < 0)
                request->root = NULL;
        return request->root ? 0 : hook_oom(hook);
}

static int read_label(struct hook *hook, struct json_object *config, struct request *request) {
        struct json_object *linux_part, *label;

        if (input_get(config, "linux", json_type_object, &linux_part) < 0 || !linux_part ||
            input_get(linux_part, "mountLabel", json_type_string, &label) < 0 || !label || json_object_get_string_len(label) == 0)
                return 0;
        request->mount_label = strdup(json_object_get_string(label));
        return request->mount_label ? 0 : hook_oom(hook);
}

static int check_together(struct hook *hook, const struct request *request) {
        if (request->attach && request->mode == PASID_MODE_ADVISORY)
                return hook_fail(hook, -EINVAL, "Annotation " PREFIX "attach is true and " PREFIX "mode is advisory; pasidd attaches in "
                                 "mode mediated only.");
        if (request->attach && request->n_devices == 0)
                return hook_fail(hook, -EINVAL, "Annotation " PREFIX "attach is true without a device to attach to; name one in "
                                 PREFIX "device.");
        if (request->socket && hook->no_socket)
                return hook_fail(hook, -EACCES, "Annotation " PREFIX "socket asks for pasidd's socket, and the hook is set up with "
                                 "--no-socket.");
        return 0;
}

int request_read_config(struct hook *hook, struct json_object *state, struct json_object *config, struct request *request) {
        int r;

        request->count = 1;
        request->mode = PASID_MODE_UNKNOWN;
        request->is_wanted = hook->devices && *hook->devices;
        /* Before our own, so that all calls for a container have the same order. */
        r = read_hooks(hook, config, request);
        for (const char *const *device = hook->devices; r >= 0 && device && *device; device++)
                r = add_device(hook, request, *device, strlen(*device));
        if (r >= 0)
                r = read_annotations(hook, config, request);
        /* The same, by the OCI's words; some runtimes add theirs to the state alone. */
        if (r >= 0)
                r = read_annotations(hook, state, request);
        if (r >= 0 && request->is_wanted)
                r = read_root(hook, config, request);
        if (r >= 0 && request->is_wanted)
                r = read_label(hook, config, request);
        if (r >= 0)
                r = check_together(hook, request);
        if (r >= 0 && request->mode == PASID_MODE_UNKNOWN)
                request->mode = request->attach ? PASID_MODE_MEDIATED : PASID_MODE_ADVISORY;
        return r;
}

void request_deinit(struct request *request) {
        for (size_t i = 0; i < request->n_devices; i++)
                free(request->devices[i]);
        free(request->devices);
        free(request->id);
        free(request->name);
        free(request->bundle);
        free(request->root);
        free(request->mount_label);
        *request = (struct request) {};
}
