/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls to the daemon, and reading of what comes back: the one place that
 * checks an answer's form before its values are used.
 */
#include "libpasid-internal.h"

/* What the daemon may ask polkit about. */
static bool may_ask(const char *interface, const char *member) {
        static const char *const members[] = { "Init", "Accept", "Alloc", "Attach", "Open" };

        if (strncmp(interface, PASIDD_BUS_NAME ".", sizeof(PASIDD_BUS_NAME)) != 0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(members); i++)
                if (strcmp(members[i], member) == 0)
                        return true;
        return false;
}

int lp_call_new(struct pasid_client *client, const char *path, const char *interface, const char *member, sd_bus_message **ret) {
        int r = lp_client_check(client);

        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(client->bus, ret, client->on_bus ? PASIDD_BUS_NAME : NULL, path, interface, member);
        if (r < 0)
                return lp_fail(client, lp_local_error(r), NULL);
        if (client->interactive_usec > 0 && may_ask(interface, member))
                (void) sd_bus_message_set_allow_interactive_authorization(*ret, 1); /* fails for no call */
        return 0;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        sd_bus_message **reply = userdata;

        *reply = sd_bus_message_ref(m);
        return 1; /* so that sd_bus_process() says that something was done, at a timeout too */
}

/*
 * Not sd_bus_call(): in systemd 252 a signal handler that runs meanwhile ends
 * it with EINTR, and the answer is lost. Events that arrive are queued.
 */
static int wait_for_reply(struct pasid_client *client, sd_bus_message *call, sd_bus_message **ret) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t timeout = client->timeout_usec;
        int r;

        if (sd_bus_message_get_allow_interactive_authorization(call) > 0)
                timeout = client->interactive_usec;
        r = sd_bus_call_async(client->bus, &slot, call, on_reply, &reply, timeout);
        while (r >= 0 && !reply) {
                r = sd_bus_process(client->bus, NULL);
                if (r != 0)
                        continue;
                r = sd_bus_wait(client->bus, UINT64_MAX);
                if (r == -EINTR)
                        r = 0;
        }
        /* sd-bus answers for a connection that ended, as if nobody had replied. */
        if (sd_bus_is_open(client->bus) <= 0 && (r < 0 || sd_bus_message_is_method_error(reply, NULL) > 0))
                return -ECONNRESET;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(reply);
        return 0;
}

int lp_call(struct pasid_client *client, sd_bus_message *call, const char *signature, sd_bus_message **ret_reply) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const sd_bus_error *error;
        const char *member;
        int r;

        r = wait_for_reply(client, call, &reply);
        member = sd_bus_message_get_member(call); /* not earlier: sending it moves its header */
        if (r == -ECONNRESET)
                return lp_fail(client, r, "The connection to pasidd at %s was lost during %s; connect again.", client->address, member);
        if (r < 0)
                return lp_fail(client, lp_local_error(r), NULL);
        error = sd_bus_message_get_error(reply);
        if (error)
                return lp_fail_bus(client, sd_bus_message_get_path(call), member, error);
        lp_token_heard(client, sd_bus_message_get_sender(reply));
        if (sd_bus_message_has_signature(reply, signature) <= 0)
                return lp_fail(client, EBADMSG, "pasidd's answer to %s has the form \"%s\" instead of \"%s\".",
                               member, sd_bus_message_get_signature(reply, 1), signature);
        if (ret_reply)
                *ret_reply = TAKE_PTR(reply);
        return 0;
}

int lp_fail_append(struct pasid_client *client, int r) {
        /* sd-bus refuses text that is not UTF-8 with EINVAL. */
        if (r == -EINVAL)
                return lp_fail(client, EINVAL, "An argument is no valid UTF-8 text.");
        return lp_fail(client, lp_local_error(r), NULL);
}

int lp_fail_read(struct pasid_client *client, int r) {
        if (r == -ENOMEM)
                return lp_fail(client, ENOMEM, NULL);
        return lp_fail(client, EBADMSG, NULL);
}

