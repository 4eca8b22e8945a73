/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A mediated consumer's part of the kernel: from its first attachment until it
 * ends it holds its devices, so that they are not opened and closed for each.
 */
#include "service/mediated.h"

#include <stdlib.h>

static int hold_devices(struct mediation *m, struct refusal *refusal) {
        const struct consumer *c = m->consumer;

        while (m->n_devices < c->n_devices) {
                int r = held_device_get(m->service, c->devices[m->n_devices].address, &m->devices[m->n_devices], refusal);

                if (r < 0)
                        return r;
                m->n_devices++;
        }
        return 0;
}

int mediation_get(struct service *s, struct consumer *c, struct mediation **ret, struct refusal *refusal) {
        struct mediation *m = mediation_of(c);
        int r;

        if (!m) {
                m = calloc(1, sizeof(*m) + c->n_devices * sizeof(struct held_device *));
                if (!m)
                        return refuse(refusal, ENOMEM, "Out of memory.");
                m->service = s;
                m->consumer = c;
                m->consumer_id = c->id;
                m->uid = c->uid;
                c->userdata = m;
                TAILQ_INSERT_TAIL(&s->mediations, m, entry);
        }
        r = hold_devices(m, refusal);
        if (r < 0)
                return r;
        *ret = m;
        return 0;
}

void mediation_free(struct mediation *m) {
        if (!m)
                return;
        while (m->n_devices > 0)
                held_device_put(m->devices[--m->n_devices]);
        TAILQ_REMOVE(&m->service->mediations, m, entry);
        free(m);
}

void mediation_drop(struct mediation *m) {
        struct service *s = m->service;
        struct consumer *c = m->consumer;
        struct attachment *a;
        bool has_remnant;

        for (size_t i = 0; i < m->n_devices; i++)
                if (m->n_attachments > 0 && m->devices[i]->n_users > 1)
                        return;
        has_remnant = m->n_attachments > 0;
        while ((a = mediation_next(c, 0)))
                leftovers_add_attached(a); /* until the devices are closed */
        c->userdata = NULL;
        mediation_free(m);
        if (has_remnant) {
                (void) held_devices_settle(s); /* and they are closed when nobody has them open */
                leftovers_retry(s);
        }
}

struct attachment *mediation_find(const struct consumer *c, uint32_t pasid) {
        const struct mediation *m = mediation_of(c);

        return m && pasid <= NUMBER_MAX ? radix_get(&m->attachments, pasid) : NULL;
}

struct attachment *mediation_next(const struct consumer *c, uint32_t pasid) {
        const struct mediation *m = mediation_of(c);

        return m && pasid <= NUMBER_MAX ? radix_next(&m->attachments, pasid) : NULL;
}
