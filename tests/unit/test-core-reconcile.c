/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a start makes of what was left: one row for each combination of table,
 * descriptors, devices and holders.
 */
#include <string.h>

#include "core/reconcile.h"
#include "suite.h"

#define A "0000:01:00.0"
#define B "0000:02:00.0"
#define NO_DEVICE 0

struct expected {
        const char *what;
        bool has_iommufd;
        const char *stored[3]; /* descriptors that came back */
        const char *gone;      /* a device that is not there */
        struct {
                const char *devices[2];
                uint32_t ids[2];
                bool is_attached;
                enum reconcile_verdict verdict;
                enum reconcile_holder holder;
        } attachments[3];
        size_t n_attachments;
        uint32_t adopted[3]; /* the ids that the stored ones are adopted with; NO_DEVICE: closed */
};

#define ONE(device, id, verdict) { { device }, { id }, true, verdict, RECONCILE_HOLDER_IS_THERE }
#define OVER(device, id, verdict) { { device }, { id }, true, verdict, RECONCILE_HOLDER_IS_OVER }
#define UNTOLD(device, id, verdict) { { device }, { id }, true, verdict, RECONCILE_HOLDER_CANNOT_TELL }

static const struct expected table[] = {
        { "nothing at all", .has_iommufd = false },
        { "all is as it was", true, { A }, NULL, { ONE(A, 1, RECONCILE_KEEP) }, 1, { 1 } },
        { "several numbers of one device", true, { A }, NULL, { ONE(A, 1, RECONCILE_KEEP), ONE(A, 1, RECONCILE_KEEP) }, 2, { 1 } },
        { "two devices", true, { A, B }, NULL, { { { A, B }, { 1, 2 }, true, RECONCILE_KEEP, RECONCILE_HOLDER_IS_THERE } }, 1, { 1, 2 } },
        { "row without descriptor", true, { NULL }, NULL, { ONE(A, 1, RECONCILE_DETACH) }, 1, { NO_DEVICE } },
        { "descriptor without row", true, { A }, NULL, {}, 0, { NO_DEVICE } },
        { "descriptors of which one has no row", true, { A, B }, NULL, { ONE(B, 2, RECONCILE_KEEP) }, 1, { NO_DEVICE, 2 } },
        { "no iommufd", false, { A }, NULL, { ONE(A, 1, RECONCILE_DETACH) }, 1, { NO_DEVICE } },
        { "one of two devices' descriptors", true, { A }, NULL, { { { A, B }, { 1, 2 }, true, RECONCILE_DETACH, RECONCILE_HOLDER_IS_THERE } }, 1, { NO_DEVICE } },
        { "the same, and another number that needs the one only", true, { A }, NULL,
          { { { A, B }, { 1, 2 }, true, RECONCILE_DETACH, RECONCILE_HOLDER_IS_THERE }, ONE(A, 1, RECONCILE_KEEP) }, 2, { 1 } },
        { "device gone, its descriptor here", true, { A }, A, { ONE(A, 1, RECONCILE_LOSE) }, 1, { NO_DEVICE } },
        { "device and descriptor gone", true, { NULL }, A, { ONE(A, 1, RECONCILE_LOSE) }, 1, { NO_DEVICE } },
        { "one of two devices gone", true, { A, B }, B,
          { { { A, B }, { 1, 2 }, true, RECONCILE_LOSE, RECONCILE_HOLDER_IS_THERE }, ONE(A, 1, RECONCILE_KEEP) }, 2, { 1, NO_DEVICE } },
        { "device gone, and no iommufd", false, { A }, A, { ONE(A, 1, RECONCILE_LOSE) }, 1, { NO_DEVICE } },
        { "half-made: the row does not say attached", true, { A }, NULL,
          { { { A }, { 1 }, false, RECONCILE_DETACH, RECONCILE_HOLDER_IS_THERE } }, 1, { NO_DEVICE } },
        { "half-made, beside a whole one", true, { A }, NULL,
          { { { A }, { 1 }, false, RECONCILE_DETACH, RECONCILE_HOLDER_IS_THERE }, ONE(A, 1, RECONCILE_KEEP) }, 2, { 1 } },
        { "rows that contradict each other in the id", true, { A }, NULL,
          { ONE(A, 1, RECONCILE_KEEP), ONE(A, 7, RECONCILE_DETACH) }, 2, { 1 } },
        { "holder gone", true, { A }, NULL, { OVER(A, 1, RECONCILE_END) }, 1, { 1 } },
        { "holder gone, beside one that is there", true, { A }, NULL,
          { OVER(A, 1, RECONCILE_END), ONE(A, 1, RECONCILE_KEEP) }, 2, { 1 } },
        { "holder gone, and no iommufd", false, { A }, NULL, { OVER(A, 1, RECONCILE_DETACH) }, 1, { NO_DEVICE } },
        { "holder gone, and no descriptor", true, { NULL }, NULL, { OVER(A, 1, RECONCILE_DETACH) }, 1, { NO_DEVICE } },
        { "holder gone, and the device too", true, { A }, A, { OVER(A, 1, RECONCILE_LOSE) }, 1, { NO_DEVICE } },
        { "holder gone, half-made", true, { A }, NULL,
          { { { A }, { 1 }, false, RECONCILE_DETACH, RECONCILE_HOLDER_IS_OVER } }, 1, { NO_DEVICE } },
        { "of the holder nothing can be told", true, { A }, NULL, { UNTOLD(A, 1, RECONCILE_KEEP) }, 1, { 1 } },
        { "of the holder nothing can be told, and no descriptor", true, { NULL }, NULL, { UNTOLD(A, 1, RECONCILE_DETACH) }, 1,
          { NO_DEVICE } },
        { "of the holder nothing can be told, device gone", true, { A }, A, { UNTOLD(A, 1, RECONCILE_LOSE) }, 1, { NO_DEVICE } },
        { "no id", true, { A }, NULL, { ONE(A, 0, RECONCILE_DETACH) }, 1, { NO_DEVICE } },
        { "no device", true, { A }, NULL, { { { NULL }, { 0 }, true, RECONCILE_DETACH, RECONCILE_HOLDER_IS_THERE } }, 1, { NO_DEVICE } },
};

