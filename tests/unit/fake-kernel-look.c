/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel in memory has, for a test to look at, and whether what was
 * made was undone.
 */
#include "fake-kernel.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static uint32_t find_id(const struct fake_kernel *k, const char *address) {
        for (size_t i = 0; i < k->n_objects; i++)
                if (k->objects[i].kind == FAKE_DEVICE && strcmp(k->objects[i].address, address) == 0)
                        return k->objects[i].id;
        return 0;
}

size_t fake_kernel_count(const struct fake_kernel *k, enum fake_kind kind) {
        size_t n = 0;

        for (size_t i = 0; i < k->n_objects; i++)
                n += k->objects[i].kind == kind;
        return n;
}

bool fake_kernel_has_open(const struct fake_kernel *k, const char *address) {
        for (size_t i = 0; i < k->n_objects; i++)
                if (k->objects[i].kind == FAKE_DEVICE && strcmp(k->objects[i].address, address) == 0)
                        return true;
        return false;
}

const struct fake_object *fake_kernel_attachment(const struct fake_kernel *k, const char *address, uint32_t pasid) {
        for (size_t i = 0; i < k->n_objects; i++)
                if (k->objects[i].kind == FAKE_ATTACHMENT && k->objects[i].pasid == pasid &&
                    strcmp(k->objects[i].address, address) == 0)
                        return &k->objects[i];
        return NULL;
}

void fake_kernel_describe(const struct fake_kernel *k, FILE *out) {
        for (size_t i = 0; i < k->n_objects; i++) {
                const struct fake_object *o = &k->objects[i];

                switch (o->kind) {
                case FAKE_IOAS:
                        fprintf(out, "ioas %u\n", o->id);
                        break;
                case FAKE_HWPT:
                        fprintf(out, "hwpt %u of %u\n", o->id, o->of);
                        break;
                case FAKE_ATTACHMENT:
                        fprintf(out, "attached %u to %s (%u) by %u\n", o->pasid, o->address, find_id(k, o->address), o->of);
                        break;
                case FAKE_MAPPING:
                        fprintf(out, "mapped to %u at %#llx+%#llx flags %u\n", o->of, (unsigned long long) o->iova,
                                (unsigned long long) o->length, o->flags);
                        break;
                default:
                        break;
                }
        }
}

void fake_kernel_forget_steps(struct fake_kernel *k) {
        k->n_steps = 0;
}

static bool is_same(const struct fake_object *a, const struct fake_object *b) {
        return a->kind == b->kind && a->id == b->id && a->of == b->of && a->pasid == b->pasid && a->iova == b->iova &&
                a->device == b->device;
}

void fake_kernel_expect_undone(const struct fake_kernel *k) {
        const struct fake_step **stack = calloc(k->n_steps + 1, sizeof(const struct fake_step *));
        size_t n = 0;

        ck_assert_ptr_nonnull(stack);
        for (size_t i = 0; i < k->n_steps; i++) {
                const struct fake_step *step = &k->steps[i];

                if (n > 0 && stack[n - 1]->is_undo != step->is_undo && is_same(&stack[n - 1]->object, &step->object))
                        n--;
                else
                        stack[n++] = step;
        }
        ck_assert_msg(n == 0, "%zu steps were not taken back, or not in the reverse order", n);
        free((void *) stack);
}
