/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client's life: made, connected anew, freed; and its part in event loops.
 */
#include "libpasid-internal.h"

DEFINE_CLEANUP(struct pasid_client *, pasid_client_free);

struct pasid_client *lp_client_ref(struct pasid_client *client) {
        client->n_ref++;
        return client;
}

/* The last consumer handle may outlive the program's own reference. */
struct pasid_client *lp_client_unref(struct pasid_client *client) {
        if (--client->n_ref > 0)
                return NULL;
        free(client->address);
        free(client->last_text);
        free(client->peer);
        free(client);
        return NULL;
}

static bool is_foreign(const struct pasid_client *client) {
        return client->pid != getpid();
}

int lp_client_check(struct pasid_client *client) {
        if (!client)
                return -EINVAL;
        /* sd-bus looks for a fork() too, and without a system call. */
        if (client->bus && sd_bus_is_open(client->bus) > 0)
                return 0;
        if (is_foreign(client))
                return lp_fail(client, ECHILD, "The client was made before a fork(); make another in the child.");
        return lp_fail(client, ENOTCONN, "There is no connection to pasidd at %s any more; connect again.", client->address);
}

static void disconnect(struct pasid_client *client) {
        lp_event_drop(client);
        client->bus = sd_bus_close_unref(client->bus);
        client->fd = -EBADF;
}

_public_ int pasid_client_new(const struct pasid_client_options *options, struct pasid_client **ret) {
        struct pasid_client_options o = PASID_CLIENT_OPTIONS_INIT;
        _cleanup_(pasid_client_freep) struct pasid_client *client = NULL;
        int r;

        if (!ret)
                return -EINVAL;
        r = lp_struct_read(options, &o);
        if (r < 0)
                return r;
        client = calloc(1, sizeof(*client));
        if (!client)
                return -ENOMEM;
        client->n_ref = 1;
        client->pid = getpid();
        client->fd = -EBADF;
        client->generation = 1;
        TAILQ_INIT(&client->late);
        STAILQ_INIT(&client->events);
        client->timeout_usec = o.timeout_usec > 0 ? o.timeout_usec : TIMEOUT_DEFAULT_USEC;
        if (o.interactive)
                client->interactive_usec = o.timeout_usec > 0 ? o.timeout_usec : TIMEOUT_INTERACTIVE_USEC;
        r = lp_connect(o.address, client->timeout_usec, &client->bus, &client->address, &client->on_bus);
        if (r < 0)
                return r;
        client->fd = sd_bus_get_fd(client->bus);
        *ret = TAKE_PTR(client);
        return 0;
}

_public_ struct pasid_client *pasid_client_free(struct pasid_client *client) {
        if (!client)
                return NULL;
        lp_token_forget(client);
        if (is_foreign(client)) {
                /* sd-bus leaves its copy alone in a child. Were the socket kept open here, the daemon
                 * would not see the parent die. */
                client->fd = close_fd(client->fd);
                client->bus = NULL;
        } else {
                client->status = sd_bus_message_unref(client->status);
                disconnect(client);
        }
        return lp_client_unref(client);
}

_public_ int pasid_client_reconnect(struct pasid_client *client) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *address = NULL;
        bool on_bus;
        int r;

        if (!client)
                return -EINVAL;
        if (is_foreign(client))
                return lp_client_check(client);
        disconnect(client);
        r = lp_connect(client->address, client->timeout_usec, &bus, &address, &on_bus);
        if (r < 0)
                return lp_fail(client, r, "No new connection to pasidd at %s: %s.", client->address, pasid_strerror(r));
        client->bus = TAKE_PTR(bus);
        client->fd = sd_bus_get_fd(client->bus);
        lp_token_resend(client);
        r = lp_event_renew(client);
        if (r < 0)
                disconnect(client);
        return r;
}

_public_ int pasid_client_get_fd(struct pasid_client *client) {
        int r = lp_client_check(client);

        return r < 0 ? r : client->fd;
}

_public_ int pasid_client_get_events(struct pasid_client *client) {
        int r = lp_client_check(client);

        if (r < 0)
                return r;
        r = sd_bus_get_events(client->bus);
        return r < 0 ? lp_fail(client, lp_local_error(r), NULL) : r;
}

_public_ int pasid_client_get_timeout(struct pasid_client *client, uint64_t *ret_usec) {
        uint64_t usec;
        int r;

        if (!ret_usec)
                return -EINVAL;
        r = lp_client_check(client);
        if (r < 0)
                return r;
        r = sd_bus_get_timeout(client->bus, &usec);
        if (r < 0)
                return lp_fail(client, lp_local_error(r), NULL);
        *ret_usec = client->n_events > 0 ? 0 : usec;
        return 0;
}

/* What sd-bus has to do, which may queue an event. */
static int process_bus(struct pasid_client *client) {
        int r;

        /* What a blocking call came upon in passing is told first. */
        r = client->event_result < 0 ? 0 : sd_bus_process(client->bus, NULL);
        if (client->event_result < 0) {
                int result = client->event_result;

                client->event_result = 0;
                return result;
        }
        if (r == -ECONNRESET || r == -ENOTCONN || sd_bus_is_open(client->bus) <= 0)
                return lp_fail(client, ECONNRESET, "The connection to pasidd at %s was lost; connect again.", client->address);
        if (r < 0)
                return lp_fail(client, lp_local_error(r), NULL);
        return r > 0 || client->n_events > 0;
}

_public_ int pasid_client_process(struct pasid_client *client) {
        int r;

        if (!client)
                return -EINVAL;
        if (client->processing)
                return lp_fail(client, EBUSY, "pasid_client_process() was called from its own callback.");
        client->processing = true;
        r = lp_event_deliver(client);
        if (r == 0) {
                r = lp_client_check(client);
                if (r == 0)
                        r = process_bus(client);
        }
        client->processing = false;
        return r;
}

_public_ const char *pasid_client_get_address(struct pasid_client *client) {
        return client ? client->address : NULL;
}