static bool is_gone(const char *address, void *userdata) {
        const char *gone = userdata;

        return gone && strcmp(address, gone) == 0;
}

START_TEST(test_verdicts) {
        const struct expected *e = &table[_i];
        struct reconcile_attachment attachments[3] = {};
        struct reconcile_device devices[3] = {};
        size_t n_devices = 0;

        for (; n_devices < 3 && e->stored[n_devices]; n_devices++)
                devices[n_devices] = (struct reconcile_device) {
                        .address = e->stored[n_devices], .is_gone = is_gone(e->stored[n_devices], (void *) e->gone) };
        for (size_t i = 0; i < e->n_attachments; i++) {
                size_t n = 0;

                while (n < 2 && e->attachments[i].devices[n])
                        n++;
                attachments[i] = (struct reconcile_attachment) {
                        .devices = e->attachments[i].devices,
                        .device_ids = e->attachments[i].ids,
                        .n_devices = n,
                        .is_attached = e->attachments[i].is_attached,
                        .holder = e->attachments[i].holder,
                };
        }
        for (int round = 0; round < 2; round++) { /* judged anew it comes to the same */
                reconcile(e->has_iommufd, devices, n_devices, attachments, e->n_attachments, is_gone, (void *) e->gone);
                for (size_t i = 0; i < e->n_attachments; i++)
                        ck_assert_msg(attachments[i].verdict == e->attachments[i].verdict, "%s: attachment %zu: %d", e->what, i,
                                      (int) attachments[i].verdict);
                for (size_t i = 0; i < n_devices; i++) {
                        ck_assert_msg(devices[i].is_adopted == (e->adopted[i] != NO_DEVICE), "%s: %s", e->what, devices[i].address);
                        ck_assert_msg(devices[i].id == e->adopted[i], "%s: %s: id %u", e->what, devices[i].address, devices[i].id);
                }
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("core-reconcile");
        TCase *tcase = tcase_create("verdicts");

        tcase_add_loop_test(tcase, test_verdicts, 0, (int) (sizeof(table) / sizeof(table[0])));
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