int lp_read_strings(sd_bus_message *m, const char *type, char ***ret) {
        _cleanup_free_ char **strings = NULL;
        size_t n = 0, n_room = 0;
        const char *s;
        int r;

        r = sd_bus_message_enter_container(m, 'a', type);
        if (r < 0)
                return r;
        for (;;) {
                if (n + 1 >= n_room) {
                        char **grown;

                        n_room = n_room > 0 ? 2 * n_room : 8;
                        grown = reallocarray(strings, n_room, sizeof(*strings));
                        if (!grown)
                                return -ENOMEM;
                        strings = grown;
                }
                r = sd_bus_message_read_basic(m, *type, &s);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                strings[n++] = (char *) s;
        }
        strings[n] = NULL;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(strings);
        return 0;
}

static int read_property(sd_bus_message *m, const struct lp_property *p) {
        int r, b;

        /* Fails for any other type. */
        r = sd_bus_message_enter_container(m, 'v', p->type);
        if (r < 0)
                return r;
        if (p->type[0] == 'a') {
                char **strings;

                r = lp_read_strings(m, p->type + 1, &strings);
                if (r < 0)
                        return r;
                free(*(char ***) p->dest);
                *(char ***) p->dest = strings;
        } else if (p->type[0] == '(') {
                uint32_t *numbers = p->dest;

                r = sd_bus_message_read(m, p->type, &numbers[0], &numbers[1], &numbers[2]);
                if (r < 0)
                        return r;
        } else if (p->type[0] == 'b') {
                r = sd_bus_message_read_basic(m, 'b', &b);
                if (r < 0)
                        return r;
                *(bool *) p->dest = b;
        } else {
                r = sd_bus_message_read_basic(m, p->type[0], p->dest);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_exit_container(m);
}

int lp_read_properties(sd_bus_message *m, const struct lp_property *properties, size_t n) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        for (;;) {
                const struct lp_property *p = NULL;
                const char *key;

                r = sd_bus_message_enter_container(m, 'e', "sv");
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                r = sd_bus_message_read_basic(m, 's', &key);
                if (r < 0)
                        return r;
                for (size_t i = 0; i < n && !p; i++)
                        if (strcmp(properties[i].name, key) == 0)
                                p = &properties[i];
                r = p ? read_property(m, p) : sd_bus_message_skip(m, "v");
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_exit_container(m);
}

int lp_get_all(struct pasid_client *client, const char *path, const char *interface, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = lp_call_new(client, path, "org.freedesktop.DBus.Properties", "GetAll", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(call, 's', interface);
        if (r < 0)
                return lp_fail_append(client, r);
        return lp_call(client, call, "a{sv}", ret);
}

/* Stands before one {oa{sa{sv}}}. 0 at the end of the array. */
static int object_next(struct pasid_client *client, sd_bus_message *m, const char *interface,
                       lp_object_cb func, void *userdata, int *ret_result) {
        const char *path, *name;
        int r;

        r = sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}");
        if (r <= 0)
                return r;
        r = sd_bus_message_read_basic(m, 'o', &path);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
                r = sd_bus_message_read_basic(m, 's', &name);
                if (r < 0)
                        return r;
                if (strcmp(name, interface) == 0) {
                        *ret_result = func(client, path, m, userdata);
                        if (*ret_result != 0)
                                return 1;
                } else {
                        r = sd_bus_message_skip(m, "a{sv}");
                        if (r < 0)
                                return r;
                }
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 1;
}

int lp_objects_for_each(struct pasid_client *client, const char *interface, lp_object_cb func, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *m = NULL;
        int r, result = 0;

        r = lp_call_new(client, PASIDD_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", &call);
        if (r < 0)
                return r;
        r = lp_call(client, call, "a{oa{sa{sv}}}", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}");
        if (r < 0)
                return lp_fail_read(client, r);
        do
                r = object_next(client, m, interface, func, userdata, &result);
        while (r > 0 && result == 0);
        if (r < 0)
                return lp_fail_read(client, r);
        return result;
}
