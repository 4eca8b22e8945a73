/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * News on their way to those who subscribed: a ring of records, and for each
 * subscriber how far it has come. The ring is bounded by
 * QueuedBytesPerConnection=; a client that falls behind by all of it is let go.
 */
#include "bus/news.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/connection.h"
#include "bus/message-bus.h"
#include "bus/signals.h"
#include "log.h"

#define ITEMS_MIN 1024U
#define ITEMS_UNLIMITED (1U << 24)
#define REASONS_MAX 32
#define PUMP_USEC 2000ULL

struct news {
        struct bus *bus;
        TAILQ_HEAD(, subscriber) subscribers;
        struct news_item *items; /* a ring; the size is a power of two */
        size_t n_allocated;
        uint64_t head, tail; /* numbers of the oldest record and of the next to come */
        char *reasons[REASONS_MAX];
        sd_event_source *timer; /* for those who can take more, but not now */
};

struct news_path *news_path_new(uint64_t consumer, const char *path) {
        size_t size = strlen(path) + 1;
        struct news_path *p = malloc(sizeof(*p) + size);

        if (!p)
                return NULL;
        p->n_refs = 1;
        p->consumer = consumer;
        memcpy(p->path, path, size);
        return p;
}

struct news_path *news_path_ref(struct news_path *path) {
        if (path)
                path->n_refs++;
        return path;
}

struct news_path *news_path_unref(struct news_path *path) {
        if (path && --path->n_refs == 0)
                free(path);
        return NULL;
}

static struct news_item *item_at(const struct news *n, uint64_t number) {
        return &n->items[number & (n->n_allocated - 1)];
}

static void drop_until(struct news *n, uint64_t number) {
        for (; n->head < number; n->head++)
                news_path_unref(item_at(n, n->head)->path);
}

/* Frees what everybody has. */
static void trim(struct news *n) {
        struct subscriber *s;
        uint64_t oldest = n->tail;

        TAILQ_FOREACH(s, &n->subscribers, entry)
                if (s->next < oldest)
                        oldest = s->next;
        drop_until(n, oldest);
        if (n->head == n->tail && n->n_allocated > ITEMS_MIN) {
                free(n->items);
                n->items = NULL;
                n->n_allocated = 0;
        }
}

static size_t items_max(const struct news *n) {
        uint64_t bytes = n->bus->limits.queued_bytes;
        size_t max = ITEMS_MIN;

        if (bytes == 0)
                return ITEMS_UNLIMITED;
        while (max < ITEMS_UNLIMITED && max * 2 * sizeof(struct news_item) <= bytes)
                max *= 2;
        return max;
}

static int grow(struct news *n) {
        size_t size = n->n_allocated ? n->n_allocated * 2 : ITEMS_MIN;
        struct news_item *items;

        if (n->n_allocated >= items_max(n))
                return -ENOBUFS;
        items = malloc(size * sizeof(*items));
        if (!items)
                return -ENOMEM;
        for (uint64_t i = n->head; i < n->tail; i++)
                items[i & (size - 1)] = *item_at(n, i);
        free(n->items);
        n->items = items;
        n->n_allocated = size;
        return 0;
}

static void let_go(struct link *link, int why) {
        if (why == -ENOBUFS)
                connection_doom_at_limit(connection_of(link), "left more signals untaken");
        else
                connection_doom(connection_of(link), "it did not take its signals, and there is no memory to keep them in");
}

/* Those who have not even taken the oldest record. */
static void leave_behind(struct news *n, int why) {
        struct subscriber *s;

        TAILQ_FOREACH(s, &n->subscribers, entry) {
                if (s->next > n->head)
                        continue;
                if (s->link->is_direct) {
                        let_go(s->link, why);
                        s->next = n->tail;
                } else {
                        if (s->n_lost++ == 0)
                                log_warning("The message bus does not take signals as fast as they come; some are lost");
                        s->next = n->head + 1;
                }
        }
        trim(n);
}

static uint8_t intern(struct news *n, const char *reason) {
        uint8_t i;

        for (i = 0; i < REASONS_MAX - 1 && n->reasons[i]; i++)
                if (strcmp(n->reasons[i], reason) == 0)
                        return i;
        if (!n->reasons[i])
                n->reasons[i] = strdup(reason);
        return i;
}

const char *news_reason(const struct news *n, const struct news_item *item) {
        return n->reasons[item->reason] ? n->reasons[item->reason] : "";
}

void news_add(struct news *n, enum news_kind kind, struct news_path *path, uint32_t pasid, const char *reason) {
        int r = n->tail - n->head >= n->n_allocated ? grow(n) : 0;

        if (r < 0) {
                if (n->n_allocated == 0) {
                        log_warning("Out of memory: signals are lost");
                        return;
                }
                leave_behind(n, r);
                if (n->n_allocated == 0 && grow(n) < 0)
                        return;
        }
        *item_at(n, n->tail++) = (struct news_item) {
                .path = news_path_ref(path),
                .pasid = pasid,
                .kind = (uint8_t) kind,
                .reason = reason ? intern(n, reason) : 0,
        };
}

