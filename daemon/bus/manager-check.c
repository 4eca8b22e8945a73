/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Manager.Check: each finding of the service as a sentence that says what is
 * wrong and what would help.
 */
#include "bus/manager-check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus/authorise.h"
#include "bus/metrics.h"
#include "bus/options.h"
#include "log-ids.h"
#include "log.h"

#define FINDINGS_MAX 4096U /* in one reply: whoever has mended those asks again */
#define SENTENCE_MAX 512
#define OWNER_MAX (sizeof("4294967295:") + NAME_LEN_MAX)

struct checking {
        sd_bus_message *reply;   /* findings go there at once */
        sd_bus_message *skipped; /* never sent: an array that comes after the findings */
        uint64_t n_findings;
};

static void describe(const struct finding *f, char text[static SENTENCE_MAX]) {
        char what[SENTENCE_MAX / 2];

        if (f->consumer && f->pasid > 0)
                (void) snprintf(what, sizeof(what), "PASID %u of consumer \"%s\"", f->pasid, f->consumer->name);
        else if (f->consumer)
                (void) snprintf(what, sizeof(what), "Consumer \"%s\"", f->consumer->name);
        else if (f->pasid > 0)
                (void) snprintf(what, sizeof(what), "PASID %u", f->pasid);
        else
                (void) snprintf(what, sizeof(what), "Something");

        switch (f->kind) {
        case FINDING_NOT_IN_KERNEL:
                (void) snprintf(text, SENTENCE_MAX, "%s is attached to device %s in the table and not in the IOMMU's; "
                                "detach it, and attach it again if it is needed.", what, f->device);
                break;
        case FINDING_NOT_IN_TABLE:
                (void) snprintf(text, SENTENCE_MAX, "%s is attached to device %s in the IOMMU's table and not in this one; "
                                "end the device's consumers, with the last of which it is closed.", what, f->device);
                break;
        case FINDING_DEVICE_NOT_HELD:
                (void) snprintf(text, SENTENCE_MAX, "%s is attached to device %s in the table, but pasidd does not have the "
                                "device open; detach it, and attach it again if it is needed.", what, f->device);
                break;
        case FINDING_DEVICE_GONE:
                (void) snprintf(text, SENTENCE_MAX, "%s is on device %s, which is gone; free it, or end its consumer.",
                                what, f->device);
                break;
        case FINDING_NOT_HEALTHY:
                (void) snprintf(text, SENTENCE_MAX, "%s", f->text);
                break;
        case FINDING_KIND_MAX_:
                text[0] = '\0';
                break;
        }
}

static void log_finding(const struct finding *f, const char *text) {
        if (f->kind == FINDING_NOT_HEALTHY) {
                log_warning("Not healthy: %s", text);
                return;
        }
        log_about(LOG_WARNING, &(struct log_subject) { .message_id = MESSAGE_DRIFT_FOUND, .device = f->device,
                  .consumer = f->consumer ? f->consumer->name : NULL, .has_uid = f->consumer,
                  .uid = f->consumer ? f->consumer->uid : 0, .pasid = f->pasid, .reason = finding_kind_to_string(f->kind) },
                  "The table and the kernel differ: %s", text);
}

static int path_of_finding(const struct finding *f, char **ret) {
        if (f->consumer)
                return path_of_consumer(f->consumer->uid, f->consumer->name, ret);
        if (f->device)
                return path_of_device(f->device, ret);
        *ret = strdup(PASIDD_PATH);
        return *ret ? 0 : -ENOMEM;
}

static int on_found(const struct finding *f, void *userdata) {
        struct checking *checking = userdata;
        char owner[OWNER_MAX] = "", text[SENTENCE_MAX];
        _cleanup_free_ char *path = NULL;
        int r;

        if (checking->n_findings++ >= FINDINGS_MAX)
                return 0;
        if (f->consumer)
                (void) snprintf(owner, sizeof(owner), "%u:%s", (unsigned) f->consumer->uid, f->consumer->name);
        r = path_of_finding(f, &path);
        if (r < 0)
                return r;
        describe(f, text);
        log_finding(f, text);
        return sd_bus_message_append(checking->reply, "(osuss)", path, owner, f->pasid, finding_kind_to_string(f->kind),
                                     text);
}

static int on_skipped(const char *device, const char *why, void *userdata) {
        struct checking *checking = userdata;

        return sd_bus_message_append(checking->skipped, "(ss)", device, why);
}

static int append_skipped(struct checking *checking) {
        char text[SENTENCE_MAX];
        int r = 0;

        if (checking->n_findings > FINDINGS_MAX) {
                (void) snprintf(text, sizeof(text), "%llu more findings are not listed; mend these first.",
                                (unsigned long long) checking->n_findings - FINDINGS_MAX);
                r = sd_bus_message_append(checking->skipped, "(ss)", "", text);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(checking->skipped);
        if (r >= 0)
                r = sd_bus_message_seal(checking->skipped, 1, 0); /* or it could not be read */
        if (r >= 0)
                r = sd_bus_message_rewind(checking->skipped, true);
        return r < 0 ? r : sd_bus_message_copy(checking->reply, checking->skipped, true);
}

static int check(struct call *call, struct checking *checking) {
        const struct check_listener listener = { .found = on_found, .skipped = on_skipped, .userdata = checking };
        int r;

        r = sd_bus_message_new_method_return(call->message, &checking->reply);
        if (r >= 0)
                r = sd_bus_message_new_signal(call->link->sd, &checking->skipped, PASIDD_PATH, PASIDD_IFACE_MANAGER,
                                              "Check");
        if (r >= 0)
                r = sd_bus_message_open_container(checking->reply, 'a', "(osuss)");
        if (r >= 0)
                r = sd_bus_message_open_container(checking->skipped, 'a', "(ss)");
        if (r >= 0)
                r = service_check(call_service(call), &listener);
        if (r >= 0)
                r = sd_bus_message_close_container(checking->reply);
        if (r >= 0)
                r = append_skipped(checking);
        return r < 0 ? r : sd_bus_send(NULL, checking->reply, NULL);
}

int manager_check(struct call *call) {
        struct checking checking = {};
        int r;

        r = options_read(call->message, NULL, 0, NULL, &call->refusal);
        if (r < 0)
                return r;
        if (!is_privileged(call->link->bus, call->caller))
                return refuse(&call->refusal, EACCES, "Check was asked by uid %u; it tells of everybody's numbers, and of the "
                                                      "kernel's, and is for root only.", (unsigned) call->caller->uid);
        r = check(call, &checking);
        if (r >= 0) {
                call->link->bus->n_drift = checking.n_findings;
                call->link->bus->drift_usec = metrics_now();
        }
        sd_bus_message_unref(checking.reply);
        sd_bus_message_unref(checking.skipped);
        return r;
}
