/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the daemon measures.
 */
#include "libpasid-internal.h"

struct walk {
        pasid_metric_cb callback;
        void *userdata;
        int result; /* the callback's */
};

/* *ret is an array to be freed with free(); what it points at is the message's. */
static int read_labels(sd_bus_message *m, const char ***ret) {
        _cleanup_free_ const char **labels = calloc(1, sizeof(*labels));
        size_t n = 0;
        int r;

        if (!labels)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "{ss}");
        while (r >= 0) {
                const char *key, *value, **more;

                r = sd_bus_message_read(m, "{ss}", &key, &value);
                if (r <= 0)
                        break;
                more = reallocarray(labels, n + 3, sizeof(*more));
                if (!more)
                        return -ENOMEM;
                labels = more;
                labels[n++] = key;
                labels[n++] = value;
                labels[n] = NULL;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(labels);
        return 0;
}

/* 1: one was read, and handed on; 0: there are no more. */
static int sample_next(sd_bus_message *m, struct pasid_metric *metric, struct walk *walk) {
        _cleanup_free_ const char **labels = NULL;
        int r;

        r = sd_bus_message_enter_container(m, 'r', "sa{ss}d");
        if (r <= 0)
                return r;
        r = sd_bus_message_read_basic(m, 's', &metric->suffix);
        if (r >= 0)
                r = read_labels(m, &labels);
        if (r >= 0)
                r = sd_bus_message_read_basic(m, 'd', &metric->value);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        metric->labels = labels;
        walk->result = walk->callback(metric, walk->userdata);
        return 1;
}

static int family_next(sd_bus_message *m, struct walk *walk) {
        struct pasid_metric metric = { .size = sizeof(metric) };
        int r;

        r = sd_bus_message_enter_container(m, 'r', "sssa(sa{ss}d)");
        if (r <= 0)
                return r;
        r = sd_bus_message_read(m, "sss", &metric.family, &metric.type, &metric.help);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(sa{ss}d)");
        if (r < 0)
                return r;
        do
                r = sample_next(m, &metric, walk);
        while (r > 0 && walk->result == 0);
        if (r < 0 || walk->result != 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 1;
}

_public_ int pasid_metric_for_each(struct pasid_client *client, pasid_metric_cb callback, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        struct walk walk = { callback, userdata, 0 };
        int r;

        if (!client || !callback)
                return lp_fail(client, EINVAL, "A callback is needed.");
        r = lp_call_new(client, PASIDD_PATH, PASIDD_IFACE_MANAGER, "GetMetrics", &call);
        if (r < 0)
                return r;
        r = lp_call(client, call, "a(sssa(sa{ss}d))", &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(sssa(sa{ss}d))");
        if (r < 0)
                return lp_fail_read(client, r);
        do
                r = family_next(reply, &walk);
        while (r > 0 && walk.result == 0);
        return r < 0 ? lp_fail_read(client, r) : walk.result;
}
