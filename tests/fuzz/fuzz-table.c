/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the table's file as bytes. The last byte tells which table it is and
 * of which boot; all before it is the file.
 */
#include "log.h"
#include "table.h"

int LLVMFuzzerInitialize(_unused_ int *argc, _unused_ char ***argv) {
        const uint8_t *data;
        size_t size;

        log_setup(LOG_EMERG);
        table_get_good(&(struct table_kind) {}, &data, &size);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct table_kind kind;

        if (size == 0)
                return 0;
        size--;
        kind = (struct table_kind) { .is_persistent = data[size] & 1, .is_of_other_boot = data[size] & 2 };
        table_write(&kind, data, size);
        table_check(&kind);
        return 0;
}
