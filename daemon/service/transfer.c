/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A consumer changes hands: offered by its owner, taken by the one it was
 * offered to, never pushed on anybody. An offer is no more than a word: it
 * ends with the daemon.
 */
#include "service/mediated.h"

#include <errno.h>

int service_offer_consumer(_unused_ struct service *s, struct consumer *c, uid_t uid, struct refusal *refusal) {
        if (uid == c->uid)
                return refuse(refusal, EINVAL, "Consumer \"%s\" belongs to uid %u already; offer it to another.", c->name,
                              (unsigned) uid);
        c->offered_to = uid;
        return 0;
}

bool service_is_offered(struct service *s, uid_t owner, const char *name, uid_t uid) {
        const struct consumer *c = core_consumer_get(s->core, owner, name);

        return c && uid != (uid_t) -1 && c->offered_to == uid;
}

/* Its connection, if that is what holds it, is the new owner's from here on. */
static int change_owner(struct service *s, struct consumer *c, const struct accept_request *request, struct refusal *refusal) {
        struct store *store = service_store_of(s, c);
        size_t mark = core_mark(s->core);
        int r;

        r = core_consumer_set_owner(s->core, c, request->uid, refusal);
        if (r >= 0 && c->hold == HOLD_CONNECTION && core_consumer_set_holder(s->core, c, request->holder) < 0)
                r = refuse(refusal, ENOMEM, "Out of memory.");
        if (r < 0) {
                core_rollback(s->core, mark);
                return r;
        }
        return service_persist(s, store, mark, NULL, "transferred", refusal);
}

int service_accept_consumer(struct service *s, const struct accept_request *request, struct consumer **ret, struct refusal *refusal) {
        struct consumer *c;
        int r;

        /* Others' changes of this moment are told under the old owner's path, and are not undone with this one. */
        (void) service_flush(s);
        if (!service_is_offered(s, request->owner, request->name, request->uid))
                return refuse(refusal, EACCES, "Uid %u was offered no consumer \"%s\" by uid %u; its owner offers it by Transfer.",
                              (unsigned) request->uid, request->name, (unsigned) request->owner);
        c = core_consumer_get(s->core, request->owner, request->name);
        r = mappings_check_owner(s, c, request->uid, refusal);
        if (r >= 0)
                r = change_owner(s, c, request, refusal);
        if (r >= 0)
                r = service_commit(s, refusal);
        if (r < 0)
                return r;
        if (mediation_of(c))
                mediation_of(c)->uid = c->uid;
        leftovers_change_owner(s, c);
        c->offered_to = (uid_t) -1;
        c->is_orphan = false;
        *ret = c;
        return 0;
}
