/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's own status.
 */
#include "libpasid-internal.h"

_public_ int pasid_get_status(struct pasid_client *client, struct pasid_status *ret) {
        struct pasid_status status = { .size = sizeof(status), .version = "", .boot_id = "", .table = "" };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        uint32_t restored[3] = {};
        const struct lp_property properties[] = {
                { "Version", "s", &status.version },
                { "Pasids", "u", &status.pasids },
                { "Consumers", "u", &status.consumers },
                { "BootId", "s", &status.boot_id },
                { "Table", "s", &status.table },
                { "Restored", "(uuu)", restored },
        };
        int r;

        if (!client || !ret)
                return lp_fail(client, EINVAL, "A place for the status is needed.");
        if (lp_struct_check(ret) < 0)
                return lp_fail(client, EINVAL, "The size of struct pasid_status is not set.");
        r = lp_get_all(client, PASIDD_PATH, PASIDD_IFACE_MANAGER, &m);
        if (r < 0)
                return r;
        r = lp_read_properties(m, properties, ELEMENTSOF(properties));
        if (r < 0)
                return lp_fail_read(client, r);
        (void) sd_bus_message_unref(client->status);
        client->status = TAKE_PTR(m);
        status.restored_kept = restored[0];
        status.restored_detached = restored[1];
        status.restored_lost = restored[2];
        lp_struct_write(ret, ret->size, &status);
        return 0;
}
