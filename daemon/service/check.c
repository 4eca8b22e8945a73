/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether tables and descriptors are well, and the table against what is held
 * and against the IOMMU's own tables: each difference is named, none is mended
 * here.
 */
#include "service/mediated.h"

#include <stdlib.h>
#include <string.h>

static const char *const kinds[FINDING_KIND_MAX_] = {
        [FINDING_NOT_IN_KERNEL] = "not-in-kernel",
        [FINDING_NOT_IN_TABLE] = "not-in-table",
        [FINDING_DEVICE_NOT_HELD] = "device-not-held",
        [FINDING_DEVICE_GONE] = "device-gone",
        [FINDING_NOT_HEALTHY] = "not-healthy",
};

const char *finding_kind_to_string(enum finding_kind kind) {
        return (unsigned) kind < FINDING_KIND_MAX_ ? kinds[kind] : "?";
}

static bool has(const uint32_t *numbers, size_t n, uint32_t number) {
        for (size_t low = 0, high = n; low < high;) {
                size_t middle = low + (high - low) / 2;

                if (numbers[middle] == number)
                        return true;
                if (numbers[middle] < number)
                        low = middle + 1;
                else
                        high = middle;
        }
        return false;
}

static bool has_device(const struct consumer *c, const char *address) {
        for (size_t i = 0; i < c->n_devices; i++)
                if (strcmp(c->devices[i].address, address) == 0)
                        return true;
        return false;
}

static bool is_attached_here(const struct service *s, const char *address, uint32_t pasid) {
        for (const struct row *row = core_holder_next(s->core, pasid, NULL); row; row = core_holder_next(s->core, pasid, row))
                if (row->state == ROW_ATTACHED && has_device(row->consumer, address))
                        return true;
        return false;
}

static int check_rows(struct service *s, const struct consumer *c, const char *address, const uint32_t *numbers, size_t n,
                      const struct check_listener *l) {
        int r = 0;

        for (const struct row *row = core_row_next(c, 0); r >= 0 && row; row = core_row_next(c, row->pasid))
                if (row->state == ROW_ATTACHED && !has(numbers, n, row->pasid))
                        r = l->found(&(struct finding) { FINDING_NOT_IN_KERNEL, address, c, row->pasid, NULL }, l->userdata);
        return r;
}

/* A device that pasidd holds: nobody else may attach there. */
static int check_held(struct service *s, const char *address, const struct check_listener *l) {
        _cleanup_free_ uint32_t *numbers = NULL;
        struct refusal refusal = {};
        size_t n = 0;
        int r;

        if (s->kernel->ops->list_attached(s->kernel, address, &numbers, &n, &refusal) < 0)
                return l->skipped(address, refusal.text, l->userdata);
        r = 0;
        for (const struct consumer *c = core_consumer_next(s->core, NULL); r >= 0 && c; c = core_consumer_next(s->core, c))
                if (!c->ended && has_device(c, address))
                        r = check_rows(s, c, address, numbers, n, l);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (numbers[i] != 0 && !is_attached_here(s, address, numbers[i])) /* 0 is the device without a PASID */
                        r = l->found(&(struct finding) { FINDING_NOT_IN_TABLE, address, NULL, numbers[i], NULL }, l->userdata);
        return r;
}

static bool has_attached(const struct consumer *c) {
        for (const struct row *row = core_row_next(c, 0); row; row = core_row_next(c, row->pasid))
                if (row->state == ROW_ATTACHED)
                        return true;
        return false;
}

static int check_consumer(struct service *s, const struct consumer *c, const struct check_listener *l) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < c->n_devices; i++) {
                const char *address = c->devices[i].address;

                if (c->devices[i].gone && c->n_live > 0)
                        r = l->found(&(struct finding) { FINDING_DEVICE_GONE, address, c, 0, NULL }, l->userdata);
                else if (has_attached(c) && !held_device_find(s, address))
                        r = l->found(&(struct finding) { FINDING_DEVICE_NOT_HELD, address, c, 0, NULL }, l->userdata);
        }
        return r;
}

static int check_health(struct service *s, const struct check_listener *l) {
        struct refusal refusal = {};

        if (service_check_health(s, &refusal) >= 0)
                return 0;
        return l->found(&(struct finding) { .kind = FINDING_NOT_HEALTHY, .text = refusal.text }, l->userdata);
}

int service_check(struct service *s, const struct check_listener *l) {
        const struct held_device *d;
        int r;

        r = service_flush(s);
        if (r >= 0)
                r = check_health(s, l);
        for (const struct consumer *c = core_consumer_next(s->core, NULL); r >= 0 && c; c = core_consumer_next(s->core, c))
                if (!c->ended)
                        r = check_consumer(s, c, l);
        TAILQ_FOREACH(d, &s->held_devices, entry)
                if (r >= 0 && d->kernel)
                        r = check_held(s, d->address, l);
        return r;
}
