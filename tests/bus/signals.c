/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a client hears.
 */
#include "signals.h"

#include <stdio.h>
#include <string.h>

static void note_consumer(sd_bus_message *m, struct heard *h) {
        const char *consumer = "", *reason = "";

        ck_assert_int_gt(sd_bus_message_read(m, "ou", &consumer, &h->pasid), 0);
        if (strcmp(h->member, "PasidAllocated") != 0)
                ck_assert_int_gt(sd_bus_message_read(m, "s", &reason), 0);
        (void) snprintf(h->subject, sizeof(h->subject), "%s", consumer);
        (void) snprintf(h->reason, sizeof(h->reason), "%s", reason);
}

static void note_interfaces(sd_bus_message *m, struct heard *h) {
        const char *path = "";

        ck_assert_int_gt(sd_bus_message_read(m, "o", &path), 0);
        (void) snprintf(h->subject, sizeof(h->subject), "%s", path);
}

static void note_request(sd_bus_message *m, struct heard *h) {
        const char *path = "";

        ck_assert_int_gt(sd_bus_message_read(m, "ot", &path, &h->deadline), 0);
        (void) snprintf(h->subject, sizeof(h->subject), "%s", path);
}

static void note_properties(sd_bus_message *m, struct heard *h) {
        const char *name;
        int r;

        ck_assert_int_gt(sd_bus_message_skip(m, "s"), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "{sv}"), 0);
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                size_t n = strlen(h->subject);

                ck_assert_int_gt(sd_bus_message_read(m, "s", &name), 0);
                (void) snprintf(h->subject + n, sizeof(h->subject) - n, "%s ", name);
                ck_assert_int_gt(sd_bus_message_skip(m, "v"), 0);
                ck_assert_int_gt(sd_bus_message_exit_container(m), 0);
        }
        ck_assert_int_eq(r, 0);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct signals *s = userdata;
        struct heard h = {};
        uint8_t type;

        if (sd_bus_message_get_type(m, &type) < 0 || type != SD_BUS_MESSAGE_SIGNAL ||
            strncmp(sd_bus_message_get_path(m), PASIDD_PATH, strlen(PASIDD_PATH)) != 0)
                return 0;
        (void) snprintf(h.member, sizeof(h.member), "%s", sd_bus_message_get_member(m));
        (void) snprintf(h.path, sizeof(h.path), "%s", sd_bus_message_get_path(m));
        if (strncmp(h.member, "Pasid", strlen("Pasid")) == 0)
                note_consumer(m, &h);
        else if (strncmp(h.member, "Interfaces", strlen("Interfaces")) == 0)
                note_interfaces(m, &h);
        else if (strcmp(h.member, "DeviceRequested") == 0)
                note_request(m, &h);
        else if (strcmp(h.member, "PropertiesChanged") == 0)
                note_properties(m, &h);
        ck_assert_msg(s->n < HEARD_MAX, "more signals than a test expects");
        s->heard[s->n++] = h;
        return 1;
}

void signals_listen(struct client *c, struct signals *s) {
        static const char match[] = "type='signal',sender='" PASIDD_BUS_NAME "',path_namespace='" PASIDD_PATH "'";

        ck_assert_int_ge(sd_bus_add_filter(c->bus, NULL, on_message, s), 0);
        if (c->destination)
                ck_assert_int_ge(sd_bus_add_match(c->bus, NULL, match, NULL, NULL), 0);
}

/* A reply is taken out of the order by sd_bus_call(): what came before it waits to be processed. */
static void process_all(struct client *c) {
        int r;

        while ((r = sd_bus_process(c->bus, NULL)) > 0)
                ;
        ck_assert_int_ge(r, 0);
}

static bool take(struct signals *s, const char *member, struct heard *ret) {
        for (size_t i = 0; i < s->n; i++)
                if (strcmp(s->heard[i].member, member) == 0) {
                        *ret = s->heard[i];
                        memmove(&s->heard[i], &s->heard[i + 1], (s->n - i - 1) * sizeof(*s->heard));
                        s->n--;
                        return true;
                }
        return false;
}

struct heard signals_await(struct client *c, struct signals *s, const char *member) {
        uint64_t end = monotonic_msec() + WAIT_LIMIT_MSEC;
        struct heard h;

        for (;;) {
                process_all(c);
                if (take(s, member, &h))
                        return h;
                ck_assert_msg(monotonic_msec() < end, "no %s was heard", member);
                ck_assert_int_ge(sd_bus_wait(c->bus, 100000), 0);
        }
}

void signals_sync(struct client *c) {
        ping_ok(c);
        process_all(c);
}

size_t signals_count(const struct signals *s, const char *member) {
        size_t n = 0;

        for (size_t i = 0; i < s->n; i++)
                n += strcmp(s->heard[i].member, member) == 0;
        return n;
}
