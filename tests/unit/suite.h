/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main() of a Check test program: prints TAP, so that automake counts each case.
 * CK_FORK and CK_RUN_CASE work as Check documents them.
 */
#pragma once

#include <check.h>
#include <stdlib.h>

static inline int suite_run(Suite *suite) {
        SRunner *runner = srunner_create(suite);
        int failed;

        srunner_set_tap(runner, "-");
        srunner_run_all(runner, CK_SILENT);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
