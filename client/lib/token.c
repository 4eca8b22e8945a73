/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tokens: each allocation carries one, so that what it got can be given back
 * when its answer never came.
 *
 * A FreeToken goes out right after the allocation that failed. The daemon
 * handles the requests of one connection in their order, so it comes after the
 * allocation, and is done once the same daemon answers any later call. An
 * allocation that still waits there, for polkit or a device in reset, is
 * refused when its wait is over.
 * FreeToken of an unknown token is no error: telling twice does no harm.
 */
#include <inttypes.h>
#include <sys/random.h>

#include "libpasid-internal.h"

static int token_prefix(struct pasid_client *client) {
        uint64_t random;
        ssize_t n;

        /* Up to 256 bytes come whole, or the call was interrupted before the pool was ready. */
        do
                n = getrandom(&random, sizeof(random), 0);
        while (n < 0 && errno == EINTR);
        if (n != (ssize_t) sizeof(random))
                return lp_fail(client, n < 0 ? lp_local_error(errno) : EPROTO, "No random number from the kernel.");
        (void) snprintf(client->token_prefix, sizeof(client->token_prefix), "%016" PRIx64 ".", random);
        return 0;
}

int lp_token_make(struct pasid_client *client, char token[static TOKEN_LEN_MAX + 1]) {
        int r;

        if (client->token_prefix[0] == '\0') {
                r = token_prefix(client);
                if (r < 0)
                        return r;
        }
        if (!client->spare) {
                client->spare = calloc(1, sizeof(*client->spare));
                if (!client->spare)
                        return lp_fail(client, ENOMEM, NULL);
        }
        (void) snprintf(token, TOKEN_LEN_MAX + 1, "%s%" PRIx64, client->token_prefix, ++client->token_counter);
        return 0;
}

static void tell(struct pasid_client *client, struct lp_late *late) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        late->generation = 0;
        if (!client->bus || sd_bus_is_open(client->bus) <= 0)
                return;
        if (sd_bus_message_new_method_call(client->bus, &m, client->on_bus ? PASIDD_BUS_NAME : NULL, late->consumer->path,
                                           PASIDD_IFACE_CONSUMER, "FreeToken") < 0 ||
            sd_bus_message_append_basic(m, 's', late->token) < 0 ||
            sd_bus_message_set_expect_reply(m, 0) < 0 ||
            sd_bus_send(client->bus, m, NULL) < 0)
                return; /* lp_token_heard() comes back to it */
        late->generation = client->generation;
}

static void late_free(struct pasid_client *client, struct lp_late *late) {
        TAILQ_REMOVE(&client->late, late, entry);
        (void) pasid_consumer_free(late->consumer);
        free(late);
}

void lp_token_give_back(struct pasid_consumer *consumer, const char *token) {
        struct pasid_client *client = consumer->client;
        struct lp_late *late = TAKE_PTR(client->spare);

        if (!late)
                return;
        late->consumer = lp_consumer_ref(consumer);
        (void) snprintf(late->token, sizeof(late->token), "%s", token);
        TAILQ_INSERT_TAIL(&client->late, late, entry);
        tell(client, late);
}

void lp_token_heard(struct pasid_client *client, const char *sender) {
        struct lp_late *late, *next;

        /* Another unique name is another daemon: it may not have got what the one before was told. */
        if (client->on_bus && (!client->peer || !sender || strcmp(client->peer, sender) != 0)) {
                free(client->peer);
                client->peer = sender ? strdup(sender) : NULL;
                client->generation++;
        }
        for (late = TAILQ_FIRST(&client->late); late; late = next) {
                next = TAILQ_NEXT(late, entry);
                if (late->generation == client->generation)
                        late_free(client, late);
                else
                        tell(client, late);
        }
}

void lp_token_resend(struct pasid_client *client) {
        struct lp_late *late;

        client->generation++;
        client->peer = (free(client->peer), NULL);
        TAILQ_FOREACH(late, &client->late, entry)
                tell(client, late);
}

void lp_token_forget(struct pasid_client *client) {
        while (!TAILQ_EMPTY(&client->late))
                late_free(client, TAILQ_FIRST(&client->late));
        free(client->spare);
        client->spare = NULL;
}