bool news_has_subscribers(const struct news *n) {
        return !TAILQ_EMPTY(&n->subscribers);
}

static bool wants_all(const struct subscriber *s) {
        return s->link->is_direct || message_bus_of(s->link)->n_subscribed > 0;
}

bool news_is_wanted(const struct news *n) {
        const struct subscriber *s;

        TAILQ_FOREACH(s, &n->subscribers, entry)
                if (wants_all(s))
                        return true;
        return false;
}

void news_wanted_changed(struct news *n) {
        service_want_pasid_news(n->bus->service, news_is_wanted(n));
}

int news_subscribe(struct news *n, struct subscriber *s) {
        s->next = n->tail;
        s->n_lost = 0;
        TAILQ_INSERT_TAIL(&n->subscribers, s, entry);
        if (s->link->is_direct) /* else it is for those behind it to want */
                news_wanted_changed(n);
        return 0;
}

void news_unsubscribe(struct news *n, struct subscriber *s) {
        TAILQ_REMOVE(&n->subscribers, s, entry);
        trim(n);
        news_wanted_changed(n);
}

static bool is_for(const struct subscriber *s, const struct news_item *item) {
        switch ((enum news_kind) item->kind) {
        case NEWS_CONSUMER_ADDED:
        case NEWS_CONSUMER_REMOVED:
        case NEWS_DEVICE_ADDED:
        case NEWS_DEVICE_REMOVED:
                return true;
        default:
                return wants_all(s);
        }
}

static bool can_take(const struct subscriber *s) {
        uint64_t queued = 0;

        if (s->link->is_direct && !connection_can_take(connection_of(s->link)))
                return false;
        return sd_bus_get_n_queued_write(s->link->sd, &queued) >= 0 && queued < (s->link->is_direct ? 64U : 1024U);
}

static void arm_timer(struct news *n) {
        (void) sd_event_source_set_time_relative(n->timer, PUMP_USEC);
        (void) sd_event_source_set_enabled(n->timer, SD_EVENT_ONESHOT);
}

static void send_some(struct news *n, struct subscriber *s) {
        unsigned budget = s->link->is_direct ? 256 : 1024;
        int r = 0;

        while (r >= 0 && s->next < n->tail && budget-- > 0 && can_take(s)) {
                struct news_item *item = item_at(n, s->next++);

                if (is_for(s, item))
                        r = signals_send(n->bus->signals, s->link, item);
        }
        if (s->next == n->tail)
                s->n_lost = 0;
        else if (can_take(s))
                arm_timer(n);
        if (!s->link->is_direct) {
                if (s->next < n->tail)
                        arm_timer(n); /* nobody tells when sd-bus has sent what it holds */
        } else if (r < 0)
                connection_doom(connection_of(s->link), NULL);
        else
                connection_sent(connection_of(s->link));
}

void news_pump(struct news *n, struct subscriber *s) {
        if (s->next == n->tail)
                return;
        if (service_is_pending(n->bus->service)) { /* counters are only told when they are true */
                arm_timer(n);
                return;
        }
        send_some(n, s);
        trim(n);
}

void news_pump_all(struct news *n) {
        struct subscriber *s;

        TAILQ_FOREACH(s, &n->subscribers, entry)
                news_pump(n, s);
}

void news_send_at_once(struct news *n, int (*send)(struct link *link, void *userdata), void *userdata) {
        struct subscriber *s;
        int r;

        TAILQ_FOREACH(s, &n->subscribers, entry) {
                r = send(s->link, userdata);
                if (!s->link->is_direct)
                        continue;
                if (r < 0)
                        connection_doom(connection_of(s->link), NULL);
                else
                        connection_sent(connection_of(s->link));
        }
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        news_pump_all(userdata);
        return 0;
}

int news_new(struct bus *bus, struct news **ret) {
        struct news *n;
        int r;

        n = calloc(1, sizeof(*n));
        if (!n)
                return -ENOMEM;
        n->bus = bus;
        TAILQ_INIT(&n->subscribers);
        r = sd_event_add_time(bus->event, &n->timer, CLOCK_MONOTONIC, 0, 1, on_timer, n);
        if (r >= 0)
                r = sd_event_source_set_enabled(n->timer, SD_EVENT_OFF);
        if (r < 0) {
                (void) news_free(n);
                return r;
        }
        *ret = n;
        return 0;
}

struct news *news_free(struct news *n) {
        if (!n)
                return NULL;
        drop_until(n, n->tail);
        for (size_t i = 0; i < REASONS_MAX; i++)
                free(n->reasons[i]);
        sd_event_source_disable_unref(n->timer);
        free(n->items);
        free(n);
        return NULL;
}
