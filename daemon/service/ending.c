/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers stop being attached as a part of a larger change: Detach, Free,
 * Exit, the end of a holder. The core is asked first, so that what it refuses
 * stops nobody's DMA; then the kernel detaches, before the table says that a
 * number is free; the objects behind it are kept until the table has the
 * change, so that a refusal can be undone.
 */
#include "service/mediated.h"

#include <errno.h>
#include <stdlib.h>

static void done(struct ending *e) {
        free(e->attachments);
        *e = (struct ending) {};
}

static int collect(struct consumer *c, const uint32_t *pasids, size_t n, struct ending *e) {
        struct attachment *a;

        e->attachments = calloc((pasids ? n : mediation_of(c)->n_attachments) + 1, sizeof(struct attachment *));
        if (!e->attachments)
                return -ENOMEM;
        if (!pasids) {
                for (a = mediation_next(c, 0); a; a = mediation_next(c, a->pasid + 1))
                        e->attachments[e->n++] = a;
                return 0;
        }
        for (size_t i = 0; i < n; i++) {
                a = mediation_find(c, pasids[i]);
                if (a) /* twice, if it is named twice: the core refuses that before it matters */
                        e->attachments[e->n++] = a;
        }
        return 0;
}

int ending_begin(struct service *s, struct consumer *c, const uint32_t *pasids, size_t n, struct ending *ret,
                 struct refusal *refusal) {
        struct ending e = { .consumer = c };
        int r;

        *ret = e;
        if (!mediation_of(c) || mediation_of(c)->n_attachments == 0)
                return 0;
        if (collect(c, pasids, n, &e) < 0)
                return refuse(refusal, ENOMEM, "Out of memory.");
        if (e.n == 0) {
                done(&e);
                return 0;
        }
        /* What others asked for has its own fate: it is not undone with this. */
        r = service_commit(s, refusal);
        if (r < 0) {
                done(&e);
                return r;
        }
        *ret = e;
        return 0;
}

int ending_detach_rows(struct service *s, const struct ending *e, const struct moment *now, struct refusal *refusal) {
        for (size_t i = 0; i < e->n; i++) {
                struct row *row = core_row_get(e->consumer, e->attachments[i]->pasid);

                if (!row || row->state != ROW_ATTACHED)
                        continue; /* its device went away: lost stays lost until it is freed */
                if (core_row_set_state(s->core, row, ROW_ALLOCATED, now) < 0)
                        return refuse(refusal, ENOMEM, "Out of memory.");
        }
        return 0;
}

static void reattach(struct ending *e, size_t n) {
        while (n-- > 0)
                (void) attachment_reattach(e->attachments[n], NULL); /* logged there; the row goes on saying attached */
}

static int detach(struct ending *e, struct refusal *refusal) {
        for (size_t i = 0; i < e->n; i++) {
                int r = attachment_detach(e->attachments[i], refusal);

                if (r < 0) {
                        reattach(e, i);
                        return r;
                }
        }
        return 0;
}

static int write_ending(struct store *store, void *userdata, struct refusal *refusal) {
        const struct ending *e = userdata;

        for (size_t i = 0; i < e->n; i++) {
                int r;

                if (e->attachments[i]->is_stuck)
                        continue;
                r = store->ops->attachment_remove(store, e->consumer->id, e->attachments[i]->pasid, refusal);
                if (r < 0)
                        return r;
        }
        return 0;
}

int ending_commit(struct service *s, struct ending *e, struct store *store, size_t mark, const char *reason, int r,
                  struct refusal *refusal) {
        struct extra extra = { write_ending, e, true };

        if (e->n == 0) {
                if (r < 0)
                        core_rollback(s->core, mark);
                return r < 0 ? r : service_persist(s, store, mark, NULL, reason, refusal);
        }
        if (r >= 0)
                r = detach(e, refusal);
        if (r < 0) {
                core_rollback(s->core, mark);
                done(e);
                return r;
        }
        r = service_persist_with(s, store, mark, NULL, reason, &extra, refusal);
        if (r >= 0)
                r = service_commit(s, refusal);
        if (r < 0)
                reattach(e, e->n);
        else
                while (e->n > 0)
                        attachment_destroy(e->attachments[--e->n]);
        done(e);
        return r;
}
