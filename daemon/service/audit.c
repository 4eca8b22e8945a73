/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes as lines of the journal, rationed by uid.
 */
#include "service/audit.h"

#include <time.h>

#include "log-ids.h"
#include "log.h"

static uint64_t now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

/* Its time is over: what was left out is told, and it is free. */
static void end_slot(struct audit_slot *slot) {
        if (slot->n_missed > 0)
                log_about(LOG_NOTICE, &(struct log_subject) { .has_uid = slot->uid != AUDIT_NOBODY, .uid = slot->uid },
                          "%u more lines, the last one about uid %u, were not written", slot->n_missed, (unsigned) slot->uid);
        *slot = (struct audit_slot) {};
}

/* The uid's own, else a free one, else the one that the rest share. */
static struct audit_slot *find_slot(struct audit_budget *budget, uid_t uid, uint64_t now) {
        struct audit_slot *found = NULL;

        for (size_t i = 0; i < AUDIT_SLOTS; i++) {
                struct audit_slot *slot = &budget->slots[i];

                if (slot->until_usec > 0 && now >= slot->until_usec)
                        end_slot(slot);
                if (slot->until_usec == 0 ? !found : slot->uid == uid)
                        found = slot;
                if (found && found->until_usec > 0)
                        return found;
        }
        if (!found) {
                found = &budget->rest;
                if (found->until_usec > 0 && now >= found->until_usec)
                        end_slot(found);
        }
        return found;
}

bool audit_may_write(struct audit_budget *budget, uid_t uid) {
        uint64_t now = now_usec();
        struct audit_slot *slot = find_slot(budget, uid, now);

        if (slot->until_usec == 0)
                slot->until_usec = now + budget->usec;
        slot->uid = uid;
        if (slot->n < budget->max) {
                slot->n++;
                return true;
        }
        slot->n_missed++;
        return false;
}

static struct log_subject subject_of(const struct change *change, const char *message_id, const char *reason) {
        const struct consumer *c = change->consumer;

        return (struct log_subject) {
                .message_id = message_id,
                .consumer = c->name,
                .has_uid = true,
                .uid = c->uid,
                .device = c->n_devices == 1 ? c->devices[0].address : NULL,
                .pasid = change->row ? change->row->pasid : 0,
                .reason = reason,
        };
}

static void tell_state(const struct change *change, bool is_attached, const char *reason) {
        const struct log_subject subject = subject_of(change, is_attached ? MESSAGE_PASID_ATTACHED : MESSAGE_PASID_DETACHED, reason);

        log_about(LOG_INFO, &subject, "PASID %u of consumer \"%s\" of uid %u was %s", change->row->pasid, change->consumer->name,
                  (unsigned) change->consumer->uid, is_attached ? "attached" : "detached");
}

static void tell_row(struct audit_budget *budget, const struct change *change, const char *reason) {
        bool is_attached = change->new_state == ROW_ATTACHED, was_attached = change->old_state == ROW_ATTACHED;

        if (is_attached != was_attached && audit_may_write(budget, change->consumer->uid))
                tell_state(change, is_attached, is_attached ? NULL : reason);
}

void audit_attached(struct audit_budget *budget, struct consumer *c, uint32_t pasid) {
        const struct change change = { .consumer = c, .row = core_row_get(c, pasid) };

        if (log_max_level() >= LOG_INFO && audit_may_write(budget, c->uid))
                tell_state(&change, true, NULL);
}

static void tell_consumer(struct audit_budget *budget, const struct change *change, const char *reason) {
        const struct consumer *c = change->consumer;
        struct log_subject subject;

        if (!audit_may_write(budget, c->uid))
                return;
        if (change->kind == CHANGE_CONSUMER_ADDED) {
                subject = subject_of(change, MESSAGE_CONSUMER_MADE, NULL);
                log_about(LOG_INFO, &subject, "Consumer \"%s\" of uid %u was made, with hold %s, mode %s and %zu device%s", c->name,
                          (unsigned) c->uid, hold_kind_to_string(c->hold), consumer_mode_to_string(c->mode), c->n_devices,
                          c->n_devices == 1 ? "" : "s");
        } else if (change->kind == CHANGE_CONSUMER_OWNER) {
                subject = subject_of(change, MESSAGE_CONSUMER_MOVED, reason);
                log_about(LOG_NOTICE, &subject, "Consumer \"%s\" of uid %u belongs to uid %u from now on", c->name,
                          (unsigned) change->old_uid, (unsigned) c->uid);
        } else {
                subject = subject_of(change, MESSAGE_CONSUMER_ENDED, reason);
                log_about(LOG_INFO, &subject, "Consumer \"%s\" of uid %u ended: %s", c->name, (unsigned) c->uid, reason);
        }
}

void audit_change(struct audit_budget *budget, const struct change *change, const char *reason) {
        switch (change->kind) {
        case CHANGE_CONSUMER_ADDED:
        case CHANGE_CONSUMER_OWNER:
                tell_consumer(budget, change, reason);
                break;
        case CHANGE_CONSUMER_ENDED:
        case CHANGE_CONSUMER_REMOVED:
                if (!change->had_ended)
                        tell_consumer(budget, change, reason);
                break;
        case CHANGE_ROW_STATE:
                tell_row(budget, change, reason);
                break;
        default:
                break;
        }
}

void audit_device(struct audit_budget *budget, const char *message_id, const char *address, const char *what) {
        if (log_max_level() >= LOG_INFO && audit_may_write(budget, AUDIT_NOBODY))
                log_about(LOG_INFO, &(struct log_subject) { .message_id = message_id, .device = address }, "Device %s %s", address, what);
}
